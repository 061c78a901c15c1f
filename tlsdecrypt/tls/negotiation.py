"""Negotiation: what was seen of one handshake, in whichever order its two directions were read."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar, Final

from tlsdecrypt.flow import Direction
from tlsdecrypt.tls import handshake
from tlsdecrypt.tls.ciphersuites import cipher_suite
from tlsdecrypt.tls.extensions import NO_EXTENSIONS
from tlsdecrypt.tls.key_exchange import group_name, parse_server_key_exchange
from tlsdecrypt.tls.registry import ExtensionType, HandshakeType, ProtocolVersion
from tlsdecrypt.tls.transcript import Transcript

if TYPE_CHECKING:
    from collections.abc import Callable

    from tlsdecrypt.tls.ciphersuites import CipherSuite
    from tlsdecrypt.tls.handshake import CertificateRequest, ClientHello, NewSessionTicket13, ServerHello
    from tlsdecrypt.tls.key_exchange import ServerKeyExchange
    from tlsdecrypt.tls.prf import DirectionKeys
    from tlsdecrypt.tls.secrets import FoundSecret

MOST_SHARED: Final = 64  # messages that many connections show, in memory once
MOST_TICKETS: Final = 64  # of one session in TLS 1.3; what comes after them is not kept

_HEADER_LENGTH = 4
_DEFLATE = 1  # RFC 3749
_RAW_PUBLIC_KEY = 2  # RFC 7250 section 3
_FIRST_DRAFT_WITH_TICKET_NONCE: Final = 0x7F15  # draft 21
_CERTIFICATE = int(HandshakeType.CERTIFICATE)  # compared once a message: an int is faster than a member
_SERVER_FLIGHT = frozenset(
    {HandshakeType.CERTIFICATE, HandshakeType.SERVER_KEY_EXCHANGE, HandshakeType.SERVER_HELLO_DONE}
)
_SERVER_TO_CLIENT = Direction.SERVER_TO_CLIENT
_TLSV1_2 = int(ProtocolVersion.TLSv1_2)


@lru_cache(maxsize=MOST_SHARED)
def _shared(message: bytes) -> tuple[bytes, bytes]:
    """The same message, and its body, in memory once: all connections to a server show its certificates."""
    return message, message[_HEADER_LENGTH:]


class Negotiation:
    """One handshake of a connection: the first, or a renegotiation.

    Messages are kept by direction, since an observer may see all of one direction before the other; `transcript`
    puts them into the order in which the peers hashed them. `ticket` is that of a NewSessionTicket up to TLS 1.2,
    None until one was seen, `tickets` are those of TLS 1.3.
    """

    def __init__(self) -> None:
        """Nothing was seen yet."""
        self.client_hello: ClientHello | None = None  # the last one: a HelloRetryRequest asks for another
        self.first_hello: ClientHello | None = None
        self.server_hello: ServerHello | None = None
        self.version: int | None = None  # this and the suite are negotiated by the ServerHello
        self.suite: CipherSuite | None = None
        self.server_certificates: tuple[bytes, ...] = ()
        self.client_certificates: tuple[bytes, ...] = ()
        self.key_exchange_group: str | None = None
        self.server_key_exchange: ServerKeyExchange | None = None
        self.ticket: bytes | None = None
        self.tickets: list[NewSessionTicket13] = []
        self.alpn: str | None = None
        self.answered = NO_EXTENSIONS  # to what the client offered: in the ServerHello, or in EncryptedExtensions
        self.has_extended_master_secret = False  # whether both sides agreed on it (RFC 7627) ...
        self.has_encrypt_then_mac = False  # (RFC 7366)
        self.has_truncated_hmac = False  # (RFC 6066 section 7)
        self.certificate_request: CertificateRequest | None = None
        self.has_certificate_request = False
        self.retry_group: str | None = None  # what the server asked for in a HelloRetryRequest
        self.client_key_exchange: bytes | None = None
        self.keys: tuple[FoundSecret, tuple[DirectionKeys, DirectionKeys]] | None = None  # of the last candidate
        self.proved: FoundSecret | None = None  # the master secret, once a record was opened with it
        self.pre_master_secrets: dict[str, bytes | None] = {}  # by spki_sha256: no key decrypts twice
        self.knowledge = 0  # grows with each message: what failed before may succeed now
        self.transcript = Transcript()
        self._client_hellos = 0
        self._server_flight = False
        self._server_hello_done = False

    @property
    def is_tls13(self) -> bool:
        """Whether TLS 1.3, or one of its drafts, was negotiated; a HelloRetryRequest says so before the ServerHello."""
        return self.transcript.has_retry if self.version is None else self.version > _TLSV1_2

    @property
    def is_resumed(self) -> bool:
        """Whether the session continues an earlier one (up to TLS 1.2 the server then sends no flight of its own)."""
        if self.server_hello is None:
            return False
        if self.is_tls13:
            return self.server_hello.selected_psk is not None
        return not self._server_flight and self.client_key_exchange is None

    @property
    def is_complete(self) -> bool:
        """Whether no message of either direction could tell more about the keys (up to TLS 1.2)."""
        if self.is_tls13 or self.is_resumed:
            return True
        has_exchange = self._server_hello_done and self.client_key_exchange is not None
        return has_exchange and (self.ticket is not None or not self._promises_ticket)

    @property
    def _promises_ticket(self) -> bool:
        """Whether the server will send a NewSessionTicket before its Finished (RFC 5077 section 3.2)."""
        return self.server_hello is not None and ExtensionType.SESSION_TICKET in self.server_hello.extensions

    @property
    def is_retry_unanswered(self) -> bool:
        """Whether the ClientHello that answers a HelloRetryRequest is yet to be read."""
        return self.transcript.has_retry and self._client_hellos < 2  # noqa: PLR2004 - the first, and the answer

    @property
    def has_temporary_rsa_key(self) -> bool:
        """Whether the client encrypts to a key of the ServerKeyExchange (RFC 2246 section 7.4.3, export suites)."""
        is_export = self.suite is not None and self.suite.key_exchange.startswith("RSA_EXPORT")
        return is_export and self.server_key_exchange is not None

    @property
    def is_compressed(self) -> bool:
        """Whether records are compressed with DEFLATE."""
        return self.server_hello is not None and self.server_hello.compression_method == _DEFLATE

    @property
    def resumption(self) -> str | None:
        """What the client resumed by: `session_id`, `ticket` or `psk`; None for a full handshake."""
        if not self.is_resumed or self.client_hello is None:
            return None
        if self.is_tls13:
            return "psk"
        return "ticket" if self.client_hello.session_ticket else "session_id"

    @property
    def has_echoed_session_id(self) -> bool:
        """Whether the server answered with the client's session id: up to TLS 1.2 only one that resumes does.

        RFC 5246 section 7.4.1.3; RFC 5077 section 3.4 for tickets. A client that sent none leaves it open.
        """
        if self.client_hello is None or self.server_hello is None:
            return False
        if not self.client_hello.session_id:
            return bool(self.client_hello.session_ticket)
        return self.server_hello.session_id == self.client_hello.session_id

    def add_sslv2_hello(self, record: bytes) -> None:
        """A ClientHello in the format of SSL 2.0; it is hashed without its record header."""
        self.client_hello = self.first_hello = handshake.parse_sslv2_client_hello(record)
        self._client_hellos += 1
        self.transcript.add(Direction.CLIENT_TO_SERVER, record)
        self.knowledge += 1

    def add(self, direction: Direction, message: bytes) -> None:
        """A handshake message with its header. Raises ParseError where its body is not what it should be."""
        self.knowledge += 1
        kind = message[0]
        if kind == _CERTIFICATE:
            message, body = _shared(message)
        else:
            body = message[_HEADER_LENGTH:]
        self.transcript.add(direction, message)
        if direction is _SERVER_TO_CLIENT and kind in _SERVER_FLIGHT:
            self._server_flight = True
        parse = self._PARSERS.get(kind)
        if parse is not None:
            parse(self, direction, body)

    def _add_client_hello(self, _direction: Direction, body: bytes) -> None:
        self._client_hellos += 1
        self.client_hello = handshake.parse_client_hello(body)
        self.first_hello = self.first_hello or self.client_hello

    def _add_hello_retry_request(self, _direction: Direction, body: bytes) -> None:
        self.transcript.has_retry = True  # whatever else it says
        self._take_retry(handshake.parse_draft_hello_retry_request(body))

    def _take_retry(self, hello: ServerHello) -> None:
        self.transcript.has_retry = True
        if (group := hello.extensions.retry_group) is not None:
            self.retry_group = group_name(group)

    def _add_server_hello(self, _direction: Direction, body: bytes) -> None:
        hello = handshake.parse_server_hello(body)
        if hello.is_hello_retry_request:
            self._take_retry(hello)
            return
        self.server_hello = hello
        self.version = hello.version
        self.suite = cipher_suite(hello.cipher_suite)
        self.alpn = hello.alpn
        self.answered = hello.extensions
        self.has_extended_master_secret = hello.extensions.has_extended_master_secret
        self.has_encrypt_then_mac = hello.extensions.has_encrypt_then_mac
        self.has_truncated_hmac = hello.extensions.has_truncated_hmac
        if hello.key_share is not None:
            self.key_exchange_group = group_name(hello.key_share.group)

    def _add_encrypted_extensions(self, _direction: Direction, body: bytes) -> None:
        extensions = handshake.parse_encrypted_extensions(body)
        self.alpn = extensions.alpn[0] if extensions.alpn else None
        self.answered = extensions

    def _add_certificate(self, direction: Direction, body: bytes) -> None:
        if self.is_tls13:
            self._set_certificates(direction, handshake.parse_certificate_13(body)[1])
        elif self._sends_raw_public_key(direction):
            self._set_certificates(direction, (handshake.parse_raw_public_key(body),))
        else:
            self._set_certificates(direction, handshake.parse_certificate(body))

    def _sends_raw_public_key(self, direction: Direction) -> bool:
        """Whether the server chose raw public keys for the certificates of this direction (RFC 7250 section 4.2)."""
        extensions = self.server_hello.extensions if self.server_hello else NO_EXTENSIONS
        is_server = direction is Direction.SERVER_TO_CLIENT
        chosen = extensions.server_certificate_types if is_server else extensions.client_certificate_types
        return chosen == (_RAW_PUBLIC_KEY,)

    def _add_compressed_certificate(self, direction: Direction, body: bytes) -> None:
        self._set_certificates(direction, handshake.parse_compressed_certificate(body)[1])

    def _set_certificates(self, direction: Direction, certificates: tuple[bytes, ...]) -> None:
        if direction is Direction.SERVER_TO_CLIENT:
            self.server_certificates = certificates
        else:
            self.client_certificates = certificates

    def _add_server_key_exchange(self, _direction: Direction, body: bytes) -> None:
        if self.suite is not None:
            self.server_key_exchange = parse_server_key_exchange(body, self.suite.key_exchange)
            self.key_exchange_group = self.server_key_exchange.group

    def _add_server_hello_done(self, _direction: Direction, _body: bytes) -> None:
        self._server_hello_done = True

    def _add_certificate_request(self, _direction: Direction, body: bytes) -> None:
        self.has_certificate_request = True
        if self.is_tls13:
            self.certificate_request = handshake.parse_certificate_request_13(body)
        else:
            version = ProtocolVersion.TLSv1_2 if self.version is None else self.version
            self.certificate_request = handshake.parse_certificate_request(body, version)

    def _add_client_key_exchange(self, _direction: Direction, body: bytes) -> None:
        self.client_key_exchange = body

    def _add_new_session_ticket(self, _direction: Direction, body: bytes) -> None:
        if not self.is_tls13:
            self.ticket = handshake.parse_new_session_ticket(body)[1]
        elif self._has_ticket_nonces and len(self.tickets) < MOST_TICKETS:
            self.tickets.append(handshake.parse_new_session_ticket_13(body))

    @property
    def _has_ticket_nonces(self) -> bool:
        """Whether one session may have several PSKs: earlier drafts had another form of ticket."""
        is_draft = self.version is not None and ProtocolVersion(self.version).is_draft
        return not is_draft or (self.version or 0) >= _FIRST_DRAFT_WITH_TICKET_NONCE

    _PARSERS: ClassVar[dict[int, Callable[[Negotiation, Direction, bytes], None]]] = {
        HandshakeType.CLIENT_HELLO: _add_client_hello,
        HandshakeType.HELLO_RETRY_REQUEST: _add_hello_retry_request,
        HandshakeType.SERVER_HELLO: _add_server_hello,
        HandshakeType.ENCRYPTED_EXTENSIONS: _add_encrypted_extensions,
        HandshakeType.CERTIFICATE: _add_certificate,
        HandshakeType.COMPRESSED_CERTIFICATE: _add_compressed_certificate,
        HandshakeType.SERVER_KEY_EXCHANGE: _add_server_key_exchange,
        HandshakeType.SERVER_HELLO_DONE: _add_server_hello_done,
        HandshakeType.CERTIFICATE_REQUEST: _add_certificate_request,
        HandshakeType.CLIENT_KEY_EXCHANGE: _add_client_key_exchange,
        HandshakeType.NEW_SESSION_TICKET: _add_new_session_ticket,
    }
