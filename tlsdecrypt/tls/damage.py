"""Damage: what was captured of a stretch of records with holes in it, and which record each part belongs to.

Nothing here is proved by a tag or MAC. It is certain all the same: a stretch begins where a record begins, ends where
one begins that was opened, and the sequence number of that one tells how many records lie between.
"""

from __future__ import annotations

import re
from struct import Struct
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tlsdecrypt.flow import Span

MAX_DAMAGE_BYTES = 1 << 17  # of one stretch that are kept; what comes later in it is not decrypted
MAX_DAMAGE_PIECES = 256
MAX_CANDIDATES = 64  # headers behind a lost one that are followed
HEADER_LENGTH = 5
LONGEST_FRAGMENT = 2**14 + 2048  # RFC 5246 section 6.2.3
APPLICATION_DATA = 0x17

# No ChangeCipherSpec: behind one other keys are in force, and other sequence numbers.
_HEADER = re.compile(rb"[\x15-\x18]\x03[\x00-\x04][\x00-\x48]")
_APPLICATION_HEADER = re.compile(rb"\x17\x03[\x00-\x04][\x00-\x48]")
_unpack_length = Struct(">3xH").unpack_from


class Piece(NamedTuple):
    """Consecutive bytes: where they stand in the whole, and the frames that carried them."""

    offset: int
    data: bytes
    span: Span

    def part(self, start: int, stop: int) -> Piece:
        """What lies between two places of the whole, counted from `start` on."""
        first, last = max(start, self.offset), max(min(stop, self.offset + len(self.data)), 0)
        return Piece(first - start, self.data[first - self.offset : max(last - self.offset, 0)], self.span)


class Damage(NamedTuple):
    """A stretch of the stream that begins with a record; `length` is None where nobody knows its end."""

    pieces: tuple[Piece, ...]
    length: int | None

    @property
    def size(self) -> int:
        """The bytes that are kept."""
        return sum(len(piece.data) for piece in self.pieces)


class DamagedRecord(NamedTuple):
    """What is there of a record. Offsets of `pieces` count from the start of its fragment, of `length` bytes.

    `skipped_length` is how many bytes of fragments lie before it since the last record that opened.
    """

    sequence_number: int
    length: int
    skipped_length: int
    pieces: tuple[Piece, ...]


class DamageNotes:
    """Notes down what is passed over from the start of a damaged record to the next one that is whole."""

    __slots__ = ("_data", "_is_closed", "_kept", "_length", "_places")

    def __init__(self) -> None:
        """Nothing was passed over yet."""
        self._places: list[tuple[int, Span]] = []
        self._data: list[bytearray] = []
        self._length = 0
        self._kept = 0
        self._is_closed = False

    @property
    def length(self) -> int:
        """How far the stretch reaches by now."""
        return self._length

    def add(self, data: bytes | bytearray, span: Span) -> None:
        """Bytes that were captured."""
        start, room = self._length, MAX_DAMAGE_BYTES - self._kept
        self._length += len(data)
        if self._is_closed or not data or room <= 0:
            return
        self._kept += min(len(data), room)
        if self._places and self._places[-1][0] + len(self._data[-1]) == start:
            self._data[-1] += data[:room]
            self._places[-1] = self._places[-1][0], self._places[-1][1].to(span)
        elif len(self._places) < MAX_DAMAGE_PIECES:
            self._places.append((start, span))
            self._data.append(bytearray(data[:room]))

    def skip(self, length: int | None) -> None:
        """Bytes that were not; None where nobody knows how many: where the rest stands is not known then."""
        self._is_closed |= length is None
        self._length += length or 0

    def damage(self, *, is_over: bool) -> Damage:
        """All of it; `is_over` where the next record follows."""
        pairs = zip(self._places, self._data, strict=True)
        pieces = tuple(Piece(offset, bytes(data), span) for (offset, span), data in pairs)
        return Damage(pieces, self._length if is_over and not self._is_closed else None)


class _Extent(NamedTuple):
    """Where a record lies in the stretch: its header, its end, and the number of records that lie before it."""

    start: int
    stop: int
    number: int


def damaged_records(damage: Damage, first: int, after: int | None) -> Iterator[DamagedRecord]:
    """The records of which something is there, and of which place and sequence number are certain.

    `first` is the sequence number of the first one, `after` that of the record behind the stretch (None: not known).
    """
    for extent in _extents(damage, None if after is None else after - first):
        begin = extent.start + HEADER_LENGTH
        parts = (piece.part(begin, extent.stop) for piece in damage.pieces)
        pieces = tuple(part for part in parts if part.data)
        if pieces:
            skipped_length = extent.start - HEADER_LENGTH * extent.number
            yield DamagedRecord(first + extent.number, extent.stop - begin, skipped_length, pieces)


def _extents(damage: Damage, count: int | None) -> list[_Extent]:
    known, position = _chain(damage, 0)
    if damage.length is None or count is None:
        return _of_data(damage, known)
    if position > damage.length or len(known) > count:
        return []
    if position == damage.length:
        return _of_data(damage, known) if len(known) == count else []
    behind, start = _chain_to_end(damage, position + HEADER_LENGTH + 1, count - len(known))
    if count - len(known) - len(behind) == 1 and _may_be_data(damage, position, start):
        known.append(_Extent(position, start, len(known)))
    known += [extent._replace(number=count - len(behind) + extent.number) for extent in behind]
    return _of_data(damage, known)


def _chain(damage: Damage, position: int) -> tuple[list[_Extent], int]:
    """The records from `position` on, as far as their headers were captured; and where the last of them ends."""
    extents: list[_Extent] = []
    while header := _header_at(damage, position):
        stop = position + HEADER_LENGTH + _unpack_length(header)[0]
        extents.append(_Extent(position, stop, len(extents)))
        position = stop
    return extents, position


def _chain_to_end(damage: Damage, start: int, count: int) -> tuple[list[_Extent], int]:
    """The records behind one whose header was lost, fewer than `count`: a chain of headers that meets the end."""
    end = damage.length or 0
    tried = 0
    for piece in damage.pieces:
        for found in _APPLICATION_HEADER.finditer(piece.data, max(start - piece.offset, 0)):
            tried += 1
            if tried > MAX_CANDIDATES:
                return [], end
            extents, stop = _chain(damage, piece.offset + found.start())
            if stop == end and len(extents) < count:
                return extents, piece.offset + found.start()
    return [], end


def _header_at(damage: Damage, position: int) -> bytes | None:
    for piece in damage.pieces:
        place = position - piece.offset
        if place >= 0 and place + HEADER_LENGTH <= len(piece.data):
            return piece.data[place : place + HEADER_LENGTH] if _HEADER.match(piece.data, place) else None
    return None


def _first_byte(damage: Damage, position: int) -> int | None:
    for piece in damage.pieces:
        if piece.offset <= position < piece.offset + len(piece.data):
            return piece.data[position - piece.offset]
    return None


def _may_be_data(damage: Damage, start: int, stop: int) -> bool:
    is_fit = HEADER_LENGTH < stop - start <= HEADER_LENGTH + LONGEST_FRAGMENT
    return is_fit and _first_byte(damage, start) in (None, APPLICATION_DATA)


def _of_data(damage: Damage, extents: list[_Extent]) -> list[_Extent]:
    """Those of application data: what else was said is no content."""
    return [extent for extent in extents if _first_byte(damage, extent.start) in (None, APPLICATION_DATA)]
