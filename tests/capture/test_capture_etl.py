from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import pytest
from capture_samples import FRAMES, Frame, frames_of, rows
from etl_samples import (
    CYCLES,
    END,
    ETHERNET,
    NATIVE_802_11,
    OTHER,
    PERFORMANCE_COUNTER,
    START,
    SYSTEM_TIME,
    WIRELESS_WAN,
    buffer,
    event,
    fragment,
    message,
    monitored,
    switch_fragment,
    system_event,
    ticks,
    trace,
    traced,
)
from hypothesis import given
from hypothesis import strategies as st

from tlsdecrypt.capture.etw import MAGIC_BYTES, is_trace
from tlsdecrypt.capture.inputs import open_capture
from tlsdecrypt.errors import CaptureError

if TYPE_CHECKING:
    from pathlib import Path

WHOLE = [Frame(each.content, len(each.content), each.time_ns) for each in FRAMES]  # a trace tells no other length


def plain(each: Frame) -> bytes:
    return fragment(each.content, ticks(each.time_ns))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "trace.etl"


@pytest.mark.parametrize("clock", [PERFORMANCE_COUNTER, SYSTEM_TIME, CYCLES])
def test_times_are_those_of_the_trace_s_clock(path: Path, clock: int) -> None:
    path.write_bytes(traced([(each.content, each.time_ns) for each in FRAMES], clock))
    assert frames_of(path) == (WHOLE, [])


def test_a_trace_of_a_32_bit_system_is_read(path: Path) -> None:
    path.write_bytes(trace([buffer([fragment(WHOLE[0].content, ticks(WHOLE[0].time_ns), kind=0x12)])], is_64=False))
    assert frames_of(path) == ([WHOLE[0]], [])


def test_buffers_of_several_processors_are_one_sequence_in_time(path: Path) -> None:
    late, early = [WHOLE[3], WHOLE[5]], [WHOLE[0], WHOLE[1], WHOLE[2], WHOLE[4]]
    path.write_bytes(trace([buffer([*map(plain, late)], 1), buffer([*map(plain, early)], 0)]))
    with open_capture(path) as capture:
        assert capture.format == "ETL"
        assert [(number, each) for number, each, _ in rows(capture)] == list(enumerate(WHOLE, 1))


def test_what_is_no_packet_is_passed_over(path: Path) -> None:
    others = [
        system_event(5, data=b"kernel"),
        message(b"wpp message"),
        event(OTHER, 1001, START | END, 6, b"another provider"),
        event(OTHER, 160, 0, 6, b""),
    ]
    path.write_bytes(trace([buffer([*others, plain(WHOLE[0]), *others, plain(WHOLE[1])])]))
    assert frames_of(path) == (WHOLE[:2], [])


def test_extended_data_items_stand_before_the_packet(path: Path) -> None:
    items = [b"\1" * 16, b"\2" * 5]
    path.write_bytes(trace([buffer([fragment(WHOLE[0].content, ticks(WHOLE[0].time_ns), items=items)])]))
    assert frames_of(path) == ([WHOLE[0]], [])


def test_the_keywords_tell_the_medium(path: Path) -> None:
    media = (ETHERNET, NATIVE_802_11, WIRELESS_WAN)
    path.write_bytes(trace([buffer([fragment(bytes(20), 1 + each, each | START | END) for each in media])]))
    with open_capture(path) as capture:
        assert sorted(link_type for _, _, link_type in rows(capture)) == [1, 101, 105]


def test_a_packet_in_several_events_is_joined_by_thread_and_processor(path: Path) -> None:
    content, time = WHOLE[4].content, ticks(WHOLE[4].time_ns)
    first = fragment(content[:14], time, ETHERNET | START, thread=0)
    second, third = fragment(content[14:20], time, ETHERNET, thread=0), fragment(content[20:], time, END, thread=0)
    between = [fragment(WHOLE[1].content[:9], ticks(WHOLE[1].time_ns), START, thread=0), plain(WHOLE[0])]
    rest = fragment(WHOLE[1].content[9:], ticks(WHOLE[1].time_ns), END, thread=0)
    path.write_bytes(trace([buffer([first, second], 0), buffer([*between, rest], 1), buffer([third], 0)]))
    assert frames_of(path) == ([WHOLE[0], WHOLE[1], WHOLE[4]], [])


