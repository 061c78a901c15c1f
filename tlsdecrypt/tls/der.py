"""DER (X.690) as far as keys and certificates need it: elements of one-byte tags and definite lengths.

It exists for what the library does not tell: the public key of a certificate that it cannot parse, and the several
keys of one PFX. All functions raise ParseError only.
"""

from __future__ import annotations

from typing import NamedTuple

from tlsdecrypt.errors import ParseError

INTEGER = 0x02
BIT_STRING = 0x03
OCTET_STRING = 0x04
OBJECT_IDENTIFIER = 0x06
SEQUENCE = 0x30
SET = 0x31
CONTEXT_0 = 0xA0

OID_RSA_ENCRYPTION = bytes.fromhex("2a864886f70d010101")  # 1.2.840.113549.1.1.1
OID_DH_KEY_AGREEMENT = bytes.fromhex("2a864886f70d010301")  # 1.2.840.113549.1.3.1, PKCS #3
OID_DH_PUBLIC_NUMBER = bytes.fromhex("2a8648ce3e0201")  # 1.2.840.10046.2.1, X9.42
OID_DATA = bytes.fromhex("2a864886f70d010701")  # 1.2.840.113549.1.7.1
OID_KEY_BAG = bytes.fromhex("2a864886f70d010c0a0101")  # 1.2.840.113549.1.12.10.1.1
OID_SHROUDED_KEY_BAG = bytes.fromhex("2a864886f70d010c0a0102")  # 1.2.840.113549.1.12.10.1.2

_LONG_FORM = 0x80
_LONGEST_LENGTH = 4  # octets of a length: 4 GB


class Element(NamedTuple):
    """A value with its tag; `encoded` is the whole of it, tag and length included."""

    tag: int
    content: bytes
    encoded: bytes


def _element_at(data: bytes, offset: int) -> tuple[Element, int]:
    if len(data) - offset < 2:  # noqa: PLR2004 - a tag and a length
        raise ParseError("DER: element cut", offset)
    length, start = data[offset + 1], offset + 2
    if length & _LONG_FORM:
        size = length & ~_LONG_FORM
        if not 1 <= size <= _LONGEST_LENGTH:
            raise ParseError("DER: length of no known form", offset)
        length, start = int.from_bytes(data[start : start + size], "big"), start + size
    end = start + length
    if end > len(data):
        raise ParseError(f"DER: {length} bytes wanted, {max(len(data) - start, 0)} left", offset)
    return Element(data[offset], data[start:end], data[offset:end]), end


def first_element(data: bytes) -> Element:
    """The element at the start of `data`; what follows it is ignored."""
    return _element_at(data, 0)[0]


def elements(data: bytes) -> list[Element]:
    """All elements of `data`, which holds nothing else."""
    found, offset = [], 0
    while offset < len(data):
        element, offset = _element_at(data, offset)
        found.append(element)
    return found


def children(element: Element, at_least: int = 0, tag: int = SEQUENCE) -> list[Element]:
    """The elements inside `element`, which has the tag `tag` and holds `at_least` so many."""
    if element.tag != tag:
        raise ParseError(f"DER: tag 0x{tag:02x} wanted, 0x{element.tag:02x} found")
    found = elements(element.content)
    if len(found) < at_least:
        raise ParseError(f"DER: {at_least} elements wanted, {len(found)} found")
    return found


def integer(element: Element) -> int:
    """The value of an INTEGER."""
    if element.tag != INTEGER or not element.content:
        raise ParseError("DER: INTEGER wanted")
    return int.from_bytes(element.content, "big", signed=True)


def encode(tag: int, *contents: bytes) -> bytes:
    """An element of this tag around `contents`."""
    content = b"".join(contents)
    length = len(content)
    if length < _LONG_FORM:
        return bytes((tag, length)) + content
    size = (length.bit_length() + 7) // 8
    return bytes((tag, _LONG_FORM | size)) + length.to_bytes(size, "big") + content


def encode_integer(value: int) -> bytes:
    """A non-negative INTEGER."""
    return encode(INTEGER, value.to_bytes(value.bit_length() // 8 + 1, "big"))
