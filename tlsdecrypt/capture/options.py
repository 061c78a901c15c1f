"""Comments on frames: the options behind the frames of a whole batch, walked side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tlsdecrypt.capture.columns import gather

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tlsdecrypt.capture.frames import Int64Column

MAX_OPTIONS = 16  # of one frame that are looked at

_COMMENT = 1
_OPTION_HEADER = 4


def frame_comments(data: bytes, start: Int64Column, end: Int64Column, order: str) -> Iterator[tuple[int, str]]:
    """Row and text of each comment, where the options of row `i` are `data[start[i]:end[i]]`; by rows."""
    found = []
    rows = np.flatnonzero(start + _OPTION_HEADER <= end)
    layout = np.dtype([("code", f"{order}u2"), ("length", f"{order}u2")])
    position = start[rows]
    for _ in range(MAX_OPTIONS):
        if not len(rows):
            break
        records = gather(data, position, layout)
        value_end = position + _OPTION_HEADER + records["length"]
        is_sound = (records["code"] != 0) & (value_end <= end[rows])
        for index in np.flatnonzero(is_sound & (records["code"] == _COMMENT)).tolist():
            value = data[int(position[index]) + _OPTION_HEADER : int(value_end[index])]
            found.append((int(rows[index]), value.decode("utf-8", "replace")))
        position = value_end + -records["length"].astype(np.int64) % 4
        goes_on = is_sound & (position + _OPTION_HEADER <= end[rows])
        rows, position = rows[goes_on], position[goes_on]
    yield from sorted(found, key=lambda each: each[0])
