"""Share: which connections one of several processes follows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tlsdecrypt.value import Value

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tlsdecrypt.net.segments import Segments

_HALF = np.uint64(1)  # a shift: half of the sum of ports


class Share(Value, frozen=True):
    """The connections that are dealt to process `index` of `count`, by their addresses and ports.

    Ports of one client mostly follow one another, in steps of one, or of two (Linux keeps one parity for `connect`), so
    half of their sum deals connections out evenly even where there are few, and all are between two machines.
    """

    index: int
    count: int

    def rows(self, segments: Segments) -> NDArray[np.int64]:
        """Those of the segments that are of these connections: the same for both directions."""
        ports = (segments.source_port + segments.destination_port).astype(np.uint64)
        mixed = segments.addresses.sum(axis=0, dtype=np.uint64) + (ports >> _HALF)  # wraps
        return np.flatnonzero(mixed % np.uint64(self.count) == np.uint64(self.index))
