"""Programs that speak TLS over a relay that keeps what they send, and an observer that reads it in any order."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import threading
import time
from typing import TYPE_CHECKING

from tlsdecrypt.flow import Direction, Span
from tlsdecrypt.tls.connection import TlsConnection
from tlsdecrypt.tls.events import ApplicationData
from tlsdecrypt.tls.summary import summarize

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tlsdecrypt.tls.events import TlsEvent
    from tlsdecrypt.tls.secrets import SecretStore
    from tlsdecrypt.tls.session import TlsSession

Flights = list[tuple[Direction, bytes]]

UP, DOWN = Direction.CLIENT_TO_SERVER, Direction.SERVER_TO_CLIENT
ORDERS = ("as sent", "byte by byte", "client first", "server first")
LINE, ANSWER = b"what was asked\n", b"deksa saw tahw\n"  # s_server -rev answers each line reversed
SECONDS = 20


def observe(
    flights: Flights, store: SecretStore, order: str = "as sent"
) -> tuple[TlsSession, bytes, bytes, TlsConnection]:
    """The session, and the application data of client and server, read in one of ORDERS."""
    connection = TlsConnection(store)
    events: list[TlsEvent] = []
    for direction, data in _in_order(flights, order):
        events += connection.feed(direction, data, lambda _a, _b: Span(1, 1, 0, 0))
    events += connection.finish()
    said = [b"".join(e.data for e in events if isinstance(e, ApplicationData) and e.direction is d) for d in (UP, DOWN)]
    return summarize(connection, store), said[0], said[1], connection


def _in_order(flights: Flights, order: str) -> Flights:
    if order == "byte by byte":
        return [(direction, bytes((byte,))) for direction, data in flights for byte in data]
    if order == "as sent":
        return flights
    first = UP if order == "client first" else DOWN
    streams = {way: b"".join(data for direction, data in flights if direction is way) for way in Direction}
    return [(first, streams[first]), *((first.other, bytes((byte,))) for byte in streams[first.other])]


class Relay:
    """Takes one connection, makes another to `port`, and keeps what goes through, in the order in which it came."""

    def __init__(self, port: int) -> None:
        self.flights: Flights = []
        self._lock = threading.Lock()
        self._port = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def close(self) -> Flights:
        """Wait until both sides have hung up."""
        self._thread.join(SECONDS)
        self._listener.close()
        return self.flights

    def _run(self) -> None:
        client, _ = self._listener.accept()
        with client, socket.create_connection(("127.0.0.1", self._port)) as server:
            up = threading.Thread(target=self._carry, args=(UP, client, server))
            up.start()
            self._carry(DOWN, server, client)
            up.join(SECONDS)

    def _carry(self, direction: Direction, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                with self._lock:
                    self.flights.append((direction, data))
                sink.sendall(data)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)


def openssl_session(openssl: str, server: Sequence[str], *clients: Sequence[str], folder: Path) -> list[Flights]:
    """`openssl s_server` with each `s_client` in turn; LINE goes up, ANSWER comes down."""
    port = _free_port()
    arguments = [openssl, "s_server", "-accept", f"127.0.0.1:{port}", "-rev", *server]
    with subprocess.Popen(arguments, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            _await(port)
            return [_openssl_client(openssl, port, client, folder) for client in clients]
        finally:
            process.terminate()


def _openssl_client(openssl: str, port: int, client: Sequence[str], folder: Path) -> Flights:
    relay = Relay(port)
    arguments = [openssl, "s_client", "-connect", f"127.0.0.1:{relay.port}", *client]
    pipe = subprocess.PIPE
    with subprocess.Popen(arguments, cwd=folder, stdin=pipe, stdout=pipe, stderr=subprocess.STDOUT) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(LINE)
        process.stdin.flush()
        said = b""
        while ANSWER not in said and (piece := process.stdout.readline()):
            said += piece
        process.stdin.close()
        process.stdout.read()
    assert ANSWER in said, said.decode(errors="replace")
    return relay.close()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def _await(port: int) -> None:
    """Wait until a server listens."""
    for _ in range(SECONDS * 20):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.05)
