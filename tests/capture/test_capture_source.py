from __future__ import annotations

import io
import os
import subprocess
import sys
import threading
import zipfile
from typing import TYPE_CHECKING

import pytest
from capture_samples import FRAMES, KEY_LOG, Drip, frame, netmon, pcap, pcapng, rows, secrets

from tlsdecrypt.capture.frames import BATCH_BYTES
from tlsdecrypt.capture.inputs import open_capture
from tlsdecrypt.capture.window import FileWindow, RawSource, StreamWindow
from tlsdecrypt.errors import CaptureError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "there is nothing in it to read"),
        (b"dear reader, this is no capture", "it is a text file, not a capture"),
        ("größe\r\n".encode() * 1000, "it is a text file, not a capture"),
        ("\ufeffutf-16".encode("utf-16"), "it is a text file, not a capture"),
        (b"-----BEGIN CERTIFICATE-----\n", "give it with --key"),
        (b"# comment\nCLIENT_RANDOM 00 11\n", "give it with --keylog"),
        (bytes.fromhex("308206a1020103"), "give it with --pfx"),
        (b"\x00\x01\x02\x03", "it is of no known capture format: pcap, pcapng"),
        (b"XCP\0002.0\0", "convert it to pcapng first"),
        (bytes(257) + b"ustar\x0000", "it is a tar archive: unpack it first"),
    ],
)
def test_what_is_no_capture_is_named_in_one_sentence(content: bytes, sentence: str, tmp_path: Path) -> None:
    path = tmp_path / "some file"
    path.write_bytes(content)
    with pytest.raises(CaptureError) as raised:
        open_capture(path)
    assert str(raised.value).startswith(f"{path}: ")
    assert sentence in str(raised.value)
    assert "\n" not in str(raised.value)


def test_missing_files_folders_archives_and_event_traces_are_named(tmp_path: Path) -> None:
    with pytest.raises(CaptureError, match="there is no such file"):
        open_capture(tmp_path / "missing.pcap")
    with pytest.raises(CaptureError, match="it is a folder; name the captures in it"):
        open_capture(tmp_path)
    with pytest.raises(CaptureError, match="it cannot be opened"):
        open_capture("nul\0byte")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.pcap", pcap())
    with pytest.raises(CaptureError, match="it is a zip archive: name it as a file"):
        open_capture(tmp_path / "a.zip")
    (tmp_path / "trace.etl").write_bytes(bytes.fromhex("00000100 6c010000"))
    with pytest.raises(CaptureError, match="it does not begin as an event trace of Windows"):
        open_capture(tmp_path / "trace.etl")


def pipe_of(data: bytes, monkeypatch: pytest.MonkeyPatch) -> threading.Thread:
    """Make standard input a pipe that a thread writes to, and closes."""
    read_end, write_end = os.pipe()
    monkeypatch.setattr(sys, "stdin", os.fdopen(read_end))

    def write() -> None:
        with os.fdopen(write_end, "wb", 0) as pipe:
            pipe.write(data)

    thread = threading.Thread(target=write)
    thread.start()
    return thread


