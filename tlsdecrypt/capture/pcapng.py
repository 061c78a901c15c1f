"""pcapng (draft-ietf-opsawg-pcapng): frames, comments, names and secrets of all sections."""

from __future__ import annotations

import ipaddress
import struct
from typing import TYPE_CHECKING

import numpy as np

from tlsdecrypt.capture import blocks
from tlsdecrypt.capture.blocks import Block, BlockWalk, options
from tlsdecrypt.capture.columns import Columns, gather
from tlsdecrypt.capture.interfaces import MAX_INTERFACES, Interfaces, parse_interface
from tlsdecrypt.capture.ledger import Ledger
from tlsdecrypt.capture.options import frame_comments

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from tlsdecrypt.capture.frames import FrameBatch, Int64Column
    from tlsdecrypt.capture.window import Window

MAGIC = blocks.MAGIC

_FRAME_AT = 28  # where the frame begins in an Enhanced Packet Block and in a Packet Block
_SIMPLE_FRAME_AT = 12  # and in a Simple Packet Block
_AROUND_FRAME = 32  # bytes of a block that are no frame, padding or option
_AROUND_SIMPLE_FRAME = 16

_COMMENT = 1
_IF_DROP = 5
_TLS_KEY_LOG = 0x544C534B  # "TLSK", section 4.7
_NAME_END, _NAME_IPV4, _NAME_IPV6 = 0, 1, 2

# Kinds that hold no traffic, but that Wireshark shows as frames, each with a number of its own.
_NUMBERED = {
    blocks.CUSTOM: "custom block",
    blocks.CUSTOM_NOT_COPIED: "custom block",
    9: "systemd journal entry",
    0x204: "system call",  # Sysdig's, in three forms
    0x216: "system call",
    0x221: "system call",
}
# Kinds that hold nothing of use here, but are known (the registry in section 10.1 and Sysdig's), so not worth a note.
_LOCAL_USE = 0x80000000  # from here on, by section 10.1
_PASSED_OVER = {7, 8, *range(0x201, 0x224)}