def test_a_piece_without_a_start_is_told_and_left_out(path: Path) -> None:
    path.write_bytes(trace([buffer([fragment(bytes(20), 1, END), plain(WHOLE[0])])]))
    assert frames_of(path) == ([WHOLE[0]], ["Packets were left out whose first piece is not in the trace."])


@pytest.mark.parametrize(
    "how",
    [{"destinations": 0}, {"destinations": 1}, {"destinations": 5}, {"destinations": 2, "is_named": False}],
    ids=str,
)
def test_packets_of_the_virtual_switch_stand_behind_the_names_of_ports(path: Path, how: dict[str, Any]) -> None:
    switched = switch_fragment(WHOLE[4].content, ticks(WHOLE[4].time_ns), **how)
    path.write_bytes(trace([buffer([switched, plain(WHOLE[5])])]))
    assert frames_of(path) == ([WHOLE[4], WHOLE[5]], [])


def test_the_packet_monitor_shows_a_packet_at_each_component_and_it_is_read_once(path: Path) -> None:
    shown = [monitored(WHOLE[0].content, ticks(WHOLE[0].time_ns) + 10 * each, 77, each + 1) for each in range(3)]
    other = monitored(WHOLE[1].content, ticks(WHOLE[1].time_ns), 78, number=170)
    path.write_bytes(trace([buffer([*shown, other])]))
    with open_capture(path) as capture:
        assert [(number, each) for number, each, _ in rows(capture)] == [(1, WHOLE[0]), (4, WHOLE[1])]
    assert (capture.frames, capture.doubled) == (4, 2)


@pytest.mark.parametrize(("kind", "link_type"), [(1, 1), (2, 105), (3, 101), (9, -1)])
def test_the_packet_monitor_tells_the_medium(path: Path, kind: int, link_type: int) -> None:
    path.write_bytes(trace([buffer([monitored(WHOLE[0].content, 1, 7, kind=kind)])]))
    with open_capture(path) as capture:
        assert [found for _, _, found in rows(capture)] == [link_type]


def test_lost_events_and_compressed_buffers_are_told(path: Path) -> None:
    path.write_bytes(trace([buffer([plain(WHOLE[0])], flags=0x40), buffer([plain(WHOLE[1])])], lost=17))
    assert frames_of(path) == (
        [WHOLE[1]],
        [
            "Compressed buffers were passed over: have the trace written without compression.",
            "The machine that captured lost 17 events: streams may have holes.",
        ],
    )


def test_a_trace_without_packets_says_what_was_forgotten(path: Path) -> None:
    path.write_bytes(trace([buffer([system_event(1)])]))
    assert frames_of(path) == (
        [],
        ["The trace holds no packets: netsh trace needs capture=yes, pktmon needs --capture."],
    )


def test_lengths_that_lie_are_cut_at_the_end_of_the_event(path: Path) -> None:
    lying = bytearray(plain(WHOLE[4]))
    struct.pack_into("<I", lying, 80 + 8, 0xFFFFFFFF)  # FragmentSize
    path.write_bytes(trace([buffer([bytes(lying), plain(WHOLE[5])])]))
    found, notes = frames_of(path)
    assert found[0].content.startswith(WHOLE[4].content)
    assert found[1:] == [WHOLE[5]]
    assert notes == []


@pytest.mark.parametrize("size", [0, 1, 7, 100, 5_000, 0xFFFF])
def test_an_event_of_a_size_that_cannot_be_ends_its_buffer_only(path: Path, size: int) -> None:
    lying = bytearray(plain(WHOLE[0]))
    struct.pack_into("<H", lying, 0, size)
    path.write_bytes(trace([buffer([bytes(lying)]), buffer([plain(WHOLE[5])])]))
    assert frames_of(path)[0][-1] == WHOLE[5]


