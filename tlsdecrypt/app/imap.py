"""ImapDecoder: IMAP as seen by an observer (RFC 9051): commands and their tagged replies; contents are counted."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from tlsdecrypt.app.imap_lines import (
    astrings,
    literal_at_end,
    parse_imap_command,
    parse_imap_response,
    without_literal,
)
from tlsdecrypt.app.line_reader import LineReader
from tlsdecrypt.app.mail_slot import MailLogin, MailSlot
from tlsdecrypt.flow import Direction

if TYPE_CHECKING:
    from tlsdecrypt.app.exchange import Exchange
    from tlsdecrypt.app.imap_lines import Literal, Response
    from tlsdecrypt.app.line_reader import Line
    from tlsdecrypt.flow import Span

MAX_IN_FLIGHT: Final = 1_000
MAX_HELD: Final = 64 * 1024  # bytes of the client that wait for an answer of the server
MAX_COMMAND: Final = 16 * 1024  # characters of a command with its literals
MAX_LITERAL_KEPT: Final = 1024  # bytes of a literal of LOGIN

_GREETINGS = frozenset({"OK", "PREAUTH", "BYE"})
_KEPT = ("CAPABILITY ", "ID ", "ENABLED ")  # untagged responses without content of messages


class ImapDecoder:
    """A `Decoder` for IMAP."""

    name = "imap"

    def __init__(self, *, keep_content: bool = False, is_covered: bool = False, login: MailLogin | None = None) -> None:
        """`is_covered`: all of it is inside TLS. Contents are never kept, whatever `keep_content` says."""
        del keep_content
        self._login = login or MailLogin("implicit" if is_covered else None)
        self._client, self._server = LineReader(), LineReader()
        self._slots: OrderedDict[str, MailSlot] = OrderedDict()  # by tag
        self._ready: list[Exchange] = []
        self._unfinished: tuple[MailSlot, str] | None = None  # a command that goes on behind a literal
        self._waiting: MailSlot | None = None  # AUTHENTICATE, IDLE, or a literal: the answer tells what follows
        self._literal: Literal | None = None  # what the client sends when it may
        self._answering: MailSlot | None = None
        self._left = [0, 0]  # bytes of a literal that follow, by direction
        self._word = bytearray()  # the literal itself, where LOGIN carries it
        self._has_greeted = login is not None
        self._is_guessing = False

    def feed(self, direction: Direction, data: bytes, span: Span) -> list[Exchange]:
        """Exchanges that are complete now."""
        (self._client if direction is Direction.CLIENT_TO_SERVER else self._server).receive(data, span)
        self._pump()
        return self._take_ready()

    def gap(self, direction: Direction, length: int | None, span: Span) -> list[Exchange]:  # noqa: ARG002 - see Decoder
        """`length` bytes are missing (None: nobody knows how many)."""
        reader = self._client if direction is Direction.CLIENT_TO_SERVER else self._server
        self._is_guessing |= direction is Direction.SERVER_TO_CLIENT
        left = self._left[direction]
        if left and length is not None and length <= left:
            self._left[direction] -= length
        else:
            self._left[direction] = 0
            if direction is Direction.SERVER_TO_CLIENT:
                reader.drop_line()
            else:
                reader.skip_line()
                self._unfinished = self._answering = self._literal = None
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
        if self._unfinished is not None:
            self._complete(*self._unfinished)
        for tag in list(self._slots):
            self._tell(tag)
        return self._take_ready()

    def inside_tls(self) -> ImapDecoder:
        """The decoder for what is said once TLS has begun."""
        for tag in list(self._slots):
            self._tell(tag)
        return ImapDecoder(login=MailLogin("STARTTLS", self._login.banner))

    def _end(self, direction: Direction) -> None:
        is_server = direction is Direction.SERVER_TO_CLIENT
        self._is_guessing |= is_server
        self._pump()
        rest = None if self._left[direction] else (self._server if is_server else self._client).rest()
        if rest is not None and is_server:
            self._take_response(rest)
        elif rest is not None:
            self._take_line(rest)
        self._pump()

    def _pump(self) -> None:
        while self._pump_client() or self._pump_server():
            pass

    def _pump_client(self) -> bool:
        if self._waiting is not None and not self._guess():
            return False
        if self._left[0]:
            return self._take_literal()
        line = self._client.next_line()
        if line is None:
            return False
        self._take_line(line)
        return True

    def _guess(self) -> bool:
        """Whether what waits may be read although no answer told what it is."""
        if not self._is_guessing and self._client.buffered <= MAX_HELD:
            return False
        slot, self._waiting = self._waiting, None
        if self._literal is not None:
            self._left[0], self._literal = self._literal.length, None
        else:
            self._answering = slot
        return True

    def _take_literal(self) -> bool:
        length = min(self._left[0], self._client.buffered)
        if not length:
            return False
        data, span = self._client.take(length)
        self._left[0] -= length
        if self._unfinished is not None:
            slot = self._unfinished[0]
            slot.last = span
            slot.sent_length += length
            self._word += data[: max(MAX_LITERAL_KEPT - len(self._word), 0)]
        return True

    def _take_line(self, line: Line) -> None:
        if self._answering is not None:
            self._take_answer(self._answering, line)
            return
        if self._unfinished is not None:
            slot, so_far = self._unfinished
            slot.last = line.span
            if slot.verb == "LOGIN":
                so_far += _quoted(self._word)
            text = so_far + line.text
        else:
            command = parse_imap_command(line.text)
            slot = MailSlot(command.verb if command else "", "", line.span)
            text = line.text
        self._word.clear()
        literal = literal_at_end(line.text)
        if literal is None or len(text) > MAX_COMMAND:
            self._unfinished = None
            self._complete(slot, text)
            return
        self._unfinished = slot, without_literal(text)
        if literal.is_free:
            self._left[0] = literal.length
        else:
            self._waiting, self._literal = slot, literal

    def _take_answer(self, slot: MailSlot, line: Line) -> None:
        """What the client says to a challenge; the end of IDLE."""
        self._answering = None
        if slot.verb == "IDLE":
            slot.last = line.span
        else:
            slot.add_answer(line.text, line.span)
            self._waiting = slot

    def _complete(self, slot: MailSlot, text: str) -> None:
        """All of a command is there. Of what is no command nothing is shown: it may be a password."""
        command = parse_imap_command(text)
        if command is None:
            slot.line, slot.secrets = "", (text,) if text else ()
            tag = ""
        else:
            tag = command.tag
            slot.line = f"{tag} {command.verb} {command.argument}".strip()
            if command.verb == "LOGIN":
                _hide_login(slot, tag, command.argument)
            elif command.verb == "AUTHENTICATE":
                mechanism, _, initial = command.argument.partition(" ")
                slot.line = f"{tag} AUTHENTICATE {mechanism}"
                slot.mechanism = mechanism
                slot.answers, slot.secrets = ([initial], (initial,)) if initial else ([], ())
            if command.verb in ("AUTHENTICATE", "IDLE"):
                self._waiting = slot
        if tag in self._slots:
            self._tell(tag)
        self._slots[tag] = slot
        if len(self._slots) > MAX_IN_FLIGHT:
            self._tell(next(iter(self._slots)))

    def _pump_server(self) -> bool:
        if self._left[1]:
            length = min(self._left[1], self._server.buffered)
            if not length:
                return False
            _, span = self._server.take(length)
            self._left[1] -= length
            slot = self._newest()
            if slot is not None:
                slot.note_reply(span)
                slot.content_length += length
            return True
        line = self._server.next_line()
        if line is None:
            return False
        self._take_response(line)
        return True

    def _take_response(self, line: Line) -> None:
        literal = literal_at_end(line.text)
        if literal is not None:
            self._left[1] = literal.length
        response = parse_imap_response(line.text)
        if response is None:
            return
        if response.tag == "+":
            self._take_continuation(response, line.span)
        elif response.tag == "*":
            self._take_untagged(response, line.span)
        else:
            self._take_tagged(response, line.span)

    def _take_continuation(self, response: Response, span: Span) -> None:
        slot, self._waiting = self._waiting, None
        self._is_guessing = False
        if slot is None:
            return
        if self._literal is not None:
            self._left[0], self._literal = self._literal.length, None
            return
        slot.note_reply(span)
        if slot.verb != "IDLE":
            slot.add_challenge(f"{response.result} {response.text}".strip())
        self._answering = slot

    def _take_untagged(self, response: Response, span: Span) -> None:
        slot = self._newest()
        is_greeting = not self._has_greeted and slot is None and response.result in _GREETINGS
        self._has_greeted = True
        if is_greeting:
            slot = MailSlot("", None, span)
            slot.note_reply(span)
            slot.result = response.result
            slot.add_line(response.text)
            self._append(slot)
        elif slot is not None:
            slot.note_reply(span)
            if response.result or response.text.upper().startswith(_KEPT):
                slot.facts.setdefault("untagged", []).append(f"{response.result} {response.text}".strip()[:MAX_COMMAND])
                del slot.facts["untagged"][20:]

    def _take_tagged(self, response: Response, span: Span) -> None:
        if not response.result:
            return
        self._is_guessing = False
        slot = self._slots.get(response.tag)
        unfinished = self._unfinished
        if slot is None and unfinished is not None and self._literal is not None:  # the literal was refused
            self._unfinished = self._literal = self._waiting = None
            self._complete(*unfinished)
            slot = self._slots.get(response.tag)
        if slot is None:
            slot = self._slots[response.tag] = MailSlot("", None, span)
        if slot is self._waiting:
            self._waiting = None
        if slot is self._answering:
            self._answering = None
        slot.note_reply(span)
        slot.result = response.result
        slot.lines.insert(0, response.text)
        self._tell(response.tag)

    def _newest(self) -> MailSlot | None:
        return next(reversed(self._slots.values()), None)

    def _tell(self, tag: str) -> None:
        self._append(self._slots.pop(tag))

    def _append(self, slot: MailSlot) -> None:
        exchange = slot.exchange(self.name, self._login)
        if exchange is not None:
            self._ready.append(exchange)

    def _take_ready(self) -> list[Exchange]:
        ready, self._ready = self._ready, []
        return ready


def _hide_login(slot: MailSlot, tag: str, argument: str) -> None:
    """LOGIN shows its user; all that follows is the password, in one word or more."""
    words = astrings(argument)
    user = words[0] if words else ""
    password = words[1] if len(words) > 1 else ""
    slot.line = f"{tag} LOGIN {user}".strip()
    slot.credentials = user, password
    slot.secrets = (password,) if password else ()


def _quoted(word: bytearray) -> str:
    text = word.decode("utf-8", "replace").replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'
