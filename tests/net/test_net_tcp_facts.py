"""What the segments of a connection say besides their bytes: SYNs, resets, retransmissions, windows, addresses."""

from __future__ import annotations

import pytest

from tests.net.net_building import (
    ACK,
    FIN,
    MILLISECOND,
    RST,
    SECOND,
    SYN,
    Heard,
    batch_of,
    ethernet,
    handshake,
    hear,
    ipv4,
    segment,
    tcp,
)
from tlsdecrypt.flow import Direction
from tlsdecrypt.net.tcp_facts import Reset, SideFacts, TcpFacts

CLIENT, SERVER = Direction
MACS = ("02:00:00:00:00:02", "0a:bb:cc:dd:ee:ff")


def facts_of(frames: list[bytes], times_ms: list[float] | None = None, per_batch: int | None = None) -> TcpFacts:
    times = None if times_ms is None else [round(each * MILLISECOND) for each in times_ms]
    (connection,) = hear(frames, per_batch=per_batch, times_ns=times).connections
    return connection.tcp_facts()


def full(seq: int, ack: int, *, window: int, back: bool = False) -> bytes:
    return ethernet(ipv4(tcp(seq, b"", ACK, ack, back=back, window=window), back=back))


@pytest.mark.parametrize("per_batch", [1, 99])
def test_the_syns_of_a_client_are_counted_and_named(per_batch: int) -> None:
    facts = facts_of([segment(1000, flags=SYN)] * 3, [0, 1000, 3000], per_batch)
    assert [each.frame for each in facts.syns] == [1, 2, 3]
    assert [each.time_ns for each in facts.syns] == [0, SECOND, 3 * SECOND]
    assert (facts.syn_count, facts.syn_ack, facts.is_refused) == (3, None, False)


def test_a_syn_that_was_captured_twice_is_one() -> None:
    assert facts_of([segment(1000, flags=SYN)] * 2, [0, 0.02]).syn_count == 1


def test_of_very_many_syns_only_the_first_are_named() -> None:
    facts = facts_of([segment(1000, flags=SYN)] * 50, [each * 1000.0 for each in range(50)])
    assert (len(facts.syns), facts.syn_count) == (8, 50)


def test_an_answered_syn_names_the_answer() -> None:
    facts = facts_of(handshake())
    assert (facts.syns[0].frame, facts.syn_ack and facts.syn_ack.frame) == (1, 2)
    assert (facts.bare_ack, facts.reset) == (None, None)


@pytest.mark.parametrize("per_batch", [1, 2])
def test_a_refused_connection_says_so_and_how_far_the_reset_came(per_batch: int) -> None:
    reset = bytearray(segment(0, flags=RST | ACK, ack=1001, back=True, identification=0x1234))
    reset[14 + 8] = 61
    facts = facts_of([segment(1000, flags=SYN), bytes(reset)], per_batch=per_batch)
    assert facts.reset == Reset(SERVER, 2, 2 * MILLISECOND, 61, 0x1234)
    assert facts.is_refused


def test_a_reset_of_the_client_refuses_nothing() -> None:
    facts = facts_of([segment(1000, flags=SYN), segment(1001, flags=RST)])
    assert facts.reset is not None
    assert facts.reset.sender is CLIENT
    assert not facts.is_refused


@pytest.mark.parametrize("per_batch", [1, 9])
def test_a_syn_that_gets_an_acknowledgment_only_met_an_earlier_connection(per_batch: int) -> None:
    frames = [segment(1000, flags=SYN), segment(77, ack=500_000, back=True), segment(500_000, flags=RST)]
    facts = facts_of(frames, per_batch=per_batch)
    assert facts.bare_ack is not None
    assert (facts.bare_ack.frame, facts.is_refused) == (2, False)


