"""Make the capture of a recipe: `python -m bench_lab.captures FOLDER NAME`."""

from __future__ import annotations

import itertools
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from bench_lab.certificates import make_credentials
from bench_lab.credentials import credentials_in
from bench_lab.damage import Damage
from bench_lab.recipes import RECIPES, Recipe
from bench_lab.segments import PCAP_FILE_HEADER, Address, Segment, pcap_records
from bench_lab.tcp import TcpConnection, flight_us
from bench_lab.tls import SUITES, ClearSession, Peers, TlsSession

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench_lab.rc4_peers import Rc4Peers, Rc4Session

CLIENT, SERVER = 0, 1
SERVER_IP = 0xC0000201  # 192.0.2.1
CLIENT_NETWORK = 0xC6336401  # 198.51.100.1
PORTS_PER_CLIENT = 1_000
CONNECTION_EVERY_US = 1_000  # short-lived connections: a new one starts
ROUND_TRIP_US = 2_000
ROUND_CONNECTIONS = 10_000  # that are written at once, where they are many
LINE = b"The quick brown fox jumps over the lazy dog, and the answer goes on for another line.\r\n"


def request_of(recipe: Recipe, index: int) -> bytes:
    """The request number `index` of each connection."""
    fields = f"Host: mail.example.com\r\nUser-Agent: bench/{recipe.name}\r\nAccept: */*\r\n"
    return f"GET /messages/{index} HTTP/1.1\r\n{fields}\r\n".encode()


def answer_of(recipe: Recipe) -> bytes:
    """The one answer of all exchanges."""
    length = recipe.content_bytes
    head = f"HTTP/1.1 200 OK\r\nServer: bench\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\n\r\n"
    return head.encode() + (LINE * (length // len(LINE) + 1))[:length]


class Conversation:
    """One connection and the TLS on it, if there is any."""

    def __init__(self, number: int, recipe: Recipe, peers: Peers | Rc4Peers | None) -> None:
        host, port = divmod(number, PORTS_PER_CLIENT)
        client = Address(CLIENT_NETWORK + host, 40_000 + port)
        self.tcp = TcpConnection(client, Address(SERVER_IP, recipe.port))
        self.tls: TlsSession | Rc4Session | ClearSession = peers.session() if peers else ClearSession()

    def open(self, time_us: int) -> Iterator[Segment]:
        """The handshakes of TCP and TLS."""
        yield from self.tcp.open(time_us)
        for flight, (sender, data) in enumerate(self.tls.handshake(), 1):
            yield from self.tcp.send(time_us + flight * ROUND_TRIP_US, sender, data)

    def exchange(self, time_us: int, request: bytes, answer: bytes, share: int = 1) -> Iterator[Segment]:
        """A request and its answer, on a link that `share` connections use."""
        yield from self.tcp.send(time_us, CLIENT, self.tls.send(CLIENT, request))
        yield from self.tcp.send(time_us + ROUND_TRIP_US, SERVER, self.tls.send(SERVER, answer), share)

    def close(self, time_us: int) -> list[Segment]:
        """What the client says last, and the end of TCP."""
        return self.tcp.close(time_us, self.tls.close())


def _side_by_side(recipe: Recipe, peers: Peers | None) -> Iterator[list[Segment]]:
    """Long-lived connections on one link, exchange after exchange on all of them at once."""
    conversations = [Conversation(number, recipe, peers) for number in range(recipe.connections)]
    answer, share = answer_of(recipe), recipe.connections
    turn_us = flight_us(1, 1)
    starts = [number * turn_us for number in range(share)]
    yield [each for who, start in zip(conversations, starts, strict=True) for each in who.open(start)]
    now = 10 * ROUND_TRIP_US
    for index in range(recipe.exchanges):
        request = request_of(recipe, index)
        yield [
            each
            for who, start in zip(conversations, starts, strict=True)
            for each in who.exchange(now + start, request, answer, share)
        ]
        now += flight_us(len(answer) + len(answer) // 100, share) + 2 * ROUND_TRIP_US
    yield [each for who, start in zip(conversations, starts, strict=True) for each in who.close(now + start)]


def _short_lived(recipe: Recipe, peers: Peers | None) -> Iterator[list[Segment]]:
    """A new connection every CONNECTION_EVERY_US, each with its own full handshake; some twenty live at a time.

    Where they stay open, all live at last, and nothing more is said on them.
    """
    answer = answer_of(recipe)
    segments: list[Segment] = []
    for number in range(recipe.connections):
        conversation = Conversation(number, recipe, peers)
        now = number * CONNECTION_EVERY_US + number // ROUND_CONNECTIONS * 100 * ROUND_TRIP_US
        segments += conversation.open(now)
        for index in range(recipe.exchanges):
            now += 6 * ROUND_TRIP_US
            segments += conversation.exchange(now, request_of(recipe, index), answer)
        if not recipe.stays_open:
            segments += conversation.close(now + 3 * ROUND_TRIP_US)
        if number % ROUND_CONNECTIONS == ROUND_CONNECTIONS - 1:
            yield segments
            segments = []
    yield segments


def _write(recipe: Recipe, peers: Peers | None, path: Path) -> int:
    """How many frames were written."""
    rounds = (_side_by_side if recipe.shared_link else _short_lived)(recipe, peers)
    damage, frames = Damage(recipe), 0
    with path.open("wb") as file:
        file.write(PCAP_FILE_HEADER)
        for sent in rounds:
            segments = damage.suffered(sent)
            file.write(pcap_records(segments) if segments else b"")
            frames += len(segments)
    return frames


def make_capture(folder: Path, recipe: Recipe) -> None:
    """NAME.pcap, NAME.keylog and NAME.json (the recipe, frames, bytes) in `folder`."""
    server = credentials_in(folder / "keys")
    make_credentials(server)
    path, key_log = folder / f"{recipe.name}.pcap", folder / f"{recipe.name}.keylog"
    unfinished = path.with_suffix(".part")
    key_log.unlink(missing_ok=True)
    peers = Peers(SUITES[recipe.suite], server, key_log) if recipe.suite else None
    frames = _write(recipe, peers, unfinished)
    facts = {"recipe": recipe.as_dict(), "frames": frames, "bytes": unfinished.stat().st_size}
    unfinished.replace(path)
    path.with_suffix(".json").write_text(json.dumps(facts, indent=1) + "\n")


if __name__ == "__main__":
    folder_given, name_given = itertools.islice(sys.argv, 1, 3)
    make_capture(Path(folder_given), RECIPES[name_given])
