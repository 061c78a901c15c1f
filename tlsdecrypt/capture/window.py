"""Window: the stretch of a capture that is in memory now. Records are read in place, then it moves on."""

from __future__ import annotations

import os
import select
import time
from contextlib import suppress
from threading import Thread
from typing import TYPE_CHECKING, Protocol

from tlsdecrypt.capture.frames import BATCH_BYTES

if TYPE_CHECKING:
    import io
    from collections.abc import Callable

PIECE_BYTES = 256 << 10  # what is asked of a pipe or a compressed file at once
PATIENCE_S = 0.1  # how long frames of a live pipe may wait for company


class Source(Protocol):
    """Bytes that come one piece after another."""

    def read(self) -> bytes:
        """The next piece, as soon as there is one; nothing at the end."""

    def is_ready(self, timeout_s: float) -> bool:
        """Whether `read` would answer within that time."""


class Window(Protocol):
    """`data` stands at byte `start` of the uncompressed capture; `is_last` says that nothing follows it."""

    data: bytes
    start: int
    is_last: bool

    def advance(self, used: int, wanted: int) -> None:
        """Drop the first `used` bytes of `data` and read on, until at least `wanted` are here, or the capture ends.

        `used` may lie beyond `data`: what is between is skipped.
        """

    def expect(self, used: int) -> None:
        """Say that `advance` will drop `used` bytes: what follows them may be read meanwhile."""


class RawSource:
    """A file or pipe as a Source. What cannot be read ends it, with a word to `complain`."""

    def __init__(self, file: io.RawIOBase, complain: Callable[[str], None], *, is_pipe: bool) -> None:
        """`file` is unbuffered, so that a read answers with what is there."""
        self._file = file
        self._complain = complain
        self._is_pipe = is_pipe
        self.position = 0

    def read(self) -> bytes:
        """The next piece."""
        try:
            piece = self._file.read(PIECE_BYTES) or b""
        except OSError as error:
            self._complain(f"Reading failed after {self.position:,} bytes: {error.strerror or error}.")
            return b""
        self.position += len(piece)
        return piece

    def is_ready(self, timeout_s: float) -> bool:
        """Whether bytes are there, or the end; False where the system cannot tell (pipes of Windows)."""
        if not self._is_pipe:
            return True
        try:
            return bool(select.select([self._file], [], [], timeout_s)[0])
        except (OSError, ValueError):
            return False


class FileWindow:
    """A window over a seekable, uncompressed file: it is read from where the last whole record ended, never joined."""

    def __init__(self, file: io.RawIOBase, complain: Callable[[str], None], size: int = BATCH_BYTES) -> None:
        """`size` is how many bytes are read at once."""
        self._file = file
        self._complain = complain
        self._size = size
        self._ahead: _ReadAhead | None = None
        self.data = b""
        self.start = 0
        self.is_last = False

    def advance(self, used: int, wanted: int) -> None:
        """See Window."""
        self.start += used
        size = max(self._size, wanted)
        try:
            self.data = self._read(size)
        except OSError as error:
            self._complain(f"Reading failed at byte {self.start:,}: {error.strerror or error}.")
            self.data = b""
        self.is_last = len(self.data) < size

    def expect(self, used: int) -> None:
        """See Window. It is a wish: where it does not come true, only the reading was in vain."""
        if not self.is_last and self._ahead is None:
            self._ahead = _ReadAhead(self._file, self.start + used, self._size)
            self._ahead.start()

    def _read(self, size: int) -> bytes:
        ahead, self._ahead = self._ahead, None
        if ahead is not None:
            ahead.join()
            if ahead.data is not None and (ahead.position, ahead.size) == (self.start, size):
                return ahead.data
        self._file.seek(self.start)
        return _read_fully(self._file, size)

    def release(self) -> None:
        """Give the memory back: nothing more will be read."""
        self.start, self.data, self.is_last, self._ahead = self.position, b"", True, None

    @property
    def position(self) -> int:
        """How many bytes of the file were read."""
        return self.start + len(self.data)


class _ReadAhead(Thread):
    """Reads what comes next while the present batch is worked on: a disk, and copying, cost another core's time.

    A file of the system is read by a descriptor of its own: it may be closed meanwhile, and its number be another's.
    """

    def __init__(self, file: io.RawIOBase, position: int, size: int) -> None:
        super().__init__(daemon=True)
        self._file = file
        self._descriptor: int | None = None
        with suppress(OSError, ValueError):  # of bytes in memory, and of what is closed
            self._descriptor = os.dup(file.fileno())
        self.position = position
        self.size = size
        self.data: bytes | None = None

    def run(self) -> None:
        """Read. What fails, or is short, is read again by who wants it, and named there."""
        with suppress(OSError, ValueError):
            if self._descriptor is None:
                self._file.seek(self.position)
                self.data = _read_fully(self._file, self.size)
            elif hasattr(os, "pread"):
                data = os.pread(self._descriptor, self.size, self.position)
                self.data = data if len(data) == self.size else None
        if self._descriptor is not None:
            os.close(self._descriptor)


def _read_fully(file: io.RawIOBase, size: int) -> bytes:
    """`size` bytes, or what is left: some file systems answer a read with less."""
    data = file.read(size) or b""
    while 0 < len(data) < size and (piece := file.read(size - len(data))):
        data += piece
    return data


class StreamWindow:
    """A window over a pipe or a decompressor: pieces are joined, once, with what is left of the last window."""

    def __init__(self, source: Source, head: bytes = b"", size: int = BATCH_BYTES) -> None:
        """Start with `head`, which was read from `source` already; `size` is how many bytes are in memory at once."""
        self._source = source
        self._size = size
        self.data = head
        self.start = 0
        self.is_last = False

    def advance(self, used: int, wanted: int) -> None:
        """See Window. More than `wanted` comes only if it comes at once, or soon."""
        self.start += used
        beyond = used - len(self.data)
        pieces: list[bytes | memoryview] = [] if beyond >= 0 else [memoryview(self.data)[used:]]
        while beyond > 0 and (piece := self._read()):
            if len(piece) > beyond:
                pieces.append(memoryview(piece)[beyond:])
            beyond -= len(piece)
        held = sum(map(len, pieces))
        while held < wanted and (piece := self._read()):
            pieces.append(piece)
            held += len(piece)
        deadline = time.monotonic() + PATIENCE_S
        while held < self._size and self._is_ready(deadline) and (piece := self._read()):
            pieces.append(piece)
            held += len(piece)
        self.data = b"".join(pieces)

    def expect(self, used: int) -> None:
        """See Window. Pipes and decompressors are read when it is their turn."""

    def release(self) -> None:
        """Give the memory back: nothing more will be read."""
        self.data, self.is_last = b"", True

    def _is_ready(self, deadline: float) -> bool:
        return not self.is_last and self._source.is_ready(max(0.0, deadline - time.monotonic()))

    def _read(self) -> bytes:
        piece = b"" if self.is_last else self._source.read()
        self.is_last = not piece
        return piece
