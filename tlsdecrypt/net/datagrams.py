"""IPv4, IPv6 with its extension headers, TCP and UDP headers of the irregular lane.

All raise `ParseError` where the header is cut or lies about its length.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tlsdecrypt.errors import ParseError
from tlsdecrypt.net.cursor import Fragment, Namespace, NextLayer, Other, TcpSegment
from tlsdecrypt.net.protocols import TUNNEL_PORTS, ZERO_WINDOW, EtherType, IpProtocol, describe_udp
from tlsdecrypt.net.segments import IPV4_MAPPED

if TYPE_CHECKING:
    from tlsdecrypt.net.cursor import Cursor, LayerTable, Outcome

_IPV4_HEADER, _IPV6_HEADER, _TCP_HEADER, _UDP_HEADER, _FRAGMENT_HEADER = 20, 40, 20, 8, 8
_MORE_FRAGMENTS, _FRAGMENT_OFFSET = 0x2000, 0x1FFF
_PLAIN_EXTENSIONS = (
    IpProtocol.HOP_BY_HOP,
    IpProtocol.ROUTING,
    IpProtocol.DESTINATION_OPTIONS,
    IpProtocol.MOBILITY,
)


def ipv4(cursor: Cursor) -> Outcome:
    """RFC 791 section 3.1. A total length of 0 is that of a frame whose segmentation was left to the network card."""
    first, total = cursor.uint(0, 1), cursor.uint(2, 2)
    header = (first & 0x0F) * 4
    if first >> 4 != 4 or header < _IPV4_HEADER or 0 < total < header:  # noqa: PLR2004 - IP version 4
        raise ParseError("IPv4 header", cursor.start)
    fragment, protocol = cursor.uint(6, 2), cursor.uint(9, 1)
    identification = cursor.uint(4, 2)
    cursor.network = cursor.start
    cursor.source, cursor.destination = cursor.uint(12, 4) | IPV4_MAPPED, cursor.uint(16, 4) | IPV4_MAPPED
    if total:
        cursor.bound(total)
    cursor.skip(header)
    offset, is_last = (fragment & _FRAGMENT_OFFSET) * 8, not fragment & _MORE_FRAGMENTS
    return _payload(cursor, protocol, identification, offset, is_last=is_last)


def _payload(cursor: Cursor, protocol: int, identification: int, offset: int, *, is_last: bool) -> Outcome:
    if offset == 0 and is_last:
        return NextLayer(Namespace.IP_PROTOCOL, protocol)
    key = (cursor.source, cursor.destination, identification, protocol)
    return Fragment(key, protocol, offset, is_last, cursor.data[cursor.start : cursor.end])


def ipv6(cursor: Cursor) -> Outcome:
    """RFC 8200 section 3. A payload length of 0 comes from segmentation offload, or of a jumbogram (RFC 2675)."""
    if cursor.uint(0, 1) >> 4 != 6:  # noqa: PLR2004 - IP version 6
        raise ParseError("IPv6 header", cursor.start)
    length, protocol = cursor.uint(4, 2), cursor.uint(6, 1)
    cursor.network = cursor.start
    cursor.source, cursor.destination = cursor.uint(8, 16), cursor.uint(24, 16)
    if length:
        cursor.bound(_IPV6_HEADER + length)
    cursor.skip(_IPV6_HEADER)
    return NextLayer(Namespace.IP_PROTOCOL, protocol)


def extension(cursor: Cursor) -> Outcome:
    """An IPv6 extension header of the common form (RFC 8200 section 4.2 to 4.6)."""
    protocol, length = cursor.uint(0, 1), (cursor.uint(1, 1) + 1) * 8
    cursor.skip(length)
    return NextLayer(Namespace.IP_PROTOCOL, protocol)


def authentication(cursor: Cursor) -> Outcome:
    """RFC 4302 section 2: the length counts in words of four bytes, less two."""
    protocol, length = cursor.uint(0, 1), (cursor.uint(1, 1) + 2) * 4
    cursor.skip(length)
    return NextLayer(Namespace.IP_PROTOCOL, protocol)


def fragment_header(cursor: Cursor) -> Outcome:
    """RFC 8200 section 4.5; one that says "first and last" (RFC 6946) changes nothing."""
    protocol, fragment, identification = cursor.uint(0, 1), cursor.uint(2, 2), cursor.uint(4, 4)
    cursor.skip(_FRAGMENT_HEADER)
    return _payload(cursor, protocol, identification, fragment & ~7, is_last=not fragment & 1)


def udp(cursor: Cursor) -> Outcome:
    """RFC 768: a tunnel where either port is one of a tunnel."""
    source, destination, length = cursor.uint(0, 2), cursor.uint(2, 2), cursor.uint(4, 2)
    cursor.skip(_UDP_HEADER)
    if length >= _UDP_HEADER:
        cursor.bound(length - _UDP_HEADER)
    for port in (destination, source):
        if port in TUNNEL_PORTS:
            return NextLayer(Namespace.UDP_PORT, port)
    return Other(describe_udp(source, destination), (source, destination))


def tcp(cursor: Cursor) -> TcpSegment:
    """RFC 9293 section 3.1. Options may be cut by the snap length: then all of the payload is missing."""
    header = (cursor.uint(12, 1) >> 4) * 4
    ports, seq, ack, flags = cursor.uint(0, 4), cursor.uint(4, 4), cursor.uint(8, 4), cursor.uint(13, 1)
    if not cursor.uint(14, 2):
        flags |= ZERO_WINDOW
    if cursor.remaining < _TCP_HEADER or header < _TCP_HEADER or cursor.start + header > cursor.wire_end:
        raise ParseError("TCP header", cursor.start)
    cursor.start += header
    return TcpSegment(ports >> 16, ports & 0xFFFF, seq, ack, flags)


ETHERTYPE_DATAGRAMS: LayerTable = {EtherType.IPV4: ipv4, EtherType.IPV6: ipv6}

IP_PAYLOADS: LayerTable = {
    **dict.fromkeys(_PLAIN_EXTENSIONS, extension),
    IpProtocol.AUTHENTICATION: authentication,
    IpProtocol.FRAGMENT: fragment_header,
    IpProtocol.TCP: tcp,
    IpProtocol.UDP: udp,
}
