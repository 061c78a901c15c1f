"""The ROPs of a buffer, walked as far as their layouts allow ([MS-OXCROPS] section 2.2.1)."""

from __future__ import annotations

import re
from typing import NamedTuple

from tlsdecrypt.app.mapi_errors import SEND_AS_DENIED
from tlsdecrypt.app.mapi_rops import RELEASE, ROPS, rop_name
from tlsdecrypt.errors import ParseError
from tlsdecrypt.wire import Reader

MAX_ROPS = 255  # of one buffer: handles are numbered by a byte
MAX_NAME = 256  # characters of an address

_SIZE = 2

_DENIED = re.compile(rb"[\x32\x4a].\xdc\x04\x00\x00", re.DOTALL)
# The sender of a message: PidTagSentRepresentingSmtpAddress, PidTagSentRepresentingEmailAddress, both PtypString.
_SENDER = re.compile(rb"\x1f\x00(?:\x02\x5d|\x65\x00)((?:[\x21-\x7e]\x00){3,%d})\x00\x00" % MAX_NAME)


class RopResult(NamedTuple):
    """What became of one ROP."""

    rop_id: int
    return_value: int

    @property
    def name(self) -> str:
        """The name of the ROP."""
        return rop_name(self.rop_id)


class RopList(NamedTuple):
    """The ROPs that could be read; `is_complete`: these are all."""

    rop_ids: tuple[int, ...]
    is_complete: bool


class RopResults(NamedTuple):
    """The results that could be read; `is_complete`: these are all. `is_denial_sought`: one was found behind them."""

    results: tuple[RopResult, ...]
    is_complete: bool
    is_denial_sought: bool = False


def parse_requests(payload: bytes) -> RopList:
    """The ROPs of the payload of a request. Raises `ParseError` where not even a size is there."""
    reader = _rops(payload)
    found: list[int] = []
    try:
        while reader.remaining and len(found) < MAX_ROPS:
            rop_id = reader.u8("RopId")
            reader.take(2, "LogonId and handle")
            found.append(rop_id)
            layout = ROPS[rop_id].request if rop_id in ROPS else None
            if layout is None:
                return RopList(tuple(found), not reader.remaining)
            _skip(reader, layout)
    except ParseError:
        return RopList(tuple(found), is_complete=False)
    return RopList(tuple(found), not reader.remaining)


def parse_results(payload: bytes) -> RopResults:
    """The results in the payload of an answer. Raises `ParseError` where not even a size is there.

    Behind what can be walked, only a refused submission is sought: its six bytes are hardly anything else.
    """
    reader = _rops(payload)
    found: list[RopResult] = []
    start = reader.offset
    try:
        while reader.remaining and len(found) < MAX_ROPS:
            start = reader.offset
            result, layout = _result(reader)
            found.append(result)
            start = reader.offset
            if layout is None:
                break
            _skip(reader, layout)
            start = reader.offset
    except ParseError:
        pass
    is_complete = start == reader.offset and not reader.remaining
    denied = None if is_complete else _DENIED.search(payload, start)
    if denied is not None:
        found.append(RopResult(denied[0][0], SEND_AS_DENIED))
    return RopResults(tuple(found), is_complete, denied is not None)


def _result(reader: Reader) -> tuple[RopResult, str | None]:
    rop_id = reader.u8("RopId")
    reader.take(1, "handle")
    value = int.from_bytes(reader.take(4, "ReturnValue"), "little")
    rop = ROPS.get(rop_id)
    if rop is None or rop_id == RELEASE:
        return RopResult(rop_id, value), None
    return RopResult(rop_id, value), rop.failure if value else rop.response


def find_sender(payload: bytes) -> str | None:
    """The address that properties in a request name as the sender of a message, None where there is none."""
    found = _SENDER.search(payload)
    return found[1].decode("utf-16-le", "replace") if found else None


def _rops(payload: bytes) -> Reader:
    """The part that holds ROPs: its size counts itself, and handles follow."""
    size = int.from_bytes(payload[:_SIZE], "little")
    if len(payload) < _SIZE or not _SIZE <= size <= len(payload):
        raise ParseError("the size of the ROPs is wrong", 0)
    return Reader(payload, _SIZE, size)


def _skip(reader: Reader, layout: str) -> None:
    """Step over what `layout` describes (see `mapi_rops`)."""
    for part in layout.split():
        if part == "h":
            reader.take(_little(reader, 2), "counted bytes")
        elif part == "l":
            reader.take(_little(reader, 4), "counted bytes")
        elif part == "z":
            while reader.u8("string"):
                pass
        elif "x" in part:
            bits, size = map(int, part.split("x"))
            reader.take(_little(reader, bits // 8) * size, "counted values")
        else:
            reader.take(int(part), "fields")


def _little(reader: Reader, size: int) -> int:
    return int.from_bytes(reader.take(size, "count"), "little")
