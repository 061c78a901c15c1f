"""GrowingFile: bytes that are appended, read and overwritten anywhere; on disk.

The file has no name, and is open to nobody else. What is appended is gathered and written many pieces at once.
"""

from __future__ import annotations

import os
import tempfile
from mmap import ACCESS_READ, ALLOCATIONGRANULARITY, mmap
from typing import IO

from tlsdecrypt.errors import InputError

GATHERED = 1 << 20  # bytes that are written at once, about
MAX_PIECES = 4096  # that are written at once
LEAST_LONG = 4096  # bytes: longer pieces are handed to the system as they are, shorter ones are joined first
MAX_VECTOR = 1000 if hasattr(os, "writev") else 0  # of these at once (IOV_MAX is 1024); none on Windows
LEAST_MAPPED = 256 << 10  # bytes: fewer are copied in less time than they are mapped


class GrowingFile:
    """Offsets count from the first byte. InputError where there is no room for more."""

    def __init__(self, least_mapped: int = LEAST_MAPPED) -> None:
        """`least_mapped` bytes and more are mapped and not copied, where `mapped` is asked for."""
        self._least_mapped = least_mapped
        self._file: IO[bytes] | None = None
        self._written = 0
        self._pieces: list[bytes] = []
        self._gathered = 0

    def __del__(self) -> None:
        if self._file is not None:
            self._file.close()

    def append(self, *pieces: bytes) -> None:
        """Add some bytes."""
        self._pieces += pieces
        self._gathered += sum(map(len, pieces))
        if self._gathered >= GATHERED or len(self._pieces) >= MAX_PIECES:
            self._flush()

    def read(self, offset: int, length: int) -> bytes:
        """Some bytes; fewer at the end."""
        self._flush()
        if self._file is None:
            return b""
        self._file.seek(offset)
        found = self._file.read(length)
        while len(found) < length and (more := self._file.read(length - len(found))):
            found += more
        return found

    def mapped(self, offset: int, length: int) -> memoryview | bytes:
        """The same without a copy, for as long as nothing is overwritten: in memory that the system may take back."""
        self._flush()
        end = min(offset + length, self._written)
        start = offset - offset % ALLOCATIONGRANULARITY
        if self._file is None or length < self._least_mapped or end <= offset:
            return self.read(offset, length)
        try:
            window = mmap(self._file.fileno(), end - start, access=ACCESS_READ, offset=start)
        except (OSError, ValueError):  # the temporary folder is on something that cannot be mapped
            return self.read(offset, length)
        return memoryview(window)[offset - start :]

    def overwrite(self, offset: int, data: bytes) -> None:
        """Put other bytes in the place of some that are there."""
        self._flush()
        self._write(offset, [data])

    def _flush(self) -> None:
        if self._pieces:
            pieces, length = self._pieces, self._gathered
            self._pieces, self._gathered = [], 0
            is_long = length >= LEAST_LONG * len(pieces) and len(pieces) <= MAX_VECTOR
            self._write(self._written, pieces if is_long else [b"".join(pieces)])
            self._written += length

    def _write(self, offset: int, pieces: list[bytes]) -> None:
        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - open as long as this lives
            self._file.seek(offset)
            done = os.writev(self._file.fileno(), pieces) if len(pieces) > 1 else 0
            for each in pieces:
                left = memoryview(each)[done:]
                done = max(done - len(each), 0)
                while left:
                    left = left[self._file.write(left) :]
        except OSError as fault:
            raise InputError(f"a temporary file cannot be written: {fault.strerror or fault}") from fault
