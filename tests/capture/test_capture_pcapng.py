from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pytest
from capture_samples import (
    FRAMES,
    KEY_LOG,
    START_NS,
    Frame,
    block,
    enhanced,
    frames_of,
    interface,
    option,
    pcapng,
    rows,
    secrets,
    section,
    simple,
    windows,
)

from tlsdecrypt.capture.inputs import open_capture
from tlsdecrypt.capture.ledger import MAX_COMMENTS
from tlsdecrypt.capture.pcapng import PcapngReader

if TYPE_CHECKING:
    from pathlib import Path

BY_HAND = bytes.fromhex(
    # Section Header Block, big-endian
    "0a0d0d0a 0000001c 1a2b3c4d 0001 0000 ffffffffffffffff 0000001c"
    # Interface Description Block: raw IP, snap length 96, if_tsresol 10^-9, end of options
    "00000001 00000020 0065 0000 00000060  0009 0001 09000000  0000 0000  00000020"
    # Enhanced Packet Block: interface 0, 2^32 + 5 ns, 3 bytes of 64, padding, comment "hi", end of options
    "00000006 00000030 00000000 00000001 00000005 00000003 00000040 abcdef00"
    "0001 0002 68690000  0000 0000  00000030",
)


def write(tmp_path: Path, *data: bytes) -> Path:
    path = tmp_path / f"{len(list(tmp_path.iterdir()))}.pcapng"
    path.write_bytes(b"".join(data))
    return path


def times(tmp_path: Path, ticks: list[int], *options: bytes) -> list[int]:
    """The times of frames with these time stamps, of an interface with these options."""
    frames = (enhanced(FRAMES[0], ticks=each) for each in ticks)
    found, _ = frames_of(write(tmp_path, section(), interface(options=b"".join(options)), *frames))
    return [each.time_ns for each in found]


def test_a_file_written_by_hand_is_read_field_by_field(tmp_path: Path) -> None:
    with open_capture(write(tmp_path, BY_HAND)) as capture:
        assert rows(capture) == [(1, Frame(b"\xab\xcd\xef", 64, (1 << 32) + 5), 101)]
    assert capture.comments == [(1, "hi")]
    assert capture.format == "pcapng"
    assert not capture.notes


@pytest.mark.parametrize(
    ("resolution", "ticks", "time_ns"),
    [
        (6, 1_700_000_000_123_456, 1_700_000_000_123_456_000),
        (9, 1_700_000_000_123_456_789, 1_700_000_000_123_456_789),
        (0, 1_700_000_000, 1_700_000_000_000_000_000),
        (12, 1_700_000_123_456_789_999, 1_700_000_123_456_789),
        (0x80 | 20, (1_700_000_000 << 20) + 1, 1_700_000_000_000_000_953),  # 2^-20 s are 953.67 ns
        (0x80 | 20, (1_700_000_000 << 20) + 0xFFFFF, 1_700_000_000_999_999_046),
        (0x80 | 32, (1_700_000_000 << 32) + 1, 1_700_000_000_000_000_000),
        (0x80 | 33, (1_700_000_000 << 33) + (1 << 32) + 9, 1_700_000_000_500_000_001),
        (0x80 | 34, (1 << 33) + 17, 500_000_000),
        (6, (1 << 64) - 1, -1_000),  # just before 1970
        (10, 17_000_000_001_234_567_899, 1_700_000_000_123_456_789),
        (0x80 | 127, 1 << 63, 0),
        (127, 5, 0),
    ],
)
def test_time_stamps_are_exact_at_each_resolution(resolution: int, ticks: int, time_ns: int, tmp_path: Path) -> None:
    assert times(tmp_path, [ticks], option(9, bytes((resolution,)))) == [time_ns]


def test_an_offset_moves_the_clock_and_hostile_ones_stay_within_bounds(tmp_path: Path) -> None:
    micros = START_NS // 1_000
    assert times(tmp_path, [micros], option(14, struct.pack("<q", -3600))) == [START_NS - 3600 * 10**9]
    for offset in (-(1 << 63), (1 << 63) - 1):
        (time_ns,) = times(tmp_path, [micros], option(14, struct.pack("<q", offset)))
        assert abs(time_ns) <= 9_000_000_001_000_000_000
    assert abs(times(tmp_path, [(1 << 63) - 1], option(9, b"\0"))[0]) <= 9_000_000_001_000_000_000


