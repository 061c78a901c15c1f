"""RST_STREAM and GOAWAY (RFC 9113 sections 6.4 and 6.8): who gives up what, and why (section 7)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from hyperframe.exceptions import HyperframeError
from hyperframe.frame import GoAwayFrame, RstStreamFrame

if TYPE_CHECKING:
    from tlsdecrypt.app.http2_frames import Part

NO_ERROR = 0
REFUSED_STREAM = 7

_NAMES = (
    "NO_ERROR",
    "PROTOCOL_ERROR",
    "INTERNAL_ERROR",
    "FLOW_CONTROL_ERROR",
    "SETTINGS_TIMEOUT",
    "STREAM_CLOSED",
    "FRAME_SIZE_ERROR",
    "REFUSED_STREAM",
    "CANCEL",
    "COMPRESSION_ERROR",
    "CONNECT_ERROR",
    "ENHANCE_YOUR_CALM",
    "INADEQUATE_SECURITY",
    "HTTP_1_1_REQUIRED",
)
_STREAM_BITS = 0x7FFFFFFF  # the highest bit is reserved


class GoAway(NamedTuple):
    """No stream above `last_stream` was or will be looked at."""

    last_stream: int
    error: int


def error_name(code: int) -> str:
    """As RFC 9113 section 7 has it; numbers that it does not know are errors of the application."""
    return _NAMES[code] if code < len(_NAMES) else f"error 0x{code:x}"


def reset_code(part: Part) -> int | None:
    """The error code of a RST_STREAM, None where it is damaged."""
    frame = RstStreamFrame(part.head.stream or 1)
    try:
        frame.parse_body(memoryview(part.payload or b""))
    except HyperframeError:
        return None
    return frame.error_code


def parse_go_away(part: Part) -> GoAway | None:
    """None where it is damaged. What it says besides may be anything, and is not told."""
    frame = GoAwayFrame()
    try:
        frame.parse_body(memoryview(part.payload or b""))
    except HyperframeError:
        return None
    return GoAway(frame.last_stream_id & _STREAM_BITS, frame.error_code)
