"""open_capture: a path, or standard input, becomes frames. Format and compression are told by the first bytes."""

from __future__ import annotations

import io
import os
import stat
import sys
import tempfile
from pathlib import Path
from typing import IO, TYPE_CHECKING, Protocol, Self, cast

from tlsdecrypt.capture import netmon, pcap, pcapng, snoop
from tlsdecrypt.capture.compression import Compression, Decompressed, compression_of
from tlsdecrypt.capture.ledger import Ledger
from tlsdecrypt.capture.netmon import NetmonReader
from tlsdecrypt.capture.pcap import PcapReader
from tlsdecrypt.capture.pcapng import PcapngReader, gathered_secrets
from tlsdecrypt.capture.recognise import what_it_is
from tlsdecrypt.capture.snoop import SnoopReader
from tlsdecrypt.capture.window import FileWindow, RawSource, StreamWindow
from tlsdecrypt.errors import CaptureError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tlsdecrypt.capture.frames import FrameBatch
    from tlsdecrypt.capture.window import Source, Window

HEAD_BYTES = 16  # enough to tell any format
MAX_TOLD_BYTES = 4_096  # of a file that is no capture, to tell what it is
WALK_BYTES = 256 << 10  # at once, where a walk looks only for secrets: they stay in the processor's cache


class Reader(Protocol):
    """A container format."""

    @property
    def format(self) -> str:
        """Its name, with its variant."""

    def batches(self) -> Iterator[FrameBatch]:
        """All frames, in order."""


