"""Mirrored: segments that are in one capture twice, since a port mirrors both its ways or two places were tapped.

The copy may have come over a router or into another VLAN: its TTL, MAC addresses and tags differ, its TCP header does
not. What was sent again is told from it by the identification of IPv4, which is another for each datagram; where the
sender does not count it (and in IPv6) by the way that it took, or by coming at once.

`doubled` beside it is about copies that this search must leave in, since they came later or differ in what it compares:
what is dropped here is gone for everybody, what is told there only does not count as sent again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tlsdecrypt.net.protocols import IpProtocol, LinkType, TcpFlag
from tlsdecrypt.net.repeats import DOUBLED_NS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tlsdecrypt.capture.frames import FrameBatch
    from tlsdecrypt.net.segments import Segments

    Int64Column = NDArray[np.int64]
    UInt64Column = NDArray[np.uint64]
    Mask = NDArray[np.bool_]

DOUBLED = "doubled"  # the word by which copies are counted
REACH_NS = 10_000_000  # between both copies: switches and routers take less, and no timer of TCP is so short
LOOK_BACK = 256  # segments among which the first copy is looked for, in the batch before too

_MIXERS = tuple(np.uint64(mixer) for mixer in (0x9E3779B97F4A7C15, 0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53))
_SHIFT = np.uint64(31)
_IPV4, _IPV6, _IPV6_HEADER = 4, 6, 40
_TCP, _ETHERNET = int(IpProtocol.TCP), int(LinkType.ETHERNET)
_OPENS_OR_ENDS = int(TcpFlag.SYN) | int(TcpFlag.FIN) | int(TcpFlag.RST)
_WORD = 8

# Rows of a table of facts, and their number. Those before _IP_ID are equal in a copy, those before _PORTS addresses.
_PORTS, _FLAGS, _LENGTH, _IP_ID, _PLACE, _TIME, _IS_TOLD, _FACTS = 4, 7, 9, 13, 14, 15, 16, 17


class Mirrored:
    """Finds the second copy of each segment."""

    def __init__(self) -> None:
        """Nothing was seen yet."""
        self._mixed = np.empty(0, np.uint64)
        self._facts = np.empty((_FACTS, 0), np.int64)

    def fresh(self, batch: FrameBatch, segments: Segments) -> Int64Column | None:
        """The rows of `segments` that are no copies; None for all of them, as nearly always."""
        before = len(self._mixed)
        mixed = np.concatenate((self._mixed, _mixed(segments)))
        tail = _facts(batch, segments, np.arange(max(len(segments) - LOOK_BACK, 0), len(segments)))
        earlier, self._mixed = self._facts, mixed[-LOOK_BACK:]
        self._facts = np.concatenate((self._facts, tail), axis=1)[:, -LOOK_BACK:]
        first, second = _pairs(mixed, before)
        if not len(second):
            return None
        rows = np.unique(np.concatenate((first, second)))
        own = rows[rows >= before] - before
        known = np.concatenate((earlier[:, rows[rows < before]], _facts(batch, segments, own)), axis=1)
        one, other = (known[:, np.searchsorted(rows, each)] for each in (first, second))
        copies = second[_are_copies(one, other)] - before
        return np.delete(np.arange(len(segments)), copies) if len(copies) else None


def _mixed(segments: Segments) -> UInt64Column:
    """A number that is the same for copies, and seldom for others."""
    ports = (segments.source_port << 48) ^ (segments.destination_port << 32) ^ segments.length ^ (segments.flags << 20)
    result = np.zeros(len(segments), np.uint64)
    for column, mixer in zip((segments.seq, segments.ack, ports), _MIXERS, strict=True):
        result = (result ^ column.astype(np.uint64)) * mixer
        result ^= result >> _SHIFT
    return result


def _pairs(mixed: UInt64Column, before: int) -> tuple[Int64Column, Int64Column]:
    """Rows that may be copies of one segment, the second at `before` or later: each with the one before it."""
    order = np.argsort(mixed)  # many times as fast as a stable one, which only the few need that are not alone
    in_order = mixed[order]
    is_again = in_order[1:] == in_order[:-1]
    has_alike = np.zeros(len(order), np.bool_)
    has_alike[1:] = is_again
    has_alike[:-1] |= is_again
    alike = np.sort(order[has_alike])
    order = alike[np.argsort(mixed[alike], kind="stable")]
    in_order = mixed[order]
    places = np.flatnonzero(in_order[1:] == in_order[:-1])
    first, second = order[places], order[places + 1]
    is_near = (second >= before) & (second - first <= LOOK_BACK)
    return first[is_near], second[is_near]


def _facts(batch: FrameBatch, segments: Segments, rows: Int64Column) -> Int64Column:
    """What copies are told by, a column for each of the rows."""
    frame, network = segments.frame[rows], segments.network[rows]
    start, length = segments.start[rows], segments.length[rows]
    is_told = (network >= 0) & (start + length <= len(batch.data))
    at = np.where(is_told, network, 0)
    version = _unsigned(batch, at, "u1") >> 4
    tcp = at + np.where(version == _IPV4, (_unsigned(batch, at, "u1") & 0x0F) * 4, _IPV6_HEADER)
    is_told &= (version == _IPV4) | ((version == _IPV6) & (_unsigned(batch, at + 6, "u1") == _TCP))
    ip_id = np.where(version == _IPV4, _unsigned(batch, at + 4, ">u2"), 0)
    ttl = np.where(version == _IPV4, _unsigned(batch, at + 8, "u1"), _unsigned(batch, at + 7, "u1"))
    link = batch.offset[frame]
    is_ethernet = batch.link_type[frame] == _ETHERNET
    mac = np.where(is_ethernet, _unsigned(batch, link + 4, "<u8") >> 16, 0)
    words = (_unsigned(batch, start, "<u8"), _unsigned(batch, start + length - _WORD, "<u8"))
    ends = [np.where(length >= _WORD, word, 0) for word in words]
    columns = (
        *segments.addresses[:, rows].view(np.int64),
        segments.source_port[rows] << 16 | segments.destination_port[rows],
        *(column[rows] for column in (segments.seq, segments.ack, segments.flags, segments.missing)),
        segments.length[rows],
        _unsigned(batch, tcp + 14, ">u4"),  # window and checksum
        *ends,
        ip_id,
        mac ^ (ttl << 50) ^ ((network - link) << 58),
        batch.time_ns[frame],
        is_told,
    )
    return np.stack([np.asarray(column, np.int64) for column in columns])


def _unsigned(batch: FrameBatch, position: Int64Column, dtype: str) -> Int64Column:
    """Fields of one kind; where one would reach beyond the buffer, any value does."""
    size = np.dtype(dtype).itemsize
    count = len(batch.data) - size + 1
    if count <= 0:
        return np.zeros(len(position), np.int64)
    fields: NDArray[np.generic] = np.ndarray((count,), dtype, batch.data, 0, (1,))
    return fields[np.clip(position, 0, count - 1)].astype(np.int64)


def _are_copies(one: Int64Column, other: Int64Column) -> Mask:
    apart_ns = np.abs(other[_TIME] - one[_TIME])
    is_same: Mask = (one[:_IP_ID] == other[:_IP_ID]).all(axis=0) & (one[_IS_TOLD] & other[_IS_TOLD]).astype(np.bool_)
    is_same &= apart_ns <= REACH_NS
    is_other_place = one[_PLACE] != other[_PLACE]
    says_something = (other[_LENGTH] > 0) | ((other[_FLAGS] & _OPENS_OR_ENDS) != 0)
    is_at_once = (apart_ns < DOUBLED_NS) & says_something
    is_same &= one[_IP_ID] == other[_IP_ID]
    is_same &= _are_counting(other) | is_other_place | is_at_once
    return is_same


def _are_counting(facts: Int64Column) -> Mask:
    """Whether the sender of each gives its datagrams identifications that differ."""
    _, sender = np.unique(facts[:_PORTS], axis=1, return_inverse=True)
    sender = sender.reshape(-1)
    least = np.full(sender.max(initial=-1) + 1, 1 << 16)
    most = np.zeros_like(least)
    np.minimum.at(least, sender, facts[_IP_ID])
    np.maximum.at(most, sender, facts[_IP_ID])
    is_counting: Mask = (least != most)[sender] & (facts[_IP_ID] != 0)
    return is_counting
