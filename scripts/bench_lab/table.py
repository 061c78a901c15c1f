"""The figures of all runs, and the tables that people read."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, NamedTuple

from bench_lab.programs import OURS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from bench_lab.measure import Run

HEAD = ("capture", "program", "seconds", "packets/s", "peak MB", "vs tlsdecrypt")
COMPARED = ("capture", "program", "seconds before", "now", "change", "peak MB before", "now", "change")
SCALED = ("times", "frames", "seconds", "to the straight line", "peak MB")
NAMES = 2  # columns of words; figures follow


class Figures(NamedTuple):
    """Medians over the runs of one program on one capture; `all_seconds` are the runs in their order."""

    capture: str
    program: str
    seconds: float
    packets_per_second: float
    peak_megabytes: float
    all_seconds: list[float]


def figures(capture: str, program: str, frames: int, runs: Sequence[Run], together: float) -> Figures:
    """What `runs` come to; the peak is the highest of them, or that of all processes `together`."""
    seconds = median(each.seconds for each in runs)
    peak = max(together, *(each.peak_megabytes for each in runs))
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
    ours = {each.capture: each for each in rows if each.program == OURS}
    return _laid_out(HEAD, (_row(each, ours.get(each.capture)) for each in rows))


def comparison(before: Sequence[Figures], now: Sequence[Figures]) -> str:
    """What moved since another run: only what both have measured."""
    old = {(each.capture, each.program): each for each in before}
    pairs = [(old[key], each) for each in now if (key := (each.capture, each.program)) in old]
    return _laid_out(COMPARED, (_moved(*pair) for pair in pairs))


def _moved(before: Figures, now: Figures) -> tuple[str, ...]:
    cells = []
    for digits, old, new in ((2, before.seconds, now.seconds), (0, before.peak_megabytes, now.peak_megabytes)):
        cells += [f"{old:.{digits}f}", f"{new:.{digits}f}", f"{100 * (new - old) / old:+.0f} %"]
    return now.capture, now.program, *cells


def scaling(rows: Sequence[tuple[int, int, Figures]]) -> str:
    """By how many times the capture: time against that of the first row times as many, and memory."""
    first_times, _, first = rows[0]
    return _laid_out(
        SCALED,
        (
            (
                str(times),
                f"{frames:,}",
                f"{each.seconds:.2f}",
                f"{100 * each.seconds * first_times / (first.seconds * times) - 100:+.0f} %",
                f"{each.peak_megabytes:.0f}",
            )
            for times, frames, each in rows
        ),
        names=0,
    )


def _laid_out(head: Sequence[str], rows: Iterable[Sequence[str]], names: int = NAMES) -> str:
    lines = [head, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    return "\n".join("  ".join(_aligned(line, widths, names)).rstrip() for line in lines)


def _aligned(line: Sequence[str], widths: Sequence[int], names: int) -> list[str]:
    """Names to the left, figures to the right."""
    cells = zip(line, widths, strict=True)
    return [cell.ljust(width) if column < names else cell.rjust(width) for column, (cell, width) in enumerate(cells)]
