"""Commands and replies of SMTP, POP3 and IMAP in the text: one line a command with its reply."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tlsdecrypt.report.lines import line
from tlsdecrypt.report.visible import shorten

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tlsdecrypt.report.lines import Line, Part, Style

MIN_REPLY: Final = 60  # columns that the text of a reply may take

_FIRST_TRANSIENT, _FIRST_PERMANENT = 400, 500  # reply codes, RFC 5321 section 4.2.1
_GOOD = frozenset({"+OK", "OK", "PREAUTH"})


def is_mail(told: dict[str, Any]) -> bool:
    """Whether an exchange is one of these protocols."""
    return told["protocol"] in ("smtp", "pop3", "imap")


def mail_asked(told: dict[str, Any]) -> str:
    """The command line; the greeting answers none."""
    request = told["request"]
    if request is not None:
        return str(request["line"]) or "(no command)"
    facts = told["annotations"].get(told["protocol"], {})
    is_greeting = facts.get("banner") is not None and told["response"]["lines"][:1] and "user" not in facts
    return "(greeting)" if is_greeting else "(command not seen)"


def mail_answer(response: dict[str, Any] | None) -> Part:
    """Code and the last line of a reply, which holds the enhanced code."""
    if response is None:
        return "no answer seen", "bad"
    lines = response["lines"]
    if "code" not in response:
        style: Style = "good" if response["result"] in _GOOD else "bad"
        return f"{response['result']} {shorten(lines[0] if lines else '', MIN_REPLY)}".rstrip(), style
    code = response["code"]
    style = "bad" if code >= _FIRST_PERMANENT else "caution" if code >= _FIRST_TRANSIENT else "good"
    more = f" (and {len(lines) - 1} more lines)" if len(lines) > 1 else ""
    return f"{code} {shorten(lines[0] if more else ''.join(lines[-1:]), MIN_REPLY)}".rstrip() + more, style


def mail_lines(message: dict[str, Any] | None, mark: str) -> Iterator[Line]:
    """Every line of a reply, every answer to a challenge; secrets are masked."""
    if message is None:
        return
    for each in message.get("interim", ()):
        for text in each["lines"] if isinstance(each, dict) else [each]:
            yield line((f"{mark} {each['code'] if isinstance(each, dict) else '+'} {text}", "faint"), level=2)
    for text in (*message.get("answers", ()), *message.get("lines", ())):
        yield line((f"{mark} {text}", "faint"), level=2)
