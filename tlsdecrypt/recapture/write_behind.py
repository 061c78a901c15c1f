"""WriteBehind: a thread writes to a file, and has the system bring it to the disk, while the next bytes are made.

What is on its way to the disk does not hold up the renaming of the file: some file systems wait there for the bytes of
a file that takes the place of another one.
"""

from __future__ import annotations

import os
from contextlib import suppress
from queue import Queue
from threading import Thread
from typing import TYPE_CHECKING, BinaryIO, Self

if TYPE_CHECKING:
    from types import TracebackType

MAX_WAITING = 2  # pieces
SENT_AT_ONCE = 32 << 20  # bytes that are sent to the disk together


class WriteBehind:
    """A context: at its end all is written. What goes wrong in the thread is raised here, by the next call."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._waiting: Queue[bytes | None] = Queue(MAX_WAITING)
        self._fault: BaseException | None = None
        self._written = self._sent = 0  # bytes
        self._thread = Thread(target=self._run, name="write-behind", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._waiting.put(None)
        self._thread.join()
        if fault is None:
            self._raise()

    def write(self, piece: bytes) -> None:
        """Have this written."""
        self._raise()
        self._waiting.put(piece)

    def _raise(self) -> None:
        if self._fault is not None:
            raise self._fault

    def _run(self) -> None:
        while (piece := self._waiting.get()) is not None:
            if self._fault is None:  # else it is dropped, so that nobody waits for room
                try:
                    self._put(piece)
                except BaseException as fault:  # noqa: BLE001 - raised where the pieces come from
                    self._fault = fault

    def _put(self, piece: bytes) -> None:
        self._stream.write(piece)
        self._written += len(piece)
        if self._written - self._sent >= SENT_AT_ONCE:
            with suppress(OSError):  # advice: what is no file on a disk does not take it
                _send(self._stream.fileno(), self._sent, self._written - self._sent)
            self._sent = self._written


def _send(number: int, start: int, length: int) -> None:
    """Begin to bring bytes of an open file to the disk: Linux does so where they are not needed any more."""
    os.posix_fadvise(number, start, length, os.POSIX_FADV_DONTNEED)
