"""Outputs that cannot be written, readers that go away, faults and interrupts: nothing half-written, no traceback."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import tiny_capture
from cli_runs import assert_refused, run, spawn
from sample_conversations import SECRET, conversation, session

from tlsdecrypt import cli, pipeline
from tlsdecrypt.report.json_writer import JsonWriter

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tlsdecrypt.conversation import Analysis


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("report.docx", ".txt, .json, .jsonl"),
        ("report", ".txt, .json, .jsonl"),
        ("absent/report.json", "no folder"),
        ("folder.json", "is a folder"),
        ("there.json", "--force"),
        ("clear.txt", "input"),
    ],
)
def test_an_output_that_cannot_be_is_refused_before_any_work(folder: Path, name: str, words: str) -> None:
    (folder / "folder.json").mkdir()
    (folder / "there.json").write_text("kept")
    (folder / "clear.txt").write_bytes(tiny_capture.pcap())
    force = ("--force",) if name == "clear.txt" else ()
    assert_refused(run(folder / "clear.txt", "-o", folder / name, *force), folder / name, words)
    assert (folder / "there.json").read_text() == "kept"


def test_an_output_given_twice_is_refused(capture: str, folder: Path) -> None:
    assert_refused(run(capture, "-o", folder / "a.json", "-o", folder / "a.json"), "twice")


def test_force_overwrites(capture: str, folder: Path) -> None:
    (folder / "there.json").write_text("old")
    assert run(capture, "-o", folder / "there.json", "--force").exit_code == 0
    assert json.loads((folder / "there.json").read_text())["schema"] == "tlsdecrypt/1"


def test_a_full_disk_leaves_no_half_written_file(capture: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_writer: JsonWriter, _analysis: Analysis, stream: Any) -> None:
        stream.write(b"{")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(JsonWriter, "finish", fail)
    (folder / "there.json").write_text("old")
    assert_refused(run(capture, "-o", folder / "there.json", "--force"), "there.json", "No space left")
    assert (folder / "there.json").read_text() == "old"
    assert sorted(each.name for each in folder.iterdir()) == ["clear.pcap", "empty", "out", "text", "there.json"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
def test_a_full_disk_under_standard_output_is_one_sentence(capture: str) -> None:
    with Path("/dev/full").open("wb") as full:
        result = spawn(capture, stdout=full, stderr=subprocess.PIPE)
    assert result.returncode == 2
    assert result.stderr.count(b"\n") == 1
    assert b"standard output" in result.stderr


@pytest.mark.parametrize("form", ["text", "json", "jsonl"])
def test_a_reader_that_goes_away_ends_it_quietly(capture: str, form: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as closed:
        result = spawn(capture, "--format", form, stdout=closed, stderr=subprocess.PIPE)
    assert (result.returncode, result.stderr) == (cli.PIPE_CLOSED, b"")


def fail(*_: Any) -> Iterator[Any]:
    raise RuntimeError(SECRET)


def test_a_fault_of_the_program_is_one_sentence(capture: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline.Pipeline, "conversations", fail)
    result = run(capture)
    assert result.exit_code == 1
    assert result.stderr.count("\n") == 1
    assert "report" in result.stderr
    assert "RuntimeError" in result.stderr
    assert SECRET not in result.stderr


def test_a_variable_shows_where_the_fault_happened(capture: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline.Pipeline, "conversations", fail)
    assert "Traceback" in run(capture, env={"TLSDECRYPT_DEBUG": "1"}).stderr


@pytest.mark.parametrize("form", ["text", "json", "jsonl"])
def test_what_was_finished_before_an_interrupt_is_told(
    capture: str, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    def interrupted(_: pipeline.Pipeline) -> Iterator[Any]:
        yield conversation(1, session())
        raise KeyboardInterrupt

    monkeypatch.setattr(pipeline.Pipeline, "conversations", interrupted)
    result = run(capture, "--format", form)
    assert result.exit_code == 130
    assert "192.0.2.10" in result.stdout
    assert "interrupted" in result.stderr
    assert result.stderr.count("\n") == 1


def test_an_interrupted_program_ends_with_130_and_one_sentence() -> None:
    command = [sys.executable, "-m", "tlsdecrypt", "-", "--format", "json"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdin is not None
        process.stdin.write(tiny_capture.pcap()[:100])
        process.stdin.flush()
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(timeout=2)
        process.send_signal(signal.SIGINT)
        output, complaints = process.communicate(timeout=30)
    assert process.returncode == 130, complaints
    assert complaints.count(b"\n") == 1
    assert json.loads(output)["schema"] == "tlsdecrypt/1"
