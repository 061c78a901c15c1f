"""FrameBatch: many frames as one buffer and columns over it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Int64Column: TypeAlias = NDArray[np.int64]

BATCH_BYTES = 4 << 20  # what a reader puts into one batch, about


@dataclass(frozen=True, slots=True, eq=False)
class FrameBatch:
    """Frames in capture order. Each column has one element a frame.

    `data[offset : offset + captured_length]` is a frame from its link-layer header on. `link_type` is the LINKTYPE_
    value (https://www.tcpdump.org/linktypes.html), not the host's DLT_ value. `first_number` is the number of the first
    frame, and the rest follow without holes, unless `number` tells them one by one.
    """

    data: bytes = field(repr=False)
    offset: Int64Column = field(repr=False)
    captured_length: Int64Column = field(repr=False)
    original_length: Int64Column = field(repr=False)
    time_ns: Int64Column = field(repr=False)
    link_type: Int64Column = field(repr=False)
    first_number: int
    number: Int64Column | None = field(default=None, repr=False)

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
