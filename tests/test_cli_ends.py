"""Outputs that cannot be written, readers that go away, faults and interrupts: nothing half-written, no traceback."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import tiny_capture
from cli_runs import KEYS, assert_refused, run, spawn
from sample_cases import ROOT
from sample_conversations import SECRET, conversation, session

from tlsdecrypt import cli, pipeline
from tlsdecrypt.errors import InputError
from tlsdecrypt.recapture.plaintext_spool import PlaintextSpool
from tlsdecrypt.report import content_file
from tlsdecrypt.report.json_writer import JsonWriter
from tlsdecrypt.report.object_folder import ObjectFolder
from tlsdecrypt.report.spool import Spool

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

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


def test_original_frames_are_not_kept_in_an_anonymised_capture(capture: str, folder: Path) -> None:
    path = folder / "a.pcapng"
    assert_refused(run(capture, "-o", path, "--with-original", "--anonymise"), "--with-original", "--anonymise")
    assert not path.exists()


def test_force_overwrites(capture: str, folder: Path) -> None:
    (folder / "there.json").write_text("old")
    assert run(capture, "-o", folder / "there.json", "--force").exit_code == 0
    assert json.loads((folder / "there.json").read_text())["schema"] == "tlsdecrypt/1"


SAMPLE = ROOT / "captures" / "exchange.pcapng"
FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_leaves_no_half_written_file(capture: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_writer: JsonWriter, _analysis: Analysis, stream: Any) -> None:
        stream.write(b"{")
        raise FULL

    monkeypatch.setattr(JsonWriter, "finish", fail)
    (folder / "there.json").write_text("old")
    result = run(capture, "-o", folder / "there.json", "-o", folder / "lines.jsonl", "--force")
    assert result.exit_code == cli.WRONG_INPUT
    assert result.stderr == f"tlsdecrypt: {folder / 'there.json'} cannot be written: No space left on device\n"
    assert "192.0.2.10" in result.stdout
    assert (folder / "there.json").read_text() == "old"
    assert json.loads((folder / "lines.jsonl").read_text().splitlines()[-1])["summary"]["connections"] == 1
    names = [each.name for each in folder.iterdir()]
    assert sorted(names) == ["clear.pcap", "empty", "lines.jsonl", "out", "text", "there.json"]


def full(*_: object) -> None:
    raise InputError("a temporary file cannot be written: No space left on device")


@pytest.mark.parametrize(
    ("place", "lost", "told"),
    [
        ((Spool, "add"), {"a.json", "c.txt"}, {"a.json", "c.txt", "standard output"}),
        ((PlaintextSpool, "said"), {"b.pcapng"}, {"b.pcapng"}),
        ((ObjectFolder, "take"), set(), {"objects"}),
    ],
)
def test_a_full_disk_under_what_is_kept_for_one_output_costs_no_other(
    capture: str, folder: Path, monkeypatch: pytest.MonkeyPatch, place: tuple[type, str], lost: set[str], told: set[str]
) -> None:
    monkeypatch.setattr(*place, full)
    outputs = {"a.json", "b.pcapng", "c.txt"}
    options = [option for each in outputs for option in ("-o", folder / each)]
    result = run(capture, *options, "--objects", folder / "objects")
    assert result.exit_code == cli.WRONG_INPUT
    assert {each for each in outputs if not (folder / each).exists()} == lost
    sentences = [line for line in result.stderr.splitlines() if "a temporary file cannot be written" in line]
    assert len(sentences) == len(told)
    assert [each for each in told - {"standard output"} if str(folder / each) not in "".join(sentences)] == []


def without_room(**_: object) -> Any:
    """A temporary file on a disk that is full."""
    return Path("/dev/full").open("r+b", buffering=0)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
def test_a_full_disk_under_the_contents_costs_only_the_outputs_that_show_them(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(content_file, "MAX_IN_MEMORY", 4_000)  # bytes: some contents of the sample have room
    monkeypatch.setattr(tempfile, "TemporaryFile", without_room)
    shown = {"a.har", "b.saz", "c.html"}
    others = {"d.json", "e.jsonl", "f.txt", "g.keylog"}
    options = [option for each in shown | others for option in ("-o", folder / each)]
    result = run(SAMPLE, "--pfx", KEYS / "mail.pfx", "--quiet", *options, "--objects", folder / "objects")
    assert result.exit_code == cli.WRONG_INPUT
    assert "opened 12 of 15" in result.stdout
    assert {each.name for each in folder.iterdir() if each.is_file()} == {"clear.pcap", "empty", "text", *others}
    told = sorted(line for line in result.stderr.splitlines() if "cannot be written" in line)
    why = "cannot be written: a temporary file cannot be written: No space left on device"
    assert told == [f"tlsdecrypt: {folder / each} {why}" for each in sorted({*shown, "objects"})]
    kept = {each.name for each in (folder / "objects").iterdir()}
    assert kept
    assert "index.json" not in kept
    assert [each for each in kept if each.endswith(".part")] == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
def test_a_full_disk_under_the_contents_that_standard_output_shows_is_one_sentence(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(content_file, "MAX_IN_MEMORY", 0)
    monkeypatch.setattr(tempfile, "TemporaryFile", without_room)
    result = run(SAMPLE, "--pfx", KEYS / "mail.pfx", "--quiet", "--verbose", "-o", folder / "a.json")
    assert result.exit_code == cli.WRONG_INPUT
    assert result.stderr == "tlsdecrypt: a temporary file cannot be written: No space left on device\n"
    assert len(json.loads((folder / "a.json").read_text())["connections"]) == 16


def test_a_fault_of_one_output_comes_behind_the_others(
    capture: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(JsonWriter, "finish", fail)
    result = run(capture, "-o", folder / "a.json", "-o", folder / "b.jsonl")
    assert result.exit_code == cli.FAULT
    assert "192.0.2.10" in result.stdout
    assert (folder / "b.jsonl").exists()
    assert not (folder / "a.json").exists()


@pytest.mark.parametrize("suffix", ["keylog", "pcapng", "pcap", "dsb.pcapng"])
def test_nothing_is_written_where_no_connection_is_chosen(capture: str, folder: Path, suffix: str) -> None:
    path = folder / f"x.{suffix}"
    result = run(capture, "--connection", "999", "--quiet", "-o", path, "-o", folder / "a.json")
    assert result.exit_code == cli.WRONG_INPUT
    assert f"tlsdecrypt: {path} is not written: there is no connection 999\n" in result.stderr
    assert not path.exists()
    assert (folder / "a.json").exists()


@pytest.mark.parametrize("options", [("--host", "nobody.example"), ("--port", "9")])
@pytest.mark.parametrize("suffix", ["keylog", "pcapng", "pcap", "dsb.pcapng"])
def test_nothing_is_written_where_no_host_and_no_port_fits(folder: Path, suffix: str, options: tuple[str, str]) -> None:
    path = folder / f"x.{suffix}"
    result = run(SAMPLE, "--pfx", KEYS / "mail.pfx", *options, "--quiet", "-o", path, "-o", folder / "a.json")
    assert result.exit_code == cli.WRONG_INPUT
    assert f"tlsdecrypt: {path} is not written: no connection is with what --host and --port choose" in result.stderr
    assert not path.exists()
    assert (folder / "a.json").exists()


def test_a_key_log_of_chosen_connections_that_stay_closed_is_not_written(capture: str, folder: Path) -> None:
    result = run(capture, "--connection", "1", "-o", folder / "x.keylog")
    assert result.exit_code == cli.WRONG_INPUT
    assert "no session was opened on the connections that are chosen" in result.stderr
    assert not (folder / "x.keylog").exists()


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (("--connection", "1"), "--connection chooses"),
        (("--connection", "1", "--finding", "tls.*"), "--connection and --finding choose what"),
        (("--with-original",), "--with-original is of decrypted captures"),
    ],
)
def test_options_that_change_nothing_are_named(capture: str, folder: Path, options: Sequence[str], named: str) -> None:
    result = run(capture, *options, "-o", folder / "a.json")
    assert result.exit_code == cli.SUCCESS
    assert result.stderr.count("\n") == 1
    assert named in result.stderr
    assert run(capture, *options, "--quiet", "-o", folder / "b.json").stderr == ""


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


@pytest.mark.parametrize("form", ["text", "json", "jsonl", "live"])
def test_a_reader_that_goes_away_costs_no_file(capture: str, folder: Path, form: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    options = ("--format", "text" if form == "live" else form, "-o", folder / "a.json", "-o", folder / "b.html")
    with os.fdopen(writer, "wb") as closed, Path(capture).open("rb") as piped:
        source = "-" if form == "live" else capture
        result = spawn(source, *options, stdout=closed, stderr=subprocess.PIPE, stdin=piped)
    assert (result.returncode, result.stderr) == (cli.PIPE_CLOSED, b"")
    assert len(json.loads((folder / "a.json").read_text())["connections"]) == 1
    assert (folder / "b.html").exists()


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
