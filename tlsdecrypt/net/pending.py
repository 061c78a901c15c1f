"""Data that arrived before the data in front of it, kept in stream order within bounds."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING

import numpy as np

from tlsdecrypt.net.events import StreamData

if TYPE_CHECKING:
    from collections.abc import Iterator

PENDING_TOTAL_MAX = 64 << 20  # of all connections together, in bytes
SEGMENT_COST = 256  # bytes that a segment occupies besides its payload
SMALL = 32 << 10  # bytes: larger pieces are not worth another copy


class PendingBudget:
    """What all connections together hold out of order, in bytes."""

    __slots__ = ("used",)

    def __init__(self) -> None:
        """Nothing is held yet."""
        self.used = 0

    @property
    def is_exceeded(self) -> bool:
        """Somebody has to let go."""
        return self.used > PENDING_TOTAL_MAX


class OutOfOrder:
    """Pieces of one direction that do not overlap, by stream offset."""

    __slots__ = ("_budget", "_offsets", "_pieces", "cost")

    def __init__(self, budget: PendingBudget) -> None:
        """`budget` is shared by all connections."""
        self._budget = budget
        self._pieces: list[StreamData] = []
        self._offsets: list[int] = []
        self.cost = 0

    def __len__(self) -> int:
        """How many pieces."""
        return len(self._pieces)

    @property
    def front(self) -> StreamData:
        """The piece with the lowest offset."""
        return self._pieces[0]

    def insert(self, piece: StreamData) -> tuple[int, int]:
        """Keep what is new in `piece`; how many of its bytes were there already, and how many of those differ."""
        repeated = conflicting = 0
        start, end = piece.offset, piece.offset + len(piece.data)
        for held in list(self._overlapping(start, end)):
            overlap = max(start, held.offset), min(end, held.offset + len(held.data))
            repeated += overlap[1] - overlap[0]
            conflicting += count_differences(_bytes(piece, *overlap), _bytes(held, *overlap))
            if start < held.offset:
                self._add(part(piece, start - piece.offset, held.offset - piece.offset))
            start = overlap[1]
        if start < end:
            self._add(part(piece, start - piece.offset, end - piece.offset))
        return repeated, conflicting

    def _overlapping(self, start: int, end: int) -> Iterator[StreamData]:
        index = max(bisect_right(self._offsets, start) - 1, 0)
        while index < len(self._pieces) and self._offsets[index] < end:
            held = self._pieces[index]
            if held.offset + len(held.data) > start:
                yield held
            index += 1

    def _add(self, piece: StreamData) -> None:
        index = bisect_left(self._offsets, piece.offset)
        self._offsets.insert(index, piece.offset)
        self._pieces.insert(index, piece)
        self._account(_cost(piece))

    def _account(self, cost: int) -> None:
        self.cost += cost
        self._budget.used += cost

    def pop_following(self, offset: int) -> list[StreamData]:
        """Take the pieces that follow `offset` without a hole."""
        count = 0
        while count < len(self._pieces) and self._offsets[count] == offset:
            offset += len(self._pieces[count].data)
            count += 1
        taken = self._pieces[:count]
        del self._pieces[:count], self._offsets[:count]
        self._account(-sum(map(_cost, taken)))
        return taken

    def clear(self) -> None:
        """Let everything go."""
        self._pieces.clear()
        self._offsets.clear()
        self._account(-self.cost)


def part(piece: StreamData, start: int, end: int) -> StreamData:
    """`piece.data[start:end]` with the segments that it came in, end > start."""
    if start == 0 and end == len(piece.data):
        return piece
    first, last = bisect_right(piece.starts, start) - 1, bisect_left(piece.starts, end)
    starts = [max(each - start, 0) for each in piece.starts[first:last]]
    frames, times_ns = piece.frames[first:last], piece.times_ns[first:last]
    return StreamData(piece.direction, piece.offset + start, piece.data[start:end], starts, frames, times_ns)


def small_ones_joined(pieces: list[StreamData]) -> Iterator[StreamData]:
    """Pieces that follow one another, small ones as one, so that what reads them has less to put together."""
    small: list[StreamData] = []
    for piece in pieces:
        if len(piece.data) < SMALL:
            small.append(piece)
            continue
        if small:
            yield _joined(small)
            small = []
        yield piece
    if small:
        yield _joined(small)


def _joined(pieces: list[StreamData]) -> StreamData:
    first = pieces[0]
    if len(pieces) == 1:
        return first
    starts = [piece.offset - first.offset + start for piece in pieces for start in piece.starts]
    frames = [frame for piece in pieces for frame in piece.frames]
    times_ns = [time_ns for piece in pieces for time_ns in piece.times_ns]
    data = b"".join([piece.data for piece in pieces])
    return StreamData(first.direction, first.offset, data, starts, frames, times_ns)


def count_differences(first: bytes, second: bytes) -> int:
    """At how many places two strings of one length differ."""
    if first == second:
        return 0
    return int(np.count_nonzero(np.frombuffer(first, np.uint8) != np.frombuffer(second, np.uint8)))


def _bytes(piece: StreamData, start: int, end: int) -> bytes:
    return piece.data[start - piece.offset : end - piece.offset]


def _cost(piece: StreamData) -> int:
    return len(piece.data) + SEGMENT_COST * len(piece.starts)
