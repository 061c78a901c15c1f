"""Times, sizes, frames and connection numbers, as a person or a program reads them. All times are UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from tlsdecrypt.flow import Span

MILLISECOND = 1_000_000  # nanoseconds
SECOND = 1_000_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
MAX_RANGES = 8  # ranges of connection numbers that are listed before "and N more"

_EXACT_BYTES = 10_000  # below this a size is told to the byte
_KILO = 1000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@lru_cache(maxsize=4096)
def _calendar(seconds: int) -> str:
    """`2026-11-24T03:30:50`; the same second is asked for again and again."""
    return (_EPOCH + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S")


def iso_time(time_ns: int) -> str:
    """ISO 8601 with nanoseconds: `2026-11-24T03:30:50.123456789Z`."""
    seconds, rest = divmod(time_ns, SECOND)
    return f"{_calendar(seconds)}.{rest:09d}Z"


def iso_times(span: Span) -> tuple[str, str]:
    """When a span began and ended, as `iso_time` tells it; most lie within one frame."""
    start = iso_time(span.first_time_ns)
    is_moment = span.last_time_ns == span.first_time_ns
    return start, start if is_moment else iso_time(span.last_time_ns)


def clock_time(time_ns: int) -> str:
    """For people, to the millisecond: `2026-11-24 03:30:50.123`."""
    seconds, rest = divmod(time_ns, SECOND)
    return f"{_calendar(seconds).replace('T', ' ')}.{rest // MILLISECOND:03d}"


def duration(length_ns: int) -> str:
    """`0.4 ms`, `38 ms`, `1.204 s`, `3 min 2 s`, `2 h 5 min`."""
    if length_ns < 10 * MILLISECOND:
        return f"{length_ns / MILLISECOND:.1f} ms"
    if length_ns < SECOND:
        return f"{length_ns // MILLISECOND} ms"
    if length_ns < MINUTE:
        return f"{length_ns / SECOND:.3f} s"
    if length_ns < HOUR:
        return f"{length_ns // MINUTE} min {length_ns % MINUTE // SECOND} s"
    return f"{length_ns // HOUR:,} h {length_ns % HOUR // MINUTE} min"


def size(length: int) -> str:
    """`1,204 B`, `14.7 kB`, `344.0 MB`; powers of ten, as tools that measure networks do."""
    if length < _EXACT_BYTES:
        return f"{length:,} B"
    value = float(length)
    for unit in ("kB", "MB", "GB"):
        value /= _KILO
        if value < _KILO:
            return f"{value:.1f} {unit}"
    return f"{value / _KILO:.1f} TB"


def frame_range(span: Span) -> str:
    """`#12-#17`, or `#12` for one frame."""
    return f"#{span.first_frame}" if span.first_frame == span.last_frame else f"#{span.first_frame}-#{span.last_frame}"


def counted(count: int, noun: str, plural: str = "") -> str:
    """`1 frame`, `1,204 frames`."""
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"


def number_ranges(numbers: Iterable[int]) -> str:
    """`1-5, 7, 9-12`; what is beyond `MAX_RANGES` ranges is counted: `..., and 1,204 more`."""
    ranges: list[list[int]] = []
    for number in sorted(set(numbers)):
        if ranges and number == ranges[-1][1] + 1:
            ranges[-1][1] = number
        else:
            ranges.append([number, number])
    text = ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in ranges[:MAX_RANGES])
    more = sum(last - first + 1 for first, last in ranges[MAX_RANGES:])
    return f"{text}, and {more:,} more" if more else text


def which_connections(numbers: Collection[int]) -> str:
    """`connection 4`, `connections 1-5, 7`."""
    return f"{'connection' if len(numbers) == 1 else 'connections'} {number_ranges(numbers)}"
