"""Ssl2Side: the state of one direction of a connection in SSL 2.0."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from tlsdecrypt.tls.ssl2_record import Ssl2Record, Ssl2RecordReader

if TYPE_CHECKING:
    from tlsdecrypt.flow import Direction, Span
    from tlsdecrypt.tls.ssl2 import Ssl2Protection

MAX_HELD_BYTES: Final = 4 << 20  # records of one direction that wait for their keys
RECORD_OVERHEAD: Final = 256  # bytes of memory that a record takes besides its data, so that empty ones count too


class Ssl2Side:
    """One direction. `records` counts all of them, as the sequence numbers do; `is_finished`: its FINISHED was read."""

    def __init__(self, direction: Direction) -> None:
        """At the start of the connection."""
        self.direction = direction
        self.reader = Ssl2RecordReader()
        self.protection: Ssl2Protection | None = None
        self.is_protected = False  # the next record needs keys
        self.is_finished = False
        self.has_hole = False
        self.records = 0
        self.held: deque[Ssl2Record] = deque()
        self.held_bytes = 0
        self.is_hopeless = False  # no secret will come any more: nothing is held
        self.tried: tuple[int, int] | None = None  # the state of knowledge in which the keys were last looked for
        self.records_decrypted = 0
        self.records_undecrypted = 0
        self.undecrypted_length = 0
        self.undecrypted_span: Span | None = None

    def hold(self, record: Ssl2Record) -> None:
        """Keep a record until its keys are known."""
        self.held.append(record)
        self.held_bytes += len(record.data) + RECORD_OVERHEAD
        self.is_hopeless |= self.held_bytes > MAX_HELD_BYTES

    def release(self) -> None:
        """Drop the oldest record that waited: it was read."""
        self.held_bytes -= len(self.held.popleft().data) + RECORD_OVERHEAD

    def count_undecrypted(self, record: Ssl2Record) -> None:
        """A record that was not opened."""
        self.records_undecrypted += 1
        self.undecrypted_length += len(record.data)
        self.undecrypted_span = self.undecrypted_span.to(record.span) if self.undecrypted_span else record.span
