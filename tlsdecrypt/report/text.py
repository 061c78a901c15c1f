"""The text report: every conversation, then what it comes to. Colour and wrapping are the painter's matter."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tlsdecrypt.explanation import explain
from tlsdecrypt.report.frame_names import FrameNames
from tlsdecrypt.report.text_connection import connection_lines
from tlsdecrypt.report.text_explain import explain_lines
from tlsdecrypt.report.text_summary import input_lines, session_count_lines, summary_lines
from tlsdecrypt.report.text_view import TextView, subjects_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tlsdecrypt.conversation import Analysis
    from tlsdecrypt.redact import Redactor
    from tlsdecrypt.report.lines import Line
    from tlsdecrypt.report.painter import Painter


def text_lines(analysis: Analysis, redactor: Redactor, width: int, *, is_verbose: bool = False) -> Iterator[Line]:
    """The whole report. `width` in columns is what targets are shortened to; verbose adds fields and certificates."""
    view = TextView(redactor, width, is_verbose, subjects_of(analysis), FrameNames(analysis.captures))
    for conversation in analysis.conversations:
        yield from connection_lines(conversation, view)
    yield from summary_lines(analysis)


def explained_lines(analysis: Analysis, redactor: Redactor, width: int) -> Iterator[Line]:
    """In place of the conversations: what there is of TLS, and what would open more of it."""
    yield from input_lines(analysis)
    yield from session_count_lines(analysis)
    yield from explain_lines(explain(analysis), TextView(redactor, width))


def paint_text(analysis: Analysis, redactor: Redactor, painter: Painter, *, is_verbose: bool = False) -> None:
    """The same, written by a painter."""
    paint_lines(text_lines(analysis, redactor, painter.width, is_verbose=is_verbose), painter)


def paint_lines(lines: Iterable[Line], painter: Painter) -> None:
    """Lines, written by a painter."""
    for each in lines:
        painter.paint(each)
