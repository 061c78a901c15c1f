"""The payload behind RPC_HEADER_EXT ([MS-OXCRPC] section 2.2.2.1): undone of XOR 0xA5 and of DIRECT2 (plain LZ77)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tlsdecrypt.errors import ParseError

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_EXPANDED = 512 * 1024  # bytes; size fields are of 16 bits, but a match may claim more
MAX_PAYLOADS = 100  # that one buffer chains

HEADER = 8
_COMPRESSED, _OBFUSCATED, _LAST = 0x01, 0x02, 0x04
_MASK = bytes(value ^ 0xA5 for value in range(256))

_GROUP = 32  # decisions in one word of flags
_SHORTEST_MATCH = 3
_LONG_MATCH, _LONGER_MATCH, _LONGEST_MATCH = 7, 15, 255


class Payload(NamedTuple):
    """One payload, and how it was wrapped."""

    data: bytes
    is_compressed: bool
    is_obfuscated: bool


def payloads(data: bytes) -> Iterator[Payload]:
    """The payloads that a buffer chains. Raises `ParseError` behind those that can be read."""
    offset = 0
    for _ in range(MAX_PAYLOADS):
        if len(data) - offset < HEADER:
            raise ParseError("RPC_HEADER_EXT cut", offset)
        version, flags, size, size_actual = (_u16(data, offset + at) for at in (0, 2, 4, 6))
        if version:
            raise ParseError(f"RPC_HEADER_EXT of version {version}", offset)
        body = data[offset + HEADER : offset + HEADER + size]
        if len(body) < size:
            raise ParseError("the payload is cut", len(data))
        if flags & _OBFUSCATED:
            body = body.translate(_MASK)
        if flags & _COMPRESSED:
            body = expand(body)[:size_actual]
        yield Payload(body, bool(flags & _COMPRESSED), bool(flags & _OBFUSCATED))
        offset += HEADER + size
        if flags & _LAST or offset >= len(data):
            return


def _u16(data: bytes, offset: int) -> int:
    return int.from_bytes(data[offset : offset + 2], "little")


def expand(data: bytes) -> bytes:
    """DIRECT2 ([MS-OXCRPC] section 3.1.4.1.1.1.2), which is Plain LZ77 ([MS-XCA] section 2.4). Raises `ParseError`."""
    output = bytearray()
    position = flags = left = 0
    half: int | None = None  # where a byte stands of which the upper half is the next length
    while position < len(data):
        if not left:
            flags, left, position = int.from_bytes(data[position : position + 4], "little"), _GROUP, position + 4
        left -= 1
        if not flags >> left & 1:
            output += data[position : position + 1]
            position += 1
        elif position < len(data):
            offset, length, position, half = _match(data, position, half)
            _copy(output, offset, length)
        if len(output) > MAX_EXPANDED:
            raise ParseError(f"it grows beyond {MAX_EXPANDED:,} bytes", position)
    return bytes(output)


def _match(data: bytes, position: int, half: int | None) -> tuple[int, int, int, int | None]:
    """Offset and length of a match, the position behind it, and where half a byte is left."""
    word = _u16(data, position)
    position += 2
    length = word % 8
    if length == _LONG_MATCH:
        if half is None:
            half, nibble = position, _byte(data, position) % 16
            position += 1
        else:
            nibble = _byte(data, half) // 16
            half = None
        length += nibble
        if nibble == _LONGER_MATCH:
            more = _byte(data, position)
            position += 1
            length += more
            if more == _LONGEST_MATCH:
                length = _u16(data, position)
                position += 2
    return word // 8 + 1, length + _SHORTEST_MATCH, position, half


def _byte(data: bytes, position: int) -> int:
    if position >= len(data):
        raise ParseError("a match is cut", position)
    return data[position]


def _copy(output: bytearray, offset: int, length: int) -> None:
    """Append `length` bytes from `offset` back, which may overlap what is appended."""
    if offset > len(output):
        raise ParseError("a match reaches before the start", len(output))
    if length + len(output) > MAX_EXPANDED:
        raise ParseError(f"it grows beyond {MAX_EXPANDED:,} bytes", len(output))
    piece = bytes(output[-offset:])
    output += (piece * (length // offset + 1))[:length]
