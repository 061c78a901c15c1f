"""ContentFile: the contents of messages in a temporary file without a name, for writers that need them."""

from __future__ import annotations

import tempfile
from typing import IO

from tlsdecrypt.errors import InputError
from tlsdecrypt.value import Value

MAX_IN_MEMORY = 4 << 20  # bytes
MAX_STORED = 16 << 30  # bytes of all contents of a run, decoded; what comes after them is not kept


class StoredContent(Value, frozen=True):
    """See KeptContent."""

    length: int
    _offset: int
    _file: IO[bytes]

    def read(self) -> bytes:
        """See KeptContent."""
        self._file.seek(self._offset)
        return self._file.read(self.length)


class ContentFile:
    """See ContentStore."""

    def __init__(self) -> None:
        self._file = tempfile.SpooledTemporaryFile(MAX_IN_MEMORY)  # noqa: SIM115 - open as long as this lives
        self._length = 0

    def __del__(self) -> None:
        self._file.close()

    def keep(self, content: bytes) -> StoredContent | None:
        """See ContentStore. InputError where the disk is full."""
        if self._length + len(content) > MAX_STORED:
            return None
        try:
            self._file.seek(self._length)
            self._file.write(content)
        except OSError as fault:
            raise InputError(f"a temporary file cannot be written: {fault.strerror or fault}") from fault
        kept = StoredContent(len(content), self._length, self._file)
        self._length += len(content)
        return kept
