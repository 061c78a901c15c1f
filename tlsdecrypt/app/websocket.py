"""WebSocketDecoder: what both sides say after an upgrade to WebSocket (RFC 6455): one exchange a message.

A message is the `request` of its exchange where the client sent it, the `response` where the server did; the other
side is None, for nothing answers a message.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tlsdecrypt.app.exchange import Exchange
from tlsdecrypt.app.websocket_deflate import inflaters
from tlsdecrypt.app.websocket_frames import CLOSE, CONTINUATION, PING, PONG, TEXT, WebSocketFrameReader
from tlsdecrypt.flow import Direction
from tlsdecrypt.value import Hidden, Value, replace

if TYPE_CHECKING:
    from tlsdecrypt.app.kept_content import KeptContent
    from tlsdecrypt.app.websocket_deflate import Inflater
    from tlsdecrypt.app.websocket_frames import WebSocketFrame
    from tlsdecrypt.flow import Span

MAX_MESSAGE = 1024 * 1024  # bytes of one message that are kept
MAX_TOLD = 1_000  # messages of a connection; beyond them only what ends it, and what is wrong

_CLIENT = Direction.CLIENT_TO_SERVER
_VERBS = {TEXT: "TEXT", 2: "BINARY", CLOSE: "CLOSE", PING: "PING", PONG: "PONG", CONTINUATION: "CONTINUATION"}
_CLOSE_MEANINGS = {
    1000: "normal closure",
    1001: "going away",
    1002: "protocol error",
    1003: "unsupported data",
    1007: "invalid data",
    1008: "policy violation",
    1009: "message too big",
    1010: "extension missing",
    1011: "internal error",
    1012: "service restart",
    1013: "try again later",
    1014: "bad gateway",
}
_CODE_LENGTH = 2


class WebSocketMessage(Value, frozen=True):
    """A message of one or more frames, or a control frame; `verb` names its opcode.

    `content_length` counts payload bytes as they were sent, those in `missing` (not captured) included. `content` is
    inflated; None where it was not kept. `close_code` is that of a CLOSE, `meaning` what it means (section 7.4.1).
    """

    verb: str
    opcode: int
    content_length: int
    frames: int
    is_masked: bool
    is_compressed: bool
    span: Span
    missing: int = 0
    close_code: int | None = None
    content: Hidden[bytes | None] = None
    kept: Hidden[KeptContent | None] = None

    @property
    def meaning(self) -> str:
        """Of the close code, empty where there is none or nobody registered it."""
        return _CLOSE_MEANINGS.get(self.close_code or 0, "")

    @property
    def line(self) -> str:
        """What there is to say of it in one line."""
        return "" if self.close_code is None else f"{self.close_code} {self.meaning}".rstrip()

    def field(self, name: str) -> str | None:
        """`content-type` alone: what is text may be read as such."""
        return "text/plain" if name.lower() == "content-type" and self.opcode == TEXT else None


class _Side:
    """One direction: its frames, and the message that they make."""

    def __init__(self, inflater: Inflater | None) -> None:
        self.reader = WebSocketFrameReader()
        self.inflater = inflater
        self.message: WebSocketMessage | None = None
        self.pieces: list[bytes] | None = []


class WebSocketDecoder:
    """A `Decoder` for WebSocket. `extensions` is the Sec-WebSocket-Extensions that the server answered."""

    name = "websocket"

    def __init__(self, *, keep_content: bool = False, extensions: str | None = None) -> None:
        """One decoder a connection."""
        self._is_content_kept = keep_content
        self._sides = tuple(map(_Side, inflaters(extensions) or (None, None)))
        self._told = 0
        self._untold = 0
        self._last_untold: Exchange | None = None

    @property
    def skipped(self) -> tuple[int, int]:
        """Bytes of either direction in which no frame was found."""
        client, server = self._sides
        return client.reader.skipped, server.reader.skipped

    def feed(self, direction: Direction, data: bytes, span: Span) -> list[Exchange]:
        """Messages that are complete now."""
        side = self._sides[direction]
        return self._take(direction, side, side.reader.feed(data, span))

    def gap(self, direction: Direction, length: int | None, span: Span) -> list[Exchange]:
        """`length` bytes are missing (None: nobody knows how many)."""
        side = self._sides[direction]
        exchanges = self._take(direction, side, side.reader.gap(length, span))
        if side.reader.lost is not None and side.message is not None:
            exchanges += self._end_message(direction, side, side.reader.lost)
        return exchanges

    def end(self, direction: Direction, span: Span) -> list[Exchange]:  # noqa: ARG002  the end carries no bytes
        """One direction ended; the other may go on."""
        return self._cut(direction, "the connection ended before the message did")

    def finish(self) -> list[Exchange]:
        """What is incomplete, and how many messages were not told."""
        exchanges = [each for way in Direction for each in self._cut(way, "the capture ended before the message did")]
        if self._last_untold is not None:
            exchanges.append(self._with_untold(self._last_untold))
        return exchanges

    def _cut(self, direction: Direction, fault: str) -> list[Exchange]:
        side = self._sides[direction]
        return [] if side.message is None else self._end_message(direction, side, fault)

    def _take(self, direction: Direction, side: _Side, frames: list[WebSocketFrame]) -> list[Exchange]:
        exchanges: list[Exchange] = []
        for frame in frames:
            if frame.opcode in (CLOSE, PING, PONG):
                exchanges += self._tell(direction, _control(frame, is_content_kept=self._is_content_kept), ())
                continue
            if side.message is not None and frame.opcode != CONTINUATION:
                exchanges += self._end_message(direction, side, "another message began before it ended")
            _add(side, frame)
            if frame.is_final:
                exchanges += self._end_message(direction, side, None)
        return exchanges

    def _end_message(self, direction: Direction, side: _Side, fault: str | None) -> list[Exchange]:
        message, pieces = side.message, side.pieces
        side.message, side.pieces = None, []
        if message is None:
            return []
        faults = [] if fault is None else [fault]
        content = None if pieces is None or fault is not None else b"".join(pieces)
        if message.is_compressed and side.inflater is not None:
            if content is None:
                side.inflater.lose()
            else:
                content = side.inflater.inflate(content)
            if content is None and not faults:
                faults.append("its compressed content could not be read")
        elif message.is_compressed:
            content = None
            faults.append("it is compressed, which was not agreed on")
        if self._is_content_kept and content is not None:
            message = replace(message, content=content)
        return self._tell(direction, message, tuple(faults))

    def _tell(self, direction: Direction, message: WebSocketMessage, faults: tuple[str, ...]) -> list[Exchange]:
        request, response = (message, None) if direction is _CLIENT else (None, message)
        exchange = Exchange(self.name, request, response, faults=faults)
        if self._told >= MAX_TOLD and message.opcode != CLOSE and not faults:
            self._untold += 1
            self._last_untold = replace(exchange, request=_light(exchange.request), response=_light(exchange.response))
            return []
        self._told += 1
        return [self._with_untold(exchange) if message.opcode == CLOSE and self._untold else exchange]

    def _with_untold(self, exchange: Exchange) -> Exchange:
        count, self._untold = self._untold - (exchange is self._last_untold), 0
        self._last_untold = None
        fault = f"{count:,} messages before it are not told"
        return replace(exchange, faults=(*exchange.faults, fault)) if count else exchange


def _light(message: WebSocketMessage | None) -> WebSocketMessage | None:
    return None if message is None else replace(message, content=None)


def _add(side: _Side, frame: WebSocketFrame) -> None:
    """Add a frame to the message under way, or begin one."""
    message = side.message
    if message is None:
        side.message = _message(frame)
    else:
        side.message = replace(
            message,
            content_length=message.content_length + frame.length,
            frames=message.frames + 1,
            span=message.span.to(frame.last),
            missing=message.missing + frame.missing,
        )
    length = side.message.content_length if side.message is not None else 0
    if frame.payload is None or side.pieces is None or length > MAX_MESSAGE:
        side.pieces = None
    else:
        side.pieces.append(frame.payload)


def _message(frame: WebSocketFrame) -> WebSocketMessage:
    return WebSocketMessage(
        verb=_VERBS[frame.opcode],
        opcode=frame.opcode,
        content_length=frame.length,
        frames=1,
        is_masked=frame.is_masked,
        is_compressed=frame.is_compressed,
        span=frame.first.to(frame.last),
        missing=frame.missing,
    )


def _control(frame: WebSocketFrame, *, is_content_kept: bool) -> WebSocketMessage:
    """CLOSE with its code (section 5.5.1), PING or PONG."""
    message = _message(frame)
    payload = frame.payload or b""
    if frame.opcode == CLOSE and len(payload) >= _CODE_LENGTH:
        message = replace(message, close_code=int.from_bytes(payload[:_CODE_LENGTH], "big"))
        payload = payload[_CODE_LENGTH:]
    return replace(message, content=payload) if is_content_kept and payload else message
