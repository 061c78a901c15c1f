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
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from tlsdecrypt.tls.events import TlsEvent
    from tlsdecrypt.tls.secrets import SecretStore
    from tlsdecrypt.tls.session import TlsSession

Flights = list[tuple[Direction, bytes]]

UP, DOWN = Direction.CLIENT_TO_SERVER, Direction.SERVER_TO_CLIENT
ORDERS = ("as sent", "byte by byte", "client first", "server first")
LINE, ANSWER = b"what was asked\n", b"deksa saw tahw\n"  # s_server -rev answers each line reversed
SECONDS = 20
SECONDS_TO_LEAVE = 1


def observe(
    flights: Flights, store: SecretStore, order: str = "as sent", before_the_end: Callable[[], object] | None = None
) -> tuple[TlsSession, bytes, bytes, TlsConnection]:
    """The session, and the application data of client and server, read in one of ORDERS.

    `before_the_end` is called when all was read; then the secrets are looked for again.
    """
    connection = TlsConnection(store)
    events: list[TlsEvent] = []
    for direction, data in _in_order(flights, order):
        events += connection.feed(direction, data, lambda _a, _b: Span(1, 1, 0, 0))
    if before_the_end is not None:
        before_the_end()
        events += connection.retry()
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


@contextlib.contextmanager
def served(command: Sequence[str], folder: Path) -> Iterator[int]:
    """A server while it runs, by its port, which takes the place of PORT in the command."""
    port = _free_port()
    arguments = [each.replace("PORT", str(port)) for each in command]
    with subprocess.Popen(arguments, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            _await(port)
            yield port
        finally:
            process.terminate()


def relayed(command: Sequence[str], port: int, folder: Path, *, asked: bytes = LINE, answer: bytes = ANSWER) -> Flights:
    """What goes over the wire when a client (PORT in its command) sends `asked` and waits for `answer`."""
    relay = Relay(port)
    arguments = [each.replace("PORT", str(relay.port)) for each in command]
    pipe = subprocess.PIPE
    with subprocess.Popen(arguments, cwd=folder, stdin=pipe, stdout=pipe, stderr=subprocess.STDOUT) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(asked)
        process.stdin.flush()
        said = b""
        while answer not in said and (piece := process.stdout.readline()):
            said += piece
        try:
            process.communicate(timeout=SECONDS_TO_LEAVE)  # closes its input, which ends the session
        except subprocess.TimeoutExpired:
            process.terminate()  # tstclnt stays
    assert answer in said, said.decode(errors="replace")
    return relay.close()


def openssl_sessions(
    openssl: str, server: Sequence[str], clients: Sequence[Sequence[str]], folder: Path
) -> list[Flights]:
    """`openssl s_server` with each `s_client` in turn; LINE goes up, ANSWER comes down."""
    with served([openssl, "s_server", "-accept", "127.0.0.1:PORT", "-rev", *server], folder) as port:
        command = [openssl, "s_client", "-connect", "127.0.0.1:PORT"]
        return [relayed([*command, *client], port, folder) for client in clients]


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
