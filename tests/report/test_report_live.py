"""What is told of traffic that goes on: everything once, and which connection it belongs to."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest
from sample_conversations import conversations

from tlsdecrypt.report.painter import PlainPainter
from tlsdecrypt.report.text_live import LiveText
from tlsdecrypt.report.text_view import TextView
from tlsdecrypt.value import replace

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tlsdecrypt.redact import Redactor
    from tlsdecrypt.report.lines import Line


@pytest.fixture
def live(redactor: Redactor) -> LiveText:
    return LiveText(TextView(redactor, 120))


def painted(lines: Iterable[Line]) -> str:
    stream = io.StringIO()
    painter = PlainPainter(stream)
    for each in lines:
        painter.paint(each)
    return stream.getvalue()


FIRST, *OTHERS = conversations()
assert len(FIRST.exchanges) > 1
BEFORE = replace(FIRST, exchanges=FIRST.exchanges[:1])


def test_the_first_exchange_brings_the_opening_and_later_ones_only_themselves(live: LiveText) -> None:
    opening = painted(live.news(BEFORE))
    assert opening.startswith("Connection 1  ")
    assert "decrypted with" in opening
    more = painted(live.news(FIRST))
    assert "Connection" not in more
    assert "decrypted with" not in more
    assert more.count("+") == len(FIRST.exchanges) - 1


def test_a_connection_that_comes_back_is_named_again(live: LiveText) -> None:
    painted(live.news(BEFORE))
    between = painted(live.end(OTHERS[0]))
    assert between.startswith("\nConnection 2  ")
    assert between.endswith("\n\n")
    assert painted(live.news(FIRST)).startswith("Connection 1  goes on\n")


def test_an_end_tells_what_is_new_and_nothing_twice(live: LiveText) -> None:
    painted(live.news(FIRST))
    assert painted(live.end(replace(FIRST, notes=()))) == ""
    painted(live.news(BEFORE))
    rest = painted(live.end(FIRST))
    assert rest.count("+") == len(FIRST.exchanges) - 1
    assert "Connection 1  127" not in rest
    assert rest.endswith("\n\n")


def test_a_verdict_that_changed_is_told(live: LiveText) -> None:
    partly = next(each for each in OTHERS if each.tls and each.tls.verdict.code.value == "partly-decrypted")
    assert FIRST.tls is not None
    painted(live.news(replace(partly, tls=FIRST.tls)))
    painted(live.news(OTHERS[0]))
    end = painted(live.end(partly))
    assert f"Connection {partly.id}  ends" in end
    assert "partly-decrypted" in end


def test_what_had_no_exchange_is_told_whole_when_it_ends(live: LiveText) -> None:
    text = painted(live.end(OTHERS[0]))
    assert text.startswith("Connection 2  ")
    assert "forward-secrecy" in text


def test_a_gap_is_made_once(live: LiveText) -> None:
    assert painted(live.gap()) == ""
    painted(live.news(BEFORE))
    assert [painted(live.gap()), painted(live.gap())] == ["\n", ""]
