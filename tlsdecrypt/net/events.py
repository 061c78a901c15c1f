"""What reassembly says of one direction of a TCP connection: data, gaps and its end, in stream order."""

from __future__ import annotations

from bisect import bisect_right
from enum import Enum
from typing import TYPE_CHECKING, TypeAlias

from tlsdecrypt.flow import Direction, Span

if TYPE_CHECKING:
    from collections.abc import Sequence


class StreamData:
    """In-order bytes of one direction, with the frames that carried them.

    `offset` is the stream offset of the first byte (0 is the byte after SYN, or the first byte seen). Segment `i` of
    this data starts at byte `starts[i]` of `data` and came in frame `frames[i]` at `times_ns[i]`; starts[0] is 0.
    """

    __slots__ = ("data", "direction", "frames", "offset", "starts", "times_ns")

    def __init__(
        self,
        direction: Direction,
        offset: int,
        data: bytes,
        starts: Sequence[int],
        frames: Sequence[int],
        times_ns: Sequence[int],
    ) -> None:
        """The three sequences are of one length, one element a segment."""
        self.direction = direction
        self.offset = offset
        self.data = data
        self.starts = starts
        self.frames = frames
        self.times_ns = times_ns

    def span(self, start: int, end: int) -> Span:
        """The frames of `data[start:end]`, end > start."""
        if len(self.starts) == 1:
            frame, time_ns = self.frames[0], self.times_ns[0]
            return Span(frame, frame, time_ns, time_ns)
        first = bisect_right(self.starts, start) - 1
        last = bisect_right(self.starts, end - 1, first) - 1
        return Span(self.frames[first], self.frames[last], self.times_ns[first], self.times_ns[last])


class StreamGap:
    """Bytes that the capture does not hold. `length` is None where nothing tells how many.

    `wire_length` is that of the frame, where it was the snap length that cut it (else 0).
    """

    __slots__ = ("direction", "length", "offset", "span", "wire_length")

    def __init__(self, direction: Direction, offset: int, length: int | None, span: Span, wire_length: int = 0) -> None:
        """`span` names the frame before the hole (first) and the frame after it (last)."""
        self.wire_length = wire_length
        self.direction = direction
        self.offset = offset
        self.length = length
        self.span = span


class EndReason(Enum):
    """Why a direction ended."""

    FIN = "fin"
    RST = "rst"
    REUSED = "four-tuple reused"
    IDLE = "idle"
    CAPTURE_END = "end of capture"


class StreamEnd:
    """One direction is over; nothing of it follows."""

    __slots__ = ("direction", "reason", "span")

    def __init__(self, direction: Direction, reason: EndReason, span: Span) -> None:
        """`span` names the frame with the FIN or RST, else the last frame seen."""
        self.direction = direction
        self.reason = reason
        self.span = span


StreamEvent: TypeAlias = StreamData | StreamGap | StreamEnd
