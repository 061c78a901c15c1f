"""Who spoke, which way, and in which frames: the vocabulary that all layers share."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

from tlsdecrypt.value import Value


class Direction(IntEnum):
    """Which way bytes went on a connection."""

    CLIENT_TO_SERVER = 0
    SERVER_TO_CLIENT = 1

    @property
    def other(self) -> Direction:
        """The opposite way."""
        return Direction.SERVER_TO_CLIENT if self is Direction.CLIENT_TO_SERVER else Direction.CLIENT_TO_SERVER

    @property
    def sender(self) -> str:
        """`client` or `server`: who sends this way."""
        return "client" if self is Direction.CLIENT_TO_SERVER else "server"


DIRECTIONS = tuple(Direction)  # a loop over the class itself is slow


class Endpoint(NamedTuple):
    """An address (as text, IPv4 or IPv6) and a port."""

    address: str
    port: int

    def __str__(self) -> str:
        """`192.0.2.1:443` or `[2001:db8::1]:443`."""
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"


class Span(Value, frozen=True):
    """The frames that carried something: the first and the last, with their times in nanoseconds since 1970 (UTC).

    Frame numbers are those of Wireshark: the first frame of the capture is 1.
    """

    first_frame: int
    last_frame: int
    first_time_ns: int
    last_time_ns: int

    def in_order(self) -> Span:
        """The same with the earlier frame first: what follows in a stream may have been captured before."""
        first, last = sorted(((self.first_frame, self.first_time_ns), (self.last_frame, self.last_time_ns)))
        return Span(first[0], last[0], first[1], last[1])

    def to(self, last: Span) -> Span:
        """From the start of this span to the end of `last`."""
        return Span(self.first_frame, last.last_frame, self.first_time_ns, last.last_time_ns)
