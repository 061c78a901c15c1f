"""Frames of HTTP/2 (RFC 9113 section 4) in one direction of a connection, as an observer cuts them.

DATA is handed on as it comes; of the other frames each is kept until it is whole. A gap inside one frame leaves the
framing as it is; behind any other, and where a capture begins in the middle, frames are sought by what their headers
must look like. How the bytes were cut makes no difference.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from tlsdecrypt.flow import Span

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
HEADER_LENGTH = 9
MAX_PAYLOAD = 1024 * 1024  # bytes of a frame that is kept; a longer one is passed over
MAX_SOUGHT_LENGTH = 16 * 1024  # bytes of a frame by which another is found: what all peers accept (section 4.2)

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS = 0, 1, 2, 3, 4
PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 5, 6, 7, 8, 9
END_STREAM, END_HEADERS, PADDED = 0x01, 0x04, 0x08
HOLDS_FIELDS = frozenset({HEADERS, PUSH_PROMISE, CONTINUATION})

# By type: the flags that may be set, and the length that a frame has (None: any)
_SHAPES: dict[int, tuple[int, int | None]] = {
    DATA: (0x09, None),
    HEADERS: (0x2D, None),
    PRIORITY: (0, 5),
    RST_STREAM: (0, 4),
    SETTINGS: (0x01, None),
    PUSH_PROMISE: (0x0C, None),
    PING: (0x01, 8),
    GOAWAY: (0, None),
    WINDOW_UPDATE: (0, 4),
    CONTINUATION: (0x04, None),
}
_WITHOUT_STREAM = frozenset({SETTINGS, PING, GOAWAY})
_ANCHOR = re.compile(rb"\x00[\x00-\x40].[\x00-\x09][\x00-\x2d][\x00-\x7f]...", re.DOTALL)
_SETTING = 6  # bytes of one setting


class Head(NamedTuple):
    """The header of a frame."""

    length: int
    kind: int
    flags: int
    stream: int


class Part(NamedTuple):
    """A whole frame with its payload, or a piece of DATA without its padding.

    `is_end`: it is the last of its frame. `payload` is None where not all of it was captured, or it was too long.
    """

    head: Head
    payload: bytes | None
    first: Span
    last: Span
    is_end: bool = True
    missing: int = 0  # bytes of DATA that were not captured at this place


class Lost(NamedTuple):
    """Frames may have been missed: `length` bytes, None where nobody knows how many."""

    length: int | None


def parse_head(data: bytes | bytearray, at: int = 0) -> Head:
    """Nine bytes; the reserved bit is ignored."""
    length = int.from_bytes(data[at : at + 3], "big")
    return Head(length, data[at + 3], data[at + 4], int.from_bytes(data[at + 5 : at + 9], "big") & 0x7FFFFFFF)


def is_plausible(head: Head) -> bool:
    """Whether a frame that is well formed and not too long may begin so."""
    shape = _SHAPES.get(head.kind)
    if shape is None or head.length > MAX_SOUGHT_LENGTH:
        return False
    flags, length = shape
    if head.flags & ~flags or (length is not None and head.length != length):
        return False
    if head.kind == SETTINGS and head.length % _SETTING:
        return False
    return head.kind == WINDOW_UPDATE or (head.stream == 0) == (head.kind in _WITHOUT_STREAM)


def looks_like_frames(data: bytes | bytearray) -> bool:
    """Whether these bytes begin with a server's SETTINGS (section 3.4), or with frames that follow one another."""
    if len(data) < HEADER_LENGTH:
        return False
    head = parse_head(data)
    behind = HEADER_LENGTH + head.length
    if not is_plausible(head) or (head.length == 0 and head.kind != SETTINGS):
        return False
    if behind + HEADER_LENGTH <= len(data):
        return is_plausible(parse_head(data, behind))
    return behind == len(data) or _is_first_of_server(head)


def _is_first_of_server(head: Head) -> bool:
    return head.kind == SETTINGS and not head.flags and is_plausible(head)


