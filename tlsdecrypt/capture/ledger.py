"""Ledger: what a capture says besides its frames. Readers write it, `Capture` shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tlsdecrypt.capture.frames import FrameBatch

if TYPE_CHECKING:
    from tlsdecrypt.capture.columns import Columns

MAX_NOTES = 100
MAX_COMMENTS = 1_000
MAX_COMMENT_CHARACTERS = 4_096
MAX_NAMES = 65_536
MAX_SECRET_BYTES = 64 << 20  # of all key logs in one capture together


class Ledger:
    """Frames counted so far, notes, comments, names and secrets. Each collection is bounded, and says where it ends."""

    __slots__ = ("_secret_bytes", "comments", "first_number", "frames", "names", "notes", "secrets")

    def __init__(self, first_number: int = 1) -> None:
        """`first_number` is the number of the first frame."""
        self.first_number = first_number
        self.frames = 0
        self.notes: list[str] = []
        self.secrets: list[bytes] = []
        self.names: dict[str, str] = {}
        self.comments: list[tuple[int | None, str]] = []
        self._secret_bytes = 0

    @property
    def next_number(self) -> int:
        """The number of the frame that comes next."""
        return self.first_number + self.frames

    def note(self, sentence: str) -> None:
        """Keep a sentence, once."""
        if sentence not in self.notes and len(self.notes) < MAX_NOTES:
            self.notes.append(sentence)

    def comment(self, number: int | None, text: str) -> None:
        """Keep a comment on frame `number`, or on the whole capture (None)."""
        if len(self.comments) < MAX_COMMENTS:
            self.comments.append((number, text[:MAX_COMMENT_CHARACTERS]))
        else:
            self.note(f"Only the first {MAX_COMMENTS:,} comments were kept.")

    def name(self, address: str, name: str) -> None:
        """Keep the name of an address; the first one stays."""
        if len(self.names) < MAX_NAMES:
            self.names.setdefault(address, name)
        else:
            self.note(f"Only the first {MAX_NAMES:,} names of addresses were kept.")

    def secret(self, key_log: bytes) -> None:
        """Keep the content of a key log."""
        if self._secret_bytes + len(key_log) <= MAX_SECRET_BYTES:
            self._secret_bytes += len(key_log)
            self.secrets.append(key_log)
        else:
            self.note(f"Only the first {MAX_SECRET_BYTES >> 20} MB of the key logs inside the capture were kept.")

    def note_drops(self, count: int) -> None:
        """Say how many frames the capturing machine lost, by its own counters."""
        if count:
            self.note(f"The machine that captured lost {count:,} frames: streams may have holes.")

    def batch(self, data: bytes, columns: Columns) -> FrameBatch:
        """A FrameBatch whose frames are numbered on from those before, and counted."""
        first = self.next_number
        self.frames += len(columns.offset)
        return FrameBatch(
            data,
            columns.offset,
            columns.captured_length,
            columns.original_length,
            columns.time_ns,
            columns.link_type,
            first,
        )
