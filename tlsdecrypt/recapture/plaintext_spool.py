"""PlaintextSpool: all that was said on all connections, on disk, with the frames that carried each piece.

A piece begins at a multiple of four bytes in the file, so that checksums can be summed over words of it.
"""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tlsdecrypt.recapture.growing_file import GrowingFile
from tlsdecrypt.recapture.stream_bytes import Part, StreamBytes, is_dull

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tlsdecrypt.flow import Direction, Span
    from tlsdecrypt.plaintext import Place

    Int64Column = NDArray[np.int64]

LEAST_HOLE = 1  # bytes that stand for a hole of unknown size: readers have to see that something is missing
WORD = 4

_PADDING = (b"", b"\0", b"\0\0", b"\0\0\0")


class Pieces(NamedTuple):
    """What was said, as columns, in the order in which it became readable.

    A piece is `length` bytes at `offset` of the spool; of a hole `offset` is -1. `last_frame` is the frame with which
    it was complete. Within a connection the order is that of each direction's stream.
    """

    connection: Int64Column
    direction: Int64Column
    is_decrypted: Int64Column
    offset: Int64Column
    length: Int64Column
    first_frame: Int64Column
    last_frame: Int64Column


_LENGTH = Pieces._fields.index("length")


class _OpenTalk:
    """The parts of both streams of a connection that goes on."""

    __slots__ = ("sides",)

    def __init__(self) -> None:
        self.sides: tuple[list[Part], list[Part]] = ([], [])

    def add(self, direction: int, offset: int, data: bytes) -> None:
        """Bytes that stand at `offset`; what follows in the file is one part, as long as it looks the same."""
        dull = is_dull(data)
        side = self.sides[direction]
        last = side[-1] if side else None
        if last is not None and last.offset + last.length == offset and last.is_dull == dull and last.offset >= 0:
            side[-1] = Part(last.offset, last.length + len(data), dull)
        else:
            side.append(Part(offset, len(data), dull))

    def skip(self, direction: int, length: int) -> None:
        """A hole."""
        self.sides[direction].append(Part(-1, length, is_dull=True))


class PlaintextSpool:
    """A PlaintextSink."""

    def __init__(self, *, is_masked: bool) -> None:
        """`is_masked`: the streams of connections that are over will be asked for, to be overwritten."""
        self._open: dict[int, _OpenTalk] | None = {} if is_masked else None
        self._file = GrowingFile()
        self._end = 0  # of the last piece
        numbers, flags = array("I"), (array("b"), array("b"))
        self._columns: tuple[array[int], ...] = (numbers, *flags, *(array("q") for _ in Pieces._fields[3:]))
        self._last: tuple[int, bool, int, int, int] | None = None

    def said(self, place: Place, direction: Direction, data: bytes, span: Span) -> None:
        """See PlaintextSink. What the same frames carried is one piece."""
        this = (place.connection, place.is_decrypted, int(direction), span.first_frame, span.last_frame)
        if this == self._last:
            self._columns[_LENGTH][-1] += len(data)
            self._file.append(data)
        else:
            padding = -self._end % WORD
            self._file.append(_PADDING[padding], data)
            self._end += padding
            self._add(this, self._end, len(data))
            self._last = this
        if self._open is not None:
            self._talk(self._open, place.connection).add(direction, self._end, data)
        self._end += len(data)

    def missed(self, place: Place, direction: Direction, length: int | None, span: Span) -> None:
        """See PlaintextSink."""
        span = span.in_order()
        this = (place.connection, place.is_decrypted, int(direction), span.first_frame, span.last_frame)
        self._add(this, -1, max(length or 0, LEAST_HOLE))
        self._last = None
        if self._open is not None:
            self._talk(self._open, place.connection).skip(direction, max(length or 0, LEAST_HOLE))

    @staticmethod
    def _talk(talks: dict[int, _OpenTalk], connection: int) -> _OpenTalk:
        talk = talks.get(connection)
        if talk is None:
            talk = talks[connection] = _OpenTalk()
        return talk

    def streams(self, connection: int) -> tuple[StreamBytes, StreamBytes] | None:
        """What both sides of a connection said, once, when it is over; None where nothing was said."""
        talk = self._open.pop(connection, None) if self._open is not None else None
        return (
            None if talk is None else (StreamBytes(self._file, talk.sides[0]), StreamBytes(self._file, talk.sides[1]))
        )

    def _add(self, this: tuple[int, bool, int, int, int], offset: int, length: int) -> None:
        connection, is_decrypted, direction, first_frame, last_frame = this
        row = (connection, direction, is_decrypted, offset, length, first_frame, last_frame)
        for column, value in zip(self._columns, row, strict=True):
            column.append(value)

    @property
    def length(self) -> int:
        """Bytes that were said, about."""
        return self._end

    def pieces(self) -> Pieces:
        """All pieces; nothing may be said any more while they are in use."""
        return Pieces(*(np.frombuffer(column, column.typecode) for column in self._columns))

    def read(self, offset: int, length: int) -> bytes:
        """Some bytes of the file; fewer at its end."""
        return self._file.read(offset, length)

    def mapped(self, offset: int, length: int) -> memoryview | bytes:
        """The same where no more than a look at them is needed."""
        return self._file.mapped(offset, length)
