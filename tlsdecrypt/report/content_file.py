"""ContentFile: the contents of messages in a temporary file without a name, for writers that need them."""

from __future__ import annotations

import tempfile
from io import BytesIO
from typing import IO

from tlsdecrypt.errors import InputError
from tlsdecrypt.value import Value

MAX_IN_MEMORY = 4 << 20  # bytes
MAX_STORED = 16 << 30  # bytes of all contents of a run, decoded; what comes after them is not kept


class StoredContent(Value, frozen=True):
    """See KeptContent."""

    length: int
    _offset: int
    _store: ContentFile

    def read(self) -> bytes:
        """See KeptContent. InputError where the file cannot be read."""
        return self._store.read(self._offset, self.length)


class LostContent(Value, frozen=True):
    """A content for which there was no room: that is a fault of those outputs that would show it, and of no other."""

    length: int
    _why: str

    def read(self) -> bytes:
        """InputError, always."""
        raise InputError(self._why)


class ContentFile:
    """See ContentStore. In memory while it is little; what cannot be written leaves all that was written as it is."""

    def __init__(self) -> None:
        self._file: IO[bytes] = BytesIO()
        self._is_in_memory = True
        self._length = 0

    def __del__(self) -> None:
        self._file.close()

    def keep(self, content: bytes) -> StoredContent | LostContent | None:
        """See ContentStore."""
        if self._length + len(content) > MAX_STORED:
            return None
        try:
            if self._is_in_memory and self._length + len(content) > MAX_IN_MEMORY:
                self._leave_memory()
            self._file.seek(self._length)
            _write(self._file, content)
        except OSError as fault:
            return LostContent(len(content), f"a temporary file cannot be written: {fault.strerror or fault}")
        kept = StoredContent(len(content), self._length, self)
        self._length += len(content)
        return kept

    def _leave_memory(self) -> None:
        # Without a buffer: one that could not be written would be tried again by each seek.
        file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - open as long as this lives
        try:
            self._file.seek(0)
            _write(file, self._file.read(self._length))
        except OSError:
            file.close()
            raise
        self._file.close()
        self._file, self._is_in_memory = file, False

    def read(self, offset: int, length: int) -> bytes:
        """A content that was kept. InputError where the file cannot be read."""
        try:
            self._file.seek(offset)
            found = self._file.read(length)
            while len(found) < length and (more := self._file.read(length - len(found))):
                found += more
        except OSError as fault:
            raise InputError(f"a temporary file cannot be read: {fault.strerror or fault}") from fault
        return found


def _write(file: IO[bytes], content: bytes) -> None:
    left = memoryview(content)
    while left:
        left = left[file.write(left) :]
