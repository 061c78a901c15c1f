"""Real peers that talk in memory, and what they said: whole records of both directions, and the secrets they logged."""

from __future__ import annotations

import contextlib
import datetime as dt
import socket
import ssl
import threading
import warnings
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from tlsdecrypt.tls.ciphersuites import CipherSuite, cipher_suite

if TYPE_CHECKING:
    from pathlib import Path

CLIENT, SERVER = 0, 1
# Version, ciphers, and whether the MAC covers what is encrypted: one of each family whose records open without the one
# before.
FAMILIES = [
    (ssl.TLSVersion.TLSv1_2, "AES128-GCM-SHA256", False),
    (ssl.TLSVersion.TLSv1_2, "AES128-CCM8", False),
    (ssl.TLSVersion.TLSv1_2, "ECDHE-RSA-CHACHA20-POLY1305", False),
    (ssl.TLSVersion.TLSv1_2, "ARIA128-GCM-SHA256", False),
    (ssl.TLSVersion.TLSv1_2, "AES128-SHA", False),
    (ssl.TLSVersion.TLSv1_2, "AES256-SHA256", True),
    (ssl.TLSVersion.TLSv1_2, "NULL-SHA", False),
]
OP_NO_EXTENDED_MASTER_SECRET = 1 << 0  # SSL_OP_NO_EXTENDED_MASTER_SECRET, and the next:
OP_NO_ENCRYPT_THEN_MAC = 1 << 19  # the ssl module names neither
HELLO = b"request " * 40
ANSWERS = [b"answer %d " % number * (1 + number * 17 % 11 * 90) for number in range(12)]
ANSWER = b"".join(ANSWERS)
SHORT_ANSWERS = [answer[:400] for answer in ANSWERS]  # tlslite-ng encrypts in Python
SHORT_ANSWER = b"".join(SHORT_ANSWERS)


class WireRecord(NamedTuple):
    content_type: int
    version: int
    fragment: bytes


@dataclass
class Dialogue:
    """What both sides sent, as records, and the facts that a key log and the hellos tell."""

    records: tuple[list[WireRecord], list[WireRecord]]
    secrets: dict[str, bytes] = field(default_factory=dict)

    @property
    def client_random(self) -> bytes:
        return self.records[CLIENT][0].fragment[6:38]

    @property
    def server_random(self) -> bytes:
        return self.records[SERVER][0].fragment[6:38]

    @property
    def suite(self) -> CipherSuite:
        hello = self.records[SERVER][0].fragment
        after_session_id = 39 + hello[38]
        return cipher_suite(int.from_bytes(hello[after_session_id : after_session_id + 2], "big"))

    @property
    def version(self) -> int:
        return int.from_bytes(self.records[SERVER][0].fragment[4:6], "big")

    def clear_handshake(self, side: int) -> bytes:
        """The handshake messages that were sent before the ChangeCipherSpec."""
        types = [record.content_type for record in self.records[side]]
        return b"".join(record.fragment for record in self.records[side][: types.index(20)])

    def protected(self, side: int) -> list[WireRecord]:
        """The records behind the ChangeCipherSpec."""
        types = [record.content_type for record in self.records[side]]
        return [record for record in self.records[side][types.index(20) + 1 :] if record.content_type != 20]


def cut_records(stream: bytes) -> list[WireRecord]:
    records = []
    while stream:
        length = int.from_bytes(stream[3:5], "big")
        records.append(WireRecord(stream[0], int.from_bytes(stream[1:3], "big"), stream[5 : 5 + length]))
        stream = stream[5 + length :]
    return records


@cache
def private_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


@cache
def make_certificate() -> tuple[bytes, bytes]:
    """The key and a certificate for it, both PEM."""
    key = private_key()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "peer.test")])
    start = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, start, start + dt.timedelta(days=36500))
    pem = serialization.Encoding.PEM
    key_pem = key.private_bytes(pem, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption())
    return key_pem, builder.sign(key, hashes.SHA256()).public_bytes(pem)


