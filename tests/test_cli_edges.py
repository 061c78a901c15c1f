"""What hardly anybody does, and what must not cost anybody a file or a traceback."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import tiny_capture
from cli_runs import KEYS, assert_refused, run, spawn

from tlsdecrypt import cli

LONG_NAME = "a" * 300  # longer than a file's name may be


def spawn_in_shell(command: str) -> subprocess.CompletedProcess[bytes]:
    """The program as `"$@"` of a shell, which can start it without a standard stream."""
    return subprocess.run(
        ["sh", "-c", command, "sh", sys.executable, "-m", "tlsdecrypt"], capture_output=True, timeout=60, check=False
    )


@pytest.mark.parametrize("pattern", ["*.json", "[k]eys.json"])
def test_a_capture_that_a_pattern_names_is_not_overwritten(tmp_path: Path, pattern: str) -> None:
    capture = tmp_path / "keys.json"
    capture.write_bytes(tiny_capture.pcap())
    assert_refused(run(tmp_path / pattern, "-o", capture, "--force"), "is an input")
    assert capture.read_bytes() == tiny_capture.pcap()


def test_a_key_in_a_folder_of_keys_is_not_overwritten(capture: str, tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    key = Path(shutil.copy(KEYS / "mail.key.pem", tmp_path / "sub" / "key.json"))
    assert_refused(run(capture, "--keys", tmp_path, "-o", key, "--force"), "is an input")
    assert b"PRIVATE KEY" in key.read_bytes()
    assert run(capture, "--keys", tmp_path, "-o", tmp_path / "new.json").exit_code == cli.SUCCESS


def test_one_output_under_two_names_is_refused(capture: str, tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    assert_refused(run(capture, "-o", tmp_path / "a.json", "-o", tmp_path / "sub" / ".." / "a.json"), "twice")


@pytest.mark.parametrize(
    "arguments",
    [
        (LONG_NAME,),
        (LONG_NAME + "*",),
        ("CAPTURE", "-o", LONG_NAME + ".json"),
        ("CAPTURE", "--keys", LONG_NAME),
        ("CAPTURE", "--pfx", LONG_NAME),
    ],
)
def test_a_name_that_no_file_can_have_is_refused(capture: str, arguments: tuple[str, ...]) -> None:
    assert_refused(run(*(capture if each == "CAPTURE" else each for each in arguments)), LONG_NAME)


def test_a_fault_of_the_system_without_a_name_is_a_fault_of_the_program(
    capture: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(cli, "run", fail)
    assert run(capture).exit_code == cli.FAULT


@pytest.mark.parametrize("form", ["text", "json", "jsonl"])
def test_a_closed_standard_output_is_one_sentence(capture: str, form: str) -> None:
    result = spawn_in_shell(f'"$@" {capture} --format {form} >&-')
    assert result.returncode == cli.WRONG_INPUT
    assert result.stderr.count(b"\n") == 1
    assert b"standard output is closed" in result.stderr


def test_a_closed_standard_error_changes_nothing_else(capture: str) -> None:
    result = spawn_in_shell(f'"$@" {capture} 2>&-')
    assert result.returncode == spawn(capture, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode
    assert b"Sessions" in result.stdout
    assert spawn_in_shell('"$@" absent.pcap 2>&-').returncode == cli.WRONG_INPUT


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
def test_the_status_does_not_depend_on_whether_complaints_can_be_written(capture: str) -> None:
    assert spawn_in_shell('"$@" absent.pcap 2>/dev/full').returncode == cli.WRONG_INPUT
    assert spawn_in_shell(f'"$@" {capture} {capture}.absent 2>/dev/full').returncode == cli.WRONG_INPUT


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_on_a_full_disk_is_one_sentence(option: str) -> None:
    with Path("/dev/full").open("wb") as full:
        result = spawn(option, stdout=full, stderr=subprocess.PIPE)
    assert result.returncode == cli.WRONG_INPUT
    assert result.stderr.count(b"\n") == 1


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_a_reader_of_the_help_that_goes_away_ends_it_quietly(option: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as closed:
        result = spawn(option, stdout=closed, stderr=subprocess.PIPE)
    assert (result.returncode, result.stderr) == (cli.PIPE_CLOSED, b"")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--host", "absent.example"), "--host"),
        (("--port", "25"), "--port"),
    ],
)
def test_where_no_connection_is_chosen_it_is_said(capture: str, arguments: tuple[str, ...], words: str) -> None:
    result = run(capture, *arguments)
    assert result.exit_code == cli.SUCCESS
    assert words in result.stderr
    assert run(capture, *arguments, "--quiet").stderr == ""


def test_frames_of_an_unknown_link_type_are_one_sentence(tmp_path: Path) -> None:
    header, frames = tiny_capture.pcap()[:20], tiny_capture.pcap()[24:]
    strange = tmp_path / "strange.pcap"
    strange.write_bytes(header + (65_000).to_bytes(4, "little") + frames)
    assert run(strange).stderr == "tlsdecrypt: no frame can be read: unknown link type 65000\n"


def test_frames_without_tcp_are_one_sentence(tmp_path: Path) -> None:
    quiet = tmp_path / "quiet.pcap"
    quiet.write_bytes(tiny_capture.pcap().replace(b"\x40\x06\x00\x00", b"\x40\x11\x00\x00"))  # the protocol: UDP
    assert run(quiet).stderr == "tlsdecrypt: no TCP connection was found in the capture\n"


def test_an_address_is_known_however_it_is_spelled() -> None:
    sample = KEYS.parent / "captures" / "exchange.pcapng"
    for spelling in ("2001:DB8:10:0::10", "[2001:db8:10::10]", "2001:0db8:0010:0000:0000:0000:0000:0010"):
        document = json.loads(run(sample, "--host", spelling, "--format", "json").stdout)
        assert [each["client"]["address"] for each in document["connections"]] == ["2001:db8:10::10"]


def test_what_was_skipped_in_a_folder_of_keys_is_told(capture: str, tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir()
    shutil.copy(KEYS / "mail-password.pfx", tmp_path / "keys")
    assert "no password was given" in run(capture, "--keys", tmp_path / "keys").stdout
    [note] = json.loads(run(capture, "--keys", tmp_path / "keys", "--format", "json").stdout)["notes"]
    assert "mail-password.pfx" in note
