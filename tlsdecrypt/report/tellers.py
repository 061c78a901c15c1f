"""Tellers: they hear of each conversation as it ends, and of the analysis at last, and write where it belongs."""

from __future__ import annotations

import io
import sys
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from tlsdecrypt.report.document import connection_line, summary_line
from tlsdecrypt.report.outputs import Report
from tlsdecrypt.report.painter import ColourPainter, choose_painter
from tlsdecrypt.report.standard_output import standard_output
from tlsdecrypt.report.text_live import LiveText
from tlsdecrypt.report.text_summary import summary_lines
from tlsdecrypt.report.text_view import TextView

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from tlsdecrypt.conversation import Analysis, Conversation
    from tlsdecrypt.redact import Redactor
    from tlsdecrypt.report.lines import Line
    from tlsdecrypt.report.outputs import OutputFile
    from tlsdecrypt.report.painter import Painter


class Teller(Protocol):
    """Tells an analysis while it is made."""

    @property
    def news(self) -> Callable[[Conversation], None] | None:
        """Takes a connection that goes on, with an exchange more than before; None where nobody waits for it."""

    def take(self, conversation: Conversation) -> Conversation:
        """A conversation that is over; what is to be kept of it for the analysis."""

    def finish(self, analysis: Analysis) -> None:
        """The end."""


@dataclass(frozen=True, slots=True)
class Manner:
    """How things are told: one redactor serves all outputs, so that pseudonyms agree."""

    redactor: Redactor
    is_verbose: bool
    outputs: Sequence[OutputFile]
    is_explained: bool = False

    def write_outputs(self, analysis: Analysis) -> Report:
        """Write all files; the report that they hold."""
        report = Report(analysis, self.redactor, self.is_verbose, self.is_explained)
        for output in self.outputs:
            output.write(report)
        return report


class WholeTeller:
    """Keeps all, and writes the report in one of the formats at the end."""

    news = None

    def __init__(self, manner: Manner, form: str) -> None:
        self._manner = manner
        self._form = form

    def take(self, conversation: Conversation) -> Conversation:
        """See Teller."""
        return conversation

    def finish(self, analysis: Analysis) -> None:
        """See Teller. Colour for a terminal, UTF-8 for everything else."""
        report = self._manner.write_outputs(analysis)
        with standard_output():
            if self._form == "text" and sys.stdout.isatty():
                report.paint(ColourPainter(sys.stdout))
            else:
                report.write(self._form, sys.stdout.buffer)


class LinesTeller:
    """JSON Lines as connections end; of each only what the summary counts is kept."""

    news = None

    def __init__(self, manner: Manner) -> None:
        self._redactor, self._is_explained = manner.redactor, manner.is_explained

    def take(self, conversation: Conversation) -> Conversation:
        """See Teller."""
        with standard_output():
            sys.stdout.buffer.write(connection_line(conversation, self._redactor))
        return _for_the_summary(conversation)

    def finish(self, analysis: Analysis) -> None:
        """See Teller."""
        with standard_output():
            sys.stdout.buffer.write(summary_line(analysis, self._redactor, is_explained=self._is_explained))


class LiveTeller:
    """Text as things happen; conversations are kept only where files are to be written at the end."""

    def __init__(self, manner: Manner, subjects: dict[tuple[str, str | None], str]) -> None:
        """`subjects` names keys by their file and SPKI hash."""
        self._manner = manner
        self._subjects = subjects
        self._painter: Painter | None = None
        self._text: LiveText | None = None

    def news(self, conversation: Conversation) -> None:
        """See Teller."""
        self._paint(self._live_text().news(conversation))

    def take(self, conversation: Conversation) -> Conversation:
        """See Teller."""
        self._paint(self._live_text().end(conversation))
        return conversation if self._manner.outputs else _for_the_summary(conversation)

    def finish(self, analysis: Analysis) -> None:
        """See Teller."""
        self._manner.write_outputs(analysis)
        self._paint(self._live_text().gap())
        self._paint(summary_lines(analysis))

    def _live_text(self) -> LiveText:
        if self._text is None:
            self._painter = painter = _live_painter()
            view = TextView(self._manner.redactor, painter.width, self._manner.is_verbose, self._subjects)
            self._text = LiveText(view)
        return self._text

    def _paint(self, lines: Iterable[Line]) -> None:
        with standard_output():
            for each in lines:
                if self._painter is not None:
                    self._painter.paint(each)


def _live_painter() -> Painter:
    """Colour for a terminal, UTF-8 for everything else."""
    if sys.stdout.isatty():
        return choose_painter(sys.stdout)
    with standard_output():
        sys.stdout.flush()
    plain = _Utf8(sys.stdout.buffer, "utf-8", errors="backslashreplace", newline="\n", write_through=True)
    return choose_painter(plain)


class _Utf8(io.TextIOWrapper):
    """Standard output stays open when this is forgotten."""

    def __del__(self) -> None:
        if not self.closed:
            self.detach()


def _for_the_summary(conversation: Conversation) -> Conversation:
    return replace(conversation, exchanges=(), notes=())
