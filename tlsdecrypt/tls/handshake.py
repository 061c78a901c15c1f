"""Handshake messages, SSL 3.0 to TLS 1.3 with its drafts: bodies (without their 4-byte header) become values."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final, TypeVar

from tlsdecrypt.errors import ParseError
from tlsdecrypt.tls.certificate_compression import decompress_certificate
from tlsdecrypt.tls.extensions import (
    NO_EXTENSIONS,
    Extensions,
    KeyShareEntry,
    parse_authorities,
    parse_extensions,
    uint16s,
)
from tlsdecrypt.tls.key_exchange import (
    group_name,
    parse_client_key_exchange,
    parse_encrypted_pre_master_secret,
    parse_server_key_exchange,
    parse_server_key_exchange_group,
)
from tlsdecrypt.tls.registry import ProtocolVersion
from tlsdecrypt.value import Hidden, Value
from tlsdecrypt.wire import Reader

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "CertificateRequest",
    "ClientHello",
    "NewSessionTicket13",
    "ServerHello",
    "group_name",
    "parse_certificate",
    "parse_certificate_13",
    "parse_certificate_request",
    "parse_certificate_request_13",
    "parse_client_hello",
    "parse_client_key_exchange",
    "parse_compressed_certificate",
    "parse_draft_hello_retry_request",
    "parse_encrypted_extensions",
    "parse_encrypted_pre_master_secret",
    "parse_new_session_ticket",
    "parse_new_session_ticket_13",
    "parse_raw_public_key",
    "parse_server_hello",
    "parse_server_key_exchange",
    "parse_server_key_exchange_group",
    "parse_sslv2_client_hello",
]

_RestT = TypeVar("_RestT")

HELLO_RETRY_REQUEST_RANDOM: Final = bytes.fromhex(  # SHA-256 of "HelloRetryRequest", RFC 8446 section 4.1.3
    "cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c"
)
CERTIFICATES_REMEMBERED: Final = 64  # messages: all connections to a server show the same
OFFERS_REMEMBERED: Final = 64  # of clients, and as many answers of servers
LONGEST_REMEMBERED: Final = 1 << 12  # bytes of an offer; longer ones are rarely the same
MOST_CERTIFICATES: Final = 256  # of one message; the rest is not kept

_RANDOM_LENGTH: Final = 32
_SSLV2_CIPHER_LENGTH: Final = 3
_SSLV2_CLIENT_HELLO: Final = 1
_SSLV2_LONG_HEADER: Final = 0x80
_FIRST_RETRY_WITH_SUITE: Final = 0x7F13  # draft 19


class ClientHello(Value, frozen=True):
    """RFC 8446 section 4.1.2, and its older forms; cipher specs of SSL 2.0 format have three bytes.

    Malformed extensions count as absent in the properties.
    """

    legacy_version: int
    random: bytes
    session_id: bytes
    cipher_suites: Hidden[tuple[int, ...]]
    compression_methods: tuple[int, ...]
    extensions: Extensions
    is_sslv2_format: bool = False

    @property
    def server_name(self) -> str | None:
        """The host name that the client wants."""
        return self.extensions.server_name

    @property
    def alpn(self) -> tuple[str, ...]:
        """The application protocols it offers, most wanted first."""
        return self.extensions.alpn

    @property
    def supported_versions(self) -> tuple[int, ...]:
        """The versions it offers by the extension; empty without it."""
        return self.extensions.client_versions

    @property
    def session_ticket(self) -> bytes | None:
        """The ticket of RFC 5077; empty where it only says that it knows tickets."""
        return self.extensions.session_ticket

    @property
    def key_shares(self) -> tuple[KeyShareEntry, ...]:
        """Groups and public keys of TLS 1.3."""
        return self.extensions.client_key_shares


class ServerHello(Value, frozen=True):
    """RFC 8446 section 4.1.3, and its older forms."""

    legacy_version: int
    random: bytes
    session_id: bytes
    cipher_suite: int
    compression_method: int
    extensions: Extensions

    @property
    def is_hello_retry_request(self) -> bool:
        """Whether the random is the fixed one of a HelloRetryRequest (drafts up to 21: a message of its own)."""
        return self.random == HELLO_RETRY_REQUEST_RANDOM

    @property
    def version(self) -> int:
        """The negotiated version: that of `supported_versions`, else `legacy_version`."""
        return self.extensions.server_version or self.legacy_version

    @property
    def alpn(self) -> str | None:
        """The application protocol, which TLS 1.3 moves to EncryptedExtensions."""
        alpn = self.extensions.alpn
        return alpn[0] if alpn else None

    @property
    def selected_psk(self) -> int | None:
        """The index of the client's PSK identity that the server took."""
        return self.extensions.selected_psk

    @property
    def key_share(self) -> KeyShareEntry | None:
        """The group and public key of TLS 1.3; None in a HelloRetryRequest, which has a group only."""
        return self.extensions.server_key_share


