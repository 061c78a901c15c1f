"""FrameBatch: many frames as one buffer and columns over it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Int64Column: TypeAlias = NDArray[np.int64]

BATCH_BYTES = 8 << 20  # what a reader puts into one batch, about


@dataclass(frozen=True, slots=True, eq=False)
class FrameBatch:
    """Frames in capture order. Each column has one element a frame.

    `data[offset : offset + captured_length]` is a frame from its link-layer header on. `first_number` is the number
    of the first frame, counted from 1 over the whole capture; the rest follow without holes. `link_type` is the
    LINKTYPE_ value (https://www.tcpdump.org/linktypes.html), not the host's DLT_ value.
    """

    data: bytes = field(repr=False)
    offset: Int64Column = field(repr=False)
    captured_length: Int64Column = field(repr=False)
    original_length: Int64Column = field(repr=False)
    time_ns: Int64Column = field(repr=False)
    link_type: Int64Column = field(repr=False)
    first_number: int

    def __len__(self) -> int:
        """How many frames."""
        return len(self.offset)
