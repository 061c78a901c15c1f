"""MessageReader: one direction of an HTTP/1 connection, cut into messages.

It is pulled: after `receive`, `gap` or `close`, `next_message` gives each message twice, when its head is there (then
`frame` says how its content is framed) and when it is complete. Where the bytes are no HTTP, it goes on at the next
thing that looks like a start line. How the bytes were cut makes no difference.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tlsdecrypt.app.http_head import METHODS, parse_fields, parse_request_line, parse_status_line, split_lines
from tlsdecrypt.errors import ParseError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tlsdecrypt.app.http import Fields
    from tlsdecrypt.app.http_body import Body
    from tlsdecrypt.app.http_head import RequestLine, StatusLine
    from tlsdecrypt.flow import Span

MAX_HEAD = 256 * 1024
MAX_START_LINE = 64 * 1024
MAX_SOUGHT_LINE = 8 * 1024  # a start line is recognised in the middle of a stream up to this length

_LINE_ENDS = b"\r\n"
_END_OF_HEAD = re.compile(rb"\n\r?\n")
_METHOD_ENDINGS = tuple(sorted((method.encode() for method in METHODS), key=len, reverse=True))
_LONGEST_METHOD = len(_METHOD_ENDINGS[0])
_SOUGHT_STATUS = re.compile(rb"HTTP/1\.[01] [1-5][0-9][0-9](?: [^\r\n]*)?\r?\n")
_SOUGHT_VERSION = re.compile(rb"HTTP/1\.[01]\r?\n")
_ANCHOR = b"HTTP/1."
_PLAUSIBLE_REQUEST = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,32}(?:[ \t]|\Z)")
_PLAUSIBLE_STATUS = re.compile(rb"HTTP/|H(?:T(?:T(?:P)?)?)?\Z")


class Message:
    """A message while it is read: start line, fields, faults, frames, and the framing of its content."""

    __slots__ = ("body", "faults", "fields", "first", "is_complete", "is_known", "last", "line")

    def __init__(self, line: RequestLine | StatusLine, fields: Fields, faults: list[str], span: Span) -> None:
        """A message whose head was carried by `span`."""
        self.line = line
        self.fields = fields
        self.faults = faults
        self.first = self.last = span
        self.body: Body | None = None
        self.is_complete = False
        self.is_known = False

    @property
    def span(self) -> Span:
        """From the first byte of the head to the last of the content."""
        return self.first if self.last is self.first else self.first.to(self.last)


class MessageReader:
    """One direction.

    `is_lost` is set while messages may have passed unseen; `skipped` counts bytes of no message.
    """

    __slots__ = (
        "_buffer",
        "_ended",
        "_is_line_checked",
        "_is_request",
        "_is_seeking",
        "_marks",
        "_message",
        "_parse_line",
        "_plausible",
        "_scanned",
        "_unread_before",
        "is_closed",
        "is_lost",
        "is_opaque",
        "skipped",
    )

    def __init__(self, *, is_request: bool) -> None:
        """A reader for requests, or for answers."""
        self._parse_line: Callable[[str, list[str]], RequestLine | StatusLine]
        self._parse_line = parse_request_line if is_request else parse_status_line
        self._plausible = _PLAUSIBLE_REQUEST if is_request else _PLAUSIBLE_STATUS
        self._is_request = is_request
        self._buffer = bytearray()
        self._marks: list[tuple[int, Span]] = []  # which span carried the buffer up to which offset
        self._message: Message | None = None
        self._ended: Message | None = None
        self._scanned = 0
        self._is_line_checked = False
        self._is_seeking = False
        self._unread_before = 0
        self.is_lost = False
        self.is_opaque = False
        self.is_closed = False
        self.skipped = 0

    @property
    def buffered(self) -> int:
        """Bytes that wait here."""
        return len(self._buffer)

    @property
    def is_over(self) -> bool:
        """Whether the direction has ended, and all that came was read."""
        return self.is_closed and not self._buffer and self._message is None and self._ended is None

    def receive(self, data: bytes, span: Span) -> None:
        """More bytes."""
        message = self._message
        if message is not None and message.body is not None and not self._buffer:
            message.last = span
            unread, end = self._feed_body(message, message.body, data)
            data = unread + data[end:]
        if data:
            self._buffer += data
            if self._marks and self._marks[-1][1] == span:
                self._marks.pop()
            self._marks.append((len(self._buffer), span))

    def _feed_body(self, message: Message, body: Body, data: bytes | bytearray) -> tuple[bytes, int]:
        """The offset in `data` behind the content; before it come bytes of earlier pieces that proved to be none."""
        try:
            end = body.feed(data, 0)
        except ParseError as error:
            message.faults.append(error.what)
            self._finish_message()
            self._start_seeking()
            unread = body.unread()
            inside = min(len(unread), error.offset)
            return unread[: len(unread) - inside], error.offset - inside
        if body.is_complete:
            self._finish_message()
        return b"", end

    def next_message(self) -> Message | None:
        """The next message whose head is there, or that is complete; None: more bytes are needed."""
        if self._ended is not None:
            ended, self._ended = self._ended, None
            return ended
        if self.is_opaque:
            return None
        if self._message is not None:
            return self._continue_body(self._message)
        return self._next_head() if self._buffer else None

    def frame(self, body: Body | None) -> None:
        """The content of the message whose head came last (None: it has none)."""
        message = self._message
        if message is None:
            return
        message.body = body
        if body is None or body.is_complete:
            message.is_complete = True
            self._message = None

    def _continue_body(self, message: Message) -> Message | None:
        """Feed what stands in the buffer to the content."""
        if self._buffer and message.body is not None:
            unread, end = self._feed_body(message, message.body, self._buffer)
            if end:
                message.last = self._span_at(end)
            self._consume(end)
            if unread:
                self._buffer[:0] = unread
                self._marks = [(stop + len(unread), span) for stop, span in self._marks or [(0, message.last)]]
        ended, self._ended = self._ended, None
        return ended

    def _span_at(self, end: int) -> Span:
        """What carried the byte before offset `end` of the buffer."""
        if len(self._marks) == 1:
            return self._marks[0][1]
        return next(span for stop, span in self._marks if stop >= end)

    def _finish_message(self) -> None:
        self._ended = self._message
        self._message = None
        if self._ended is not None:
            self._ended.is_complete = True

    def _consume(self, length: int) -> None:
        self._scanned = 0
        if length == len(self._buffer):
            self._buffer.clear()
            self._marks.clear()
        else:
            del self._buffer[:length]
            self._marks = [(end - length, span) for end, span in self._marks if end > length]

    def _skip(self, length: int) -> None:
        self.skipped += length
        self._unread_before += length
        self._consume(length)

    def _start_seeking(self) -> None:
        self._is_seeking = True
        self._is_line_checked = False
        self.is_lost = True

    def _next_head(self) -> Message | None:
        while self._buffer:
            if self._is_seeking and not self._seek():
                return None
            if self._buffer[0] in _LINE_ENDS:
                self._drop_blank_lines()
                continue
            match = _END_OF_HEAD.search(self._buffer, self._scanned)
            if match is not None and match.end() <= MAX_HEAD:
                message = self._parse_head(match.end())
            elif len(self._buffer) > MAX_HEAD:
                self._cut_head(f"the head is longer than {MAX_HEAD:,} bytes")
                message, self._ended = self._ended, None
            elif self._is_plausible():
                self._scanned = max(0, len(self._buffer) - 2)
                return None
            else:
                message = None
            if message is not None:
                return message
            if not self._is_seeking:
                self._start_seeking()
                self._skip(1)
        return None

    def _drop_blank_lines(self) -> None:
        """Empty lines before a message mean nothing (RFC 9112 section 2.2)."""
        self._consume(len(self._buffer) - len(self._buffer.lstrip(_LINE_ENDS)))

    def _seek(self) -> bool:
        """True where the buffer now begins with something that looks like a start line."""
        while (anchor := self._buffer.find(_ANCHOR, self._scanned)) >= 0:
            start = self._find_request(anchor) if self._is_request else self._find_status(anchor)
            if start is not None:
                self._is_seeking = False
                self._skip(start)
                return True
            if len(self._buffer) - anchor < MAX_SOUGHT_LINE and self._buffer.find(b"\n", anchor) < 0:
                break
            self._scanned = anchor + len(_ANCHOR)
        scanned = max(self._scanned, len(self._buffer) - len(_ANCHOR) + 1) if anchor < 0 else anchor
        if scanned > 2 * MAX_SOUGHT_LINE:
            self._skip(scanned - MAX_SOUGHT_LINE)
            scanned = MAX_SOUGHT_LINE
        self._scanned = scanned
        return False

    def _find_status(self, anchor: int) -> int | None:
        """Where the status line begins that has its version at `anchor`, None where there is none."""
        match = _SOUGHT_STATUS.match(self._buffer, anchor, anchor + MAX_SOUGHT_LINE)
        return anchor if match else None

    def _find_request(self, anchor: int) -> int | None:
        """Where the request line begins that has its version at `anchor`, None where there is none."""
        buffer = self._buffer
        if not buffer.startswith(b" ", max(0, anchor - 1)) or _SOUGHT_VERSION.match(buffer, anchor) is None:
            return None
        before_target = buffer.rfind(b" ", max(0, anchor - MAX_SOUGHT_LINE + _LONGEST_METHOD), max(0, anchor - 1))
        if before_target < 0 or before_target == anchor - 2 or b"\n" in buffer[before_target:anchor]:
            return None
        method = bytes(buffer[max(0, before_target - _LONGEST_METHOD) : before_target])
        return next((before_target - len(each) for each in _METHOD_ENDINGS if method.endswith(each)), None)

    def _is_plausible(self) -> bool:
        """Whether the buffer may still become a head."""
        if self._is_line_checked:
            return True
        end = self._buffer.find(b"\n", 0, MAX_START_LINE)
        if end < 0:
            return len(self._buffer) < MAX_START_LINE and self._plausible.match(self._buffer[:33]) is not None
        self._is_line_checked = True
        try:
            self._parse_line(self._buffer[:end].decode("latin-1").rstrip("\r"), [])
        except ParseError:
            return False
        return True

    def _parse_head(self, end: int) -> Message | None:
        """The message whose head is `buffer[:end]`, None where the start line is none."""
        faults: list[str] = []
        lines = split_lines(self._buffer[:end], faults)
        try:
            line = self._parse_line(lines[0], faults)
        except ParseError:
            return None
        fields = parse_fields(lines[1:], faults)
        if self._unread_before:
            faults.append(f"{self._unread_before:,} bytes before it were not read as HTTP")
            self._unread_before = 0
        message = Message(line, fields, faults, self._marks[0][1])
        if len(self._marks) > 1:
            message.last = self._span_at(end)
        self._consume(end)
        self._is_line_checked = False
        self._message = message
        return message

    def _cut_head(self, fault: str) -> None:
        """End a message of which only a part of the head is there, up to the last whole line."""
        end = self._buffer.rfind(b"\n", 0, MAX_HEAD) + 1
        message = self._parse_head(end or min(len(self._buffer), MAX_HEAD))
        if message is not None:
            message.faults.append(fault)
            self._finish_message()
            self._start_seeking()

    def _cut(self, fault: str) -> None:
        """What is under way ends here, incomplete."""
        message = self._message
        if message is not None:
            message.faults.append(fault)
            self._finish_message()
        elif self._buffer and not self._is_seeking:
            self._cut_head(fault)
        if self._buffer:
            self._skip(len(self._buffer))

    def gap(self, length: int | None, span: Span) -> None:
        """`length` bytes are missing here (None: nobody knows how many)."""
        message = self._message
        left = length
        if message is not None and message.body is not None and not self.is_opaque:
            left = None if length is None else message.body.gap(length)
            message.last = span
            if left is not None and message.body.is_complete:
                self._finish_message()
            if left == 0:
                return
        size = "of unknown length" if length is None else f"of {length:,} bytes"
        self._cut(f"cut by a gap {size}")
        self._start_seeking()

    def close(self, fault: str) -> None:
        """The direction ended; `fault` says what that means for a message that is not complete."""
        if self.is_closed or self.is_opaque:
            return
        self.is_closed = True
        message = self._message
        if message is None or message.body is None:
            self._cut(fault)
            return
        reason = message.body.close()
        if reason is not None:
            message.faults.append(f"{fault}: {reason}")
        self._finish_message()

    def take_pieces(self) -> list[tuple[bytes, Span]]:
        """The same as `take_rest`, with what carried it."""
        marks, rest = [*self._marks], self.take_rest()
        starts = [0, *(end for end, _ in marks)]
        return [(rest[start:end], span) for start, (end, span) in zip(starts, marks, strict=False)]

    def take_rest(self) -> bytes:
        """What waits here, once the connection is no longer HTTP."""
        rest = bytes(self._buffer)
        self._consume(len(rest))
        return rest
