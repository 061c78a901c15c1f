"""What became of each frame is told, and adds up; tshark says how many of them hold TCP."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from packets import C, S, Scene, http_request, http_response

import tlsdecrypt
from tlsdecrypt.pipeline import Options, analyze
from tlsdecrypt.tls.secrets import SecretStore

if TYPE_CHECKING:
    from collections.abc import Callable

    from tlsdecrypt.conversation import Analysis

CAPTURES = Path(__file__).resolve().parents[1] / "captures"
SAMPLES = ["exchange.pcapng", "linux-cooked.pcap", "vlan.pcap", "gzip.pcap.gz", "one-way.pcap"]


def assert_adds_up(analysis: Analysis) -> None:
    captures = analysis.captures
    for each in captures:
        assert each.frames == each.tcp_frames + each.doubled_frames + sum(each.other_frames.values())
    assert analysis.frames == analysis.tcp_frames + analysis.doubled_frames + sum(analysis.other_frames.values())
    assert analysis.frames == sum(each.frames for each in captures)
    assert analysis.tcp_frames == sum(each.tcp_frames for each in captures)
    assert analysis.doubled_frames == sum(each.doubled_frames for each in captures)
    for kind, count in analysis.other_frames.items():
        assert count == sum(each.other_frames.get(kind, 0) for each in captures)


@pytest.mark.parametrize("name", SAMPLES)
def test_frames_of_a_capture_add_up_and_are_what_tshark_counts(name: str, tshark: str) -> None:
    path = CAPTURES / name
    analysis = tlsdecrypt.analyze([str(path)])
    assert_adds_up(analysis)
    assert (analysis.frames, analysis.tcp_frames) == counted(path, tshark)


def counted(path: Path, tshark: str) -> tuple[int, int]:
    """All frames, and those with TCP, as tshark counts them."""
    command = [tshark, "-r", str(path), "-T", "fields", "-e", "tcp.srcport"]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    return len(lines), sum(bool(line.strip()) for line in lines)


def test_frames_of_captures_that_are_read_in_turns_are_counted_for_each(
    tmp_path: Path, program: Callable[[str], str], tshark: str
) -> None:
    sample = CAPTURES / "exchange.pcapng"
    whole = tlsdecrypt.analyze([str(sample)])
    paths = [tmp_path / "even", tmp_path / "odd"]
    for first, path in enumerate(paths):
        numbers = map(str, range(first + 1, whole.frames + 1, 2))
        command = [program("editcap"), "-r", str(sample), str(path), *numbers]
        subprocess.run(command, check=True, capture_output=True)
    analysis = tlsdecrypt.analyze([*map(str, paths)])
    assert_adds_up(analysis)
    assert analysis.other_frames == whole.other_frames
    assert [(each.frames, each.tcp_frames) for each in analysis.captures] == [counted(each, tshark) for each in paths]


def test_frames_of_captures_that_overlap_add_up(tmp_path: Path, program: Callable[[str], str]) -> None:
    sample = CAPTURES / "exchange.pcapng"
    whole = tlsdecrypt.analyze([str(sample)])
    paths = []
    for number, frames in enumerate(("1-200", "150-999")):
        paths.append(tmp_path / f"{number}.pcapng")
        subprocess.run([program("editcap"), "-r", str(sample), str(paths[-1]), frames], check=True, capture_output=True)
    analysis = tlsdecrypt.analyze([*map(str, paths), str(sample)])
    assert_adds_up(analysis)
    assert analysis.tcp_frames == whole.tcp_frames
    assert analysis.other_frames == whole.other_frames
    assert analysis.frames == 2 * whole.frames + 51
    assert [each.frames for each in analysis.captures] == [200, whole.frames, whole.frames - 149]


@pytest.mark.parametrize("jobs", [1, 2])
def test_frames_that_a_mirror_port_shows_twice_are_counted_and_change_nothing(tmp_path: Path, jobs: int) -> None:
    scene = Scene()
    for number in range(20):
        scene.dialogue([C(http_request(f"GET /{number}")), S(http_response("200 OK", [], bytes(9_000)))])
    once, twice = tmp_path / "once.pcap", tmp_path / "twice.pcap"
    once.write_bytes(scene.pcap())
    scene.frames += [(time + 0.0001, behind_router(frame)) for time, frame in scene.frames]
    twice.write_bytes(scene.pcap())
    whole, analysis = (analyze([str(path)], SecretStore(), Options(jobs=jobs)) for path in (once, twice))
    assert_adds_up(analysis)
    assert analysis.doubled_frames == whole.tcp_frames == len(scene.frames) // 2
    assert [each.streams for each in analysis.conversations] == [each.streams for each in whole.conversations]
    assert {facts.repeated for each in analysis.conversations for facts in each.streams} == {0}


def behind_router(frame: bytes) -> bytes:
    """The same segment in IPv4 with other MAC addresses, one hop less, and another IP checksum."""
    return b"\x0a" * 12 + frame[12:22] + bytes((frame[22] - 1,)) + frame[23:24] + b"\x12\x34" + frame[26:]
