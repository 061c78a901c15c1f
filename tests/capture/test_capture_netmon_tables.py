from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pytest
from capture_samples import FRAMES, Frame, frames_of, netmon, rows
from hypothesis import given
from hypothesis import strategies as st

from tlsdecrypt.capture.inputs import open_capture
from tlsdecrypt.capture.netmon_tables import parse_comments, parse_processes
from tlsdecrypt.flow import Endpoint

if TYPE_CHECKING:
    from pathlib import Path

OUTLOOK = r"C:\Program Files\Microsoft Office\OUTLOOK.EXE"
CLIENT, SERVER = Endpoint("192.0.2.10", 49800), Endpoint("198.51.100.20", 443)


def process(
    path: str, number: int, local: bytes, remote: bytes, ports: tuple[int, int], icon: bytes = b"icon"
) -> bytes:
    text = path.encode("utf-16-le") + b"\0\0"
    is_ipv6 = len(local) == 16
    out = struct.pack("<I", len(text)) + text + struct.pack("<I", len(icon)) + icon
    out += struct.pack("<IHxxHxxI", number, *ports, is_ipv6)
    return out + local.ljust(16, b"\0") + remote.ljust(16, b"\0")


def comment(frame_at: int, title: str) -> bytes:
    text = title.encode("utf-16-le") + b"\0\0"
    return struct.pack("<III", 1, frame_at, len(text)) + text + struct.pack("<I", 5) + rb"{\rtf"


def with_tables(comments: bytes, processes: bytes, count: int) -> bytes:
    """A capture of version 2.3 with both tables behind its frame table."""
    data = bytearray(netmon())
    struct.pack_into("<IIII", data, 40, len(data), len(comments), len(data) + len(comments), count)
    return bytes(data) + comments + processes


TABLE = b"\1\0" + process(OUTLOOK, 4711, bytes([192, 0, 2, 10]), bytes([198, 51, 100, 20]), (49800, 443))
TABLE += process("", 4, bytes(15) + b"\1", bytes(15) + b"\2", (1, 2))


def test_programs_are_told_with_the_connections_they_held(tmp_path: Path) -> None:
    path = tmp_path / "a.cap"
    path.write_bytes(with_tables(b"", TABLE, 2))
    with open_capture(path) as capture:
        assert [each for _, each, _ in rows(capture)] == FRAMES
        held = {each.ends: str(each) for each in capture.processes}
    assert held[frozenset((CLIENT, SERVER))] == "OUTLOOK.EXE (4711)"
    assert held[frozenset((Endpoint("::1", 1), Endpoint("::2", 2)))] == "a program without a name (4)"
    assert capture.notes == []


def test_either_byte_order_of_ports_and_addresses_is_understood() -> None:
    swapped = process(OUTLOOK, 1, bytes([10, 2, 0, 192]), bytes([20, 100, 51, 198]), (0x88C2, 0xBB01))
    (held,) = parse_processes(b"\1\0" + swapped, 1)
    assert frozenset((CLIENT, SERVER)) in held.ends


def test_comments_name_the_frame_by_its_place(tmp_path: Path) -> None:
    data = netmon()
    third = 128 + sum(16 + len(each.content) + 15 for each in FRAMES[:2])
    assert data[third + 16 :].startswith(FRAMES[2].content)
    path = tmp_path / "a.cap"
    path.write_bytes(with_tables(comment(third, "look here") + comment(1, "nowhere"), b"", 0))
    with open_capture(path, first_number=101) as capture:
        assert len(rows(capture)) == len(FRAMES)
    assert capture.comments == [(103, "look here")]


@pytest.mark.parametrize("version", [(1, 1), (2, 0), (2, 1)])
def test_before_version_2_2_what_stands_there_means_nothing(tmp_path: Path, version: tuple[int, int]) -> None:
    data = bytearray(netmon(version=version))
    struct.pack_into("<IIII", data, 40, 0, 0, len(data), 2)
    path = tmp_path / "a.cap"
    path.write_bytes(data + TABLE)
    with open_capture(path) as capture:
        assert len(rows(capture)) == len(FRAMES)
    assert (capture.processes, capture.comments) == ([], [])


def test_tables_that_lie_end_where_they_lie() -> None:
    assert [each.number for each in parse_processes(TABLE, 0xFFFFFFFF)] == [4711, 4]
    assert list(parse_processes(b"\1\0" + b"\xff" * 200, 3)) == []
    assert list(parse_comments(b"\xff" * 100)) == []
    for length in range(len(TABLE)):
        assert len(list(parse_processes(TABLE[:length], 2))) < 2


@given(st.binary(max_size=300), st.integers(0, 5))
def test_any_bytes_are_some_table(data: bytes, count: int) -> None:
    assert len(list(parse_processes(data, count))) <= count
    assert len(list(parse_comments(data))) <= len(data)


@pytest.mark.parametrize(("offset", "length"), [(0xFFFFFFFF, 0xFFFFFFFF), (10, 0xFFFFFFFF), (0xFFFFFFFF, 1)])
def test_tables_outside_of_the_file_are_none(tmp_path: Path, offset: int, length: int) -> None:
    data = bytearray(netmon())
    struct.pack_into("<IIII", data, 40, offset, length, offset, length)
    path = tmp_path / "a.cap"
    path.write_bytes(data)
    assert frames_of(path)[0] == FRAMES


def test_wireless_frames_of_message_analyzer_are_wireless(tmp_path: Path) -> None:
    path = tmp_path / "a.cap"
    path.write_bytes(netmon(media=0xE080))
    with open_capture(path) as capture:
        assert {link_type for _, _, link_type in rows(capture)} == {105}


def test_where_the_time_in_utc_is_not_told_the_local_time_has_to_do(tmp_path: Path) -> None:
    data = netmon([Frame(b"x" * 20, 20, FRAMES[0].time_ns)])
    at = 128 + 16 + 20 + 6
    path = tmp_path / "a.cap"
    path.write_bytes(data[:at] + bytes(8) + data[at + 8 :])
    assert [each.time_ns for each in frames_of(path)[0]] == [FRAMES[0].time_ns]
