"""Surroundings: what was seen beside TCP connections and explains them. DNS, ARP, ICMP errors, Kerberos errors."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from tlsdecrypt.value import Value

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tlsdecrypt.flow import Endpoint

MESSAGES_MAX = 10_000  # that are kept of each kind; what comes later is counted
TALKS_MAX = 8_192


class DnsQuestion(NamedTuple):
    """What is asked: a name in lower case without its last dot, and a type (`A`, `SRV` ...)."""

    name: str
    type: str


class DnsRecord(NamedTuple):
    """A resource record. `data` is its text (an address, a name, `0 0 443 mail.example`); `ttl` in seconds."""

    name: str
    type: str
    data: str
    ttl: int


class DnsMessage(Value, frozen=True):
    """A query of a client, or the answer that it got.

    `opcode` and `rcode` are the names of IANA (`QUERY`, `NXDOMAIN`). `is_truncated`: the answer did not fit (TC).
    `faults` says that a part of the message cannot be read. `additional` has the addresses of what the answers name.
    """

    frame: int
    time_ns: int
    client: Endpoint
    server: Endpoint
    id: int
    is_response: bool
    opcode: str
    rcode: str
    questions: tuple[DnsQuestion, ...] = ()
    answers: tuple[DnsRecord, ...] = ()
    authority: tuple[DnsRecord, ...] = ()
    additional: tuple[DnsRecord, ...] = ()
    is_truncated: bool = False
    faults: tuple[str, ...] = ()
    is_tcp: bool = False


class ArpMessage(Value, frozen=True):
    """RFC 826 over Ethernet. `source` and `destination` are of the Ethernet frame, empty where there was none."""

    frame: int
    time_ns: int
    source: str
    destination: str
    is_reply: bool
    sender_mac: str
    sender_ip: str
    target_mac: str
    target_ip: str


class IcmpError(Value, frozen=True):
    """An error that `router` (or the host itself) reported, ICMP of either version.

    `source` and `destination` are those of the datagram that it quotes (port 0 where it quotes none), `protocol` is
    `tcp`, `udp`, or a number. `mtu` is that of "fragmentation needed" and "packet too big".
    """

    frame: int
    time_ns: int
    router: str
    version: int
    type: int
    code: int
    words: str
    mtu: int | None
    source: Endpoint
    destination: Endpoint
    protocol: str


class KerberosError(Value, frozen=True):
    """A KRB-ERROR of a key distribution centre (RFC 4120 section 5.9.1): its code, name, realm and service."""

    frame: int
    time_ns: int
    client: Endpoint
    server: Endpoint
    code: int
    name: str
    realm: str
    service: str


class EthernetTalk(Value, frozen=True):
    """IPv4 frames between two stations and two addresses: how many, the first and the last of them."""

    source_mac: str
    destination_mac: str
    source_ip: str
    destination_ip: str
    frames: int
    first_frame: int
    first_time_ns: int
    last_frame: int
    last_time_ns: int


_Message = TypeVar("_Message", DnsMessage, ArpMessage, IcmpError, KerberosError)


class Surroundings(Value, frozen=True):
    """Each kind in the order in which it was captured. `dropped` messages came beyond `MESSAGES_MAX`.

    `talks` is gathered only where a cluster of Network Load Balancing shows itself: an ARP reply with a multicast
    address, or frames to an address of its unicast mode.
    """

    dns: tuple[DnsMessage, ...] = ()
    arp: tuple[ArpMessage, ...] = ()
    icmp: tuple[IcmpError, ...] = ()
    kerberos: tuple[KerberosError, ...] = ()
    talks: tuple[EthernetTalk, ...] = ()
    dropped: int = 0

    @classmethod
    def joined(cls, parts: Iterable[Surroundings]) -> Surroundings:
        """What several readers of one capture saw; none of it was seen by two of them."""
        several = tuple(parts)
        if len(several) == 1:
            return several[0]
        return cls(
            _in_order(each.dns for each in several),
            _in_order(each.arp for each in several),
            _in_order(each.icmp for each in several),
            _in_order(each.kerberos for each in several),
            tuple(chain.from_iterable(each.talks for each in several)),
            sum(each.dropped for each in several),
        )

    @property
    def is_empty(self) -> bool:
        """Nothing was seen."""
        return not (self.dns or self.arp or self.icmp or self.kerberos or self.talks)


def _in_order(parts: Iterable[tuple[_Message, ...]]) -> tuple[_Message, ...]:
    return tuple(sorted(chain.from_iterable(parts), key=lambda each: (each.time_ns, each.frame)))