def test_sections_may_differ_in_byte_order_and_interfaces(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        section("<") + interface("<", 1) + interface("<", 113),
        enhanced(FRAMES[0], "<", 1) + enhanced(FRAMES[1], "<", 0),
        section(">") + interface(">", 12, options=option(9, b"\x09", ">")),
        enhanced(FRAMES[2], ">", 0, ticks=FRAMES[2].time_ns),
        section("<") + interface("<", 1),
        enhanced(FRAMES[3], "<", 0),
    )
    with open_capture(path) as capture:
        found = rows(capture)
    assert [each for _, each, _ in found] == FRAMES[:4]
    assert [link_type for _, _, link_type in found] == [113, 1, 101, 1]
    assert [number for number, _, _ in found] == [1, 2, 3, 4]


def test_an_interface_may_be_described_between_frames(tmp_path: Path) -> None:
    path = write(
        tmp_path, section(), interface(), enhanced(FRAMES[0]), interface(link_type=276), enhanced(FRAMES[1], number=1)
    )
    with open_capture(path) as capture:
        assert [link_type for _, _, link_type in rows(capture)] == [1, 276]


def test_an_interface_that_nothing_describes_is_noted(tmp_path: Path) -> None:
    found, notes = frames_of(write(tmp_path, section(), interface(), enhanced(FRAMES[0], number=0xFFFFFFFF)))
    assert found == FRAMES[:1]
    assert notes == ["Frames are of interface 4294967295, which nothing describes: they were read as Ethernet."]


def test_simple_packets_take_the_time_of_the_frame_before_and_the_snap_length(tmp_path: Path) -> None:
    long = Frame(FRAMES[4].content[:30], 1514, 0)  # cut at the snap length of 30
    path = write(
        tmp_path,
        section(),
        interface(snap_length=30),
        simple(FRAMES[0]),
        enhanced(FRAMES[1]),
        simple(long),
        simple(FRAMES[5]),
    )
    found, notes = frames_of(path)
    at = FRAMES[1].time_ns
    assert found == [
        FRAMES[0]._replace(time_ns=0),
        FRAMES[1],
        long._replace(time_ns=at),
        FRAMES[5]._replace(time_ns=at),
    ]
    assert len(notes) == 1
    assert "no times" in notes[0]


def test_simple_packets_before_any_time_have_that_of_the_section_before_or_none(tmp_path: Path) -> None:
    part = section() + interface() + simple(FRAMES[0]) + enhanced(FRAMES[1])
    found, _ = frames_of(write(tmp_path, part, part))
    assert [each.time_ns for each in found] == [0, FRAMES[1].time_ns, FRAMES[1].time_ns, FRAMES[1].time_ns]


def test_options_end_at_the_end_of_options_and_at_the_first_that_lies(tmp_path: Path) -> None:
    ended = option(1, b"kept") + option(0, b"") + option(1, b"behind the end")
    lying = option(1, b"kept too") + struct.pack("<HH", 1, 5_000) + b"beyond the block"
    with open_capture(
        write(tmp_path, section(), interface(), enhanced(FRAMES[0], options=ended), enhanced(FRAMES[1], options=lying))
    ) as capture:
        assert len(rows(capture)) == 2
        assert capture.comments == [(1, "kept"), (2, "kept too")]


def test_simple_packets_are_read_alike_however_windows_end() -> None:
    data = section(">") + interface(">") + b"".join(simple(each, ">") for each in FRAMES)
    for window, ledger in windows(data):
        window.advance(0, 16)
        found = rows(PcapngReader(window, ledger, with_secrets=True).batches())
        expected = [each._replace(time_ns=0) for each in FRAMES]
        expected[2] = Frame(FRAMES[2].content + b"\0\0", 1514, 0)  # padding looks like the frame where that was cut
        assert [each for _, each, _ in found] == expected


def test_names_comments_drops_and_unknown_blocks_are_told(tmp_path: Path) -> None:
    ipv4 = struct.pack("<HH", 1, 4 + 12) + bytes((192, 0, 2, 1)) + b"mail.example"
    ipv6 = struct.pack("<HH", 2, 16 + 4) + bytes.fromhex("20010db8") + bytes(11) + b"\1" + b"six\0"
    statistics = struct.pack("<III", 0, 0, 0) + option(5, struct.pack("<Q", 1234))
    path = write(
        tmp_path,
        section(options=option(1, "grüß".encode()) + option(0, b"")),
        interface(options=option(2, b"eth0") + option(1, b"an interface")),
        block(4, ipv4 + ipv6 + struct.pack("<HH", 0, 0)),
        enhanced(FRAMES[0], options=option(2, b"\1\0\0\0") + option(1, b"first") + option(1, b"again")),
        block(0x0BAD, bytes(8)) + block(0x80000001, b"") + block(0x77, b"1234"),
        enhanced(FRAMES[1], options=option(1, b"second")),
        block(5, statistics),
    )
    with open_capture(path, first_number=10) as capture:
        assert [each for _, each, _ in rows(capture)] == FRAMES[:2]
    assert capture.names == {"192.0.2.1": "mail.example", "2001:db8::1": "six"}
    assert capture.comments == [(None, "grüß"), (None, "an interface"), (10, "first"), (10, "again"), (12, "second")]
    assert capture.other_frames == {"custom block": 1}
    assert capture.notes == [
        "Blocks of the unknown type 0x77 were passed over.",
        "The machine that captured lost 1,234 frames: streams may have holes.",
    ]


