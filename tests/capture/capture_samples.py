"""The same few frames, written by hand as each format and variant that can be read."""

from __future__ import annotations

import io
import struct
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tlsdecrypt.capture.inputs import open_capture
from tlsdecrypt.capture.ledger import Ledger
from tlsdecrypt.capture.window import FileWindow, StreamWindow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from tlsdecrypt.capture.frames import FrameBatch
    from tlsdecrypt.capture.window import Window

KEY_LOG = b"CLIENT_RANDOM " + b"00" * 32 + b" " + b"11" * 48 + b"\n"
START_NS = 1_700_000_000_000_000_000


class Frame(NamedTuple):
    content: bytes
    original_length: int
    time_ns: int


def frame(number: int, length: int, original_length: int = 0) -> Frame:
    """A frame of Ethernet and the local experimental type, filled with its number."""
    content = bytes.fromhex("02000000000102000000000288b5")[:length].ljust(length, bytes((number,)))
    return Frame(content, original_length or length, START_NS + number * 1_001_000_000)


FRAMES = [frame(1, 20), frame(2, 21), frame(3, 22, 1514), frame(4, 23), frame(5, 45), frame(6, 14)]


def pcap(frames: Iterable[Frame] = FRAMES, order: str = "<", magic: int = 0xA1B2C3D4, link_type: int = 1) -> bytes:
    unit_ns = 1 if magic == 0xA1B23C4D else 1_000
    rest = bytes(8) if magic == 0xA1B2CD34 else b""  # interface, protocol, type, padding
    out = struct.pack(f"{order}IHHiIII", magic, 2, 4, 0, 0, 262_144, link_type)
    for content, original, time_ns in frames:
        seconds, fraction = divmod(time_ns, 1_000_000_000)
        out += struct.pack(f"{order}IIII", seconds, fraction // unit_ns, len(content), original) + rest + content
    return out


def option(code: int, value: bytes, order: str = "<") -> bytes:
    return struct.pack(f"{order}HH", code, len(value)) + value + bytes(-len(value) % 4)


def block(kind: int, body: bytes, order: str = "<") -> bytes:
    body += bytes(-len(body) % 4)
    length = struct.pack(f"{order}I", len(body) + 12)
    return struct.pack(f"{order}I", kind) + length + body + length


def section(order: str = "<", options: bytes = b"") -> bytes:
    return block(0x0A0D0D0A, struct.pack(f"{order}IHHq", 0x1A2B3C4D, 1, 0, -1) + options, order)


def interface(order: str = "<", link_type: int = 1, snap_length: int = 0, options: bytes = b"") -> bytes:
    return block(1, struct.pack(f"{order}HHI", link_type, 0, snap_length) + options, order)


def enhanced(each: Frame, order: str = "<", number: int = 0, ticks: int | None = None, options: bytes = b"") -> bytes:
    ticks = each.time_ns // 1_000 if ticks is None else ticks
    head = struct.pack(
        f"{order}IIIII", number, ticks >> 32, ticks & 0xFFFFFFFF, len(each.content), each.original_length
    )
    return block(6, head + each.content + bytes(-len(each.content) % 4) + options, order)


def obsolete(each: Frame, order: str = "<", number: int = 0, drops: int = 7) -> bytes:
    ticks = each.time_ns // 1_000
    lengths = (len(each.content), each.original_length)
    return block(
        2, struct.pack(f"{order}HHIIII", number, drops, ticks >> 32, ticks & 0xFFFFFFFF, *lengths) + each.content, order
    )


def simple(each: Frame, order: str = "<") -> bytes:
    return block(3, struct.pack(f"{order}I", each.original_length) + each.content, order)


def secrets(key_log: bytes, order: str = "<", kind: int = 0x544C534B) -> bytes:
    return block(10, struct.pack(f"{order}II", kind, len(key_log)) + key_log, order)


def pcapng(frames: Iterable[Frame] = FRAMES, order: str = "<") -> bytes:
    return section(order) + interface(order) + b"".join(enhanced(each, order) for each in frames)


def snoop(frames: Iterable[Frame] = FRAMES) -> bytes:
    out = b"snoop\0\0\0" + struct.pack(">II", 2, 4)
    for content, original, time_ns in frames:
        seconds, fraction = divmod(time_ns, 1_000_000_000)
        padding = -len(content) % 4
        fields = (original, len(content), 24 + len(content) + padding, 0, seconds, fraction // 1_000)
        out += struct.pack(">IIIIII", *fields) + content + bytes(padding)
    return out


def netmon(frames: Iterable[Frame] = FRAMES, version: tuple[int, int] = (2, 3), media: int = 1) -> bytes:
    major, minor = version
    records, table = [], []
    position = 128
    for content, original, time_ns in frames:
        delta = time_ns - START_NS
        if major == 1:
            record = struct.pack("<IHH", delta // 1_000_000, original, len(content)) + content
        else:
            record = struct.pack("<QII", delta // 1_000, original, len(content)) + content
            filetime = time_ns // 100 + 116_444_736_000_000_000
            record += struct.pack("<HIQB", media, 0, filetime, 0)[: (0, 2, 6, 15)[minor]]
        table.append(position)
        records.append(record)
        position += len(record)
    start = (2023, 11, 2, 14, 22, 13, 20, 0)  # START_NS, a Tuesday
    header = (b"GMBU" if major == 2 else b"RTSS") + bytes((minor, major))
    header += struct.pack("<H8HII", media, *start, position, 4 * len(table))
    return header.ljust(128, b"\0") + b"".join(records) + struct.pack(f"<{len(table)}I", *table)


FORMATS: dict[str, Callable[[], bytes]] = {
    "pcap": pcap,
    "pcap-be": lambda: pcap(order=">"),
    "pcap-ns": lambda: pcap(magic=0xA1B23C4D),
    "pcap-ns-be": lambda: pcap(order=">", magic=0xA1B23C4D),
    "pcap-modified": lambda: pcap(magic=0xA1B2CD34),
    "pcap-modified-be": lambda: pcap(order=">", magic=0xA1B2CD34),
    "pcapng": pcapng,
    "pcapng-be": lambda: pcapng(order=">"),
    "pcapng-old": lambda: section() + interface() + b"".join(obsolete(each) for each in FRAMES),
    "pcapng-old-be": lambda: section(">") + interface(">") + b"".join(obsolete(each, ">") for each in FRAMES),
    "snoop": snoop,
    "netmon-1.1": lambda: netmon(version=(1, 1)),
    "netmon-2.0": lambda: netmon(version=(2, 0)),
    "netmon-2.1": lambda: netmon(version=(2, 1)),
    "netmon-2.2": lambda: netmon(version=(2, 2)),
    "netmon-2.3": lambda: netmon(version=(2, 3)),
}


def rows(batches: Iterable[FrameBatch]) -> list[tuple[int, Frame, int]]:
    """Number, frame and link type, for each frame of all batches; the columns must stay within their buffer."""
    out = []
    for batch in batches:
        assert len(batch) > 0
        columns = zip(
            batch.numbers(np.arange(len(batch))).tolist(),
            batch.offset.tolist(),
            batch.captured_length.tolist(),
            batch.original_length.tolist(),
            batch.time_ns.tolist(),
            batch.link_type.tolist(),
            strict=True,
        )
        for number, offset, captured, original, time_ns, link_type in columns:
            assert offset >= 0
            assert captured >= 0
            assert offset + captured <= len(batch.data)
            out.append((number, Frame(batch.data[offset : offset + captured], original, time_ns), link_type))
    return out


def frames_of(path: Path) -> tuple[list[Frame], list[str]]:
    """The frames and the notes of a file."""
    with open_capture(path) as capture:
        return [each for _, each, _ in rows(capture)], capture.notes


class Drip:
    """A Source that gives pieces of one length."""

    def __init__(self, data: bytes, length: int) -> None:
        self._file = io.BytesIO(data)
        self._length = length

    def read(self) -> bytes:
        return self._file.read(self._length)

    def is_ready(self, timeout_s: float) -> bool:
        return timeout_s < 0


def windows(data: bytes) -> Iterable[tuple[Window, Ledger]]:
    """Windows over the same bytes that end at all kinds of places."""
    for length in (1, 7, 61, 1000, len(data) + 1):
        ledger = Ledger()
        yield StreamWindow(Drip(data, length)), ledger
        ledger = Ledger()
        yield FileWindow(io.BytesIO(data), ledger.note, length), ledger  # type: ignore[arg-type]
