"""Where documents go: files that are either whole or not there, each in the format that its suffix asks for."""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from tlsdecrypt.errors import InputError
from tlsdecrypt.value import Value, replace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tlsdecrypt.conversation import Analysis, Conversation
    from tlsdecrypt.flow import Direction, Span
    from tlsdecrypt.plaintext import Place, PlaintextSink
    from tlsdecrypt.report.object_folder import ObjectFolder
    from tlsdecrypt.report.writer import Manner, Writer

# What a file's suffix asks for.
FORMATS = {
    ".txt": "text",
    ".json": "json",
    ".jsonl": "jsonl",
    ".har": "har",
    ".saz": "saz",
    ".keylog": "keylog",
    ".pcapng": "pcapng",
    ".pcap": "pcap",
    ".dsb.pcapng": "dsb",
    ".html": "html",
}

# Module (beginning with a dot: beside this package) and class of each format's Writer, loaded only where it is wanted.
_WRITERS = {
    "text": ("text_writer", "TextWriter"),
    "json": ("json_writer", "JsonWriter"),
    "jsonl": ("json_writer", "JsonLinesWriter"),
    "har": ("har_writer", "HarWriter"),
    "saz": ("saz_writer", "SazWriter"),
    "keylog": ("keylog_writer", "KeyLogWriter"),
    "pcapng": (".recapture.decrypted_writer", "PcapngWriter"),
    "pcap": (".recapture.decrypted_writer", "PcapWriter"),
    "dsb": (".recapture.secrets_writer", "SecretsWriter"),
    "html": ("html_writer", "HtmlWriter"),
}

DECRYPTED_FORMATS = frozenset({"pcapng", "pcap"})
CAPTURE_FORMATS = DECRYPTED_FORMATS | {"dsb"}
SECRET_FORMATS = frozenset({"keylog", "dsb"})  # they hold what opens sessions: nobody else may read such a file


def writer_of(form: str, manner: Manner) -> Writer:
    """A new Writer of one of the `FORMATS`, whose redactor counts what this document masks."""
    manner = replace(manner, redactor=manner.redactor.for_document())
    module, name = _WRITERS[form]
    return cast("Writer", getattr(import_module(f".{module}", __package__), name)(manner))


class OutputFile(Value, frozen=True):
    """A file that will be written, in the format that its suffix asks for."""

    path: Path
    form: str

    @property
    def reads_again(self) -> bool:
        """Whether it is made of the captures themselves, which are read once more for it."""
        return self.form in CAPTURE_FORMATS

    @property
    def is_secret(self) -> bool:
        """Whether it opens sessions to whoever has it."""
        return self.form in SECRET_FORMATS

    @property
    def is_decrypted_capture(self) -> bool:
        """Whether it holds frames that are made anew."""
        return self.form in DECRYPTED_FORMATS

    @property
    def is_chosen_from(self) -> bool:
        """Whether it holds only the connections that are chosen (see Choice)."""
        return self.is_secret or self.reads_again

    def write(self, writer: Writer, analysis: Analysis) -> None:
        """Write it whole, or raise `InputError` and leave nothing behind."""
        try:
            with _written_beside(self.path, is_secret=self.is_secret) as stream:
                writer.finish(analysis, stream)
        except OSError as fault:
            raise InputError(f"{self.path} cannot be written: {fault.strerror or fault}") from fault
        except InputError as fault:  # of a temporary file, or of captures that cannot be read again
            raise InputError(f"{self.path} cannot be written: {fault}") from fault


