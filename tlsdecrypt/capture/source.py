"""Capture: an open file or pipe becomes frames. Format and compression are told by the first bytes."""

from __future__ import annotations

import os
import stat
from typing import IO, TYPE_CHECKING, Protocol, Self, cast

from tlsdecrypt.capture import netmon, pcap, pcapng, snoop
from tlsdecrypt.capture.compression import Compression, Decompressed, compression_of
from tlsdecrypt.capture.etl import EtlReader
from tlsdecrypt.capture.etw import MAGIC_BYTES, is_trace
from tlsdecrypt.capture.frames import BATCH_BYTES
from tlsdecrypt.capture.ledger import Ledger
from tlsdecrypt.capture.netmon import NetmonReader
from tlsdecrypt.capture.pcap import PcapReader
from tlsdecrypt.capture.pcapng import PcapngReader, gathered_secrets
from tlsdecrypt.capture.recognise import what_it_is
from tlsdecrypt.capture.snoop import SnoopReader
from tlsdecrypt.capture.window import FileWindow, RawSource, StreamWindow
from tlsdecrypt.errors import CaptureError
from tlsdecrypt.value import Value, field

if TYPE_CHECKING:
    import io
    from collections import Counter
    from collections.abc import Iterator

    from tlsdecrypt.capture.frames import FrameBatch
    from tlsdecrypt.capture.ledger import Process
    from tlsdecrypt.capture.window import Source, Window

HEAD_BYTES = 16  # enough to tell any format but one; a pipe may hold no more for a long time
GLANCE_BYTES = 64 << 10  # what is read of a capture to learn when it begins
MAX_TOLD_BYTES = 4_096  # of a file that is no capture, to tell what it is
WALK_BYTES = 256 << 10  # at once, where a walk looks only for secrets: they stay in the processor's cache
TRACE_BYTES = 1 << 20  # at once, of an event trace, which is read here and there
LEAST_RECORD_BYTES = 8  # the shortest record of any format: no file holds more frames than its size allows
MAX_STREAM_FRAMES = 1 << 32  # what a pipe or a compressed file is taken to hold at most
MAGICS = (pcapng.MAGIC, *pcap.MAGICS, snoop.MAGIC, *netmon.MAGICS)  # of all formats but event traces, which have none


class Reader(Protocol):
    """A container format."""

    @property
    def format(self) -> str:
        """Its name, with its variant."""

    def batches(self) -> Iterator[FrameBatch]:
        """All frames, in order."""


class Opened(Value, frozen=True):
    """Where a capture is read from.

    `size` is the length of the file in bytes (0: not known). `can_seek` says that `file` stands at the start of a file
    that can go back, `is_pipe` that it may keep its reader waiting. `remarks` are sentences to tell with the notes of
    the capture; they may grow while `file` is read.
    """

    name: str
    file: io.RawIOBase
    size: int = 0
    can_seek: bool = False
    is_pipe: bool = False
    remarks: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, name: str, file: io.RawIOBase) -> Opened:
        """What the system says of `file`."""
        try:
            status = os.fstat(file.fileno())
            is_regular = stat.S_ISREG(status.st_mode)
            can_seek = is_regular and status.st_size > 0 and not file.tell()
            return cls(name, file, status.st_size if can_seek else 0, can_seek, not is_regular)
        except OSError:  # no file of the system
            return cls(name, file)