class PcapngReader:
    """The blocks of one file."""

    format = "pcapng"

    def __init__(self, window: Window, ledger: Ledger, *, with_secrets: bool) -> None:
        """`window` stands at the start of the file; `with_secrets` puts key logs into the ledger on the way."""
        self._walk = BlockWalk(window, ledger)
        self._ledger = ledger
        self._with_secrets = with_secrets
        self._interfaces = Interfaces()
        self._order = "<"
        self._last_time_ns = 0
        self._passed: list[int] = []  # for each numbered block without traffic: how many frames wait before it
        self._dropped: dict[int, int] = {}  # by interface of this section
        self._dropped_before = 0  # in the sections before

    def batches(self) -> Iterator[FrameBatch]:
        """All frames, up to the end, or to damage that nothing readable follows. A batch never spans sections."""
        pending: list[int] = []
        for run in self._walk.runs():
            pending += run.positions
            if pending and (run.block is None or run.block.kind == blocks.SECTION_HEADER):
                yield self._batch(run.data, pending)
                pending = []
            if run.block is not None and run.block.kind in _NUMBERED:
                self._ledger.pass_over(_NUMBERED[run.block.kind])
                self._passed.append(len(pending))
            elif run.block is not None:
                self._read(run.block)
        self._ledger.note_drops(self._dropped_before + sum(self._dropped.values()))

    def _read(self, block: Block) -> None:
        """Take what a block tells that holds no frame."""
        match block.kind:
            case blocks.SECTION_HEADER:
                self._begin_section(block)
            case blocks.INTERFACE_DESCRIPTION:
                self._add_interface(block)
            case blocks.NAME_RESOLUTION:
                for address, name in parse_names(block):
                    self._ledger.name(address, name)
            case blocks.INTERFACE_STATISTICS:
                self._count_drops(block)
            case blocks.DECRYPTION_SECRETS:
                self._take_secrets(block)
            case kind if kind < _LOCAL_USE and kind not in _PASSED_OVER:
                self._ledger.note(f"Blocks of the unknown type {kind:#x} were passed over.")

    def _begin_section(self, block: Block) -> None:
        self._order = block.order
        self._interfaces = Interfaces()
        self._dropped_before += sum(self._dropped.values())
        self._dropped = {}
        self._take_comments(block, block.start + 24)

    def _add_interface(self, block: Block) -> None:
        if len(self._interfaces) < MAX_INTERFACES:
            self._interfaces.add(parse_interface(block))
            self._take_comments(block, block.start + 16)
        else:
            self._ledger.note(f"Only the first {MAX_INTERFACES:,} interfaces of a section were kept.")

    def _take_comments(self, block: Block, start: int) -> None:
        for code, value in options(block, start):
            if code == _COMMENT:
                self._ledger.comment(None, value.decode("utf-8", "replace"))

    def _take_secrets(self, block: Block) -> None:
        kind, key_log = parse_secrets(block)
        if kind != _TLS_KEY_LOG:
            self._ledger.note(f"Secrets of the type {kind:#x} were passed over: only TLS key logs are used.")
        elif self._with_secrets:
            self._ledger.secret(key_log)

    def _count_drops(self, block: Block) -> None:
        """Interface Statistics Block, section 4.6: the counters are totals, so the last one stands."""
        (number,) = struct.unpack_from(f"{block.order}I", block.data, block.start + 8)
        for code, value in options(block, block.start + 20):
            if code == _IF_DROP and len(value) == 8 and number < len(self._interfaces):  # noqa: PLR2004 -- 64 bits
                self._dropped[number] = struct.unpack(f"{block.order}Q", value)[0]

    def _batch(self, data: bytes, positions: list[int]) -> FrameBatch:
        position = np.array(positions, np.int64)
        number = self._numbers(len(positions))
        head = gather(data, position, np.dtype([("kind", f"{self._order}u4"), ("length", f"{self._order}u4")]))
        is_simple = head["kind"] == blocks.SIMPLE_PACKET
        if is_simple.any():
            columns = self._mixed_columns(data, position, number, is_simple)
        else:
            columns = self._packet_columns(data, position, number)
        self._last_time_ns = int(columns.time_ns[-1])
        frame_end = columns.offset + columns.captured_length
        options_at = frame_end + (position - frame_end) % 4
        for row, text in frame_comments(data, options_at, position + head["length"] - 4, self._order):
            self._ledger.comment(int(number[row]), text)
        has_holes, self._passed = bool(self._passed), []
        return self._ledger.batch(data, columns, number if has_holes else None)

    def _numbers(self, count: int) -> Int64Column:
        """The numbers in the file of the next `count` frames, past the numbered blocks between them."""
        row = np.arange(count)
        first = self._ledger.next_number - len(self._passed)
        return first + row + np.searchsorted(self._passed, row, side="right")

    def _packet_columns(self, data: bytes, position: Int64Column, number: Int64Column) -> Columns:
        """Columns of Enhanced Packet Blocks and of the obsolete Packet Blocks (section 4.3 and appendix A)."""
        names = ("kind", "length", "interface", "high", "low", "captured", "original")
        records = gather(data, position, np.dtype([(name, f"{self._order}u4") for name in names]))
        interface = records["interface"].astype(np.int64)
        is_old = records["kind"] == blocks.PACKET
        if is_old.any():  # the upper half counts lost frames there
            interface = np.where(is_old, interface >> 16 if self._order == ">" else interface & 0xFFFF, interface)
        self._check_interfaces(interface)
        ticks = (records["high"].astype(np.uint64) << np.uint64(32)) | records["low"]
        captured = self._believed(records["captured"].astype(np.int64), records["length"] - _AROUND_FRAME, number)
        return Columns(
            offset=position + _FRAME_AT,
            captured_length=captured,
            original_length=np.maximum(records["original"], captured),
            time_ns=self._interfaces.times_ns(interface, ticks.view(np.int64)),
            link_type=self._interfaces.link_types(interface),
        )

    def _simple_columns(self, data: bytes, position: Int64Column) -> Columns:
        """Columns of Simple Packet Blocks (section 4.4): interface 0, cut at its snap length, and no times."""
        self._ledger.note("Frames in Simple Packet Blocks have no times: that of the frame before stands for it.")
        records = gather(
            data, position, np.dtype([(name, f"{self._order}u4") for name in ("kind", "length", "original")])
        )
        number = np.zeros(len(position), np.int64)
        self._check_interfaces(number)
        original = records["original"].astype(np.int64)
        captured = np.minimum(original, self._interfaces[0].snap_length or original)
        captured = np.minimum(captured, records["length"].astype(np.int64) - _AROUND_SIMPLE_FRAME)
        return Columns(position + _SIMPLE_FRAME_AT, captured, original, number, self._interfaces.link_types(number))

    def _mixed_columns(
        self, data: bytes, position: Int64Column, number: Int64Column, is_simple: NDArray[np.bool_]
    ) -> Columns:
        """Columns where at least one block is simple; its time is that of the frame before."""
        simple = self._simple_columns(data, position[is_simple])
        packets = self._packet_columns(data, position[~is_simple], number[~is_simple])
        merged = {}
        for name in ("offset", "captured_length", "original_length", "time_ns", "link_type"):
            merged[name] = np.empty(len(position), np.int64)
            merged[name][is_simple] = getattr(simple, name)
            merged[name][~is_simple] = getattr(packets, name)
        before = np.maximum.accumulate(np.where(is_simple, -1, np.arange(len(position))))
        merged["time_ns"] = np.where(before < 0, self._last_time_ns, merged["time_ns"][before])
        return Columns(**merged)

    def _believed(self, captured: Int64Column, room: Int64Column, number: Int64Column) -> Int64Column:
        """The captured lengths, none longer than its block has room for."""
        is_lie = captured > room
        if is_lie.any():
            frame = int(number[np.argmax(is_lie)])
            self._ledger.note(f"Frame {frame} is said to be longer than its block: it was cut at the end of the block.")
            return np.minimum(captured, room)
        return captured

    def _check_interfaces(self, number: Int64Column) -> None:
        if len(number) and number.max() >= len(self._interfaces):
            self._ledger.note(
                f"Frames are of interface {number.max()}, which nothing describes: they were read as Ethernet.",
            )


