"""What Wireshark's dissectors said of a connection, as lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tlsdecrypt.report.dissection_document import dissection_document
from tlsdecrypt.report.lines import line
from tlsdecrypt.report.quantities import counted
from tlsdecrypt.report.text_view import MAX_VALUE
from tlsdecrypt.report.visible import shorten

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tlsdecrypt.conversation import DissectedMessage
    from tlsdecrypt.report.lines import Line, Part, Style
    from tlsdecrypt.report.text_view import TextView

SHOWN_MESSAGES = 30  # of one connection; --verbose shows all

_SENTENCES = (".message", ".errorMessage", ".error.message", "error_message")  # fields that say what failed

_STYLES: dict[str, Style] = {"error": "bad", "warning": "caution"}


def dissection_lines(messages: tuple[DissectedMessage, ...], view: TextView) -> Iterator[Line]:
    """Protocol, summary and frames of each message; below it what failed, or all fields, and what is odd."""
    shown = messages if view.is_verbose else messages[:SHOWN_MESSAGES]
    for message, told in zip(shown, dissection_document(shown, view.redactor), strict=True):
        frames: Part = (view.frames.range(message.span), "faint")
        yield line((told["protocol"], "strong"), shorten(told["info"], MAX_VALUE), frames, level=1)
        for name, value in told["fields"]:
            if view.is_verbose or (name.endswith(_SENTENCES) and value not in told["info"]):
                yield line((name, "faint"), shorten(value, MAX_VALUE), level=2)
        for note in told["expert"]:
            words = f"Wireshark, {note['severity']}: {shorten(note['message'], MAX_VALUE)}"
            yield line((words, _STYLES.get(note["severity"], "faint")), level=2)
    if len(messages) > len(shown):
        left = counted(len(messages) - len(shown), "more message")
        yield line((f"[{left} dissected: --verbose and --format json tell all]", "caution"), level=1)
