"""A report stays readable whatever a capture holds: what repeats is counted instead of told again."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest
from sample_conversations import conversation, request, session, span
from telling import paint_text

from tlsdecrypt.app.exchange import Exchange
from tlsdecrypt.conversation import Analysis, KeyFacts, Note
from tlsdecrypt.report.painter import PlainPainter
from tlsdecrypt.report.text_connection import MAX_NOTES
from tlsdecrypt.report.text_summary import MAX_REASONS
from tlsdecrypt.tls.verdict import Verdict, VerdictCode
from tlsdecrypt.value import replace

if TYPE_CHECKING:
    from tlsdecrypt.redact import Redactor


def painted(analysis: Analysis, redactor: Redactor) -> str:
    stream = io.StringIO()
    paint_text(analysis, redactor, PlainPainter(stream))
    return stream.getvalue()


def test_the_holes_of_one_connection_are_counted_beyond_a_bound(empty_analysis: Analysis, redactor: Redactor) -> None:
    notes = tuple(Note(f"{number} bytes not captured") for number in range(5_000))
    text = painted(replace(empty_analysis, conversations=(conversation(1, None, notes=notes),)), redactor)
    assert text.count("bytes not captured") == MAX_NOTES
    assert "[and 4,980 more notes]" in text


def test_a_verdict_that_reads_otherwise_for_each_session_takes_few_lines(
    empty_analysis: Analysis, redactor: Redactor
) -> None:
    verdicts = [Verdict(VerdictCode.NO_SECRET, f"client random {number:064x}", "Give it.") for number in range(1_000)]
    sessions = tuple(conversation(n, session(key=None, verdict=each)) for n, each in enumerate(verdicts, 1))
    summary = painted(replace(empty_analysis, conversations=sessions), redactor).partition("\nSessions\n")[2]
    assert summary.count("client random") == MAX_REASONS
    assert "995 x no-secret (connections 6-1000)" in summary
    assert "client random" in painted(replace(empty_analysis, conversations=sessions[999:]), redactor)


@pytest.mark.parametrize(("kind", "is_said"), [("EC secp256r1", True), ("RSA 2048 bits", False), ("key log", False)])
def test_a_key_that_can_only_sign_is_told_to_be_so(
    empty_analysis: Analysis, redactor: Redactor, kind: str, *, is_said: bool
) -> None:
    text = painted(replace(empty_analysis, keys=(KeyFacts("a.pfx", kind, None, None),)), redactor)
    assert "opened nothing" in text
    assert ("signs handshakes, and opens none" in text) is is_said


def test_what_was_odd_about_the_keys_is_told(empty_analysis: Analysis, redactor: Redactor) -> None:
    text = painted(replace(empty_analysis, notes=("skipped: keys/a.pfx: no password was given",)), redactor)
    assert "Notes\n    skipped: keys/a.pfx: no password was given\n" in text


def test_a_missing_answer_is_told_once(empty_analysis: Analysis, redactor: Redactor) -> None:
    exchange = Exchange("http/1.1", request("/owa/", span(1, 1, 1, 1)), None, {}, ("no answer was seen", "other"))
    text = painted(replace(empty_analysis, conversations=(conversation(1, None, exchanges=(exchange,)),)), redactor)
    assert "no answer seen" in text
    assert "fault: no answer was seen" not in text
    assert "fault: other" in text
