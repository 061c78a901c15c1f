"""What reassembly says of one direction of a TCP connection: data, gaps and its end, in stream order."""

from __future__ import annotations

from bisect import bisect_right
from enum import Enum
from typing import TYPE_CHECKING, TypeAlias

from tlsdecrypt.flow import Direction, Span
from tlsdecrypt.value import Hidden, Value

if TYPE_CHECKING:
    from collections.abc import Sequence


class StreamData(Value, frozen=True):
    """In-order bytes of one direction, with the frames that carried them.

    `offset` is the stream offset of the first byte (0 is the byte after SYN, or the first byte seen). Segment `i` of
    this data starts at byte `starts[i]` of `data` and came in frame `frames[i]` at `times_ns[i]`; starts[0] is 0.
    """

    direction: Direction
    offset: int
    data: Hidden[bytes]
    starts: Hidden[Sequence[int]]
    frames: Hidden[Sequence[int]]
    times_ns: Hidden[Sequence[int]]

    def span(self, start: int, end: int) -> Span:
        """The frames of `data[start:end]`, end > start."""
        starts, frames, times_ns = self.starts, self.frames, self.times_ns
        if len(starts) == 1:
            return Span(frames[0], frames[0], times_ns[0], times_ns[0])
        first = bisect_right(starts, start) - 1
        last = bisect_right(starts, end - 1, first) - 1
        return Span(frames[first], frames[last], times_ns[first], times_ns[last])


class StreamGap(Value, frozen=True):
    """Bytes that the capture does not hold. `length` is None where nothing tells how many.

    `span` names the frame before the hole (first) and the frame after it (last); `wire_length` is that of the frame,
    where it was the snap length that cut it (else 0).
    """

    direction: Direction
    offset: int
    length: int | None
    span: Span
    wire_length: int = 0


class EndReason(Enum):
    """Why a direction ended."""

    FIN = "fin"
    RST = "rst"
    REUSED = "four-tuple reused"
    IDLE = "idle"
    CAPTURE_END = "end of capture"


class StreamEnd(Value, frozen=True):
    """One direction is over; nothing of it follows. `span` names the frame with the FIN or RST, else the last frame."""

    direction: Direction
    reason: EndReason
    span: Span


StreamEvent: TypeAlias = StreamData | StreamGap | StreamEnd
