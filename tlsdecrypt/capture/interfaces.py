"""The interfaces of a pcapng section: link type and clock of each, and time stamps in nanoseconds, exactly."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tlsdecrypt.capture.blocks import options
from tlsdecrypt.capture.columns import MAX_SECONDS, NANOSECONDS
from tlsdecrypt.capture.linktypes import ETHERNET, normalised

if TYPE_CHECKING:
    from tlsdecrypt.capture.blocks import Block
    from tlsdecrypt.capture.frames import Int64Column

MAX_INTERFACES = 65_536  # of one section
# Finer clocks need all 64 bits for the present; to those of this one and coarser ones, half of that is 292 years.
_MAX_SIGNED_TICKS = 1_000_000_000

_IF_NAME = 2
_IF_TSRESOL = 9
_IF_TSOFFSET = 14


class Interface(NamedTuple):
    """An Interface Description Block (section 4.2): `offset_s` is added to the times of its clock."""

    link_type: int = ETHERNET
    snap_length: int = 0
    ticks_per_second: int = 1_000_000
    offset_s: int = 0
    name: str = ""


def parse_interface(block: Block) -> Interface:
    """The interface that a block describes; an option of the wrong size is as good as none."""
    link_type, snap_length = struct.unpack_from(f"{block.order}HxxI", block.data, block.start + 8)
    ticks, offset_s, name = 1_000_000, 0, ""
    for code, value in options(block, block.start + 16):
        if code == _IF_TSRESOL and len(value) == 1:
            ticks = 2 ** (value[0] & 0x7F) if value[0] & 0x80 else 10 ** value[0]
        elif code == _IF_TSOFFSET and len(value) == 8:  # noqa: PLR2004 -- a 64-bit integer
            (offset_s,) = struct.unpack(f"{block.order}q", value)
        elif code == _IF_NAME:
            name = value.rstrip(b"\0").decode("utf-8", "replace")
    return Interface(normalised(link_type), snap_length, ticks, offset_s, name)


class Interfaces:
    """All interfaces of one section, as tables that a column of interface numbers picks from."""

    def __init__(self) -> None:
        """No interface yet."""
        self._known: list[Interface] = []
        self._tables: tuple[Int64Column, Int64Column, Int64Column] | None = None

    def __len__(self) -> int:
        """How many interfaces were described."""
        return len(self._known)

    def __getitem__(self, number: int) -> Interface:
        """The interface of that number; what was never described is Ethernet with a clock of microseconds."""
        return self._known[number] if number < len(self._known) else Interface()

    def add(self, interface: Interface) -> None:
        """The next interface."""
        self._known.append(interface)
        self._tables = None

    def link_types(self, numbers: Int64Column) -> Int64Column:
        """The link type of each frame."""
        link_types: Int64Column = self._table()[0][np.minimum(numbers, len(self._known))]
        return link_types

    def times_ns(self, numbers: Int64Column, ticks: Int64Column) -> Int64Column:
        """Nanoseconds since 1970, rounded down, for each time stamp (64 bits; some tools write times before 1970)."""
        numbers = np.minimum(numbers, len(self._known))
        _, ticks_per_second, offset_s = self._table()
        rate = ticks_per_second[numbers]
        whole, rest = np.divmod(ticks, np.maximum(rate, 1))
        seconds = np.clip(whole, -MAX_SECONDS, MAX_SECONDS) + offset_s[numbers]
        times: Int64Column = np.clip(seconds, -MAX_SECONDS, MAX_SECONDS) * NANOSECONDS
        times += rest * NANOSECONDS // np.maximum(rate, 1)
        for row in np.flatnonzero(rate == 0).tolist():
            times[row] = _time_ns(self[int(numbers[row])], int(ticks[row]) % (1 << 64))
        return times

    def _table(self) -> tuple[Int64Column, Int64Column, Int64Column]:
        """Link type, ticks in a second (0: too many for a column), and offset; the last row is for unknown numbers."""
        if self._tables is None:
            rows = [*self._known, Interface()]
            ticks = [each.ticks_per_second if each.ticks_per_second <= _MAX_SIGNED_TICKS else 0 for each in rows]
            offsets = [max(-MAX_SECONDS, min(each.offset_s, MAX_SECONDS)) for each in rows]
            self._tables = (
                np.array([each.link_type for each in rows], np.int64),
                np.array(ticks, np.int64),
                np.array(offsets, np.int64),
            )
        return self._tables


def _time_ns(interface: Interface, ticks: int) -> int:
    """As `Interfaces.times_ns`, for clocks too fine for 64 bits."""
    seconds, rest = divmod(ticks, interface.ticks_per_second)
    seconds = max(-MAX_SECONDS, min(seconds + interface.offset_s, MAX_SECONDS))
    return seconds * NANOSECONDS + rest * NANOSECONDS // interface.ticks_per_second