class NewSessionTicket13(Value, frozen=True):
    """RFC 8446 section 4.6.1; `lifetime` in seconds."""

    lifetime: int
    age_add: int
    nonce: bytes
    ticket: Hidden[bytes]
    extensions: Extensions


class CertificateRequest(Value, frozen=True):
    """What a server wants of a client's certificate; `authorities` are names in DER."""

    certificate_types: tuple[int, ...]
    signature_algorithms: tuple[int, ...]
    authorities: Hidden[tuple[bytes, ...]]


def parse_client_hello(body: bytes) -> ClientHello:
    """ClientHello, RFC 8446 section 4.1.2.

    What stands behind the session id is often the same in all hellos of a client, and is read once.
    """
    reader = Reader(body)
    version, random = reader.u16("client version"), reader.take(_RANDOM_LENGTH, "client random")
    session_id = reader.vector(1, "session id")
    return ClientHello(version, random, session_id, *_read_rest(reader, _offer, _remembered_offer))


def _read_rest(reader: Reader, read: Callable[[bytes], _RestT], remembered: Callable[[bytes], _RestT]) -> _RestT:
    """What `read` makes of the rest; offsets in errors count from the start of the message."""
    start, rest = reader.offset, reader.rest()
    try:
        return remembered(rest) if len(rest) <= LONGEST_REMEMBERED else read(rest)
    except ParseError as error:
        raise ParseError(error.what, start + error.offset) from None


def _offer(rest: bytes) -> tuple[tuple[int, ...], tuple[int, ...], Extensions]:
    """Cipher suites, compression methods and extensions of a ClientHello."""
    reader = Reader(rest)
    suites = uint16s(reader.vector(2, "cipher suites"), "cipher suites")
    return suites, tuple(reader.vector(1, "compression methods")), parse_extensions(reader)


_remembered_offer = lru_cache(maxsize=OFFERS_REMEMBERED)(_offer)


def parse_sslv2_client_hello(record: bytes) -> ClientHello:
    """A ClientHello in SSL 2.0 format, with or without its record header of two bytes (RFC 5246 appendix E.2).

    The challenge is the random, right-aligned to 32 bytes. Cipher specs of SSL 2.0 keep their three bytes.
    """
    reader = Reader(record, 2 if record[:1] >= bytes((_SSLV2_LONG_HEADER,)) else 0)
    kind = reader.u8("message type")
    if kind != _SSLV2_CLIENT_HELLO:
        raise ParseError(f"SSL 2.0 message of type {kind}, no ClientHello")
    version = reader.u16("client version")
    lengths = [reader.u16(what) for what in ("cipher specs length", "session id length", "challenge length")]
    specs, session_id, challenge = (reader.take(length, "SSL 2.0 ClientHello") for length in lengths)
    if len(specs) % _SSLV2_CIPHER_LENGTH or not 0 < len(challenge) <= _RANDOM_LENGTH:
        raise ParseError("SSL 2.0 ClientHello with impossible lengths")
    suites = (specs[at : at + _SSLV2_CIPHER_LENGTH] for at in range(0, len(specs), _SSLV2_CIPHER_LENGTH))
    return ClientHello(
        legacy_version=version,
        random=challenge.rjust(_RANDOM_LENGTH, b"\0"),
        session_id=session_id,
        cipher_suites=tuple(int.from_bytes(suite, "big") for suite in suites),
        compression_methods=(0,),
        extensions=NO_EXTENSIONS,
        is_sslv2_format=True,
    )


def parse_server_hello(body: bytes) -> ServerHello:
    """ServerHello, RFC 8446 section 4.1.3, and that of the drafts up to 21: no session id, no compression method."""
    reader = Reader(body)
    version, random = reader.u16("server version"), reader.take(_RANDOM_LENGTH, "server random")
    if version > ProtocolVersion.TLSv1_3 and ProtocolVersion(version).is_draft:  # later drafts have the final form
        return ServerHello(version, random, b"", reader.u16("cipher suite"), 0, parse_extensions(reader))
    session_id = reader.vector(1, "session id")
    return ServerHello(version, random, session_id, *_read_rest(reader, _answer, _remembered_answer))


