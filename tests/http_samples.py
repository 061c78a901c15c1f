"""HTTP exchanges made from what went over the wire."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tlsdecrypt.app.http1 import Http1Decoder
from tlsdecrypt.flow import Direction, Span

if TYPE_CHECKING:
    from tlsdecrypt.app.exchange import Exchange

SPAN = Span(1, 1, 0, 0)


def exchange_of(content_type: str, content: str, answer_field: str, reason: str) -> Exchange:
    """A POST with this content, and an answer with this reason phrase and field."""
    data = content.encode()
    request = f"POST /logon HTTP/1.1\r\nHost: h\r\nContent-Type: {content_type}\r\nContent-Length: {len(data)}\r\n\r\n"
    response = f"HTTP/1.1 401 {reason}\r\n{answer_field}\r\nContent-Length: 0\r\n\r\n"
    decoder = Http1Decoder()
    decoder.feed(Direction.CLIENT_TO_SERVER, request.encode() + data, SPAN)
    [exchange] = decoder.feed(Direction.SERVER_TO_CLIENT, response.encode(), SPAN)
    return exchange
