"""How frames are written: blocks of pcapng, or records of pcap; headers of many frames at once.

https://www.ietf.org/archive/id/draft-ietf-opsawg-pcapng, https://www.ietf.org/archive/id/draft-ietf-opsawg-pcap
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Int64Column = NDArray[np.int64]
    Bytes = NDArray[np.uint8]

MAX_COMMENT = 400  # bytes of one
BILLION = 1_000_000_000

_SECTION, _INTERFACE, _ENHANCED_PACKET = 0x0A0D0D0A, 1, 6
_END, _COMMENT, _RESOLUTION, _APPLICATION = 0, 1, 9, 4
_AROUND = 32  # bytes of a packet block that are no frame
_NANOSECONDS = 9
_ETHERNET = 1  # link type of a capture without frames
_SNAP_LENGTH = 262_144
_PCAP = {1_000: 0xA1B2C3D4, 1: 0xA1B23C4D}  # by nanoseconds in a unit of time
_PAD = (b"", b"\0\0\0", b"\0\0", b"\0")


class Columns(NamedTuple):
    """One element a frame: its interface (see Container), its time, and how much of it was captured, and was sent."""

    interface: Int64Column
    time_ns: Int64Column
    length: Int64Column
    original_length: Int64Column


class Container(Protocol):
    """A format. `prefix_length` is how many bytes stand before each frame."""

    prefix_length: int

    def head(self, comment: str = "") -> bytes:
        """What the file begins with; a comment on all of it, where there is room for one."""

    def foot(self) -> bytes:
        """What the file ends with."""

    def interface(self, link_type: int) -> tuple[int | None, bytes]:
        """The number of the interface for a link type, and what must be written first; None: the format has no room."""

    def comment(self, text: str) -> bytes:
        """A comment as it is written behind a frame, empty where there is no room for any."""

    def prefixes(self, columns: Columns, comments: Int64Column) -> Bytes:
        """A row for each frame; `comments` are the lengths of comments as they are written."""

    def tail(self, length: int, comment: bytes) -> bytes:
        """What follows a frame."""


class Pcapng:
    """One section; an interface for each link type."""

    prefix_length = 28

    def __init__(self, application: str) -> None:
        self._application = application.encode()
        self._interfaces: dict[int, int] = {}

    def head(self, comment: str = "") -> bytes:
        """See Container."""
        options = _option(_COMMENT, _encoded(comment)) if comment else b""
        options += _option(_APPLICATION, self._application) + _option(_END)
        return _block(_SECTION, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1) + options)

    def foot(self) -> bytes:
        """See Container."""
        return b"" if self._interfaces else self.interface(_ETHERNET)[1]

    def interface(self, link_type: int) -> tuple[int | None, bytes]:
        """See Container."""
        if link_type in self._interfaces:
            return self._interfaces[link_type], b""
        self._interfaces[link_type] = number = len(self._interfaces)
        options = _option(_RESOLUTION, bytes([_NANOSECONDS])) + _option(_END)
        return number, _block(_INTERFACE, struct.pack("<HHI", link_type, 0, _SNAP_LENGTH) + options)

    def comment(self, text: str) -> bytes:
        """See Container."""
        return _option(_COMMENT, _encoded(text)) + _NO_MORE

    def prefixes(self, columns: Columns, comments: Int64Column) -> Bytes:
        """See Container."""
        ticks = np.maximum(columns.time_ns, 0)
        words = np.empty((len(columns.length), 7), "<u4")
        words[:, 0] = _ENHANCED_PACKET
        words[:, 1] = _AROUND + columns.length + -columns.length % 4 + comments
        words[:, 2] = columns.interface
        words[:, 3], words[:, 4] = ticks >> 32, ticks & 0xFFFFFFFF
        words[:, 5], words[:, 6] = columns.length, columns.original_length
        return words.view(np.uint8)

    @staticmethod
    def tail(length: int, comment: bytes) -> bytes:
        """See Container."""
        padding = _PAD[length % 4]
        return padding + comment + _number(_AROUND + length + len(padding) + len(comment))


class Pcap:
    """The format that every program reads: one link type, no comments."""

    prefix_length = 16

    def __init__(self) -> None:
        self._link_type: int | None = None
        self._tick_ns = 1_000  # older programs know no other

    def need_nanoseconds(self) -> None:
        """Times are finer than microseconds; to be told before anything is written."""
        self._tick_ns = 1

    def head(self, comment: str = "") -> bytes:  # noqa: ARG002 - there is no room for any
        """See Container: the header stands before the first frame, which tells the link type."""
        return b""

    def foot(self) -> bytes:
        """See Container: of a capture without frames, the header."""
        return b"" if self._link_type is not None else self.interface(_ETHERNET)[1]

    def interface(self, link_type: int) -> tuple[int | None, bytes]:
        """See Container."""
        if self._link_type is None:
            self._link_type = link_type
            return 0, struct.pack("<IHHiIII", _PCAP[self._tick_ns], 2, 4, 0, 0, _SNAP_LENGTH, link_type)
        return (0 if link_type == self._link_type else None), b""

    def comment(self, text: str) -> bytes:  # noqa: ARG002 - there is no room for any
        """See Container."""
        return b""

    def prefixes(self, columns: Columns, comments: Int64Column) -> Bytes:  # noqa: ARG002 - there is no room for any
        """See Container."""
        seconds = np.clip(columns.time_ns // BILLION, 0, 0xFFFFFFFF)
        words = np.empty((len(columns.length), 4), "<u4")
        words[:, 0], words[:, 1] = seconds, columns.time_ns % BILLION // self._tick_ns
        words[:, 2], words[:, 3] = columns.length, columns.original_length
        return words.view(np.uint8)

    @staticmethod
    def tail(length: int, comment: bytes) -> bytes:  # noqa: ARG004 - nothing follows
        """See Container."""
        return b""


def decryption_secrets(key_log: bytes) -> bytes:
    """A Decryption Secrets Block (section 4.7) with lines of a key log."""
    return _block(10, struct.pack("<II", 0x544C534B, len(key_log)) + key_log + _PAD[len(key_log) % 4])


_number = struct.Struct("<I").pack


def _encoded(comment: str) -> bytes:
    return comment.encode("utf-8", "backslashreplace")[:MAX_COMMENT]


def _block(kind: int, body: bytes) -> bytes:
    total = struct.pack("<I", len(body) + 12)
    return struct.pack("<I", kind) + total + body + total


def _option(code: int, value: bytes = b"") -> bytes:
    return struct.pack("<HH", code, len(value)) + value + _PAD[len(value) % 4]


_NO_MORE = _option(_END)
