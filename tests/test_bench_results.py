"""Figures of the benchmark are written, read again, and compared."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from bench_lab import results
from bench_lab.measure import Run
from bench_lab.table import comparison, figures, scaling, table

if TYPE_CHECKING:
    from pathlib import Path

BEFORE = [
    figures("bulk", "tlsdecrypt", 1_000, [Run(1.0, 90), Run(4.0, 80), Run(2.0, 70)], together=60),
    figures("bulk", "tshark", 1_000, [Run(10.0, 900)], together=0),
]


def test_medians_count_and_the_highest_memory() -> None:
    assert (BEFORE[0].seconds, BEFORE[0].packets_per_second, BEFORE[0].peak_megabytes) == (2.0, 500.0, 90)
    several = figures("bulk", "tlsdecrypt", 1_000, [Run(1.0, 90)], together=120)
    assert several.peak_megabytes == 120


def test_the_table_says_how_many_times_as_long_others_take() -> None:
    assert "5.00 x slower" in table(BEFORE).splitlines()[2]


def test_what_was_written_is_read_again_with_the_machine(tmp_path: Path) -> None:
    path = tmp_path / "figures.json"
    results.write(path, BEFORE)
    assert results.read(path) == BEFORE
    assert json.loads(path.read_text())["machine"]["cores"] >= 1


@pytest.mark.parametrize("text", ["{}", "[]", '{"figures": [{"capture": 1}]}', "not JSON"])
def test_another_file_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "other.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"."):
        results.read(path)


def test_a_comparison_tells_what_moved_of_what_both_have() -> None:
    now = [
        figures("bulk", "tlsdecrypt", 1_000, [Run(1.5, 99)], together=0),
        figures("short", "tlsdecrypt", 1_000, [Run(1.5, 99)], together=0),
    ]
    _, row = comparison(BEFORE, now).splitlines()
    assert row.split() == ["bulk", "tlsdecrypt", "2.00", "1.50", "-25", "%", "90", "99", "+10", "%"]


def test_a_straight_line_is_no_percent() -> None:
    rows = [(times, 1_000 * times, BEFORE[0]._replace(seconds=2.0 * times)) for times in (1, 2, 4)]
    rows.append((8, 8_000, BEFORE[0]._replace(seconds=17.6)))
    assert [line.split()[3] for line in scaling(rows).splitlines()[1:]] == ["+0", "+0", "+0", "+10"]