class _Attempt:
    """One output in the making. What goes wrong with it is kept, and costs no other output anything."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.fault: Exception | None = None

    def do(self, work: Callable[..., None], *what: object) -> None:
        """The next step; nothing where an earlier one failed."""
        if self.fault is None:
            try:
                work(*what)
            except Exception as fault:  # noqa: BLE001 - the other outputs come first, it is told or raised behind them
                self.fault = fault

    @property
    def failure(self) -> str | None:
        """What is to be told of it; None where all is well, and for faults of the program."""
        if not isinstance(self.fault, (InputError, OSError)):
            return None
        what = (isinstance(self.fault, OSError) and self.fault.strerror) or str(self.fault)
        return what if str(self._path) in what else f"{self._path} cannot be written: {what}"


class _GuardedSink:
    """A sink whose faults are those of one output."""

    def __init__(self, sink: PlaintextSink, attempt: _Attempt) -> None:
        self._said, self._missed, self._do = sink.said, sink.missed, attempt.do

    def said(self, place: Place, direction: Direction, data: bytes, span: Span) -> None:
        """See PlaintextSink."""
        self._do(self._said, place, direction, data, span)

    def missed(self, place: Place, direction: Direction, length: int | None, span: Span) -> None:
        """See PlaintextSink."""
        self._do(self._missed, place, direction, length, span)


class Outputs:
    """The files of one run, and their writers; `folder` takes contents as files of their own."""

    def __init__(self, files: Sequence[OutputFile], manner: Manner, folder: ObjectFolder | None = None) -> None:
        self._choice, self._notes = manner.choice, manner.notes
        self._files = [(each, writer_of(each.form, manner), _Attempt(each.path)) for each in files]
        self._folder = None if folder is None else (folder, _Attempt(folder.path))
        self.on_file: Callable[[str | None], None] = _ignore
        """Told the name of each file before it is written, and None at the end."""

    @property
    def is_empty(self) -> bool:
        """Whether nothing is to be written."""
        return not self._attempts

    @property
    def needs_content(self) -> bool:
        """Whether a writer reads the contents of messages."""
        return self._folder is not None or any(writer.needs_content for _, writer, _ in self._files)

    @property
    def sinks(self) -> list[PlaintextSink]:
        """Those that hear what was said."""
        return [_GuardedSink(writer.sink, attempt) for _, writer, attempt in self._files if writer.sink is not None]

    def take(self, conversation: Conversation) -> None:
        """A connection that is over."""
        for _, writer, attempt in self._files:
            attempt.do(writer.take, conversation)
        if self._folder is not None:
            folder, attempt = self._folder
            attempt.do(folder.take, conversation)

    def write(self, analysis: Analysis) -> None:
        """Write all files, but for those of which nothing is chosen. Nothing is raised: see `failures`."""
        refusal = self._choice.refusal(analysis)
        if refusal is None and any(each.is_chosen_from for each, _, _ in self._files):
            self._notes += self._choice.notes(analysis)
        for output, writer, attempt in self._files:
            if refusal is not None and output.is_chosen_from:
                attempt.do(_refuse, f"{output.path} is not written: {refusal}")
            self.on_file(output.path.name)
            attempt.do(output.write, writer, analysis)
        self.on_file(None)
        if self._folder is not None:
            folder, attempt = self._folder
            attempt.do(folder.finish, analysis)

    @property
    def failures(self) -> list[str]:
        """A sentence for each output that is not there."""
        return [each.failure for each in self._attempts if each.failure is not None]

    def raise_fault(self) -> None:
        """Raise what went wrong in the program itself, if anything did."""
        for each in self._attempts:
            if each.fault is not None and each.failure is None:
                raise each.fault

    @property
    def _attempts(self) -> list[_Attempt]:
        attempts = [attempt for _, _, attempt in self._files]
        return attempts if self._folder is None else [*attempts, self._folder[1]]


def _ignore(_name: str | None) -> None:
    pass


def _refuse(why: str) -> None:
    raise InputError(why)


def output_files(names: Sequence[str], inputs: Sequence[str], *, may_overwrite: bool) -> list[OutputFile]:
    """The files to write, each checked before any work is done: `InputError` in one sentence."""
    paths = [Path(name) for name in names]
    forms = [_form_of(path) for path in paths]
    for path in paths:
        _check_place(path, may_overwrite=may_overwrite)
        if path.exists() and any(_is_in(path, Path(each)) for each in inputs):
            raise InputError(f"{path} is an input of this run: it will not be overwritten")
    resolved = [path.resolve() for path in paths]
    for path, place in zip(paths, resolved, strict=True):
        if resolved.count(place) > 1:
            raise InputError(f"{path} is given twice as an output")
    return [OutputFile(path, form) for path, form in zip(paths, forms, strict=True)]


def _form_of(path: Path) -> str:
    """The format that the longest suffix of its name asks for."""
    name = path.name.lower().lstrip(".")
    for suffix in sorted(FORMATS, key=len, reverse=True):
        if name.endswith(suffix):
            return FORMATS[suffix]
    raise InputError(f"{path} has no suffix that names a format: the formats are {', '.join(FORMATS)}")


def _check_place(path: Path, *, may_overwrite: bool) -> None:
    if path.is_dir():
        raise InputError(f"{path} is a folder: name a file in it")
    if path.exists() and not may_overwrite:
        raise InputError(f"{path} exists: choose another name, or give --force to overwrite it")
    if not path.parent.is_dir():
        raise InputError(f"{path} cannot be written: there is no folder {path.parent}")
    if not os.access(path.parent, os.W_OK):
        raise InputError(f"{path} cannot be written: the folder {path.parent} may not be written to")


def _is_in(path: Path, read: Path) -> bool:
    """Whether a file that exists is the one that is read, or stands somewhere in the folder that is read."""
    with suppress(OSError):
        return path.samefile(read) or (read.is_dir() and path.resolve().is_relative_to(read.resolve()))
    return False


@contextmanager
def _written_beside(path: Path, *, is_secret: bool) -> Iterator[BinaryIO]:
    """A stream into a file beside `path`, which takes its place at the end; after a fault nothing is left."""
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with open(beside, "xb", opener=_opened_for_one if is_secret else None) as stream:
            yield stream
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def _opened_for_one(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
