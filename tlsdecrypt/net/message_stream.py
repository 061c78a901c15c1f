"""MessageStream: messages whose length stands before them, of both directions of one TCP connection.

DNS has two bytes of length (RFC 1035 section 4.2.2), Kerberos four (RFC 4120 section 7.2.2).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tlsdecrypt.net.events import StreamData, StreamGap

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tlsdecrypt.flow import Direction
    from tlsdecrypt.net.events import StreamEvent

MESSAGE_MAX = 1 << 16  # bytes; a direction that announces more is not followed any further


class MessageStream:
    """Both directions; one that has a hole is not followed any further."""

    def __init__(self, length_size: int) -> None:
        """`length_size` is that of the length, in bytes."""
        self._length_size = length_size
        self._buffers: list[bytearray | None] = [bytearray(), bytearray()]
        self._starts: list[tuple[int, int] | None] = [None, None]  # frame and time of the first byte of each buffer

    def feed(self, events: list[StreamEvent]) -> Iterator[tuple[Direction, bytes, tuple[int, int]]]:
        """Direction and bytes of each message, and the frame and time in which it began."""
        for event in events:
            if isinstance(event, StreamGap):
                self._buffers[event.direction] = None
            elif isinstance(event, StreamData):
                yield from self._take(event)

    def _take(self, event: StreamData) -> Iterator[tuple[Direction, bytes, tuple[int, int]]]:
        side = event.direction
        buffer = self._buffers[side]
        if buffer is None:
            return
        before = len(buffer)
        buffer += event.data
        position, size = 0, self._length_size
        while len(buffer) - position >= size:
            length = int.from_bytes(buffer[position : position + size], "big")
            if length > MESSAGE_MAX:
                self._buffers[side] = None
                return
            end = position + size + length
            if end > len(buffer):
                break
            where = self._where(event, position - before)
            yield side, bytes(buffer[position + size : end]), where
            position = end
        if position < len(buffer):
            self._starts[side] = self._where(event, position - before)
        del buffer[:position]

    def _where(self, event: StreamData, place: int) -> tuple[int, int]:
        """The frame of a byte of `event.data`; before it, that of the message that is under way."""
        started = self._starts[event.direction]
        if place < 0 and started is not None:
            return started
        span = event.span(max(place, 0), max(place, 0) + 1)
        return span.first_frame, span.first_time_ns
