"""Times, sizes and numbers, against values that `date -u` and the SI give."""

from __future__ import annotations

import pytest

from tlsdecrypt.flow import Span
from tlsdecrypt.report.quantities import (
    clock_time,
    counted,
    duration,
    frame_range,
    iso_time,
    number_ranges,
    size,
    which_connections,
)


@pytest.mark.parametrize(
    ("time_ns", "text"),
    [
        (1_795_487_450_123_456_789, "2026-11-24T02:30:50.123456789Z"),
        (0, "1970-01-01T00:00:00.000000000Z"),
        (-1, "1969-12-31T23:59:59.999999999Z"),
        (2**63 - 1, "2262-04-11T23:47:16.854775807Z"),
        (-(2**63), "1677-09-21T00:12:43.145224192Z"),
    ],
)
def test_a_time_is_told_to_the_nanosecond_in_utc(time_ns: int, text: str) -> None:
    assert iso_time(time_ns) == text


def test_a_person_gets_milliseconds() -> None:
    assert clock_time(1_795_487_450_123_456_789) == "2026-11-24 02:30:50.123"


@pytest.mark.parametrize(
    ("length_ns", "text"),
    [
        (0, "0.0 ms"),
        (400_000, "0.4 ms"),
        (38_900_000, "38 ms"),
        (1_204_000_000, "1.204 s"),
        (182_000_000_000, "3 min 2 s"),
        (7_500_000_000_000, "2 h 5 min"),
    ],
)
def test_a_duration_has_the_unit_that_fits(length_ns: int, text: str) -> None:
    assert duration(length_ns) == text


@pytest.mark.parametrize(
    ("length", "text"),
    [(0, "0 B"), (9_999, "9,999 B"), (14_700, "14.7 kB"), (344_000_000, "344.0 MB"), (5 * 10**9, "5.0 GB")],
)
def test_a_size_has_the_unit_that_fits(length: int, text: str) -> None:
    assert size(length) == text


def test_sizes_beyond_all_units_are_still_told() -> None:
    assert size(10**16) == "10000.0 TB"


def test_one_frame_is_told_once() -> None:
    assert frame_range(Span(12, 12, 0, 0)) == "#12"
    assert frame_range(Span(12, 17, 0, 0)) == "#12-#17"


def test_one_thing_is_singular() -> None:
    assert [counted(1, "frame"), counted(1204, "frame"), counted(2, "reply", "replies")] == [
        "1 frame",
        "1,204 frames",
        "2 replies",
    ]


def test_neighbouring_numbers_make_a_range() -> None:
    assert number_ranges([9, 1, 2, 3, 3, 7, 10]) == "1-3, 7, 9-10"


def test_many_ranges_are_counted_instead_of_listed() -> None:
    assert number_ranges(range(0, 2000, 2)) == "0, 2, 4, 6, 8, 10, 12, 14, and 992 more"


def test_connections_are_named_by_number() -> None:
    assert (which_connections([4]), which_connections((1, 2))) == ("connection 4", "connections 1-2")
