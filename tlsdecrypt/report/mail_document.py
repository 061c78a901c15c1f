"""Commands and replies of SMTP, POP3 and IMAP as plain values: one side of an exchange in the JSON document."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tlsdecrypt.app.mail import MailCommand, MailReply, SmtpReply
    from tlsdecrypt.redact import Redactor

_TOKEN = re.compile(r"[A-Za-z0-9+/_-]{8,}={0,2}")
_PROMPTS = frozenset({"VXNlcm5hbWU6", "UGFzc3dvcmQ6", "VXNlciBOYW1lAA==", "UGFzc3dvcmQA"})  # of AUTH LOGIN
_EMPTY = ("", "*")  # of what a client says to a challenge: nothing, and that it gives up


def mail_command(command: MailCommand, redactor: Redactor) -> dict[str, Any]:
    """`line` is the command as it was sent, its secrets masked; `answers` are those to challenges, masked too."""
    kind = "password" if command.verb in ("PASS", "LOGIN") else "token"
    masks = [redactor.value(kind, each) for each in command.secrets]
    return {
        "verb": command.verb,
        "line": " ".join(part for part in (redactor.text(command.line), *masks) if part),
        "answers": [each if each in _EMPTY else redactor.value("token", each) for each in command.answers],
        "content_length": command.content_length,
        "missing": command.missing,
    }


def smtp_reply(reply: SmtpReply, redactor: Redactor) -> dict[str, Any]:
    """Code, enhanced code, and all lines without the code."""
    show = _show_token if reply.has_secrets else _show_text
    interim = [{"code": code, "lines": _shown(lines, _show_token, redactor)} for code, lines in reply.interim]
    return {
        "code": reply.code,
        "enhanced": reply.enhanced,
        "lines": _shown(reply.lines, show, redactor),
        "interim": interim,
        "missing": 0,
    }


def mail_reply(reply: MailReply, redactor: Redactor) -> dict[str, Any]:
    """Result and lines; `content_length` counts the messages and listings that came with it."""
    return {
        "result": reply.result,
        "lines": _shown(reply.lines, _show_text, redactor),
        "interim": _shown(reply.interim, _show_token, redactor),
        "content_length": reply.content_length,
        "missing": 0,
    }


def _shown(lines: Iterable[str], show: Callable[[str, Redactor], str], redactor: Redactor) -> list[str]:
    return [show(line, redactor) for line in lines]


def _show_text(line: str, redactor: Redactor) -> str:
    return redactor.text(line)


def _show_token(line: str, redactor: Redactor) -> str:
    """A challenge, or what a server says at the end of an authentication: its tokens are masked."""
    return _TOKEN.sub(lambda match: _mask(match[0], redactor), redactor.text(line)) if line else line


def _mask(word: str, redactor: Redactor) -> str:
    is_word = word.isalpha() and len(word) < 24 and not word.endswith("=")  # noqa: PLR2004 - longer words are tokens
    return word if word in _PROMPTS or is_word else redactor.value("token", word)
