"""Frames as Windows logs them, made what they were on the wire, after what Microsoft's etl2pcapng knows of them.

Frames of a wireless network are logged decrypted and still say that they are protected. Of frames that were cut
(`packettruncatebytes`) the trace does not tell how long they were; their IP header does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tlsdecrypt.capture.linktypes import ETHERNET, IEEE802_11, RAW_IP

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tlsdecrypt.capture.frames import Int64Column

    Mask = NDArray[np.bool_]

_PROTECTED = 0x40  # a bit of the second byte, IEEE 802.11 section 9.2.4.1
_ETHERNET_HEADER = 14
_IPV4, _IPV6 = 4, 6
_IPV4_HEADER, _IPV6_HEADER = 20, 40


def unprotected(data: bytes, offset: Int64Column, captured: Int64Column, link_type: Int64Column) -> bytes:
    """`data`, where frames of a wireless network no longer say that they are protected."""
    places = offset[(link_type == IEEE802_11) & (captured > 1)] + 1
    if not len(places):
        return data
    octets = np.frombuffer(data, np.uint8).copy()
    octets[places] &= 0xFF ^ _PROTECTED
    return octets.tobytes()


def wire_lengths(data: bytes, offset: Int64Column, captured: Int64Column, link_type: Int64Column) -> Int64Column:
    """How long each frame was by what its IP header says, at least what is there of it."""
    header = np.where(link_type == ETHERNET, _ETHERNET_HEADER, 0)
    is_ip = (link_type == ETHERNET) | (link_type == RAW_IP)
    rows = np.flatnonzero(is_ip & (captured >= header + _IPV4_HEADER))
    result = captured.copy()
    octets = np.frombuffer(data, np.uint8)
    start, room = offset[rows] + header[rows], captured[rows] - header[rows]
    version = octets[start] >> 4
    is_four = _is_told(octets, start, link_type[rows], 0x0800) & (version == _IPV4)
    is_six = _is_told(octets, start, link_type[rows], 0x86DD) & (version == _IPV6) & (room >= _IPV6_HEADER)
    for mask, at, more in ((is_four, 2, 0), (is_six, 4, _IPV6_HEADER)):
        length = _u16(octets, start[mask] + at) + more + header[rows[mask]]
        result[rows[mask]] = np.maximum(captured[rows[mask]], length)
    return result


def _is_told(octets: NDArray[np.uint8], start: Int64Column, link_type: Int64Column, ethertype: int) -> Mask:
    """Whether this protocol is what the frame carries: Ethernet says it, a raw datagram needs no word."""
    is_raw = link_type == RAW_IP
    before: Int64Column = np.where(is_raw, start, start - 2)
    result: Mask = is_raw | (_u16(octets, before) == ethertype)
    return result


def _u16(octets: NDArray[np.uint8], position: Int64Column) -> Int64Column:
    value: Int64Column = (octets[position].astype(np.int64) << 8) | octets[position + 1]
    return value
