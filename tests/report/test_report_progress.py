"""Progress is for people who wait, and for nobody else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tlsdecrypt.report import progress
from tlsdecrypt.report.progress import Progress

if TYPE_CHECKING:
    import pytest


def told(capsys: pytest.CaptureFixture[str], *, is_shown: bool) -> str:
    """What a run that reads 400 bytes shows on standard error."""
    bar = Progress(is_shown=is_shown)
    for position in (100, 400):
        bar(position, 400)
    bar.close()
    output = capsys.readouterr()
    assert output.out == ""
    return output.err


def test_a_long_run_shows_how_much_was_read(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "PATIENCE", -1.0)
    assert "reading" in told(capsys, is_shown=True)


def test_a_short_run_shows_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert told(capsys, is_shown=True) == ""


def test_nothing_is_shown_where_nobody_looks(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "PATIENCE", -1.0)
    assert told(capsys, is_shown=False) == ""
