"""Record headers of a whole batch at once: gather them, and hold what comes of them in columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tlsdecrypt.value import Value

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tlsdecrypt.capture.frames import Int64Column

MAX_FRAME_BYTES = 262_144  # as libpcap, tcpdump and Wireshark: no record of a sane capture is longer
NANOSECONDS = 1_000_000_000
MAX_SECONDS = 9_000_000_000  # the year 2255: more does not fit 63 bits of nanoseconds


class Columns(Value, frozen=True, eq=False):
    """The columns of a FrameBatch, before its frames are counted."""

    offset: Int64Column
    captured_length: Int64Column
    original_length: Int64Column
    time_ns: Int64Column
    link_type: Int64Column


def gather(data: bytes, positions: Int64Column, layout: np.dtype[np.void]) -> NDArray[np.void]:
    """One record of `layout` for each position, which may be unaligned; each must lie within `data`."""
    size = layout.itemsize
    if not len(positions):
        return np.empty(0, layout)
    # A view with one element at each byte: nothing is copied but what is picked.
    everywhere = np.ndarray((len(data) - size + 1,), f"V{size}", data, strides=(1,))
    return everywhere[positions].view(layout)


def constant(value: int, count: int) -> Int64Column:
    """A column of one value."""
    return np.full(count, value, np.int64)
