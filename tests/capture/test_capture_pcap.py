from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pytest
from capture_samples import FRAMES, START_NS, Frame, frame, frames_of, pcap, rows

from tlsdecrypt.capture.inputs import open_capture
from tlsdecrypt.capture.pcap import MAX_JOINED_FILES, MAX_SEARCHES

if TYPE_CHECKING:
    from pathlib import Path

BY_HAND = bytes.fromhex(
    "a1b2c3d4"  # magic, big-endian, microseconds
    "0002 0004"  # version 2.4
    "00000000 00000000"  # reserved
    "0000ffff"  # snap length
    "54000001"  # frame check sequence of 5 * 16 bits, flag that it is there, Ethernet
    "0000000a 0000000b"  # 10 s, 11 us
    "00000003 00000040"  # 3 bytes of 64
    "abcdef",
)


def write(tmp_path: Path, data: bytes) -> Path:
    path = tmp_path / "capture.pcap"
    path.write_bytes(data)
    return path


def test_a_file_written_by_hand_is_read_field_by_field(tmp_path: Path) -> None:
    with open_capture(write(tmp_path, BY_HAND)) as capture:
        assert rows(capture) == [(1, Frame(b"\xab\xcd\xef", 64, 10_000_011_000), 1)]
    assert capture.format == "pcap"
    assert not capture.notes


def test_files_of_old_versions_have_their_lengths_the_other_way_round(tmp_path: Path) -> None:
    old = bytearray(BY_HAND)
    old[4:8] = struct.pack(">HH", 2, 2)
    old[32:40] = struct.pack(">II", 64, 3)
    assert frames_of(write(tmp_path, bytes(old)))[0] == [Frame(b"\xab\xcd\xef", 64, 10_000_011_000)]


@pytest.mark.parametrize(("written", "meant"), [(12, 101), (14, 101), (108, 108), (0, 0), (113, 113), (228, 228)])
def test_link_types_of_single_systems_become_those_of_all(written: int, meant: int, tmp_path: Path) -> None:
    with open_capture(write(tmp_path, pcap(link_type=written))) as capture:
        assert {link_type for _, _, link_type in rows(capture)} == {meant}


def test_a_record_header_that_lies_costs_only_the_frames_it_hides(tmp_path: Path) -> None:
    for length in (0x7FFFFFFF, 0xFFFFFFFF, 262_145):
        data = bytearray(pcap())
        second = 24 + 16 + len(FRAMES[0].content)
        data[second + 8 : second + 12] = length.to_bytes(4, "little")
        found, notes = frames_of(write(tmp_path, bytes(data)))
        assert found == [FRAMES[0], *FRAMES[2:]]
        assert notes == [
            f"37 damaged bytes were skipped after frame 1: the length of the next one is said to be {length:,} bytes.",
        ]


def test_a_length_that_is_a_little_wrong_does_not_lose_the_rest(tmp_path: Path) -> None:
    data = bytearray(pcap())
    second = 24 + 16 + len(FRAMES[0].content)
    data[second + 8] += 5
    found, notes = frames_of(write(tmp_path, bytes(data)))
    assert [each.time_ns for each in found] == [each.time_ns for each in (*FRAMES[:2], *FRAMES[3:])]
    assert "damaged bytes were skipped after frame 2" in notes[0]


def test_a_length_beyond_the_end_is_a_lie_where_frames_follow_and_a_cut_where_none_do(tmp_path: Path) -> None:
    data = bytearray(pcap())
    data[24 + 8 : 24 + 12] = (200_000).to_bytes(4, "little")
    found, notes = frames_of(write(tmp_path, bytes(data)))
    assert found == FRAMES[1:]
    assert "reaches beyond the end of the file" in notes[0]
    found, notes = frames_of(write(tmp_path, pcap()[:-1]))
    assert found == FRAMES[:-1]
    assert notes == ["The file is cut off in the middle of frame 6 (13 of 14 bytes are there)."]


def test_zeros_that_a_full_disk_left_are_no_frames(tmp_path: Path) -> None:
    found, notes = frames_of(write(tmp_path, pcap(FRAMES[:2]) + bytes(100_000) + pcap(FRAMES[2:])[24:]))
    assert found == FRAMES
    assert notes == ["100,000 damaged bytes were skipped after frame 2: zeros follow."]
    found, notes = frames_of(write(tmp_path, pcap() + bytes(100_000)))
    assert found == FRAMES
    assert notes == ["Nothing could be read after frame 6: zeros follow, and no frame was found behind it."]


def test_an_empty_frame_is_a_frame(tmp_path: Path) -> None:
    empty = [FRAMES[0], Frame(b"", 60, START_NS), FRAMES[1]]
    assert frames_of(write(tmp_path, pcap(empty))) == (empty, [])


def test_files_that_were_joined_end_to_end_are_read_to_the_end(tmp_path: Path) -> None:
    path = write(tmp_path, pcap(FRAMES[:3]) + pcap([]) + pcap(FRAMES[3:], link_type=276))
    with open_capture(path) as capture:
        found = rows(capture)
    assert [each for _, each, _ in found] == FRAMES
    assert [link_type for _, _, link_type in found] == [1, 1, 1, 276, 276, 276]
    assert not capture.notes


def test_joined_files_are_bounded(tmp_path: Path) -> None:
    found, notes = frames_of(write(tmp_path, pcap(FRAMES[:1]) * (MAX_JOINED_FILES + 3)))
    assert found == FRAMES[:1] * MAX_JOINED_FILES
    assert notes == ["Only the first 256 of the captures that were joined end to end were read."]


def test_damage_without_end_is_given_up(tmp_path: Path) -> None:
    bad = struct.pack("<IIII", 1, 2, 0xFFFFFFF0, 4)
    data = pcap([]) + (pcap(FRAMES[:1])[24:] + bad) * 2 * MAX_SEARCHES
    found, notes = frames_of(write(tmp_path, data))
    assert len(found) == MAX_SEARCHES + 1
    assert f"Nothing could be read after frame {MAX_SEARCHES + 1}:" in notes[-1]


def test_frames_longer_than_the_snap_length_and_odd_times_are_kept_and_noted_once(tmp_path: Path) -> None:
    data = bytearray(pcap([frame(1, 60), frame(2, 61), frame(3, 61)]))
    data[16:20] = (60).to_bytes(4, "little")
    data[24 + 4 : 24 + 8] = (1_500_000).to_bytes(4, "little")
    found, notes = frames_of(write(tmp_path, bytes(data)))
    assert [len(each.content) for each in found] == [60, 61, 61]
    assert found[0].time_ns == START_NS + 1_000_000_000 + 1_500_000_000
    assert notes == [
        "The time of frame 1 has a fraction of more than a second: is it of another format?",
        "Frame 2 is longer than the snap length of the file (60 bytes).",
    ]


def test_a_header_alone_has_no_frames(tmp_path: Path) -> None:
    assert frames_of(write(tmp_path, pcap([]))) == ([], [])
    assert frames_of(write(tmp_path, pcap([])[:20])) == (
        [],
        ["The file is cut off in the middle of its header: there are no frames."],
    )
