"""FrameBatch: many frames as one buffer and columns over it."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from tlsdecrypt.value import Hidden, Value

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Int64Column: TypeAlias = NDArray[np.int64]

BATCH_BYTES = 4 << 20  # what a reader puts into one batch, about


class FrameBatch(Value, frozen=True, eq=False):
    """Frames in capture order. Each column has one element a frame.

    `data[offset : offset + captured_length]` is a frame from its link-layer header on. `link_type` is the LINKTYPE_
    value (https://www.tcpdump.org/linktypes.html), not the host's DLT_ value. `first_number` is the number of the first
    frame, and the rest follow without holes, unless `number` tells them one by one.
    """

    data: Hidden[bytes]
    offset: Hidden[Int64Column]
    captured_length: Hidden[Int64Column]
    original_length: Hidden[Int64Column]
    time_ns: Hidden[Int64Column]
    link_type: Hidden[Int64Column]
    first_number: int
    number: Hidden[Int64Column | None] = None

    def __len__(self) -> int:
        """How many frames."""
        return len(self.offset)

    def numbers(self, rows: Int64Column) -> Int64Column:
        """The frame number of each of these rows."""
        return rows + self.first_number if self.number is None else self.number[rows]

    def picked(self, rows: Int64Column) -> FrameBatch:
        """Some of the rows, over the same buffer."""
        number = self.numbers(rows)
        first = int(number[0]) if len(rows) else self.first_number
        is_dense = bool((number[1:] - number[:-1] == 1).all())
        return FrameBatch(
            self.data,
            self.offset[rows],
            self.captured_length[rows],
            self.original_length[rows],
            self.time_ns[rows],
            self.link_type[rows],
            first,
            None if is_dense else number,
        )
