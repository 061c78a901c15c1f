"""SurroundingsReader: what explains failures, from frames without TCP and from TCP streams of DNS and Kerberos."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

from tlsdecrypt.errors import ParseError
from tlsdecrypt.flow import Endpoint
from tlsdecrypt.net.arp import parse_arp
from tlsdecrypt.net.dns_messages import READ_MAX, parse_dns
from tlsdecrypt.net.ethernet_talk import EthernetTalks, has_nlb_unicast
from tlsdecrypt.net.icmp import parse_icmp_error
from tlsdecrypt.net.kerberos_errors import KRB_ERROR, parse_kerberos_error
from tlsdecrypt.net.message_stream import MessageStream
from tlsdecrypt.net.protocols import DNS_PORT, KERBEROS_PORT, LinkType
from tlsdecrypt.net.roles import describe_address
from tlsdecrypt.net.surroundings import (
    MESSAGES_MAX,
    ArpMessage,
    DnsMessage,
    IcmpError,
    KerberosError,
    Surroundings,
)

if TYPE_CHECKING:
    from tlsdecrypt.capture.frames import FrameBatch
    from tlsdecrypt.net.cursor import Cursor, Other
    from tlsdecrypt.net.events import StreamEvent
    from tlsdecrypt.net.tcp import TcpConnection

DNS_BYTES_MAX = 3 << 20  # of messages that are read; a record costs some 50 us, whatever its size
STREAMS_MAX = 1_024  # TCP connections of DNS and Kerberos that are followed at a time

_LOW_HALF = (1 << 64) - 1
_ICMP_VERSIONS = {"icmp": 4, "icmpv6": 6}
_GROUP_BIT = 0x01  # of the first byte of a MAC address: multicast (IEEE 802 section 8.2.2)

_Message = TypeVar("_Message", DnsMessage, ArpMessage, IcmpError, KerberosError)


class _Kept(Generic[_Message]):
    """Messages of one kind, the first `MESSAGES_MAX` of them."""

    def __init__(self) -> None:
        self.messages: list[_Message] = []
        self.dropped = 0

    @property
    def is_full(self) -> bool:
        return len(self.messages) >= MESSAGES_MAX

    def in_order(self) -> tuple[_Message, ...]:
        return tuple(sorted(self.messages, key=lambda each: (each.time_ns, each.frame)))

    def add(self, message: _Message) -> None:
        self.messages.append(message)


class SurroundingsReader:
    """What was seen so far."""

    def __init__(self) -> None:
        """Nothing yet."""
        self._dns: _Kept[DnsMessage] = _Kept()
        self._dns_bytes = 0
        self._arp: _Kept[ArpMessage] = _Kept()
        self._icmp: _Kept[IcmpError] = _Kept()
        self._kerberos: _Kept[KerberosError] = _Kept()
        self._streams: dict[int, MessageStream] = {}
        self._talks = EthernetTalks()
        self._has_cluster = False

    def facts(self) -> Surroundings:
        """All of it, frozen."""
        dropped = sum(kind.dropped for kind in (self._dns, self._arp, self._icmp, self._kerberos))
        return Surroundings(
            self._dns.in_order(),
            self._arp.in_order(),
            self._icmp.in_order(),
            self._kerberos.in_order(),
            self._talks.facts(),
            dropped,
        )

    def take(self, other: Other, cursor: Cursor, batch: FrameBatch, frame: int) -> None:
        """A frame without TCP; the cursor stands behind its UDP header, else at the header that `other` is about."""
        number = frame + batch.first_number if batch.number is None else int(batch.number[frame])
        where = number, int(batch.time_ns[frame])
        try:
            if other.word == "arp":
                self._take_arp(cursor, batch, frame, where)
            elif other.word in _ICMP_VERSIONS:
                self._take_icmp(cursor, _ICMP_VERSIONS[other.word], where)
            elif DNS_PORT in other.ports:
                self._take_dns(cursor.data[cursor.start : cursor.end], _ends(cursor, other), where)
            elif KERBEROS_PORT in other.ports:
                self._take_kerberos(cursor.data[cursor.start : cursor.end], _ends(cursor, other), where)
        except ParseError:
            return

    def _take_arp(self, cursor: Cursor, batch: FrameBatch, frame: int, where: tuple[int, int]) -> None:
        if self._arp.is_full:
            self._arp.dropped += 1
            return
        message = parse_arp(cursor, _link(cursor, batch, frame), where)
        self._arp.add(message)
        if message.is_reply and int(message.sender_mac[:2], 16) & _GROUP_BIT:
            self._has_cluster = True

    def _take_icmp(self, cursor: Cursor, version: int, where: tuple[int, int]) -> None:
        if self._icmp.is_full:
            self._icmp.dropped += 1
            return
        message = parse_icmp_error(cursor, version, where)
        if message is not None:
            self._icmp.add(message)

    def _take_dns(
        self, data: bytes, ends: tuple[Endpoint, Endpoint], where: tuple[int, int], *, is_tcp: bool = False
    ) -> None:
        self._dns_bytes += min(len(data), READ_MAX)
        if self._dns.is_full or self._dns_bytes > DNS_BYTES_MAX:
            self._dns.dropped += 1
            return
        self._dns.add(parse_dns(data, ends, where, is_tcp=is_tcp))

    def _take_kerberos(self, data: bytes, ends: tuple[Endpoint, Endpoint], where: tuple[int, int]) -> None:
        if data[:1] != bytes((KRB_ERROR,)):
            return
        if self._kerberos.is_full:
            self._kerberos.dropped += 1
            return
        self._kerberos.add(parse_kerberos_error(data, ends, where))

    def take_batch(self, batch: FrameBatch) -> None:
        """After the frames of `batch` one by one: who talks to whom, where a cluster is there."""
        self._has_cluster = self._has_cluster or has_nlb_unicast(batch)
        if self._has_cluster:
            self._talks.feed(batch)

    def take_stream(self, connection: TcpConnection, events: list[StreamEvent]) -> None:
        """What a TCP connection to port 53 or 88 carries."""
        stream = self._streams.get(connection.id)
        if stream is None:
            if len(self._streams) >= STREAMS_MAX:
                return
            length_size = 2 if connection.server.port == DNS_PORT else 4
            stream = self._streams[connection.id] = MessageStream(length_size)
        for direction, data, where in stream.feed(events):
            ends = (connection.client, connection.server)
            sent = ends if direction == 0 else (ends[1], ends[0])
            try:
                if connection.server.port == DNS_PORT:
                    self._take_dns(data, sent, where, is_tcp=True)
                else:
                    self._take_kerberos(data, sent, where)
            except ParseError:
                continue
        if connection.is_over:
            del self._streams[connection.id]


def _ends(cursor: Cursor, other: Other) -> tuple[Endpoint, Endpoint]:
    """Who sent a UDP datagram, and to whom."""
    source, destination = other.ports
    return (
        Endpoint(describe_address(cursor.source >> 64, cursor.source & _LOW_HALF), source),
        Endpoint(describe_address(cursor.destination >> 64, cursor.destination & _LOW_HALF), destination),
    )


def _link(cursor: Cursor, batch: FrameBatch, frame: int) -> tuple[str, str]:
    """Source and destination of the Ethernet frame, empty where there is none."""
    start = int(batch.offset[frame])
    if batch.link_type[frame] != LinkType.ETHERNET or cursor.data is not batch.data:
        return "", ""
    return batch.data[start + 6 : start + 12].hex(":"), batch.data[start : start + 6].hex(":")
