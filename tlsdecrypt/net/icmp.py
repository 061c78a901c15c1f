"""parse_icmp_error: errors of ICMP (RFC 792) and ICMPv6 (RFC 4443), and whose datagram they are about."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tlsdecrypt.flow import Endpoint
from tlsdecrypt.net.protocols import ICMP_ERRORS, ICMPV6_ERRORS, IpProtocol
from tlsdecrypt.net.roles import describe_address
from tlsdecrypt.net.segments import IPV4_MAPPED
from tlsdecrypt.net.surroundings import IcmpError

if TYPE_CHECKING:
    from tlsdecrypt.net.cursor import Cursor

UNREACHABLE_V4, FRAGMENTATION_NEEDED = 3, 4
TOO_BIG_V6 = 2

_HEADER, _IPV4_HEADER, _IPV6_HEADER, _PORTS = 8, 20, 40, 4
_V4, _V6 = 4, 6
_LOW_HALF = (1 << 64) - 1
_PROTOCOLS = {int(IpProtocol.TCP): "tcp", int(IpProtocol.UDP): "udp", 1: "icmp", 58: "icmpv6"}

_WORDS_V4 = {
    (3, 0): "network unreachable",
    (3, 1): "host unreachable",
    (3, 2): "protocol unreachable",
    (3, 3): "port unreachable",
    (3, 4): "fragmentation needed",
    (3, 5): "source route failed",
    (3, 6): "network unknown",
    (3, 7): "host unknown",
    (3, 9): "network administratively prohibited",
    (3, 10): "host administratively prohibited",
    (3, 13): "communication administratively prohibited",
    (11, 0): "time to live exceeded",
    (11, 1): "fragment reassembly time exceeded",
}
_WORDS_V6 = {
    (1, 0): "no route",
    (1, 1): "communication administratively prohibited",
    (1, 2): "beyond the scope of the source address",
    (1, 3): "address unreachable",
    (1, 4): "port unreachable",
    (1, 5): "source address refused by policy",
    (1, 6): "route rejected",
    (2, 0): "packet too big",
    (3, 0): "hop limit exceeded",
    (3, 1): "fragment reassembly time exceeded",
}


def parse_icmp_error(cursor: Cursor, version: int, where: tuple[int, int]) -> IcmpError | None:
    """The message under the cursor, None where it is no error. Raises ParseError where it is cut."""
    number, code = cursor.uint(0, 1), cursor.uint(1, 1)
    if number not in (ICMP_ERRORS if version == _V4 else ICMPV6_ERRORS):
        return None
    words = _WORDS_V4 if version == _V4 else _WORDS_V6
    mtu = None
    if version == _V4 and (number, code) == (UNREACHABLE_V4, FRAGMENTATION_NEEDED):
        mtu = cursor.uint(6, 2) or None  # routers before RFC 1191 leave it 0
    elif version == _V6 and number == TOO_BIG_V6:
        mtu = cursor.uint(4, 4)
    router = describe_address(cursor.source >> 64, cursor.source & _LOW_HALF)
    cursor.skip(_HEADER)
    source, destination, protocol = _quoted(cursor)
    text = words.get((number, code), f"type {number} code {code}")
    return IcmpError(*where, router, version, number, code, text, mtu, source, destination, protocol)


def _quoted(cursor: Cursor) -> tuple[Endpoint, Endpoint, str]:
    """Ends and protocol of the datagram that the error is about: at least its header and eight bytes are quoted."""
    version = cursor.uint(0, 1) >> 4
    if version == _V4:
        header, protocol = (cursor.uint(0, 1) & 0x0F) * 4, cursor.uint(9, 1)
        source, destination = cursor.uint(12, 4) | IPV4_MAPPED, cursor.uint(16, 4) | IPV4_MAPPED
    else:
        header, protocol = _IPV6_HEADER, cursor.uint(6, 1)
        source, destination = cursor.uint(8, 16), cursor.uint(24, 16)
    ports = 0
    if protocol in (IpProtocol.TCP, IpProtocol.UDP) and header >= _IPV4_HEADER and cursor.remaining >= header + _PORTS:
        ports = cursor.uint(header, _PORTS)
    return (
        Endpoint(describe_address(source >> 64, source & _LOW_HALF), ports >> 16),
        Endpoint(describe_address(destination >> 64, destination & _LOW_HALF), ports & 0xFFFF),
        _PROTOCOLS.get(protocol, str(protocol)),
    )
