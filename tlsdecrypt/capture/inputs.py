"""Inputs: what was named as captures (files, folders, zip archives, standard input) becomes single captures to open."""

from __future__ import annotations

import io
import os
import stat
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeAlias, cast

from tlsdecrypt.capture.copying import CopyingFile
from tlsdecrypt.capture.source import GLANCE_BYTES, Capture, Opened, is_capture
from tlsdecrypt.capture.window import RawSource
from tlsdecrypt.errors import CaptureError
from tlsdecrypt.value import Value, replace

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from zipfile import ZipFile

STANDARD_INPUT = "-"
ARCHIVE_MAGICS = (b"PK\x03\x04", b"PK\x05\x06")
MAX_FILES = 100_000  # in one folder and those below it
MAX_NAMED = 5  # files that are no captures, of one folder or archive, that are named


class CaptureInput(Protocol):
    """A capture that can be opened."""

    @property
    def name(self) -> str:
        """What it is called in reports."""

    @property
    def can_reopen(self) -> bool:
        """Whether it may be looked into before it is read: a pipe gives its bytes once."""

    def open(self) -> Opened:
        """Raises CaptureError, one sentence."""


Named: TypeAlias = str | os.PathLike[str] | CaptureInput


class Glance(NamedTuple):
    """When the first frame was captured (0: there is none, or a pipe cannot be asked), and the length of the file."""

    first_time_ns: int = 0
    size: int = 0
    may_hold_secrets: bool = False


class FileInput(Value, frozen=True):
    """A file, or a pipe that has a name."""

    name: str

    @property
    def can_reopen(self) -> bool:
        """Only a file gives the same bytes again."""
        return _is_regular(self.name)

    def open(self) -> Opened:
        """See CaptureInput."""
        return Opened.of(self.name, _open(self.name))


class StandardInput(Value, frozen=True):
    """What is piped into the program, and where a copy of it goes, if one is wanted."""

    name: str = "standard input"
    can_reopen: bool = False
    copy_to: Path | None = None

    def open(self) -> Opened:
        """Standard input without its buffer, which would wait until it is full."""
        raw = self._raw()
        if self.copy_to is None:
            return raw
        file = CopyingFile(raw.file, self.copy_to, raw.remarks)
        return replace(raw, file=file, can_seek=False)

    def _raw(self) -> Opened:
        try:
            return Opened.of(self.name, io.FileIO(sys.stdin.fileno(), closefd=False))
        except (OSError, ValueError, AttributeError):  # replaced, or closed
            if (buffer := getattr(sys.stdin, "buffer", None)) is None:
                raise CaptureError("standard input is closed: name a file.") from None
            return Opened.of(self.name, cast("io.RawIOBase", buffer))


@dataclass(slots=True)
class Gathered:
    """The captures that were found, and, in a sentence each, what could not be read and what was passed over."""

    inputs: list[CaptureInput] = field(default_factory=list)
    errors: list[CaptureError] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    archives: list[ZipFile] = field(default_factory=list)

    def close(self) -> None:
        """Close the archives: what is in them cannot be opened any more."""
        for each in self.archives:
            each.close()


def gather(named: Iterable[Named]) -> Gathered:
    """All captures that are named: archives and folders stand for the captures in them."""
    gathered = Gathered()
    for each in named:
        if isinstance(each, (str, os.PathLike)):
            _gather_path(os.fspath(each), gathered)
        else:
            gathered.inputs.append(each)
    return gathered


def _gather_path(path: str, gathered: Gathered) -> None:
    if path == STANDARD_INPUT:
        gathered.inputs.append(StandardInput())
    elif Path(path).is_dir():
        _gather_folder(path, gathered)
    elif _is_regular(path) and _is_archive(path):
        _gather_archive(path, gathered)
    else:
        gathered.inputs.append(FileInput(path))


