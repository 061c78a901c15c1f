"""MailSlot: one exchange of POP3 or IMAP while it is read; MailLogin: who has authenticated on the connection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tlsdecrypt.app.exchange import Exchange
from tlsdecrypt.app.mail import MailCommand, MailReply

if TYPE_CHECKING:
    from tlsdecrypt.flow import Span

NO_ANSWER: Final = "no answer was seen"
MAX_LINES: Final = 64  # of a reply, and of the tokens of one authentication
MAX_TEXT: Final = 300


class MailSlot:
    """A command (None where it was not seen) and its reply.

    `credentials` is the user and the password that it carries, `mechanism` the SASL mechanism that it begins.
    """

    __slots__ = (
        "answers",
        "challenges",
        "content_length",
        "credentials",
        "facts",
        "faults",
        "first",
        "is_over",
        "is_receiving",
        "last",
        "line",
        "lines",
        "mechanism",
        "replied",
        "reply_last",
        "result",
        "secrets",
        "sent_length",
        "verb",
    )

    def __init__(self, verb: str, line: str | None, span: Span) -> None:
        """A command that `span` carried; `line` is None where it was not seen."""
        self.verb = verb
        self.line = line
        self.first = self.last = span
        self.secrets: tuple[str, ...] = ()
        self.credentials: tuple[str, str] | None = None
        self.mechanism: str | None = None
        self.answers: list[str] = []
        self.challenges: list[str] = []
        self.sent_length = 0
        self.content_length = 0
        self.result: str | None = None
        self.lines: list[str] = []
        self.replied: Span | None = None
        self.reply_last: Span | None = None
        self.faults: list[str] = []
        self.facts: dict[str, Any] = {}
        self.is_receiving = False  # the reply goes on
        self.is_over = False

    @property
    def is_answered(self) -> bool:
        """Whether no other reply is for this command."""
        return self.is_over or self.result is not None

    @property
    def is_complete(self) -> bool:
        """Whether all of it was seen."""
        return self.is_answered and not self.is_receiving

    def note_reply(self, span: Span) -> None:
        """`span` carried a part of the reply."""
        self.replied = self.replied or span
        self.reply_last = span

    def add_answer(self, text: str, span: Span) -> None:
        """What the client says to a challenge."""
        self.last = span
        if len(self.answers) < MAX_LINES:
            self.answers.append(text)

    def add_challenge(self, text: str) -> None:
        """What the server asks within an authentication."""
        if len(self.challenges) < MAX_LINES:
            self.challenges.append(text)

    def add_line(self, text: str) -> None:
        """A line of the reply that is kept."""
        if len(self.lines) < MAX_LINES:
            self.lines.append(text)

    def exchange(self, protocol: str, login: MailLogin) -> Exchange | None:
        """The exchange, None where nothing of it was seen."""
        request = response = None
        if self.line is not None:
            secrets, answers = self.secrets, tuple(self.answers)
            span = self.first.to(self.last)
            request = MailCommand(self.verb, self.line, span, secrets, answers, self.sent_length)
        if self.result is not None and self.replied is not None:
            span = self.replied.to(self.reply_last or self.replied)
            interim = tuple(self.challenges)
            response = MailReply(self.result, tuple(self.lines), span, self.content_length, interim)
        elif not self.faults:
            self.faults.append(NO_ANSWER)
        if request is None and response is None:
            return None
        facts, passwords = login.annotate(self)
        return Exchange(protocol, request, response, {protocol: facts}, tuple(dict.fromkeys(self.faults)), passwords)


class MailLogin:
    """What is known of the connection: `tls` (None in the clear, `STARTTLS`, `STLS`, `implicit`), `banner`, `user`.

    The annotation of each exchange holds these, `verb` ("" for the greeting), `result`, `text` (of the reply), and for
    an authentication `mechanism` (`USER`, `LOGIN`, or of SASL, see `app.sasl`), the `user` that is meant, and `login`
    (`accepted`, `rejected`, None).
    """

    def __init__(self, tls: str | None, banner: str | None = None) -> None:
        """How TLS began, and what the server said at first."""
        self.tls = tls
        self.banner = banner
        self.user: str | None = None
        self.named: str | None = None  # USER of POP3, which PASS follows

    def annotate(self, slot: MailSlot) -> tuple[dict[str, Any], tuple[str, ...]]:
        """The annotation of an exchange, and the passwords in it."""
        text = slot.lines[0][:MAX_TEXT] if slot.lines else None
        facts: dict[str, Any] = {"verb": slot.verb, "result": slot.result, "text": text, "tls": self.tls}
        if self.banner is None and slot.line is None and text:
            self.banner = text
        facts["banner"] = self.banner
        passwords: tuple[str, ...] = ()
        own: dict[str, Any] = {}
        if slot.credentials is not None:
            user, password = slot.credentials
            own = {"mechanism": "USER" if slot.verb == "PASS" else slot.verb, "user": user[:MAX_TEXT]}
            passwords = (password,) if password and slot.verb != "APOP" else ()
        elif slot.mechanism is not None:
            from tlsdecrypt.app.sasl import read_sasl  # noqa: PLC0415  most sessions hold no authentication

            sasl = read_sasl(slot.mechanism, slot.answers, slot.challenges)
            own, passwords = sasl.facts, sasl.passwords
        if own:
            self._judge(slot, own)
        elif self.user is not None:
            facts["user"] = self.user
        return {**facts, **slot.facts, **own}, passwords

    def _judge(self, slot: MailSlot, own: dict[str, Any]) -> None:
        is_accepted = slot.result in ("+OK", "OK")
        own["login"] = None if slot.result is None else "accepted" if is_accepted else "rejected"
        who = f"as {own['user']} " if own.get("user") else ""
        own["summary"] = f"{who}({own['mechanism']}): {own['login'] or 'no result seen'}"
        if is_accepted:
            self.user = own.get("user") or f"({own['mechanism']})"
