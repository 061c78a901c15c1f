"""An analysis told by a writer as a run tells it: each conversation as it ends, light ones at last."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from tlsdecrypt.report.tellers import light
from tlsdecrypt.report.text_writer import TextWriter
from tlsdecrypt.report.writer import Manner
from tlsdecrypt.value import replace

if TYPE_CHECKING:
    from tlsdecrypt.conversation import Analysis
    from tlsdecrypt.redact import Redactor
    from tlsdecrypt.report.painter import Painter
    from tlsdecrypt.report.writer import Writer


def taken(writer: Writer, analysis: Analysis) -> Analysis:
    """What is left of an analysis whose conversations were taken; they end in an order that is not that of ids."""
    for each in sorted(analysis.conversations, key=lambda conversation: -conversation.span.last_frame):
        writer.take(each)
    return replace(analysis, conversations=tuple(map(light, analysis.conversations)))


def written(writer: Writer, analysis: Analysis) -> bytes:
    """The whole document."""
    stream = io.BytesIO()
    writer.finish(taken(writer, analysis), stream)
    return stream.getvalue()


def paint_text(analysis: Analysis, redactor: Redactor, painter: Painter, *, is_verbose: bool = False) -> None:
    """The text report."""
    subjects = {(key.source, key.spki_sha256): key.subject for key in analysis.keys if key.subject}
    writer = TextWriter(Manner(redactor, is_verbose, subjects=subjects), painter.width)
    writer.paint(taken(writer, analysis), painter)
