"""pcap: the classic format of libpcap (draft-ietf-opsawg-pcap), in its three forms and either byte order."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import numpy as np

from tlsdecrypt.capture.columns import MAX_FRAME_BYTES, NANOSECONDS, Columns, constant, gather
from tlsdecrypt.capture.linktypes import normalised
from tlsdecrypt.capture.pcap_forms import FORMS, HEADER_BYTES, SEARCH_SECONDS, form_of_records

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from tlsdecrypt.capture.frames import FrameBatch, Int64Column
    from tlsdecrypt.capture.ledger import Ledger
    from tlsdecrypt.capture.window import Window

_LENGTHS_SWAPPED = (2, 3)  # files before this version have the two lengths the other way round
MAX_SNAP_LENGTH = 16 << 20  # a longer one is no promise to be believed
MAX_JOINED_FILES = 256  # one after the other in one file
MAX_SEARCHES = 64  # less than MAX_NOTES: for the next record, after damage
SEARCH_BYTES = 64 << 10  # of one step of such a search


MAGICS = tuple(magic.to_bytes(4, order) for magic in FORMS for order in ("little", "big"))


class PcapReader:
    """The records of one file."""

    def __init__(self, window: Window, ledger: Ledger) -> None:
        """`window` stands at the start of the file, with its header in memory where there is one."""
        self._window = window
        self._ledger = ledger
        self._order = "<" if int.from_bytes(window.data[:4], "little") in FORMS else ">"
        form = FORMS[struct.unpack_from(f"{self._order}I", window.data)[0]]
        self._form = form_of_records(window.data, self._order, form)
        self._layout = self._layout_of("captured", "original")
        self._captured_length = struct.Struct(f"{self._order}8xI")
        self._head = (0, 0)  # magic and version, as the two words of a time
        self._snap_length = MAX_FRAME_BYTES
        self._max_length = MAX_FRAME_BYTES
        self._link_type = 0
        self._seconds = 0  # of the last record; of the one that is damaged, where that is the first
        self._searches = 0
        self._joined = 0

    @property
    def format(self) -> str:
        """The form of the file."""
        return self._form.name

    def batches(self) -> Iterator[FrameBatch]:
        """All frames up to the end, or to damage that nothing readable follows."""
        if len(self._window.data) < HEADER_BYTES:
            self._window.advance(0, HEADER_BYTES)
        if len(self._window.data) < HEADER_BYTES:
            self._ledger.note("The file is cut off in the middle of its header: there are no frames.")
            return
        self._read_header(self._window.data)
        used: int | None = HEADER_BYTES
        while used is not None:
            data = self._window.data
            positions, position = self._walk(data, used)
            offset = np.array(positions, np.int64)
            records = gather(data, offset, self._layout)
            sane = self._count_sane(records)
            if sane < len(offset):
                position = positions[sane]
            self._window.expect(position)
            if sane:
                yield self._ledger.batch(data, self._columns(offset[:sane], records[:sane]))
            used = self._go_on(position)

    def _layout_of(self, *lengths: str) -> np.dtype[np.void]:
        return np.dtype([(name, f"{self._order}u4") for name in ("seconds", "fraction", *lengths)])

    def _read_header(self, data: bytes, position: int = 0) -> None:
        self._head = struct.unpack_from(f"{self._order}II", data, position)
        major, minor = struct.unpack_from(f"{self._order}4xHH", data, position)
        if (major, minor) < _LENGTHS_SWAPPED:
            self._layout = self._layout_of("original", "captured")
            self._captured_length = struct.Struct(f"{self._order}12xI")
        snap_length, link_type = struct.unpack_from(f"{self._order}16xII", data, position)
        self._snap_length = snap_length or MAX_FRAME_BYTES
        self._max_length = max(MAX_FRAME_BYTES, min(snap_length, MAX_SNAP_LENGTH))
        self._link_type = normalised(link_type & 0xFFFF)  # the upper bits tell of a frame check sequence

    def _walk(self, data: bytes, position: int) -> tuple[list[int], int]:
        """Where the records that are wholly in `data` begin, and where the next one would."""
        captured_length = self._captured_length.unpack_from
        header = self._form.record_header
        end = len(data)
        last = end - header
        positions: list[int] = []
        append = positions.append
        while position <= last:
            following = position + header + captured_length(data, position)[0]
            if following > end:
                break
            append(position)
            position = following
        return positions, position

    def _count_sane(self, records: NDArray[np.void]) -> int:
        """How many records stand before the first that is none.

        It may be too long, nothing but zeros (as a full disk leaves them), or the header of a file that was joined on.
        """
        captured = records["captured"]
        insane = captured > self._max_length
        if not captured.all():
            insane |= (captured | records["original"] | records["seconds"] | records["fraction"]) == 0
        insane |= (records["seconds"] == self._head[0]) & (records["fraction"] == self._head[1])
        return int(np.argmax(insane)) if insane.any() else len(records)

    def _columns(self, offset: Int64Column, records: NDArray[np.void]) -> Columns:
        captured = records["captured"].astype(np.int64)
        seconds = records["seconds"].astype(np.int64)
        fraction = records["fraction"].astype(np.int64)
        self._seconds = int(seconds[-1])
        self._note_oddities(captured, fraction)
        return Columns(
            offset=offset + self._form.record_header,
            captured_length=captured,
            original_length=np.maximum(records["original"], captured),
            time_ns=seconds * NANOSECONDS + fraction * (NANOSECONDS // self._form.units),
            link_type=constant(self._link_type, len(offset)),
        )

    def _note_oddities(self, captured: Int64Column, fraction: Int64Column) -> None:
        first = self._ledger.next_number
        if (fraction >= self._form.units).any():
            frame = first + int(np.argmax(fraction >= self._form.units))
            self._ledger.note(
                f"The time of frame {frame} has a fraction of more than a second: is it of another format?"
            )
        if (captured > self._snap_length).any():
            frame = first + int(np.argmax(captured > self._snap_length))
            self._ledger.note(
                f"Frame {frame} is longer than the snap length of the file ({self._snap_length:,} bytes)."
            )

    def _go_on(self, position: int) -> int | None:
        """Make the record at `position` readable, by reading on or by a search: where to walk on; None at the end."""
        window, header = self._window, self._form.record_header
        record = window.data[position : position + header]
        is_whole = len(record) == header
        seconds, fraction = struct.unpack_from(f"{self._order}II", record) if is_whole else (0, 0)
        if (seconds, fraction) == self._head and len(window.data) - position >= HEADER_BYTES:
            return self._join(position)
        if not self._ledger.frames:
            self._seconds = seconds
        length = self._captured_length.unpack_from(record)[0] if is_whole else 0
        if length > self._max_length:
            return self._search(position, f"the length of the next one is said to be {length:,} bytes")
        if is_whole and not any(record[:16]):
            return self._search(position, "zeros follow")
        if not window.is_last:
            window.advance(position, max(HEADER_BYTES, header + length))
            return 0
        if is_whole and self._searches < MAX_SEARCHES and (found := self._find(window.data, position + 1)) is not None:
            return self._resume(
                found, found - position, "the length of the next one reaches beyond the end of the file"
            )
        if record:
            part = (
                f"{len(window.data) - position - header:,} of {length:,} bytes are there"
                if is_whole
                else "in its header"
            )
            self._ledger.note(f"The file is cut off in the middle of frame {self._ledger.next_number} ({part}).")
        return None

    def _join(self, position: int) -> int | None:
        """Begin another file, whose header stands at `position`: where to walk on."""
        self._joined += 1
        if self._joined >= MAX_JOINED_FILES:
            self._ledger.note(
                f"Only the first {MAX_JOINED_FILES} of the captures that were joined end to end were read."
            )
            return None
        self._read_header(self._window.data, position)
        return position + HEADER_BYTES

    def _search(self, position: int, why: str) -> int | None:
        """Where the next record begins that can be believed, somewhere after `position`; None where there is none."""
        window = self._window
        skipped = -position
        start = position + 1
        while self._searches < MAX_SEARCHES:
            found = self._find(window.data, start)
            if found is not None:
                return self._resume(found, skipped + found, why)
            if window.is_last:
                skipped += len(window.data)
                break
            used = max(start, len(window.data) - self._form.record_header + 1)
            skipped += used
            window.advance(used, SEARCH_BYTES)
            start = 0
        last = self._ledger.next_number - 1
        self._ledger.note(f"Nothing could be read after frame {last}: {why}, and no frame was found behind it.")
        return None

    def _resume(self, found: int, skipped: int, why: str) -> int:
        self._searches += 1
        self._ledger.note(f"{skipped:,} damaged bytes were skipped after frame {self._ledger.next_number - 1}: {why}.")
        return found

    def _find(self, data: bytes, start: int) -> int | None:
        """Where in `data` the first record begins, at or after `start`, that can be believed."""
        header = self._form.record_header
        for step in range(start, len(data) - header + 1, SEARCH_BYTES):
            count = min(SEARCH_BYTES, len(data) - header + 1 - step)
            records = np.ndarray((count,), self._layout, data, step, (1,))
            if (is_believable := self._are_believable(records)).any():
                return step + int(np.argmax(is_believable))
        return None

    def _are_believable(self, records: NDArray[np.void]) -> NDArray[np.bool_]:
        captured, original = records["captured"], records["original"]
        believable = (captured > 0) & (captured <= original) & (original <= MAX_FRAME_BYTES)
        believable &= records["fraction"] < self._form.units
        return believable & (np.abs(records["seconds"].astype(np.int64) - self._seconds) <= SEARCH_SECONDS)
