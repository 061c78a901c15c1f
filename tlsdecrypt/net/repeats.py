"""Repeats: segments of one direction that were sent again, told apart from frames that were captured twice."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tlsdecrypt.net.events import StreamData

# What comes again sooner is the same frame, captured at two places (a switch port that mirrors both its ways): no timer
# of TCP is so short (RFC 6298 section 2.4: a second; RFC 8985 section 7.2: two round trips and more).
DOUBLED_NS = 1_500_000
REORDERED_NS = 3_000_000  # a hole that is filled later than so was not reordered: the segment was sent again
RECENT_SEGMENTS = 16  # of a delivered piece, to know when they came first
TOLD_APART_MAX = 64  # segments whose repeats are counted one by one, in one direction

# Of what was delivered: its offset and length, where in it the last segments start, and when they came.
Recent: TypeAlias = "tuple[int, int, Sequence[int], Sequence[int]]"


def recent_of(piece: StreamData) -> Recent:
    """What is kept of a piece that was delivered."""
    return piece.offset, len(piece.data), piece.starts[-RECENT_SEGMENTS:], piece.times_ns[-RECENT_SEGMENTS:]


class Repeats:
    """Counts of one direction."""

    __slots__ = ("_by_offset", "count", "filled", "frame", "largest", "length", "most", "time_ns")

    def __init__(self) -> None:
        """Nothing came again yet."""
        self.count = self.most = self.largest = self.filled = 0
        self.frame = self.time_ns = self.length = 0  # of what was repeated most
        self._by_offset: dict[int, int] = {}

    def add(self, piece: StreamData, end: int, recent: tuple[Recent, ...]) -> None:
        """Segments of `piece` that start before `end`, the offset of what follows all that was delivered."""
        bounds = [*piece.starts, len(piece.data)]
        for index, start in enumerate(piece.starts):
            offset, time_ns, length = piece.offset + start, piece.times_ns[index], bounds[index + 1] - start
            if offset < end and not _is_doubled(offset, time_ns, recent):
                self._add(offset, length, piece.frames[index], time_ns)

    def _add(self, offset: int, length: int, frame: int, time_ns: int) -> None:
        self.count += 1
        self.largest = max(self.largest, length)
        if offset not in self._by_offset and len(self._by_offset) == TOLD_APART_MAX:
            return
        times = self._by_offset[offset] = self._by_offset.get(offset, 0) + 1
        if times > self.most:
            self.most, self.frame, self.time_ns, self.length = times, frame, time_ns, length


def _is_doubled(offset: int, time_ns: int, recent: tuple[Recent, ...]) -> bool:
    """The byte at `offset` came just before, in the same segment or in a larger one that was cut on its way down."""
    for base, length, starts, times_ns in recent:
        place = offset - base
        index = bisect_right(starts, place) - 1
        if index >= 0 and place < length and abs(time_ns - times_ns[index]) < DOUBLED_NS:
            return True
    return False
