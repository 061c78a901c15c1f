"""Link layers of the irregular lane: each function moves the cursor past its header and says what follows.

All raise `ParseError` where the header is cut.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tlsdecrypt.net.cursor import Namespace, NextLayer, Other
from tlsdecrypt.net.protocols import (
    LOOPBACK_FAMILIES,
    VLAN_TAGS,
    EtherType,
    LinkType,
)

if TYPE_CHECKING:
    from tlsdecrypt.net.cursor import Cursor, LayerTable, Outcome

_LLC_SNAP = 0xAAAA03
_LLC_IP = 0x0606
_MPLS_BOTTOM = 0x100
_MPLS_LABELS_MAX = 24

_WLAN_DATA = 2
_WLAN_NULL, _WLAN_QOS = 0x4, 0x8  # bits of the subtype
_WLAN_TO_AND_FROM, _WLAN_PROTECTED, _WLAN_ORDER = 0x03, 0x40, 0x80  # bits of the flags
_WLAN_AGGREGATE = 0x80
_WLAN_WORD = 4

_RADIOTAP_TSFT, _RADIOTAP_FLAGS, _RADIOTAP_MORE, _RADIOTAP_PADDED = 0x1, 0x2, 1 << 31, 0x20

_NFLOG_HEADER, _NFLOG_TLV, _NFLOG_PAYLOAD = 4, 4, 9
_PKTAP_PACKET = 1
_PPP_PROTOCOLS = {0x0021: EtherType.IPV4, 0x0057: EtherType.IPV6, 0x0281: EtherType.MPLS, 0x0283: EtherType.MPLS}


def by_ethertype(number: int) -> Outcome:
    """The layer of an EtherType; numbers below `EtherType.FIRST` are lengths (IEEE 802.3), which LLC follows."""
    return NextLayer(Namespace.ETHERTYPE, number)


def ethernet(cursor: Cursor) -> Outcome:
    """IEEE 802.3."""
    number = cursor.uint(12, 2)
    cursor.skip(14)
    if number >= EtherType.FIRST:
        return by_ethertype(number)
    cursor.bound(number)
    return llc(cursor)


def tag(cursor: Cursor) -> Outcome:
    """IEEE 802.1Q and 802.1ad: two bytes of tag, then an EtherType."""
    number = cursor.uint(2, 2)
    cursor.skip(4)
    return by_ethertype(number) if number >= EtherType.FIRST else llc(cursor)


def backbone_service(cursor: Cursor) -> Outcome:
    """The I-TAG of IEEE 802.1ah, after the provider's own addresses and tag: the customer's frame follows it whole."""
    cursor.skip(4)
    return ethernet(cursor)


def cisco_metadata(cursor: Cursor) -> Outcome:
    """Cisco's security group tag: version, length, option, tag, then an EtherType."""
    number = cursor.uint(6, 2)
    cursor.skip(8)
    return by_ethertype(number)


def llc(cursor: Cursor) -> Outcome:
    """IEEE 802.2, with SNAP (RFC 1042) or without."""
    if cursor.uint(0, 2) == _LLC_IP:
        cursor.skip(3)
        return by_ethertype(EtherType.IPV4)
    if cursor.uint(0, 3) != _LLC_SNAP:
        return Other("llc")
    number = cursor.uint(6, 2)
    cursor.skip(8)
    return by_ethertype(number)


def linux_sll(cursor: Cursor) -> Outcome:
    """LINKTYPE_LINUX_SLL; protocol 4 is LLC."""
    number = cursor.uint(14, 2)
    cursor.skip(16)
    return by_ethertype(number) if number >= EtherType.FIRST else llc(cursor)


def linux_sll2(cursor: Cursor) -> Outcome:
    """LINKTYPE_LINUX_SLL2."""
    number = cursor.uint(0, 2)
    cursor.skip(20)
    return by_ethertype(number) if number >= EtherType.FIRST else llc(cursor)


