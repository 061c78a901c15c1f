"""Handshake messages of SSL 2.0 ("The SSL Protocol", Hickman 1995, section 5): bytes become values."""

from __future__ import annotations

from enum import IntEnum
from typing import Final

from tlsdecrypt.errors import ParseError
from tlsdecrypt.value import Hidden, Value
from tlsdecrypt.wire import Reader

SSL2_VERSION: Final = 0x0002

_CIPHER_KIND_LENGTH: Final = 3
_SHORTEST_CHALLENGE: Final = 16  # bytes; the longest is twice that
_ERROR_LENGTH: Final = 3


class Ssl2MessageType(IntEnum):
    """The first byte of a message, section 5.2."""

    ERROR = 0
    CLIENT_HELLO = 1
    CLIENT_MASTER_KEY = 2
    CLIENT_FINISHED = 3
    SERVER_HELLO = 4
    SERVER_VERIFY = 5
    SERVER_FINISHED = 6
    REQUEST_CERTIFICATE = 7
    CLIENT_CERTIFICATE = 8


ERROR_NAMES: Final = {
    1: "no_cipher_error",
    2: "no_certificate_error",
    4: "bad_certificate_error",
    6: "unsupported_certificate_type_error",
}
NO_CERTIFICATE_ERROR: Final = 2  # the only error that ends nothing


class Ssl2ClientHello(Value, frozen=True):
    """CLIENT-HELLO; `cipher_kinds` have three bytes each, suites of later versions among them."""

    version: int
    cipher_kinds: Hidden[tuple[int, ...]]
    session_id: bytes
    challenge: bytes


class Ssl2ServerHello(Value, frozen=True):
    """SERVER-HELLO. With `is_session_hit` the server goes on with the session whose id the client sent."""

    is_session_hit: bool
    version: int
    certificate: Hidden[bytes]
    cipher_kinds: tuple[int, ...]
    connection_id: bytes


class Ssl2MasterKey(Value, frozen=True):
    """CLIENT-MASTER-KEY: the master key in two parts, of which the first is sent in the clear by export ciphers."""

    cipher_kind: int
    clear_key: Hidden[bytes]
    encrypted_key: Hidden[bytes]
    key_arg: Hidden[bytes]


def _cipher_kinds(data: bytes) -> tuple[int, ...]:
    if len(data) % _CIPHER_KIND_LENGTH:
        raise ParseError(f"{len(data)} bytes of cipher kinds, which have {_CIPHER_KIND_LENGTH} each")
    return tuple(int.from_bytes(data[at : at + 3], "big") for at in range(0, len(data), _CIPHER_KIND_LENGTH))


def _reader(message: bytes, kind: Ssl2MessageType) -> Reader:
    reader = Reader(message)
    if reader.u8("message type") != kind:
        raise ParseError(f"no {kind.name}")
    return reader


def _expect_end(reader: Reader) -> None:
    if reader.remaining:
        raise ParseError(f"{reader.remaining} bytes behind the message", reader.offset)


def parse_ssl2_client_hello(message: bytes) -> Ssl2ClientHello:
    """CLIENT-HELLO, section 5.5.1. Raises ParseError."""
    reader = _reader(message, Ssl2MessageType.CLIENT_HELLO)
    version = reader.u16("version")
    lengths = [reader.u16(what) for what in ("cipher specs length", "session id length", "challenge length")]
    specs, session_id, challenge = (reader.take(length, "CLIENT-HELLO") for length in lengths)
    _expect_end(reader)
    if not _SHORTEST_CHALLENGE <= len(challenge) <= 2 * _SHORTEST_CHALLENGE:
        raise ParseError(f"a challenge of {len(challenge)} bytes")
    return Ssl2ClientHello(version, _cipher_kinds(specs), session_id, challenge)


def parse_ssl2_server_hello(message: bytes) -> Ssl2ServerHello:
    """SERVER-HELLO, section 5.6.1. Raises ParseError."""
    reader = _reader(message, Ssl2MessageType.SERVER_HELLO)
    is_session_hit = bool(reader.u8("session id hit"))
    reader.u8("certificate type")
    version = reader.u16("version")
    lengths = [reader.u16(what) for what in ("certificate length", "cipher specs length", "connection id length")]
    certificate, specs, connection_id = (reader.take(length, "SERVER-HELLO") for length in lengths)
    _expect_end(reader)
    return Ssl2ServerHello(is_session_hit, version, certificate, _cipher_kinds(specs), connection_id)


def parse_ssl2_master_key(message: bytes) -> Ssl2MasterKey:
    """CLIENT-MASTER-KEY, section 5.5.2. Raises ParseError."""
    reader = _reader(message, Ssl2MessageType.CLIENT_MASTER_KEY)
    cipher_kind = reader.u24("cipher kind")
    lengths = [reader.u16(what) for what in ("clear key length", "encrypted key length", "key arg length")]
    clear_key, encrypted_key, key_arg = (reader.take(length, "CLIENT-MASTER-KEY") for length in lengths)
    _expect_end(reader)
    return Ssl2MasterKey(cipher_kind, clear_key, encrypted_key, key_arg)


def parse_ssl2_client_certificate(message: bytes) -> bytes:
    """CLIENT-CERTIFICATE, section 5.5.4: the certificate in DER. Raises ParseError."""
    reader = _reader(message, Ssl2MessageType.CLIENT_CERTIFICATE)
    reader.u8("certificate type")
    lengths = [reader.u16(what) for what in ("certificate length", "response length")]
    certificate, _response = (reader.take(length, "CLIENT-CERTIFICATE") for length in lengths)
    _expect_end(reader)
    return certificate


def ssl2_error(message: bytes) -> int | None:
    """The code of an ERROR message, section 5.4; None for anything else."""
    is_error = len(message) == _ERROR_LENGTH and message[0] == Ssl2MessageType.ERROR
    return int.from_bytes(message[1:], "big") if is_error else None
