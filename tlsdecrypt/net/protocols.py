"""Numbers that say what follows a header, and the words for what is not TCP.

Sources: tcpdump.org/linktypes.html, IANA ieee-802-numbers, protocol-numbers and service-names-port-numbers.
"""

from __future__ import annotations

from enum import IntEnum
from functools import lru_cache


class LinkType(IntEnum):
    """LINKTYPE_ values of captures."""

    NULL = 0
    ETHERNET = 1
    PPP = 9
    RAW_12 = 12
    RAW_14 = 14
    PPP_HDLC = 50
    PPP_ETHER = 51
    RAW = 101
    C_HDLC = 104
    IEEE802_11 = 105
    LOOP = 108
    LINUX_SLL = 113
    RADIOTAP = 127
    PPP_PPPD = 166
    PPI = 192
    MPLS = 219
    IPV4 = 228
    IPV6 = 229
    NFLOG = 239
    PKTAP = 258
    LINUX_SLL2 = 276


RAW_LINK_TYPES = (LinkType.RAW, LinkType.RAW_12, LinkType.RAW_14, LinkType.IPV4, LinkType.IPV6)
LOOPBACK_LINK_TYPES = (LinkType.NULL, LinkType.LOOP)

# AF_INET, and AF_INET6 of NetBSD and OpenBSD, FreeBSD, Darwin. Either byte order occurs: that of the capturing host.
LOOPBACK_FAMILIES = (2, 24, 28, 30)


class EtherType(IntEnum):
    """What an Ethernet frame carries. Below `FIRST` the field is a length."""

    FIRST = 0x0600
    IPV4 = 0x0800
    ARP = 0x0806
    TRANSPARENT_ETHERNET = 0x6558
    VLAN = 0x8100
    IPV6 = 0x86DD
    PPP = 0x880B
    MPLS = 0x8847
    MPLS_MULTICAST = 0x8848
    PPPOE_SESSION = 0x8864
    BACKBONE_SERVICE = 0x88E7
    ERSPAN_2 = 0x88BE
    ERSPAN_3 = 0x22EB
    SERVICE_VLAN = 0x88A8
    CISCO_METADATA = 0x8909
    VLAN_9100 = 0x9100
    VLAN_9200 = 0x9200


VLAN_TAGS = (EtherType.VLAN, EtherType.SERVICE_VLAN, EtherType.VLAN_9100, EtherType.VLAN_9200)
VLAN_TAGS_MAX = 4  # deeper stacks go through the irregular lane, which has its own bound


class IpProtocol(IntEnum):
    """The protocol field of IPv4, the next header of IPv6."""

    HOP_BY_HOP = 0
    ICMP = 1
    IPV4 = 4
    TCP = 6
    UDP = 17
    IPV6 = 41
    ROUTING = 43
    FRAGMENT = 44
    GRE = 47
    AUTHENTICATION = 51
    ICMPV6 = 58
    DESTINATION_OPTIONS = 60
    MOBILITY = 135
    MPLS = 137


class UdpPort(IntEnum):
    """Ports behind which frames or datagrams travel inside UDP."""

    GTP_U = 2152
    TEREDO = 3544
    VXLAN = 4789
    VXLAN_GPE = 4790
    GENEVE = 6081
    VXLAN_LINUX = 8472


TUNNEL_PORTS = tuple(int(port) for port in UdpPort)
VXLAN_PORTS = (int(UdpPort.VXLAN), int(UdpPort.VXLAN_LINUX))
DNS_PORT, KERBEROS_PORT = 53, 88
DNS_PORTS = (DNS_PORT, 5353)  # and multicast DNS
TELLING_PORTS = (DNS_PORT, KERBEROS_PORT)  # of messages that explain what happens on connections

# Types of ICMP that report an error: RFC 792, RFC 4443 section 2.1.
ICMP_ERRORS = (3, 11, 12)  # destination unreachable, time exceeded, parameter problem
ICMPV6_ERRORS = (1, 2, 3, 4)  # and packet too big


class TcpFlag(IntEnum):
    """Bits of the TCP flags byte (RFC 9293 section 3.1)."""

    FIN = 0x01
    SYN = 0x02
    RST = 0x04
    ACK = 0x10


ZERO_WINDOW = 0x100  # beyond the flags byte: the segment says that its sender's buffer is full

MALFORMED = "malformed"
FRAGMENT = "fragment"

_ETHERTYPE_WORDS = {
    int(EtherType.ARP): "arp",
    0x8035: "rarp",
    0x8137: "ipx",
    0x8863: "pppoe discovery",
    0x888E: "eapol",
    0x88CC: "lldp",
    0x88E5: "macsec",
    0x88F7: "ptp",
}

_PROTOCOL_WORDS = {
    int(IpProtocol.ICMP): "icmp",
    int(IpProtocol.UDP): "udp",
    int(IpProtocol.ICMPV6): "icmpv6",
    59: "ipv6 no next header",
}


def describe_ethertype(number: int) -> str:
    """The word for an EtherType that no layer here reads."""
    return _ETHERTYPE_WORDS.get(number) or f"ethertype 0x{number:04x}"


def describe_protocol(number: int) -> str:
    """The word for an IP protocol that no layer here reads."""
    return _PROTOCOL_WORDS.get(number) or _registered_name(number)


@lru_cache(maxsize=256)
def _registered_name(number: int) -> str:
    from dpkt.ip import get_ip_proto_name  # noqa: PLC0415 - start-up time of captures that hold no such frame

    name: str | None = get_ip_proto_name(number)
    return name.lower() if name else f"ip protocol {number}"


def describe_udp(source_port: int, destination_port: int) -> str:
    """The word for a UDP datagram that is no tunnel."""
    return "dns" if source_port in DNS_PORTS or destination_port in DNS_PORTS else "udp"
