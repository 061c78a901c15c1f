"""Literal values of HPACK (RFC 7541) overwritten in place.

If a value keeps its length, coded and decoded, the tables of both sides stay what they were, and all later references
mean the new value.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hpack.huffman_constants import REQUEST_CODES, REQUEST_CODES_LENGTH

if TYPE_CHECKING:
    from tlsdecrypt.app.hpack_walk import WalkedField


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
