"""snoop and Network Monitor: what only they have."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pytest
from capture_samples import FRAMES, START_NS, Frame, frames_of, netmon, rows, snoop

from tlsdecrypt.capture.inputs import open_capture

if TYPE_CHECKING:
    from pathlib import Path

SNOOP_BY_HAND = bytes.fromhex(
    # RFC 1761: identification pattern, version 2, datalink type 4 (Ethernet)
    "736e6f6f70000000 00000002 00000004"
    # original length, included length, record length, cumulative drops, seconds, microseconds, 3 bytes and padding
    "00000040 00000003 0000001c 00000005 0000000a 0000000b abcdef00",
)


def write(tmp_path: Path, data: bytes) -> Path:
    path = tmp_path / "capture"
    path.write_bytes(data)
    return path


def test_a_snoop_file_written_by_hand_is_read_field_by_field(tmp_path: Path) -> None:
    with open_capture(write(tmp_path, SNOOP_BY_HAND)) as capture:
        assert rows(capture) == [(1, Frame(b"\xab\xcd\xef", 64, 10_000_011_000), 1)]
    assert capture.format == "snoop"
    assert capture.notes == ["The machine that captured lost 5 frames: streams may have holes."]


def test_a_snoop_frame_longer_than_its_record_is_cut_there(tmp_path: Path) -> None:
    data = bytearray(snoop())
    data[20:24] = (0xFFFFFFFF).to_bytes(4, "big")
    found, notes = frames_of(write(tmp_path, bytes(data)))
    assert [each.content for each in found] == [each.content for each in FRAMES]
    assert notes == ["Frame 1 is said to be longer than its record: it was cut at the end of the record."]


def test_a_snoop_record_length_that_lies_ends_the_file(tmp_path: Path) -> None:
    for length in (0, 23, 0xFFFFFFFF):
        data = bytearray(snoop())
        second = 16 + 24 + len(FRAMES[0].content)
        data[second + 8 : second + 12] = length.to_bytes(4, "big")
        found, notes = frames_of(write(tmp_path, bytes(data)))
        assert found == FRAMES[:1]
        assert notes == [f"Nothing could be read after frame 1: the next record is said to be {length:,} bytes."]


def test_a_snoop_media_type_that_cannot_be_read_is_noted(tmp_path: Path) -> None:
    data = bytearray(snoop())
    data[12:16] = (18).to_bytes(4, "big")
    found, notes = frames_of(write(tmp_path, bytes(data)))
    assert found == FRAMES
    assert notes == ["The frames have the snoop media type 18, which cannot be read."]


def with_media(*media: int) -> bytes:
    """The frames as Network Monitor 2.3 has them, each with its own media type."""
    data = bytearray(netmon())
    position = 128
    for each, value in zip(FRAMES, media, strict=True):
        position += 16 + len(each.content)
        struct.pack_into("<H", data, position, value)
        position += 15
    return bytes(data)


def test_each_frame_of_network_monitor_has_its_own_link_type(tmp_path: Path) -> None:
    with open_capture(write(tmp_path, with_media(0, 2, 9, 0xE000 + 113, 0xE00C, 0xFFE0))) as capture:
        found = rows(capture)
    assert [link_type for _, _, link_type in found] == [1, 6, 101, 113, 101, -1]
    assert capture.format == "Network Monitor 2.3"


def test_records_of_network_monitor_that_are_no_frames_have_no_number(tmp_path: Path) -> None:
    with open_capture(write(tmp_path, with_media(0xFFFD, 1, 0xFFFE, 1, 0xFFFC, 1))) as capture:
        assert rows(capture) == [(1, FRAMES[1], 1), (2, FRAMES[3], 1), (3, FRAMES[5], 1)]


def test_metadata_before_wireless_frames_is_taken_off(tmp_path: Path) -> None:
    metadata = struct.pack("<BH", 2, 12) + bytes(9)
    wireless = Frame(b"\x08\x02rest", 900, START_NS)
    stored = Frame(metadata + wireless.content, 912, START_NS)
    lying = Frame(struct.pack("<BH", 2, 60_000) + b"!", 10, START_NS)
    with open_capture(write(tmp_path, netmon([stored, lying], media=6))) as capture:
        assert rows(capture) == [(1, wireless, 105), (2, Frame(b"", 6, START_NS), 105)]


@pytest.mark.parametrize("version", [(1, 1), (2, 0), (2, 2)])
def test_local_times_are_said_to_be_local(version: tuple[int, int], tmp_path: Path) -> None:
    found, notes = frames_of(write(tmp_path, netmon(version=version)))
    assert len(found) == len(FRAMES)
    assert notes == ["Times are the local time of the machine that captured: the file does not tell its zone."]


def test_a_frame_table_that_names_what_is_not_there_ends_the_file(tmp_path: Path) -> None:
    data = bytearray(netmon())
    data[-8:-4] = (0xFFFFFFF0).to_bytes(4, "little")
    found, notes = frames_of(write(tmp_path, bytes(data)))
    assert found == FRAMES[:4]
    assert notes == ["Nothing could be read after frame 4: the frame table names what is not there."]


def test_a_start_that_is_no_date_counts_from_1970(tmp_path: Path) -> None:
    for year in (0, 9_999, 1_601):
        data = bytearray(netmon(version=(2, 0)))
        data[8:10] = year.to_bytes(2, "little")
        found, notes = frames_of(write(tmp_path, bytes(data)))
        assert found[0].time_ns == FRAMES[0].time_ns - START_NS
        assert "no date" in notes[-1]
