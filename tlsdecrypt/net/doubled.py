"""Runs that are frames captured twice: a port that mirrors both its ways, or mirrors of two ports, show each again.

They are told from what was sent again by the identification of IPv4, which is another for each datagram, or, where
the sender does not count it (and in IPv6), by coming at once.

`mirrored` has dropped the copies before that are equal in all that it compares and came within 10 ms; those of which
that is not sure come here, go on to reassembly, and only do not count as retransmissions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tlsdecrypt.net.repeats import DOUBLED_NS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tlsdecrypt.net.headers import Headers
    from tlsdecrypt.net.runs import RunColumns

    Int64Column = NDArray[np.int64]

LOOK_BACK = 8  # segments of a connection among which the first copy is looked for
_SAME_IDENTIFICATION_NS = 1_000_000_000


def doubled_runs(columns: RunColumns, headers: Headers) -> frozenset[int]:
    """The runs whose first segment is a copy of one a little before. Nearly always there are none."""
    first = columns.bounds[:-1]
    found: set[int] = set()
    for back in range(1, LOOK_BACK + 1):
        runs = np.flatnonzero(first >= back)
        row, earlier = first[runs], first[runs] - back
        is_same = columns.seq[row] == columns.seq[earlier]
        if not is_same.any():
            continue
        for column in (columns.connection, columns.sender, columns.length, columns.flags):
            is_same &= column[row] == column[earlier]
        for run in runs[is_same].tolist():
            if _is_copy(columns, headers, int(first[run]), int(first[run]) - back):
                found.add(run)
    return frozenset(found)


def _is_copy(columns: RunColumns, headers: Headers, row: int, earlier: int) -> bool:
    apart_ns = int(columns.time_ns[row] - columns.time_ns[earlier])
    if 0 <= apart_ns < DOUBLED_NS:
        return True
    one, other = (headers.of(int(columns.row[each])).ip_id for each in (row, earlier))
    if not one or one != other or apart_ns > _SAME_IDENTIFICATION_NS:
        return False
    near = range(max(row - LOOK_BACK, 0), min(row + LOOK_BACK, len(columns.row)))
    mine = [
        each
        for each in near
        if columns.connection[each] == columns.connection[row] and columns.sender[each] == columns.sender[row]
    ]
    return any(headers.of(int(columns.row[each])).ip_id != one for each in mine)
