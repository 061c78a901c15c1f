"""What clients and servers of SMTP (RFC 5321), LMTP (RFC 2033), POP3 (RFC 1939) and IMAP (RFC 9051) say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tlsdecrypt.value import Hidden, Value

if TYPE_CHECKING:
    from tlsdecrypt.app.kept_content import KeptContent
    from tlsdecrypt.flow import Span


class MailCommand(Value, frozen=True):
    """A command.

    `line` is what the client sent but for `secrets`, which stood behind it (a password, a token); `answers` is what it
    said to challenges, secret too. `content_length` counts the bytes of content that followed it as they went over the
    wire, those in `missing` (not captured) included. `content` is the whole message that this command completes,
    without the dots of its transport; None where it was not kept, or is `kept` elsewhere (see `app.kept_content`).
    """

    verb: str
    line: str
    span: Span
    secrets: Hidden[tuple[str, ...]] = ()
    answers: Hidden[tuple[str, ...]] = ()
    content_length: int = 0
    missing: int = 0
    content: Hidden[bytes | None] = None
    kept: Hidden[KeptContent | None] = None


class SmtpReply(Value, frozen=True):
    """A reply (RFC 5321 section 4.2): code, enhanced status code (RFC 3463) of its last line or None, and all lines.

    `lines` come without the code. `interim` are the replies that asked for more before this one: code and lines each.
    `has_secrets`: the lines are part of an authentication.
    """

    code: int
    enhanced: str | None
    lines: Hidden[tuple[str, ...]]
    span: Span
    interim: Hidden[tuple[tuple[int, tuple[str, ...]], ...]] = ()
    has_secrets: bool = False

    @property
    def text(self) -> str:
        """The last line without the enhanced status code."""
        last = self.lines[-1] if self.lines else ""
        return last.removeprefix(self.enhanced).strip() if self.enhanced else last


class MailReply(Value, frozen=True):
    """A reply of POP3 (`result` is `+OK` or `-ERR`) or IMAP (`OK`, `NO`, `BAD`, `BYE`, `PREAUTH`).

    `lines` begins with the text of the reply itself; what a server said besides follows as far as it is kept.
    `content_length` counts the bytes of messages and listings.
    """

    result: str
    lines: Hidden[tuple[str, ...]]
    span: Span
    content_length: int = 0
    interim: Hidden[tuple[str, ...]] = ()

    @property
    def text(self) -> str:
        """What the server said of the result."""
        return self.lines[0] if self.lines else ""
