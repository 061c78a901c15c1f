"""HPACK (RFC 7541) as a walk: the fields of a header block, and where in it their values stand literally.

Where blocks were missed, the newest entries of the table are still known as those that came since, and an index that
goes beyond them has no name: what was lost is never taken for something else.
"""

from __future__ import annotations

from typing import NamedTuple

from hpack.exceptions import HPACKError
from hpack.huffman_table import decode_huffman
from hpack.table import HeaderTable

from tlsdecrypt.errors import ParseError

MAX_TABLE = 1 << 20  # bytes that a peer may ask the table to hold
MAX_FIELDS = 4096  # of one block that are told
MAX_TOLD = 4 << 20  # bytes of their names and values
SIZE_WHEN_LOST = 1 << 16  # bytes; what browsers ask for

_INDEXED, _INCREMENTAL, _SIZE_UPDATE, _HUFFMAN = 0x80, 0x40, 0x20, 0x80
_MAX_INTEGER_BYTES = 5


class WalkedField(NamedTuple):
    """A field. `name` is None where the table lacks it; the value stands at `start:end` if it is literal, else 0:0.

    A field without a name has a value only where that stands literally, or did when it came into the table.
    """

    name: str | None
    value: bytes
    start: int
    end: int
    is_huffman: bool


class _Field(NamedTuple):
    """The same with its name as it stands; empty where the table lacks it."""

    name: bytes
    value: bytes
    start: int
    end: int
    is_huffman: bool


class HpackWalk:
    """The header blocks of one direction, in their order."""

    def __init__(self) -> None:
        self._table = HeaderTable()

    def lose(self) -> None:
        """Blocks were missed: all entries may have others before them now, and nobody knows the table's size."""
        self._table = HeaderTable()
        self._table.maxsize = SIZE_WHEN_LOST

    def walk(self, block: bytes) -> list[WalkedField]:
        """At most `MAX_FIELDS` of them, and `MAX_TOLD` bytes; raises ParseError where the block is damaged."""
        fields: list[WalkedField] = []
        room = MAX_TOLD
        at = 0
        while at < len(block):
            first = block[at]
            if first & (_INDEXED | _INCREMENTAL | _SIZE_UPDATE) == _SIZE_UPDATE:
                size, at = _integer(block, at, 5)
                self._table.maxsize = min(size, MAX_TABLE)
                continue
            field, at = self._indexed(block, at) if first & _INDEXED else self._literal(block, at)
            if first & (_INDEXED | _INCREMENTAL) == _INCREMENTAL:
                self._table.add(field.name, field.value)
            if (
                room > 0 and len(fields) < MAX_FIELDS
            ):  # one byte may refer to a name of many: it is copied for these only
                fields.append(WalkedField(field.name.decode("latin-1") or None, *field[1:]))
                room -= len(field.name) + len(field.value)
        return fields

    def _indexed(self, block: bytes, at: int) -> tuple[_Field, int]:
        index, at = _integer(block, at, 7)
        return _Field(*self._entry(index), 0, 0, is_huffman=False), at

    def _literal(self, block: bytes, at: int) -> tuple[_Field, int]:
        index, at = _integer(block, at, 6 if block[at] & _INCREMENTAL else 4)
        if index:
            name, _ = self._entry(index)
        else:
            start, at, is_huffman = _string(block, at)
            name = _text(block[start:at], is_huffman=is_huffman)
        start, end, is_huffman = _string(block, at)
        return _Field(name, _text(block[start:end], is_huffman=is_huffman), start, end, is_huffman), end

    def _entry(self, index: int) -> tuple[bytes, bytes]:
        """Name and value, empty where the table lacks them."""
        try:
            name, value = self._table.get_by_index(index)
        except HPACKError:
            return b"", b""
        return bytes(name), bytes(value)


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
