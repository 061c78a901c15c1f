"""Tellers: they hear of each conversation as it ends, and of the analysis at last, and tell standard output."""

from __future__ import annotations

import io
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol, TypeVar

from tlsdecrypt.conversation import NOTHING_UNVERIFIED
from tlsdecrypt.plaintext import Outlets, PlaintextFork
from tlsdecrypt.report.document import connection_bytes, summary_line
from tlsdecrypt.report.frame_names import FrameNames
from tlsdecrypt.report.masking import manifest_lines
from tlsdecrypt.report.outputs import writer_of
from tlsdecrypt.report.painter import ColourPainter, choose_painter
from tlsdecrypt.report.standard_output import standard_output
from tlsdecrypt.report.text_findings import finding_lines
from tlsdecrypt.report.text_live import LiveText
from tlsdecrypt.report.text_summary import summary_lines
from tlsdecrypt.report.text_view import TextView
from tlsdecrypt.report.text_writer import TextWriter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tlsdecrypt.conversation import Analysis, Conversation
    from tlsdecrypt.plaintext import PlaintextSink
    from tlsdecrypt.redact.anonymiser import Anonymiser
    from tlsdecrypt.report.lines import Line
    from tlsdecrypt.report.outputs import Outputs
    from tlsdecrypt.report.painter import Painter
    from tlsdecrypt.report.writer import Manner


T = TypeVar("T")


class Teller(Protocol):
    """Tells an analysis while it is made."""

    @property
    def news(self) -> Callable[[Conversation], None] | None:
        """Takes a connection that goes on, with an exchange more than before; None where nobody waits for it."""

    @property
    def needs_content(self) -> bool:
        """See Writer."""

    @property
    def sink(self) -> PlaintextSink | None:
        """See Writer."""

    def take(self, conversation: Conversation) -> None:
        """A conversation that is over."""

    def finish(self, analysis: Analysis) -> None:
        """The end."""


class Telling:
    """Everything that is told of a run: to standard output, and in files."""

    def __init__(self, teller: Teller, outputs: Outputs, anonymiser: Anonymiser | None = None) -> None:
        """With an `anonymiser`, nobody who tells anything is told a real name."""
        self._teller, self._outputs, self._anonymiser = teller, outputs, anonymiser
        self.news = None if teller.news is None else self._news

    def outlets(self) -> Outlets:
        """Where contents and plaintext go for those who need them."""
        from tlsdecrypt.report.content_file import ContentFile  # noqa: PLC0415 - few runs need it

        needs_content = self._teller.needs_content or self._outputs.needs_content
        sinks = [*self._outputs.sinks, *filter(None, [self._teller.sink])]
        sink = sinks[0] if len(sinks) == 1 else PlaintextFork(sinks)
        return Outlets(ContentFile() if needs_content else None, sink if sinks else None)

    def take(self, conversation: Conversation) -> Conversation:
        """A conversation that is over; what is to be kept of it for the analysis."""
        told = self._renamed(conversation)
        self._outputs.take(told)
        self._teller.take(told)
        return light(conversation)

    def finish(self, analysis: Analysis) -> None:
        """The end: files first, so that they are there whatever becomes of standard output."""
        told = self._renamed(analysis)
        self._outputs.write(told)
        self._teller.finish(told)

    def _news(self, conversation: Conversation) -> None:
        if self._teller.news is not None:
            self._teller.news(self._renamed(conversation))

    def _renamed(self, value: T) -> T:
        return value if self._anonymiser is None else self._anonymiser.renamed(value)


class WholeTeller:
    """Writes the report in one of the formats at the end: text in colour for a terminal, UTF-8 for everything else."""

    news = None

    def __init__(self, manner: Manner, form: str) -> None:
        self._painter = ColourPainter(sys.stdout) if form == "text" and _is_terminal() else None
        self._writer = TextWriter(manner, self._painter.width) if self._painter else writer_of(form, manner)

    @property
    def needs_content(self) -> bool:
        """See Writer."""
        return self._writer.needs_content

    @property
    def sink(self) -> PlaintextSink | None:
        """See Writer."""
        return self._writer.sink

    def take(self, conversation: Conversation) -> None:
        """See Teller."""
        self._writer.take(conversation)

    def finish(self, analysis: Analysis) -> None:
        """See Teller."""
        with standard_output():
            if self._painter is not None and isinstance(self._writer, TextWriter):
                self._writer.paint(analysis, self._painter)
            else:
                self._writer.finish(analysis, sys.stdout.buffer)


class LinesTeller:
    """JSON Lines as connections end."""

    news = None
    needs_content = False
    sink = None

    def __init__(self, manner: Manner) -> None:
        self._redactor, self._is_explained = manner.redactor, manner.is_explained

    def take(self, conversation: Conversation) -> None:
        """See Teller."""
        with standard_output():
            sys.stdout.buffer.write(connection_bytes(conversation, self._redactor) + b"\n")

    def finish(self, analysis: Analysis) -> None:
        """See Teller."""
        with standard_output():
            sys.stdout.buffer.write(summary_line(analysis, self._redactor, is_explained=self._is_explained))


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
            self._painter = painter = _live_painter()
            manner = self._manner
            self._text = LiveText(TextView(manner.redactor, painter.width, manner.is_verbose, manner.subjects))
        return self._text

    def _paint(self, lines: Iterable[Line]) -> None:
        with standard_output():
            for each in lines:
                if self._painter is not None:
                    self._painter.paint(each)


def light(conversation: Conversation) -> Conversation:
    """What summaries count of a conversation, and explanations look at: many of these are kept until the end."""
    tls = conversation.tls
    if tls is not None:
        tls = replace(tls, messages=(), alerts=(), client_certificates=(), offered_cipher_suites=(), secrets=())
    return replace(
        conversation, tls=tls, exchanges=(), notes=(), unverified=NOTHING_UNVERIFIED, tcp=None, dissection=()
    )


def _is_terminal() -> bool:
    with standard_output():
        return sys.stdout.isatty()


def _live_painter() -> Painter:
    """Colour for a terminal, UTF-8 for everything else."""
    if _is_terminal():
        return choose_painter(sys.stdout)
    plain = _Utf8(sys.stdout.buffer, "utf-8", errors="backslashreplace", newline="\n", write_through=True)
    return choose_painter(plain)


class _Utf8(io.TextIOWrapper):
    """Standard output stays open when this is forgotten."""

    def __del__(self) -> None:
        if not self.closed:
            self.detach()
