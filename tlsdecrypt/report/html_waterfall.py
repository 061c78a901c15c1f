"""The picture of the HTML report: connections one below the other, and what was said on them, over time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tlsdecrypt.report.quantities import MILLISECOND, SECOND
from tlsdecrypt.value import Value

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MAX_LANES = 500  # connections in the picture; more is no picture any more
LANE_HEIGHT = 18  # pixels, as the style sheet has it for the names beside the picture
AXIS_HEIGHT = 22
MIN_WIDTH = 0.12  # per cent of the width: what takes no time is seen too

_BAR_TOP, _BAR_HEIGHT = 5, 8
_EXCHANGE_TOP, _EXCHANGE_HEIGHT = 3, 12
_STEPS = (1, 2, 5)
_TICKS = 8  # at most so many on the axis


class Bar(Value, frozen=True):
    """A rectangle: `left` and `width` in per cent, `top` and `height` in pixels."""

    kind: str
    left: float
    width: float
    top: int
    height: int
    title: str


class Waterfall(Value, frozen=True):
    """All bars, the ticks of the axis (per cent, words), and the height in pixels."""

    lanes: list[dict[str, Any]]
    bars: list[Bar]
    ticks: list[tuple[float, str]]
    height: int


def waterfall(rows: Iterable[dict[str, Any]]) -> Waterfall | None:
    """The picture of the first `MAX_LANES` rows (see `row_view`), in the order of their starts; None of none."""
    lanes = sorted(rows, key=lambda row: (row["start_ns"], row["id"]))[:MAX_LANES]
    if not lanes:
        return None
    start_ns = lanes[0]["start_ns"]
    length_ns = max(max(row["end_ns"] for row in lanes) - start_ns, 1)
    bars = [bar for place, row in enumerate(lanes) for bar in _bars(row, place, (start_ns, length_ns))]
    return Waterfall(lanes, bars, list(_ticks(length_ns)), AXIS_HEIGHT + LANE_HEIGHT * len(lanes))


def _bars(row: dict[str, Any], place: int, scale: tuple[int, int]) -> Iterator[Bar]:
    """The connection, its handshake, and its exchanges, each over the one before."""
    top = AXIS_HEIGHT + place * LANE_HEIGHT
    name = f"connection {row['id']}"

    def bar(kind: str, times: list[int], height: tuple[int, int], title: str) -> Bar:
        left = 100 * (times[0] - scale[0]) / scale[1]
        width = max(100 * (times[1] - times[0]) / scale[1], MIN_WIDTH)
        left = max(min(left, 100 - width), 0)
        return Bar(kind, round(left, 3), round(width, 3), top + height[0], height[1], title)

    yield bar("connection", [row["start_ns"], row["end_ns"]], (_BAR_TOP, _BAR_HEIGHT), f"{name}: {row['server']}")
    if row["handshake"]:
        yield bar("handshake", row["handshake"], (_BAR_TOP, _BAR_HEIGHT), f"{name}: TLS handshake")
    for first, last, tone, words in row["exchanges"]:
        yield bar(tone, [first, last], (_EXCHANGE_TOP, _EXCHANGE_HEIGHT), f"{name}: {words}")


def _ticks(length_ns: int) -> Iterator[tuple[float, str]]:
    """Round times."""
    unit = 1
    while not any(length_ns / (unit * step) <= _TICKS for step in _STEPS):
        unit *= 10
    every = next(unit * step for step in _STEPS if length_ns / (unit * step) <= _TICKS)
    for time_ns in range(0, length_ns + 1, every):
        yield round(100 * time_ns / length_ns, 3), _words(time_ns, every)


def _words(time_ns: int, every: int) -> str:
    if every >= SECOND:
        return f"{time_ns // SECOND:,} s"
    return f"{time_ns / MILLISECOND:g} ms"
