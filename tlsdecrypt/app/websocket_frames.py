"""Frames of WebSocket (RFC 6455 section 5) in one direction, cut as they come, their masks undone.

A gap inside the payload of a frame leaves the framing as it is; behind any other nothing tells where a frame begins,
and the direction is given up. So it is where frames are none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from tlsdecrypt.flow import Span

MAX_PAYLOAD = 1024 * 1024  # bytes of one frame that are kept

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
OPCODES = frozenset({CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG})
_FIN, _RSV1, _RSV23, _MASK, _CONTROL = 0x80, 0x40, 0x30, 0x80, 0x08
_KEY_LENGTH = 4
_LENGTH_16, _LENGTH_64 = 126, 127
_MAX_CONTROL = 125


class WebSocketFrame(NamedTuple):
    """A whole frame. `payload` is None where not all of it was captured, or it was too long to be kept."""

    opcode: int
    is_final: bool
    is_compressed: bool
    is_masked: bool
    length: int
    payload: bytes | None
    missing: int
    first: Span
    last: Span


class WebSocketFrameReader:
    """One direction. `lost` says why it was given up; `skipped` counts the bytes behind."""

    def __init__(self) -> None:
        """A frame begins with the first byte."""
        self._head = bytearray()
        self._payload: bytearray | None = None
        self._length = 0
        self._remaining: int | None = None  # of the payload; None while the header is read
        self._missing = 0
        self._first: Span | None = None
        self.lost: str | None = None
        self.skipped = 0

    @property
    def is_inside(self) -> bool:
        """Whether a frame has begun and not ended."""
        return bool(self._head)

    def feed(self, data: bytes, span: Span) -> list[WebSocketFrame]:
        """Frames that are complete now."""
        frames: list[WebSocketFrame] = []
        at = 0
        while at < len(data) and self.lost is None:
            if not self._head:
                self._first = span
            if self._remaining is None:
                at = self._take_head(data, at)
            else:
                end = min(len(data), at + self._remaining)
                if self._payload is not None:
                    self._payload += data[at:end]
                self._remaining -= end - at
                at = end
            if self._remaining == 0:
                frames.append(self._frame(span))
        if self.lost is not None:
            self.skipped += len(data) - at
        return frames

    def gap(self, length: int | None, span: Span) -> list[WebSocketFrame]:
        """`length` bytes are missing here (None: nobody knows how many)."""
        if self.lost is not None:
            return []
        if length is None or self._remaining is None or length > self._remaining:
            self.lost = "behind a gap nothing tells where a frame begins"
            return []
        self._remaining -= length
        self._missing += length
        self._payload = None
        return [] if self._remaining else [self._frame(span)]

    def _take_head(self, data: bytes, at: int) -> int:
        """Byte by byte until the header is whole: it has 14 at most."""
        while at < len(data):
            self._head.append(data[at])
            at += 1
            wanted = head_length(self._head)
            if len(self._head) == 2 and not is_frame(self._head):  # noqa: PLR2004 - the two bytes that all have
                self.lost = "what follows is no WebSocket frame"
                return at
            if len(self._head) == wanted:
                self._length = self._remaining = payload_length(self._head)
                self._payload = bytearray() if self._length <= MAX_PAYLOAD else None
                self._missing = 0
                return at
        return at

    def _frame(self, span: Span) -> WebSocketFrame:
        first, second = self._head[0], self._head[1]
        payload = None if self._payload is None else bytes(self._payload)
        if payload and second & _MASK:
            payload = unmasked(payload, bytes(self._head[-_KEY_LENGTH:]))
        frame = WebSocketFrame(
            opcode=first & 0x0F,
            is_final=bool(first & _FIN),
            is_compressed=bool(first & _RSV1),
            is_masked=bool(second & _MASK),
            length=self._length,
            payload=payload,
            missing=self._missing,
            first=self._first or span,
            last=span,
        )
        self._head.clear()
        self._payload = self._remaining = None
        return frame


def unmasked(payload: bytes, key: bytes) -> bytes:
    """RFC 6455 section 5.3; the same masks it."""
    repeated = (key * (len(payload) // _KEY_LENGTH + 1))[: len(payload)]
    plain = int.from_bytes(payload, "big") ^ int.from_bytes(repeated, "big")
    return plain.to_bytes(len(payload), "big")


def is_frame(head: bytes | bytearray) -> bool:
    """Whether the first two bytes may begin a frame (sections 5.2 and 5.5)."""
    opcode = head[0] & 0x0F
    is_control = bool(opcode & _CONTROL)
    is_short = head[0] & _FIN and head[1] & 0x7F <= _MAX_CONTROL
    return opcode in OPCODES and not head[0] & _RSV23 and (not is_control or bool(is_short))


def head_length(head: bytes | bytearray) -> int:
    """Of a header whose first bytes these are."""
    if len(head) < 2:  # noqa: PLR2004 - the two bytes that all have
        return 2
    extended = {_LENGTH_16: 2, _LENGTH_64: 8}.get(head[1] & 0x7F, 0)
    return 2 + extended + (_KEY_LENGTH if head[1] & _MASK else 0)


def payload_length(head: bytes | bytearray) -> int:
    """What a whole header says."""
    length = head[1] & 0x7F
    if length == _LENGTH_16:
        return int.from_bytes(head[2:4], "big")
    return int.from_bytes(head[2:10], "big") if length == _LENGTH_64 else length
