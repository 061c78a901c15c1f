"""snoop: the format of Solaris (RFC 1761), all of it big-endian, with the media types of its registry (RFC 3827)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import numpy as np

from tlsdecrypt.capture.columns import MAX_FRAME_BYTES, NANOSECONDS, Columns, constant, gather
from tlsdecrypt.capture.linktypes import ETHERNET, FDDI, LOOPBACK, NONE, TOKEN_RING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tlsdecrypt.capture.frames import FrameBatch
    from tlsdecrypt.capture.ledger import Ledger
    from tlsdecrypt.capture.window import Window

MAGIC = b"snoop\0\0\0"
HEADER_BYTES = 16
RECORD_HEADER_BYTES = 24
MAX_RECORD_BYTES = MAX_FRAME_BYTES + 4_096  # a frame, its header, and what Surveyor writes into the padding

_LINK_TYPES = {0: ETHERNET, 2: TOKEN_RING, 4: ETHERNET, 8: FDDI, 9: LOOPBACK, 14: LOOPBACK}
_RECORD = np.dtype(
    [(name, ">u4") for name in ("original", "captured", "length", "drops", "seconds", "microseconds")],
)


class SnoopReader:
    """The records of one file."""

    format = "snoop"

    def __init__(self, window: Window, ledger: Ledger) -> None:
        """`window` stands at the start of the file."""
        self._window = window
        self._ledger = ledger
        self._drops = 0  # so far, by the last record

    def batches(self) -> Iterator[FrameBatch]:
        """All frames up to the end, or to damage."""
        window = self._window
        window.advance(0, HEADER_BYTES)
        if len(window.data) < HEADER_BYTES:
            self._ledger.note("The file is cut off in the middle of its header: there are no frames.")
            return
        media_type = int.from_bytes(window.data[12:HEADER_BYTES], "big")
        link_type = _LINK_TYPES.get(media_type, NONE)
        if link_type == NONE:
            self._ledger.note(f"The frames have the snoop media type {media_type}, which cannot be read.")
        used: int | None = HEADER_BYTES
        while used is not None:
            positions, position = _walk(window.data, used)
            if positions:
                yield self._ledger.batch(window.data, self._columns(positions, link_type))
            used = self._go_on(position)
        self._ledger.note_drops(self._drops)

    def _columns(self, positions: list[int], link_type: int) -> Columns:
        position = np.array(positions, np.int64)
        records = gather(self._window.data, position, _RECORD)
        room = records["length"].astype(np.int64) - RECORD_HEADER_BYTES
        captured = records["captured"].astype(np.int64)
        if (captured > room).any():
            frame = self._ledger.next_number + int(np.argmax(captured > room))
            self._ledger.note(
                f"Frame {frame} is said to be longer than its record: it was cut at the end of the record."
            )
            captured = np.minimum(captured, room)
        self._drops = int(records["drops"][-1])
        return Columns(
            offset=position + RECORD_HEADER_BYTES,
            captured_length=captured,
            original_length=np.maximum(records["original"], captured),
            time_ns=records["seconds"].astype(np.int64) * NANOSECONDS
            + records["microseconds"].astype(np.int64) * 1_000,
            link_type=constant(link_type, len(positions)),
        )

    def _go_on(self, position: int) -> int | None:
        """Read on from the record at `position`; None at the end or at damage."""
        left = len(self._window.data) - position
        length = RECORD_HEADER_BYTES
        if left >= RECORD_HEADER_BYTES:
            (length,) = struct.unpack_from(">8xI", self._window.data, position)
        last = self._ledger.next_number - 1
        if not RECORD_HEADER_BYTES <= length <= MAX_RECORD_BYTES:
            self._ledger.note(
                f"Nothing could be read after frame {last}: the next record is said to be {length:,} bytes."
            )
            return None
        if self._window.is_last:
            if left:
                self._ledger.note(
                    f"The file is cut off in the middle of frame {last + 1} ({left:,} of {length:,} bytes)."
                )
            return None
        self._window.advance(position, length)
        return 0


def _walk(data: bytes, position: int) -> tuple[list[int], int]:
    """Where the records that are wholly in `data` begin, and where the next one would."""
    record_length = struct.Struct(">8xI").unpack_from
    last = len(data) - RECORD_HEADER_BYTES
    positions: list[int] = []
    while position <= last:
        length = record_length(data, position)[0]
        if not RECORD_HEADER_BYTES <= length <= MAX_RECORD_BYTES or position + length > len(data):
            break
        positions.append(position)
        position += length
    return positions, position
