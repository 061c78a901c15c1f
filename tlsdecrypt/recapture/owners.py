"""Owners: which connection each segment of a batch belongs to, for all of them at once."""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tlsdecrypt.net.segments import IPV4_MAPPED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from tlsdecrypt.conversation import Conversation
    from tlsdecrypt.flow import Endpoint
    from tlsdecrypt.net.segments import Segments

    Int64Column = NDArray[np.int64]
    UInt64Column = NDArray[np.uint64]

NOBODY = -1

_FRAME_BITS = np.int64(40)
_LOW_HALF = (1 << 64) - 1
# Odd 64-bit constants: a multiplication by each mixes one column.
_MIXERS = np.array(
    [0x9E3779B97F4A7C15, 0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53, 0x2545F4914F6CDD1D, 0xBF58476D1CE4E5B9], np.uint64
)
_SHIFT = np.uint64(32)


class Owned(NamedTuple):
    """For each segment: the place of its conversation among all (NOBODY for none), and whether the server sent it."""

    place: Int64Column
    is_from_server: NDArray[np.bool_]


class Owners:
    """Knows the conversations of an analysis by their endpoints; of several with the same, frame numbers tell."""

    def __init__(self, conversations: Sequence[Conversation]) -> None:
        keys = np.array([_key(each.client, each.server) for each in conversations], np.uint64).reshape(-1, 5).T
        first_frame = np.array([each.span.first_frame for each in conversations], np.int64)
        order = np.lexsort((first_frame, _hash(keys)))
        self._index = order
        self._keys = keys[:, order]
        self._is_client_higher = np.array([_is_higher(each.client, each.server) for each in conversations], bool)
        hashes = _hash(self._keys)
        self._hashes, first, group = np.unique(hashes, return_index=True, return_inverse=True)
        self._first = first
        self._marks = (group.astype(np.int64) << _FRAME_BITS) | first_frame[order]

    def find(self, segments: Segments, numbers: Int64Column) -> Owned:
        """Whose the segments are; `numbers` are those of their frames."""
        keys, is_higher = _keys_of(segments)
        if not len(self._hashes):
            return Owned(np.full(len(segments), NOBODY), is_higher)
        hashes = _hash(keys)
        group = np.minimum(np.searchsorted(self._hashes, hashes), len(self._hashes) - 1)
        place = np.searchsorted(self._marks, (group << _FRAME_BITS) | numbers, side="right") - 1
        place = np.maximum(place, self._first[group])
        is_owned = (self._keys[:, place] == keys).all(axis=0)
        index = np.where(is_owned, self._index[place], NOBODY)
        return Owned(index, is_owned & (self._is_client_higher[index] != is_higher))


def address_number(address: str) -> int:
    """128 bits, IPv4 mapped."""
    parsed = ip_address(address)
    return int(parsed) | IPV4_MAPPED if parsed.version == 4 else int(parsed)  # noqa: PLR2004 - IPv4


def _is_higher(endpoint: Endpoint, other: Endpoint) -> bool:
    return (address_number(endpoint.address), endpoint.port) > (address_number(other.address), other.port)


def _key(client: Endpoint, server: Endpoint) -> tuple[int, int, int, int, int]:
    """The halves of the lower and of the higher address, then both ports in one number."""
    low, high = sorted((address_number(each.address), each.port) for each in (client, server))
    return low[0] >> 64, low[0] & _LOW_HALF, high[0] >> 64, high[0] & _LOW_HALF, low[1] << 16 | high[1]


def _keys_of(segments: Segments) -> tuple[UInt64Column, NDArray[np.bool_]]:
    """The keys of segments, and whether the source is the higher endpoint."""
    source, destination = segments.addresses[:2], segments.addresses[2:]
    ports = segments.source_port, segments.destination_port
    is_same_high, is_same_low = source[0] == destination[0], source[1] == destination[1]
    is_higher = (source[0] > destination[0]) | (is_same_high & (source[1] > destination[1]))
    is_higher |= is_same_high & is_same_low & (ports[0] > ports[1])
    low, high = np.where(is_higher, destination, source), np.where(is_higher, source, destination)
    low_port, high_port = np.where(is_higher, ports[1], ports[0]), np.where(is_higher, ports[0], ports[1])
    return np.stack((*low, *high, ((low_port << 16) | high_port).astype(np.uint64))), is_higher


def _hash(keys: UInt64Column) -> UInt64Column:
    mixed = np.zeros(keys.shape[1], np.uint64)
    for column, mixer in zip(keys, _MIXERS, strict=True):
        mixed = (mixed ^ column) * mixer
        mixed ^= mixed >> _SHIFT
    return mixed
