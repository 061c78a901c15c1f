"""Sessions of TLS 1.2 that no peer speaks any more, written from the RFCs: a handshake, and a line of each side."""

from __future__ import annotations

from typing import TYPE_CHECKING

from record_sealing import Sealer
from relayed_peers import DOWN, UP

from tlsdecrypt.tls.ciphersuites import cipher_suite
from tlsdecrypt.tls.prf import derive_keys, derive_master_secret

if TYPE_CHECKING:
    from relayed_peers import Flights

TLS12 = 0x0303
CLIENT_RANDOM, SERVER_RANDOM = bytes(range(32)), bytes(range(32, 64))
ASKED, ANSWERED = b"what was asked", b"what was answered"


def vector(length_size: int, content: bytes) -> bytes:
    return len(content).to_bytes(length_size, "big") + content


def message(kind: int, body: bytes) -> bytes:
    return bytes((kind,)) + vector(3, body)


def record(content_type: int, fragment: bytes) -> bytes:
    return bytes((content_type,)) + b"\x03\x03" + vector(2, fragment)


def client_hello(suite: int) -> bytes:
    return message(1, b"\x03\x03" + CLIENT_RANDOM + b"\0" + vector(2, suite.to_bytes(2, "big")) + b"\x01\0")


def server_hello(suite: int) -> bytes:
    return message(2, b"\x03\x03" + SERVER_RANDOM + b"\0" + suite.to_bytes(2, "big") + b"\0")


def made_session(
    suite: int,
    pre_master_secret: bytes,
    client_key_exchange: bytes,
    *,
    server_key_exchange: bytes | None = None,
    certificate: bytes | None = None,
    client_certificate: bytes | None = None,
) -> Flights:
    """Flights of a full handshake (RFC 5246 section 7.3) without Finished, which an observer does not need."""
    server = server_hello(suite)
    if certificate is not None:
        server += message(11, vector(3, vector(3, certificate)))
    if server_key_exchange is not None:
        server += message(12, server_key_exchange)
    client = message(16, client_key_exchange)
    if client_certificate is not None:
        client = message(11, vector(3, vector(3, client_certificate))) + client
    kind = cipher_suite(suite)
    master_secret = derive_master_secret(kind, TLS12, pre_master_secret, CLIENT_RANDOM, SERVER_RANDOM)
    keys = derive_keys(kind, TLS12, master_secret, CLIENT_RANDOM, SERVER_RANDOM)
    asked, answered = (
        record(23, Sealer(kind, TLS12, each).seal(said)) for each, said in zip(keys, (ASKED, ANSWERED), strict=True)
    )
    change = record(20, b"\x01")
    return [
        (UP, record(22, client_hello(suite))),
        (DOWN, record(22, server + message(14, b""))),
        (UP, record(22, client) + change + asked),
        (DOWN, change + answered),
    ]
