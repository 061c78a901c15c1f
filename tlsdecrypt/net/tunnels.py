"""Tunnels: frames and datagrams that travel inside datagrams.

All raise `ParseError` where the header is cut. Inside UDP a port is only a hint: what does not look like the tunnel
is counted as UDP.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tlsdecrypt.net.cursor import Other
from tlsdecrypt.net.links import by_ethertype, ethernet, mpls, raw_ip
from tlsdecrypt.net.protocols import EtherType, IpProtocol, UdpPort

if TYPE_CHECKING:
    from tlsdecrypt.net.cursor import Cursor, LayerTable, Outcome

_UDP = Other("udp")

_GRE_CHECKSUM, _GRE_ROUTING, _GRE_KEY, _GRE_SEQUENCE, _GRE_ACKNOWLEDGMENT = 0x8000, 0x4000, 0x2000, 0x1000, 0x0080
_GRE_VERSION = 0x0007
_ERSPAN_2_HEADER, _ERSPAN_3_HEADER, _ERSPAN_3_PLATFORM = 8, 12, 0x01

_VXLAN_HEADER, _VXLAN_HAS_VNI, _VXLAN_HAS_NEXT = 8, 0x08, 0x04
_VXLAN_NEXT = {1: EtherType.IPV4, 2: EtherType.IPV6, 3: EtherType.TRANSPARENT_ETHERNET, 5: EtherType.MPLS}
_GENEVE_HEADER = 8

_GTP_U_HEADER, _GTP_VERSION_1, _GTP_USER_DATA = 8, 0x30, 0xFF
_GTP_EXTENSION, _GTP_OPTIONAL = 0x04, 0x07
_GTP_EXTENSIONS_MAX = 8

_TEREDO_AUTHENTICATION, _TEREDO_ORIGIN, _TEREDO_ORIGIN_LENGTH = 0x0001, 0x0000, 8


def gre(cursor: Cursor) -> Outcome:
    """RFC 2784 and 2890; version 1 is that of PPTP (RFC 2637). ERSPAN is Ethernet inside GRE."""
    flags, number = cursor.uint(0, 2), cursor.uint(2, 2)
    length = 4
    if flags & _GRE_ROUTING:
        return Other("gre with routing")
    for bit in (_GRE_CHECKSUM, _GRE_KEY, _GRE_SEQUENCE):
        length += 4 if flags & bit else 0
    if flags & _GRE_VERSION and flags & _GRE_ACKNOWLEDGMENT:
        length += 4
    cursor.skip(length)
    if number == EtherType.ERSPAN_2:
        return _erspan_2(cursor, has_header=bool(flags & _GRE_SEQUENCE))
    return _erspan_3(cursor) if number == EtherType.ERSPAN_3 else by_ethertype(number)


def _erspan_2(cursor: Cursor, *, has_header: bool) -> Outcome:
    """draft-foschiano-erspan section 4.2; type I has no header of its own, and GRE without sequence number."""
    cursor.skip(_ERSPAN_2_HEADER if has_header else 0)
    return ethernet(cursor)


def _erspan_3(cursor: Cursor) -> Outcome:
    """draft-foschiano-erspan section 4.3; the last bit announces eight bytes more."""
    has_platform = cursor.uint(_ERSPAN_3_HEADER - 1, 1) & _ERSPAN_3_PLATFORM
    cursor.skip(_ERSPAN_3_HEADER + (8 if has_platform else 0))
    return ethernet(cursor)


def vxlan(cursor: Cursor) -> Outcome:
    """RFC 7348 section 5."""
    if not cursor.uint(0, 1) & _VXLAN_HAS_VNI:
        return _UDP
    cursor.skip(_VXLAN_HEADER)
    return ethernet(cursor)


def vxlan_gpe(cursor: Cursor) -> Outcome:
    """draft-ietf-nvo3-vxlan-gpe section 3: the header names the protocol that follows."""
    flags, number = cursor.uint(0, 1), cursor.uint(3, 1)
    if not flags & _VXLAN_HAS_NEXT:
        return vxlan(cursor)
    if number not in _VXLAN_NEXT:
        return _UDP
    cursor.skip(_VXLAN_HEADER)
    return by_ethertype(_VXLAN_NEXT[number])


def geneve(cursor: Cursor) -> Outcome:
    """RFC 8926 section 3.4."""
    version, options = cursor.uint(0, 1) >> 6, (cursor.uint(0, 1) & 0x3F) * 4
    number = cursor.uint(2, 2)
    if version:
        return _UDP
    cursor.skip(_GENEVE_HEADER + options)
    return by_ethertype(number)


def gtp_u(cursor: Cursor) -> Outcome:
    """3GPP TS 29.281 section 5.1: user data is an IP datagram, after extension headers in units of four bytes."""
    flags, kind = cursor.uint(0, 1), cursor.uint(1, 1)
    if flags & 0xF0 != _GTP_VERSION_1 or kind != _GTP_USER_DATA:
        return _UDP
    cursor.skip(_GTP_U_HEADER)
    if flags & _GTP_OPTIONAL:
        following = cursor.uint(3, 1) if flags & _GTP_EXTENSION else 0
        cursor.skip(4)
        for _ in range(_GTP_EXTENSIONS_MAX):
            length = cursor.uint(0, 1) * 4 if following else 0
            if not length:
                break
            following = cursor.uint(length - 1, 1)
            cursor.skip(length)
    return raw_ip(cursor)


def teredo(cursor: Cursor) -> Outcome:
    """RFC 4380 section 5.1: an IPv6 datagram, perhaps after authentication and origin indications."""
    if cursor.uint(0, 2) == _TEREDO_AUTHENTICATION:
        client_id, authentication = cursor.uint(2, 1), cursor.uint(3, 1)
        cursor.skip(4 + client_id + authentication + 9)
    if cursor.uint(0, 2) == _TEREDO_ORIGIN:
        cursor.skip(_TEREDO_ORIGIN_LENGTH)
    return by_ethertype(EtherType.IPV6) if cursor.uint(0, 1) >> 4 == 6 else _UDP  # noqa: PLR2004 - IP version 6


IP_TUNNELS: LayerTable = {IpProtocol.IPV4: raw_ip, IpProtocol.IPV6: raw_ip, IpProtocol.GRE: gre, IpProtocol.MPLS: mpls}

UDP_TUNNELS: LayerTable = {
    UdpPort.VXLAN: vxlan,
    UdpPort.VXLAN_LINUX: vxlan,
    UdpPort.VXLAN_GPE: vxlan_gpe,
    UdpPort.GENEVE: geneve,
    UdpPort.GTP_U: gtp_u,
    UdpPort.TEREDO: teredo,
}