def test_comments_are_bounded(tmp_path: Path) -> None:
    frames = [enhanced(FRAMES[5], options=option(1, b"c" * 40_000))] * (MAX_COMMENTS + 5)
    with open_capture(write(tmp_path, section(), interface(), *frames)) as capture:
        assert len(rows(capture)) == len(frames)
    assert len(capture.comments) == MAX_COMMENTS
    assert len(capture.comments[0][1]) == 4096
    assert capture.notes == [f"Only the first {MAX_COMMENTS:,} comments were kept."]


def test_secrets_at_the_end_of_a_file_are_there_before_the_first_frame(tmp_path: Path) -> None:
    late = section(">") + interface(">") + enhanced(FRAMES[1], ">") + secrets(KEY_LOG + b"#", ">")
    path = write(tmp_path, pcapng(FRAMES[:1]), secrets(KEY_LOG), late, secrets(b"ssh", ">", 0x5353484B))
    with open_capture(path) as capture:
        assert capture.secrets == [KEY_LOG, KEY_LOG + b"#"]
        assert not capture.has_late_secrets
        assert len(rows(capture)) == 2
        assert capture.secrets == [KEY_LOG, KEY_LOG + b"#"]
        assert capture.notes == ["Secrets of the type 0x5353484b were passed over: only TLS key logs are used."]


def test_secrets_behind_damage_are_found(tmp_path: Path) -> None:
    path = write(tmp_path, pcapng(FRAMES[:1]), b"damaged damaged ", secrets(KEY_LOG), enhanced(FRAMES[1]))
    with open_capture(path) as capture:
        assert capture.secrets == [KEY_LOG]
        assert [each for _, each, _ in rows(capture)] == FRAMES[:2]
        assert capture.notes == ["16 bytes of damaged blocks were skipped after frame 1."]


@pytest.mark.parametrize("length", [0, 1, 12, 31, 100, 0x7FFFFFFC, 0x80000000, 0xFFFFFFFF])
def test_a_block_length_that_lies_costs_only_its_frame(length: int, tmp_path: Path) -> None:
    for at_end in (False, True):
        liar = bytearray(enhanced(FRAMES[1]))
        place = slice(-4, None) if at_end else slice(4, 8)
        liar[place] = length.to_bytes(4, "little")
        path = write(tmp_path, pcapng(FRAMES[:1]), liar, *(enhanced(each) for each in FRAMES[2:]))
        found, notes = frames_of(path)
        assert found == [FRAMES[0], *FRAMES[2:]]
        assert notes == ["56 bytes of damaged blocks were skipped after frame 1."]


def test_a_frame_longer_than_its_block_is_cut_there(tmp_path: Path) -> None:
    liar = bytearray(enhanced(FRAMES[0]))
    liar[20:24] = (0xFFFFFFF0).to_bytes(4, "little")
    found, notes = frames_of(write(tmp_path, section(), interface(), liar, enhanced(FRAMES[1])))
    assert found == FRAMES[:2]
    assert notes == ["Frame 1 is said to be longer than its block: it was cut at the end of the block."]


def test_lengths_that_leave_out_the_padding_are_understood(tmp_path: Path) -> None:
    def unpadded(each: Frame) -> bytes:
        whole = bytearray(enhanced(each))
        length = (len(whole) - -len(each.content) % 4).to_bytes(4, "little")
        whole[4:8] = whole[-4:] = length
        return bytes(whole)

    path = write(tmp_path, section(), interface(), *(unpadded(each) for each in FRAMES))
    assert frames_of(path) == (FRAMES, [])


def test_a_section_header_without_its_byte_order_is_damage(tmp_path: Path) -> None:
    broken = bytearray(section())
    broken[8:12] = b"?!?!"
    found, notes = frames_of(write(tmp_path, broken, pcapng()))
    assert found == FRAMES
    assert notes == ["28 bytes of damaged blocks were skipped after frame 0."]
