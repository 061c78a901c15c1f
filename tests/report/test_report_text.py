"""The text report as a person sees it: golden, because its looks are the point."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sample_conversations import SECRET, conversation, session
from telling import paint_text

from tlsdecrypt.flow import Direction, Span
from tlsdecrypt.report.painter import ColourPainter, PlainPainter, choose_painter
from tlsdecrypt.tls.events import HeartbeatSeen
from tlsdecrypt.value import replace

if TYPE_CHECKING:
    from tlsdecrypt.conversation import Analysis
    from tlsdecrypt.redact import Redactor

COLOUR = re.compile(r"\x1b\[[0-9;]*m")
GOLDEN = Path(__file__).with_name("golden")


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def painted(analysis: Analysis, redactor: Redactor, stream: io.StringIO, *, is_verbose: bool = False) -> str:
    paint_text(analysis, redactor, choose_painter(stream), is_verbose=is_verbose)
    return stream.getvalue()


def test_the_plain_report_is_the_golden_one(analysis: Analysis, redactor: Redactor) -> None:
    assert painted(analysis, redactor, io.StringIO()) == (GOLDEN / "report.txt").read_text()


def test_the_verbose_report_is_the_golden_one(analysis: Analysis, redactor: Redactor) -> None:
    assert painted(analysis, redactor, io.StringIO(), is_verbose=True) == (GOLDEN / "verbose.txt").read_text()


def test_a_report_of_nothing_says_so(empty_analysis: Analysis, redactor: Redactor) -> None:
    text = painted(empty_analysis, redactor, io.StringIO())
    assert "none: give --pfx" in text
    assert "0 connections, 0 with TLS" in text


@pytest.mark.parametrize("stream", [io.StringIO(), Terminal()], ids=["pipe", "terminal"])
def test_captured_control_characters_never_reach_the_reader(
    analysis: Analysis, redactor: Redactor, stream: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "dumb")
    text = painted(analysis, redactor, stream, is_verbose=True)
    assert "\x1b" not in text
    assert "\x07" not in text
    assert r"\x1b]0;pwned\x07" in text.replace("\n", "")


def test_no_secret_of_a_message_is_in_the_text(analysis: Analysis, redactor: Redactor) -> None:
    assert SECRET not in painted(analysis, redactor, io.StringIO(), is_verbose=True)


def test_a_terminal_gets_colour(analysis: Analysis, redactor: Redactor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "200")
    text = painted(analysis, redactor, Terminal())
    assert "\x1b[32mdecrypted with keys/mail.pfx (CN=mail.contoso.com)\x1b[0m" in text


def test_no_color_means_no_colour(analysis: Analysis, redactor: Redactor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    text = painted(analysis, redactor, Terminal())
    assert "\x1b[32m" not in text
    assert "decrypted with keys/mail.pfx" in text


@pytest.mark.parametrize("columns", [60, 80, 132])
def test_no_line_is_wider_than_the_terminal(
    analysis: Analysis, redactor: Redactor, monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("TERM", "xterm")
    text = COLOUR.sub("", painted(analysis, redactor, Terminal(), is_verbose=True))
    assert columns - 20 <= max(map(len, text.splitlines())) <= columns


def test_a_long_target_is_shortened_to_the_width(analysis: Analysis, redactor: Redactor) -> None:
    stream = io.StringIO()
    painter = PlainPainter(stream)
    painter.width = 96  # columns; the whole line needs 104
    paint_text(analysis, redactor, painter)
    (told,) = (each for each in stream.getvalue().splitlines() if "401 Unauthorized" in each)
    assert len(told) <= 96
    assert "POST /autodisc" in told
    assert ".xml  401" in told


def test_the_painter_fits_the_stream() -> None:
    assert isinstance(choose_painter(io.StringIO()), PlainPainter)
    assert isinstance(choose_painter(Terminal()), ColourPainter)


def test_what_carried_tls_is_told(empty_analysis: Analysis, redactor: Redactor) -> None:
    carried = replace(empty_analysis, conversations=(conversation(1, session(started_by="STARTTLS (smtp)")),))
    assert "after STARTTLS (smtp)" in painted(carried, redactor, io.StringIO())


def test_a_heartbeat_that_claims_more_than_it_has_is_told_and_others_only_at_length(
    empty_analysis: Analysis, redactor: Redactor
) -> None:
    span = Span(7, 7, 0, 0)
    probe = HeartbeatSeen(Direction.CLIENT_TO_SERVER, "heartbeat_request", 16_384, 0, span)
    honest = HeartbeatSeen(Direction.SERVER_TO_CLIENT, "heartbeat_response", 14, 30, span)
    told = replace(empty_analysis, conversations=(conversation(1, session(heartbeats=(probe, honest))),))
    text = painted(told, redactor, io.StringIO())
    assert "client sent a heartbeat_request that claims 16,384 bytes and has 0, as Heartbleed probes do" in text
    assert "heartbeat_response" not in text
    assert "server sent a heartbeat_response" in painted(told, redactor, io.StringIO(), is_verbose=True)
