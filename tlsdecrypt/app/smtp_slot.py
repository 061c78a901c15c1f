"""Slot: one exchange of SMTP while it is read: a command, what followed it, and what was answered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tlsdecrypt.app.mail import MailCommand, SmtpReply
from tlsdecrypt.app.smtp_commands import AUTH_VERBS, TLS_VERBS

if TYPE_CHECKING:
    from tlsdecrypt.app.mail_content import MailContent
    from tlsdecrypt.app.smtp_commands import Command
    from tlsdecrypt.app.smtp_replies import Reply
    from tlsdecrypt.flow import Span

START_INPUT: Final = 354
CHALLENGE: Final = 334
NO_ANSWER: Final = "no answer was seen"
MAX_ANSWERS: Final = 30  # of one authentication

_MORE_AFTER = {START_INPUT: frozenset({"DATA", "XEXCH50"}), CHALLENGE: AUTH_VERBS}
_ONLY_AFTER = {**_MORE_AFTER, 235: AUTH_VERBS, 221: frozenset({"QUIT"}), 220: TLS_VERBS}  # reply codes
_CLASS_OF_PATH = {"MAIL": ".1.0", "RCPT": ".1.5"}  # enhanced codes that Exchange and others give to these alone
_POSITIVE = 300


class Slot:
    """A command (None: it was not seen) and its reply. `content` is the message that its content belongs to."""

    __slots__ = (
        "answers",
        "command",
        "content",
        "content_length",
        "faults",
        "first",
        "interim",
        "is_last_chunk",
        "is_over",
        "is_sending",
        "last",
        "missing",
        "replies",
        "replies_due",
    )

    def __init__(self, command: Command | None, span: Span) -> None:
        """A command that `span` carried."""
        self.command = command
        self.first = self.last = span
        self.answers: list[str] = []
        self.interim: list[Reply] = []
        self.replies: list[Reply] = []
        self.replies_due = 1
        self.faults: list[str] = []
        self.content: MailContent | None = None
        self.content_length = 0
        self.missing = 0
        self.is_last_chunk = False
        self.is_sending = False  # its content goes on
        self.is_over = False  # no reply will be paired with it any more

    @property
    def verb(self) -> str:
        """Of the command, "" where it was not seen."""
        return self.command.verb if self.command is not None else ""

    @property
    def is_answered(self) -> bool:
        """Whether no other reply is for this command."""
        return self.is_over or len(self.replies) >= self.replies_due

    @property
    def is_complete(self) -> bool:
        """Whether all of it was seen."""
        return self.is_answered and not self.is_sending

    def asks_for_more(self, reply: Reply) -> bool:
        """Whether `reply` asks for content, or challenges."""
        return self.verb in _MORE_AFTER.get(reply.code, ())

    def may_be_answered_by(self, reply: Reply) -> bool:
        """Whether `reply` can be one to this command: told where replies or commands may be missing."""
        if reply.code in _ONLY_AFTER and self.verb not in _ONLY_AFTER[reply.code]:
            return False
        if reply.code < _POSITIVE and reply.enhanced is not None:
            paths = [verb for verb, suffix in _CLASS_OF_PATH.items() if reply.enhanced == f"2{suffix}"]
            return not paths or self.verb in (*paths, "RSET", "VRFY")
        return True

    def add_answer(self, text: str, span: Span) -> None:
        """What the client says to a challenge."""
        self.last = span
        if len(self.answers) < MAX_ANSWERS:
            self.answers.append(text)

    def add_reply(self, reply: Reply) -> None:
        """A reply to this command."""
        if self.asks_for_more(reply):
            if len(self.interim) < MAX_ANSWERS:
                self.interim.append(reply)
        else:
            self.replies.append(reply)

    def request(self) -> MailCommand | None:
        """The command as a value."""
        if self.command is None:
            return None
        content = None
        if self.content is not None and self.is_last_chunk:
            content = self.content.whole(is_dotted=self.verb == "DATA")
        return MailCommand(
            verb=self.verb,
            line=self.command.line,
            span=self.first.to(self.last),
            secrets=(self.command.secret,) if self.command.secret else (),
            answers=tuple(self.answers),
            content_length=self.content_length,
            missing=self.missing,
            content=content,
        )

    def response(self) -> SmtpReply | None:
        """The reply as a value: of several (LMTP answers for each recipient) the worst; None where none was seen."""
        seen = [*self.interim, *self.replies]
        if not seen:
            return None
        told = max(self.replies, key=lambda reply: reply.code) if self.replies else seen[-1]
        others = tuple((each.code, each.lines) for each in seen if each is not told)
        span = seen[0].span.to(seen[-1].span) if self.replies_due > 1 else told.span
        is_secret = self.verb in AUTH_VERBS or told.code == CHALLENGE
        return SmtpReply(told.code, told.enhanced, told.lines, span, others, is_secret)

    def all_faults(self) -> tuple[str, ...]:
        """What was wrong, one sentence each."""
        faults = [*self.faults, *(fault for each in (*self.interim, *self.replies) for fault in each.faults)]
        if not self.replies and not self.faults:
            codes = ", ".join(str(each.code) for each in self.interim)
            faults.append(f"no final answer was seen, only {codes}" if codes else NO_ANSWER)
        return tuple(dict.fromkeys(faults))
