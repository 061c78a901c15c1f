from __future__ import annotations

import struct

import pytest
from net_building import ACK, batch_of, ethernet, hear, ipv4, ipv6, segment, tcp, udp
from test_net_columns import one_by_one

from tlsdecrypt.net import fragments
from tlsdecrypt.net.irregular import LAYERS_MAX
from tlsdecrypt.net.segments import IPV4_MAPPED
from tlsdecrypt.value import replace

PAYLOAD = b"inside of something"
INNER = ipv4(tcp(7, PAYLOAD))
INNER_6 = ipv6(tcp(7, PAYLOAD))
FRAME = ethernet(INNER)
SNAP = b"\xaa\xaa\x03\x00\x00\x00\x08\x00"
LABELS = struct.pack(">II", 16 << 12 | 64, 17 << 12 | 0x100 | 64)
GTP = struct.pack(">BBHI", 0x30, 0xFF, len(INNER), 1)
VXLAN = b"\x08\x00\x00\x00\x00\x00\x07\x00"
WLAN = b"\x08\x01\x00\x00" + bytes(20)
WLAN_QOS = b"\x88\x01\x00\x00" + bytes(22)
WLAN_FOUR_ADDRESSES = b"\x88\x83\x00\x00" + bytes(26) + bytes(2) + bytes(4)
RADIOTAP = struct.pack("<BBHI", 0, 0, 12, 1 << 2) + bytes(4)
RADIOTAP_PADDED = struct.pack("<BBHI", 0, 0, 9, 1 << 1) + b"\x20"
NFLOG_LITTLE = (
    bytes([2, 0, 0, 0])
    + struct.pack("<HH4sHH", 8, 1, bytes(4), 7, 10)
    + b"ab\0\0"
    + struct.pack("<HH", len(INNER) + 4, 9)
)
NFLOG_BIG = bytes([2, 0, 0, 0]) + struct.pack(">HH", len(INNER) + 4, 9)
HOP_BY_HOP, DESTINATION_OPTIONS = b"\x3c\x01" + bytes(14), b"\x06\x00" + bytes(6)
ERSPAN_III = b"\x10\x00\x22\xeb" + bytes(4) + bytes(11)
GTP_EXTENSION = b"\0\0\0\x85" + b"\x01\0\0\0"
NESTED = ethernet(ipv4(b"\0\0\x08\0" + ipv4(udp(1, 4789, VXLAN + FRAME), 17), 47))
PPI = struct.pack("<BBHI", 0, 0, 8, 101)
PKTAP = struct.pack("<III", 108, 1, 1) + bytes(96)