def raw_ip(cursor: Cursor) -> Outcome:
    """An IP datagram without any link layer: its version tells."""
    version = cursor.uint(0, 1) >> 4
    if version not in {4, 6}:
        return Other(f"ip version {version}")
    return by_ethertype(EtherType.IPV4 if version == 4 else EtherType.IPV6)  # noqa: PLR2004 - IP version 4


def loopback(cursor: Cursor) -> Outcome:
    """LINKTYPE_NULL and LINKTYPE_LOOP: an address family, in the byte order of the host that captured."""
    families = cursor.uint(0, 4), cursor.little_uint(0, 4)
    cursor.skip(4)
    return raw_ip(cursor) if set(families) & set(LOOPBACK_FAMILIES) else Other(f"address family {min(families)}")


def mpls(cursor: Cursor) -> Outcome:
    """Labels down to the bottom of the stack (RFC 3032); the first nibble then tells what follows (RFC 4928)."""
    for _ in range(_MPLS_LABELS_MAX):
        is_bottom = cursor.uint(0, 4) & _MPLS_BOTTOM
        cursor.skip(4)
        if is_bottom:
            break
    nibble = cursor.uint(0, 1) >> 4
    if nibble in {4, 6}:
        return raw_ip(cursor)
    if nibble == 0:
        cursor.skip(4)  # the control word of a pseudowire (RFC 4385)
    return ethernet(cursor)


def pppoe(cursor: Cursor) -> Outcome:
    """RFC 2516: version, code, session, length, then PPP without its address and control."""
    length = cursor.uint(4, 2)
    cursor.skip(6)
    cursor.bound(length)
    return _ppp_protocol(cursor)


def ppp(cursor: Cursor) -> Outcome:
    """RFC 1662 section 3.1, with or without address and control."""
    if cursor.uint(0, 2) == 0xFF03:  # noqa: PLR2004 - all stations, unnumbered information
        cursor.skip(2)
    return _ppp_protocol(cursor)


def ppp_hdlc(cursor: Cursor) -> Outcome:
    """LINKTYPE_PPP_HDLC: PPP, or Cisco's framing where the first byte is 0x0f or 0x8f."""
    return c_hdlc(cursor) if cursor.uint(0, 1) in {0x0F, 0x8F} else ppp(cursor)


def ppp_with_direction(cursor: Cursor) -> Outcome:
    """LINKTYPE_PPP_PPPD: the direction stands where the address would."""
    cursor.skip(2)
    return _ppp_protocol(cursor)


def _ppp_protocol(cursor: Cursor) -> Outcome:
    size = 1 if cursor.uint(0, 1) & 1 else 2  # the low bit ends a compressed protocol field (RFC 1661 section 6.5)
    number = cursor.uint(0, size)
    cursor.skip(size)
    return by_ethertype(_PPP_PROTOCOLS[number]) if number in _PPP_PROTOCOLS else Other("ppp control")


def c_hdlc(cursor: Cursor) -> Outcome:
    """Cisco HDLC: address, control, EtherType."""
    number = cursor.uint(2, 2)
    cursor.skip(4)
    return by_ethertype(number)


def ieee80211(cursor: Cursor, *, is_padded: bool = False) -> Outcome:
    """A data frame that is not encrypted. Aggregates (A-MSDU) are not taken apart.

    Some adapters pad the header to whole words of four bytes.
    """
    start = cursor.start
    control, flags = cursor.uint(0, 1), cursor.uint(1, 1)
    subtype = control >> 4
    if (control >> 2) & 3 != _WLAN_DATA or subtype & _WLAN_NULL:
        return Other("802.11 management")
    if flags & _WLAN_PROTECTED:
        return Other("802.11 encrypted")
    cursor.skip(30 if flags & _WLAN_TO_AND_FROM == _WLAN_TO_AND_FROM else 24)
    if subtype & _WLAN_QOS:
        if cursor.uint(0, 1) & _WLAN_AGGREGATE:
            return Other("802.11 aggregate")
        cursor.skip(6 if flags & _WLAN_ORDER else 2)
    if is_padded:
        cursor.skip((start - cursor.start) % _WLAN_WORD)
    return llc(cursor)


