"""Feeds observers with what was sent, cut and ordered in any way: frames are numbered by flight, whatever the cut."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, TypeAlias

from tlsdecrypt.flow import Direction, Endpoint, Span
from tlsdecrypt.net.events import EndReason, StreamData, StreamEnd, StreamGap
from tlsdecrypt.net.reassembly import HalfFacts
from tlsdecrypt.net.tcp_facts import TcpFacts
from tlsdecrypt.observer import Observer
from tlsdecrypt.tls.secrets import SecretStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from tlsdecrypt.conversation import Conversation
    from tlsdecrypt.net.events import StreamEvent

Flight: TypeAlias = "tuple[Direction, bytes | None]"  # None: something that was not captured
Cut: TypeAlias = "Callable[[bytes], Iterable[bytes]]"

MILLISECOND = 1_000_000
CLIENT, SERVER = Endpoint("192.0.2.10", 50_001), Endpoint("198.51.100.20", 25)
ALL_FRAMES = Span(1, 99, 0, 99 * MILLISECOND)
NO_FACTS = HalfFacts(0, 0, 0, 0, 0, 0, 0, None)
ORDERS = ("as sent", "client first", "server first")


@dataclass
class Tcp:
    """What an Observer asks of a TCP connection."""

    id: int = 1
    client: Endpoint = CLIENT
    server: Endpoint = SERVER
    has_syn: bool = True
    span: Span = ALL_FRAMES

    @staticmethod
    def facts(_direction: Direction) -> HalfFacts:
        return NO_FACTS

    @staticmethod
    def tcp_facts() -> TcpFacts:
        return TcpFacts()


def in_order(flights: Sequence[Any], order: str) -> list[tuple[int, Any]]:
    """Flights with their numbers, as sent or one direction before the other."""
    numbered = list(enumerate(flights, 1))
    if order == "as sent":
        return numbered
    first = Direction.CLIENT_TO_SERVER if order == "client first" else Direction.SERVER_TO_CLIENT
    return sorted(numbered, key=lambda item: item[1][0] is not first)


def whole(data: bytes) -> Iterator[bytes]:
    yield data


def byte_by_byte(data: bytes) -> Iterator[bytes]:
    for place in range(len(data)):
        yield data[place : place + 1]


def cut_at(*places: int) -> Callable[[bytes], Iterator[bytes]]:
    """Cuts each flight at the same places."""

    def cut(data: bytes) -> Iterator[bytes]:
        ends = [0, *(place for place in places if place < len(data)), len(data)]
        for start, end in pairwise(ends):
            yield data[start:end]

    return cut


def events_of(flights: Sequence[Flight], cut: Cut = whole, order: str = "as sent") -> Iterator[StreamEvent]:
    """Stream events; the number of a flight is the number of its frame. Both directions end."""
    offsets = [0, 0]
    for number, (direction, data) in in_order(flights, order):
        if data is None:
            yield StreamGap(direction, offsets[direction], None, _span(number))
            continue
        for piece in cut(data):
            yield StreamData(direction, offsets[direction], piece, [0], [number], [number * MILLISECOND])
            offsets[direction] += len(piece)
    for direction in Direction:
        yield StreamEnd(direction, EndReason.FIN, _span(len(flights) + 1))


def observe(events: Iterable[StreamEvent], store: SecretStore | None = None, tcp: Any = None) -> Conversation:
    """One connection from its first event to its conversation."""
    observer = Observer(tcp or Tcp(), store or SecretStore(), keep_content=True)
    for event in events:
        observer.feed([event])
    return observer.finish()


def gap(direction: Direction, length: int | None, number: int) -> StreamGap:
    return StreamGap(direction, 0, length, _span(number))


def _span(number: int) -> Span:
    return Span(number, number, number * MILLISECOND, number * MILLISECOND)
