"""CopyingFile: a file or pipe of which everything that is read is also written to another file."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from tlsdecrypt.errors import CaptureError

if TYPE_CHECKING:
    from pathlib import Path


class CopyingFile(io.RawIOBase):
    """Reads from `file`. Where the copy cannot be written any more, that is remarked, and reading goes on."""

    def __init__(self, file: io.RawIOBase, path: Path, remarks: list[str]) -> None:
        """What `path` held before is lost. Raises CaptureError where it cannot be written."""
        super().__init__()
        self._file = file
        self._path = path
        self._remarks = remarks
        try:
            self._copy: io.FileIO | None = io.FileIO(path, "w")
        except OSError as fault:
            raise CaptureError(f"{path} cannot be written: {fault.strerror or fault}.") from None

    def fileno(self) -> int:
        """That of the file that is read."""
        return self._file.fileno()

    def read(self, size: int = -1) -> bytes:
        """The next bytes, which are then in the copy too."""
        piece = self._file.read(size) or b""
        if self._copy is not None and piece:
            self._write(self._copy, piece)
        return piece

    def _write(self, copy: io.FileIO, piece: bytes) -> None:
        left = memoryview(piece)
        try:
            while left:
                left = left[copy.write(left) :]
        except OSError as fault:
            self._remarks.append(f"The copy in {self._path} ends early: {fault.strerror or fault}.")
            self._copy = None
            copy.close()

    def close(self) -> None:
        """Close both."""
        if self._copy is not None:
            self._copy.close()
        self._file.close()
        super().close()
