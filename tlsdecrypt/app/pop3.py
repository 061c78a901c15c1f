"""Pop3Decoder: POP3 as seen by an observer (RFC 1939, RFC 2449, RFC 2595, RFC 5034)."""

from __future__ import annotations

import re
from collections import deque
from typing import TYPE_CHECKING, Final

from tlsdecrypt.app.line_reader import LineReader
from tlsdecrypt.app.mail_content import end_of_content, sure_of_content
from tlsdecrypt.app.mail_slot import MailLogin, MailSlot
from tlsdecrypt.flow import Direction

if TYPE_CHECKING:
    from tlsdecrypt.app.exchange import Exchange
    from tlsdecrypt.app.line_reader import Line
    from tlsdecrypt.flow import Span

MAX_IN_FLIGHT: Final = 1_000
MAX_HELD: Final = 64 * 1024  # bytes of the client that wait for an answer of the server
MAX_LISTING: Final = 4 * 1024  # bytes of a listing of capabilities

_COMMAND = re.compile(
    r"(USER|PASS|APOP|AUTH|CAPA|STLS|STAT|LIST|UIDL|RETR|DELE|NOOP|RSET|TOP|QUIT|LAST|XTND|UTF8|LANG|XOAUTH|XCLIENT)"
    r"(?: (.*))?\Z",
    re.IGNORECASE | re.DOTALL,
)
_REPLY = re.compile(r"(\+OK|-ERR|\+)(?: (.*))?\Z", re.IGNORECASE | re.DOTALL)
_ALWAYS_LONG = frozenset({"CAPA", "RETR", "TOP"})
_LONG_WITHOUT_ARGUMENT = frozenset({"LIST", "UIDL", "AUTH"})


