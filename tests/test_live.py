"""Live traffic: real programs capture real peers on the loopback, and things are told as they happen."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import tiny_capture
from cli_runs import assert_refused, run
from live_peers import KEY_OPTIONS, client_context, https_server, require_root, running, wait_for

from tlsdecrypt.capture import live
from tlsdecrypt.capture.inputs import opened
from tlsdecrypt.capture.live import LiveInput, find_program, interfaces
from tlsdecrypt.errors import CaptureError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def dumpcap(program: Callable[[str], str]) -> str:
    require_root()
    return program("dumpcap")


def only(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this program be the only one that is installed."""
    which = live.shutil.which
    monkeypatch.setattr(live.shutil, "which", lambda each, path: which(each, path=path) if each == name else None)


def test_an_exchange_is_told_while_its_connection_goes_on(dumpcap: str, tmp_path: Path) -> None:
    assert dumpcap
    output, raw = tmp_path / "out", tmp_path / "raw.pcapng"
    with https_server() as port:
        arguments = ("--interface", "lo", "--port", str(port), "--write", str(raw), *KEY_OPTIONS)
        with running(*arguments, output=output) as process:
            wait_for(lambda: raw.exists() and raw.stat().st_size > 0)
            connection = http.client.HTTPSConnection("127.0.0.1", port, context=client_context())
            for target in ("/first", "/second"):
                connection.request("GET", target)
                assert connection.getresponse().read() == b"seen: " + target.encode()
                wait_for(lambda: f"GET {target}  200 OK" in output.read_text())  # noqa: B023 - called at once
            connection.close()
            process.send_signal(signal.SIGINT)
            _, said = process.communicate(timeout=30)
    text = output.read_text()
    assert process.returncode == 0, said
    assert text.count("GET /first") == text.count("GET /second") == 1
    assert "opened 1 of 1 (connection 1)" in text
    assert said.decode() == "tlsdecrypt: capturing on lo; Ctrl-C ends it\n"
    kept = run(raw, "--port", str(port), *KEY_OPTIONS, "--format", "json")
    (told,) = json.loads(kept.stdout)["connections"]
    assert [each["request"]["target"] for each in told["exchanges"]] == ["/first", "/second"]


