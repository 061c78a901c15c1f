"""ETL: what `netsh trace`, `pktmon` and the Hyper-V switch capture, as events of an event trace log.

Each processor fills buffers of its own, so a file is no sequence in time. It is read twice: once for an index of all
packets, then in the order of their times, which is also how Microsoft's converters number the frames.
"""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tlsdecrypt.capture.columns import MAX_FRAME_BYTES, Columns
from tlsdecrypt.capture.etl_frames import unprotected, wire_lengths
from tlsdecrypt.capture.etw import (
    BUFFER_HEADER_BYTES,
    HEADER_END,
    LEAST_BUFFER_BYTES,
    MAX_BUFFER_BYTES,
    events,
    is_compressed,
    parse_header,
    piece_of,
)
from tlsdecrypt.capture.frames import BATCH_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tlsdecrypt.capture.etw import Event, Piece, TraceHeader
    from tlsdecrypt.capture.frames import FrameBatch, Int64Column
    from tlsdecrypt.capture.ledger import Ledger
    from tlsdecrypt.capture.window import Window

MAX_FRAMES = 4 << 20  # in the index: 200 MB of it
MAX_PIECES = 64  # of one packet
MAX_PENDING = 1_024  # packets of which the last piece is still to come
MAX_KNOWN = 1 << 16  # packets of the packet monitor that are remembered: each is shown by every component it passes
MAX_BATCH_FRAMES = 1 << 14


class _Partial(NamedTuple):
    """A packet whose last piece has not come: where its pieces stand in the file, and what the first one told."""

    ticks: int
    link_type: int
    pieces: list[tuple[int, int]]


class _Index:
    """Where in the file each packet stands: a row a packet, and for those in several pieces a list."""

    def __init__(self) -> None:
        self.ticks = array("q")
        self.position = array("q")
        self.captured = array("q")
        self.original = array("q")
        self.link_type = array("q")
        self.is_double = bytearray()
        self.pieces: dict[int, list[tuple[int, int]]] = {}

    def __len__(self) -> int:
        return len(self.ticks)

    def add(self, ticks: int, piece: Piece, position: int, *, is_double: bool) -> None:
        """A packet of one piece, which begins at `position` of the file."""
        self.ticks.append(ticks)
        self.position.append(position)
        self.captured.append(piece.end - piece.start)
        self.original.append(piece.original_length)
        self.link_type.append(piece.link_type)
        self.is_double.append(is_double)

    def add_joined(self, partial: _Partial) -> None:
        """A packet of several pieces."""
        self.pieces[len(self)] = partial.pieces
        length = sum(length for _, length in partial.pieces)
        self.ticks.append(partial.ticks)
        self.position.append(partial.pieces[0][0])
        self.captured.append(length)
        self.original.append(length)
        self.link_type.append(partial.link_type)
        self.is_double.append(False)

    def column(self, name: str) -> Int64Column:
        """One of the columns."""
        return np.frombuffer(getattr(self, name), np.int64)