@pytest.mark.parametrize("data", [pcap(), pcapng(), netmon()], ids=["pcap", "pcapng", "netmon"])
def test_standard_input_is_a_capture(data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    thread = pipe_of(data, monkeypatch)
    with open_capture("-") as capture:
        assert [each for _, each, _ in rows(capture)] == FRAMES
        assert capture.path == "standard input"
        assert capture.size == 0
        assert capture.position == len(data)
    thread.join()
    sys.stdin.close()


def test_a_live_pipe_gives_each_frame_before_the_next_one_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    read_end, write_end = os.pipe()
    monkeypatch.setattr(sys, "stdin", os.fdopen(read_end))
    with os.fdopen(write_end, "wb", 0) as pipe:
        alarm = threading.Timer(30, pipe.close)  # a reader that waits for more would wait forever
        alarm.start()
        pipe.write(pcap([]))
        with open_capture("-") as capture:
            batches = iter(capture)
            for number, each in enumerate(FRAMES, 1):
                pipe.write(pcap([each])[24:])
                assert rows([next(batches)]) == [(number, each, 1)]
            pipe.close()
            assert not list(batches)
        alarm.cancel()
    sys.stdin.close()


def test_secrets_of_a_pipe_are_there_with_the_frames_behind_them(monkeypatch: pytest.MonkeyPatch) -> None:
    thread = pipe_of(pcapng(FRAMES[:2]) + secrets(KEY_LOG) + pcapng(FRAMES[2:]), monkeypatch)
    with open_capture("-") as capture:
        assert capture.has_late_secrets
        assert len(rows(capture)) == len(FRAMES)
        assert capture.secrets == [KEY_LOG]
    thread.join()
    sys.stdin.close()


def test_standard_input_may_be_replaced_or_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(pcap())))
    with open_capture("-") as capture:
        assert [each for _, each, _ in rows(capture)] == FRAMES
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(CaptureError, match="standard input is closed"):
        open_capture("-")


def test_a_file_as_standard_input_can_go_back(tmp_path: Path) -> None:
    path = tmp_path / "late.pcapng"
    path.write_bytes(pcapng() + secrets(KEY_LOG))
    program = (
        "from tlsdecrypt.capture.inputs import open_capture\n"
        "capture = open_capture('-')\n"
        "print(len(capture.secrets), capture.has_late_secrets, sum(map(len, capture)))\n"
    )
    with path.open("rb") as file:
        answer = subprocess.run([sys.executable, "-c", program], stdin=file, capture_output=True, check=True, text=True)
    assert answer.stdout.split() == ["1", "False", "6"]


def test_frames_across_many_batches_are_numbered_without_holes(tmp_path: Path) -> None:
    frames = [frame(number % 200, 30_000 + number) for number in range(700)]
    path = tmp_path / "large.pcap"
    path.write_bytes(pcap(frames))
    with open_capture(path) as capture:
        batches = list(capture)
    assert len(batches) > 2
    assert max(len(batch.data) for batch in batches) <= BATCH_BYTES
    found = rows(batches)
    assert [each for _, each, _ in found] == frames
    assert [number for number, _, _ in found] == list(range(1, 701))


class Broken(io.RawIOBase):
    """A file that can be read up to a point."""

    def __init__(self, data: bytes) -> None:
        super().__init__()
        self._data = data
        self._at = 0

    def seek(self, offset: int, _whence: int = 0) -> int:
        self._at = offset
        return offset

    def read(self, size: int = -1) -> bytes:
        if self._at + size > len(self._data):
            raise OSError(5, "Input/output error")
        self._at += size
        return self._data[self._at - size : self._at]


def test_a_file_that_cannot_be_read_on_ends_with_a_complaint() -> None:
    complaints: list[str] = []
    window = FileWindow(Broken(bytes(100)), complaints.append, 60)
    window.advance(0, 0)
    assert (len(window.data), window.is_last) == (60, False)
    window.advance(60, 0)
    assert (window.data, window.is_last) == (b"", True)
    source = RawSource(Broken(b""), complaints.append, is_pipe=True)
    assert source.read() == b""
    assert complaints == [
        "Reading failed at byte 60: Input/output error.",
        "Reading failed after 0 bytes: Input/output error.",
    ]


def test_a_window_over_a_stream_skips_what_lies_beyond_it() -> None:
    window = StreamWindow(Drip(bytes(range(200)), 7), b"head")
    window.advance(104, 10)
    assert window.start == 104
    assert window.data == bytes(range(100, 112))
    window.advance(0, 1_000)
    assert window.data == bytes(range(100, 200))
    assert window.is_last
    window.advance(1_000_000, 1)
    assert window.data == b""
