"""Microsoft Network Monitor 1.x and 2.x: a header, records, and a frame table that says where each record stands.

The layout is that of the help of Network Monitor 3.4 ("Capture File Format"). All of it is little-endian.
"""

from __future__ import annotations

import struct
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tlsdecrypt.capture.columns import MAX_FRAME_BYTES, MAX_SECONDS, NANOSECONDS, Columns, constant, gather
from tlsdecrypt.capture.ledger import Process
from tlsdecrypt.capture.linktypes import ETHERNET, FDDI, IEEE802_11, NONE, RAW_IP, TOKEN_RING, normalised
from tlsdecrypt.capture.netmon_tables import (
    MAX_TABLE_BYTES,
    Tables,
    parse_comments,
    parse_processes,
    parse_tables,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from tlsdecrypt.capture.frames import FrameBatch, Int64Column
    from tlsdecrypt.capture.ledger import Ledger
    from tlsdecrypt.capture.window import Window

MAGICS = (b"RTSS", b"GMBU")
HEADER_BYTES = 128  # of which the first 32 are read
MAX_FRAMES = 16 << 20  # in the frame table: 64 MB of it
MAX_TABLE_AT = 1 << 32
MAX_BATCH_FRAMES = 1 << 20
MAX_JUMPS = 100  # back to a record that stands before the one read last

_WIRELESS = 6  # 802.11 behind metadata of Network Monitor's own
_LINK_TYPES = {
    0: ETHERNET,  # of some frames of virtual private networks
    1: ETHERNET,
    2: TOKEN_RING,
    3: FDDI,
    _WIRELESS: IEEE802_11,
    7: RAW_IP,  # tunnels
    8: RAW_IP,  # mobile broadband
    9: RAW_IP,
}
_LINKTYPE_BASE = 0xE000  # from here to 0xEFFF: a LINKTYPE_ value of a converted file
_ANALYZER_WIRELESS = 0xE080  # but this is 802.11, as Message Analyzer exports it
# Records of Network Monitor's own that are no frames: payload header, network information, cache of names.
_NOT_FRAMES = (0xFFFC, 0xFFFD, 0xFFFE)
_TICKS_1601_TO_1970 = 116_444_736_000_000_000  # of 100 ns

_HEADER = struct.Struct("<6x9HII")  # media type, SYSTEMTIME of the start, offset and length of the frame table
_RADIO = np.dtype([("version", "u1"), ("length", "<u2")])
_RECORD_1 = np.dtype([("delta", "<u4"), ("original", "<u2"), ("captured", "<u2")])
_RECORD_2 = np.dtype([("delta", "<i8"), ("original", "<u4"), ("captured", "<u4")])
_TRAILERS = (
    None,
    np.dtype([("media", "<u2")]),
    np.dtype([("media", "<u2"), ("process", "<u4")]),
    np.dtype([("media", "<u2"), ("process", "<u4"), ("time", "<u8"), ("zone", "u1")]),
)


class Layout(NamedTuple):
    """What the version decides: the record header, its time unit, and the trailer that stands behind each frame."""

    record: np.dtype[np.void]
    captured_length: struct.Struct
    unit_ns: int
    trailer: np.dtype[np.void] | None

    @property
    def has_tables(self) -> bool:
        """Whether the header tells of comments and processes; before, what stands there means nothing."""
        return self.trailer in _TRAILERS[2:]

    @property
    def around(self) -> int:
        """Bytes of a record that are no frame."""
        return self.record.itemsize + (self.trailer.itemsize if self.trailer else 0)


def layout_of(major: int, minor: int) -> Layout:
    """The layout of a version; 2.1 brought media types of frames, 2.2 processes, 2.3 times in UTC."""
    if major == 1:
        return Layout(_RECORD_1, struct.Struct("<6xH"), 1_000_000, None)
    return Layout(_RECORD_2, struct.Struct("<12xI"), 1_000, _TRAILERS[min(minor, len(_TRAILERS) - 1)])


class NetmonReader:
    """The records of one file, in the order of its frame table."""

    def __init__(self, window: Window, ledger: Ledger) -> None:
        """`window` stands at the start of a file that can go back."""
        self._window = window
        self._ledger = ledger
        minor, major = window.data[4:6].ljust(2, b"\0")
        self.format = f"Network Monitor {major}.{minor}"
        self._layout = layout_of(major, minor)
        self._link_type = NONE
        self._start_ns = 0
        self._comments: dict[int, str] = {}  # by the place of the frame's record in the file

    def batches(self) -> Iterator[FrameBatch]:
        """All frames that the table names, up to the first that is not there."""
        window = self._window
        window.advance(0, HEADER_BYTES)
        if len(window.data) < HEADER_BYTES:
            self._ledger.note("The file is cut off in the middle of its header: there are no frames.")
            return
        media, *start, table_at, table_bytes = _HEADER.unpack_from(window.data)
        self._link_type = _LINK_TYPES.get(media, NONE)
        self._start_ns = self._parse_start(start)
        tables = parse_tables(window.data) if self._layout.has_tables else Tables(0, 0, 0, 0)
        table = self._read_table(table_at, table_bytes)
        self._read_processes(tables)
        self._read_comments(tables)
        done = jumps = 0
        while done < len(table):
            jumps += int(table[done]) < window.start
            if jumps > MAX_JUMPS or not (count := self._reach(table[done : done + MAX_BATCH_FRAMES])):
                last = self._ledger.next_number - 1
                self._ledger.note(f"Nothing could be read after frame {last}: the frame table names what is not there.")
                return
            columns, is_frame = self._columns(window.data, table[done : done + count] - window.start)
            if self._comments:
                self._tell_comments(table[done : done + count][is_frame])
            if len(columns.offset):
                yield self._ledger.batch(window.data, columns)
            done += count

    def _parse_start(self, fields: list[int]) -> int:
        """Nanoseconds since 1970 of a SYSTEMTIME, taken as UTC."""
        year, month, _, day, hour, minute, second, milliseconds = fields
        if self._layout.trailer is not _TRAILERS[-1]:
            self._ledger.note("Times are the local time of the machine that captured: the file does not tell its zone.")
        try:
            seconds = int(datetime(year, month, day, hour, minute, second, tzinfo=UTC).timestamp())
        except ValueError:
            seconds = -1
        if not 0 <= seconds <= MAX_SECONDS:
            self._ledger.note("The start of the capture is no date of this age: times count from 1970.")
            return 0
        return seconds * NANOSECONDS + milliseconds * 1_000_000

    def _read_table(self, table_at: int, table_bytes: int) -> Int64Column:
        """Where the records stand: the frame table, or, where that is cut off or absurd, what a walk finds."""
        window = self._window
        table_bytes -= table_bytes % 4
        if table_bytes <= 4 * MAX_FRAMES:
            window.advance(table_at - window.start, table_bytes)
            if len(window.data) >= table_bytes:
                return np.frombuffer(window.data, "<u4", table_bytes // 4).astype(np.int64)
        self._ledger.note("The frame table is missing, so the file is cut off: records were read one after the other.")
        return np.array(self._walked_table(table_at or MAX_TABLE_AT), np.int64)

    def _read_processes(self, tables: Tables) -> None:
        if tables.processes_at and tables.processes:
            self._window.advance(tables.processes_at - self._window.start, MAX_TABLE_BYTES)
            for held in parse_processes(self._window.data[:MAX_TABLE_BYTES], tables.processes):
                for ends in held.ends:
                    self._ledger.process(Process(held.name, held.number, ends))

    def _read_comments(self, tables: Tables) -> None:
        if tables.comments_at and tables.comment_bytes:
            length = min(tables.comment_bytes, MAX_TABLE_BYTES)
            self._window.advance(tables.comments_at - self._window.start, length)
            self._comments = {each.position: each.text for each in parse_comments(self._window.data[:length])}

    def _tell_comments(self, table: Int64Column) -> None:
        """`table` are the places of the frames that come next."""
        for row in np.flatnonzero(np.isin(table, list(self._comments))).tolist():
            self._ledger.comment(self._ledger.next_number + row, self._comments[int(table[row])])

    def _walked_table(self, end: int) -> list[int]:
        """Where whole records stand, one after the other from the header on, as far as `end`."""
        window, layout = self._window, self._layout
        table: list[int] = []
        window.advance(HEADER_BYTES - window.start, layout.around)
        position = 0
        while window.start + position < end and len(table) < MAX_FRAMES:
            left = len(window.data) - position
            length = layout.captured_length.unpack_from(window.data, position)[0] if left >= layout.around else 0
            if length <= MAX_FRAME_BYTES and layout.around + length <= left:
                table.append(window.start + position)
                position += layout.around + length
            elif length > MAX_FRAME_BYTES or window.is_last:
                break
            else:
                window.advance(position, layout.around + length)
                position = 0
        return table

    def _reach(self, table: Int64Column) -> int:
        """Move the window if the first record is not wholly in it; how many stand there, in the order of the table."""
        count = self._count_whole(table)
        if not count:
            window = self._window
            window.advance(int(table[0]) - window.start, self._layout.around + MAX_FRAME_BYTES)
            count = self._count_whole(table)
        return count

    def _count_whole(self, table: Int64Column) -> int:
        """How many records stand wholly in the window, before the first that does not."""
        position = table - self._window.start
        end = len(self._window.data) - self._layout.around
        count = _leading((position >= 0) & (position <= end))
        captured = gather(self._window.data, position[:count], self._layout.record)["captured"].astype(np.int64)
        return _leading((captured <= MAX_FRAME_BYTES) & (position[:count] + captured <= end))

    def _columns(self, data: bytes, position: Int64Column) -> tuple[Columns, NDArray[np.bool_]]:
        """Columns of the records at `position` that are frames, and which are."""
        records = gather(data, position, self._layout.record)
        offset = position + self._layout.record.itemsize
        captured = records["captured"].astype(np.int64)
        columns = Columns(
            offset=offset,
            captured_length=captured,
            original_length=np.maximum(records["original"], captured),
            time_ns=self._start_ns + records["delta"].astype(np.int64) * self._layout.unit_ns,
            link_type=constant(self._link_type, len(position)),
        )
        if self._layout.trailer is None:
            return columns, np.ones(len(position), np.bool_)
        return _with_trailers(data, columns, gather(data, offset + captured, self._layout.trailer))


def _leading(is_good: NDArray[np.bool_]) -> int:
    """How many stand before the first False."""
    return len(is_good) if is_good.all() else int(np.argmin(is_good))


def _with_trailers(data: bytes, columns: Columns, trailers: NDArray[np.void]) -> tuple[Columns, NDArray[np.bool_]]:
    """The columns by what each frame's trailer says, without metadata of radios; and which records are frames."""
    media = trailers["media"].astype(np.int64)
    time_ns = columns.time_ns
    if "time" in (trailers.dtype.names or ()):  # where it is not told, the local time has to do
        ticks = trailers["time"].astype(np.int64)
        time_ns = np.where(ticks > 0, (ticks - _TICKS_1601_TO_1970) * 100, time_ns)
    radio_bytes = np.where(media == _WIRELESS, _radio_bytes(data, columns), 0)
    is_frame = ~np.isin(media, _NOT_FRAMES)
    frames = Columns(
        offset=(columns.offset + radio_bytes)[is_frame],
        captured_length=(columns.captured_length - radio_bytes)[is_frame],
        original_length=(columns.original_length - radio_bytes)[is_frame],
        time_ns=time_ns[is_frame],
        link_type=_link_types(media)[is_frame],
    )
    return frames, is_frame


def _link_types(media: Int64Column) -> Int64Column:
    values, inverse = np.unique(media, return_inverse=True)
    values[values == _ANALYZER_WIRELESS] = _LINKTYPE_BASE + IEEE802_11
    is_converted = (values >= _LINKTYPE_BASE) & (values < _LINKTYPE_BASE + 0x1000)
    link_types = [
        normalised(value - _LINKTYPE_BASE) if converted else _LINK_TYPES.get(value, NONE)
        for value, converted in zip(values.tolist(), is_converted.tolist(), strict=True)
    ]
    return np.array(link_types, np.int64)[inverse]


def _radio_bytes(data: bytes, columns: Columns) -> Int64Column:
    """The length of the metadata before a wireless frame, which it tells itself; at most the whole frame."""
    told = gather(data, np.minimum(columns.offset, len(data) - _RADIO.itemsize), _RADIO)["length"].astype(np.int64)
    return np.minimum(told, columns.captured_length)
