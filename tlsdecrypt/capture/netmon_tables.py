"""What Network Monitor 2.2 and later write beside frames: comments, and which program held which connection.

The layout is that of the help of Network Monitor 3.4 ("Capture File Format") and of Wireshark's reader. All of it is
little-endian. A record that lies ends its table.
"""

from __future__ import annotations

import ipaddress
import struct
from pathlib import PureWindowsPath
from typing import TYPE_CHECKING, NamedTuple

from tlsdecrypt.flow import Endpoint

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_TABLE_BYTES = 8 << 20  # of each table: programs bring their icons
MAX_TEXT_BYTES = 65_536

_TABLES = struct.Struct("<40xIIII")  # comments: offset and length; processes: offset and count
_ENDS = struct.Struct("<IHxxHxxI16s16s")  # process, ports (local, remote), whether IPv6, addresses


class Tables(NamedTuple):
    """Where the tables stand, as the header of the file tells."""

    comments_at: int
    comment_bytes: int
    processes_at: int
    processes: int


class Comment(NamedTuple):
    """A comment on the frame whose record stands at this place of the file."""

    position: int
    text: str


class Held(NamedTuple):
    """A connection that a program held: its name, its number, and what the ends may be."""

    name: str
    number: int
    ends: tuple[frozenset[Endpoint], ...]


def parse_tables(header: bytes) -> Tables:
    """The places of the tables, from the header of the file (at least 56 bytes)."""
    return Tables(*_TABLES.unpack_from(header))


def parse_comments(data: bytes) -> Iterator[Comment]:
    """The comments in a table: a title, and a description, which is RTF and therefore left out."""
    position = 0
    while position + 12 <= len(data):
        _, frame_at, length = struct.unpack_from("<III", data, position)
        title, position = data[position + 12 : position + 12 + length], position + 12 + length
        if length > MAX_TEXT_BYTES or position + 4 > len(data):
            return
        yield Comment(frame_at, _utf16(title))
        position += 4 + int.from_bytes(data[position : position + 4], "little")


def parse_processes(data: bytes, count: int) -> Iterator[Held]:
    """The programs in a table of `count` records, behind two bytes of version."""
    position = 2
    for _ in range(count):
        length = int.from_bytes(data[position : position + 4], "little")
        path, position = data[position + 4 : position + 4 + length], position + 4 + length
        position += 4 + int.from_bytes(data[position : position + 4], "little")  # the icon
        if length > MAX_TEXT_BYTES or position + _ENDS.size > len(data):
            return
        number, *fields = _ENDS.unpack_from(data, position)
        position += _ENDS.size
        name = PureWindowsPath(_utf16(path)).name or "a program without a name"
        yield Held(name, number, tuple(dict.fromkeys(_ends(*fields))))


def _ends(
    local_port: int, remote_port: int, is_ipv6: int, local: bytes, remote: bytes
) -> Iterator[frozenset[Endpoint]]:
    """Both ends, in each byte order: no description says which, and no other connection fits the wrong one."""
    size = 16 if is_ipv6 else 4
    for one, other in ((local[:size], remote[:size]), (local[:size][::-1], remote[:size][::-1])):
        for port, other_port in ((local_port, remote_port), (_swapped(local_port), _swapped(remote_port))):
            yield frozenset(
                (Endpoint(str(ipaddress.ip_address(one)), port), Endpoint(str(ipaddress.ip_address(other)), other_port))
            )


def _swapped(port: int) -> int:
    return int.from_bytes(port.to_bytes(2, "little"), "big")


def _utf16(text: bytes) -> str:
    return text.decode("utf-16-le", "replace").partition("\0")[0]
