"""Progress is for people who wait, and for nobody else."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import termios
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from tlsdecrypt.report import progress
from tlsdecrypt.report.progress import Progress


def told(capsys: pytest.CaptureFixture[str], *, is_shown: bool) -> str:
    """What a run that reads 400 bytes shows on standard error."""
    bar = Progress(is_shown=is_shown)
    assert list(bar.counting(range(1_204))) == list(range(1_204))
    for position in (100, 200, 400):
        bar(position, 400)
        time.sleep(0.12)  # a bar is not drawn more often than that
    bar.close()
    output = capsys.readouterr()
    assert output.out == ""
    return output.err


def test_a_long_run_shows_how_much_was_read(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "PATIENCE", -1.0)
    shown = told(capsys, is_shown=True)
    assert "reading" in shown
    assert "400/400" in shown
    assert "B/s" in shown
    assert "1,204 connections" in shown


def test_a_short_run_shows_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert told(capsys, is_shown=True) == ""


def test_nothing_is_shown_where_nobody_looks(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "PATIENCE", -1.0)
    assert told(capsys, is_shown=False) == ""


if TYPE_CHECKING:
    from pathlib import Path

    import pytest

IMPATIENT = "from tlsdecrypt.report import progress; progress.PATIENCE = -1; from tlsdecrypt import cli; cli.main()"


def on_a_terminal(capture: str, *options: str) -> str:
    """What a program shows on standard error, which is a terminal, while it writes a document to a pipe."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 80))
    command = [sys.executable, "-c", IMPATIENT, capture, "--format", "json", *options]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=theirs) as process:
        os.close(theirs)
        assert process.stdout is not None
        assert process.stdout.read().startswith(b'{"schema":"tlsdecrypt/1"')
        shown = b""
        with suppress(OSError):  # how Linux tells that the other end is closed
            while piece := os.read(ours, 1 << 16):
                shown += piece
    os.close(ours)
    return shown.decode()


def test_a_person_at_a_terminal_sees_it_and_standard_output_does_not(capture: str) -> None:
    shown = on_a_terminal(capture)
    assert "reading" in shown
    assert "B/s" in shown
    assert on_a_terminal(capture, "--quiet") == ""


def test_a_person_at_a_terminal_sees_which_file_is_written(capture: str, folder: Path) -> None:
    shown = on_a_terminal(capture, "-o", str(folder / "a.pcapng"), "-o", str(folder / "b.html"))
    assert shown.index("reading") < shown.index("writing a.pcapng") < shown.index("writing b.html")
    assert shown.endswith("\r")  # it is gone before anything else is told
    assert on_a_terminal(capture, "--quiet", "-o", str(folder / "c.html")) == ""
