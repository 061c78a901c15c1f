"""The content of an HTTP/1 message: by length, in chunks, or until the end (RFC 9112 sections 6 and 7)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Protocol

from tlsdecrypt.app.http_head import parse_fields, split_lines
from tlsdecrypt.errors import ParseError

if TYPE_CHECKING:
    from tlsdecrypt.app.http import Fields

MAX_CONTENT_KEPT = 16 * 1024 * 1024
MAX_CHUNK_LINE = 4096
MAX_TRAILERS = 64 * 1024

_CHUNK_SIZE = re.compile(rb"[ \t]*([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\n]*)?\r?\n")
_END_OF_TRAILERS = re.compile(rb"\n\r?\n")


class ContentReader(Protocol):
    """What reads content as it comes, without keeping it: for content that has no end worth waiting for.

    Where `is_endless`, a connection that ends before the promised length is no fault.
    """

    is_endless: bool

    def feed(self, data: bytes) -> None:
        """More content, as it stands on the wire (content codings are not undone)."""

    def gap(self, length: int) -> None:
        """`length` bytes of content were not captured."""

    def facts(self) -> dict[str, Any]:
        """What was read up to now, as plain values free of secrets."""


class ContentSink:
    """Counts content; collects it where someone wants it, up to `MAX_CONTENT_KEPT` bytes; hands it to a reader."""

    __slots__ = ("is_overflowed", "length", "missing", "pieces", "reader")

    def __init__(self) -> None:
        """Only counts, unless told to `collect`, or given a `reader`."""
        self.pieces: list[bytes] | None = None
        self.reader: ContentReader | None = None
        self.length = 0
        self.missing = 0
        self.is_overflowed = False

    @property
    def is_endless(self) -> bool:
        """Whether nobody expects all of the promised length."""
        return self.reader is not None and self.reader.is_endless

    def collect(self) -> None:
        """Keep what comes from now on."""
        self.pieces = []

    def add(self, data: bytes | bytearray, start: int, end: int) -> None:
        """`data[start:end]` is content."""
        self.length += end - start
        if self.reader is not None:
            self.reader.feed(bytes(data[start:end]))
        if self.pieces is None:
            return
        if self.length > MAX_CONTENT_KEPT:
            self.pieces = None
            self.is_overflowed = True
        else:
            self.pieces.append(bytes(data[start:end]))

    def skip(self, length: int) -> None:
        """`length` bytes of content were not captured."""
        self.length += length
        self.missing += length
        if self.reader is not None:
            self.reader.gap(length)


class Body(Protocol):
    """How the content of one message is framed."""

    sink: ContentSink
    is_complete: bool
    trailers: Fields

    def feed(self, data: bytes | bytearray, start: int) -> int:
        """Take what belongs to the content from `data[start:]`; the offset behind it.

        Raises `ParseError`, with the offset behind what was taken, where framing is broken; see `unread`.
        """

    def gap(self, length: int) -> int | None:
        """`length` bytes are missing: how many of them lie behind the content, None where framing is lost."""

    def close(self) -> str | None:
        """The connection ended here: what is wrong with that, None where it is the end of the content."""

    def unread(self) -> bytes:
        """What was taken and is neither content nor framing, once framing is broken."""


class LengthBody:
    """Content whose length in bytes was given."""

    __slots__ = ("is_complete", "remaining", "sink", "trailers", "wanted")

    def __init__(self, length: int) -> None:
        """`length` bytes follow."""
        self.wanted = self.remaining = length
        self.sink = ContentSink()
        self.is_complete = length == 0
        self.trailers: Fields = ()

    def feed(self, data: bytes | bytearray, start: int) -> int:
        """At most `remaining` bytes."""
        end = min(len(data), start + self.remaining)
        self.sink.add(data, start, end)
        self.remaining -= end - start
        self.is_complete = self.remaining == 0
        return end

    def gap(self, length: int) -> int | None:
        """Framing survives: the length is known."""
        inside = min(length, self.remaining)
        self.sink.skip(inside)
        self.remaining -= inside
        self.is_complete = self.remaining == 0
        return length - inside

    def close(self) -> str | None:
        """Cut, unless complete."""
        if self.sink.is_endless:
            return None
        return f"the content ends after {self.wanted - self.remaining:,} of {self.wanted:,} bytes"

    def unread(self) -> bytes:
        """Nothing: this framing does not break."""
        return b""


class UntilCloseBody:
    """Content that ends with the connection."""

    __slots__ = ("is_complete", "sink", "trailers")

    def __init__(self) -> None:
        """All that follows is content."""
        self.sink = ContentSink()
        self.is_complete = False
        self.trailers: Fields = ()

    def feed(self, data: bytes | bytearray, start: int) -> int:
        """Everything."""
        self.sink.add(data, start, len(data))
        return len(data)

    def gap(self, length: int) -> int | None:
        """Counted."""
        self.sink.skip(length)
        return 0

    def close(self) -> str | None:
        """The proper end."""
        return None

    def unread(self) -> bytes:
        """Nothing: this framing does not break."""
        return b""


class ChunkedBody:
    """Chunks with extensions, and trailers (RFC 9112 section 7.1)."""

    __slots__ = ("_line", "_remaining", "_step", "is_complete", "sink", "trailers")

    def __init__(self) -> None:
        """The first chunk follows."""
        self.sink = ContentSink()
        self.is_complete = False
        self.trailers: Fields = ()
        self._line = bytearray()
        self._remaining = 0
        self._step = self._size

    def feed(self, data: bytes | bytearray, start: int) -> int:
        """Until the end of the trailers."""
        while start < len(data) and not self.is_complete:
            start = self._step(data, start)
        return start

    def gap(self, length: int) -> int | None:
        """Framing survives where the gap lies inside one chunk."""
        if self._step != self._data or length > self._remaining:
            return None
        self.sink.skip(length)
        self._remaining -= length
        if not self._remaining:
            self._step = self._chunk_end
        return 0

    def close(self) -> str | None:
        """Cut: the last chunk was not seen."""
        return None if self.sink.is_endless else "the content ends before its last chunk"

    def unread(self) -> bytes:
        """The line that should have framed a chunk: another message may begin there."""
        return bytes(self._line)

    def _take_line(self, data: bytes | bytearray, start: int) -> tuple[bytes | None, int]:
        """The line that ends in `data` (None: it does not), and the offset behind what was taken."""
        end = data.find(b"\n", start) + 1
        stop = end or len(data)
        self._line += data[start:stop]
        if len(self._line) > MAX_CHUNK_LINE:
            raise ParseError(f"a chunk line is longer than {MAX_CHUNK_LINE:,} bytes", stop)
        if not end:
            return None, stop
        line = bytes(self._line)
        self._line.clear()
        return line, stop

    def _size(self, data: bytes | bytearray, start: int) -> int:
        line, start = self._take_line(data, start)
        if line is None:
            return start
        match = _CHUNK_SIZE.fullmatch(line)
        if match is None:
            self._line += line
            raise ParseError("a chunk has no valid size", start)
        self._remaining = int(match[1], 16)
        self._step = self._data if self._remaining else self._trailer
        if not self._remaining:
            self._line += b"\n"  # so that an empty trailer section ends like any other
        return start

    def _data(self, data: bytes | bytearray, start: int) -> int:
        end = min(len(data), start + self._remaining)
        self.sink.add(data, start, end)
        self._remaining -= end - start
        if not self._remaining:
            self._step = self._chunk_end
        return end

    def _chunk_end(self, data: bytes | bytearray, start: int) -> int:
        line, start = self._take_line(data, start)
        if line is not None:
            if line not in (b"\r\n", b"\n"):
                self._line += line
                raise ParseError("a chunk is longer than its size", start)
            self._step = self._size
        return start

    def _trailer(self, data: bytes | bytearray, start: int) -> int:
        held = len(self._line)
        self._line += data[start : start + MAX_TRAILERS + 1 - held]
        match = _END_OF_TRAILERS.search(self._line, max(0, held - 2))
        if match is None:
            start += len(self._line) - held
            if len(self._line) > MAX_TRAILERS:
                del self._line[0]
                raise ParseError(f"trailers are longer than {MAX_TRAILERS:,} bytes", start)
            return start
        section = bytes(self._line[1 : match.start() + 1])
        self.trailers = parse_fields(split_lines(section, []), []) if section else ()
        self.is_complete = True
        return start + match.end() - held
