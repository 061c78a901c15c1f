"""A writer of event trace logs, byte by byte after their documented structures.

No trace that Windows wrote may stand in the project, so the reader is held against these. The layouts are those of
evntrace.h and evntcons.h, and of the studies of WMI_BUFFER_HEADER and SYSTEM_TRACE_HEADER; two programs that read real
traces (etl-parser, and the reader in Rust whose structures are the same) agree with them.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING
from uuid import UUID

if TYPE_CHECKING:
    from collections.abc import Sequence

BUFFER_BYTES = 4096
NDIS = UUID("2ed6006e-4729-4609-b423-3ee7bcd678ef")
PKTMON = UUID("4d4f80d9-c8bd-4d73-bb5b-19c90402c5ac")
OTHER = UUID("9e814aad-3204-11d2-9a82-006008a86939")
ETHERNET, WIRELESS_WAN, NATIVE_802_11, START, END = 0x1, 0x200, 0x10000, 0x40000000, 0x80000000
SYSTEM_TIME, CYCLES, PERFORMANCE_COUNTER = 2, 3, 1
PERFORMANCE_RATE, MEGAHERTZ = 10_000_000, 2_400
START_FILETIME = 1_700_000_000 * 10_000_000 + 116_444_736_000_000_000
START_TICKS = 5_000_000_000


def ticks(time_ns: int, clock: int = PERFORMANCE_COUNTER) -> int:
    """The time stamp of an event at this time (nanoseconds since 1970)."""
    since = time_ns - 1_700_000_000 * 1_000_000_000
    if clock == SYSTEM_TIME:
        return START_FILETIME + since // 100
    rate = PERFORMANCE_RATE if clock == PERFORMANCE_COUNTER else MEGAHERTZ * 1_000_000
    return START_TICKS + since * rate // 1_000_000_000


def event(
    provider: UUID,
    number: int,
    keyword: int,
    time: int,
    data: bytes,
    *,
    thread: int = 8,
    items: Sequence[bytes] = (),
    kind: int = 0x13,
) -> bytes:
    """EVENT_HEADER (80 bytes), extended data items, user data, padded to eight bytes."""
    extended = b""
    for index, item in enumerate(items):
        linkage = int(index + 1 < len(items))
        padding = bytes(-len(item) % 8)
        extended += struct.pack("<HHHH", 8 + len(item) + len(padding), 1, linkage, len(item)) + item + padding
    head = struct.pack("<HBB", 80 + len(extended) + len(data), kind, 0xC0)  # size, header type, marker flags
    head += struct.pack("<HH", 0x40 | bool(items), 0)  # flags, event property
    head += struct.pack("<IIq", thread, 4, time)  # thread, process, time stamp
    head += provider.bytes_le
    head += struct.pack("<HBBBBHQ", number, 0, 16, 4, 0, 0, keyword)  # EVENT_DESCRIPTOR
    head += bytes(8)  # processor time
    head += bytes(16)  # activity
    body = head + extended + data
    return body + bytes(-len(body) % 8)


def fragment(content: bytes, time: int, keyword: int = ETHERNET | START | END, **how: object) -> bytes:
    """`tidPacketFragment`; newer systems write two more numbers behind the fragment."""
    data = struct.pack("<III", 13, 13, len(content)) + content + struct.pack("<QQ", 0, 0)
    return event(NDIS, 1001, keyword, time, data, **how)  # type: ignore[arg-type]


def switch_fragment(content: bytes, time: int, destinations: int = 2, *, is_named: bool = True) -> bytes:
    """`tidVMSwitchPacketFragment`, with the names of ports that stand before the fragment (of destinations: or not)."""
    names = b"".join(name.encode("utf-16-le") + b"\0\0" for name in ("port-a", "nic-a", "Synthetic"))
    data = struct.pack("<III", 21, 21, 3) + names + struct.pack("<I", destinations)
    data += (struct.pack("<I", 4) + (names if is_named else b"")) * destinations
    oob = bytes(0x60)
    data += struct.pack("<I", len(content)) + content + struct.pack("<I", len(oob)) + oob
    return event(NDIS, 1003, 0x1000000 | ETHERNET | START | END, time, data)


def monitored(content: bytes, time: int, group: int, component: int = 1, kind: int = 1, number: int = 160) -> bytes:
    """`FramePayload` of the packet monitor."""
    data = struct.pack("<QHHHH", group, 1, component, 1, kind)  # group, packet, appearance, direction, type
    data += struct.pack("<HHHII", component, 1, 0, 0, 0)  # component, edge, filter, reason and place of a drop
    data += struct.pack("<HH", len(content), len(content)) + content
    return event(PKTMON, number, 0x10, time, data)


def system_event(time: int, hook: int = 0x0B0A, data: bytes = b"") -> bytes:
    """An event with a SYSTEM_TRACE_HEADER, as the kernel logs them."""
    body = struct.pack("<HBBHHIIq", 2, 0x02, 0xC0, 32 + len(data), hook, 1, 4, time) + bytes(8) + data
    return body + bytes(-len(body) % 8)


def message(data: bytes) -> bytes:
    """A WPP message: its marker has other flags."""
    body = struct.pack("<HBBHH", 8 + len(data), 0, 0x90, 1, 0) + data
    return body + bytes(-len(body) % 8)


def buffer(events: Sequence[bytes], processor: int = 0, *, size: int = BUFFER_BYTES, flags: int = 0) -> bytes:
    """WMI_BUFFER_HEADER (72 bytes) and events; the rest is filled with ones."""
    body = b"".join(events)
    filled = 72 + len(body)
    assert filled <= size
    head = struct.pack("<IIIi", size, filled, filled, 0)  # size, saved and current offset, references
    head += struct.pack("<qqQ", 0, 0, PERFORMANCE_RATE << 3 | 1)  # time stamp, sequence number, clock
    head += struct.pack("<HHI", processor, 12, 3)  # context, state
    head += struct.pack("<IHH", filled, flags, 0)  # filled bytes, flags, type
    head += bytes(16)
    return (head + body).ljust(size, b"\xff")


def header_buffer(clock: int = PERFORMANCE_COUNTER, *, is_64: bool = True, lost: int = 0) -> bytes:
    """The first buffer: a system event without a hook, whose data are a TRACE_LOGFILE_HEADER."""
    pointer = 8 if is_64 else 4
    data = struct.pack(
        "<IIII", BUFFER_BYTES, 0x05010A00, 19045, 4
    )  # buffer size, version, provider version, processors
    data += struct.pack("<qIIII", START_FILETIME + 10_000_000, 156_250, 0, 1, 3)  # end, resolution, size, mode, buffers
    data += struct.pack("<IIII", 1, pointer, lost, MEGAHERTZ)  # start buffers, pointer size, events lost, CPU speed
    data += bytes(2 * pointer) + bytes(172) + bytes(4)  # names, time zone, padding
    data += struct.pack("<qqqII", START_FILETIME - 10**12, PERFORMANCE_RATE, START_FILETIME, clock, 0)
    assert len(data) == (0x118 if is_64 else 0x110)
    names = "logger\0trace.etl\0".encode("utf-16-le")
    start = ticks(1_700_000_000 * 1_000_000_000, clock)
    head = struct.pack("<HBBHH", 2, 2 if is_64 else 1, 0xC0, 32 + len(data) + len(names), 0)
    body = head + struct.pack("<IIq", 1, 4, start) + bytes(8) + data + names
    return buffer([body + bytes(-len(body) % 8)])


def trace(buffers: Sequence[bytes], clock: int = PERFORMANCE_COUNTER, **how: bool) -> bytes:
    """A file."""
    return header_buffer(clock, **how) + b"".join(buffers)


def traced(frames: Sequence[tuple[bytes, int]], clock: int = PERFORMANCE_COUNTER) -> bytes:
    """A file of these frames (content and time), an event each, in as many buffers as it takes."""
    buffers: list[list[bytes]] = [[]]
    for content, time_ns in frames:
        each = fragment(content, ticks(time_ns, clock))
        if sum(map(len, buffers[-1])) + len(each) + 72 > BUFFER_BYTES:
            buffers.append([])
        buffers[-1].append(each)
    return trace([buffer(each) for each in buffers], clock)
