"""tshark and editcap as second opinion: they write the variants, and say what is inside."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
from typing import TYPE_CHECKING

import pytest
from capture_samples import FRAMES, Frame, block, enhanced, frame, frames_of, interface, pcap, pcapng, rows, section

from tlsdecrypt.capture.inputs import open_capture

if TYPE_CHECKING:
    from pathlib import Path

needs_wireshark = pytest.mark.skipif(
    not (shutil.which("editcap") and shutil.which("tshark")), reason="Wireshark's editcap and tshark are not installed"
)

FAMILY = [*FRAMES, frame(7, 1514), frame(8, 1513), frame(9, 64, 9_000), frame(10, 400)]


def editcap(*arguments: str) -> None:
    subprocess.run(["editcap", *arguments], check=True, capture_output=True, timeout=60)


def by_tshark(path: Path) -> list[tuple[int, int, int]]:
    """Captured length, original length and time of each frame, as tshark tells them."""
    fields = ("-T", "fields", "-e", "frame.cap_len", "-e", "frame.len", "-e", "frame.time_epoch")
    answer = subprocess.run(
        ["tshark", "-n", "-r", str(path), *fields],
        env={**os.environ, "TZ": "UTC"},
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    out = []
    for line in answer.stdout.splitlines():
        captured, original, time = line.split("\t")
        seconds, _, fraction = time.partition(".")
        out.append((int(captured), int(original), int(seconds + fraction.ljust(9, "0"))))
    return out


def lengths_and_times(frames: list[Frame]) -> list[tuple[int, int, int]]:
    return [(len(each.content), each.original_length, each.time_ns) for each in frames]


@needs_wireshark
@pytest.mark.parametrize(
    ("variant", "unit_ns"),
    [
        ("pcap", 1_000),
        ("nsecpcap", 1),
        ("modpcap", 1_000),
        ("rh6_1pcap", 1_000),
        ("suse6_3pcap", 1_000),
        ("nokiapcap", 1_000),
        ("pcapng", 1_000),
        ("snoop", 1_000),
        ("netmon1", 1_000_000),
        ("netmon2", 1_000),
    ],
)
def test_what_editcap_writes_is_read_as_tshark_reads_it(variant: str, unit_ns: int, tmp_path: Path) -> None:
    source, path = tmp_path / "source", tmp_path / "variant"
    source.write_bytes(pcap(FAMILY))
    editcap("-F", variant, str(source), str(path))
    found, _ = frames_of(path)
    assert [each.content for each in found] == [each.content for each in FAMILY]
    assert lengths_and_times(found) == by_tshark(path)
    assert [each.time_ns for each in found] == [each.time_ns // unit_ns * unit_ns for each in FAMILY]


@needs_wireshark
def test_comments_and_secrets_that_editcap_adds_are_found(tmp_path: Path) -> None:
    source, path, keys = tmp_path / "source", tmp_path / "with", tmp_path / "keys"
    source.write_bytes(pcapng())
    keys.write_text("CLIENT_RANDOM " + "00" * 32 + " " + "11" * 48 + "\n")
    editcap("--inject-secrets", f"tls,{keys}", "-a", "3:this one", "--capture-comment", "all", str(source), str(path))
    with open_capture(path) as capture:
        assert capture.secrets == [keys.read_bytes()]
        assert sum(map(len, capture)) == len(FRAMES)
        assert capture.comments == [(None, "all"), (3, "this one")]


@needs_wireshark
def test_files_written_by_hand_are_what_tshark_takes_them_for(tmp_path: Path) -> None:
    path = tmp_path / "by hand"
    for data in (pcap(FAMILY, ">"), pcap(FAMILY, magic=0xA1B23C4D), pcapng(FAMILY, ">")):
        path.write_bytes(data)
        found, notes = frames_of(path)
        assert lengths_and_times(found) == by_tshark(path)
        assert not notes


JOURNAL = b"__CURSOR=abc\n__REALTIME_TIMESTAMP=1700000000000000\nMESSAGE=hello\n\n"
NUMBERED = {
    "custom": block(0xBAD, struct.pack("<I", 12345) + b"abcd"),
    "custom, not copied": block(0x40000BAD, struct.pack("<I", 12345) + b"abcd"),
    "journal": block(9, JOURNAL),
    "system call": block(0x204, struct.pack("<HQQIH", 0, 1_700_000_000_000_000_000, 1, 26, 1)),
    "system call with arguments": block(
        0x216, struct.pack("<HQQIHI", 0, 1_700_000_000_000_000_000, 1, 26, 1, 0) + bytes(8)
    ),
}
UNNUMBERED = {"statistics": block(5, bytes(12)), "of nobody": block(0x55, bytes(16)), "local": block(0x80000001, b"")}


@needs_wireshark
@pytest.mark.parametrize("between", [*NUMBERED.items(), *UNNUMBERED.items()], ids=lambda each: each[0])
def test_blocks_between_frames_are_numbered_as_wireshark_does(between: tuple[str, bytes], tmp_path: Path) -> None:
    name, content = between
    path = tmp_path / "mixed.pcapng"
    blocks = [content, enhanced(FRAMES[0]), content, content, enhanced(FRAMES[1]), enhanced(FRAMES[2]), content]
    path.write_bytes(section() + interface() + b"".join(blocks))
    answer = subprocess.run(
        ["tshark", "-n", "-r", str(path), "-Y", "eth", "-T", "fields", "-e", "frame.number"],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    with open_capture(path) as capture:
        assert [number for number, _, _ in rows(capture)] == list(map(int, answer.stdout.split()))
        assert sum(capture.other_frames.values()) == (4 if name in NUMBERED else 0)
        assert capture.frames == len(FRAMES[:3]) + sum(capture.other_frames.values())