class FrameReader:
    """One direction. `skipped` counts bytes in which no frame was found."""

    def __init__(self, *, is_client: bool) -> None:
        """A client begins with the preface, a server with SETTINGS: else the capture began in the middle."""
        self._expected = PREFACE if is_client else b""
        self._is_begun = False
        self._is_seeking = False
        self._buffer = bytearray()  # the preface, a header, or where frames are sought
        self._marks: list[tuple[int, Span]] = []
        self._head: Head | None = None
        self._first: Span | None = None
        self._payload: bytearray | None = None
        self._remaining = 0
        self._padding: int | None = None  # of DATA, once it is known
        self.skipped = 0

    def feed(self, data: bytes, span: Span) -> Iterator[Part | Lost]:
        """What is complete now."""
        at = 0
        while at < len(data):
            if self._head is not None:
                at = yield from self._take_payload(self._head, data, at, span)
            elif self._is_seeking:
                self._buffer += data[at:]
                self._marks.append((len(self._buffer), span))
                yield from self._seek(is_last=False)
                return
            else:
                at = yield from self._take_head(data, at, span)

    def gap(self, length: int | None, span: Span) -> Iterator[Part | Lost]:
        """`length` bytes are missing here (None: nobody knows how many)."""
        head = self._head
        if (
            head is None
            or length is None
            or length > self._remaining
            or (head.flags & PADDED and self._padding is None)
        ):
            yield from self._lose(length)
            return
        if head.kind == DATA:
            inside = min(length, self._remaining - (self._padding or 0))
            self._remaining -= length
            yield self._data(head, b"", span, missing=max(inside, 0))
        else:
            self._payload = None
            self._remaining -= length
            if not self._remaining:
                yield self._whole(head, span)
        if not self._remaining:
            self._head = None

    def close(self) -> Iterator[Part | Lost]:
        """The direction ended: what looks like the last frame is one."""
        if self._is_seeking:
            yield from self._seek(is_last=True)
        self.skipped += len(self._buffer)
        self._buffer.clear()
        self._marks.clear()

    def _take_head(self, data: bytes, at: int, span: Span) -> Generator[Part | Lost, None, int]:
        if not self._buffer:
            self._first = span
        wanted = HEADER_LENGTH if self._is_begun or not self._expected else len(self._expected)
        end = min(len(data), at + wanted - len(self._buffer))
        self._buffer += data[at:end]
        self._marks.append((len(self._buffer), span))
        if not self._is_begun:
            if not self._may_begin():
                self._is_begun = self._is_seeking = True
                yield Lost(None)
                yield from self._seek(is_last=False)
                return end
            if len(self._buffer) < wanted:
                return end
            self._is_begun = True
            if self._expected:
                self._forget_buffer()
                return end
        if len(self._buffer) == HEADER_LENGTH:
            head = parse_head(self._buffer)
            self._forget_buffer()
            yield from self._begin_frame(head, span)
        return end

    def _may_begin(self) -> bool:
        if self._expected:
            return self._expected.startswith(self._buffer)
        return len(self._buffer) < HEADER_LENGTH or _is_first_of_server(parse_head(self._buffer))

    def _forget_buffer(self) -> None:
        self._buffer.clear()
        self._marks.clear()

    def _begin_frame(self, head: Head, span: Span) -> Iterator[Part]:
        self._head, self._remaining = head, head.length
        self._padding = None if head.kind == DATA and head.flags & PADDED else 0
        self._payload = bytearray() if head.kind != DATA and head.length <= MAX_PAYLOAD else None
        if not head.length:
            yield self._data(head, b"", span) if head.kind == DATA else self._whole(head, span)
            self._head = None

    def _take_payload(self, head: Head, data: bytes, at: int, span: Span) -> Generator[Part, None, int]:
        if self._padding is None:
            self._padding = data[at]
            self._remaining -= 1
            at += 1
        end = min(len(data), at + self._remaining)
        self._remaining -= end - at
        if head.kind == DATA:
            content_end = min(end, end + self._remaining - self._padding)
            yield self._data(head, data[at : max(content_end, at)], span)
        else:
            if self._payload is not None:
                self._payload += data[at:end]
            if not self._remaining:
                yield self._whole(head, span)
        if not self._remaining:
            self._head = None
        return end

    def _data(self, head: Head, piece: bytes, span: Span, missing: int = 0) -> Part:
        return Part(head, piece, self._first or span, span, is_end=not self._remaining, missing=missing)

    def _whole(self, head: Head, span: Span) -> Part:
        payload = bytes(self._payload) if self._payload is not None else None
        return Part(head, payload, self._first or span, span)

    def _lose(self, length: int | None) -> Iterator[Lost]:
        self.skipped += len(self._buffer)
        self._forget_buffer()
        self._head = None
        self._is_begun = self._is_seeking = True
        yield Lost(length)

    def _seek(self, *, is_last: bool) -> Iterator[Part | Lost]:
        """Go on where two frames follow one another, or one ends with the stream."""
        at = 0
        buffer = self._buffer
        while (match := _ANCHOR.search(buffer, at)) is not None:
            at = match.start()
            found = self._is_frame(at, is_last=is_last)
            if found:
                yield from self._resume(at)
                return
            if found is None:
                break
            at += 1
        if match is None:
            at = max(at, len(buffer) - HEADER_LENGTH + 1)
        self.skipped += at
        del buffer[:at]
        self._marks = [(end - at, span) for end, span in self._marks if end > at]

    def _is_frame(self, at: int, *, is_last: bool) -> bool | None:
        """None: more bytes are needed to tell."""
        head = parse_head(self._buffer, at)
        if not is_plausible(head):
            return False
        behind = at + HEADER_LENGTH + head.length
        if behind + HEADER_LENGTH <= len(self._buffer):
            return is_plausible(parse_head(self._buffer, behind))
        return behind == len(self._buffer) if is_last else None

    def _resume(self, at: int) -> Iterator[Part | Lost]:
        """Frames begin again at offset `at` of what was held."""
        self.skipped += at
        held, marks = bytes(self._buffer), self._marks
        self._buffer, self._marks = bytearray(), []
        self._is_seeking = False
        for end, span in marks:
            if end > at:
                yield from self.feed(held[at:end], span)
                at = end