class Capture:
    """One capture, open: iterate over it once.

    `notes` are sentences on what was cut or odd; `secrets` the TLS key logs inside, which only formats hold where
    `may_hold_secrets` says so; `names` what it calls addresses; `processes` who held which connection; `comments` what
    people wrote on a frame (or on the whole: None). They grow while frames are read; where `has_late_secrets` is False,
    the secrets are complete from the start. Of the `frames` so far, `doubled` were dropped, and `other_frames` counts
    those that hold no traffic.
    """

    def __init__(
        self, opened: Opened, *, first_number: int = 1, batch_bytes: int = BATCH_BYTES, is_glance: bool = False
    ) -> None:
        """Take `opened` over. Its first frame gets `first_number`; about `batch_bytes` are in memory at once.

        A glance leaves out what is only worth its time where all frames are read. Raises CaptureError, one sentence,
        where it is no capture.
        """
        self.path = opened.name
        self.size = opened.size
        self.can_seek = opened.can_seek
        self.is_pipe = opened.is_pipe
        self._file = opened.file
        self._remarks = opened.remarks
        self._batch_bytes = batch_bytes
        self._is_glance = is_glance
        self._spool: IO[bytes] | None = None
        self._ledger = ledger = Ledger(first_number)
        self._raw = RawSource(opened.file, ledger.note, is_pipe=opened.is_pipe)
        head = read_head(self._raw)
        if not head:
            raise CaptureError(" ".join((f"{self.path}: there is nothing in it to read.", *ledger.notes)))
        compression = compression_of(head)
        self._window = self._open_window(head, compression)
        reader = self._open_reader()
        self.format = reader.format + (f", {compression.name}" if compression else "")
        self.may_hold_secrets = isinstance(reader, PcapngReader)
        self._batches = reader.batches()

    def _open_window(self, head: bytes, compression: Compression | None) -> FileWindow | StreamWindow:
        window: FileWindow | StreamWindow
        if compression:
            window = StreamWindow(self._decompressed(head, compression), size=self._batch_bytes)
        elif self.can_seek:
            window = FileWindow(self._file, self._ledger.note, self._batch_bytes)
        else:
            window = StreamWindow(self._raw, head, self._batch_bytes)
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
            return NetmonReader(self._seekable(self._batch_bytes), self._ledger)
        if len(data) < MAGIC_BYTES:
            self._window.advance(0, MAGIC_BYTES)
            data = self._window.data
        if is_trace(data):
            return EtlReader(self._seekable(TRACE_BYTES), self._ledger)
        if not data:
            raise CaptureError(" ".join((f"{self.path}: nothing could be decompressed.", *self._ledger.notes)))
        raise CaptureError(f"{self.path}: {what_it_is(data[:MAX_TOLD_BYTES], self.path)}.")

    def _open_pcapng(self) -> Reader:
        if isinstance(self._window, StreamWindow):
            return PcapngReader(self._window, self._ledger, with_secrets=True)
        if not self._is_glance:
            walk = FileWindow(self._file, self._ledger.note, WALK_BYTES)
            walk.advance(0, 0)
            for key_log in gathered_secrets(walk):
                self._ledger.secret(key_log)
        return PcapngReader(self._window, self._ledger, with_secrets=False)

    def _seekable(self, size: int) -> Window:
        """A window over the file, or over a temporary one where the capture itself cannot go back."""
        if isinstance(self._window, FileWindow):
            self._window = FileWindow(self._file, self._ledger.note, size)
            self._window.advance(0, HEAD_BYTES)
            return self._window
        import tempfile  # noqa: PLC0415 -- start-up time of all other captures

        self._spool = spool = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 -- it lives as long as the capture
        while data := self._window.data:
            try:
                spool.write(data)
            except OSError as error:
                raise CaptureError(f"{self.path}: it does not fit the folder for temporary files: {error}.") from None
            self._window.advance(len(data), 1)
        window = FileWindow(cast("io.RawIOBase", spool), self._ledger.note, size)
        window.advance(0, HEAD_BYTES)
        return window

    @property
    def has_late_secrets(self) -> bool:
        """Whether secrets may still turn up on the way: of a pcapng that is a pipe, or compressed."""
        return self.may_hold_secrets and isinstance(self._window, StreamWindow)

    @property
    def is_at_end(self) -> bool:
        """Whether nothing more will come than what is in memory."""
        return self._window.is_last

    @property
    def first_frame(self) -> int:
        """The number of its first frame in this run: frame `n` of the file is `first_frame + n - 1`."""
        return self._ledger.first_number

    @property
    def most_frames(self) -> int:
        """More than it can hold."""
        is_plain = isinstance(self._window, FileWindow) and self.size
        return self.size // LEAST_RECORD_BYTES + 1 if is_plain else MAX_STREAM_FRAMES

    @property
    def frames(self) -> int:
        """How many frames were read so far."""
        return self._ledger.frames

    @property
    def doubled(self) -> int:
        """How many of them were dropped, because the same frame had come already."""
        return self._ledger.doubled

    def drop(self, count: int) -> None:
        """Count frames that another capture had given already."""
        self._ledger.doubled += count

    @property
    def other_frames(self) -> Counter[str]:
        """How many of them hold no traffic, by a word."""
        return self._ledger.other_frames

    @property
    def position(self) -> int:
        """How many bytes of the file, as it is stored, were read so far."""
        return self._window.position if isinstance(self._window, FileWindow) else self._raw.position

    @property
    def notes(self) -> list[str]:
        """What was cut or odd: one sentence each."""
        return [*self._ledger.notes, *self._remarks]

    @property
    def secrets(self) -> list[bytes]:
        """Contents of the TLS key logs inside."""
        return self._ledger.secrets

    @property
    def names(self) -> dict[str, str]:
        """The names that the capture itself gives to addresses."""
        return self._ledger.names

    @property
    def processes(self) -> list[Process]:
        """Who held an end of which connection, on the machine that captured."""
        return self._ledger.processes

    @property
    def comments(self) -> list[tuple[int | None, str]]:
        """Frame number, or None for the whole capture, and comment."""
        return self._ledger.comments

    def __iter__(self) -> Iterator[FrameBatch]:
        return self._batches

    def close(self) -> None:
        """Close the file; frames that were not read are lost. What is told of it stays, its bytes do not."""
        self._batches = iter(())
        self._window.release()
        self._file.close()
        if self._spool is not None:
            self._spool.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def read_head(source: Source, length: int = HEAD_BYTES) -> bytes:
    """The first bytes, `length` of them where there are so many, and whatever came with them."""
    head = b""
    while len(head) < length and (piece := source.read()):
        head += piece
    return head


def is_capture(source: Source) -> bool:
    """Whether a file begins as captures do, compressed or not."""
    head = read_head(source, MAGIC_BYTES)
    compression = compression_of(head)
    if compression:
        try:
            head = read_head(Decompressed(compression, source, head, lambda _: None), MAGIC_BYTES)
        except ImportError:
            return True  # the remedy is told when it is opened
    return head.startswith(MAGICS) or is_trace(head)
