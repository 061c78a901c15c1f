"""PduStream: the PDUs in one direction of a connection, however its bytes are cut, and behind holes and damage.

What has the header of a PDU is one, as long as it says. Where no PDU begins although one should, and behind a hole
whose place in a PDU is not known, the next header is sought byte by byte. So what comes out depends on the bytes alone.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tlsdecrypt.app.dcerpc_pdu import HEADER, Pdu, next_pdu_header, parse_pdu
from tlsdecrypt.errors import ParseError
from tlsdecrypt.value import Value

if TYPE_CHECKING:
    from tlsdecrypt.app.dcerpc_pdu import PduHeader
    from tlsdecrypt.flow import Span
    from tlsdecrypt.wire import Buffer

# Version 5, a type, any flags, and a data representation whose reserved bytes are zero (C706 sections 12.6.3.1, 14.1).
_BEGINNING = re.compile(rb"\x05[\x00\x01][\x00-\x14][\x00-\xff][\x00\x01\x10\x11][\x00-\x03]\x00\x00")


class HeardPdu(Value, frozen=True):
    """A PDU, and the packets that it came with."""

    pdu: Pdu
    span: Span


class PduStream:
    """One direction."""

    def __init__(self) -> None:
        """Nothing was said yet."""
        self._buffer = bytearray()
        self._span: Span | None = None  # of what is in the buffer
        self._missing = 0  # bytes of a PDU that has a hole, which are still to come
        self._is_lost = False

    def feed(self, data: bytes, span: Span) -> list[HeardPdu]:
        """The PDUs that end with these bytes. One whose body cannot be read is left out."""
        if self._missing:
            passed = min(self._missing, len(data))
            self._missing -= passed
            data = data[passed:]
        self._buffer += data
        whole = span if self._span is None else self._span.to(span)
        heard: list[HeardPdu] = []
        position = 0
        while True:
            position, header = self._next(position)
            if header is None or len(self._buffer) - position < header.length:
                break
            end = position + header.length
            pdu = _pdu(bytes(self._buffer[position:end]))
            if pdu is not None:
                heard.append(HeardPdu(pdu, whole))
            position, whole = end, span
        del self._buffer[:position]
        self._span = whole if self._buffer else None
        return heard

    def gap(self, length: int | None) -> None:
        """Bytes are missing, `length` of them where that is known."""
        rest = self._rest()
        self._buffer.clear()
        self._span = None
        if length is not None and 0 < length <= rest:
            self._missing, self._is_lost = rest - length, False
        else:
            self._missing, self._is_lost = 0, True

    def _rest(self) -> int:
        """The bytes that the PDU in work still lacks; 0 where none is."""
        if self._missing:
            return self._missing
        header = None if self._is_lost or not self._buffer else next_pdu_header(self._buffer)
        return header.length - len(self._buffer) if header is not None else 0

    def _next(self, position: int) -> tuple[int, PduHeader | None]:
        """Where the next PDU begins, or may begin, with its header if that is whole."""
        if not self._is_lost:
            try:
                return position, next_pdu_header(self._buffer, position)
            except ParseError:
                self._is_lost = True
        position, header = seek_pdu(self._buffer, position)
        self._is_lost = header is None
        return position, header


def seek_pdu(buffer: Buffer, position: int = 0) -> tuple[int, PduHeader | None]:
    """The first place from `position` on where a PDU begins, and its header.

    Without one, the place from which to seek again when there are more bytes.
    """
    while (found := _BEGINNING.search(buffer, position)) is not None:
        position = found.start()
        try:
            return position, next_pdu_header(buffer, position)
        except ParseError:
            position += 1
    return max(position, len(buffer) - HEADER + 1), None


def _pdu(data: bytes) -> Pdu | None:
    try:
        return parse_pdu(data)
    except ParseError:
        return None
