"""Ctrl-C: what is finished is written, in every document that was asked for, and the program says so."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import zipfile
from typing import TYPE_CHECKING

import tiny_capture

if TYPE_CHECKING:
    from pathlib import Path


def test_an_interrupted_run_writes_what_is_finished(tmp_path: Path) -> None:
    names = ("r.txt", "r.json", "r.jsonl", "r.html", "r.har", "r.saz")
    outputs = [word for name in names for word in ("-o", str(tmp_path / name))]
    command = [sys.executable, "-m", "tlsdecrypt", "-", *outputs, "--objects", str(tmp_path / "objects")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(tiny_capture.pcap())
        process.stdin.flush()
        assert b"Connection 1" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, complaints = process.communicate(timeout=30)
    assert process.returncode == 130
    assert complaints.endswith(b"interrupted: only what had been read by then is told, 1 connections\n")
    assert len(json.loads((tmp_path / "r.json").read_bytes())["connections"]) == 1
    assert len((tmp_path / "r.jsonl").read_bytes().splitlines()) == 2
    assert len(json.loads((tmp_path / "r.har").read_bytes())["log"]["entries"]) == 1
    assert zipfile.ZipFile(tmp_path / "r.saz").testzip() is None
    assert (tmp_path / "r.html").read_bytes().endswith(b"</html>\n")
    assert "Connection 1" in (tmp_path / "r.txt").read_text()
    assert json.loads((tmp_path / "objects" / "index.json").read_bytes())["objects"] == []
    assert {path.name for path in tmp_path.iterdir()} == {*names, "objects"}
