"""The blocks of a pcapng file (draft-ietf-opsawg-pcapng section 3.1): a walk from one to the next, and their options.

A block is `type, total length, body, total length` in the byte order of its section, so it vouches for itself: both
lengths must agree. That finds damage at once, and the next sound block behind it.
"""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tlsdecrypt.capture.ledger import Ledger
    from tlsdecrypt.capture.window import Window

SECTION_HEADER = 0x0A0D0D0A
INTERFACE_DESCRIPTION = 1
PACKET = 2
SIMPLE_PACKET = 3
NAME_RESOLUTION = 4
INTERFACE_STATISTICS = 5
ENHANCED_PACKET = 6
DECRYPTION_SECRETS = 10
CUSTOM = 0x0BAD
CUSTOM_NOT_COPIED = 0x40000BAD

BYTE_ORDER_MAGIC = 0x1A2B3C4D
MAGIC = SECTION_HEADER.to_bytes(4, "big")  # reads the same from both ends

LEAST_BLOCK_BYTES = 12
MAX_BLOCK_BYTES = 32 << 20
MAX_SEARCHES = 64  # less than MAX_NOTES: for the next block, after damage
SEARCH_BYTES = 1 << 20  # what a search looks at, at least; a longer block is not found by it

# The shortest total length of each kind of block that holds a frame.
LEAST_ENHANCED_PACKET = 32
LEAST_PACKET_BYTES = {ENHANCED_PACKET: LEAST_ENHANCED_PACKET, PACKET: 32, SIMPLE_PACKET: 16}
LEAST_BYTES = {**LEAST_PACKET_BYTES, SECTION_HEADER: 28, INTERFACE_DESCRIPTION: 20, DECRYPTION_SECRETS: 20}

_SOUGHT = {
    "<": re.compile(rb"[\x01-\x06\x0a]\0\0\0|\x0a\x0d\x0d\x0a", re.DOTALL),
    ">": re.compile(rb"\0\0\0[\x01-\x06\x0a]|\x0a\x0d\x0d\x0a", re.DOTALL),
}


class Block(NamedTuple):
    """A whole block at `data[start:end]`. `order` is `<` or `>`; the body ends at `body_end`."""

    data: bytes
    start: int
    end: int
    kind: int
    order: str

    @property
    def body_end(self) -> int:
        """Where the second total length stands."""
        return self.end - 4


class Run(NamedTuple):
    """Where blocks with frames begin in `data`, one after the other, and the block of another kind that ended the run.

    `block` is None where the run ended with the data: the next one is about other data.
    """

    data: bytes
    positions: list[int]
    block: Block | None


