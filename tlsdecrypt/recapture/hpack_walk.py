"""HPACK (RFC 7541) as a walk: the fields of a header block, and where in it their values stand literally.

A literal value can be overwritten in place if it keeps its length, coded and decoded: then the tables of both sides
stay what they were, and all later references mean the new value.
"""

from __future__ import annotations

from typing import NamedTuple

from hpack.exceptions import HPACKError
from hpack.huffman_constants import REQUEST_CODES, REQUEST_CODES_LENGTH
from hpack.huffman_table import decode_huffman
from hpack.table import HeaderTable

from tlsdecrypt.errors import ParseError

MAX_TABLE = 1 << 20  # bytes that a peer may ask the table to hold
MAX_FIELDS = 4096  # of one block

_INDEXED, _INCREMENTAL, _SIZE_UPDATE, _HUFFMAN = 0x80, 0x40, 0x20, 0x80
_MAX_INTEGER_BYTES = 5


class WalkedField(NamedTuple):
    """A field. `name` is None where the table lacks it; the value stands at `start:end` if it is literal, else 0:0."""

    name: str | None
    value: bytes
    start: int
    end: int
    is_huffman: bool


class HpackWalk:
    """The header blocks of one direction, in their order."""

    def __init__(self) -> None:
        self._table = HeaderTable()

    def walk(self, block: bytes) -> list[WalkedField]:
        """Raises ParseError where the block is damaged."""
        fields: list[WalkedField] = []
        at = 0
        while at < len(block) and len(fields) < MAX_FIELDS:
            first = block[at]
            if first & _INDEXED:
                index, at = _integer(block, at, 7)
                name, value = self._entry(index)
                fields.append(WalkedField(name, value or b"", 0, 0, is_huffman=False))
            elif first & (_INCREMENTAL | _SIZE_UPDATE) == _SIZE_UPDATE:
                size, at = _integer(block, at, 5)
                self._table.maxsize = min(size, MAX_TABLE)
            else:
                field, at = self._literal(block, at)
                fields.append(field)
                if first & _INCREMENTAL:
                    self._table.add((field.name or "").encode("latin-1"), field.value)
        return fields

    def _literal(self, block: bytes, at: int) -> tuple[WalkedField, int]:
        index, at = _integer(block, at, 6 if block[at] & _INCREMENTAL else 4)
        if index:
            name, _ = self._entry(index)
        else:
            start, at, is_huffman = _string(block, at)
            name = _text(block[start:at], is_huffman=is_huffman).decode("latin-1")
        start, end, is_huffman = _string(block, at)
        return WalkedField(name, _text(block[start:end], is_huffman=is_huffman), start, end, is_huffman), end

    def _entry(self, index: int) -> tuple[str | None, bytes | None]:
        try:
            name, value = self._table.get_by_index(index)
        except HPACKError:
            return None, None
        return bytes(name).decode("latin-1") or None, bytes(value)


def _integer(block: bytes, at: int, bits: int) -> tuple[int, int]:
    """RFC 7541 section 5.1."""
    limit = (1 << bits) - 1
    value = _byte(block, at) & limit
    at += 1
    if value < limit:
        return value, at
    for count in range(_MAX_INTEGER_BYTES):
        byte = _byte(block, at)
        at += 1
        value += (byte & 0x7F) << (7 * count)
        if not byte & 0x80:
            return value, at
    raise ParseError("an integer of HPACK has no end", at)


def _string(block: bytes, at: int) -> tuple[int, int, bool]:
    """Where a string literal stands (RFC 7541 section 5.2), and whether it is coded."""
    is_huffman = bool(_byte(block, at) & _HUFFMAN)
    length, at = _integer(block, at, 7)
    if at + length > len(block):
        raise ParseError("a string of HPACK is cut", at)
    return at, at + length, is_huffman


def _byte(block: bytes, at: int) -> int:
    if at >= len(block):
        raise ParseError("a header block is cut", at)
    return block[at]


def _text(data: bytes, *, is_huffman: bool) -> bytes:
    if not is_huffman:
        return data
    try:
        return bytes(decode_huffman(data))
    except HPACKError as fault:
        raise ParseError("a string of HPACK is damaged", 0) from fault


def overwritten(field: WalkedField, masked: bytes) -> bytes:
    """The literal with `masked` in place of its value, which is as long, as bytes of the same number.

    In Huffman code, where characters differ in length, what was masked becomes characters whose codes are as long as
    those before, the short ones first.
    """
    if not field.is_huffman:
        return masked
    places = [at for at, (old, new) in enumerate(zip(field.value, masked, strict=True)) if old != new]
    lengths = sorted(REQUEST_CODES_LENGTH[field.value[at]] for at in places)
    text = bytearray(field.value)
    for at, length in zip(places, lengths, strict=True):
        text[at] = _STAND_IN[length]
    return _huffman(bytes(text))


def _stand_ins() -> dict[int, int]:
    """A character for each length of code, printable where there is one."""
    order = [*range(0x2A, 0x7F), *range(0x20, 0x2A), *range(0x80, 0x100), *range(0x20), 0x7F]
    found: dict[int, int] = {}
    for symbol in order:
        found.setdefault(REQUEST_CODES_LENGTH[symbol], symbol)
    return found


def _huffman(text: bytes) -> bytes:
    """RFC 7541 section 5.2: the rest of the last byte is filled with ones."""
    bits, length = 0, 0
    for byte in text:
        bits = bits << REQUEST_CODES_LENGTH[byte] | REQUEST_CODES[byte]
        length += REQUEST_CODES_LENGTH[byte]
    padding = -length % 8
    return (bits << padding | (1 << padding) - 1).to_bytes((length + padding) // 8, "big")


_STAND_IN = _stand_ins()
