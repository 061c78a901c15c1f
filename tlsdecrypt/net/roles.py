"""Who is the client: what addresses, ports and flags tell."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv6Address
from typing import TYPE_CHECKING

from tlsdecrypt.flow import Endpoint
from tlsdecrypt.net.protocols import TcpFlag
from tlsdecrypt.net.segments import IPV4_MAPPED

if TYPE_CHECKING:
    from tlsdecrypt.net.runs import ConnectionKey

WELL_KNOWN_PORTS = range(1024)  # RFC 6335 section 6: system ports
EPHEMERAL_PORTS_START = 32768  # Linux; IANA and Windows begin at 49152 (RFC 6335 section 6)

ADDRESSES_REMEMBERED = 1 << 12  # most connections have one end, or both, in common with others

_SYN, _ACK = int(TcpFlag.SYN), int(TcpFlag.ACK)


def endpoints_of(key: ConnectionKey) -> tuple[Endpoint, Endpoint]:
    """Endpoint 0 and endpoint 1 of a connection."""
    ports = key[4]
    return Endpoint(describe_address(key[0], key[1]), ports >> 16), Endpoint(
        describe_address(key[2], key[3]), ports & 0xFFFF
    )


@lru_cache(maxsize=ADDRESSES_REMEMBERED)
def describe_address(high: int, low: int) -> str:
    """The text of an address from its 64-bit halves: RFC 5952, or dotted where it is IPv4 mapped."""
    if high == 0 and low >> 32 == IPV4_MAPPED >> 32:
        return f"{low >> 24 & 255}.{low >> 16 & 255}.{low >> 8 & 255}.{low & 255}"
    return str(IPv6Address(high << 64 | low))


def client_by_flags(sender: int, flags: int) -> int | None:
    """The endpoint that opened, as far as a segment of `sender` tells: SYN comes from it, SYN with ACK goes to it."""
    if not flags & _SYN:
        return None
    return 1 - sender if flags & _ACK else sender


def client_by_ports(ports: tuple[int, int], first_sender: int) -> int:
    """The endpoint that probably opened, where no SYN was seen.

    It is not the one with the lower port, where that is a service's; else it is the one that was seen first.
    """
    lower, higher = sorted(ports)
    is_service = lower in WELL_KNOWN_PORTS or lower < EPHEMERAL_PORTS_START <= higher
    if lower == higher or not is_service:
        return first_sender
    return ports.index(higher)