class EtlReader:
    """The packets in one trace."""

    format = "ETL"

    def __init__(self, window: Window, ledger: Ledger) -> None:
        """`window` stands at the start of a file that can go back."""
        self._window = window
        self._ledger = ledger
        self._index = _Index()
        self._partial: dict[tuple[int, int, int], _Partial] = {}
        self._known: dict[tuple[int, int], None] = {}

    def batches(self) -> Iterator[FrameBatch]:
        """All frames, by time."""
        self._window.advance(0, HEADER_END)
        header = parse_header(self._window.data)
        for start, end in self._buffers(header):
            self._read_buffer(start, end)
        self._note_what_is_missing(header)
        ticks = self._index.column("ticks")
        order = np.argsort(ticks, kind="stable")
        yield from self._batches_by(order, header)

    def _buffers(self, header: TraceHeader) -> Iterator[tuple[int, int]]:
        """Start and end in the window of each buffer, the last one as far as it is there."""
        window, position = self._window, 0
        while len(self._index) < MAX_FRAMES:
            if len(window.data) - position < BUFFER_HEADER_BYTES:
                window.advance(position, BUFFER_HEADER_BYTES)
                position = 0
            if len(window.data) < BUFFER_HEADER_BYTES:
                self._note_cut(len(window.data), header.buffer_bytes)
                return
            size = int.from_bytes(window.data[position : position + 4], "little")
            if not LEAST_BUFFER_BYTES <= size <= MAX_BUFFER_BYTES:
                size = header.buffer_bytes  # damaged, or the zeros of a file that was never filled
            if len(window.data) - position < size and not window.is_last:
                window.advance(position, size)
                position = 0
            end = min(position + size, len(window.data))
            self._note_cut(end - position, size)
            yield position, end
            position = end

    def _note_cut(self, left: int, size: int) -> None:
        if 0 < left < size:
            self._ledger.note(f"The file is cut off in the middle of a buffer ({left:,} of {size:,} bytes are there).")

    def _read_buffer(self, start: int, end: int) -> None:
        data = self._window.data
        if end - start < BUFFER_HEADER_BYTES:
            return
        if is_compressed(data, start):
            self._ledger.note("Compressed buffers were passed over: have the trace written without compression.")
            return
        for event in events(data, start, end):
            if (piece := piece_of(data, event)) is not None:
                self._take(event, piece)

    def _take(self, event: Event, piece: Piece) -> None:
        if piece.is_first and piece.is_last:
            position = self._window.start + piece.start
            self._index.add(event.ticks, piece, position, is_double=self._is_known(piece))
            return
        if piece.is_first:
            self._partial[event.thread] = _Partial(event.ticks, piece.link_type, [])
            if len(self._partial) > MAX_PENDING:
                del self._partial[next(iter(self._partial))]
        partial = self._partial.get(event.thread)
        if partial is None or len(partial.pieces) >= MAX_PIECES:
            self._ledger.note("Packets were left out whose first piece is not in the trace.")
            return
        partial.pieces.append((self._window.start + piece.start, piece.end - piece.start))
        if piece.is_last:
            self._index.add_joined(self._partial.pop(event.thread))

    def _is_known(self, piece: Piece) -> bool:
        """Whether the packet monitor showed this packet before, at another component on its way."""
        if piece.group is None:
            return False
        key = piece.group, hash(self._window.data[piece.start : piece.end])
        if key in self._known:
            return True
        self._known[key] = None
        if len(self._known) > MAX_KNOWN:
            del self._known[next(iter(self._known))]
        return False

    def _note_what_is_missing(self, header: TraceHeader) -> None:
        if len(self._index) >= MAX_FRAMES:
            self._ledger.note(f"Only the first {MAX_FRAMES:,} frames of the trace were read.")
        if header.lost_events:
            self._ledger.note(f"The machine that captured lost {header.lost_events:,} events: streams may have holes.")
        if not len(self._index):
            self._ledger.note("The trace holds no packets: netsh trace needs capture=yes, pktmon needs --capture.")

    def _batches_by(self, order: Int64Column, header: TraceHeader) -> Iterator[FrameBatch]:
        """The frames in this order. The window is moved from buffer to buffer, and what a batch needs is copied out."""
        index = self._index
        times_ns = header.clock.times_ns(index.column("ticks"))
        captured = np.minimum(index.column("captured"), MAX_FRAME_BYTES)
        is_double = np.frombuffer(index.is_double, np.bool_)
        ends = np.cumsum(captured[order])
        done = 0
        while done < len(order):
            before = int(ends[done - 1]) if done else 0
            stop = max(done + 1, int(np.searchsorted(ends, before + BATCH_BYTES, side="right")))
            rows = order[done : min(stop, done + MAX_BATCH_FRAMES)]
            done += len(rows)
            is_kept = ~is_double[rows]
            number = self._ledger.next_number + np.flatnonzero(is_kept)
            self._ledger.doubled += len(rows) - len(number)
            self._ledger.frames += len(rows) - len(number)
            rows = rows[is_kept]
            if len(rows):
                data, offset = self._copied(rows, captured)
                link_type = index.column("link_type")[rows]
                columns = Columns(
                    offset,
                    captured[rows],
                    np.maximum(index.column("original")[rows], wire_lengths(data, offset, captured[rows], link_type)),
                    times_ns[rows],
                    link_type,
                )
                data = unprotected(data, offset, captured[rows], link_type)
                yield self._ledger.batch(data, columns, number)

    def _copied(self, rows: Int64Column, captured: Int64Column) -> tuple[bytes, Int64Column]:
        """The contents of these packets, one behind the other, and where each begins."""
        offset = np.cumsum(captured[rows]) - captured[rows]
        contents: list[bytes] = [b""] * len(rows)
        position = self._index.column("position")[rows]
        for at in np.argsort(position, kind="stable").tolist():
            row = int(rows[at])
            pieces = self._index.pieces.get(row) or [(int(position[at]), int(captured[row]))]
            contents[at] = b"".join(self._read_at(*piece) for piece in pieces)[: int(captured[row])]
        return b"".join(contents), offset

    def _read_at(self, position: int, length: int) -> bytes:
        window = self._window
        start = position - window.start
        if start < 0 or start + length > len(window.data):
            window.advance(start, length)
            start = 0
        return window.data[start : start + length]
