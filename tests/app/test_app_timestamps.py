"""Points in time of HTTP and XML."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tlsdecrypt.app.timestamps import parse_date_time, parse_http_date

EXAMPLE = 784_111_777  # Sun, 06 Nov 1994 08:49:37 GMT: the example of RFC 9110 section 5.6.7; `date -d ... +%s`


def test_the_example_of_the_standard_is_read() -> None:
    assert parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT") == EXAMPLE


@pytest.mark.parametrize(
    "text",
    [
        "1994-11-06T08:49:37Z",
        "1994-11-06T08:49:37",
        "1994-11-06T08:49:37.1234567Z",
        "1994-11-06T09:49:37+01:00",
        " 1994-11-06T08:49:37.5Z ",
    ],
)
def test_one_moment_in_several_spellings(text: str) -> None:
    assert parse_date_time(text) == EXAMPLE


@pytest.mark.parametrize("text", [None, "", "Sun, 99 Nov 1994 08:49:37 GMT", "Sun, 06 Xxx 1994 08:49:37 GMT", "now"])
def test_what_is_no_time_is_none(text: str | None) -> None:
    assert parse_http_date(text) is None
    assert parse_date_time(text) is None


@given(st.text())
def test_no_text_makes_it_fail(text: str) -> None:
    for found in (parse_http_date(text), parse_date_time(text)):
        assert found is None or any(each.isdigit() for each in text)