def radiotap(cursor: Cursor) -> Outcome:
    """radiotap.org: only the flag that says that the 802.11 header is padded to four bytes matters here."""
    length = cursor.little_uint(2, 2)
    is_padded = bool(_radiotap_flags(cursor) & _RADIOTAP_PADDED)
    cursor.skip(length)
    return ieee80211(cursor, is_padded=is_padded)


def _radiotap_flags(cursor: Cursor) -> int:
    present = cursor.little_uint(4, 4)
    at, more = 8, present
    while more & _RADIOTAP_MORE:
        more = cursor.little_uint(at, 4)
        at += 4
    if not present & _RADIOTAP_FLAGS:
        return 0
    if present & _RADIOTAP_TSFT:
        at = (at + 7) // 8 * 8 + 8
    return cursor.uint(at, 1)


def ppi(cursor: Cursor) -> Outcome:
    """LINKTYPE_PPI: a header with its length and the link type of what follows."""
    length, link_type = cursor.little_uint(2, 2), cursor.little_uint(4, 4)
    cursor.skip(length)
    return NextLayer(Namespace.LINK_TYPE, link_type)


def pktap(cursor: Cursor) -> Outcome:
    """LINKTYPE_PKTAP (Apple): the same, with the type of the record between."""
    length, kind, link_type = (cursor.little_uint(at, 4) for at in (0, 4, 8))
    cursor.skip(length)
    return NextLayer(Namespace.LINK_TYPE, link_type) if kind == _PKTAP_PACKET else Other("pktap")


def nflog(cursor: Cursor) -> Outcome:
    """LINKTYPE_NFLOG: family, version and resource, then attributes padded to four bytes; one is an IP datagram.

    Lengths and types are in the byte order of the host that captured: the one in which the length fits.
    """
    cursor.skip(_NFLOG_HEADER)
    while cursor.remaining >= _NFLOG_TLV:
        is_little = _NFLOG_TLV <= cursor.little_uint(0, 2) <= cursor.wire_end - cursor.start
        read = cursor.little_uint if is_little else cursor.uint
        length, kind = read(0, 2), read(2, 2)
        if length < _NFLOG_TLV:
            break
        if kind == _NFLOG_PAYLOAD:
            cursor.skip(_NFLOG_TLV)
            cursor.bound(length - _NFLOG_TLV)
            return raw_ip(cursor)
        cursor.skip((length + 3) // 4 * 4)
    return Other("nflog")


LINK_LAYERS: LayerTable = {
    LinkType.NULL: loopback,
    LinkType.LOOP: loopback,
    LinkType.ETHERNET: ethernet,
    LinkType.PPP: ppp,
    LinkType.PPP_HDLC: ppp_hdlc,
    LinkType.PPP_ETHER: pppoe,
    LinkType.PPP_PPPD: ppp_with_direction,
    LinkType.RAW: raw_ip,
    LinkType.RAW_12: raw_ip,
    LinkType.RAW_14: raw_ip,
    LinkType.IPV4: raw_ip,
    LinkType.IPV6: raw_ip,
    LinkType.C_HDLC: c_hdlc,
    LinkType.IEEE802_11: ieee80211,
    LinkType.RADIOTAP: radiotap,
    LinkType.PPI: ppi,
    LinkType.MPLS: mpls,
    LinkType.NFLOG: nflog,
    LinkType.PKTAP: pktap,
    LinkType.LINUX_SLL: linux_sll,
    LinkType.LINUX_SLL2: linux_sll2,
}

ETHERTYPE_LAYERS: LayerTable = {
    **dict.fromkeys(VLAN_TAGS, tag),
    EtherType.BACKBONE_SERVICE: backbone_service,
    EtherType.CISCO_METADATA: cisco_metadata,
    EtherType.MPLS: mpls,
    EtherType.MPLS_MULTICAST: mpls,
    EtherType.PPPOE_SESSION: pppoe,
    EtherType.PPP: ppp,
    EtherType.TRANSPARENT_ETHERNET: ethernet,
}