class Pop3Decoder:
    """A `Decoder` for POP3: commands and replies in their order; contents are counted."""

    name = "pop3"

    def __init__(self, *, keep_content: bool = False, is_covered: bool = False, login: MailLogin | None = None) -> None:
        """`is_covered`: all of it is inside TLS. Contents are never kept, whatever `keep_content` says."""
        del keep_content
        self._login = login or MailLogin("implicit" if is_covered else None)
        self._client, self._server = LineReader(), LineReader()
        self._slots: deque[MailSlot] = deque()
        self._ready: list[Exchange] = []
        self._waiting: MailSlot | None = None  # AUTH: what comes next depends on the answer to this
        self._answering: MailSlot | None = None
        self._receiving: MailSlot | None = None  # a reply of several lines goes on
        self._listing = bytearray()
        self._is_start = False
        self._is_guessing = False
        self._is_seeking = False  # bytes are missing: what comes may be the rest of a line

    def feed(self, direction: Direction, data: bytes, span: Span) -> list[Exchange]:
        """Exchanges that are complete now."""
        (self._client if direction is Direction.CLIENT_TO_SERVER else self._server).receive(data, span)
        self._pump()
        return self._take_ready()

    def gap(self, direction: Direction, length: int | None, span: Span) -> list[Exchange]:  # noqa: ARG002 - see Decoder
        """`length` bytes are missing (None: nobody knows how many)."""
        if direction is Direction.CLIENT_TO_SERVER:
            self._client.drop_line()
            self._is_seeking = True
        elif self._receiving is not None:
            self._receiving.content_length += self._server.buffered + (length or 0)
            if self._server.buffered:
                self._server.take(self._server.buffered)
            self._is_start = True
        else:
            self._server.drop_line()
            self._is_guessing = True
            self._give_up_answered()
        self._pump()
        return self._take_ready()

    def end(self, direction: Direction, span: Span) -> list[Exchange]:  # noqa: ARG002 - the end carries no bytes
        """One direction ended; the other may go on."""
        self._end(direction)
        return self._take_ready()

    def finish(self) -> list[Exchange]:
        """All that is incomplete, with its faults."""
        for direction in reversed(Direction):
            self._end(direction)
        for slot in self._slots:
            slot.is_over = True
            if slot.is_receiving:
                slot.is_receiving = False
                slot.faults.append("response: it does not end")
        self._drain()
        return self._take_ready()

    def inside_tls(self) -> Pop3Decoder:
        """The decoder for what is said once TLS has begun."""
        for slot in self._slots:
            slot.is_over, slot.is_receiving = True, False
        self._drain()
        return Pop3Decoder(login=MailLogin("STLS", self._login.banner))

    def _end(self, direction: Direction) -> None:
        is_server = direction is Direction.SERVER_TO_CLIENT
        self._is_guessing |= is_server
        self._pump()
        rest = (self._server if is_server else self._client).rest()
        if rest is not None and not is_server:
            self._take_line(rest)
        elif rest is not None and self._receiving is None:
            self._take_reply(rest)
        self._pump()

    def _pump(self) -> None:
        while self._pump_client() or self._pump_server():
            self._drain()
        self._drain()

    def _pump_client(self) -> bool:
        if self._waiting is not None:
            if not self._is_guessing and self._client.buffered <= MAX_HELD:
                return False
            start = bytes(self._client.buffer[:MAX_HELD]).partition(b"\n")[0].rstrip(b"\r")
            slot, self._waiting = self._waiting, None
            self._answering = None if _COMMAND.match(start.decode("latin-1")) else slot
        line = self._client.next_line()
        if line is None:
            return False
        self._take_line(line)
        return True

    def _take_line(self, line: Line) -> None:
        if self._answering is not None:
            slot, self._answering = self._answering, None
            slot.add_answer(line.text, line.span)
            self._waiting = slot
            return
        match = _COMMAND.match(line.text)
        if match is None and self._is_seeking:
            return
        self._is_seeking = False
        if match is None:  # of what is no command of POP3, nothing is shown: it may be a password
            self._slots.append(_hidden(line))
            return
        slot = self._slot(match[1].upper(), (match[2] or "").strip(), line.span)
        self._slots.append(slot)
        if len(self._slots) > MAX_IN_FLIGHT:
            self._slots[-1 - MAX_IN_FLIGHT].is_over = True

    def _slot(self, verb: str, argument: str, span: Span) -> MailSlot:
        shown, secret = argument, ""
        if verb == "PASS":
            shown, secret = "", argument
        elif verb in ("APOP", "AUTH", "XOAUTH"):
            shown, _, secret = argument.partition(" ")
        slot = MailSlot(verb, f"{verb} {shown}".strip(), span)
        slot.secrets = (secret,) if secret else ()
        if verb == "USER":
            self._login.named = argument
        elif verb == "PASS":
            slot.credentials = self._login.named or "", argument
        elif verb == "APOP":
            slot.credentials = shown, secret
        elif verb == "AUTH" and shown:
            slot.mechanism = shown
            slot.answers = [secret] if secret else []
            self._waiting = slot
        return slot

    def _pump_server(self) -> bool:
        if self._receiving is not None:
            return self._take_content(self._receiving)
        line = self._server.next_line()
        if line is None:
            return False
        self._take_reply(line)
        return True

    def _take_reply(self, line: Line) -> None:
        match = _REPLY.match(line.text)
        if match is None:
            return
        slot = next((each for each in self._slots if not each.is_answered), None)
        if slot is None:
            slot = MailSlot("", None, line.span)
            self._slots.append(slot)
        slot.note_reply(line.span)
        self._is_guessing = False
        if match[1] == "+":
            slot.add_challenge(match[2] or "")
            self._waiting, self._answering = None, slot
            return
        slot.result = match[1].upper()
        slot.add_line(match[2] or "")
        if slot is self._waiting:
            self._waiting = None
        if slot.result == "+OK" and _is_long(slot):
            self._receiving, slot.is_receiving, self._is_start = slot, True, True
            self._listing.clear()

    def _take_content(self, slot: MailSlot) -> bool:
        buffer = self._server.buffer
        end = end_of_content(buffer, is_start=self._is_start)
        length = sure_of_content(buffer, is_start=self._is_start) if end is None else end[0]
        if length:
            self._is_start = False
            data, span = self._server.take(length)
            slot.note_reply(span)
            slot.content_length += length
            self._listing += data[: MAX_LISTING - len(self._listing)]
        if end is None:
            return False
        _, span = self._server.take(end[1] - end[0])
        slot.note_reply(span)
        slot.is_receiving, self._receiving = False, None
        if slot.verb in ("CAPA", "AUTH"):
            for each in self._listing.decode("latin-1").splitlines():
                slot.add_line(each)
            slot.facts["capabilities"] = slot.lines[1:]
        return True

    def _give_up_answered(self) -> None:
        """A reply was lost: who does not pipeline has only one command open."""
        for slot in self._slots:
            if not slot.is_answered and slot is not self._waiting:
                slot.is_over = True
                slot.faults.append("its answer was not captured")

    def _drain(self) -> None:
        while self._slots and self._slots[0].is_complete:
            exchange = self._slots.popleft().exchange(self.name, self._login)
            if exchange is not None:
                self._ready.append(exchange)

    def _take_ready(self) -> list[Exchange]:
        ready, self._ready = self._ready, []
        return ready


def _is_long(slot: MailSlot) -> bool:
    """Whether a positive reply has lines that end with a dot (RFC 1939 section 3)."""
    has_argument = " " in (slot.line or "")
    return slot.verb in _ALWAYS_LONG or (slot.verb in _LONG_WITHOUT_ARGUMENT and not has_argument)


def _hidden(line: Line) -> MailSlot:
    slot = MailSlot("", "", line.span)
    slot.secrets = (line.text,) if line.text else ()
    return slot