class Capture:
    """One capture, open: iterate over it once.

    `notes` are sentences on what was cut or odd; `secrets` the TLS key logs inside, `names` what it calls addresses,
    `comments` what people wrote on a frame (or on the whole: None). They grow while frames are read; where
    `has_late_secrets` is False, the secrets are complete from the start. `size` is the length of the file in bytes,
    0 where it is a pipe.
    """

    def __init__(self, path: str, file: io.RawIOBase, first_number: int) -> None:
        """Take `file` over, which is open and unbuffered. Raises CaptureError where it is no capture."""
        self.path = path
        self.size = _size(file)
        self._file = file
        self._spool: IO[bytes] | None = None
        self._ledger = ledger = Ledger(first_number)
        self._raw = RawSource(file, ledger.note, is_pipe=not self.size)
        head = _head(self._raw)
        if not head:
            raise CaptureError(" ".join((f"{path}: there is nothing in it to read.", *ledger.notes)))
        compression = compression_of(head)
        self._window = self._open_window(head, compression)
        self._reader = self._open_reader()
        self.format = self._reader.format + (f", {compression.name}" if compression else "")
        self._batches = self._reader.batches()

    def _open_window(self, head: bytes, compression: Compression | None) -> FileWindow | StreamWindow:
        window: FileWindow | StreamWindow
        if compression:
            window = StreamWindow(self._decompressed(head, compression))
        elif self.size:
            window = FileWindow(self._file, self._ledger.note)
        else:
            window = StreamWindow(self._raw, head)
        window.advance(0, HEAD_BYTES)
        return window

    def _decompressed(self, head: bytes, compression: Compression) -> Decompressed:
        try:
            return Decompressed(compression, self._raw, head, self._ledger.note)
        except ImportError:
            name = compression.name
            raise CaptureError(
                f"{self.path}: it is compressed with {name}: install the package {name}, or decompress it first."
            ) from None

    def _open_reader(self) -> Reader:
        """The reader of the format whose magic stands at the start. Raises CaptureError where there is none."""
        data = self._window.data
        if data.startswith(pcapng.MAGIC):
            return self._open_pcapng()
        if data.startswith(pcap.MAGICS):
            return PcapReader(self._window, self._ledger)
        if data.startswith(snoop.MAGIC):
            return SnoopReader(self._window, self._ledger)
        if data.startswith(netmon.MAGICS):
            return NetmonReader(self._seekable(), self._ledger)
        if not data:
            raise CaptureError(" ".join((f"{self.path}: nothing could be decompressed.", *self._ledger.notes)))
        raise CaptureError(f"{self.path}: {what_it_is(data[:MAX_TOLD_BYTES], self.path)}.")

    def _open_pcapng(self) -> Reader:
        if isinstance(self._window, StreamWindow):
            return PcapngReader(self._window, self._ledger, with_secrets=True)
        walk = FileWindow(self._file, self._ledger.note, WALK_BYTES)
        walk.advance(0, 0)
        for key_log in gathered_secrets(walk):
            self._ledger.secret(key_log)
        return PcapngReader(self._window, self._ledger, with_secrets=False)

    def _seekable(self) -> Window:
        """The window, over a temporary file where the capture itself cannot go back."""
        if isinstance(self._window, FileWindow):
            return self._window
        self._spool = spool = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 -- it lives as long as the capture
        while data := self._window.data:
            try:
                spool.write(data)
            except OSError as error:
                raise CaptureError(f"{self.path}: it does not fit the folder for temporary files: {error}.") from None
            self._window.advance(len(data), 1)
        window = FileWindow(cast("io.RawIOBase", spool), self._ledger.note)
        window.advance(0, HEAD_BYTES)
        return window

    @property
    def has_late_secrets(self) -> bool:
        """Whether secrets may still turn up on the way: of a pcapng that is a pipe, or compressed."""
        return isinstance(self._reader, PcapngReader) and isinstance(self._window, StreamWindow)

    @property
    def frames(self) -> int:
        """How many frames were read so far."""
        return self._ledger.frames

    @property
    def position(self) -> int:
        """How many bytes of the file, as it is stored, were read so far."""
        return self._window.position if isinstance(self._window, FileWindow) else self._raw.position

    @property
    def notes(self) -> list[str]:
        """What was cut or odd: one sentence each."""
        return self._ledger.notes

    @property
    def secrets(self) -> list[bytes]:
        """Contents of the TLS key logs inside."""
        return self._ledger.secrets

    @property
    def names(self) -> dict[str, str]:
        """The names that the capture itself gives to addresses."""
        return self._ledger.names

    @property
    def comments(self) -> list[tuple[int | None, str]]:
        """Frame number, or None for the whole capture, and comment."""
        return self._ledger.comments

    def __iter__(self) -> Iterator[FrameBatch]:
        return self._batches

    def close(self) -> None:
        """Close the file; frames that were not read are lost."""
        self._file.close()
        if self._spool is not None:
            self._spool.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_capture(path: str | os.PathLike[str], *, first_number: int = 1) -> Capture:
    """The capture at `path`; `-` is standard input. Its first frame gets `first_number`.

    Raises CaptureError, one sentence, where there is no file that can be read, or it is no capture.
    """
    name = os.fspath(path)
    file = _standard_input() if name == "-" else _open(name)
    try:
        return Capture("standard input" if name == "-" else name, file, first_number)
    except BaseException:
        file.close()
        raise


def _open(path: str) -> io.RawIOBase:
    try:
        return io.FileIO(path)
    except IsADirectoryError:
        raise CaptureError(f"{path}: it is a folder; name the captures in it.") from None
    except FileNotFoundError:
        raise CaptureError(f"{path}: there is no such file.") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        if Path(path).is_dir():  # Windows calls it a lack of permission
            reason = "it is a folder; name the captures in it"
        raise CaptureError(f"{path}: it cannot be opened: {reason}.") from None


def _standard_input() -> io.RawIOBase:
    """Standard input without its buffer, which would wait until it is full."""
    try:
        return io.FileIO(sys.stdin.fileno(), closefd=False)
    except (OSError, ValueError, AttributeError):  # replaced, or closed
        if (buffer := getattr(sys.stdin, "buffer", None)) is None:
            raise CaptureError("standard input is closed: name a file.") from None
        return cast("io.RawIOBase", buffer)


def _size(file: io.RawIOBase) -> int:
    """The length of a regular file that stands at its start, in bytes; 0 for all else."""
    try:
        status = os.fstat(file.fileno())
        return status.st_size if stat.S_ISREG(status.st_mode) and not file.tell() else 0
    except OSError:
        return 0


def _head(source: Source) -> bytes:
    """The first bytes: enough to tell what it is, and whatever came with them."""
    head = b""
    while len(head) < HEAD_BYTES and (piece := source.read()):
        head += piece
    return head
