"""SSL 2.0 written from the specification (Hickman 1995), for no library speaks it any more: what both sides send."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.decrepit.ciphers import algorithms as decrepit
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.ciphers import Cipher, modes
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from cryptography.x509 import load_pem_x509_certificate
from recorded_tls import DOWN, UP, key_and_certificate

if TYPE_CHECKING:
    from tlsdecrypt.flow import Direction

CIPHERS: dict[int, tuple[Any, int, int, int]] = {  # algorithm, key bytes, those in the clear, IV bytes
    0x010080: (decrepit.ARC4, 16, 0, 0),
    0x020080: (decrepit.ARC4, 16, 11, 0),
    0x030080: (decrepit.RC2, 16, 0, 8),
    0x040080: (decrepit.RC2, 16, 11, 8),
    0x050080: (decrepit.IDEA, 16, 0, 8),
    0x060040: (lambda key: decrepit.TripleDES(key * 3), 8, 0, 8),
    0x0700C0: (decrepit.TripleDES, 24, 0, 8),
}
CHALLENGE, CONNECTION_ID, SESSION_ID = b"challenge-bytes!", b"connection-id-16", b"session-id-bytes"
REQUEST = b"GET / HTTP/1.0\r\n\r\n"
RESPONSE = b"HTTP/1.0 200 ok\r\nContent-Type: text/html\r\n\r\n<html>SSL 2.0</html>"


def u16(number: int) -> bytes:
    return number.to_bytes(2, "big")


def clear_record(data: bytes) -> bytes:
    return u16(0x8000 | len(data)) + data


@dataclass
class Writer:
    """One side: it numbers its records, and protects them once it has a key."""

    direction: Direction
    key: bytes = b""
    encryptor: Any = None
    records: int = 0

    def clear(self, message: bytes) -> tuple[Direction, bytes]:
        self.records += 1
        return self.direction, clear_record(message)

    def protected(self, data: bytes, *, block_length: int) -> tuple[Direction, bytes]:
        """Ciphers of blocks pad, and say so in a header of three bytes."""
        padding = -(16 + len(data)) % block_length
        padded = data + bytes(padding)
        mac = hashlib.md5(self.key + padded + self.records.to_bytes(4, "big")).digest()
        sealed = self.encryptor.update(mac + padded)
        self.records += 1
        if block_length > 1:
            return self.direction, u16(len(sealed)) + bytes((padding,)) + sealed
        return self.direction, clear_record(sealed)


@dataclass
class Ssl2Peers:
    """Client and server with one cipher. `dialogue` is a full handshake, or a resumed one."""

    kind: int = 0x010080
    master_key: bytes = b""
    key_arg: bytes = b""
    flights: list[tuple[Direction, bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        _, length, _, iv_length = CIPHERS[self.kind]
        self.master_key = bytes(range(1, length + 1))
        self.key_arg = b"key-arg!"[:iv_length]

    def _writers(self) -> tuple[Writer, Writer]:
        algorithm, length, _, iv_length = CIPHERS[self.kind]
        seeds = (self.master_key + digit + CHALLENGE + CONNECTION_ID for digit in (b"0", b"1", b"2"))
        material = b"".join(hashlib.md5(seed).digest() for seed in seeds)
        writers = []
        for direction, key in ((UP, material[length : 2 * length]), (DOWN, material[:length])):
            mode = modes.CBC(self.key_arg) if iv_length else None
            writers.append(Writer(direction, key, Cipher(algorithm(key), mode).encryptor()))
        return writers[0], writers[1]

    def client_hello(self, session_id: bytes = b"", version: bytes = b"\x00\x02") -> bytes:
        specs = b"".join(kind.to_bytes(3, "big") for kind in CIPHERS)
        lengths = u16(len(specs)) + u16(len(session_id)) + u16(len(CHALLENGE))
        return b"\x01" + version + lengths + specs + session_id + CHALLENGE

    def server_hello(self, *, is_hit: bool) -> bytes:
        pem = key_and_certificate()
        certificate = b"" if is_hit else load_pem_x509_certificate(pem).public_bytes(Encoding.DER)
        specs = b"" if is_hit else self.kind.to_bytes(3, "big")
        lengths = u16(len(certificate)) + u16(len(specs)) + u16(len(CONNECTION_ID))
        return bytes((4, is_hit, not is_hit)) + b"\x00\x02" + lengths + certificate + specs + CONNECTION_ID

    def client_master_key(self) -> bytes:
        clear_length = CIPHERS[self.kind][2]
        public = load_pem_private_key(key_and_certificate(), None).public_key()
        encrypted = public.encrypt(self.master_key[clear_length:], PKCS1v15())  # type: ignore[union-attr]
        lengths = u16(clear_length) + u16(len(encrypted)) + u16(len(self.key_arg))
        return (
            b"\x02" + self.kind.to_bytes(3, "big") + lengths + self.master_key[:clear_length] + encrypted + self.key_arg
        )

    def dialogue(self, *, is_hit: bool = False, client_certificate: bytes = b"") -> list[tuple[Direction, bytes]]:
        """Handshake, request and answer."""
        client, server = self._writers()
        block = CIPHERS[self.kind][3] or 1
        up, down = partial(client.protected, block_length=block), partial(server.protected, block_length=block)
        flights = [client.clear(self.client_hello(SESSION_ID if is_hit else b""))]
        flights.append(server.clear(self.server_hello(is_hit=is_hit)))
        if not is_hit:
            flights.append(client.clear(self.client_master_key()))
        flights += [down(b"\x05" + CHALLENGE), up(b"\x03" + CONNECTION_ID)]
        if client_certificate:
            flights.append(down(b"\x07\x01" + b"certificate-chal"))
            lengths = u16(len(client_certificate)) + u16(4)
            flights.append(up(b"\x08\x01" + lengths + client_certificate + b"sign"))
        flights += [down(b"\x06" + SESSION_ID), up(REQUEST), down(RESPONSE)]
        return flights
