"""ReplyReader: the server's side of SMTP, cut into replies (RFC 5321 section 4.2)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from tlsdecrypt.app.line_reader import LineReader

if TYPE_CHECKING:
    from tlsdecrypt.app.line_reader import Line
    from tlsdecrypt.flow import Span

MAX_LINES: Final = 200  # of one reply
MAX_TEXT: Final = 4096  # characters of a line that are kept of a reply

_REPLY = re.compile(r"([2-5]\d\d)(?:([ -])(.*))?\Z", re.DOTALL)
_ENHANCED = re.compile(r"([245]\.\d{1,3}\.\d{1,3})(?:\s|\Z)")  # RFC 3463 section 2


class Reply(NamedTuple):
    """A reply: its code, enhanced status code, lines without the code, frames, and what was wrong with it."""

    code: int
    enhanced: str | None
    lines: tuple[str, ...]
    span: Span
    faults: tuple[str, ...] = ()


class ReplyReader:
    """Pulled: after `receive` or `gap`, `next_reply` gives what is complete.

    `is_lost`: replies may have passed unseen. `skipped` counts bytes that belong to no reply.
    """

    def __init__(self) -> None:
        """Nothing has come."""
        self._reader = LineReader()
        self._lines: list[str] = []
        self._first: Line | None = None
        self._faults: list[str] = []
        self.is_lost = False

    @property
    def skipped(self) -> int:
        """Bytes that belong to no reply."""
        return self._reader.skipped

    def receive(self, data: bytes, span: Span) -> None:
        """More bytes."""
        self._reader.receive(data, span)

    def gap(self) -> None:
        """Bytes are missing: the reply that they were part of is lost."""
        self.is_lost = True
        self._reader.drop_line()
        self._forget()

    def next_reply(self) -> Reply | None:
        """The next reply that is complete; None: more bytes are needed."""
        while (line := self._reader.next_line()) is not None:
            reply = self._take(line)
            if reply is not None:
                return reply
        return None

    def last_reply(self) -> Reply | None:
        """What the end of the connection cut off, where it can be told as a reply."""
        line = self._reader.rest()
        reply = self._take(line) if line is not None else None
        if reply is None and self._first is not None:
            code = int(self._first.text[:3])
            reply = self._finish(code, self._first.span)
            reply = reply._replace(faults=(*reply.faults, "response: it does not end"))
        return reply

    def _take(self, line: Line) -> Reply | None:
        match = _REPLY.match(line.text)
        if match is None:
            self._reader.skipped += len(line.text)
            if line.text.strip() and not self.is_lost and len(self._faults) < MAX_LINES:
                self._faults.append("response: a line that is no reply")
            return None
        if self._first is None:
            self._first = line
        if line.dropped:
            self._faults.append(f"response: {line.dropped:,} bytes of a line are not kept")
        if len(self._lines) < MAX_LINES:
            self._lines.append((match[3] or "")[:MAX_TEXT])
        elif len(self._lines) == MAX_LINES:
            self._lines.append("")
            self._faults.append(f"response: lines beyond {MAX_LINES} are not kept")
        return None if match[2] == "-" else self._finish(int(match[1]), line.span)

    def _finish(self, code: int, last: Span) -> Reply:
        first = self._first.span if self._first is not None else last
        lines = tuple(self._lines[:MAX_LINES])
        enhanced = _ENHANCED.match(lines[-1]) if lines else None
        faults = tuple(dict.fromkeys(self._faults))
        self._forget()
        return Reply(code, enhanced[1] if enhanced else None, lines, first.to(last), faults)

    def _forget(self) -> None:
        self._lines, self._first, self._faults = [], None, []
