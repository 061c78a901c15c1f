"""Originals: frames as they were captured, in a container."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

import numpy as np

from tlsdecrypt.recapture.container import Columns

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from tlsdecrypt.capture.frames import FrameBatch
    from tlsdecrypt.recapture.container import Container
    from tlsdecrypt.recapture.rendering import Frame

    Int64Column = NDArray[np.int64]


class Originals:
    """Also knows the interfaces of the container. `left_out` counts the frames that it has no room for."""

    def __init__(self, container: Container) -> None:
        self.left_out = 0
        self._container = container
        self._preface = b""

    def interface(self, link_type: int) -> int | None:
        """The interface for a link type, None where there can be none."""
        number, preface = self._container.interface(link_type)
        self._preface += preface
        return number

    def take_preface(self) -> bytes:
        """What has to be written before the frames that were asked for."""
        preface, self._preface = self._preface, b""
        return preface

    def frames(self, batch: FrameBatch, rows: Int64Column) -> tuple[Int64Column, list[list[Frame]]]:
        """The rows of the frames that there is room for, and for each the one frame."""
        interfaces = np.zeros(len(rows), np.int64)
        for link_type in np.unique(batch.link_type[rows]).tolist():
            number = self.interface(link_type)
            interfaces[batch.link_type[rows] == link_type] = -1 if number is None else number
        self.left_out += int((interfaces < 0).sum())
        rows, interfaces = rows[interfaces >= 0], interfaces[interfaces >= 0]
        length = batch.captured_length[rows]
        columns = Columns(interfaces, batch.time_ns[rows], length, np.maximum(batch.original_length[rows], length))
        prefixes = memoryview(self._container.prefixes(columns, np.zeros(len(rows), np.int64)).tobytes())
        width, data, tail = self._container.prefix_length, memoryview(batch.data), self._container.tail
        places = zip(range(0, len(prefixes), width), batch.offset[rows].tolist(), length.tolist(), strict=True)
        return rows, [
            [(prefixes[at : at + width], data[begin : begin + size], tail(size, b""))] for at, begin, size in places
        ]


def joined(frames: Iterable[Frame]) -> bytes:
    """Frames as bytes."""
    return b"".join(chain.from_iterable(frames))