@pytest.mark.parametrize(("late_ms", "is_bare"), [(900, True), (0.5, False)])
def test_a_server_that_forgets_in_the_end_gave_such_an_answer_first(late_ms: float, is_bare: bool) -> None:  # noqa: FBT001
    frames = [segment(1000, flags=SYN), segment(77, ack=500_000, back=True), segment(1000, flags=SYN)]
    frames.append(segment(5000, flags=SYN | ACK, ack=1001, back=True))
    facts = facts_of(frames, [0, 1, 1 + late_ms / 2, 1 + late_ms])
    assert facts.syn_ack is not None
    assert (facts.bare_ack is not None) is is_bare


def test_the_acknowledgments_of_a_normal_server_are_no_such_answer() -> None:
    assert facts_of([*handshake(), segment(5001, ack=1001, back=True)]).bare_ack is None


def test_hop_limits_and_link_addresses_are_those_of_the_first_segments() -> None:
    answer = bytearray(handshake()[1])
    answer[6:12] = bytes.fromhex("0abbccddeeff")
    answer[14 + 8] = 120
    facts = facts_of([handshake()[0], bytes(answer)])
    assert [(side.ttl, side.mac) for side in facts.sides] == [(64, MACS[0]), (120, MACS[1])]


def test_a_tunnel_hides_the_link_addresses() -> None:
    vxlan = ipv4(b"\x13\x88\x12\xb5" + (16 + len(handshake()[0])).to_bytes(2, "big") + bytes(2) + b"\x08" + bytes(7)
                 + handshake()[0], 17)  # fmt: skip
    assert facts_of([ethernet(vxlan)]).sides[0] == SideFacts(ttl=64, ip_id=1)


@pytest.mark.parametrize("per_batch", [1, 99])
def test_data_that_is_sent_again_is_counted_by_segment(per_batch: int) -> None:
    big, small = segment(1001, b"x" * 1460, ack=5001), segment(2461, b"y" * 10, ack=5001)
    frames = [*handshake(), big, small, big, big, small]
    side = facts_of(frames, [0, 1, 2, 3, 4, 300, 900, 901], per_batch).side(CLIENT)
    assert (side.repeats, side.most_repeats, side.largest_repeat) == (3, 2, 1460)
    assert side.repeated is not None
    assert side.repeated.frame == 7


@pytest.mark.parametrize("per_batch", [1, 2, 99])
def test_a_frame_that_was_captured_twice_is_no_retransmission(per_batch: int) -> None:
    frames = [*handshake()]
    times: list[float] = [0, 1, 2]
    for number in range(20):
        frames += [segment(1001 + 4 * number, b"data", ack=5001)] * 2
        times += [10 + number, 10.03 + number]
    assert facts_of(frames, times, per_batch).side(CLIENT).repeats == 0


@pytest.mark.parametrize(("counts", "repeats"), [(True, 0), (False, 10)])
def test_the_identification_of_ipv4_tells_copies_from_what_was_sent_again(counts: bool, repeats: int) -> None:  # noqa: FBT001
    frames = [*handshake()]
    for number in range(10):
        frames += [segment(1001 + 4 * number, b"data", ack=5001, identification=100 + number if counts else 1)] * 2
    times: list[float] = [20 * number for number in range(len(frames))]
    assert facts_of(frames, times).side(CLIENT).repeats == repeats


def test_a_large_segment_that_is_cut_by_the_network_card_and_captured_again_was_not_sent_again() -> None:
    large = segment(1001, b"x" * 4000, ack=5001)
    parts = [segment(1001 + at, b"x" * 1000, ack=5001) for at in range(0, 4000, 1000)]
    times = [0, 1, 2, 10, 10.2, 10.2, 10.3, 10.4]
    assert facts_of([*handshake(), large, *parts], times).side(CLIENT).repeats == 0
    later = [0, 1, 2, 10, 300, 301, 302, 303]
    assert facts_of([*handshake(), large, *parts], later).side(CLIENT).repeats == 4


