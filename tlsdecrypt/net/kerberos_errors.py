"""parse_kerberos_error: a KRB-ERROR (RFC 4120 section 5.9.1), as far as it names what went wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tlsdecrypt.errors import ParseError
from tlsdecrypt.net.surroundings import KerberosError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tlsdecrypt.flow import Endpoint

KRB_ERROR = 0x7E  # [APPLICATION 30], constructed
MESSAGE_MAX = 1 << 16

_ERROR_CODE, _REALM, _SNAME, _NAME_STRING = 0xA6, 0xA9, 0xAA, 0xA1
_LONG_LENGTH, _LENGTH_BYTES_MAX = 0x80, 4
_COMPONENTS_MAX = 8

# RFC 4120 section 7.5.9
_NAMES = {
    1: "KDC_ERR_NAME_EXP",
    6: "KDC_ERR_C_PRINCIPAL_UNKNOWN",
    7: "KDC_ERR_S_PRINCIPAL_UNKNOWN",
    8: "KDC_ERR_PRINCIPAL_NOT_UNIQUE",
    12: "KDC_ERR_POLICY",
    13: "KDC_ERR_BADOPTION",
    14: "KDC_ERR_ETYPE_NOSUPP",
    18: "KDC_ERR_CLIENT_REVOKED",
    23: "KDC_ERR_KEY_EXPIRED",
    24: "KDC_ERR_PREAUTH_FAILED",
    25: "KDC_ERR_PREAUTH_REQUIRED",
    29: "KDC_ERR_SVC_UNAVAILABLE",
    31: "KRB_AP_ERR_BAD_INTEGRITY",
    32: "KRB_AP_ERR_TKT_EXPIRED",
    33: "KRB_AP_ERR_TKT_NYV",
    34: "KRB_AP_ERR_REPEAT",
    35: "KRB_AP_ERR_NOT_US",
    37: "KRB_AP_ERR_SKEW",
    41: "KRB_AP_ERR_MODIFIED",
    52: "KRB_ERR_RESPONSE_TOO_BIG",
    60: "KRB_ERR_GENERIC",
    68: "KDC_ERR_WRONG_REALM",
}


def parse_kerberos_error(data: bytes, ends: tuple[Endpoint, Endpoint], where: tuple[int, int]) -> KerberosError:
    """The message in `data` from the first of `ends` to the second. Raises ParseError where it is no KRB-ERROR."""
    (tag, content), *_ = _elements(data)
    if tag != KRB_ERROR:
        raise ParseError("no KRB-ERROR")
    fields = dict(_elements(_inner(content)))
    code = int.from_bytes(_inner(fields.get(_ERROR_CODE, b"")), "big")
    realm = _inner(fields.get(_REALM, b"")).decode("utf-8", "replace")
    server, client = ends
    return KerberosError(*where, client, server, code, _NAMES.get(code, f"error {code}"), realm, _service(fields))


def _service(fields: dict[int, bytes]) -> str:
    if _SNAME not in fields:
        return ""
    parts = dict(_elements(_inner(fields[_SNAME])))
    components = [text for _, text in _elements(_inner(parts.get(_NAME_STRING, b"")))][:_COMPONENTS_MAX]
    return "/".join(text.decode("utf-8", "replace") for text in components)


def _inner(data: bytes) -> bytes:
    """The content of the one element in `data`. Raises ParseError where there is none."""
    for _, content in _elements(data):
        return content
    raise ParseError("Kerberos message: an element is missing")


def _elements(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Tags and contents of DER elements (X.690 section 8.1) with one byte of tag. Raises ParseError."""
    position = 0
    while True:
        head = data[position : position + 2]
        if len(head) < 2:  # noqa: PLR2004 - a tag and a length
            if head or not data:
                raise ParseError("Kerberos message cut", position)
            return
        tag, length = head
        position += 2
        if length & _LONG_LENGTH:
            size = min(length & ~_LONG_LENGTH, _LENGTH_BYTES_MAX)
            length = int.from_bytes(data[position : position + size], "big")
            position += size
        if position + length > len(data):
            raise ParseError("Kerberos message cut", position)
        yield tag, data[position : position + length]
        position += length
