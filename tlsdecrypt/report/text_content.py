"""Contents of messages as lines: laid out, masked, and so much of them as a person reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tlsdecrypt.report.lines import line
from tlsdecrypt.report.pretty import pretty_text
from tlsdecrypt.report.quantities import counted
from tlsdecrypt.report.shown_content import shown_content

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tlsdecrypt.redact import Redactor
    from tlsdecrypt.report.lines import Line

MAX_CONTENT = 64 * 1024  # bytes of one content that are looked at
MAX_LINES = 200  # of one content that are shown
MAX_LINE = 2_000  # characters of one of them


def content_lines(message: Any, redactor: Redactor, mark: str) -> Iterator[Line]:
    """The content of a message of HTTP or WebSocket, each line behind `mark`; nothing of a message without content."""
    content = shown_content(message, redactor, MAX_CONTENT) if hasattr(message, "field") else None
    if content is None:
        return
    text = pretty_text(content)
    if text is None:
        yield line((f"[{counted(content.length, 'byte')} that are no text]", "faint"), level=2)
        return
    yield line((mark, "faint"), level=2)
    lines = text.lstrip("\ufeff").expandtabs(4).splitlines()
    for each in lines[:MAX_LINES]:
        yield line((f"{mark} {each[:MAX_LINE]}", "plain"), level=2)
    if len(lines) > MAX_LINES or content.is_cut or any(len(each) > MAX_LINE for each in lines[:MAX_LINES]):
        yield line((f"[only the beginning of {counted(content.length, 'byte')}]", "caution"), level=2)