WRAPPED = {
    "five tags": (1, ethernet(INNER, tags=[0x8100] * 5)),
    "LLC and SNAP": (1, ethernet(SNAP + INNER, len(SNAP + INNER)) + bytes(5)),
    "LLC with IP": (1, ethernet(b"\x06\x06\x03" + INNER, len(INNER) + 3)),
    "802.1ah": (1, ethernet(b"\0\0\x10\x01" + FRAME, 0x88E7)),
    "802.1ah behind a provider's tag": (1, ethernet(b"\xe0\0\x10\x01" + FRAME, 0x88E7, tags=[0x88A8])),
    "Cisco metadata": (1, ethernet(bytes(6) + b"\x08\x00" + INNER, 0x8909)),
    "PPPoE": (1, ethernet(struct.pack(">BBHHH", 0x11, 0, 1, len(INNER) + 2, 0x21) + INNER, 0x8864) + bytes(4)),
    "MPLS": (1, ethernet(LABELS + INNER, 0x8847)),
    "MPLS pseudowire with control word": (1, ethernet(LABELS + bytes(4) + FRAME, 0x8847)),
    "PPP": (9, b"\xff\x03\x00\x21" + INNER),
    "PPP, compressed": (9, b"\x21" + INNER),
    "PPP in HDLC": (50, b"\xff\x03\x00\x57" + INNER_6),
    "PPPoE without Ethernet": (51, struct.pack(">BBHHH", 0x11, 0, 1, len(INNER) + 2, 0x21) + INNER),
    "PPP with direction": (166, b"\x00\x03\x00\x21" + INNER),
    "Cisco HDLC": (104, b"\x0f\x00\x08\x00" + INNER),
    "Cisco HDLC where PPP could be": (50, b"\x0f\x00\x86\xdd" + INNER_6),
    "802.11": (105, WLAN + SNAP + INNER),
    "802.11 QoS": (105, WLAN_QOS + SNAP + INNER),
    "802.11 QoS, four addresses, HT control": (105, WLAN_FOUR_ADDRESSES + SNAP + INNER),
    "radiotap": (127, RADIOTAP + WLAN + SNAP + INNER),
    "radiotap, padded": (127, RADIOTAP_PADDED + WLAN_QOS + bytes(2) + SNAP + INNER),
    "PPI": (192, PPI + INNER),
    "PKTAP": (258, PKTAP + FRAME),
    "MPLS without Ethernet": (219, LABELS + INNER),
    "NFLOG": (239, NFLOG_LITTLE + INNER),
    "NFLOG, big-endian": (239, NFLOG_BIG + INNER),
    "SLL with LLC": (113, bytes(14) + b"\x00\x04" + SNAP + INNER),
    "IPv6 hop-by-hop and destination options": (101, ipv6(HOP_BY_HOP + DESTINATION_OPTIONS + tcp(7, PAYLOAD), 0)),
    "IPv6 routing header": (101, ipv6(b"\x06\x02" + bytes(22) + tcp(7, PAYLOAD), 43)),
    "IPv6 authentication header": (101, ipv6(b"\x06\x04" + bytes(22) + tcp(7, PAYLOAD), 51)),
    "IPv6 atomic fragment": (101, ipv6(b"\x06\x00\x00\x00" + bytes(4) + tcp(7, PAYLOAD), 44)),
    "IPv4 in IPv4": (101, ipv4(INNER, 4)),
    "IPv6 in IPv4": (101, ipv4(INNER_6, 41)),
    "IPv4 in IPv6": (101, ipv6(INNER, 4)),
    "GRE": (101, ipv4(b"\x00\x00\x08\x00" + INNER, 47)),
    "GRE with checksum, key and sequence": (101, ipv4(b"\xb0\x00\x08\x00" + bytes(12) + INNER, 47)),
    "GRE with Ethernet": (101, ipv4(b"\x20\x00\x65\x58" + bytes(4) + FRAME, 47)),
    "PPTP": (101, ipv4(b"\x30\x81\x88\x0b" + bytes(12) + b"\xff\x03\x00\x21" + INNER, 47)),
    "ERSPAN I": (101, ipv4(b"\x00\x00\x88\xbe" + FRAME, 47)),
    "ERSPAN II": (101, ipv4(b"\x10\x00\x88\xbe" + bytes(4) + bytes(8) + FRAME, 47)),
    "ERSPAN III": (101, ipv4(ERSPAN_III + b"\0" + FRAME, 47)),
    "ERSPAN III with platform header": (101, ipv4(ERSPAN_III + b"\x01" + bytes(8) + FRAME, 47)),
    "VXLAN": (1, ethernet(ipv4(udp(5000, 4789, VXLAN + FRAME), 17))),
    "VXLAN, old Linux port": (1, ethernet(ipv4(udp(5000, 8472, VXLAN + FRAME), 17))),
    "VXLAN-GPE": (101, ipv4(udp(5000, 4790, b"\x0c\x00\x00\x01" + bytes(4) + INNER), 17)),
    "GENEVE with options": (101, ipv4(udp(5000, 6081, b"\x02\x00\x65\x58" + bytes(12) + FRAME), 17)),
    "GTP-U": (101, ipv4(udp(2152, 2152, GTP + INNER), 17)),
    "GTP-U with extension header": (101, ipv4(udp(2152, 2152, b"\x34" + GTP[1:] + GTP_EXTENSION + INNER), 17)),
    "Teredo": (101, ipv4(udp(5000, 3544, INNER_6), 17)),
    "Teredo with indications": (101, ipv4(udp(3544, 5000, b"\0\1\0\0" + bytes(9) + bytes(8) + INNER_6), 17)),
    "VXLAN in GRE in VXLAN": (101, ipv4(udp(5000, 4789, VXLAN + NESTED), 17)),
}  # fmt: skip


@pytest.mark.parametrize(("link_type", "frame"), WRAPPED.values(), ids=WRAPPED.keys())
def test_the_segment_inside_is_found_where_it_lies_in_the_frame(link_type: int, frame: bytes) -> None:
    batch = batch_of([frame], link_type=link_type)
    (row,), lane = one_by_one(batch)
    assert batch.data[row.start : row.start + row.length] == PAYLOAD
    assert (row.source_port, row.seq, row.flags, row.missing) == (49152, 7, ACK, 0)
    assert row.source in {IPV4_MAPPED | 0xC0000201, 0x20010DB8 << 96 | 1}
    assert not lane.other_frames


@pytest.mark.parametrize(("link_type", "frame"), WRAPPED.values(), ids=WRAPPED.keys())
def test_a_frame_cut_anywhere_before_its_tcp_payload_is_counted_and_nothing_raises(
    link_type: int, frame: bytes
) -> None:
    end = frame.index(PAYLOAD) - 20
    _, lane = one_by_one(batch_of([frame[:length] for length in range(end)], link_type=link_type))
    assert lane.other_frames.total() == end


@pytest.mark.parametrize(("link_type", "frame"), WRAPPED.values(), ids=WRAPPED.keys())
def test_what_lies_behind_the_captured_bytes_changes_nothing(link_type: int, frame: bytes) -> None:
    for length in range(len(frame)):
        alone = batch_of([frame[:length]], link_type=link_type)
        followed = replace(batch_of([frame], link_type=link_type), captured_length=alone.captured_length)
        followed = replace(followed, original_length=alone.original_length)
        rows, lane = one_by_one(alone)
        other_rows, other_lane = one_by_one(followed)
        assert (rows, lane.other_frames) == (other_rows, other_lane.other_frames)


