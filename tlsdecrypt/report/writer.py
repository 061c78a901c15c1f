"""Writer: makes one document of a run, fed with each connection as it ends, in memory that does not grow with them."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO, Protocol

from tlsdecrypt.report.choice import Choice
from tlsdecrypt.value import Value, field

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from tlsdecrypt.capture.frames import FrameBatch
    from tlsdecrypt.capture.series import Stretch
    from tlsdecrypt.conversation import Analysis, Conversation
    from tlsdecrypt.plaintext import PlaintextSink
    from tlsdecrypt.redact import Redactor
    from tlsdecrypt.redact.anonymiser import Anonymiser

ALL = Choice()


class Manner(Value, frozen=True):
    """How things are told: one redactor serves all documents of a run, so that pseudonyms agree.

    `subjects` names keys by their file and SPKI hash. `choice` is of the connections in outputs that hold secrets.
    `reopen` reads the same frames once more; `keeps_original` keeps those that were made anew.
    With an `anonymiser` all that writers are given has pseudonyms already; those that read captures need it themselves.
    Writers add to `notes` what whoever asked for the document should know.
    """

    redactor: Redactor
    is_verbose: bool = False
    is_explained: bool = False
    subjects: dict[tuple[str, str | None], str] = field(default_factory=dict)
    choice: Choice = ALL
    notes: list[str] = field(default_factory=list)
    keeps_original: bool = False
    anonymiser: Anonymiser | None = None
    reopen: Callable[[], Iterable[Stretch]] = tuple

    def frames_of(self, analysis: Analysis) -> Iterator[FrameBatch]:
        """The frames of the analysis, read once more: not those behind the point where a run was interrupted."""
        left = sum(each.tcp_frames + sum(each.other_frames.values()) for each in analysis.captures)
        for stretch in self.reopen():
            yield stretch.batch
            left -= len(stretch.batch)
            if left <= 0:
                return


class Writer(Protocol):
    """One document in the making.

    What `take` renders it masks and spools (see spool.py), since a run may end millions of connections: a writer keeps
    no conversation. Its constructor takes a Manner; `outputs.py` knows the writers by their formats.
    """

    @property
    def needs_content(self) -> bool:
        """Whether it reads the contents of messages (`app.kept_content.content_of`), which are kept for that only."""

    @property
    def sink(self) -> PlaintextSink | None:
        """What hears all that was said, for those who need more than exchanges: it has to spool it, too."""

    def take(self, conversation: Conversation) -> None:
        """A connection that is over, whole; they come in the order in which they end, not of their ids."""

    def finish(self, analysis: Analysis, stream: BinaryIO) -> None:
        """Write the document. The conversations of `analysis` are light: who, when and which TLS (`tellers.light`)."""
