"""parse_arp: ARP for IPv4 over Ethernet (RFC 826)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tlsdecrypt.errors import ParseError
from tlsdecrypt.net.protocols import EtherType
from tlsdecrypt.net.surroundings import ArpMessage

if TYPE_CHECKING:
    from tlsdecrypt.net.cursor import Cursor

_ETHERNET, _LENGTHS = 1, 0x0604  # six bytes of hardware address, four of protocol address
_REQUEST, _REPLY = 1, 2
_LENGTH = 28


def parse_arp(cursor: Cursor, link: tuple[str, str], where: tuple[int, int]) -> ArpMessage:
    """The message under the cursor; `link` are source and destination of its frame. Raises ParseError."""
    kind = cursor.uint(0, 2), cursor.uint(2, 2), cursor.uint(4, 2)
    operation = cursor.uint(6, 2)
    if kind != (_ETHERNET, EtherType.IPV4, _LENGTHS) or operation not in (_REQUEST, _REPLY):
        raise ParseError("ARP of another kind", cursor.start)
    cursor.uint(_LENGTH - 1, 1)
    data = cursor.data[cursor.start + 8 : cursor.start + _LENGTH]
    return ArpMessage(
        *where,
        *link,
        operation == _REPLY,
        data[:6].hex(":"),
        ".".join(map(str, data[6:10])),
        data[10:16].hex(":"),
        ".".join(map(str, data[16:20])),
    )