def parse_secrets(block: Block) -> tuple[int, bytes]:
    """The type and the content of a Decryption Secrets Block (section 4.7), as much of it as the block holds."""
    kind, length = struct.unpack_from(f"{block.order}II", block.data, block.start + 8)
    start = block.start + 16
    return kind, block.data[start : min(start + length, block.body_end)]


def parse_names(block: Block) -> Iterator[tuple[str, str]]:
    """Address and name of each record of a Name Resolution Block (section 4.5); ends at the first that lies."""
    header = struct.Struct(f"{block.order}HH").unpack_from
    start = block.start + 8
    while start + 4 <= block.body_end:
        kind, length = header(block.data, start)
        start += 4
        if kind == _NAME_END or start + length > block.body_end:
            return
        size = {_NAME_IPV4: 4, _NAME_IPV6: 16}.get(kind, length)
        address, names = block.data[start : start + min(size, length)], block.data[start + size : start + length]
        if name := names.split(b"\0", 1)[0].decode("utf-8", "replace"):
            yield str(ipaddress.ip_address(address)), name
        start += length + -length % 4


def gathered_secrets(window: Window) -> list[bytes]:
    """The TLS key logs of a whole file, by a walk over its blocks that looks at no frame."""
    ledger = Ledger()
    for run in BlockWalk(window, ledger).runs():
        if run.block is not None and run.block.kind == blocks.DECRYPTION_SECRETS:
            kind, key_log = parse_secrets(run.block)
            if kind == _TLS_KEY_LOG:
                ledger.secret(key_log)
    return ledger.secrets