@pytest.mark.parametrize("size", [0, 72, 0xFFFFFFFF])
def test_a_buffer_of_a_size_that_cannot_be_takes_that_of_the_first(path: Path, size: int) -> None:
    lying = struct.pack("<I", size) + buffer([plain(WHOLE[0])])[4:]
    path.write_bytes(trace([lying, buffer([plain(WHOLE[5])])]))
    assert frames_of(path) == ([WHOLE[0], WHOLE[5]], [])


def test_a_cut_at_every_length_gives_what_stands_before_it(path: Path) -> None:
    data = trace([buffer([plain(each)]) for each in WHOLE[:2]])
    complete = 0
    for length in (*range(0, 4700, 17), *range(4700, len(data), 101)):
        path.write_bytes(data[:length])
        try:
            found, _ = frames_of(path)
        except CaptureError:
            assert length < MAGIC_BYTES
            continue
        assert found == WHOLE[: len(found)]
        assert len(found) >= complete
        complete = len(found)
    assert complete == 2


@given(st.data())
def test_damage_anywhere_is_no_fault_of_the_reader(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    sound = trace([buffer([plain(WHOLE[0]), switch_fragment(bytes(40), 9), monitored(bytes(30), 3, 5)])])
    damaged = bytearray(sound)
    for _ in range(data.draw(st.integers(1, 8))):
        at = data.draw(st.integers(0x50, 0x300) | st.integers(4096, 4096 + 900))
        damaged[at] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("damaged") / "trace.etl"
    path.write_bytes(damaged)
    found, _ = frames_of(path)
    assert all(each.time_ns >= 0 for each in found)


def test_other_bytes_are_no_trace() -> None:
    sound = traced([(WHOLE[0].content, WHOLE[0].time_ns)])
    assert is_trace(sound)
    assert not is_trace(sound[: MAGIC_BYTES - 1])
    assert not is_trace(bytes(200))
    assert not is_trace(b"\xff" * 200)


def test_a_frame_of_a_wireless_network_was_logged_decrypted_whatever_it_says(path: Path) -> None:
    content = bytes([0x08, 0x41]) + WHOLE[0].content[2:]  # a data frame to the access point, marked as protected
    frames = [(content, NATIVE_802_11), (bytes([0x08, 0x41]), NATIVE_802_11), (b"\x08", NATIVE_802_11)]
    path.write_bytes(trace([buffer([fragment(each, ticks(1), word | START | END) for each, word in frames])]))
    assert [each.content[:2] for each in frames_of(path)[0]] == [b"\x08\x01", b"\x08\x01", b"\x08"]
    path.write_bytes(trace([buffer([fragment(content, ticks(1))])]))
    assert frames_of(path)[0][0].content == content


@pytest.mark.parametrize(("keyword", "link"), [(ETHERNET, 14), (WIRELESS_WAN, 0)])
def test_how_long_a_cut_frame_was_is_told_by_its_ip_header(path: Path, keyword: int, link: int) -> None:
    four = b"\x45\0" + struct.pack(">H", 1500) + bytes(16)
    six = b"\x60\0\0\0" + struct.pack(">H", 1400) + bytes(34)
    segmented = b"\x45\0\0\0" + bytes(36)  # its length is filled in by the adapter
    frames = [(four, 0x0800, 1500), (six, 0x86DD, 1440), (segmented, 0x0800, 40), (six[:39], 0x86DD, 39)]
    contents = [(bytes(link - 2) + struct.pack(">H", kind) if link else b"") + each for each, kind, _ in frames]
    path.write_bytes(trace([buffer([fragment(each, ticks(1), keyword | START | END) for each in contents])]))
    assert [each.original_length for each in frames_of(path)[0]] == [link + length for *_, length in frames]
