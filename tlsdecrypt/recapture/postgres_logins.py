"""Passwords in logins of PostgreSQL (its manual, section "Message Formats"): in clear, hashed, and proofs of SASL."""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


_ASKS = re.compile(rb"(?:\x00\x00\x00\x08\x04\xd2\x16[\x2f\x30])*")  # SSLRequest, GSSENCRequest
_START = re.compile(rb"\x00\x00..\x00[\x02\x03]\x00[\x00-\x0f]", re.DOTALL)  # StartupMessage: length, version
_SASL_START = re.compile(rb"[A-Z][A-Z0-9-]{1,30}\0....", re.DOTALL)  # the mechanism, and how long its response is
_HEAD = struct.Struct(">cI")
_LENGTH = struct.Struct(">I")


def proofs(data: bytes) -> Iterator[tuple[int, int]]:
    """Where the passwords and proofs stand: messages of type `p`."""
    asked = _ASKS.match(data)
    at = asked.end() if asked else 0
    if _START.match(data, at) is None:
        return
    at += _LENGTH.unpack_from(data, at)[0]
    while at + _HEAD.size <= len(data):
        kind, length = _HEAD.unpack_from(data, at)
        end = min(at + 1 + length, len(data))
        if length < _LENGTH.size:
            return
        begin = at + _HEAD.size
        if kind == b"p":
            mechanism = _SASL_START.match(data, begin, end)
            begin = mechanism.end() if mechanism else begin
            yield begin, end - (data[end - 1 : end] == b"\0" and end > begin)
        at = end
