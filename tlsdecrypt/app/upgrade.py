"""What follows an upgrade of HTTP/1 (RFC 9110 section 7.8) or a tunnel (section 9.3.6): the decoder that goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tlsdecrypt.app.decoder import choose_decoder
from tlsdecrypt.app.http import every_field
from tlsdecrypt.app.http1 import Http1Decoder
from tlsdecrypt.app.http2 import Http2Decoder
from tlsdecrypt.app.http_head import RequestLine
from tlsdecrypt.app.websocket import WebSocketDecoder

if TYPE_CHECKING:
    from tlsdecrypt.app.decoder import Decoder
    from tlsdecrypt.app.exchange import Exchange
    from tlsdecrypt.app.http1_reader import Message
    from tlsdecrypt.flow import Direction, Span

ENOUGH_TO_CHOOSE = 24  # bytes of one direction by which a protocol is told
MAX_DEPTH = 4  # tunnels in tunnels that are followed

_NO_PORT = 0


def follow_upgrade(
    name: str, request: Message | None, answer: Message, *, keep_content: bool, depth: int
) -> Decoder | None:
    """The decoder of what `answer` agreed to; None: no decoder here knows it.

    `name` is `tunnel` behind CONNECT, else the protocol; `depth` counts the tunnels around it.
    """
    if name == "websocket":
        extensions = ", ".join(every_field(answer.fields, "sec-websocket-extensions"))
        return WebSocketDecoder(keep_content=keep_content, extensions=extensions)
    if name == "h2c":
        return Http2Decoder(keep_content=keep_content, upgraded_by=request)
    if name == "tunnel" and depth < MAX_DEPTH:
        return Tunnel(_port(request), keep_content=keep_content, depth=depth + 1)
    return None


def _port(request: Message | None) -> int:
    """The port that a CONNECT names."""
    line = request.line if request is not None else None
    port = line.target.rpartition(":")[2] if isinstance(line, RequestLine) else ""
    return int(port) if port.isascii() and port.isdigit() and len(port) <= len("65535") else _NO_PORT


class Tunnel:
    """A `Decoder` for what is said inside a tunnel: told by its first bytes, as that of any connection."""

    name = "tunnel"

    def __init__(self, port: int, *, keep_content: bool, depth: int) -> None:
        """`port` is the one that the tunnel leads to."""
        self._port = port
        self._is_content_kept = keep_content
        self._depth = depth
        self._decoder: Decoder | None = None
        self._undecided: list[tuple[Direction, bytes | None, int | None, Span]] | None = []
        self._heads = (bytearray(), bytearray())

    def feed(self, direction: Direction, data: bytes, span: Span) -> list[Exchange]:
        """Exchanges that are complete now."""
        if self._decoder is not None:
            return self._decoder.feed(direction, data, span)
        if self._undecided is None:
            return []
        self._undecided.append((direction, data, None, span))
        head = self._heads[direction]
        head += data[: ENOUGH_TO_CHOOSE - len(head)]
        return self._decide() if len(head) == ENOUGH_TO_CHOOSE else []

    def gap(self, direction: Direction, length: int | None, span: Span) -> list[Exchange]:
        """`length` bytes are missing (None: nobody knows how many)."""
        if self._decoder is not None:
            return self._decoder.gap(direction, length, span)
        if self._undecided is None:
            return []
        self._undecided.append((direction, None, length, span))
        return self._decide()

    def end(self, direction: Direction, span: Span) -> list[Exchange]:
        """One direction ended."""
        exchanges = self._decide()
        return exchanges if self._decoder is None else exchanges + self._decoder.end(direction, span)

    def finish(self) -> list[Exchange]:
        """The connection is over."""
        exchanges = self._decide()
        return exchanges if self._decoder is None else exchanges + self._decoder.finish()

    def _decide(self) -> list[Exchange]:
        """Choose by what is there, and hand it over."""
        pieces, self._undecided = self._undecided or [], None
        first = next((bytes(head) for head in sorted(self._heads, key=len, reverse=True) if head), b"")
        if self._decoder is not None or not first:
            return []
        decoder = choose_decoder(None, first, self._port, keep_content=self._is_content_kept)
        if decoder is None:
            return []
        if isinstance(decoder, Http1Decoder):
            decoder.depth = self._depth
        self._decoder = decoder
        return [
            exchange
            for direction, data, length, span in pieces
            for exchange in (
                decoder.gap(direction, length, span) if data is None else decoder.feed(direction, data, span)
            )
        ]