def _answer(rest: bytes) -> tuple[int, int, Extensions]:
    """Cipher suite, compression method and extensions of a ServerHello."""
    reader = Reader(rest)
    return reader.u16("cipher suite"), reader.u8("compression method"), parse_extensions(reader)


_remembered_answer = lru_cache(maxsize=OFFERS_REMEMBERED)(_answer)


def parse_draft_hello_retry_request(body: bytes) -> ServerHello:
    """HelloRetryRequest of the drafts up to 21 (message type 6); the suite is 0 where the draft names none."""
    reader = Reader(body)
    version = reader.u16("server version")
    suite = reader.u16("cipher suite") if version >= _FIRST_RETRY_WITH_SUITE else 0
    return ServerHello(version, HELLO_RETRY_REQUEST_RANDOM, b"", suite, 0, parse_extensions(reader))


def parse_encrypted_extensions(body: bytes) -> Extensions:
    """EncryptedExtensions, RFC 8446 section 4.3.1."""
    return parse_extensions(Reader(body))


@lru_cache(maxsize=CERTIFICATES_REMEMBERED)
def parse_certificate(body: bytes) -> tuple[bytes, ...]:
    """Certificates in DER, the sender's own first (SSL 3.0 to TLS 1.2, RFC 5246 section 7.4.2)."""
    return Reader(body).sub(3, "certificate list").vectors(3, "certificate", MOST_CERTIFICATES)


def parse_raw_public_key(body: bytes) -> bytes:
    """The SubjectPublicKeyInfo that stands for a certificate up to TLS 1.2 (RFC 7250 section 3)."""
    return Reader(body).vector(3, "raw public key")


def parse_certificate_13(body: bytes) -> tuple[bytes, tuple[bytes, ...]]:
    """The request's context, and certificates in DER (or one raw public key), RFC 8446 section 4.4.2."""
    reader = Reader(body)
    context = reader.vector(1, "certificate request context")
    entries = reader.sub(3, "certificate list")
    found: list[bytes] = []
    while entries.remaining and len(found) < MOST_CERTIFICATES:
        found.append(entries.vector(3, "certificate"))
        entries.vector(2, "certificate extensions")
    return context, tuple(found)


def parse_compressed_certificate(body: bytes) -> tuple[bytes, tuple[bytes, ...]]:
    """CompressedCertificate, RFC 8879 section 4: as `parse_certificate_13`."""
    return parse_certificate_13(decompress_certificate(body))


def parse_certificate_request(body: bytes, version: int) -> CertificateRequest:
    """CertificateRequest up to TLS 1.2, RFC 5246 section 7.4.4."""
    reader = Reader(body)
    types = tuple(reader.vector(1, "certificate types"))
    has_algorithms = version >= ProtocolVersion.TLSv1_2
    algorithms = uint16s(reader.vector(2, "signature algorithms"), "signature algorithms") if has_algorithms else ()
    return CertificateRequest(types, algorithms, parse_authorities(reader.rest()))


def parse_certificate_request_13(body: bytes) -> CertificateRequest:
    """CertificateRequest of TLS 1.3, RFC 8446 section 4.3.2, without its context."""
    reader = Reader(body)
    reader.vector(1, "certificate request context")
    extensions = parse_extensions(reader)
    return CertificateRequest((), extensions.signature_algorithms, extensions.certificate_authorities)


def parse_new_session_ticket(body: bytes) -> tuple[int, bytes]:
    """Lifetime hint in seconds and ticket up to TLS 1.2, RFC 5077 section 3.3."""
    reader = Reader(body)
    return reader.u32("ticket lifetime hint"), reader.vector(2, "ticket")


def parse_new_session_ticket_13(body: bytes) -> NewSessionTicket13:
    """NewSessionTicket of TLS 1.3, RFC 8446 section 4.6.1."""
    reader = Reader(body)
    return NewSessionTicket13(
        lifetime=reader.u32("ticket lifetime"),
        age_add=reader.u32("ticket age add"),
        nonce=reader.vector(1, "ticket nonce"),
        ticket=reader.vector(2, "ticket"),
        extensions=parse_extensions(reader),
    )