def test_tcpdump_serves_where_dumpcap_is_missing(
    program: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    require_root()
    program("tcpdump")
    only("tcpdump", monkeypatch)
    source = LiveInput(("lo",))
    with https_server() as port, opened(source) as capture:
        assert capture.format == "pcap"
        connection = http.client.HTTPSConnection("127.0.0.1", port, context=client_context())
        connection.request("GET", "/")
        connection.getresponse().read()
        batches = iter(capture)
        seen = len(next(batches))
        connection.close()
        assert source.stop()
        assert not source.stop()
        assert seen + sum(map(len, batches)) >= 10


def test_the_interfaces_are_listed(dumpcap: str) -> None:
    assert dumpcap
    result = run("--interface", "list")
    assert result.exit_code == 0
    assert any(line.split()[0] == "lo" for line in result.stdout.splitlines())


@pytest.mark.parametrize("name", ["dumpcap", "tcpdump"])
def test_each_program_lists_the_loopback(
    name: str, program: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    require_root()
    program(name)
    only(name, monkeypatch)
    assert "lo" in dict(interfaces())


@pytest.mark.parametrize("name", ["dumpcap", "tcpdump"])
def test_an_interface_that_is_not_there_is_one_sentence(
    name: str, program: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    require_root()
    program(name)
    only(name, monkeypatch)
    assert_refused(run("--interface", "nowhere0", "--quiet"), "nowhere0", f"{name} cannot capture")


@pytest.mark.parametrize("name", ["-", "-i", ""])
def test_what_can_be_no_interface_is_refused_before_a_program_sees_it(name: str) -> None:
    with pytest.raises(CaptureError, match="is no interface"):
        LiveInput((name,)).open()


def test_without_a_program_the_way_to_get_one_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    only("none", monkeypatch)
    with pytest.raises(CaptureError, match="install Wireshark"):
        find_program()
    assert_refused(run("--interface", "lo", "--quiet"), "install Wireshark")


def test_a_program_that_cannot_be_run_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "dumpcap"
    broken.write_text("no program")
    broken.chmod(0o755)
    monkeypatch.setattr(live.shutil, "which", lambda name, path: str(broken) if name and path else None)
    with pytest.raises(CaptureError, match="dumpcap cannot be run: Exec format error"):
        LiveInput(("lo",)).open()


def script(folder: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a script stand for tcpdump."""
    path = folder / "tcpdump"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    monkeypatch.setattr(
        live.shutil, "which", lambda name, path: str(folder / name) if name == "tcpdump" else path and None
    )


def test_what_a_program_lost_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "raw").write_bytes(tiny_capture.pcap())
    script(tmp_path, f"cat {tmp_path / 'raw'}; echo '12 packets dropped by kernel' >&2", monkeypatch)
    with opened(LiveInput(("lo",))) as capture:
        assert sum(map(len, capture)) == len(tiny_capture.frames())
        assert capture.notes == ["The machine that captured lost 12 frames: streams may have holes."]


def test_a_program_that_does_not_end_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "raw").write_bytes(tiny_capture.pcap())
    script(tmp_path, f"trap '' INT; cat {tmp_path / 'raw'}; exec sleep 1000", monkeypatch)
    monkeypatch.setattr(live, "PATIENCE_S", 0.1)
    source = LiveInput(("lo",))
    raw = source.open()
    process = source._process
    raw.file.close()
    assert process is not None
    assert process.poll() == -signal.SIGKILL


def test_several_interfaces_need_dumpcap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script(tmp_path, "exit 1", monkeypatch)
    with pytest.raises(CaptureError, match="one interface at a time"):
        LiveInput(("lo", "eth0")).open()
    assert live.Program("dumpcap", "d").command(("a", "b")) == ["d", "-q", "-i", "a", "-i", "b", "-w", "-"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--interface", "lo", "x.pcap"), "not both"),
        (("--write", "copy", "x.pcap"), "--write"),
        (("--write", "out", "-"), "name a file"),
        (("--write", "absent/copy", "-"), "folder"),
        (("--write", "text", "-"), "--force"),
        ((), "name a capture"),
    ],
)
def test_wrong_usage_of_live_options_is_one_sentence(
    folder: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], words: str
) -> None:
    monkeypatch.chdir(folder)
    assert_refused(run(*arguments), words)


def test_a_pipe_is_told_as_it_comes_and_can_be_kept(tmp_path: Path) -> None:
    """As `ssh host tcpdump -U -w - | tlsdecrypt -` gives it: frame by frame, and then nothing for a while."""
    output, copy = tmp_path / "out", tmp_path / "copy.pcap"
    data = tiny_capture.pcap()
    answered = 24 + sum(16 + len(each) for each in tiny_capture.frames()[:5])
    with running("-", "--write", str(copy), output=output, stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        process.stdin.write(data[:answered])
        process.stdin.flush()
        wait_for(lambda: "302 Found" in output.read_text())
        process.stdin.write(data[answered:])
        _, said = process.communicate(timeout=30)
    text = output.read_text()
    assert (process.returncode, said) == (0, b"")
    assert text.count("302 Found") == 1
    assert "1 connection, 0 with TLS" in text
    assert copy.read_bytes() == data


def test_jsonl_of_a_pipe_comes_line_by_line(tmp_path: Path) -> None:
    output = tmp_path / "out"
    with running("-", "--format", "jsonl", output=output, stdin=subprocess.PIPE) as process:
        process.communicate(tiny_capture.pcap(), timeout=30)
    connection, summary = map(json.loads, output.read_text().splitlines())
    assert connection["exchanges"][0]["response"]["status"] == 302
    assert summary["summary"]["tcp_frames"] == len(tiny_capture.frames())


def test_files_are_written_at_the_end_of_what_was_told_live(tmp_path: Path) -> None:
    output, report = tmp_path / "out", tmp_path / "report.json"
    with running("-", "-o", str(report), output=output, stdin=subprocess.PIPE) as process:
        process.communicate(tiny_capture.pcap(), timeout=30)
    assert "302 Found" in output.read_text()
    assert len(json.loads(report.read_text())["connections"][0]["exchanges"]) == 1


def test_a_live_reader_that_goes_away_ends_it_quietly() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as closed:
        command = [sys.executable, "-m", "tlsdecrypt", "-"]
        result = subprocess.run(command, input=tiny_capture.pcap(), stdout=closed, stderr=subprocess.PIPE, check=False)
    assert (result.returncode, result.stderr) == (141, b"")
