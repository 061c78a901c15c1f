"""Event trace logs (ETL) of Windows: buffers, event headers, the trace's clock, and the packets that events hold.

No standard tells the layout. The sources agree: the structures of evntrace.h and evntcons.h (EVENT_HEADER,
TRACE_LOGFILE_HEADER, ETW_BUFFER_HEADER), Geoff Chappell's studies of WMI_BUFFER_HEADER and SYSTEM_TRACE_HEADER, and
Microsoft's etl2pcapng and NetMon_Parsers_for_PacketMon for the two providers that capture. All is little-endian.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

import numpy as np

from tlsdecrypt.capture.columns import MAX_SECONDS, NANOSECONDS
from tlsdecrypt.capture.linktypes import ETHERNET, IEEE802_11, NONE, RAW_IP

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tlsdecrypt.capture.frames import Int64Column

MAGIC_BYTES = 0x50  # enough to tell that it is a trace
BUFFER_HEADER_BYTES = 0x48
LEAST_BUFFER_BYTES, MAX_BUFFER_BYTES = 1 << 10, 16 << 20
HEADER_END = 0x68 + 0x118  # of the first event, where its data are those of 64 bits
LEAST_FRAME_BYTES = 14
MAX_EXTENDED_ITEMS = 16
MAX_DESTINATIONS = 256  # ports of a virtual switch to which one packet goes

_MARK, _MESSAGE_MARK = 0xC0, 0x90  # what the fourth byte of an event is
_SYSTEM_KINDS = frozenset({0x01, 0x02, 0x03, 0x04, 0x10, 0x11})  # header types whose size stands two bytes later
_EVENT_KINDS = (0x12, 0x13)  # TRACE_HEADER_TYPE_EVENT_HEADER32 and 64
_SYSTEM_64 = 0x02  # TRACE_HEADER_TYPE_SYSTEM64: pointers in the data of the first event have 64 bits
_EVENT_HEADER = struct.Struct("<4xHxxIIQ16sH6xQ")  # flags, thread, process, ticks, provider, id, keyword
_EVENT_HEADER_BYTES = 0x50
_HAS_EXTENDED_ITEMS = 0x0001  # a flag: data items stand between the header and the user data
_IS_COMPRESSED = 0x0040  # a flag of a buffer

_SYSTEM_TIME, _CYCLES = 2, 3  # clock types; 1, the usual one, is the performance counter
_TICKS_1601_TO_1970 = 116_444_736_000_000_000  # of 100 ns
_FILETIME_RATE = 10_000_000
_MAX_WHOLE = 4 * MAX_SECONDS  # seconds since 1601, and then some
_MAX_RATE = 9_000_000_000  # a faster clock would not fit the arithmetic

NDIS_CAPTURE = UUID("2ed6006e-4729-4609-b423-3ee7bcd678ef").bytes_le
PACKET_MONITOR = UUID("4d4f80d9-c8bd-4d73-bb5b-19c90402c5ac").bytes_le
_FRAGMENT, _SWITCH_FRAGMENT = 1001, 1003  # events of NDIS_CAPTURE
_PAYLOADS = (160, 170)  # events of PACKET_MONITOR: packets that passed, and that were dropped
_WIRELESS_WAN, _TUNNEL, _NATIVE_802_11, _START, _END = 0x200, 0x8000, 0x10000, 0x40000000, 0x80000000  # keywords
_MONITOR_LINKS = {1: ETHERNET, 2: IEEE802_11, 3: RAW_IP}
_MONITORED = struct.Struct("<Q6xH14xHH")  # group, packet type, original and logged length of the payload behind it


class Event(NamedTuple):
    """An event of a provider: its user data are `data[start:end]`; `thread` tells who logged it, on which processor."""

    provider: bytes
    id: int
    keyword: int
    ticks: int
    thread: tuple[int, int, int]
    start: int
    end: int


class Piece(NamedTuple):
    """What one event holds of a packet: `data[start:end]`. `group` is the number that the packet monitor gave it."""

    start: int
    end: int
    original_length: int
    link_type: int
    is_first: bool = True
    is_last: bool = True
    group: int | None = None


class Clock(NamedTuple):
    """How ticks become time: `start` (100 ns since 1601) was at `start_ticks`; `rate` of them are a second."""

    start: int
    start_ticks: int
    rate: int

    def times_ns(self, ticks: Int64Column) -> Int64Column:
        """Nanoseconds since 1970, rounded down; never before, and never after this age."""
        whole, rest = np.divmod(ticks - self.start_ticks, self.rate)
        start_s, part = divmod(self.start - _TICKS_1601_TO_1970, _FILETIME_RATE)
        seconds = np.clip(np.clip(whole, -_MAX_WHOLE, _MAX_WHOLE) + start_s, 0, MAX_SECONDS - 1)
        times: Int64Column = seconds * NANOSECONDS + rest * NANOSECONDS // self.rate + part * 100
        return times


class TraceHeader(NamedTuple):
    """What the first event says (TRACE_LOGFILE_HEADER)."""

    buffer_bytes: int
    clock: Clock
    lost_events: int


def is_trace(data: bytes) -> bool:
    """Whether a file starts as a trace does: a buffer, and a system event without a hook in it."""
    if len(data) < MAGIC_BYTES:
        return False
    (size,) = struct.unpack_from("<I", data)
    kind, mark, hook = struct.unpack_from("<xxBBxxH", data, BUFFER_HEADER_BYTES)
    return LEAST_BUFFER_BYTES <= size <= MAX_BUFFER_BYTES and kind in {1, 2} and mark == _MARK and hook == 0


def parse_header(data: bytes) -> TraceHeader:
    """The header of a trace that starts with `data` (HEADER_END bytes; what is cut off counts as zeros)."""
    data = data[:HEADER_END].ljust(HEADER_END, b"\0")
    is_64 = data[0x4A] == _SYSTEM_64
    (buffer_bytes,) = struct.unpack_from("<I", data)
    (start_ticks,) = struct.unpack_from("<q", data, 0x58)
    lost_events, megahertz = struct.unpack_from("<II", data, 0x68 + 0x30)
    rate, start, clock_type = struct.unpack_from("<qqI", data, 0x68 + (0x100 if is_64 else 0xF8))
    if clock_type == _SYSTEM_TIME or rate <= 0:
        return TraceHeader(buffer_bytes, Clock(0, 0, _FILETIME_RATE), lost_events)
    if clock_type == _CYCLES:
        rate = max(megahertz, 1) * 1_000_000
    return TraceHeader(buffer_bytes, Clock(max(start, 0), start_ticks, min(rate, _MAX_RATE)), lost_events)


def is_compressed(data: bytes, position: int) -> bool:
    """Whether the buffer at `position` was compressed by the session that wrote it."""
    return bool(int.from_bytes(data[position + 0x34 : position + 0x36], "little") & _IS_COMPRESSED)


def events(data: bytes, position: int, end: int) -> Iterator[Event]:
    """The events of providers in the buffer `data[position:end]`, up to its fill or to the first that lies."""
    saved, processor, filled = struct.unpack_from("<4xI32xH6xI", data, position)
    end = min(end, position + (filled or saved))
    event = position + BUFFER_HEADER_BYTES
    while event + 8 <= end:
        kind, mark = data[event + 2], data[event + 3]
        size_at = event + 4 if kind in _SYSTEM_KINDS and mark == _MARK else event
        size = int.from_bytes(data[size_at : size_at + 2], "little")
        if mark not in {_MARK, _MESSAGE_MARK} or size < 8 or event + size > end:  # noqa: PLR2004 -- a shorter one has no header
            return
        if kind in _EVENT_KINDS and mark == _MARK and size >= _EVENT_HEADER_BYTES:
            yield _parse_event(data, event, event + size, processor)
        event += size + -size % 8


def _parse_event(data: bytes, start: int, end: int, processor: int) -> Event:
    """The event at `data[start:end]`, past the data items that may extend its header."""
    flags, thread, process, ticks, provider, number, keyword = _EVENT_HEADER.unpack_from(data, start)
    position = start + _EVENT_HEADER_BYTES
    if flags & _HAS_EXTENDED_ITEMS:
        for _ in range(MAX_EXTENDED_ITEMS):
            if position + 8 > end:
                break
            linkage, length = struct.unpack_from("<4xHH", data, position)
            position += 8 + length + -length % 8
            if not linkage & 1:
                break
    ticks = min(ticks, (1 << 63) - 1)
    return Event(provider, number, keyword, ticks, (processor, process, thread), min(position, end), end)


def piece_of(data: bytes, event: Event) -> Piece | None:
    """The part of a packet that `event` holds, if it is one of those that hold some."""
    if event.provider == NDIS_CAPTURE and event.id in {_FRAGMENT, _SWITCH_FRAGMENT}:
        return _parse_fragment(data, event)
    if event.provider == PACKET_MONITOR and event.id in _PAYLOADS:
        return _parse_monitored(data, event)
    return None


def _parse_fragment(data: bytes, event: Event) -> Piece | None:
    """`tidPacketFragment`: two interface numbers, the length and the fragment; `tidVMSwitchPacketFragment` has more."""
    is_plain = event.id == _FRAGMENT
    length_at = event.start + 8 if is_plain else _switch_length_at(data, event.start + 12, event.end)
    start = length_at + 4
    if start > event.end:
        return None
    length = int.from_bytes(data[length_at:start], "little")
    end = min(start + length, event.end)
    keyword = event.keyword
    return Piece(start, end, end - start, _link_type(keyword), bool(keyword & _START), bool(keyword & _END))


def _link_type(keyword: int) -> int:
    """What the keywords of NDIS_CAPTURE say of the medium."""
    if keyword & _NATIVE_802_11:
        return IEEE802_11
    return RAW_IP if keyword & (_WIRELESS_WAN | _TUNNEL) else ETHERNET


def _switch_length_at(data: bytes, start: int, end: int) -> int:
    """Where the length of a fragment stands behind the names of ports; beyond `end` where nothing fits.

    How destinations are listed is not published; as the source is, it seems: a number and three names. What proves it
    is a second length behind the fragment, with data that end where the event ends. Where that does not fit, the two
    lengths are looked for.
    """
    listed = _behind_names(data, start, end)
    count = int.from_bytes(data[listed : listed + 4], "little")
    position = listed = listed + 4
    for _ in range(min(count, MAX_DESTINATIONS)):
        position = _behind_names(data, position + 4, end)
    if _has_length_at(data, position, end):
        return position
    return next((each for each in range(listed, end - LEAST_FRAME_BYTES) if _has_length_at(data, each, end)), end)


def _behind_names(data: bytes, position: int, end: int) -> int:
    """Behind three texts in UTF-16, each with a zero at its end."""
    for _ in range(3):
        found = data.find(b"\0\0", position, end)
        while found >= 0 and (found - position) % 2:
            found = data.find(b"\0\0", found + 1, end)
        position = found + 2 if found >= 0 else end
    return position


def _has_length_at(data: bytes, position: int, end: int) -> bool:
    """Whether a length stands here, and behind what it counts another one, which leads to the end."""
    behind = position + 4 + int.from_bytes(data[position : position + 4], "little")
    if not position + 4 + LEAST_FRAME_BYTES <= behind <= end - 4:
        return False
    return behind + 4 + int.from_bytes(data[behind : behind + 4], "little") == end


def _parse_monitored(data: bytes, event: Event) -> Piece | None:
    """`FramePayload` and `FrameDropPayload` of the packet monitor."""
    start = event.start + _MONITORED.size
    if start > event.end:
        return None
    group, kind, original, logged = _MONITORED.unpack_from(data, event.start)
    end = min(start + logged, event.end)
    return Piece(start, end, max(original, end - start), _MONITOR_LINKS.get(kind, NONE), group=group)
