"""Spool: pieces of a document by number, in memory while they are few and in a temporary file beyond.

The file has no name and is open to nobody else (mode 600): it is gone with the program, however that ends.
"""

from __future__ import annotations

import tempfile
from array import array
from contextlib import suppress
from typing import TYPE_CHECKING

from tlsdecrypt.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_IN_MEMORY = 4 << 20  # bytes of one spool
BUFFER_BYTES = 64 << 10  # that go to the file, or come from it, at once


class Spool:
    """Takes pieces in any order, and gives them in the order of their numbers."""

    def __init__(self) -> None:
        self._file = tempfile.SpooledTemporaryFile(MAX_IN_MEMORY, buffering=BUFFER_BYTES)  # noqa: SIM115 - open as long as the spool lives
        self._numbers = array("Q")
        self._ends = array("Q", [0])
        self._end = 0
        self._pieces: list[bytes] = []  # that are not in the file yet: many small writes cost more than they carry
        self._written = 0

    def __del__(self) -> None:
        with suppress(OSError):  # what is buffered has no room: that was told already
            self._file.close()

    def add(self, number: int, piece: bytes) -> None:
        """Keep a piece. InputError where there is no room for it."""
        self._pieces.append(piece)
        self._end += len(piece)
        self._numbers.append(number)
        self._ends.append(self._end)
        if self._end - self._written >= BUFFER_BYTES:
            self._write()

    def _write(self, *, is_last: bool = False) -> None:
        try:
            self._file.write(b"".join(self._pieces))
            if is_last:
                self._file.flush()
        except OSError as fault:
            raise InputError(f"a temporary file cannot be written: {fault.strerror or fault}") from fault
        self._pieces.clear()
        self._written = self._end

    def in_order(self) -> Iterator[bytes]:
        """All pieces, by their numbers; add no more while they are read."""
        return (piece for _, piece in self.numbered())

    def numbered(self) -> Iterator[tuple[int, bytes]]:
        """The same, each with its number. InputError where there is no room for them."""
        self._write(is_last=True)
        at = self._end
        for index in sorted(range(len(self._numbers)), key=self._numbers.__getitem__):
            start, end = self._ends[index], self._ends[index + 1]
            if start != at:
                self._file.seek(start)
            yield self._numbers[index], self._file.read(end - start)
            at = end
        self._file.seek(0, 2)
