"""Ledger: what a capture says besides its frames. Readers write it, `Capture` shows it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from tlsdecrypt.capture.frames import FrameBatch

if TYPE_CHECKING:
    from tlsdecrypt.capture.columns import Columns
    from tlsdecrypt.capture.frames import Int64Column
    from tlsdecrypt.flow import Endpoint

MAX_NOTES = 100
MAX_COMMENTS = 1_000
MAX_COMMENT_CHARACTERS = 4_096
MAX_NAMES = 65_536
MAX_PROCESSES = 16_384
MAX_SECRET_BYTES = 64 << 20  # of all key logs in one capture together


class Process(NamedTuple):
    """Who held a connection on the machine that captured: a program by its name, and its number."""

    name: str
    number: int
    ends: frozenset[Endpoint]

    def __str__(self) -> str:
        """`OUTLOOK.EXE (4711)`."""
        return f"{self.name} ({self.number})"


class Ledger:
    """Frames counted so far, notes, comments, names and secrets. Each collection is bounded, and says where it ends.

    A frame is named by its number in its file, as Wireshark shows it, in notes; in batches and comments by its number
    in this run, which begins at `first_number`.
    """

    __slots__ = (
        "_secret_bytes",
        "comments",
        "doubled",
        "first_number",
        "frames",
        "names",
        "notes",
        "other_frames",
        "processes",
        "secrets",
    )

    def __init__(self, first_number: int = 1) -> None:
        """`first_number` is the number of the first frame in this run."""
        self.first_number = first_number
        self.frames = 0
        self.doubled = 0  # of them, those that are in the capture twice and were dropped
        self.other_frames: Counter[str] = Counter()  # of them, those that hold no traffic, by a word
        self.notes: list[str] = []
        self.secrets: list[bytes] = []
        self.names: dict[str, str] = {}
        self.processes: list[Process] = []
        self.comments: list[tuple[int | None, str]] = []
        self._secret_bytes = 0

    @property
    def next_number(self) -> int:
        """The number in its file of the frame that comes next."""
        return self.frames + 1

    def note(self, sentence: str) -> None:
        """Keep a sentence, once."""
        if sentence not in self.notes and len(self.notes) < MAX_NOTES:
            self.notes.append(sentence)

    def comment(self, number: int | None, text: str) -> None:
        """Keep a comment on the frame that is `number` in its file, or on the whole capture (None)."""
        if len(self.comments) < MAX_COMMENTS:
            number = None if number is None else number + self.first_number - 1
            self.comments.append((number, text[:MAX_COMMENT_CHARACTERS]))
        else:
            self.note(f"Only the first {MAX_COMMENTS:,} comments were kept.")

    def name(self, address: str, name: str) -> None:
        """Keep the name of an address; the first one stays."""
        if len(self.names) < MAX_NAMES:
            self.names.setdefault(address, name)
        else:
            self.note(f"Only the first {MAX_NAMES:,} names of addresses were kept.")

    def process(self, process: Process) -> None:
        """Keep who held an end of a connection."""
        if len(self.processes) < MAX_PROCESSES:
            self.processes.append(process)
        else:
            self.note(f"Only the first {MAX_PROCESSES:,} names of processes were kept.")

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

    def pass_over(self, word: str) -> None:
        """Count a frame that holds no traffic: Wireshark numbers it too."""
        self.frames += 1
        self.other_frames[word] += 1

    def batch(self, data: bytes, columns: Columns, number: Int64Column | None = None) -> FrameBatch:
        """A FrameBatch whose frames are numbered on from those before, and counted.

        `number` tells them one by one, as numbers in the file, where some were counted on the way.
        """
        first = self.first_number + self.frames
        self.frames += len(columns.offset)
        if number is not None:
            number = number + (self.first_number - 1)
            first = int(number[0])
        return FrameBatch(
            data,
            columns.offset,
            columns.captured_length,
            columns.original_length,
            columns.time_ns,
            columns.link_type,
            first,
            number,
        )
