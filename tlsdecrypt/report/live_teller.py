"""LiveTeller: the text report of a capture that still grows, told as things happen."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING

from tlsdecrypt.report.frame_names import FrameNames
from tlsdecrypt.report.masking import manifest_lines
from tlsdecrypt.report.painter import choose_painter
from tlsdecrypt.report.standard_output import standard_output
from tlsdecrypt.report.tellers import is_terminal
from tlsdecrypt.report.text_findings import finding_lines
from tlsdecrypt.report.text_live import LiveText
from tlsdecrypt.report.text_summary import summary_lines
from tlsdecrypt.report.text_view import TextView
from tlsdecrypt.value import replace

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tlsdecrypt.conversation import Analysis, Conversation
    from tlsdecrypt.report.lines import Line
    from tlsdecrypt.report.painter import Painter
    from tlsdecrypt.report.writer import Manner


class LiveTeller:
    """Text as things happen."""

    sink = None

    def __init__(self, manner: Manner) -> None:
        self.needs_content = manner.is_verbose
        self._manner = manner
        self._painter: Painter | None = None
        self._text: LiveText | None = None

    def news(self, conversation: Conversation) -> None:
        """See Teller."""
        self._paint(self._live_text().news(conversation))

    def take(self, conversation: Conversation) -> None:
        """See Teller."""
        self._paint(self._live_text().end(conversation))

    def finish(self, analysis: Analysis) -> None:
        """See Teller."""
        self._paint(self._live_text().gap())
        view = replace(self._live_text().view, frames=FrameNames(analysis.captures))
        self._paint(finding_lines(analysis.findings, view))
        self._paint(summary_lines(analysis))
        self._paint(manifest_lines(self._manner.redactor))

    def _live_text(self) -> LiveText:
        if self._text is None:
            self._painter = painter = _choose_painter()
            manner = self._manner
            self._text = LiveText(TextView(manner.redactor, painter.width, manner.is_verbose, manner.subjects))
        return self._text

    def _paint(self, lines: Iterable[Line]) -> None:
        with standard_output():
            for each in lines:
                if self._painter is not None:
                    self._painter.paint(each)


def _choose_painter() -> Painter:
    """Colour for a terminal, UTF-8 for everything else."""
    if is_terminal():
        return choose_painter(sys.stdout)
    plain = _Utf8(sys.stdout.buffer, "utf-8", errors="backslashreplace", newline="\n", write_through=True)
    return choose_painter(plain)


class _Utf8(io.TextIOWrapper):
    """Standard output stays open when this is forgotten."""

    def __del__(self) -> None:
        if not self.closed:
            self.detach()
