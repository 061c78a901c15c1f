from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from net_building import ACK, PSH, SYN, batch_of, ethernet, ipv4, ipv6, tcp, udp

from tlsdecrypt.capture.frames import FrameBatch
from tlsdecrypt.net.columns import FastLane, read_fast_lane
from tlsdecrypt.net.irregular import IrregularLane
from tlsdecrypt.net.segments import SegmentRow, Segments

PAYLOAD = b"payload of a segment"
SEGMENT = tcp(7, PAYLOAD, PSH | ACK, 9)

VXLAN = b"\x08\x00\x00\x00\x00\x00\x07\x00"


def in_vxlan(frame: bytes, port: int = 4789) -> bytes:
    return ethernet(ipv4(udp(5000, port, VXLAN + frame), 17))


PLAIN = {
    "ethernet": (1, ethernet(ipv4(SEGMENT))),
    "one tag": (1, ethernet(ipv4(SEGMENT), tags=[0x8100])),
    "two tags": (1, ethernet(ipv4(SEGMENT), tags=[0x88A8, 0x8100])),
    "three tags of 0x9100": (1, ethernet(ipv4(SEGMENT), tags=[0x9100] * 3)),
    "IP options": (1, ethernet(ipv4(SEGMENT, options=b"\x01" * 8))),
    "IPv6": (1, ethernet(ipv6(SEGMENT), 0x86DD)),
    "IPv6 in a tag": (1, ethernet(ipv6(SEGMENT), 0x86DD, tags=[0x8100])),
    "raw": (101, ipv4(SEGMENT)),
    "raw IPv6": (101, ipv6(SEGMENT)),
    "raw 12": (12, ipv4(SEGMENT)),
    "raw 14": (14, ipv4(SEGMENT)),
    "raw 228": (228, ipv4(SEGMENT)),
    "raw 229": (229, ipv6(SEGMENT)),
    "SLL": (113, bytes(14) + b"\x08\x00" + ipv4(SEGMENT)),
    "SLL with a tag": (113, bytes(14) + b"\x81\x00\x00\x07\x08\x00" + ipv4(SEGMENT)),
    "SLL2": (276, b"\x86\xdd" + bytes(18) + ipv6(SEGMENT)),
    "NULL, little-endian": (0, struct.pack("<I", 2) + ipv4(SEGMENT)),
    "NULL, big-endian": (0, struct.pack(">I", 2) + ipv4(SEGMENT)),
    "NULL, IPv6 of Darwin": (0, struct.pack("<I", 30) + ipv6(SEGMENT)),
    "LOOP": (108, struct.pack(">I", 24) + ipv6(SEGMENT)),
    "total length 0 of an offloaded frame": (1, ethernet(ipv4(SEGMENT, total=0))),
    "payload length 0 of an offloaded frame": (1, ethernet(ipv6(SEGMENT, length=0), 0x86DD)),
    "VXLAN": (1, in_vxlan(ethernet(ipv4(SEGMENT)))),
    "VXLAN of Linux, with a tag inside": (1, in_vxlan(ethernet(ipv6(SEGMENT), 0x86DD, tags=[0x8100]), 8472)),
    "VXLAN in VXLAN": (1, in_vxlan(in_vxlan(ethernet(ipv4(SEGMENT))))),
    "padding": (1, ethernet(ipv4(SEGMENT)) + bytes(9)),
}


def rows_of(segments: Segments) -> list[SegmentRow]:
    columns = zip(
        *(getattr(segments, name).tolist() for name in ("frame", "source_port", "destination_port", "seq", "ack")),
        *(getattr(segments, name).tolist() for name in ("flags", "start", "length", "missing", "network")),
        *segments.addresses.tolist(),
        strict=True,
    )
    return [
        SegmentRow(frame, sh << 64 | sl, dh << 64 | dl, sport, dport, *rest)
        for frame, sport, dport, *rest, sh, sl, dh, dl in columns
    ]


