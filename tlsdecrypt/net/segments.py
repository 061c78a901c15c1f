"""Segments: the TCP segments of a batch as columns, whichever lane found them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tlsdecrypt.value import Hidden, Value

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Int64Column = NDArray[np.int64]
    UInt64Column = NDArray[np.uint64]

IPV4_MAPPED = 0xFFFF << 32  # low half of ::ffff:0.0.0.0 (RFC 4291 section 2.5.5.2); the high half is 0

_LOW_HALF = (1 << 64) - 1


class SegmentRow(NamedTuple):
    """One TCP segment. Addresses are 128-bit integers (IPv4 mapped).

    `frame` is an index into the batch. `start` counts in the batch's buffer; from its length on, in the side buffer.
    `length` bytes of payload were captured, `missing` more were on the wire and were cut by the snap length. `flags`
    are those of TCP, and `protocols.ZERO_WINDOW`. `network` is where the IP header stands in the batch's buffer, -1
    where it came in fragments.
    """

    frame: int
    source: int
    destination: int
    source_port: int
    destination_port: int
    seq: int
    ack: int
    flags: int
    start: int
    length: int
    missing: int
    network: int


class Segments(Value, frozen=True, eq=False):
    """TCP segments in frame order; the columns mean what `SegmentRow` says.

    `addresses` has four rows: high and low half of the source, high and low half of the destination.
    """

    frame: Hidden[Int64Column]
    addresses: Hidden[UInt64Column]
    source_port: Hidden[Int64Column]
    destination_port: Hidden[Int64Column]
    seq: Hidden[Int64Column]
    ack: Hidden[Int64Column]
    flags: Hidden[Int64Column]
    start: Hidden[Int64Column]
    length: Hidden[Int64Column]
    missing: Hidden[Int64Column]
    network: Hidden[Int64Column]

    def __len__(self) -> int:
        """How many segments."""
        return len(self.frame)

    @classmethod
    def of_rows(cls, rows: Sequence[SegmentRow]) -> Segments:
        """The same rows as columns."""
        halves = [
            [half(address) for address in column]
            for column in ([row.source for row in rows], [row.destination for row in rows])
            for half in (_high, _low)
        ]
        width = len(SegmentRow._fields) - 2
        numbers = np.array([(row.frame, *row[3:]) for row in rows], np.int64).reshape(len(rows), width).T
        return cls(numbers[0], np.array(halves, np.uint64), *numbers[1:])

    def picked(self, rows: Int64Column) -> Segments:
        """Some of the rows."""
        return Segments(*(getattr(self, column)[..., rows] for column in self.__struct_fields__))

    def merged(self, other: Segments) -> Segments:
        """Both, in frame order."""
        if not len(other):
            return self
        if not len(self):
            return other
        order = np.argsort(np.concatenate((self.frame, other.frame)), kind="stable")

        def join(first: Int64Column, second: Int64Column) -> Int64Column:
            return np.concatenate((first, second))[order]

        return Segments(
            join(self.frame, other.frame),
            np.concatenate((self.addresses, other.addresses), axis=1).take(order, axis=1),
            join(self.source_port, other.source_port),
            join(self.destination_port, other.destination_port),
            join(self.seq, other.seq),
            join(self.ack, other.ack),
            join(self.flags, other.flags),
            join(self.start, other.start),
            join(self.length, other.length),
            join(self.missing, other.missing),
            join(self.network, other.network),
        )


def _high(address: int) -> int:
    return address >> 64


def _low(address: int) -> int:
    return address & _LOW_HALF
