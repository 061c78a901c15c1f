"""A TLS client and a TLS server of OpenSSL that talk through memory, so that each flight can be recorded."""

from __future__ import annotations

import contextlib
import ssl
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench_lab.credentials import SERVER_NAME

if TYPE_CHECKING:
    from pathlib import Path

    from bench_lab.credentials import Credentials


@dataclass(frozen=True, slots=True)
class Suite:
    """A protocol version and, up to TLS 1.2, the OpenSSL name of the one cipher suite that is offered."""

    version: ssl.TLSVersion
    ciphers: str | None


SUITES = {
    "gcm": Suite(ssl.TLSVersion.TLSv1_2, "AES128-GCM-SHA256"),
    "cbc": Suite(ssl.TLSVersion.TLSv1_2, "AES128-SHA"),
    "tls13": Suite(ssl.TLSVersion.TLSv1_3, None),
}


def _context(purpose: int, suite: Suite) -> ssl.SSLContext:
    context = ssl.SSLContext(purpose)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # TLS 1.0 is still read
        context.minimum_version = context.maximum_version = suite.version
    context.options |= ssl.OP_NO_TICKET
    if suite.ciphers:
        context.set_ciphers(suite.ciphers)
    return context


class Peers:
    """Makes sessions of one suite between one client and one server."""

    def __init__(self, suite: Suite, server: Credentials, key_log: Path | None) -> None:
        """The secrets of each session are appended to `key_log`, where one is given."""
        self._client = _context(ssl.PROTOCOL_TLS_CLIENT, suite)
        self._client.check_hostname = False
        self._client.verify_mode = ssl.CERT_NONE
        if key_log:
            self._client.keylog_filename = str(key_log)
        self._server = _context(ssl.PROTOCOL_TLS_SERVER, suite)
        self._server.load_cert_chain(server.chain, server.key)

    def session(self) -> TlsSession:
        """A new session, before its handshake."""
        return TlsSession(self._client, self._server)


class TlsSession:
    """One TLS connection in memory. Senders are 0 (client) and 1 (server)."""

    def __init__(self, client: ssl.SSLContext, server: ssl.SSLContext) -> None:
        """Two buffers, one a direction, stand for the wire."""
        self._wire = (ssl.MemoryBIO(), ssl.MemoryBIO())
        to_server, to_client = self._wire
        self._ends = (
            client.wrap_bio(to_client, to_server, server_hostname=SERVER_NAME),
            server.wrap_bio(to_server, to_client, server_side=True),
        )

    def handshake(self) -> list[tuple[int, bytes]]:
        """The flights of a full handshake: sender and bytes."""
        flights = []
        open_ends = {0, 1}
        sender = 0
        while open_ends:
            try:
                self._ends[sender].do_handshake()
                open_ends.discard(sender)
            except ssl.SSLWantReadError:
                pass  # the other end has to speak first
            flights.append((sender, self._deliver(sender)))
            sender = 1 - sender
        with contextlib.suppress(ssl.SSLWantReadError):  # the client takes the tickets of TLS 1.3
            self._ends[0].read(1)
        return [(who, data) for who, data in flights if data]

    def _deliver(self, sender: int) -> bytes:
        """What `sender` put on the wire; the other end gets it too."""
        data = self._wire[sender].read()
        self._wire[sender].write(data)
        return data

    def send(self, sender: int, data: bytes) -> bytes:
        """`data` as records. The other end never reads them: nothing depends on it, and it would take time."""
        self._ends[sender].write(data)
        return self._wire[sender].read()

    def close(self) -> bytes:
        """The close_notify alert of the client."""
        with contextlib.suppress(ssl.SSLWantReadError):  # it waits for the server's close_notify, which is not sent
            self._ends[0].unwrap()
        return self._wire[0].read()


class ClearSession:
    """What stands in the place of a TlsSession where nothing is encrypted."""

    def handshake(self) -> list[tuple[int, bytes]]:
        """There is none."""
        return []

    def send(self, _sender: int, data: bytes) -> bytes:
        """`data` as it is."""
        return data

    def close(self) -> bytes:
        """Nothing is said."""
        return b""
