"""Contents of ActiveSync, MAPI over HTTP and RPC over HTTP: what people wrote and what proves them, overwritten.

They keep their length and their framing, so that tools can still read what was asked and what failed. Messages,
contacts, keys and passwords stand everywhere in them, so all text and all arguments go; codes and short numbers stay.
"""

from __future__ import annotations

import re

WBXML = "application/vnd.ms-sync"
MAPI = "application/mapi-http"
RPC = "application/rpc"

MAX_TOKENS = 1_000_000  # of one WBXML document; what follows is overwritten as a whole

_SWITCH_PAGE, _ENTITY, _STR_I, _STR_T, _OPAQUE = 0x00, 0x02, 0x03, 0x83, 0xC3
_LITERALS = frozenset({0x04, 0x44, 0x84, 0xC4})
_CODE = re.compile(rb"\d{1,4}")  # statuses, counts, times; keys are longer
_CONTINUED = 0x80
_WBXML_HEAD = re.compile(rb"[\x00-\x03]\x01\x6a\x00")
_STARS = bytes(ord("*") for _ in range(256))

_PDU = re.compile(rb"\x05[\x00\x01][\x00-\x14][\x00-\xff]\x10\x00\x00\x00")
_PDU_HEAD = 16
_CALLS = frozenset({0, 2})  # request, response
_CALL_HEAD = 24
_AUTH_HEAD = 8
_OPEN_PDUS = frozenset({3, 13, 20})  # fault, bind_nak, RTS: nothing but codes

_META_TAGS = re.compile(
    rb"(?:PROCESSING\r\n|PENDING\r\n)*DONE\r\n(?:[^\r\n]*\r\n)*?\r\n|(?:PROCESSING\r\n|PENDING\r\n)+"
)
_CODES = 8  # bytes of an answer of MAPI: StatusCode and ErrorCode


def is_binary_secret(content_type: str | None, data: bytes) -> bool:
    """Whether content is of one of these kinds."""
    kind = (content_type or "").partition(";")[0].strip().lower()
    return kind.startswith((WBXML, MAPI, RPC)) or (not kind and _PDU.match(data) is not None)


def star_binary(data: bytes, content_type: str | None) -> bytes:
    """`data` of one of these kinds with stars in place of what is not framing, as long as before."""
    kind = (content_type or "").partition(";")[0].strip().lower()
    if kind.startswith(WBXML):
        return _star_wbxml(data)
    if kind.startswith(MAPI):
        return _star_mapi(data)
    return _star_rpc(data)


def _stars(data: bytes) -> bytes:
    return data.translate(_STARS)


def _star_wbxml(data: bytes) -> bytes:
    """Text and opaque data; all from the first thing on that is no WBXML of ActiveSync."""
    if not _WBXML_HEAD.match(data):
        return _stars(data)
    pieces = [data[:4]]
    position = 4
    for _ in range(MAX_TOKENS):
        if position >= len(data):
            break
        token, begun = data[position], position
        position += 1
        if token == _STR_I:
            end = data.find(b"\0", position)
            text = data[position : end if end >= 0 else len(data)]
            pieces += [data[begun:position], text if _CODE.fullmatch(text) else _stars(text)]
            position += len(text)
            pieces.append(data[position : position + 1])
            position += 1
        elif token == _OPAQUE:
            length, position = _integer(data, position)
            pieces += [data[begun:position], _stars(data[position : position + length])]
            position += length
        else:
            if token == _SWITCH_PAGE:
                position += 1
            elif token in _LITERALS or token in (_ENTITY, _STR_T):
                _, position = _integer(data, position)
            pieces.append(data[begun:position])
    pieces.append(_stars(data[position:]))
    return b"".join(pieces)


def _integer(data: bytes, position: int) -> tuple[int, int]:
    """mb_u_int32, and the position behind it."""
    number = 0
    for at in range(position, min(position + 5, len(data))):
        number = number << 7 | data[at] & 0x7F
        if data[at] < _CONTINUED:
            return number, at + 1
    return len(data), min(position + 5, len(data))


def _star_mapi(data: bytes) -> bytes:
    """All behind the meta tags, with the headers that follow them, and the two codes."""
    tags = _META_TAGS.match(data)
    if tags is None:
        return _stars(data)
    end = min(tags.end() + _CODES, len(data))
    return data[:end] + _stars(data[end:])


def _star_rpc(data: bytes) -> bytes:
    """Arguments, results and tokens; all from the first thing on that is no PDU."""
    pieces: list[bytes] = []
    position = 0
    while _PDU.match(data, position):
        length = int.from_bytes(data[position + 8 : position + 10], "little")
        if length < _PDU_HEAD:
            break
        pieces.append(_starred_pdu(data[position : position + length]))
        position += length
    return b"".join([*pieces, _stars(data[position:])])


def _starred_pdu(pdu: bytes) -> bytes:
    kind, token = pdu[2], int.from_bytes(pdu[10:12], "little")
    if kind in _OPEN_PDUS and not token:
        return pdu
    if kind in _CALLS:
        return pdu[:_CALL_HEAD] + _stars(pdu[_CALL_HEAD:])
    end = max(len(pdu) - token, _PDU_HEAD) if token else len(pdu)
    return pdu[:end] + _stars(pdu[end:])
