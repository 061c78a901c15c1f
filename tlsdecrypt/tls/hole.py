"""Hole: what is known of the records that were lost, and so which sequence numbers the next one may have.

A record that does not open may be behind a hole in the capture, or behind records that could not be opened. Its
sequence number is then looked for: upward, within named bounds, and proved by the tag or MAC.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tlsdecrypt.tls.damage import DamagedRecord, Piece

HEADER_LENGTH: Final = 5
LONGEST_RECORD: Final = HEADER_LENGTH + 2**14 + 2048
"""Header and TLSCiphertext.fragment, RFC 5246 section 6.2.3."""

MAX_FRAGMENT_LENGTH: Final = 0xFFFF
"""What the length field of a record can say."""

MAX_LOST_RECORDS: Final = 1 << 16
"""How many records a hole of unknown size may have swallowed, and how many numbers are tried for one record."""

MAX_SEARCH_COST: Final = 1 << 28
"""Bytes that are hashed or decrypted in vain between two records that open: a tenth of a second or two."""

_COST_OF_TRIAL: Final = 8192
"""What a trial costs whatever the record's length, in bytes that could be hashed in the same time."""


class Place(NamedTuple):
    """Where a record may be: its sequence number, and how many bytes of fragments lie before it (None: unknown)."""

    sequence_number: int
    skipped_length: int | None


class Hole:
    """What was lost since the last record that opened, `sequence_number` being that of the record after it."""

    __slots__ = ("_budget", "_records", "_records_length", "_shortest", "_weight", "length", "sequence_number")

    def __init__(self, sequence_number: int, shortest_fragment: int, weight: int = 1) -> None:
        """`shortest_fragment` is the length of a protected record that holds nothing.

        `weight` is how many times slower than a cipher of `cryptography` the trials are.
        """
        self.sequence_number = sequence_number
        self.length: int | None = 0
        self._records = 0
        self._records_length = 0
        self._shortest = HEADER_LENGTH + shortest_fragment
        self._weight = weight
        self._budget = MAX_SEARCH_COST

    def widen(self, lost: int | None) -> None:
        """`lost` bytes of records (headers included) are missing from the capture here; None: nobody knows."""
        self.length = None if lost is None or self.length is None else self.length + lost

    def add_record(self, fragment_length: int) -> None:
        """A record was there, and did not open."""
        self._records += 1
        self._records_length += fragment_length

    def places(self, fragment_length: int) -> Iterator[Place]:
        """Where the next record, of `fragment_length` bytes, may be: the likely places first.

        The number of the lost records is bounded by their length, and most records of a bulk transfer are as long as
        can be: so it starts from the fewest. Fewer than those only if the size of the hole was wrong.
        """
        fewest, most = self._count_bounds()
        cost = (fragment_length + _COST_OF_TRIAL) * self._weight
        last = min(most, fewest + MAX_LOST_RECORDS - 1)
        for count in chain(range(fewest, last + 1), range(fewest)):
            if self._budget < cost:
                return
            self._budget -= cost
            yield self._place(count)

    def _count_bounds(self) -> tuple[int, int]:
        if self.length is None:
            return 0, MAX_LOST_RECORDS
        return -(-self.length // LONGEST_RECORD), self.length // self._shortest

    def _place(self, count: int) -> Place:
        number = self.sequence_number + self._records + count
        if self.length is None:
            return Place(number, None)
        return Place(number, self._records_length + self.length - count * HEADER_LENGTH)


class SequencedProtection:
    """What every record protection keeps: the sequence number of the next record, and the hole before it.

    `overhead` is how much longer a record on the wire (header included) is than its plaintext, None where that
    differs from record to record. `shortest_fragment` and `weight` are as in `Hole`.
    """

    __slots__ = ("_hole", "_shortest", "_weight", "overhead", "sequence_number")

    def __init__(self, shortest_fragment: int, overhead: int | None, weight: int = 1) -> None:
        """See the class."""
        self._shortest = shortest_fragment
        self._weight = weight
        self._hole: Hole | None = None
        self.overhead = overhead
        self.sequence_number = 0

    def glimpse(self, record: DamagedRecord) -> list[Piece]:  # noqa: ARG002 - for those that can
        """What can be read of a damaged record, and is not proved: nothing, if no more is known of the cipher."""
        return []

    def _places(self, fragment_length: int, lost: int | None, *, is_whole: bool = True) -> Iterator[Place]:
        """The places of a record that is not the next in sequence, behind `lost` bytes and the failures before it.

        There are none where nothing is known to be missing, or where the record cannot be one (not `is_whole`): then
        it is counted as a failure. A hole before a sequence number that has passed since is history, so success costs
        no bookkeeping.
        """
        hole = self._hole
        is_damaged = lost != 0
        if hole is None or hole.sequence_number != self.sequence_number:
            hole = self._hole = Hole(self.sequence_number, self._shortest, self._weight)
        else:
            is_damaged = True
        hole.widen(lost)
        if is_damaged and is_whole and self._shortest <= fragment_length <= MAX_FRAGMENT_LENGTH:
            yield from hole.places(fragment_length)
        hole.add_record(fragment_length)  # not reached if a place was right: then nobody asks for the next one
