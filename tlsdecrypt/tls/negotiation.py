"""Negotiation: what was seen of one handshake, in whichever order its two directions were read."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, NamedTuple

from tlsdecrypt.flow import Direction
from tlsdecrypt.tls import handshake
from tlsdecrypt.tls.ciphersuites import cipher_suite
from tlsdecrypt.tls.key_exchange import group_name, parse_server_key_exchange_group
from tlsdecrypt.tls.registry import HandshakeType, ProtocolVersion

if TYPE_CHECKING:
    from collections.abc import Callable

    from tlsdecrypt.tls.ciphersuites import CipherSuite
    from tlsdecrypt.tls.handshake import ClientHello, ServerHello
    from tlsdecrypt.tls.session import KeySource

_HEADER_LENGTH = 4
_DEFLATE = 1  # RFC 3749
_SERVER_FLIGHT = frozenset(
    {HandshakeType.CERTIFICATE, HandshakeType.SERVER_KEY_EXCHANGE, HandshakeType.SERVER_HELLO_DONE}
)


class Candidate(NamedTuple):
    """A master secret that may be the one of a session, and where it came from."""

    master_secret: bytes
    origin: KeySource

    def __repr__(self) -> str:
        """Never the secret."""
        return f"Candidate({self.origin!r})"


class Negotiation:
    """One handshake of a connection: the first, or a renegotiation.

    Messages are kept by direction, since an observer may see all of one direction before the other;
    `session_hash_input` puts them into the order in which the peers hashed them.
    """

    def __init__(self) -> None:
        """Nothing was seen yet."""
        self.client_hello: ClientHello | None = None
        self.server_hello: ServerHello | None = None
        self.server_certificates: tuple[bytes, ...] = ()
        self.client_certificates: tuple[bytes, ...] = ()
        self.key_exchange_group: str | None = None
        self.ticket: bytes = b""
        self.alpn: str | None = None
        self.has_certificate_request = False
        self.client_key_exchange: bytes | None = None
        self.is_early_data_accepted = False
        self.proved: Candidate | None = None  # the master secret, once a record was opened with it
        self.pre_master_secrets: dict[str, bytes | None] = {}  # by spki_sha256: no key decrypts twice
        self.knowledge = 0  # grows with each message: what failed before may succeed now
        self._messages: tuple[list[bytes], list[bytes]] = ([], [])
        self._server_flight = False

    @property
    def version(self) -> int | None:
        """The negotiated version, None until the ServerHello was seen."""
        return self.server_hello.version if self.server_hello else None

    @property
    def is_tls13(self) -> bool:
        """Whether TLS 1.3, or one of its drafts, was negotiated."""
        return self.version is not None and self.version > ProtocolVersion.TLSv1_2

    @property
    def suite(self) -> CipherSuite | None:
        """The negotiated cipher suite, None until the ServerHello was seen."""
        return cipher_suite(self.server_hello.cipher_suite) if self.server_hello else None

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
        needs_client = self.suite is not None and self.suite.uses_rsa_key_exchange and not self.is_resumed
        return not needs_client or self.client_key_exchange is not None

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
    def has_extended_master_secret(self) -> bool:
        """Whether both sides agreed on it (RFC 7627)."""
        return self.server_hello is not None and self.server_hello.extensions.has_extended_master_secret

    @property
    def has_encrypt_then_mac(self) -> bool:
        """Whether both sides agreed on it (RFC 7366)."""
        return self.server_hello is not None and self.server_hello.extensions.has_encrypt_then_mac

    @property
    def has_truncated_hmac(self) -> bool:
        """Whether both sides agreed on it (RFC 6066 section 7)."""
        return self.server_hello is not None and self.server_hello.extensions.has_truncated_hmac

    def session_hash_input(self) -> bytes:
        """The messages that extended_master_secret hashes: all up to ClientKeyExchange (RFC 7627 section 3)."""
        client, server = self._messages
        last = next(
            (i for i, message in enumerate(client) if message[0] == HandshakeType.CLIENT_KEY_EXCHANGE), len(client) - 1
        )
        return b"".join((*client[:1], *server, *client[1 : last + 1]))

    def add_sslv2_hello(self, record: bytes) -> None:
        """A ClientHello in the format of SSL 2.0; it is hashed without its record header."""
        self.client_hello = handshake.parse_sslv2_client_hello(record)
        self._messages[Direction.CLIENT_TO_SERVER].append(record)
        self.knowledge += 1

    def add(self, direction: Direction, message: bytes) -> None:
        """A handshake message with its header. Raises ParseError where its body is not what it should be."""
        self.knowledge += 1
        kind = HandshakeType(message[0])
        if kind is not HandshakeType.HELLO_REQUEST and not self._is_after_server_flight(direction, kind):
            self._messages[direction].append(message)
        self._server_flight |= kind in _SERVER_FLIGHT and direction is Direction.SERVER_TO_CLIENT
        parse = self._PARSERS.get(kind)
        if parse is not None:
            parse(self, direction, message[_HEADER_LENGTH:])

    @staticmethod
    def _is_after_server_flight(direction: Direction, kind: HandshakeType) -> bool:
        after = (HandshakeType.NEW_SESSION_TICKET, HandshakeType.FINISHED)
        return direction is Direction.SERVER_TO_CLIENT and kind in after

    def _add_client_hello(self, _direction: Direction, body: bytes) -> None:
        self.client_hello = handshake.parse_client_hello(body)

    def _add_server_hello(self, _direction: Direction, body: bytes) -> None:
        hello = handshake.parse_server_hello(body)
        if hello.is_hello_retry_request:
            return
        self.server_hello = hello
        self.alpn = hello.alpn
        if hello.key_share is not None:
            self.key_exchange_group = group_name(hello.key_share.group)

    def _add_encrypted_extensions(self, _direction: Direction, body: bytes) -> None:
        extensions = handshake.parse_encrypted_extensions(body)
        self.alpn = extensions.alpn[0] if extensions.alpn else None
        self.is_early_data_accepted = extensions.has_early_data

    def _add_certificate(self, direction: Direction, body: bytes) -> None:
        parsed = handshake.parse_certificate_13(body)[1] if self.is_tls13 else handshake.parse_certificate(body)
        self._set_certificates(direction, parsed)

    def _add_compressed_certificate(self, direction: Direction, body: bytes) -> None:
        self._set_certificates(direction, handshake.parse_compressed_certificate(body)[1])

    def _set_certificates(self, direction: Direction, certificates: tuple[bytes, ...]) -> None:
        if direction is Direction.SERVER_TO_CLIENT:
            self.server_certificates = certificates
        else:
            self.client_certificates = certificates

    def _add_server_key_exchange(self, _direction: Direction, body: bytes) -> None:
        if self.suite is not None:
            self.key_exchange_group = parse_server_key_exchange_group(body, self.suite.key_exchange)

    def _add_certificate_request(self, _direction: Direction, _body: bytes) -> None:
        self.has_certificate_request = True

    def _add_client_key_exchange(self, _direction: Direction, body: bytes) -> None:
        self.client_key_exchange = body

    def _add_new_session_ticket(self, _direction: Direction, body: bytes) -> None:
        if not self.is_tls13:
            self.ticket = handshake.parse_new_session_ticket(body)[1]

    _PARSERS: ClassVar[dict[HandshakeType, Callable[[Negotiation, Direction, bytes], None]]] = {
        HandshakeType.CLIENT_HELLO: _add_client_hello,
        HandshakeType.SERVER_HELLO: _add_server_hello,
        HandshakeType.ENCRYPTED_EXTENSIONS: _add_encrypted_extensions,
        HandshakeType.CERTIFICATE: _add_certificate,
        HandshakeType.COMPRESSED_CERTIFICATE: _add_compressed_certificate,
        HandshakeType.SERVER_KEY_EXCHANGE: _add_server_key_exchange,
        HandshakeType.CERTIFICATE_REQUEST: _add_certificate_request,
        HandshakeType.CLIENT_KEY_EXCHANGE: _add_client_key_exchange,
        HandshakeType.NEW_SESSION_TICKET: _add_new_session_ticket,
    }
