"""The figures of all runs, and the table that people read."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench_lab.measure import Run

HEAD = ("capture", "program", "seconds", "packets/s", "peak MB", "vs tlsdecrypt")
NAMES = 2  # columns of words; figures follow


class Figures(NamedTuple):
    """Medians over the runs of one program on one capture; `all_seconds` are the runs in their order."""

    capture: str
    program: str
    seconds: float
    packets_per_second: float
    peak_megabytes: float
    all_seconds: list[float]


def figures(capture: str, program: str, frames: int, runs: Sequence[Run]) -> Figures:
    """What `runs` come to; the peak is the highest of them."""
    seconds = median(each.seconds for each in runs)
    peak = max(each.peak_megabytes for each in runs)
    return Figures(capture, program, seconds, frames / seconds, peak, [each.seconds for each in runs])


def _row(each: Figures, ours: Figures | None) -> tuple[str, ...]:
    ratio = "" if ours is None or each is ours else f"{each.seconds / ours.seconds:.2f} x slower"
    return (
        each.capture,
        each.program,
        f"{each.seconds:.2f}",
        f"{each.packets_per_second:,.0f}",
        f"{each.peak_megabytes:.0f}",
        ratio,
    )


def table(rows: Sequence[Figures]) -> str:
    """One line a program and capture; the ratio says how many times the time of tlsdecrypt it took."""
    ours = {each.capture: each for each in rows if each.program == "tlsdecrypt"}
    lines = [HEAD, *(_row(each, ours.get(each.capture)) for each in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEAD))]
    return "\n".join("  ".join(_aligned(line, widths)) for line in lines)


def _aligned(line: Sequence[str], widths: Sequence[int]) -> list[str]:
    """Names to the left, figures to the right."""
    cells = zip(line, widths, strict=True)
    return [cell.ljust(width) if column < NAMES else cell.rjust(width) for column, (cell, width) in enumerate(cells)]