def one_by_one(batch: FrameBatch) -> tuple[list[SegmentRow], IrregularLane]:
    lane = IrregularLane()
    return lane.feed(batch, range(len(batch))), lane


@pytest.mark.parametrize(("link_type", "frame"), PLAIN.values(), ids=PLAIN.keys())
def test_a_plain_segment_takes_the_fast_lane_and_both_lanes_agree(link_type: int, frame: bytes) -> None:
    batch = batch_of([frame], link_type=link_type)
    fast = read_fast_lane(batch)
    (row,) = rows_of(fast.segments)
    assert not len(fast.irregular)
    assert batch.data[row.start : row.start + row.length] == PAYLOAD
    assert (row.seq, row.ack, row.flags, row.missing) == (7, 9, PSH | ACK, 0)
    assert (row.source_port, row.destination_port) == (49152, 443)
    assert one_by_one(batch)[0] == [row]


@pytest.mark.parametrize(("link_type", "frame"), PLAIN.values(), ids=PLAIN.keys())
def test_a_frame_cut_at_any_place_is_read_alike_by_both_lanes(link_type: int, frame: bytes) -> None:
    cuts = [frame[:length] for length in range(len(frame))]
    assert_lanes_agree(batch_of(cuts, link_type=link_type, original_lengths=[len(frame)] * len(cuts)))
    for cut in cuts:  # alone, so that the buffer ends with the frame
        assert_lanes_agree(batch_of([cut], link_type=link_type, original_lengths=[len(frame)]))


def assert_lanes_agree(batch: FrameBatch) -> FastLane:
    """All that the fast lane said, the irregular lane says too."""
    fast = read_fast_lane(batch)
    rows, lane = one_by_one(batch)
    by_frame = {row.frame: row for row in rows}
    for row in rows_of(fast.segments):
        assert by_frame.pop(row.frame) == row
    assert set(by_frame) <= set(fast.irregular.tolist())
    assert not fast.other_frames - lane.other_frames
    return fast


OTHER = {
    "arp": ethernet(bytes(28), 0x0806),
    "icmp": ethernet(ipv4(bytes(8), 1)),
    "icmpv6": ethernet(ipv6(bytes(8), 58), 0x86DD),
    "udp": ethernet(ipv4(udp(5000, 443, b"x"), 17)),
    "dns": ethernet(ipv6(udp(5000, 53, b"x"), 17), 0x86DD),
}


def test_frames_without_tcp_are_counted_by_a_word_in_both_lanes() -> None:
    batch = batch_of(list(OTHER.values()))
    fast = read_fast_lane(batch)
    assert fast.other_frames == dict.fromkeys(OTHER, 1)
    assert one_by_one(batch)[1].other_frames == fast.other_frames
    assert not len(fast.irregular)


IRREGULAR = {
    "fragment": ethernet(ipv4(SEGMENT, fragment=0x2000)),
    "later fragment": ethernet(ipv4(SEGMENT, fragment=3)),
    "VXLAN without its header": ethernet(ipv4(udp(5000, 4789, b""), 17)),
    "VXLAN without a network": ethernet(ipv4(udp(5000, 4789, b"\0" * 8 + ethernet(ipv4(SEGMENT))), 17)),
    "VXLAN three times": in_vxlan(in_vxlan(in_vxlan(ethernet(ipv4(SEGMENT))))),
    "GENEVE": ethernet(ipv4(udp(5000, 6081, b"\0\0\x65\x58" + bytes(4) + ethernet(ipv4(SEGMENT))), 17)),
    "extension header": ethernet(ipv6(bytes(8) + SEGMENT, 0), 0x86DD),
    "five tags": ethernet(ipv4(SEGMENT), tags=[0x8100] * 5),
    "wrong version": ethernet(ipv6(SEGMENT)),
    "header length below 20": ethernet(b"\x44" + ipv4(SEGMENT)[1:]),
    "total length below the header's": ethernet(ipv4(SEGMENT, total=19)),
    "TCP header longer than the datagram": ethernet(ipv4(tcp(1)[:12] + b"\xf0" + tcp(1)[13:])),
    "TCP header below 20": ethernet(ipv4(tcp(1)[:12] + b"\x40" + tcp(1)[13:])),
}


