"""Stream order: segments that a little reordering swapped are put back before runs are cut, in whole columns.

Only what is certain is moved: neighbours of one direction in one batch that came within `REORDERED_NS` of one another,
that do not overlap, and that carry nothing but bytes. All else is left to reassembly, which would have said the same,
one run after the other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tlsdecrypt.net.repeats import REORDERED_NS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Int64Column = NDArray[np.int64]
    Mask = NDArray[np.bool_]

STEP_MAX = 1 << 20  # bytes between neighbours: what lies further away is not a little reordering

_WRAP, _HALF_WRAP = 1 << 32, 1 << 31
_ROWS_BITS = 20  # a batch has fewer rows than this says, and each is at most STEP_MAX away from the one before it
_BLOCK_BITS = 42


def stream_order(seq: Int64Column, length: Int64Column, time_ns: Int64Column, is_apart: Mask) -> Int64Column | None:
    """The rows in the order in which their bytes stand in the stream, as far as that is certain; None for as they are.

    `is_apart` tells of each row that it must stay behind the one before it.
    """
    if len(seq) >= 1 << _ROWS_BITS:
        return None
    step = np.zeros(len(seq), np.int64)
    step[1:] = (seq[1:] - seq[:-1] + _HALF_WRAP) % _WRAP - _HALF_WRAP
    starts_block = is_apart | (np.abs(step) > STEP_MAX)
    step[starts_block] = 0
    if not (step < 0).any():
        return None
    return _sorted_within(_places(step, starts_block), length, time_ns)


def _places(step: Int64Column, starts_block: Mask) -> Int64Column:
    """Where each row stands in its stream, and above that in which block of rows that may change places."""
    block = np.cumsum(starts_block)
    place: Int64Column = np.cumsum(step) + (block << _BLOCK_BITS)
    return place


def _sorted_within(place: Int64Column, length: Int64Column, time_ns: Int64Column) -> Int64Column | None:
    """The order by `place` within the smallest stretches that are sound, the rows of others as they are."""
    reached = np.maximum.accumulate(place + length)
    ahead = np.minimum.accumulate(place[::-1])[::-1]
    starts_stretch = np.ones(len(place), np.bool_)
    starts_stretch[1:] = reached[:-1] <= ahead[1:]
    starts = np.flatnonzero(starts_stretch)
    stretch = np.cumsum(starts_stretch) - 1
    took_ns = np.maximum.reduceat(time_ns, starts) - np.minimum.reduceat(time_ns, starts)
    order = np.argsort(place, kind="stable")
    in_order = place[order]
    overlaps = (in_order[:-1] + length[order[:-1]] > in_order[1:]) & ~starts_stretch[1:]
    is_sound = took_ns <= REORDERED_NS
    is_sound[stretch[1:][overlaps]] = False
    rows = np.arange(len(place))
    result: Int64Column = np.where(is_sound[stretch], order, rows)
    return None if (result == rows).all() else result