class BlockWalk:
    """The blocks of one file."""

    def __init__(self, window: Window, ledger: Ledger) -> None:
        """`window` stands at the start of the file."""
        self._window = window
        self._ledger = ledger
        self._order = "<"
        self._searches = 0

    def runs(self) -> Iterator[Run]:
        """All blocks, up to the end, or to damage that no sound block follows."""
        position: int | None = 0
        while position is not None:
            data = self._window.data
            positions, position = self._packets(data, position)
            while (block := self._block(data, position)) is not None:
                if block.kind in LEAST_PACKET_BYTES:
                    positions.append(block.start)
                else:
                    yield Run(data, positions, block)
                    positions = []
                more, position = self._packets(data, block.end)
                positions += more
            self._window.expect(position)
            yield Run(data, positions, None)
            position = self._go_on(position)

    def _packets(self, data: bytes, position: int) -> tuple[list[int], int]:
        """Where sound Enhanced Packet Blocks begin, from `position` on, as long as a block header follows each."""
        positions: list[int] = []
        last = len(data) - 8
        if position > last:
            return positions, position
        append = positions.append
        # One look reads the end of this block and the start of the next.
        joint = struct.Struct(f"{self._order}III").unpack_from
        kind, length = struct.unpack_from(f"{self._order}II", data, position)
        while kind == ENHANCED_PACKET and length >= LEAST_ENHANCED_PACKET:
            following = position + length
            if following > last:
                break
            length_again, kind, next_length = joint(data, following - 4)
            if length_again != length:
                break
            append(position)
            position = following
            length = next_length
        return positions, position

    def _block(self, data: bytes, position: int) -> Block | None:
        """The block at `position`, if it is whole and sound."""
        left = len(data) - position
        if left < LEAST_BLOCK_BYTES:
            return None
        order = self._order_at(data, position)
        kind, length = struct.unpack_from(f"{order}II", data, position)
        if not LEAST_BYTES.get(kind, LEAST_BLOCK_BYTES) <= length <= min(left, MAX_BLOCK_BYTES):
            return None
        for total in (length, length + -length % 4):  # some writers do not count the padding
            if total <= left and struct.unpack_from(f"{order}I", data, position + total - 4)[0] == length:
                self._order = order
                return Block(data, position, position + total, kind, order)
        return None

    def _order_at(self, data: bytes, position: int) -> str:
        """The byte order of the block at `position`: a section header brings its own."""
        if data.startswith(MAGIC, position):
            magic = data[position + 8 : position + 12]
            return "<" if int.from_bytes(magic, "little") == BYTE_ORDER_MAGIC else ">"
        return self._order

    def _go_on(self, position: int) -> int | None:
        """Make the block at `position` readable, by reading on or by a search: where to walk on; None at the end."""
        window = self._window
        left = len(window.data) - position
        kind, length = 0, LEAST_BLOCK_BYTES
        if left >= LEAST_BLOCK_BYTES:
            kind, length = struct.unpack_from(f"{self._order_at(window.data, position)}II", window.data, position)
        total = length + -length % 4
        if left >= LEAST_BLOCK_BYTES and (total <= left or not LEAST_BLOCK_BYTES <= length <= MAX_BLOCK_BYTES):
            return self._search(position)
        if not window.is_last:
            window.advance(position, total)
            return 0
        found = self._find(position + 1) if self._searches < MAX_SEARCHES else None
        if found is not None:
            return self._resume(found, found - position)
        if left:
            place = f"frame {self._ledger.next_number}" if kind in LEAST_PACKET_BYTES else "a block"
            self._ledger.note(f"The file is cut off in the middle of {place} ({left:,} of {length:,} bytes are there).")
        return None

    def _search(self, position: int) -> int | None:
        """Where the next sound block begins, somewhere after `position`; None where there is none."""
        window = self._window
        skipped = -position
        start = position + 1
        while self._searches < MAX_SEARCHES:
            found = self._find(start)
            if found is not None:
                return self._resume(found, skipped + found)
            if window.is_last:
                break
            used = max(start, len(window.data) - SEARCH_BYTES // 2)
            skipped += used
            window.advance(used, SEARCH_BYTES)
            start = 0
        last = self._ledger.next_number - 1
        self._ledger.note(f"Nothing could be read after frame {last}: a block is damaged, and no sound one follows.")
        return None

    def _resume(self, found: int, skipped: int) -> int:
        self._searches += 1
        last = self._ledger.next_number - 1
        self._ledger.note(f"{skipped:,} bytes of damaged blocks were skipped after frame {last}.")
        return found

    def _find(self, start: int) -> int | None:
        """Where in the window the first sound block of a known kind begins, at or after `start`."""
        data = self._window.data
        for match in _SOUGHT[self._order].finditer(data, start):
            if self._block(data, match.start()) is not None:
                return match.start()
        return None


def options(block: Block, start: int) -> Iterator[tuple[int, bytes]]:
    """The options (code, value) that stand in a block from `start` on (section 3.5); ends at the first that lies."""
    header = struct.Struct(f"{block.order}HH").unpack_from
    while start + 4 <= block.body_end:
        code, length = header(block.data, start)
        start += 4
        if not code or start + length > block.body_end:
            return
        yield code, block.data[start : start + length]
        start += length + -length % 4
