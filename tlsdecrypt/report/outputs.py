"""Where reports go: standard output, and files that are either whole or not there."""

from __future__ import annotations

import io
import os
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from tlsdecrypt.errors import InputError
from tlsdecrypt.report.document import connection_line, document_pieces, summary_line
from tlsdecrypt.report.painter import PlainPainter
from tlsdecrypt.report.text import explained_lines, paint_lines, paint_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tlsdecrypt.conversation import Analysis
    from tlsdecrypt.redact import Redactor
    from tlsdecrypt.report.painter import Painter

FORMATS = {".txt": "text", ".json": "json", ".jsonl": "jsonl"}  # what a file's suffix asks for


@dataclass(frozen=True, slots=True)
class Report:
    """An analysis, and how it is to be told. One redactor serves all outputs, so that pseudonyms agree."""

    analysis: Analysis
    redactor: Redactor
    is_verbose: bool = False
    is_explained: bool = False

    def paint(self, painter: Painter) -> None:
        """Tell it as text."""
        if self.is_explained:
            paint_lines(explained_lines(self.analysis, self.redactor, painter.width), painter)
            return
        paint_text(self.analysis, self.redactor, painter, is_verbose=self.is_verbose)

    def write(self, form: str, stream: BinaryIO) -> None:
        """Write it in one of the `FORMATS`; text is plain and UTF-8."""
        if form == "text":
            text = io.TextIOWrapper(stream, "utf-8", errors="backslashreplace", newline="\n", write_through=True)
            try:
                self.paint(PlainPainter(text))
            finally:
                text.detach()  # the stream is the caller's to close
            return
        stream.writelines(self._pieces(form))

    def _pieces(self, form: str) -> Iterator[bytes]:
        if form == "json":
            yield from document_pieces(self.analysis, self.redactor, is_explained=self.is_explained)
            return
        for conversation in self.analysis.conversations:
            yield connection_line(conversation, self.redactor)
        yield summary_line(self.analysis, self.redactor, is_explained=self.is_explained)


@dataclass(frozen=True, slots=True)
class OutputFile:
    """A file that will be written, in the format that its suffix asks for."""

    path: Path
    form: str

    def write(self, report: Report) -> None:
        """Write it whole, or raise `InputError` and leave nothing behind."""
        try:
            with _written_beside(self.path) as stream:
                report.write(self.form, stream)
        except OSError as fault:
            raise InputError(f"{self.path} cannot be written: {fault.strerror or fault}") from fault


def output_files(names: Sequence[str], inputs: Sequence[str], *, may_overwrite: bool) -> list[OutputFile]:
    """The files to write, each checked before any work is done: `InputError` in one sentence."""
    paths = [Path(name) for name in names]
    for path in paths:
        _check_place(path, may_overwrite=may_overwrite)
        if path.exists() and any(_is_in(path, Path(each)) for each in inputs):
            raise InputError(f"{path} is an input of this run: it will not be overwritten")
    resolved = [path.resolve() for path in paths]
    for path, place in zip(paths, resolved, strict=True):
        if resolved.count(place) > 1:
            raise InputError(f"{path} is given twice as an output")
    return [OutputFile(path, FORMATS[path.suffix.lower()]) for path in paths]


def _check_place(path: Path, *, may_overwrite: bool) -> None:
    if path.suffix.lower() not in FORMATS:
        known = ", ".join(FORMATS)
        raise InputError(f"{path} has no suffix that names a format: the formats are {known}")
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
def _written_beside(path: Path) -> Iterator[BinaryIO]:
    """A stream into a file beside `path`, which takes its place at the end; after a fault nothing is left."""
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with beside.open("xb") as stream:
            yield stream
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
