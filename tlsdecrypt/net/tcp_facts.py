"""TcpFacts: what the segments of one connection say besides their bytes."""

from __future__ import annotations

from typing import NamedTuple

from tlsdecrypt.flow import Direction
from tlsdecrypt.value import Value


class Sighting(NamedTuple):
    """A frame, and when it was captured (nanoseconds since 1970)."""

    frame: int
    time_ns: int


class Reset(NamedTuple):
    """The first RST of a connection. `ttl` (hop limit) and `ip_id` are None where they cannot be read."""

    sender: Direction
    frame: int
    time_ns: int
    ttl: int | None
    ip_id: int | None


class ZeroWindow(NamedTuple):
    """A time in which a receiver took nothing more: from this frame on."""

    frame: int
    time_ns: int
    duration_ns: int


class SideFacts(Value, frozen=True):
    """One sender of a connection.

    `ttl`, `ip_id` and `mac` are those of its first segment (`mac` only on Ethernet). Segments that carry data and came
    again are `repeats`, `most_repeats` of them of one segment (which is `repeated`, of `repeated_length` bytes), the
    largest of `largest_repeat` bytes; frames that the capture holds twice are none. `filled` are segments that came
    long after those behind them: sent again because the first was lost before it could be captured. `zero_window` is
    the longest of `zero_windows` in which this side took nothing. `is_lost` says that the peer acknowledged bytes of
    this side that the capture does not hold; `unacknowledged` are bytes that it holds and the peer did not acknowledge,
    None where the peer acknowledged nothing at all.
    """

    ttl: int | None = None
    ip_id: int | None = None
    mac: str | None = None
    fin: Sighting | None = None
    first_payload: Sighting | None = None
    last_payload: Sighting | None = None
    repeats: int = 0
    most_repeats: int = 0
    largest_repeat: int = 0
    repeated: Sighting | None = None
    repeated_length: int = 0
    filled: int = 0
    zero_windows: int = 0
    zero_window: ZeroWindow | None = None
    is_lost: bool = False
    unacknowledged: int | None = None


class TcpFacts(Value, frozen=True):
    """One connection. `syns` are the first few SYNs of the client, `syn_count` all of them.

    `bare_ack` is the server's answer to a SYN where it was an ACK without SYN: it still knows an earlier connection
    with these ports (RFC 9293 section 3.10.7.4).
    """

    syns: tuple[Sighting, ...] = ()
    syn_count: int = 0
    syn_ack: Sighting | None = None
    bare_ack: Sighting | None = None
    reset: Reset | None = None
    sides: tuple[SideFacts, SideFacts] = (SideFacts(), SideFacts())

    @property
    def is_refused(self) -> bool:
        """A SYN was answered by a RST."""
        has_no_answer = self.syn_ack is None and self.bare_ack is None
        is_by_server = self.reset is not None and self.reset.sender is Direction.SERVER_TO_CLIENT
        return bool(self.syns) and has_no_answer and is_by_server

    def side(self, direction: Direction) -> SideFacts:
        """What the sender of one direction did."""
        return self.sides[direction]

    def flipped(self) -> TcpFacts:
        """The same where the other side is called the client. What only a client sends is then not known."""
        reset = self.reset and self.reset._replace(sender=self.reset.sender.other)
        return TcpFacts(reset=reset, sides=(self.sides[1], self.sides[0]))
