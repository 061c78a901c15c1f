"""Doubles: the same frame in two captures, as files of a ring that overlap and two taps of one wire hold them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tlsdecrypt.capture.frames import FrameBatch, Int64Column

    UInt64Column = NDArray[np.uint64]

REACH_NS = 10_000_000  # how far apart the clocks may be that saw the same frame; shorter than any retransmission
MAX_TAIL_FRAMES = 4_096  # of the batch before that are remembered
SAMPLE_BYTES = 80  # from the start, which a signature is made of; behind them the last eight

_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
_SHIFT = np.uint64(29)


class Doubles:
    """Finds frames that came already, from another capture, a moment ago."""

    def __init__(self) -> None:
        """Nothing was seen yet."""
        self._contents: list[bytes] = []
        self._signature = np.empty(0, np.uint64)
        self._time_ns = np.empty(0, np.int64)
        self._origin = np.empty(0, np.int64)

    @property
    def is_watching(self) -> bool:
        """Whether frames are remembered that may come again."""
        return bool(self._contents)

    def find(self, batch: FrameBatch, origin: Int64Column) -> NDArray[np.bool_]:
        """Whether each frame of `batch` is a double; `origin` tells which capture it came from."""
        before = len(self._contents)
        own = _signatures(batch)
        signature = np.concatenate((self._signature, own))
        time_ns = np.concatenate((self._time_ns, batch.time_ns))
        where = np.concatenate((self._origin, origin))
        order = np.argsort(signature, kind="stable")
        first, second = order[:-1], order[1:]
        is_pair = (signature[first] == signature[second]) & (where[first] != where[second])
        is_pair &= np.abs(time_ns[first] - time_ns[second]) <= REACH_NS
        is_pair &= second >= before
        is_double = np.zeros(len(batch), np.bool_)
        for one, other in zip(first[is_pair].tolist(), second[is_pair].tolist(), strict=True):
            content = self._contents[one] if one < before else _content(batch, one - before)
            is_double[other - before] = content == _content(batch, other - before)
        rows = np.flatnonzero(batch.time_ns >= batch.time_ns[-1] - REACH_NS)[-MAX_TAIL_FRAMES:]
        self._contents = [_content(batch, row) for row in rows.tolist()]
        self._signature, self._time_ns, self._origin = own[rows], batch.time_ns[rows], origin[rows]
        return is_double


def _content(batch: FrameBatch, row: int) -> bytes:
    offset = int(batch.offset[row])
    return batch.data[offset : offset + int(batch.captured_length[row])]


def _signatures(batch: FrameBatch) -> UInt64Column:
    """Of each frame a number that is the same for the same bytes, and hardly ever for others.

    The first bytes hold addresses, sequence numbers and checksums. What is too short for a word differs by its place.
    """
    length = batch.captured_length
    result = (length * 512 + batch.link_type).astype(np.uint64)
    words = np.ndarray((max(len(batch.data) - 7, 0),), "<u8", batch.data, 0, (1,))
    last = batch.offset + length - 8
    for start in (*range(0, SAMPLE_BYTES, 8), None):
        position = last if start is None else batch.offset + start
        rows = np.flatnonzero((position <= last) & (length >= 8))  # noqa: PLR2004 -- a word
        result[rows] ^= words[position[rows]]
        result *= _MULTIPLIER
        result ^= result >> _SHIFT
    return result
