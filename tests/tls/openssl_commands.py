"""The openssl program at both ends, told what to do while it talks: renegotiation, KeyUpdate, early data.

The server sends each line back reversed (`-rev`), or what is written to its standard input.
"""

from __future__ import annotations

import contextlib
import socket
import subprocess
import threading
import time
from typing import TYPE_CHECKING, Any

from recorded_tls import key_and_certificate
from relayed_peers import Relay

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

PATIENCE = 20.0  # seconds for whatever should happen at once


class Peer:
    """One openssl process whose output is awaited."""

    def __init__(self, command: Sequence[str], folder: Path) -> None:
        self._process = subprocess.Popen(
            command, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        self.output = bytearray()
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        while data := self._process.stdout.read1():  # type: ignore[attr-defined]
            with self._changed:
                self.output += data
                self._changed.notify_all()

    def write(self, text: bytes) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(text)
        self._process.stdin.flush()

    def wait_for(self, text: bytes) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: text in self.output, PATIENCE), bytes(self.output[-500:])

    def close(self, *, politely: bool) -> None:
        """A client goes at the end of its input; a server would not."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        if not politely:
            self._process.terminate()
        self._process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        self._process.stdout.close()


@contextlib.contextmanager
def openssl_server(openssl: str, folder: Path, *arguments: str) -> Iterator[tuple[Peer, int]]:
    """s_server, ready to accept, and its port."""
    (folder / "server.pem").write_bytes(key_and_certificate())
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    peer = Peer([openssl, "s_server", "-accept", str(port), "-cert", "server.pem", *arguments], folder)
    try:
        peer.wait_for(b"ACCEPT")
        yield peer, port
    finally:
        peer.close(politely=False)


def openssl_client(openssl: str, folder: Path, port: int, *arguments: str) -> tuple[Peer, Relay]:
    """s_client, connected to `port` through a relay; its key log is keys.log."""
    relay = Relay(port)
    command = [openssl, "s_client", "-connect", f"127.0.0.1:{relay.port}", "-keylogfile", "keys.log", *arguments]
    return Peer(command, folder), relay


def say(client: Peer, *lines: Any) -> None:
    """Lines in turn: each is awaited reversed; a pair is a command of s_client, and what it prints."""
    for line in lines:
        if isinstance(line, tuple):
            client.write(line[0] + b"\n")
            client.wait_for(line[1])
        else:
            client.write(line + b"\n")
            client.wait_for(line[::-1])
        time.sleep(0.02)  # s_client takes a command for one only where it is read alone
