"""WriteBehind: writes to a stream in a thread, so that the next bytes are made while the disk takes the last ones."""

from __future__ import annotations

from queue import Queue
from threading import Thread
from typing import TYPE_CHECKING, BinaryIO, Self

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType

MAX_WAITING = 2  # pieces


class WriteBehind:
    """A context: at its end all is written. What goes wrong in the thread is raised here, by the next call."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._waiting: Queue[bytes | None] = Queue(MAX_WAITING)
        self._fault: BaseException | None = None
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

    def write(self, pieces: Iterable[bytes]) -> None:
        """Have these written, in their order."""
        for piece in pieces:
            self._raise()
            self._waiting.put(piece)

    def _raise(self) -> None:
        if self._fault is not None:
            raise self._fault

    def _run(self) -> None:
        while (piece := self._waiting.get()) is not None:
            if self._fault is None:  # else it is dropped, so that nobody waits for room
                try:
                    self._stream.write(piece)
                except BaseException as fault:  # noqa: BLE001 - raised where the pieces come from
                    self._fault = fault
