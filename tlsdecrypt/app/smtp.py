"""SmtpDecoder: SMTP, ESMTP and LMTP as seen by an observer (RFC 5321, RFC 2920, RFC 3030, RFC 4954, RFC 2033).

Commands are paired with replies in their order. What follows DATA, AUTH or XEXCH50 is a command or not as the server
answers, so that it waits for that answer; where no answer can be seen, what it looks like decides.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from tlsdecrypt.app.exchange import Exchange
from tlsdecrypt.app.line_reader import LineReader
from tlsdecrypt.app.mail_content import MailContent, end_of_content, sure_of_content
from tlsdecrypt.app.smtp_commands import (
    AUTH_VERBS,
    KNOWN_VERBS,
    Command,
    blob_length,
    chunk_of,
    is_plausible,
    parse_command,
)
from tlsdecrypt.app.smtp_replies import ReplyReader
from tlsdecrypt.app.smtp_session import SmtpSession
from tlsdecrypt.app.smtp_slot import CHALLENGE, START_INPUT, Slot
from tlsdecrypt.flow import Direction

if TYPE_CHECKING:
    from tlsdecrypt.app.smtp_replies import Reply
    from tlsdecrypt.flow import Span

MAX_IN_FLIGHT: Final = 1_000
MAX_HELD: Final = 64 * 1024  # bytes of the client that wait for an answer of the server

_WAITS = frozenset({"DATA", "XEXCH50", *AUTH_VERBS})
_SERVICE_READY = 220


class SmtpDecoder:
    """A `Decoder` for SMTP. `keep_content` keeps each message whole in the command that completes it."""

    name = "smtp"

    def __init__(
        self, *, keep_content: bool = False, is_covered: bool = False, session: SmtpSession | None = None
    ) -> None:
        """`is_covered`: all of it is inside TLS. `session` goes on with what was said before TLS began."""
        self._keep_content = keep_content
        self._session = session or SmtpSession("implicit" if is_covered else None)
        self._client = LineReader()
        self._server = ReplyReader()
        self._slots: deque[Slot] = deque()
        self._ready: list[Exchange] = []
        self._waiting: Slot | None = None  # what comes next depends on the answer to this
        self._answering: Slot | None = None  # the next line answers a challenge
        self._sending: Slot | None = None  # what comes is content of this
        self._left = 0  # bytes of content of a known length that follow
        self._is_content_start = False
        self._message: MailContent | None = None  # what BDAT sends in pieces
        self._is_seeking = session is None  # until something tells that what comes is a command
        self._is_guessing = False  # no answer will tell what follows
        self._is_pipelined = False
        self._has_authenticated = False

    def feed(self, direction: Direction, data: bytes, span: Span) -> list[Exchange]:
        """Exchanges that are complete now."""
        if direction is Direction.CLIENT_TO_SERVER:
            self._client.receive(data, span)
        else:
            self._server.receive(data, span)
        self._pump()
        return self._take_ready()

    def gap(self, direction: Direction, length: int | None, span: Span) -> list[Exchange]:  # noqa: ARG002 - see Decoder
        """`length` bytes are missing (None: nobody knows how many)."""
        if direction is Direction.SERVER_TO_CLIENT:
            self._server.gap()
            self._is_guessing = True
        else:
            self._gap_of_client(length)
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
        self._give_up()
        self._session.finish()
        return self._take_ready()

    def inside_tls(self) -> SmtpDecoder:
        """The decoder for what is said once TLS has begun: it knows what was said before."""
        self._give_up()
        return SmtpDecoder(keep_content=self._keep_content, session=self._session.inside_tls())

    def _give_up(self) -> None:
        """Nothing more will come for the commands that wait."""
        for slot in self._slots:
            slot.is_over = True
            slot.is_sending = False
        self._drain()

    def _end(self, direction: Direction) -> None:
        if direction is Direction.SERVER_TO_CLIENT:
            reply = self._server.last_reply()
            if reply is not None:
                self._take_reply(reply)
            self._is_guessing = True
            self._pump()
            return
        self._pump()
        if self._sending is not None:
            self._flush_content(self._sending)
            self._end_content("the message does not end")
        rest = self._client.rest()
        if rest is not None:
            self._take_line(rest.text, rest.span, "the connection ended inside of the line")
        self._pump()

    def _pump(self) -> None:
        while self._pump_client() or self._pump_server():
            pass
        self._drain()

    def _pump_server(self) -> bool:
        reply = self._server.next_reply()
        if reply is None:
            return False
        self._take_reply(reply)
        self._drain()
        return True

    def _pump_client(self) -> bool:
        """Take one thing that the client sent: whether there was one."""
        if not self._client.buffered and not self._sending:
            return False
        if self._waiting is not None and not self._guess(self._waiting):
            return False
        if self._sending is not None:
            return self._take_content(self._sending)
        line = self._client.next_line()
        if line is None:
            return False
        fault = f"request: {line.dropped:,} bytes of a line are not kept" if line.dropped else None
        self._take_line(line.text, line.span, fault)
        return True

    def _take_line(self, text: str, span: Span, fault: str | None) -> None:
        if self._answering is not None:
            slot, self._answering = self._answering, None
            slot.add_answer(text, span)
            self._waiting = slot
        elif self._is_seeking and not is_plausible(text):
            self._client.skipped += len(text)
            return
        else:
            slot = self._begin(self._command(text), span)
        if fault:
            slot.faults.append(fault)

    def _command(self, text: str) -> Command:
        """Where somebody tries to authenticate, what is no command may be a password."""
        command = parse_command(text)
        if self._has_authenticated and command.verb not in KNOWN_VERBS:
            return Command("", "", text)
        return command

    def _begin(self, command: Command, span: Span) -> Slot:
        self._is_seeking = False
        if not self._is_pipelined and not self._server.is_lost and any(not slot.is_answered for slot in self._slots):
            self._is_pipelined = True
        slot = Slot(command, span)
        self._slots.append(slot)
        if len(self._slots) > MAX_IN_FLIGHT:
            oldest = self._slots[-1 - MAX_IN_FLIGHT]
            oldest.is_over, oldest.is_sending = True, False
            oldest.faults.append(f"more than {MAX_IN_FLIGHT:,} commands wait for an answer")
        self._has_authenticated |= command.verb in AUTH_VERBS
        chunk = chunk_of(command.line) if command.verb == "BDAT" else None
        if chunk is not None:
            self._begin_chunk(slot, *chunk)
        elif command.verb in _WAITS:
            self._waiting = slot
        elif command.verb in ("RSET", "MAIL"):
            self._message = None
        return slot

    def _begin_chunk(self, slot: Slot, length: int, is_last: bool) -> None:  # noqa: FBT001 - as chunk_of gives it
        """BDAT: content of a known length, whatever the server says."""
        self._message = self._message or MailContent(is_kept=self._keep_content)
        slot.content, slot.is_last_chunk = self._message, is_last
        slot.is_sending = length > 0
        self._sending, self._left = (slot, length) if length else (None, 0)
        if is_last:
            self._message = None

    def _begin_content(self, slot: Slot) -> None:
        """DATA: content until a line that is a dot. XEXCH50: a blob, which is only counted."""
        self._waiting = None
        self._sending = slot
        slot.is_sending = True
        if slot.verb == "DATA":
            slot.content, slot.is_last_chunk = MailContent(is_kept=self._keep_content), True
            self._left, self._is_content_start = 0, True
            slot.replies_due = self._session.replies_to_content
            return
        self._left = blob_length(slot.command.line if slot.command else "") or 0
        if not self._left:
            self._end_content()

    def _guess(self, slot: Slot) -> bool:
        """Whether what waits may be read: the server will not say what it is, so that its look decides."""
        if not self._is_guessing and self._client.buffered <= MAX_HELD:
            return False
        line, newline, _ = bytes(self._client.buffer[:MAX_HELD]).partition(b"\n")
        if not newline and len(line) < MAX_HELD and not self._is_guessing:
            return False
        self._waiting = None
        if is_plausible(line.rstrip(b"\r").decode("latin-1")):
            return True
        if slot.verb in AUTH_VERBS:
            self._answering = slot
        else:
            self._begin_content(slot)
        return True

    def _take_content(self, slot: Slot) -> bool:
        if self._left:
            return self._take_counted(slot)
        buffer, is_start = self._client.buffer, self._is_content_start
        end = end_of_content(buffer, is_start=is_start)
        if end is not None:
            content_end, next_start = end
            self._add_content(slot, content_end)
            _, slot.last = self._client.take(next_start - content_end)
            self._end_content()
            return True
        sure = sure_of_content(buffer, is_start=is_start)
        self._add_content(slot, sure)
        return False

    def _take_counted(self, slot: Slot) -> bool:
        length = min(self._left, self._client.buffered)
        if not length:
            return False
        self._left -= length
        self._add_content(slot, length)
        if not self._left:
            self._end_content()
        return True

    def _add_content(self, slot: Slot, length: int) -> None:
        if length <= 0:
            return
        self._is_content_start = False
        data, slot.last = self._client.take(length)
        slot.content_length += length
        if slot.content is not None:
            slot.content.add(data)

    def _flush_content(self, slot: Slot) -> None:
        """What may have been the start of the content's end is none: something is missing behind it."""
        self._add_content(slot, self._client.buffered)

    def _end_content(self, fault: str | None = None) -> None:
        slot, self._sending, self._left = self._sending, None, 0
        if slot is not None:
            slot.is_sending = False
            if fault:
                slot.faults.append(f"request: {fault}")

    def _gap_of_client(self, length: int | None) -> None:
        if self._waiting is not None:
            self._is_guessing = True
            slot = self._waiting
            if slot.verb in AUTH_VERBS:
                slot.faults.append("request: an answer was not captured")
            elif self._guess(slot):
                self._pump_client()
        if self._sending is not None and self._gap_in_content(self._sending, length):
            return
        if self._answering is not None:
            self._waiting, self._answering = self._answering, None
            self._waiting.faults.append("request: an answer was not captured")
        self._client.drop_line()
        self._is_seeking = True

    def _gap_in_content(self, slot: Slot, length: int | None) -> bool:
        """Whether content may go on behind the gap."""
        self._flush_content(slot)
        self._is_content_start = True
        missing = length or 0
        slot.content_length += missing
        slot.missing += missing
        if slot.content is not None:
            slot.content.skip(length)
        if not self._left:
            return True
        if length is not None and length < self._left:
            self._left -= length
            return True
        self._end_content("content and what follows it were not captured")
        return False

    def _take_reply(self, reply: Reply) -> None:
        slot = self._slot_to_answer(reply)
        slot.add_reply(reply)
        if slot is self._waiting:
            self._go_on(slot, reply)
        elif slot is self._sending and slot.missing and not self._left and slot.is_answered:
            self._end_content("the end of the message was not captured")
            self._is_seeking = True
            self._client.drop_line()
        self._is_guessing = False

    def _go_on(self, slot: Slot, reply: Reply) -> None:
        """The answer came that tells what follows."""
        if not slot.asks_for_more(reply):
            self._waiting = None
        elif reply.code == START_INPUT:
            self._begin_content(slot)
        elif reply.code == CHALLENGE:
            self._waiting, self._answering = None, slot

    def _slot_to_answer(self, reply: Reply) -> Slot:
        """The command that a reply is for: the first without one, or none that was captured."""
        if self._server.is_lost or self._is_seeking:
            self._skip_lost(reply)
        for slot in self._slots:
            if not slot.is_answered:
                return slot
        if not self._session.has_begun and reply.code == _SERVICE_READY:
            self._is_seeking = False
        slot = Slot(None, reply.span)
        self._slots.append(slot)
        return slot

    def _skip_lost(self, reply: Reply) -> None:
        """Replies were not captured: give up the commands that this one cannot be for."""
        waiting = [slot for slot in self._slots if not slot.is_answered]
        fitting = [slot for slot in waiting if slot.may_be_answered_by(reply)]
        if self._server.is_lost and not self._is_pipelined:
            fitting = fitting[-1:]  # who does not pipeline had the reply before asking again
        first = fitting[0] if fitting else None
        for slot in waiting:
            if slot is first:
                break
            slot.is_over, slot.is_sending = True, False
            slot.faults.append("its answer was not captured")
            if slot is self._waiting:
                self._waiting = None
        self._server.is_lost = False

    def _drain(self) -> None:
        while self._slots and self._slots[0].is_complete:
            slot = self._slots.popleft()
            annotations, passwords = self._session.annotate(slot)
            request, response = slot.request(), slot.response()
            if request is not None or response is not None:
                self._ready.append(
                    Exchange(self.name, request, response, {"smtp": annotations}, slot.all_faults(), passwords)
                )

    def _take_ready(self) -> list[Exchange]:
        ready, self._ready = self._ready, []
        return ready
