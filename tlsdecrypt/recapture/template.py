"""Template: the headers of the frames that one side of a connection sends, but for what differs from frame to frame."""

from __future__ import annotations

import hashlib
import struct
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from tlsdecrypt.capture.frames import FrameBatch

ETHERNET, RAW_IP = 1, 101
IPV4_HEADER, IPV6_HEADER, TCP_HEADER = 20, 40, 20
IPV4_LENGTH, IPV4_CHECKSUM, IPV6_LENGTH = 2, 10, 4  # offsets of fields in the headers
TCP_SEQ, TCP_ACK, TCP_FLAGS, TCP_CHECKSUM = 4, 8, 13, 16
LARGEST_PAYLOAD = {4: 1460, 6: 1440}  # by IP version: what an Ethernet frame holds, and a multiple of four

_ETHERNET_HEADER, _VLAN_TAG = 14, 4
_VLAN_TAGS = (0x8100, 0x88A8, 0x9100, 0x9200, 0x9300)
_IP_TYPES = {4: 0x0800, 6: 0x86DD}
_FIXED_HEADERS = {
    0: 4,
    12: 0,
    101: 0,
    108: 4,
    113: 16,
    228: 0,
    229: 0,
    276: 20,
}  # link types whose header has one length
_TCP, _HOP_LIMIT, _WINDOW = 6, 64, 0xFFFF
_DONT_FRAGMENT = 0x4000


class Template(NamedTuple):
    """`head` is link, IP and TCP header, with zeros where the fields stand that differ.

    `ip_sum` and `tcp_sum` are what the rest adds to the checksums (RFC 1071), the pseudo header among it.
    """

    link_type: int
    head: bytes
    network: int  # where the IP header begins
    version: int
    ip_sum: int
    tcp_sum: int

    @property
    def transport(self) -> int:
        """Where the TCP header begins."""
        return len(self.head) - TCP_HEADER


class Ends(NamedTuple):
    """Who sends to whom; addresses are 128 bits, IPv4 mapped."""

    source: int
    destination: int
    source_port: int
    destination_port: int


def make_template(batch: FrameBatch, row: int, network: int, ends: Ends) -> Template:
    """After a frame of this sender, whose IP header begins at `network` in the buffer (-1: it came in fragments).

    What is no plain link header (a tunnel, a header of another kind) is left out: the frame then is one of Ethernet
    between nobody, or raw IP where the capture holds no Ethernet.
    """
    version = _version(ends)
    link_type, link = _link_header(batch, row, network, version)
    is_there = network >= 0 and batch.data[network] >> 4 == version
    hops = batch.data[network + (8 if version == 4 else 7)] if is_there else _HOP_LIMIT  # noqa: PLR2004 - IPv4
    return _template(link_type, link, hops, ends)


def make_nameless_template(ends: Ends) -> Template:
    """Of Ethernet between addresses that are made of those of IP: nothing of the original headers is left."""
    macs = (b"\x02" + hashlib.sha256(each.to_bytes(16, "big")).digest()[:5] for each in (ends.destination, ends.source))
    return _template(ETHERNET, b"".join(macs) + _IP_TYPES[_version(ends)].to_bytes(2, "big"), _HOP_LIMIT, ends)


def _version(ends: Ends) -> int:
    return 4 if ends.source >> 32 == ends.destination >> 32 == 0xFFFF else 6  # noqa: PLR2004 - IP versions


