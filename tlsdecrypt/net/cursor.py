"""Cursor: where the irregular lane stands in one frame, and what a layer may say of it."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from tlsdecrypt.errors import ParseError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    LayerTable: TypeAlias = Mapping[int, Callable[["Cursor"], "Outcome"]]


class Namespace(Enum):
    """Which list of numbers tells the next layer."""

    LINK_TYPE = "link type"
    ETHERTYPE = "ethertype"
    IP_PROTOCOL = "ip protocol"
    UDP_PORT = "udp port"


class NextLayer(NamedTuple):
    """The layer that starts where the cursor stands now."""

    namespace: Namespace
    number: int


class Other(NamedTuple):
    """The frame carries no TCP: the word it is counted by. `ports` are those of UDP, the source's first."""

    word: str
    ports: tuple[int, int] = (0, 0)


class Fragment(NamedTuple):
    """A part of an IP datagram: `data` belongs at `offset` of the payload; `is_last` tells the payload's length."""

    key: tuple[int, int, int, int]
    protocol: int
    offset: int
    is_last: bool
    data: bytes


class TcpSegment(NamedTuple):
    """TCP header fields; the payload is what is left under the cursor."""

    source_port: int
    destination_port: int
    seq: int
    ack: int
    flags: int


Outcome: TypeAlias = NextLayer | Other | Fragment | TcpSegment


class Cursor:
    """A place in `data`. What lies from `start` to `end` was captured; on the wire the layer went on to `wire_end`.

    `source` and `destination` are the addresses of the innermost IP header so far, as 128-bit integers; `network` is
    where that header starts.
    """

    __slots__ = ("data", "destination", "end", "network", "source", "start", "wire_end")

    def __init__(self, data: bytes, start: int, end: int, wire_end: int) -> None:
        """Nothing outside of `data[start:end]` is ever read."""
        self.data = data
        self.start = start
        self.end = end
        self.wire_end = wire_end
        self.source = 0
        self.destination = 0
        self.network = -1

    @property
    def remaining(self) -> int:
        """Captured bytes that are left."""
        return self.end - self.start

    def uint(self, at: int, size: int) -> int:
        """A big-endian integer, `at` bytes from here. Raises `ParseError` where the capture does not hold it."""
        position = self.start + at
        if position + size > self.end:
            raise ParseError("header cut", position)
        return int.from_bytes(self.data[position : position + size], "big")

    def little_uint(self, at: int, size: int) -> int:
        """The same, little-endian."""
        return int.from_bytes(self.uint(at, size).to_bytes(size, "big"), "little")

    def skip(self, length: int) -> None:
        """Move on. Raises `ParseError` past the end of what was captured."""
        if length > self.end - self.start:
            raise ParseError("header cut", self.start)
        self.start += length

    def bound(self, wire_length: int) -> None:
        """The layer that starts here is `wire_length` bytes long: what follows it is padding."""
        self.wire_end = min(self.wire_end, self.start + wire_length)
        self.end = min(self.end, self.wire_end)
