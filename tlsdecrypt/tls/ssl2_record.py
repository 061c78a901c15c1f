"""Records of SSL 2.0 ("The SSL Protocol", Hickman 1995, section 1.1), with headers of two bytes or of three."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from tlsdecrypt.flow import Span
    from tlsdecrypt.tls.record import Locate
    from tlsdecrypt.wire import Buffer

MAX_RECORD_LENGTH: Final = 2**15 + 2  # with its header: what a reader keeps at most

_LONG_LENGTH_FLAG: Final = 0x80  # a header of two bytes, and a length of 15 bits
_ESCAPE_FLAG: Final = 0x40  # of a header of three bytes: not application data (nothing ever used it)


class Ssl2Record(NamedTuple):
    """What stands behind a header."""

    data: Buffer
    padding_length: int
    span: Span


def ssl2_header(data: Buffer, position: int = 0) -> tuple[int, int, int] | None:
    """Length of the header, of what stands behind it, and of the padding in it; None: more bytes are needed."""
    if len(data) - position < 2:  # noqa: PLR2004 - the shorter header
        return None
    first, second = data[position], data[position + 1]
    if first & _LONG_LENGTH_FLAG:
        return 2, (first & ~_LONG_LENGTH_FLAG) << 8 | second, 0
    if len(data) - position < 3:  # noqa: PLR2004 - the longer header
        return None
    return 3, (first & ~_ESCAPE_FLAG) << 8 | second, data[position + 2]


class Ssl2RecordReader:
    """Cuts one direction into records.

    A record has no mark by which it could be found again: behind a hole that swallows a header, or nobody knows how
    much, `is_lost` is True and nothing comes out any more. A hole inside a record costs that record.
    """

    __slots__ = ("_rest", "_span", "is_lost")

    def __init__(self) -> None:
        """At the start of the connection."""
        self._rest = bytearray()
        self._span: Span | None = None
        self.is_lost = False

    def gap(self, length: int | None, span: Span) -> list[Ssl2Record]:
        """`length` bytes are missing here. Inside of a record zeros take their place, and its MAC will not verify."""
        header = ssl2_header(self._rest)
        if length is None or header is None or len(self._rest) + length > sum(header[:2]):
            self.is_lost = True
            self._rest.clear()
            return []
        return self.feed(bytes(length), lambda _start, _end: span)

    def feed(self, data: bytes, locate: Locate) -> list[Ssl2Record]:
        """The records that are complete with `data`; `locate` names the frames of a part of it."""
        records: list[Ssl2Record] = []
        position = 0
        while position < len(data) and not self.is_lost:
            stop = min(position + self._wanted(), len(data))
            span = locate(position, stop)
            self._span = self._span.to(span) if self._span else span
            self._rest += data[position:stop]
            position = stop
            self._cut(self._span, records)
        return records

    def _wanted(self) -> int:
        """How many bytes may be taken without reading into the next record."""
        header = ssl2_header(self._rest)
        return 1 if header is None else sum(header[:2]) - len(self._rest)

    def _cut(self, span: Span, records: list[Ssl2Record]) -> None:
        header = ssl2_header(self._rest)
        if header is None or len(self._rest) < sum(header[:2]):
            return
        records.append(Ssl2Record(bytes(self._rest[header[0] :]), header[2], span))
        self._rest.clear()
        self._span = None
