"""EthernetTalks: which station sends IPv4 to which address. Gathered only where a load-balancing cluster was seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tlsdecrypt.net.protocols import VLAN_TAGS, EtherType, LinkType
from tlsdecrypt.net.surroundings import TALKS_MAX, EthernetTalk

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tlsdecrypt.capture.frames import FrameBatch

    Int64Column = NDArray[np.int64]

NLB_UNICAST_PREFIX = 0x02BF  # of the addresses of Network Load Balancing in unicast mode; the cluster's IPv4 follows

_HEADER, _TAG, _IPV4_HEADER, _ADDRESSES = 14, 4, 20, 12


class EthernetTalks:
    """A running account. Its size is bounded by `TALKS_MAX`."""

    def __init__(self) -> None:
        """Nothing is gathered before `feed` is called."""
        self._talks: dict[tuple[int, int, int, int], list[int]] = {}

    def feed(self, batch: FrameBatch) -> None:
        """The IPv4 frames of a batch."""
        rows, network = _ipv4_frames(batch)
        if not len(rows):
            return
        frame = batch.offset[rows]
        keys = np.stack(
            (
                _uint(batch, frame + 4, ">u8") & 0xFFFFFFFFFFFF,
                (_uint(batch, frame, ">u8") >> 16) & 0xFFFFFFFFFFFF,
                _uint(batch, network + _ADDRESSES, ">u4"),
                _uint(batch, network + _ADDRESSES + 4, ">u4"),
            )
        )
        found, first, index, counts = np.unique(
            keys, axis=1, return_index=True, return_inverse=True, return_counts=True
        )
        last = np.zeros(len(first), np.int64)
        last[index.ravel()] = np.arange(len(rows))
        numbers = batch.numbers(rows)
        times = batch.time_ns[rows]
        for key, begin, end, count in zip(
            found.T.tolist(), first.tolist(), last.tolist(), counts.tolist(), strict=True
        ):
            self._add(tuple(key), (int(numbers[begin]), int(times[begin])), (int(numbers[end]), int(times[end])), count)

    def _add(self, key: tuple[int, int, int, int], first: tuple[int, int], last: tuple[int, int], count: int) -> None:
        known = self._talks.get(key)
        if known is not None:
            known[0] += count
            known[3:] = last
        elif len(self._talks) < TALKS_MAX:
            self._talks[key] = [count, *first, *last]

    def facts(self) -> tuple[EthernetTalk, ...]:
        """All of them, in the order in which they began."""
        talks = [
            EthernetTalk(_mac(source), _mac(destination), _ip(sender), _ip(receiver), *numbers)
            for (source, destination, sender, receiver), numbers in self._talks.items()
        ]
        return tuple(sorted(talks, key=lambda talk: (talk.first_time_ns, talk.first_frame)))


def has_nlb_unicast(batch: FrameBatch) -> bool:
    """A frame goes to a cluster address of Network Load Balancing in unicast mode."""
    rows = np.flatnonzero((batch.link_type == LinkType.ETHERNET) & (batch.captured_length >= _HEADER))
    return bool((_uint(batch, batch.offset[rows], ">u2") == NLB_UNICAST_PREFIX).any())


def _ipv4_frames(batch: FrameBatch) -> tuple[Int64Column, Int64Column]:
    """Rows of the batch, and where in its buffer their IPv4 headers stand; behind at most two VLAN tags."""
    end = batch.offset + batch.captured_length
    network = batch.offset + _HEADER
    rows = np.flatnonzero((batch.link_type == LinkType.ETHERNET) & (end - network >= _IPV4_HEADER))
    network = network[rows]
    for _ in range(2):
        is_tagged = np.zeros(len(rows), np.bool_)
        for tag in VLAN_TAGS:
            is_tagged |= _uint(batch, network - 2, ">u2") == tag
        network = network + np.where(is_tagged, _TAG, 0)
        is_whole = end[rows] - network >= _IPV4_HEADER
        rows, network = rows[is_whole], network[is_whole]
    is_ipv4 = _uint(batch, network - 2, ">u2") == EtherType.IPV4
    return rows[is_ipv4], network[is_ipv4]


def _uint(batch: FrameBatch, position: Int64Column, dtype: str) -> Int64Column:
    size = int(dtype[-1])
    windows: NDArray[np.generic] = np.ndarray((max(len(batch.data) - size + 1, 0),), dtype, batch.data, 0, (1,))
    return windows[position].astype(np.uint64).view(np.int64)


def _mac(number: int) -> str:
    return number.to_bytes(6, "big").hex(":")


def _ip(number: int) -> str:
    return ".".join(map(str, number.to_bytes(4, "big")))