def _template(link_type: int, link: bytes, hops: int, ends: Ends) -> Template:
    version = _version(ends)
    if version == 4:  # noqa: PLR2004 - IPv4
        addresses = (ends.source & 0xFFFFFFFF).to_bytes(4, "big") + (ends.destination & 0xFFFFFFFF).to_bytes(4, "big")
        ip = struct.pack(">BBHHHBBH", 0x45, 0, 0, 0, _DONT_FRAGMENT, hops, _TCP, 0) + addresses
    else:
        addresses = ends.source.to_bytes(16, "big") + ends.destination.to_bytes(16, "big")
        ip = struct.pack(">IHBB", 6 << 28, 0, _TCP, hops) + addresses
    tcp = struct.pack(">HHIIHHHH", ends.source_port, ends.destination_port, 0, 0, 5 << 12, _WINDOW, 0, 0)
    return Template(link_type, link + ip + tcp, len(link), version, _sum(ip), _sum(addresses) + _TCP + _sum(tcp))


def with_checksums(batch: FrameBatch, row: int, network: int) -> bytes | None:
    """A frame with TCP, its checksums right: they are not where a system captures what its network card completes.

    None for what is no whole datagram behind a plain link header.
    """
    start, end = int(batch.offset[row]), int(batch.offset[row] + batch.captured_length[row])
    version = batch.data[network] >> 4 if start <= network < end else 0
    if version not in _IP_TYPES or _link_header(batch, row, network, version)[1] != batch.data[start:network]:
        return None
    frame = bytearray(batch.data[start:end])
    ip = network - start
    is_ipv4 = version == 4  # noqa: PLR2004 - IPv4
    tcp = ip + ((frame[ip] & 0x0F) * 4 if is_ipv4 else IPV6_HEADER)
    total = int.from_bytes(frame[ip + 2 : ip + 4], "big") if is_ipv4 else IPV6_HEADER
    stop = ip + total + (0 if is_ipv4 else int.from_bytes(frame[ip + 4 : ip + 6], "big"))
    if stop > len(frame) or stop - tcp < TCP_HEADER:
        return None
    addresses = bytes(frame[ip + 12 : ip + 20] if is_ipv4 else frame[ip + 8 : ip + IPV6_HEADER])
    if is_ipv4:
        frame[ip + IPV4_CHECKSUM : ip + IPV4_CHECKSUM + 2] = bytes(2)
        frame[ip + IPV4_CHECKSUM : ip + IPV4_CHECKSUM + 2] = _checksum(_sum(frame[ip:tcp]))
    frame[tcp + TCP_CHECKSUM : tcp + TCP_CHECKSUM + 2] = bytes(2)
    pseudo = _sum(addresses) + _TCP + stop - tcp
    frame[tcp + TCP_CHECKSUM : tcp + TCP_CHECKSUM + 2] = _checksum(pseudo + _sum(frame[tcp:stop]))
    return bytes(frame)


def _link_header(batch: FrameBatch, row: int, network: int, version: int) -> tuple[int, bytes]:
    link_type, start = int(batch.link_type[row]), int(batch.offset[row])
    header = batch.data[start:network] if network >= start else b""
    if link_type == ETHERNET:
        if _is_plain_ethernet(header):
            return ETHERNET, header
        return ETHERNET, bytes(12) + _IP_TYPES[version].to_bytes(2, "big")
    if link_type in _FIXED_HEADERS and len(header) == _FIXED_HEADERS[link_type] and network >= start:
        return link_type, header
    return RAW_IP, b""


def _is_plain_ethernet(header: bytes) -> bool:
    """Addresses, tags of VLANs, and the type of IP: nothing else stands before the datagram."""
    at = _ETHERNET_HEADER - 2
    while int.from_bytes(header[at : at + 2], "big") in _VLAN_TAGS:
        at += _VLAN_TAG
    return len(header) == at + 2 and int.from_bytes(header[at:], "big") in _IP_TYPES.values()


def _sum(data: bytes | bytearray) -> int:
    """Of its 16-bit words, the last one filled up with zeros."""
    return sum(struct.unpack(f">{(len(data) + 1) // 2}H", bytes(data) + bytes(len(data) % 2)))


def _checksum(total: int) -> bytes:
    while total >> 16:
        total = (total >> 16) + (total & 0xFFFF)
    return (~total & 0xFFFF).to_bytes(2, "big")
