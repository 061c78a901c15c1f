"""Passwords in logins of MySQL and MariaDB (MySQL Internals Manual, "Connection Phase"): scrambled or in clear."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from tlsdecrypt.errors import ParseError
from tlsdecrypt.wire import Reader

if TYPE_CHECKING:
    from collections.abc import Iterator


_HEAD, _NUMBER = 4, 3  # length of three bytes, and the number of the packet
_FIXED = struct.Struct("<IIB23s")  # capabilities, longest packet, character set, nothing
_PROTOCOL_41, _SECURE_CONNECTION, _LENGTH_ENCODED = 0x200, 0x8000, 0x200000
_SERVERS_OWN = 4  # of the 23 bytes, which MariaDB uses
_CHANGE_USER = 0x11
_TWO_BYTES, _THREE_BYTES, _EIGHT_BYTES = 0xFC, 0xFD, 0xFE  # before length-encoded integers


def proofs(data: bytes) -> Iterator[tuple[int, int]]:
    """Where passwords and what was made of them stand: in the login, in what follows it, and where the user changes."""
    if not _is_login(data):
        return
    is_in_login = True
    for begin, end in _packets(data):
        packet = data[begin - _HEAD : end]
        if not packet[_NUMBER]:  # a command
            is_in_login = data[begin] == _CHANGE_USER
            if is_in_login:
                yield from _response(data, begin + 1, end, _SECURE_CONNECTION)
        elif is_in_login and _is_login(packet):
            yield from _response(data, begin + _FIXED.size, end, int.from_bytes(data[begin : begin + 4], "little"))
        elif is_in_login and end - begin > 1:  # what plugins ask for; one byte alone asks the server
            yield begin, end


def _is_login(data: bytes) -> bool:
    """Whether a packet begins with the fixed part of HandshakeResponse41, or is SSLRequest."""
    if len(data) < _HEAD + _FIXED.size or data[_NUMBER] not in {1, 2}:
        return False
    capabilities, _, _, nothing = _FIXED.unpack_from(data, _HEAD)
    return bool(capabilities & _PROTOCOL_41) and not any(nothing[:-_SERVERS_OWN])


def _packets(data: bytes) -> Iterator[tuple[int, int]]:
    """Where the payload of each packet begins and ends; the last may be cut."""
    at = 0
    while at + _HEAD < len(data):
        begin = at + _HEAD
        at = begin + int.from_bytes(data[at : at + 3], "little")
        yield begin, min(at, len(data))


def _response(data: bytes, begin: int, end: int, capabilities: int) -> Iterator[tuple[int, int]]:
    """The authentication response, which follows the name of the user; none in a request for TLS."""
    name_end = data.find(b"\0", begin, end)
    if name_end < 0:
        return
    reader = Reader(data, name_end + 1, end)
    try:
        if capabilities & _LENGTH_ENCODED:
            length = _length_encoded(reader)
        elif capabilities & _SECURE_CONNECTION:
            length = reader.u8("length")
        else:
            length = data.find(b"\0", reader.offset, end) - reader.offset
    except ParseError:
        return
    yield reader.offset, min(reader.offset + length, end) if length >= 0 else end


def _length_encoded(reader: Reader) -> int:
    """An integer behind how many bytes it takes ("Basic Types")."""
    first = reader.u8("length")
    size = {_TWO_BYTES: 2, _THREE_BYTES: 3, _EIGHT_BYTES: 8}.get(first)
    return first if size is None else int.from_bytes(reader.take(size, "length"), "little")