WORDS = {
    "unknown link type 147": (147, bytes(60)),
    "lldp": (1, ethernet(bytes(40), 0x88CC)),
    "ethertype 0x1234": (1, ethernet(bytes(40), 0x1234)),
    "llc": (1, ethernet(b"\x42\x42\x03" + bytes(35), 38)),
    "sctp": (101, ipv4(bytes(20), 132)),
    "ip protocol 253": (101, ipv4(bytes(20), 253)),
    "ip version 7": (101, b"\x70" + bytes(30)),
    "udp": (101, ipv4(udp(4789, 4789, bytes(60)), 17)),
    "802.11 management": (105, b"\x80\x00" + bytes(40)),
    "802.11 encrypted": (105, b"\x08\x41" + bytes(60)),
    "ppp control": (9, b"\xff\x03\xc0\x21" + bytes(10)),
    "nflog": (239, bytes([2, 0, 0, 0]) + struct.pack("<HH4s", 8, 1, bytes(4))),
    "malformed": (1, bytes(13)),
    "address family 99": (0, struct.pack("<I", 99) + INNER),
}


@pytest.mark.parametrize(
    ("word", "link_type", "frame"), [(word, *value) for word, value in WORDS.items()], ids=WORDS.keys()
)
def test_what_holds_no_tcp_is_counted_by_a_word(word: str, link_type: int, frame: bytes) -> None:
    rows, lane = one_by_one(batch_of([frame], link_type=link_type))
    assert not rows
    assert lane.other_frames == {word: 1}


def test_a_frame_of_a_thousand_nested_headers_is_given_up() -> None:
    datagram = INNER
    for _ in range(1000):
        datagram = ipv4(datagram, 4)
    rows, lane = one_by_one(batch_of([datagram], link_type=101))
    assert not rows
    assert lane.other_frames == {"too many headers": 1}
    assert LAYERS_MAX < 1000


def fragments_of(datagram: bytes, sizes: list[int], identification: int = 9) -> list[bytes]:
    """IPv4 fragments of what follows the header; sizes are multiples of 8, the rest is the last one."""
    payload, frames, offset = datagram[20:], [], 0
    for size in sizes:
        frames.append((offset, payload[offset : offset + size], 0x2000))
        offset += size
    frames.append((offset, payload[offset:], 0))
    return [ethernet(ipv4(data, fragment=more | at // 8, identification=identification)) for at, data, more in frames]


LONG = bytes(range(256)) * 3
FRAGMENTED = fragments_of(ipv4(tcp(7, LONG)), [24, 400, 8])


@pytest.mark.parametrize("order", [[0, 1, 2, 3], [3, 2, 1, 0], [1, 3, 0, 0, 1, 2]])
def test_fragments_in_any_order_become_one_segment_at_the_frame_that_completes_it(order: list[int]) -> None:
    heard = hear([FRAGMENTED[index] for index in order])
    assert heard.stream() == LONG
    assert (heard.connections[0].span.first_frame, heard.connections[0].span.last_frame) == (len(order), len(order))
    assert heard.table.other_frames == {"fragment": len(order) - 1}


def test_fragments_may_lie_in_different_batches_and_between_other_segments() -> None:
    later = segment(7 + len(LONG), b"after")
    assert hear([*FRAGMENTED, later], per_batch=1).stream() == LONG + b"after"
    assert hear([*FRAGMENTED, later]).stream() == LONG + b"after"


def test_ipv6_fragments_become_one_segment() -> None:
    payload = tcp(7, LONG)
    parts = [
        ethernet(ipv6(struct.pack(">BBHI", 6, 0, at | more, 77) + payload[at:end], 44), 0x86DD)
        for at, end, more in [(0, 400, 1), (400, len(payload), 0)]
    ]
    assert hear(parts).stream() == LONG


def test_where_fragments_overlap_the_first_one_wins() -> None:
    forged = ethernet(ipv4(b"\xff" * 400, fragment=0x2000 | 3, identification=9))
    first, second, *rest = FRAGMENTED
    assert hear([first, second, forged, *rest]).stream() == LONG
    assert hear([first, forged, second, *rest]).stream() == LONG[:4] + b"\xff" * 400 + LONG[404:]


def test_a_fragment_that_comes_too_late_completes_nothing() -> None:
    times = [0, 1, 2, fragments.TIMEOUT_NS + 2]
    assert hear(FRAGMENTED, times_ns=times).stream() == b""


def test_incomplete_datagrams_are_bounded_in_number_and_in_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fragments, "DATAGRAMS_MAX", 4)
    others = [fragments_of(ipv4(tcp(7, LONG)), [24], identification=100 + index)[0] for index in range(4)]
    assert hear([*FRAGMENTED[:3], *others[:3], FRAGMENTED[3]]).stream() == LONG
    assert hear([*FRAGMENTED[:3], *others, FRAGMENTED[3]]).stream() == b""
    monkeypatch.setattr(fragments, "PENDING_BYTES_MAX", 700)
    assert hear([*FRAGMENTED[:3], *others[:1], FRAGMENTED[3]]).stream() == b""


def test_a_datagram_of_too_many_fragments_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fragments, "FRAGMENTS_MAX", 3)
    assert hear(FRAGMENTED).stream() == b""
