"""The text report as a document: plain and UTF-8 in a file or pipe, painted on a terminal."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, BinaryIO

from tlsdecrypt.report.frame_names import FrameNames
from tlsdecrypt.report.line_spool import LineSpool, PendingNames
from tlsdecrypt.report.painter import PLAIN_WIDTH, PlainPainter
from tlsdecrypt.report.text import explained_lines, report_lines
from tlsdecrypt.report.text_connection import connection_lines
from tlsdecrypt.report.text_view import TextView
from tlsdecrypt.value import replace

if TYPE_CHECKING:
    from tlsdecrypt.conversation import Analysis, Conversation
    from tlsdecrypt.report.painter import Painter
    from tlsdecrypt.report.writer import Manner


class TextWriter:
    """The report of `text.py`."""

    sink = None

    def __init__(self, manner: Manner, width: int = PLAIN_WIDTH) -> None:
        """`width` in columns is what targets are shortened to."""
        self.needs_content = manner.is_verbose
        self._manner = manner
        self._view = TextView(manner.redactor, width, manner.is_verbose, manner.subjects, PendingNames())
        self._told = LineSpool()

    def take(self, conversation: Conversation) -> None:
        """See Writer."""
        if not self._manner.is_explained:
            self._told.add(conversation.id, connection_lines(conversation, self._view))

    def finish(self, analysis: Analysis, stream: BinaryIO) -> None:
        """See Writer."""
        text = io.TextIOWrapper(stream, "utf-8", errors="backslashreplace", newline="\n", write_through=True)
        try:
            self.paint(analysis, PlainPainter(text))
        finally:
            text.detach()  # the stream is the caller's to close

    def paint(self, analysis: Analysis, painter: Painter) -> None:
        """The same by any painter."""
        if self._manner.is_explained:
            lines = explained_lines(analysis, self._manner.redactor, painter.width)
        else:
            names = FrameNames(analysis.captures)
            lines = report_lines(analysis, self._told.lines(names), replace(self._view, frames=names))
        for each in lines:
            painter.paint(each)
