"""Real TLS between two peers of OpenSSL in one process, as flights in the order they went over the wire."""

from __future__ import annotations

import contextlib
import datetime as dt
import ssl
import tempfile
import warnings
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TypeAlias

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from tlsdecrypt.flow import Direction
from tlsdecrypt.tls.keyfiles import parse_key_file
from tlsdecrypt.tls.secrets import SecretStore

Flight: TypeAlias = tuple[Direction, bytes]

UP, DOWN = Direction.CLIENT_TO_SERVER, Direction.SERVER_TO_CLIENT
REQUEST = b"GET /owa/ HTTP/1.1\r\nHost: mail.contoso.com\r\n\r\n"
RESPONSE = b"HTTP/1.1 200 OK\r\nContent-Length: 24\r\n\r\nThis is what was wanted."
RSA_SUITE = "AES128-GCM-SHA256"
RSA_SUITE_NAME = "TLS_RSA_WITH_AES_128_GCM_SHA256"


@dataclass
class Recording:
    """What both sides sent, and the key log of the client."""

    flights: list[Flight]
    key_log: bytes = field(repr=False)
    session: ssl.SSLSession | None = None

    def stream(self, direction: Direction) -> bytes:
        return b"".join(data for way, data in self.flights if way is direction)


def key_and_certificate(name: str = "mail.contoso.com") -> bytes:
    """The same pair in PEM for a name in all tests of a run."""
    return _key_and_certificate(name)


@cache
def _key_and_certificate(name: str) -> bytes:
    key = rsa.generate_private_key(65537, 2048)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    start = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
    builder = x509.CertificateBuilder(subject, subject, key.public_key(), 1, start, start + dt.timedelta(days=36500))
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption())
    return private + builder.sign(key, hashes.SHA256()).public_bytes(pem)


def rsa_store() -> SecretStore:
    """A store with the server's private key."""
    store = SecretStore()
    store.add_private_keys(parse_key_file(key_and_certificate(), "server.pem", lambda: None))
    return store


def keylog_store(key_log: bytes) -> SecretStore:
    """A store with a key log."""
    store = SecretStore()
    store.add_keylog(key_log, "keys.log")
    return store


class Peers:
    """Two contexts: recordings with one `Peers` resume one another."""

    def __init__(self, version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2, ciphers: str | None = RSA_SUITE) -> None:
        self._folder = tempfile.TemporaryDirectory()
        folder = Path(self._folder.name)
        (folder / "server.pem").write_bytes(key_and_certificate())
        self.client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.client.check_hostname = False
        self.client.verify_mode = ssl.CERT_NONE
        self._key_log = folder / "keys.log"
        self.client.keylog_filename = str(self._key_log)
        self.server.load_cert_chain(folder / "server.pem")
        for context in (self.client, self.server):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # old versions are the point
                context.minimum_version = context.maximum_version = version
            if ciphers is not None and version < ssl.TLSVersion.TLSv1_3:
                context.set_ciphers(f"{ciphers}:@SECLEVEL=0")

    def close(self) -> None:
        self._folder.cleanup()

    def record(
        self,
        session: ssl.SSLSession | None = None,
        *,
        messages: tuple[Flight, ...] = ((UP, REQUEST), (DOWN, RESPONSE)),
        says_goodbye: bool = True,
    ) -> Recording:
        """A handshake, `messages` in turn, and close_notify of both sides."""
        flights: list[Flight] = []
        inputs, outputs = (ssl.MemoryBIO(), ssl.MemoryBIO()), (ssl.MemoryBIO(), ssl.MemoryBIO())
        before = self._key_log.read_bytes() if self._key_log.exists() else b""
        sides = (
            self.client.wrap_bio(inputs[0], outputs[0], session=session, server_hostname="mail.contoso.com"),
            self.server.wrap_bio(inputs[1], outputs[1], server_side=True),
        )

        def carry(sender: Direction) -> None:
            data = outputs[sender].read()
            if data:
                flights.append((sender, data))
                inputs[sender.other].write(data)

        for sender in (UP, DOWN) * 3:
            with contextlib.suppress(ssl.SSLWantReadError):
                sides[sender].do_handshake()
            carry(sender)
        for sender, message in messages:
            sides[sender].write(message)
            carry(sender)
            received = b""
            while len(received) < len(message):
                received += sides[sender.other].read(1 << 16)
        if says_goodbye:
            for sender in (UP, DOWN):
                with contextlib.suppress(ssl.SSLWantReadError, ssl.SSLSyscallError):
                    sides[sender].unwrap()
                carry(sender)
        return Recording(flights, self._key_log.read_bytes()[len(before) :], sides[0].session)


def resumed(count: int = 1) -> list[Recording]:
    """A session, and `count` connections that resume it."""
    peers = Peers()
    try:
        parent = peers.record()
        return [parent, *(peers.record(parent.session) for _ in range(count))]
    finally:
        peers.close()


@cache
def recording(version: str = "TLSv1_2", ciphers: str | None = RSA_SUITE) -> Recording:
    """One exchange of HTTP, made once a run."""
    peers = Peers(ssl.TLSVersion[version], ciphers)
    try:
        return peers.record()
    finally:
        peers.close()
