"""A TLS client and a TLS server of tlslite-ng that talk through memory with RC4, which OpenSSL no longer has."""

from __future__ import annotations

import errno
import warnings
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.decrepit.ciphers.algorithms import ARC4
from cryptography.hazmat.primitives.ciphers import Cipher

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # it imports modules that Python 3.12 no longer has
    from tlslite import recordlayer
    from tlslite.api import HandshakeSettings, TLSConnection, X509CertChain, parsePEMKey

if TYPE_CHECKING:
    from collections.abc import Generator

    from bench_lab.credentials import Credentials

MAX_TURNS = 10_000  # of both ends together, in one handshake


class _FastRc4:
    """In the place of tlslite-ng's own, which encrypts in Python."""

    isBlockCipher = isAEAD = False  # noqa: N815 - the names of tlslite-ng
    name, implementation = "rc4", "cryptography"

    def __init__(self, key: bytearray, _iv: bytearray, _implementations: list[str] | None = None) -> None:
        both = Cipher(ARC4(bytes(key)), None)
        self._encryptor, self._decryptor = both.encryptor(), both.decryptor()

    def encrypt(self, plaintext: bytearray) -> bytearray:
        return bytearray(self._encryptor.update(bytes(plaintext)))

    def decrypt(self, ciphertext: bytearray) -> bytearray:
        return bytearray(self._decryptor.update(bytes(ciphertext)))


class _MemorySocket:
    """One end of a connection; `sent` is what it has put on the wire."""

    def __init__(self, inbox: bytearray, outbox: bytearray) -> None:
        self._inbox, self._outbox = inbox, outbox
        self.sent = bytearray()

    def send(self, data: bytes) -> int:
        self._outbox.extend(data)
        self.sent.extend(data)
        return len(data)

    def sendall(self, data: bytes) -> None:
        self.send(data)

    def recv(self, size: int) -> bytes:
        if not self._inbox:
            raise BlockingIOError(errno.EWOULDBLOCK, "nothing was sent yet")
        data = bytes(self._inbox[:size])
        del self._inbox[:size]
        return data

    def taken(self) -> bytes:
        data = bytes(self.sent)
        self.sent.clear()
        return data


def _settings() -> HandshakeSettings:
    settings = HandshakeSettings()
    settings.minVersion = settings.maxVersion = (3, 3)
    settings.cipherNames, settings.macNames = ["rc4"], ["sha"]
    settings.keyExchangeNames = ["rsa"]
    settings.useEncryptThenMAC = False
    return settings


class Rc4Session:
    """See `tls.TlsSession`."""

    def __init__(self, server: Credentials) -> None:
        """Before the handshake."""
        wires = bytearray(), bytearray()
        self._sockets = _MemorySocket(wires[1], wires[0]), _MemorySocket(wires[0], wires[1])
        self._ends: tuple[Any, Any] = tuple(TLSConnection(each) for each in self._sockets)
        self._chain = X509CertChain()
        self._chain.parsePemList(server.chain.read_text())
        self._key = parsePEMKey(server.key.read_text(), private=True)

    def handshake(self) -> list[tuple[int, bytes]]:
        """The flights of a full handshake: sender and bytes."""
        client, server = self._ends
        turns = [
            client.handshakeClientCert(settings=_settings(), async_=True),
            server.handshakeServerAsync(certChain=self._chain, privateKey=self._key, settings=_settings()),
        ]
        flights: list[tuple[int, bytes]] = []
        for turn in range(MAX_TURNS):
            who = turn & 1
            if turns[who] is not None and _is_over(turns[who]):
                turns[who] = None
            data = self._sockets[who].taken()
            if data and flights and flights[-1][0] == who:
                flights[-1] = who, flights[-1][1] + data
            elif data:
                flights.append((who, data))
            if turns == [None, None]:
                return flights
        raise RuntimeError("the handshake of tlslite-ng does not end")

    def send(self, sender: int, data: bytes) -> bytes:
        """`data` as records; the other end never reads them."""
        for _ in self._ends[sender].writeAsync(bytearray(data)):
            pass
        return self._sockets[sender].taken()

    def close(self) -> bytes:
        """Nothing is said at the end."""
        return b""


def _is_over(steps: Generator[int, None, None]) -> bool:
    """Go on until something has to be waited for."""
    return next(steps, None) is None


class Rc4Peers:
    """See `tls.Peers`."""

    def __init__(self, server: Credentials) -> None:
        """From now on tlslite-ng uses a faster RC4."""
        recordlayer.createRC4 = _FastRc4
        self._server = server

    def session(self) -> Rc4Session:
        """A new session, before its handshake."""
        return Rc4Session(self._server)
