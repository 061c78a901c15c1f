"""Side: the state of one direction of a TLS connection."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from tlsdecrypt.tls.record import Record, RecordReader
from tlsdecrypt.tls.registry import ContentType
from tlsdecrypt.value import replace

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tlsdecrypt.flow import Direction, Span
    from tlsdecrypt.tls.compression import Decompressor
    from tlsdecrypt.tls.protection import RecordProtection

MAX_HELD_BYTES = 4 << 20  # records of one direction that wait for their keys
RECORD_OVERHEAD = 256  # bytes of memory that a record takes besides its fragment, so that empty ones count too
MAX_HANDSHAKE_LENGTH = 1 << 18  # a longer handshake message is nonsense
_MESSAGE_HEADER_LENGTH = 4


class Side:
    """One direction: how its bytes are cut, what protects them now, and what waits for keys.

    `epoch` counts the key changes (0 is plaintext); `negotiation` is the number of the handshake that this direction is
    in. `awaits_keys` is True between a ChangeCipherSpec and the first record that was opened with the new keys.
    """

    def __init__(self, direction: Direction, *, has_start: bool) -> None:
        """`has_start` is False where the first byte may lie in the middle of a record."""
        self.direction = direction
        self.reader = RecordReader(has_start=has_start)
        self.protection: RecordProtection | None = None
        self.decompressor: Decompressor | None = None
        self.epoch = 0
        self.negotiation = 0
        self.awaits_keys = False
        self.has_hole = False
        self.gap_span: Span | None = None  # a hole that was not told yet
        self.is_hopeless = False  # no secret will come any more: nothing is held
        self.held: deque[Record] = deque()
        self.held_bytes = 0
        self.tried: tuple[int, int] | None = None  # the state of knowledge in which the keys were last looked for
        self.records_decrypted = 0
        self.records_undecrypted = 0
        self.application_records_undecrypted = 0
        self.undecrypted_length = 0
        self.undecrypted_span: Span | None = None
        self.failed_at: int | None = None  # the sequence number that was next when a record did not open
        self._handshake = bytearray()
        self._passed_over = 0  # bytes of a message that is too long, still to come
        self._handshake_span: Span | None = None

    def hold(self, record: Record, *, is_patient: bool = False) -> None:
        """Keep a record until its keys are known; the memory of the whole run is not kept with it.

        Beyond the bound there is no hope; with `is_patient` that is left to the caller.
        """
        self.held.append(replace(record, fragment=bytes(record.fragment)))
        self.held_bytes += _size(record)
        self.is_hopeless |= self.is_over_bound and not is_patient

    @property
    def is_over_bound(self) -> bool:
        """Whether more waits than may wait for long."""
        return self.held_bytes > MAX_HELD_BYTES

    def release(self) -> None:
        """Drop the oldest record that waited: it was read."""
        self.held_bytes -= _size(self.held.popleft())

    def count_undecrypted(self, record: Record) -> None:
        """A record that was not opened."""
        self.records_undecrypted += 1
        self.undecrypted_length += len(record.fragment)
        self.application_records_undecrypted += record.content_type == ContentType.APPLICATION_DATA
        self.undecrypted_span = self.undecrypted_span.to(record.span) if self.undecrypted_span else record.span

    def drop_handshake(self) -> None:
        """Forget a handshake message that had begun: the rest of it is lost."""
        self._passed_over = 0
        self._handshake.clear()
        self._handshake_span = None

    def messages(self, fragment: bytes, span: Span) -> Iterable[tuple[bytes, Span]]:
        """The handshake messages, headers included, that are whole with this fragment: most fragments are just one."""
        whole = _MESSAGE_HEADER_LENGTH + int.from_bytes(fragment[1:_MESSAGE_HEADER_LENGTH], "big")
        is_one = whole == len(fragment) and not (self._handshake or self._passed_over)
        return ((fragment, span),) if is_one else self._cut(fragment, span)

    def _cut(self, fragment: bytes, span: Span) -> Iterator[tuple[bytes, Span]]:
        """The same for a fragment with any part of messages.

        A message that is longer than the bound is passed over, so that what stands behind it is read.
        """
        buffer = self._handshake
        if self._passed_over:
            here = min(self._passed_over, len(fragment))
            self._passed_over -= here
            fragment = fragment[here:]
        if not buffer:
            self._handshake_span = span
        buffer += fragment
        while len(buffer) >= _MESSAGE_HEADER_LENGTH:
            end = _message_length(buffer)
            if end > MAX_HANDSHAKE_LENGTH:
                self._passed_over = end - len(buffer)  # it has just begun: no fragment is as long as the bound
                buffer.clear()
            if end > len(buffer):
                return
            message = bytes(buffer[:end])
            del buffer[:end]
            first = self._handshake_span or span
            self._handshake_span = span
            yield message, first.to(span)


def _size(record: Record) -> int:
    """The memory that a record takes, about."""
    return len(record.fragment) + RECORD_OVERHEAD + (record.damage.size if record.damage else 0)


def _message_length(data: bytes | bytearray) -> int:
    """The length of the message that begins here, with its header; the header may be cut."""
    return _MESSAGE_HEADER_LENGTH + int.from_bytes(data[1:_MESSAGE_HEADER_LENGTH], "big")