@pytest.mark.parametrize("frame", IRREGULAR.values(), ids=IRREGULAR.keys())
def test_what_is_not_plain_is_left_to_the_irregular_lane(frame: bytes) -> None:
    fast = read_fast_lane(batch_of([frame]))
    assert fast.irregular.tolist() == [0]
    assert not len(fast.segments)


def test_bytes_behind_the_captured_length_are_never_payload() -> None:
    frame = ethernet(ipv4(SEGMENT))
    batch = batch_of([frame, frame])
    cut = np.array([len(frame) - 5, 30], np.int64)
    batch = FrameBatch(batch.data, batch.offset, cut, batch.original_length, batch.time_ns, batch.link_type, 1)
    fast = assert_lanes_agree(batch)
    (row,) = rows_of(fast.segments)
    assert (row.length, row.missing) == (len(PAYLOAD) - 5, 5)
    assert fast.irregular.tolist() == [1]


def test_options_cut_by_the_snap_length_leave_a_segment_whose_payload_is_missing() -> None:
    with_options = tcp(7)[:12] + b"\x80" + tcp(7)[13:] + bytes(12) + PAYLOAD
    frame = ethernet(ipv4(with_options))
    batch = batch_of([frame[: 14 + 20 + 24]], original_lengths=[len(frame)])
    (row,) = rows_of(assert_lanes_agree(batch).segments)
    assert (row.length, row.missing) == (0, len(PAYLOAD))


def test_a_total_length_beyond_the_frame_claims_nothing_that_was_not_on_the_wire() -> None:
    (row,) = rows_of(assert_lanes_agree(batch_of([ethernet(ipv4(SEGMENT, total=9000))])).segments)
    assert (row.length, row.missing) == (len(PAYLOAD), 0)


@settings(max_examples=80, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([frame for link_type, frame in PLAIN.values() if link_type == 1] + list(OTHER.values())),
            st.lists(st.tuples(st.integers(0, 80), st.integers(0, 255)), max_size=3),
            st.integers(0, 120),
        ),
        min_size=1,
        max_size=20,
    )
)
def test_both_lanes_agree_on_damaged_frames(damaged: list[tuple[bytes, list[tuple[int, int]], int]]) -> None:
    frames = []
    for frame, changes, length in damaged:
        changed = bytearray(frame)
        for position, value in changes:
            changed[position % len(changed)] = value
        frames.append(bytes(changed[:length]))
    assert_lanes_agree(batch_of(frames, original_lengths=[len(frame) for frame, _, _ in damaged]))


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.binary(max_size=100), min_size=1, max_size=5),
    st.sampled_from([0, 1, 9, 50, 51, 101, 104, 105, 108, 113, 127, 147, 166, 192, 219, 228, 239, 258, 276]),
)
def test_random_bytes_of_any_link_type_never_raise_and_lanes_agree(frames: list[bytes], link_type: int) -> None:
    assert_lanes_agree(batch_of(frames, link_type=link_type))


def test_link_types_may_be_mixed_in_a_batch_and_segments_stay_in_frame_order() -> None:
    batch = batch_of([ipv4(tcp(1)), ethernet(ipv4(tcp(2, flags=SYN))), ipv6(tcp(3)), ethernet(ipv6(tcp(4)), 0x86DD)])
    link_types = np.array([101, 1, 101, 1], np.int64)
    batch = FrameBatch(
        batch.data, batch.offset, batch.captured_length, batch.original_length, batch.time_ns, link_types, 1
    )
    rows = rows_of(read_fast_lane(batch).segments)
    assert [(row.frame, row.seq) for row in rows] == [(0, 1), (1, 2), (2, 3), (3, 4)]
