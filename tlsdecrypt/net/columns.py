"""The fast lane: link, IP and TCP headers of a whole batch at once.

Each step takes the frames that are still plain and drops the rest; a frame that is dropped is either counted by its
word or left to the irregular lane. No field is gathered before its last byte is known to lie inside the frame.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from tlsdecrypt.net.protocols import (
    DNS_PORTS,
    ICMP_ERRORS,
    ICMPV6_ERRORS,
    LOOPBACK_FAMILIES,
    LOOPBACK_LINK_TYPES,
    RAW_LINK_TYPES,
    TELLING_PORTS,
    TUNNEL_PORTS,
    VLAN_TAGS,
    VLAN_TAGS_MAX,
    VXLAN_PORTS,
    ZERO_WINDOW,
    EtherType,
    IpProtocol,
    LinkType,
    describe_ethertype,
    describe_protocol,
)
from tlsdecrypt.net.segments import IPV4_MAPPED, Segments
from tlsdecrypt.value import Hidden, Value

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from tlsdecrypt.capture.frames import FrameBatch

    Int64Column = NDArray[np.int64]
    UInt64Column = NDArray[np.uint64]
    Mask = NDArray[np.bool_]

IPV4, IPV6 = 4, 6  # versions
VLAN_TAG = 4
IPV4_HEADER = 20
IPV6_HEADER = 40
TCP_HEADER = 20
UDP_HEADER = 8
VXLAN_HEADER, VXLAN_HAS_NETWORK = 8, 0x08
VXLAN_TUNNELS_MAX = 2  # nested ones; deeper goes through the irregular lane

# Link types whose header has an EtherType: where it stands, and where the network layer starts.
_ETHERTYPE_LINKS = {LinkType.ETHERNET: (12, 14), LinkType.LINUX_SLL: (14, 16), LinkType.LINUX_SLL2: (0, 20)}
_LOOPBACK_HEADER = 4
_SWAPPED_FAMILIES = tuple(int.from_bytes(family.to_bytes(4, "little"), "big") for family in LOOPBACK_FAMILIES)
_ETHERTYPE_OF_VERSION = np.zeros(16, np.int64)
_ETHERTYPE_OF_VERSION[[IPV4, IPV6]] = EtherType.IPV4, EtherType.IPV6
_MORE_FRAGMENTS_OR_OFFSET = 0x3FFF


class FastLane(Value, frozen=True, eq=False):
    """What the fast lane made of a batch: TCP segments, frames counted by their word, and indices of all others.

    `telling` are the indices of frames that were counted and may explain a failure: see `surroundings_reader`.
    """

    segments: Hidden[Segments]
    irregular: Hidden[Int64Column]
    other_frames: Counter[str]
    telling: Hidden[Int64Column]


class _Headers:
    """Gathers fields of many frames from one buffer."""

    def __init__(self, batch: FrameBatch) -> None:
        self._data = batch.data
        self.captured_end = batch.offset + batch.captured_length
        self.wire_end = batch.offset + np.maximum(batch.original_length, batch.captured_length)
        self.offset = batch.offset
        self.is_counted = np.zeros(len(batch), np.bool_)
        self.counts: Counter[str] = Counter()
        self.telling: list[Int64Column] = []

    def _windows(self, dtype: str, size: int) -> NDArray[np.generic]:
        return np.ndarray((max(len(self._data) - size + 1, 0),), dtype, self._data, 0, (1,))

    def u8(self, position: Int64Column) -> Int64Column:
        return self._windows("u1", 1)[position].astype(np.int64)

    def u16(self, position: Int64Column) -> Int64Column:
        return self._windows(">u2", 2)[position].astype(np.int64)

    def u32(self, position: Int64Column) -> Int64Column:
        return self._windows(">u4", 4)[position].astype(np.int64)

    def u64(self, position: Int64Column) -> UInt64Column:
        return self._windows(">u8", 8)[position].astype(np.uint64)

    def count(self, word: str, frames: Int64Column) -> None:
        """`frames` need no other lane."""
        if len(frames):
            self.counts[word] += len(frames)
            self.is_counted[frames] = True

    def tell(self, frames: Int64Column) -> None:
        """`frames` were counted; the surroundings should know them."""
        if len(frames):
            self.telling.append(frames)


class _Layer(Value, frozen=True, eq=False):
    """Frames of one kind: `start` of the header that comes next, `end` of the datagram on the wire and as captured."""

    frame: Int64Column
    start: Int64Column
    wire_end: Int64Column
    captured_end: Int64Column

    def where(self, mask: Mask) -> _Layer:
        if mask.all():  # as it nearly always is: nothing to copy
            return self
        return _Layer(self.frame[mask], self.start[mask], self.wire_end[mask], self.captured_end[mask])

    def has(self, length: int) -> Mask:
        return self.captured_end - self.start >= length


class _Payloads(Value, frozen=True, eq=False):
    """IP payloads: a layer, where its IP headers start, and which protocol and addresses it has."""

    layer: _Layer
    network: Int64Column
    protocol: Int64Column
    addresses: UInt64Column


def read_fast_lane(batch: FrameBatch) -> FastLane:
    """The TCP segments of `batch` that need no frame-by-frame look."""
    headers = _Headers(batch)
    segments = Segments.of_rows([])
    for link_type in sorted(set(batch.link_type.tolist())):
        frames = np.flatnonzero(batch.link_type == link_type)
        layer = _Layer(frames, headers.offset[frames], headers.wire_end[frames], headers.captured_end[frames])
        for part in _read_layers(headers, layer, link_type, VXLAN_TUNNELS_MAX):
            segments = segments.merged(part)
    is_regular = headers.is_counted
    is_regular[segments.frame] = True
    telling = np.unique(np.concatenate(headers.telling)) if headers.telling else np.zeros(0, np.int64)
    return FastLane(segments, np.flatnonzero(~is_regular), headers.counts, telling)


def _read_layers(headers: _Headers, layer: _Layer, link_type: int, tunnels_left: int) -> Iterator[Segments]:
    """The segments in frames of one link type, and in the Ethernet frames that they carry."""
    layer, ethertype = _network_layer(headers, layer, link_type)
    arp = layer.frame[ethertype == EtherType.ARP]
    headers.count(describe_ethertype(EtherType.ARP), arp)
    headers.tell(arp)
    for payloads in (
        _ipv4(headers, layer.where(ethertype == EtherType.IPV4)),
        _ipv6(headers, layer.where(ethertype == EtherType.IPV6)),
    ):
        yield _tcp(headers, payloads)
        for protocol, errors in ((IpProtocol.ICMP, ICMP_ERRORS), (IpProtocol.ICMPV6, ICMPV6_ERRORS)):
            icmp = payloads.layer.where(payloads.protocol == protocol)
            headers.count(describe_protocol(protocol), icmp.frame)
            icmp = icmp.where(icmp.has(1))
            headers.tell(icmp.frame[_is_in(headers.u8(icmp.start), errors)])
        tunnels = _udp(headers, payloads)
        if tunnels_left and len(tunnels.frame):
            yield from _read_layers(headers, _vxlan(headers, tunnels), LinkType.ETHERNET, tunnels_left - 1)


def _network_layer(headers: _Headers, layer: _Layer, link_type: int) -> tuple[_Layer, Int64Column]:
    """The network layer of frames of one link type, and its EtherType (0 where only the irregular lane can tell)."""
    if link_type in _ETHERTYPE_LINKS:
        ethertype_at, header = _ETHERTYPE_LINKS[LinkType(link_type)]
        layer = layer.where(layer.has(header))
        ethertype = headers.u16(layer.start + ethertype_at)
        return _without_tags(headers, _advanced(layer, header), ethertype)
    if link_type in LOOPBACK_LINK_TYPES:
        layer = layer.where(layer.has(_LOOPBACK_HEADER))
        family = headers.u32(layer.start)
        layer = _advanced(layer, _LOOPBACK_HEADER).where(_is_in(family, LOOPBACK_FAMILIES + _SWAPPED_FAMILIES))
    elif link_type not in RAW_LINK_TYPES:
        return layer, np.zeros(len(layer.frame), np.int64)
    layer = layer.where(layer.has(1))
    return layer, _ETHERTYPE_OF_VERSION[headers.u8(layer.start) >> 4]


def _is_in(column: Int64Column, values: tuple[int, ...]) -> Mask:
    """Where `column` has one of a few values. What numpy has for it loads its masked arrays, which takes a while."""
    result = np.zeros(len(column), np.bool_)
    for value in values:
        result |= column == value
    return result


def _advanced(layer: _Layer, length: int | Int64Column) -> _Layer:
    return _Layer(layer.frame, layer.start + length, layer.wire_end, layer.captured_end)


def _without_tags(headers: _Headers, layer: _Layer, ethertype: Int64Column) -> tuple[_Layer, Int64Column]:
    """Past IEEE 802.1Q and 802.1ad tags: two bytes of tag, then the EtherType of what follows."""
    start = layer.start.copy()
    for _ in range(VLAN_TAGS_MAX):
        if not (tagged := np.flatnonzero(_is_in(ethertype, VLAN_TAGS) & (layer.captured_end - start >= VLAN_TAG))).size:
            break
        ethertype[tagged] = headers.u16(start[tagged] + VLAN_TAG - 2)
        start[tagged] += VLAN_TAG
    return _Layer(layer.frame, start, layer.wire_end, layer.captured_end), ethertype


def _ipv4(headers: _Headers, layer: _Layer) -> _Payloads:
    """RFC 791 section 3.1. A total length of 0 is that of a frame whose segmentation was left to the network card."""
    layer = layer.where(layer.has(IPV4_HEADER))
    first = headers.u8(layer.start)
    header = (first & 0x0F) * 4
    total = headers.u16(layer.start + 2)
    is_whole = (headers.u16(layer.start + 6) & _MORE_FRAGMENTS_OR_OFFSET) == 0
    is_plain = is_whole & (first >> 4 == IPV4) & (header >= IPV4_HEADER) & ((total >= header) | (total == 0))
    layer, header, total = layer.where(is_plain), header[is_plain], total[is_plain]
    protocol = headers.u8(layer.start + 9)
    addresses = np.zeros((4, len(layer.frame)), np.uint64)
    addresses[1] = headers.u32(layer.start + 12) | IPV4_MAPPED
    addresses[3] = headers.u32(layer.start + 16) | IPV4_MAPPED
    bounded = _bounded(layer, np.where(total == 0, layer.wire_end, layer.start + total))
    return _Payloads(_advanced(bounded, header), layer.start, protocol, addresses)


def _ipv6(headers: _Headers, layer: _Layer) -> _Payloads:
    """RFC 8200 section 3, without extension headers. A payload length of 0 comes from segmentation offload."""
    layer = layer.where(layer.has(IPV6_HEADER))
    layer = layer.where(headers.u8(layer.start) >> 4 == IPV6)
    length = headers.u16(layer.start + 4)
    protocol = headers.u8(layer.start + 6)
    addresses = np.stack([headers.u64(layer.start + at) for at in (8, 16, 24, 32)])
    bounded = _bounded(layer, np.where(length == 0, layer.wire_end, layer.start + IPV6_HEADER + length))
    return _Payloads(_advanced(bounded, IPV6_HEADER), layer.start, protocol, addresses)


def _bounded(layer: _Layer, end: Int64Column) -> _Layer:
    """What follows the datagram is padding; what the datagram claims beyond the frame was never sent."""
    wire_end = np.minimum(end, layer.wire_end)
    return _Layer(layer.frame, layer.start, wire_end, np.minimum(wire_end, layer.captured_end))


def _udp(headers: _Headers, payloads: _Payloads) -> _Layer:
    """RFC 768. Counts what is no tunnel; the rest, still with its UDP header."""
    layer = payloads.layer.where((payloads.protocol == IpProtocol.UDP) & payloads.layer.has(UDP_HEADER))
    source, destination = headers.u16(layer.start), headers.u16(layer.start + 2)
    is_dns = _is_in(source, DNS_PORTS) | _is_in(destination, DNS_PORTS)
    is_tunnel = _is_in(source, TUNNEL_PORTS) | _is_in(destination, TUNNEL_PORTS)
    headers.count("dns", layer.frame[is_dns & ~is_tunnel])
    is_telling = _is_in(source, TELLING_PORTS) | _is_in(destination, TELLING_PORTS)
    headers.tell(layer.frame[is_telling & ~is_tunnel])
    headers.count("udp", layer.frame[~is_dns & ~is_tunnel])
    return layer.where(is_tunnel)


def _vxlan(headers: _Headers, tunnels: _Layer) -> _Layer:
    """The Ethernet frames inside VXLAN (RFC 7348 section 5): what a cloud's traffic mirror sends."""
    layer = tunnels.where(tunnels.has(UDP_HEADER + VXLAN_HEADER))
    is_vxlan = _is_in(headers.u16(layer.start + 2), VXLAN_PORTS)
    is_whole = headers.u16(layer.start + 4) == layer.wire_end - layer.start
    has_network = (headers.u8(layer.start + UDP_HEADER) & VXLAN_HAS_NETWORK) != 0
    return _advanced(layer.where(is_vxlan & is_whole & has_network), UDP_HEADER + VXLAN_HEADER)


def _tcp(headers: _Headers, payloads: _Payloads) -> Segments:
    """RFC 9293 section 3.1."""
    is_tcp = np.flatnonzero((payloads.protocol == IpProtocol.TCP) & payloads.layer.has(TCP_HEADER))
    start = payloads.layer.start[is_tcp]
    header = (headers.u8(start + 12) >> 4) * 4
    is_plain = (header >= TCP_HEADER) & (start + header <= payloads.layer.wire_end[is_tcp])
    is_tcp, start, header = is_tcp[is_plain], start[is_plain], header[is_plain]
    payload = start + header
    length = np.maximum(payloads.layer.captured_end[is_tcp] - payload, 0)
    ports = headers.u32(start)
    flags = headers.u8(start + 13)
    flags[headers.u16(start + 14) == 0] |= ZERO_WINDOW
    return Segments(
        payloads.layer.frame[is_tcp],
        payloads.addresses.take(is_tcp, axis=1),
        ports >> 16,
        ports & 0xFFFF,
        headers.u32(start + 4),
        headers.u32(start + 8),
        flags,
        payload,
        length,
        payloads.layer.wire_end[is_tcp] - payload - length,
        payloads.network[is_tcp],
    )
