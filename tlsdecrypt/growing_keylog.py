"""GrowingKeyLog: a key log that a program is still writing while it is read."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

MOST_NEWS: Final = 16 << 20  # bytes that are read at a time


class GrowingKeyLog:
    """Asked again and again, it gives what was appended since, by whole lines."""

    __slots__ = ("_path", "_position")

    def __init__(self, path: Path, position: int) -> None:
        """`position` is where the first line begins that was not whole when the file was read."""
        self._path = path
        self._position = position

    def __call__(self) -> bytes:
        """What is new; nothing where the file is gone, or cannot be read any more.

        A file that has become shorter was begun anew, and is read from its start.
        """
        try:
            with self._path.open("rb") as file:
                size = file.seek(0, os.SEEK_END)
                self._position = self._position if self._position <= size else 0
                file.seek(self._position)
                text = file.read(MOST_NEWS)
        except OSError:
            return b""
        lines = text[: text.rfind(b"\n") + 1]
        self._position += len(lines)
        return lines
