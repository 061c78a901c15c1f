"""Tellers: they hear of each conversation as it ends, and of the analysis at last, and tell standard output."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Protocol, TypeVar

from tlsdecrypt.conversation import NOTHING_UNVERIFIED, PlaintextDigest, StreamFacts
from tlsdecrypt.errors import InputError
from tlsdecrypt.plaintext import Outlets, PlaintextFork
from tlsdecrypt.report.document import connection_bytes, summary_line
from tlsdecrypt.report.outputs import writer_of
from tlsdecrypt.report.painter import ColourPainter
from tlsdecrypt.report.standard_output import standard_output
from tlsdecrypt.value import once, replace

if TYPE_CHECKING:
    from collections.abc import Callable

    from tlsdecrypt.conversation import Analysis, Conversation
    from tlsdecrypt.plaintext import PlaintextSink
    from tlsdecrypt.redact.anonymiser import Anonymiser
    from tlsdecrypt.report.outputs import Outputs
    from tlsdecrypt.report.text_writer import TextWriter
    from tlsdecrypt.report.writer import Manner


T = TypeVar("T")

_NO_STREAMS = StreamFacts(), StreamFacts()
_NO_LIMITS = None, None
_NO_DATA = PlaintextDigest(0, None), PlaintextDigest(0, None)


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
        # Of the teller, while there are files to be written all the same: it has no room, or its reader went away.
        self._fault: InputError | BrokenPipeError | None = None
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
        self._tell(self._teller.take, told)
        return light(conversation)

    def _tell(self, tell: Callable[[Conversation], None], told: Conversation) -> None:
        if self._fault is None:
            try:
                tell(told)
            except (InputError, BrokenPipeError) as fault:
                if self._outputs.is_empty:
                    raise
                self._fault = fault

    def finish(self, analysis: Analysis) -> None:
        """The end: files first, so that they are there whatever becomes of standard output."""
        told = self._renamed(analysis)
        self._outputs.write(told)
        if self._fault is not None:
            raise self._fault
        self._teller.finish(told)
        self._outputs.raise_fault()

    def _news(self, conversation: Conversation) -> None:
        if self._teller.news is not None:
            self._tell(self._teller.news, self._renamed(conversation))

    def _renamed(self, value: T) -> T:
        return value if self._anonymiser is None else self._anonymiser.renamed(value)


class WholeTeller:
    """Writes the report in one of the formats at the end: text in colour for a terminal, UTF-8 for everything else."""

    news = None

    def __init__(self, manner: Manner, form: str) -> None:
        self._painted: tuple[TextWriter, ColourPainter] | None = None
        self._writer = self._painting(manner) if form == "text" and is_terminal() else writer_of(form, manner)

    def _painting(self, manner: Manner) -> TextWriter:
        from tlsdecrypt.report.text_writer import TextWriter  # noqa: PLC0415 - start-up time of other forms

        painter = ColourPainter(sys.stdout)
        writer = TextWriter(manner, painter.width)
        self._painted = writer, painter
        return writer

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
            if self._painted is not None:
                writer, painter = self._painted
                writer.paint(analysis, painter)
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


def light(conversation: Conversation) -> Conversation:
    """What summaries count of a conversation, and explanations look at: many of these are kept until the end.

    What is the same in many of them is kept once.
    """
    tls = conversation.tls
    if tls is not None:
        tls = replace(
            tls.settled(),
            messages=(),
            alerts=(),
            client_hello_span=None,
            record_size_limits=_NO_LIMITS,
            client_certificates=(),
            offered_cipher_suites=(),
        )
    return replace(
        conversation,
        server=once(conversation.server),
        streams=_NO_STREAMS,
        tls=tls,
        application_data=_NO_DATA,
        exchanges=(),
        notes=(),
        unverified=NOTHING_UNVERIFIED,
        tcp=None,
        dissection=(),
    )


def is_terminal() -> bool:
    """Whether standard output is a terminal."""
    with standard_output():
        return sys.stdout.isatty()