def test_a_keep_alive_is_no_retransmission() -> None:
    frames = [*handshake(), segment(1001, b"data", ack=5001), segment(1004, b"\0", ack=5001)]
    assert facts_of(frames, [0, 1, 2, 3, 45_000]).side(CLIENT).repeats == 0


def test_data_that_is_sent_again_after_the_fin_counts_too() -> None:
    data = segment(1001, b"data", ack=5001)
    side = facts_of([*handshake(), data, segment(1005, flags=FIN | ACK), data], [0, 1, 2, 3, 4, 500]).side(CLIENT)
    assert (side.repeats, side.fin and side.fin.frame) == (1, 5)


@pytest.mark.parametrize(("late_ms", "filled"), [(2, 0), (40, 1)])
def test_a_hole_that_is_filled_late_was_sent_again(late_ms: int, filled: int) -> None:
    frames = [*handshake(), segment(1005, b"more"), segment(1001, b"data")]
    assert facts_of(frames, [0, 1, 2, 3, 3 + late_ms]).side(CLIENT).filled == filled


WINDOWS = [
    *handshake(),
    segment(1001, b"data", ack=5001),
    full(5001, 1005, window=0, back=True),
    full(5001, 1005, window=0, back=True),
    full(5001, 1005, window=500, back=True),
    full(5001, 1005, window=0, back=True),
    full(5001, 1005, window=9, back=True),
]


@pytest.mark.parametrize("per_batch", [1, 2, 3, 99])
def test_the_longest_time_without_a_window_is_kept(per_batch: int) -> None:
    facts = facts_of(WINDOWS, [0, 1, 2, 3, 10, 500, 1510, 1600, 1700], per_batch)
    side = facts.side(SERVER)
    assert side.zero_windows == 2
    assert side.zero_window == (5, 10 * MILLISECOND, 1500 * MILLISECOND)
    assert facts.side(CLIENT).zero_window is None


def test_a_window_that_stays_closed_is_counted_to_the_last_segment() -> None:
    side = facts_of(WINDOWS[:6], [0, 1, 2, 3, 10, 5010]).side(SERVER)
    assert side.zero_window == (5, 10 * MILLISECOND, 5 * SECOND)


def test_the_window_of_a_reset_means_nothing() -> None:
    reset = ethernet(ipv4(tcp(5001, flags=RST, back=True, window=0), back=True))
    assert facts_of([*handshake(), reset]).side(SERVER).zero_windows == 0


def test_what_a_peer_acknowledged_and_nobody_captured_is_told_from_what_was_lost_on_the_way() -> None:
    lost = [*handshake(), segment(1001, b"data"), segment(5001, ack=2000, back=True)]
    assert facts_of(lost).side(CLIENT).is_lost
    silent = [*handshake(), segment(1001, b"data"), segment(5001, ack=1001, back=True)]
    side = facts_of(silent).side(CLIENT)
    assert (side.is_lost, side.unacknowledged) == (False, 4)


def test_payload_is_named_first_and_last() -> None:
    side = facts_of([*handshake(), segment(1001, b"a"), segment(1002, b"b"), segment(1003, flags=FIN)]).side(CLIENT)
    assert (side.first_payload and side.first_payload.frame, side.last_payload and side.last_payload.frame) == (4, 5)
    assert side.fin is not None
    assert side.fin.frame == 6


def test_when_the_sides_change_their_names_so_do_the_facts() -> None:
    facts = facts_of([*handshake(), segment(1001, flags=RST)]).flipped()
    assert (facts.sides[0].mac, facts.reset and facts.reset.sender, facts.syns) == (MACS[0], SERVER, ())


def test_data_and_a_fin_after_the_reset_do_not_make_it_a_regular_end() -> None:
    late = segment(5001, b"late", FIN | ACK, back=True)
    heard = Heard().feed(batch_of([*handshake(), segment(1001, flags=RST), late])).finish()
    (connection,) = heard.connections
    assert heard.stream(direction=SERVER) == b"late"
    assert [connection.facts(each).end for each in Direction] == ["rst", "rst"]