def openssl_dialogue(
    folder: Path,
    version: ssl.TLSVersion,
    ciphers: str | None,
    *,
    encrypt_then_mac: bool = True,
    extended_master_secret: bool = True,
) -> Dialogue:
    """OpenSSL with itself, over memory buffers."""
    contexts = []
    for protocol in (ssl.PROTOCOL_TLS_CLIENT, ssl.PROTOCOL_TLS_SERVER):
        context = ssl.SSLContext(protocol)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # TLS 1.0 and 1.1 are the point
            context.minimum_version = context.maximum_version = version
        if ciphers is not None:
            context.set_ciphers(f"{ciphers}:@SECLEVEL=0")
        if not encrypt_then_mac:
            context.options |= OP_NO_ENCRYPT_THEN_MAC
        if not extended_master_secret:
            context.options |= OP_NO_EXTENDED_MASTER_SECRET
        contexts.append(context)
    client_context, server_context = contexts
    client_context.check_hostname = False
    client_context.verify_mode = ssl.CERT_NONE
    client_context.keylog_filename = str(folder / "keys.log")
    (folder / "server.pem").write_bytes(b"".join(make_certificate()))
    server_context.load_cert_chain(folder / "server.pem")
    streams = _talk(client_context, server_context)
    return Dialogue((cut_records(streams[0]), cut_records(streams[1])), _read_key_log(folder / "keys.log"))


def _talk(client_context: ssl.SSLContext, server_context: ssl.SSLContext) -> tuple[bytes, bytes]:
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    from_client, from_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context.wrap_bio(to_client, from_client)
    server = server_context.wrap_bio(to_server, from_server, server_side=True)
    streams = (bytearray(), bytearray())

    def carry() -> None:
        for source, stream, sink in ((from_client, streams[0], to_server), (from_server, streams[1], to_client)):
            data = source.read()
            stream.extend(data)
            sink.write(data)

    for _ in range(4):
        for side in (client, server):
            with contextlib.suppress(ssl.SSLWantReadError):
                side.do_handshake()
            carry()
    answers = [(server, client, answer) for answer in ANSWERS]
    for sender, receiver, message in ((client, server, HELLO), *answers, (client, server, HELLO)):
        sender.write(message)
        carry()
        received = b""
        while len(received) < len(message):
            received += receiver.read(1 << 16)
    return bytes(streams[0]), bytes(streams[1])


def _read_key_log(path: Path) -> dict[str, bytes]:
    lines = [line.split() for line in path.read_text().splitlines() if line and not line.startswith("#")]
    return {label: bytes.fromhex(secret) for label, _, secret in lines}


class _Tap:
    """A socket that keeps what is sent."""

    def __init__(self, inner: socket.socket) -> None:
        self._inner = inner
        self.sent = bytearray()

    def send(self, data: bytes) -> int:
        count = self._inner.send(data)
        self.sent += data[:count]
        return count

    def sendall(self, data: bytes) -> None:
        self._inner.sendall(data)
        self.sent += data

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


def tlslite_dialogue(version: tuple[int, int], cipher: str, mac: str, *, encrypt_then_mac: bool = True) -> Dialogue:
    """tlslite-ng with itself, over a pair of sockets: what OpenSSL no longer speaks."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # it imports asyncore, where Python still has it
        from tlslite.api import HandshakeSettings, TLSConnection, X509CertChain, parsePEMKey  # noqa: PLC0415 - slow

    settings = HandshakeSettings()
    settings.minVersion = settings.maxVersion = version
    settings.cipherNames = [cipher]
    settings.macNames = [mac]
    settings.useEncryptThenMAC = encrypt_then_mac
    settings.useExtendedMasterSecret = False
    settings.minKeySize = 1024
    key_pem, certificate_pem = (part.decode() for part in make_certificate())
    chain = X509CertChain()
    chain.parsePemList(certificate_pem)
    taps = [_Tap(side) for side in socket.socketpair()]
    client, server = TLSConnection(taps[0]), TLSConnection(taps[1])

    def serve() -> None:
        server.handshakeServer(certChain=chain, privateKey=parsePEMKey(key_pem, private=True), settings=settings)
        server.read(min=len(HELLO), max=len(HELLO))
        for answer in SHORT_ANSWERS:
            server.write(answer)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        client.handshakeClientCert(settings=settings)
        client.write(HELLO)
        client.read(min=len(SHORT_ANSWER), max=len(SHORT_ANSWER))
    finally:
        thread.join()
        for tap in taps:
            tap.close()
    secrets = {"CLIENT_RANDOM": bytes(client.session.masterSecret)}
    return Dialogue((cut_records(bytes(taps[0].sent)), cut_records(bytes(taps[1].sent))), secrets)