def _gather_folder(path: str, gathered: Gathered) -> None:
    """Every capture in a folder and below it, sorted by name."""
    count, passed_over = len(gathered.inputs), []
    for number, file in enumerate(_files(path)):
        if number >= MAX_FILES:
            gathered.notes.append(f"{path}: only its first {MAX_FILES:,} files were looked at.")
            break
        try:
            with _open(file) as opened:
                is_one = is_capture(RawSource(opened, lambda _: None, is_pipe=False))
            if is_one:
                gathered.inputs.append(FileInput(file))
            elif _is_archive(file):
                _gather_archive(file, gathered)
            else:
                passed_over.append(file)
        except CaptureError as error:
            gathered.errors.append(error)
    gathered.notes += _sentences(path, passed_over)
    if len(gathered.inputs) == count:
        gathered.errors.append(CaptureError(f"{path}: there is no capture in this folder."))


def _files(folder: str) -> Iterator[str]:
    """Regular files; links to folders are not followed, for they may lead round in circles."""
    for where, folders, names in os.walk(folder):
        folders.sort()
        yield from (path for name in sorted(names) if _is_regular(path := str(Path(where, name))))


def _gather_archive(path: str, gathered: Gathered) -> None:
    """Every capture in a zip archive, sorted by name."""
    from tlsdecrypt.capture import archive  # noqa: PLC0415 -- start-up time of runs without an archive

    try:
        members = archive.members(path)
    except CaptureError as error:
        gathered.errors.append(error)
        return
    gathered.archives.append(members.archive)
    gathered.inputs += members.captures
    gathered.errors += [CaptureError(f"{path}: {sentence}") for sentence in members.faults]
    gathered.notes += _sentences(path, members.others)
    if not members.captures and not members.faults:
        gathered.errors.append(CaptureError(f"{path}: there is no capture in this archive."))


def _sentences(where: str, passed_over: list[str]) -> list[str]:
    """What was no capture: counted and named once."""
    if not passed_over:
        return []
    count = len(passed_over)
    names = ", ".join(name.removeprefix(where).lstrip("/\\") for name in passed_over[:MAX_NAMED])
    more = f" and {count - MAX_NAMED:,} more" if count > MAX_NAMED else ""
    what = "a file that is no capture was" if count == 1 else f"{count:,} files that are no captures were"
    return [f"{where}: {what} passed over: {names}{more}."]


def _is_regular(path: str) -> bool:
    try:
        return stat.S_ISREG(os.stat(path).st_mode)  # noqa: PTH116 -- of a link, what it leads to; a path may be no Path
    except (OSError, ValueError):
        return False


def _is_archive(path: str) -> bool:
    with _open(path) as file:
        return RawSource(file, lambda _: None, is_pipe=False).read().startswith(ARCHIVE_MAGICS)


def _open(path: str) -> io.RawIOBase:
    try:
        return io.FileIO(path)
    except IsADirectoryError:
        raise CaptureError(f"{path}: it is a folder; name the captures in it.") from None
    except FileNotFoundError:
        raise CaptureError(f"{path}: there is no such file.") from None
    except (OSError, ValueError) as error:
        raise CaptureError(f"{path}: it cannot be opened: {getattr(error, 'strerror', None) or error}.") from None


def open_capture(path: str | os.PathLike[str], *, first_number: int = 1) -> Capture:
    """The capture at `path`; `-` is standard input. Its first frame gets `first_number`.

    Raises CaptureError, one sentence, where there is no file that can be read, or it is no capture.
    """
    name = os.fspath(path)
    return opened(StandardInput() if name == STANDARD_INPUT else FileInput(name), first_number=first_number)


def opened(capture: CaptureInput, *, first_number: int = 1, batch_bytes: int | None = None) -> Capture:
    """The capture, open. Raises CaptureError, one sentence."""
    raw = capture.open()
    try:
        if batch_bytes is None:
            return Capture(raw, first_number=first_number)
        return Capture(raw, first_number=first_number, batch_bytes=batch_bytes)
    except BaseException:
        raw.file.close()
        raise


def glance_at(capture: CaptureInput) -> Glance:
    """What the start of a capture tells. Raises CaptureError, one sentence."""
    raw = capture.open()
    with raw.file, Capture(raw, batch_bytes=GLANCE_BYTES, is_glance=True) as glance:
        first = next((int(batch.time_ns[0]) for batch in glance if len(batch)), 0)
        return Glance(first, raw.size, glance.may_hold_secrets)
