"""Distinguished names that stand alone, as in a CertificateRequest: the library reads them only inside certificates."""

from __future__ import annotations

import warnings
from functools import lru_cache
from typing import Final

from cryptography.x509 import Name, NameAttribute, ObjectIdentifier, RelativeDistinguishedName

from tlsdecrypt.errors import ParseError
from tlsdecrypt.tls import der

NAMES_REMEMBERED: Final = 1 << 12  # a server sends the same list to every client
LONGEST_REMEMBERED: Final = 1 << 10  # bytes
LONGEST_IDENTIFIER: Final = 128  # bytes of an object identifier

_WIDE: Final = {0x14: "latin-1", 0x1C: "utf-32-be", 0x1E: "utf-16-be"}  # T61, Universal and BMP; others have bytes
_MORE: Final = 0x80  # the bit of an octet in an object identifier that says that another one follows
_FIRST_ARC: Final = 40


def describe_name(encoded: bytes) -> str:
    """`CN=Contoso CA,O=Contoso` (RFC 4514) of a Name in DER; `#` and its hex where it cannot be read."""
    return _remembered(encoded) if len(encoded) <= LONGEST_REMEMBERED else _described(encoded)


def _described(encoded: bytes) -> str:
    try:
        return parse_name(encoded).rfc4514_string()
    except ParseError:
        return f"#{encoded.hex()}"


_remembered = lru_cache(maxsize=NAMES_REMEMBERED)(_described)


def parse_name(encoded: bytes) -> Name:
    """Name, RFC 5280 section 4.1.2.4. Raises ParseError."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of values that are longer than the standard allows
            return Name(
                RelativeDistinguishedName(map(_attribute, der.children(each, at_least=1, tag=der.SET)))
                for each in der.children(der.first_element(encoded))
            )
    except ValueError as error:  # what the library does not take, as an attribute twice
        raise ParseError(f"name: {error}") from None


def _attribute(pair: der.Element) -> NameAttribute[str]:
    kind, value = der.children(pair, at_least=2)[:2]
    text = value.content.decode(_WIDE.get(value.tag, "utf-8"), "replace")
    return NameAttribute(ObjectIdentifier(_dotted(kind)), text, _validate=False)  # as it reads those of certificates


def _dotted(identifier: der.Element) -> str:
    """`2.5.4.3` of an OBJECT IDENTIFIER, X.690 section 8.19."""
    content = identifier.content
    if identifier.tag != der.OBJECT_IDENTIFIER or not 0 < len(content) <= LONGEST_IDENTIFIER or content[-1] & _MORE:
        raise ParseError("DER: no object identifier")
    arcs, value = [], 0
    for octet in content:
        value = value << 7 | octet & ~_MORE
        if not octet & _MORE:
            arcs.append(value)
            value = 0
    first = min(arcs[0] // _FIRST_ARC, 2)
    return ".".join(map(str, (first, arcs[0] - first * _FIRST_ARC, *arcs[1:])))
