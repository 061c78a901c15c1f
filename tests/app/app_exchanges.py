"""HTTP exchanges made from what goes over the wire, for decoders that read their contents."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from packets import http_request, http_response

from tlsdecrypt.app.http1 import Http1Decoder
from tlsdecrypt.flow import Direction, Span

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tlsdecrypt.app.exchange import Exchange

SPAN = Span(1, 1, 0, 0)


def exchange_of(
    line: str,
    fields: Sequence[str] = (),
    content: bytes | str = b"",
    *,
    status: str = "200 OK",
    answer_fields: Sequence[str] = (),
    answer: bytes | str = b"",
) -> Exchange:
    """One request and its answer."""
    decoder = Http1Decoder()
    asked, answered = (each.encode() if isinstance(each, str) else each for each in (content, answer))
    decoder.feed(Direction.CLIENT_TO_SERVER, http_request(line, fields, asked), SPAN)
    [exchange] = decoder.feed(Direction.SERVER_TO_CLIENT, http_response(status, answer_fields, answered), SPAN)
    return exchange


def annotations_of(line: str, fields: Sequence[str] = (), content: bytes | str = b"", **answer: Any) -> dict[str, Any]:
    """The annotations of one exchange."""
    return exchange_of(line, fields, content, **answer).annotations
