"""LineReader: one direction of a protocol that talks in lines, cut into lines and stretches of other bytes.

It is pulled: after `receive` or `gap`, `next_line` and `take` give what is there. How the bytes were cut makes no
difference.
"""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from tlsdecrypt.flow import Span

MAX_LINE: Final = 16 * 1024  # bytes of a line that are kept; RFC 4954 section 4 wants 12,288 for a token


class Line(NamedTuple):
    """A line without its end; `dropped` counts the bytes beyond `MAX_LINE`, which are not in `text`."""

    text: str
    span: Span
    dropped: int = 0


class LineReader:
    """The bytes that wait, and which frames carried them."""

    def __init__(self) -> None:
        """Nothing has come."""
        self._buffer = bytearray()
        self._marks: list[tuple[int, Span]] = []  # which span carried the buffer up to which offset
        self._scanned = 0
        self._dropped = 0  # bytes of the line that goes on which are not kept
        self._first: Span | None = None  # what carried the first byte of a line that is not kept whole
        self._is_skipping = False
        self.skipped = 0

    @property
    def buffered(self) -> int:
        """Bytes that wait here."""
        return len(self._buffer)

    @property
    def buffer(self) -> bytearray:
        """The bytes that wait, to look at."""
        return self._buffer

    def receive(self, data: bytes, span: Span) -> None:
        """More bytes."""
        if data:
            self._buffer += data
            if self._marks and self._marks[-1][1] == span:
                self._marks.pop()
            self._marks.append((len(self._buffer), span))

    def drop_line(self) -> None:
        """Bytes are missing here: what waits is no whole line."""
        self.skipped += len(self._buffer)
        self._drop(len(self._buffer))
        self._dropped, self._first = 0, None

    def skip_line(self) -> None:
        """Bytes are missing here: nor is what follows a whole line, up to the next line's end."""
        self.drop_line()
        self._is_skipping = True

    def next_line(self) -> Line | None:
        r"""The next line, ended by LF or CRLF; None: more bytes are needed."""
        while (end := self._buffer.find(b"\n", self._scanned)) >= 0:
            if not self._is_skipping:
                return self._line(end)
            self._is_skipping = False
            self.skipped += end + 1
            self._drop(end + 1)
        self._scanned = len(self._buffer)
        if self._is_skipping:
            self.skipped += len(self._buffer)
            self._drop(len(self._buffer))
        elif len(self._buffer) > MAX_LINE:
            self._shorten()
        return None

    def rest(self) -> Line | None:
        """The line that the end of the connection cut off, None where nothing waits."""
        if self._is_skipping or not self._buffer:
            return None
        return self._line(len(self._buffer))

    def take(self, length: int) -> tuple[bytes, Span]:
        """The first `length` bytes that wait (fewer where there are fewer, but at least one must wait)."""
        length = min(length, len(self._buffer))
        taken = bytes(self._buffer[:length])
        span = self._carrier(0).to(self._carrier(length - 1))
        self._drop(length)
        return taken, span

    def _line(self, end: int) -> Line:
        kept = min(end, MAX_LINE)
        text = decode_line(bytes(self._buffer[:kept]).rstrip(b"\r"))
        first = self._first or self._carrier(0)
        ending = min(end, len(self._buffer) - 1)
        line = Line(text, first.to(self._carrier(ending)), self._dropped + end - kept)
        self._dropped, self._first = 0, None
        self._drop(ending + 1)
        return line

    def _shorten(self) -> None:
        """Keep the start of a line that is too long, and forget where its bytes came from but for the first."""
        self._first = self._first or self._carrier(0)
        last = self._marks[-1][1]
        self._dropped += len(self._buffer) - MAX_LINE
        del self._buffer[MAX_LINE:]
        self._marks = [(MAX_LINE, last)]
        self._scanned = MAX_LINE

    def _carrier(self, offset: int) -> Span:
        """What carried the byte at `offset`."""
        return next((span for end, span in self._marks if offset < end), self._marks[-1][1])

    def _drop(self, length: int) -> None:
        del self._buffer[:length]
        self._marks = [(end - length, span) for end, span in self._marks if end > length]
        self._scanned = 0


def decode_line(data: bytes) -> str:
    """UTF-8 (RFC 6531), and ISO 8859-1 where it is none; control characters and the like stay."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return codecs.decode(data, "latin-1")
