"""Known streams, cut, shuffled, repeated and damaged, through the whole of the net layer."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from net_building import ACK, FIN, PSH, SECOND, SYN, Heard, batch_of, ethernet, handshake, hear, ipv4, segment, tcp

from tlsdecrypt.flow import Direction
from tlsdecrypt.net import pending, reassembly, runs
from tlsdecrypt.net.events import EndReason, StreamData, StreamEnd, StreamGap

if TYPE_CHECKING:
    from random import Random

STREAM = bytes(range(1, 251)) * 4
REORDERED = 8  # segments, of those that are looked at before the start of a stream is settled
CLIENT, SERVER = Direction.CLIENT_TO_SERVER, Direction.SERVER_TO_CLIENT

starts = st.sampled_from([1000, 2**32 - 1, 2**32 - 100, 2**32 - 500, 2**31 - 200])
# Even, so that no segment has one byte: what repeats one byte is a keep-alive, which is not counted.
cuts = st.lists(st.integers(1, len(STREAM) // 2 - 1).map(lambda half: 2 * half), max_size=12, unique=True).map(sorted)


def pieces(places: list[int]) -> list[tuple[int, int]]:
    return list(zip([0, *places], [*places, len(STREAM)], strict=True))


def data_frame(isn: int, start: int, end: int) -> bytes:
    return segment(isn + 1 + start, STREAM[start:end], PSH | ACK, 5001)


@settings(max_examples=60, deadline=None)
@given(starts, cuts, st.randoms(use_true_random=False), st.integers(1, 40))
def test_shuffled_repeated_and_overlapping_segments_give_the_stream(
    isn: int, places: list[int], random: Random, per_batch: int
) -> None:
    frames = [data_frame(isn, start, end) for start, end in pieces(places)]
    for _ in range(random.randrange(6)):
        start = random.randrange(len(STREAM) - 2)
        frames.append(data_frame(isn, start, random.randrange(start + 2, len(STREAM) + 1)))
    random.shuffle(frames)
    last = segment(isn + 1 + len(STREAM), b"", FIN | ACK)
    heard = hear([*handshake(isn), *frames, last], per_batch=per_batch)
    assert heard.stream() == STREAM
    facts = heard.connections[0].facts(CLIENT)
    sent = sum(len(frame) - 54 for frame in frames)
    assert (facts.length, facts.repeated) == (len(STREAM), sent - len(STREAM))
    assert (facts.gaps, facts.conflicting, facts.end) == (0, 0, "fin")


@settings(max_examples=60, deadline=None)
@given(starts, cuts, st.randoms(use_true_random=False), st.integers(1, 40))
def test_of_lost_segments_the_holes_are_named_with_their_size(
    isn: int, places: list[int], random: Random, per_batch: int
) -> None:
    parts = pieces(places)
    kept = [part for part in parts if random.random() < 0.7]
    frames = [data_frame(isn, start, end) for start, end in kept]
    random.shuffle(frames)
    last = segment(isn + 1 + len(STREAM), b"", FIN | ACK)
    heard = hear([*handshake(isn), *frames, last], per_batch=per_batch)
    wanted = b"".join(STREAM[a:b] if (a, b) in kept else b"?" * (b - a) for a, b in parts)
    assert heard.stream() == wanted
    assert heard.connections[0].facts(CLIENT).missing == len(STREAM) - sum(end - start for start, end in kept)
    assert heard.names()[-1] == "StreamEnd"


@settings(max_examples=30, deadline=None)
@given(starts, cuts, st.randoms(use_true_random=False))
def test_how_the_capture_was_cut_into_batches_changes_nothing(isn: int, places: list[int], random: Random) -> None:
    frames = [data_frame(isn, start, end) for start, end in pieces(places) if random.random() < 0.8]
    frames += [segment(5001, b"answer" * 9, ACK, isn + 1 + random.randrange(len(STREAM)), back=True)]
    frames += [segment(5055 + index, b"x", ACK, isn + 1 + len(STREAM), back=True) for index in range(3)]
    random.shuffle(frames)
    times = [index * SECOND for index in range(len(frames) + 3)]
    results = []
    for per_batch in (1, 2, 3, None):
        heard = hear([*handshake(isn), *frames], per_batch=per_batch, times_ns=times)
        (connection,) = heard.connections
        results.append(
            (heard.stream(), heard.stream(direction=SERVER), connection.facts(CLIENT), connection.facts(SERVER))
        )
    assert all(result == results[0] for result in results)


@settings(max_examples=60, deadline=None)
@given(st.randoms(use_true_random=False), cuts)
def test_a_capture_that_begins_in_the_middle_keeps_segments_that_were_swapped_at_its_start(
    random: Random, places: list[int]
) -> None:
    frames = [data_frame(2**32 - 90, start, end) for start, end in pieces(places)]
    first = frames[:REORDERED]
    random.shuffle(first)
    heard = hear([*first, *frames[REORDERED:]], per_batch=random.choice([1, 3, 50]))
    assert heard.stream() == STREAM
    assert not heard.connections[0].has_syn


def test_segments_of_a_run_become_one_event_that_knows_the_frame_of_each_byte() -> None:
    frames = [segment(1001 + 10 * index, STREAM[10 * index : 10 * index + 10], ack=5001) for index in range(5)]
    acks = [segment(5001, ack=1011 + 10 * index, back=True) for index in range(5)]
    mixed = [frame for pair in zip(frames, acks, strict=True) for frame in pair]
    (event,) = [each for each in hear([*handshake(), *mixed]).events[1] if isinstance(each, StreamData)]
    assert event.data == STREAM[:50]
    assert list(event.frames) == [4, 6, 8, 10, 12]
    before, inside = event.span(9, 21), event.span(10, 20)
    assert (before.first_frame, before.last_frame) == (4, 8)
    assert (inside.first_frame, inside.last_frame) == (6, 6)


def test_events_of_both_directions_come_in_capture_order() -> None:
    talk = [segment(1001, b"ask", ack=5001), segment(5001, b"answer", ack=1004, back=True), segment(1004, b"more")]
    events = [event for event in hear([*handshake(), *talk]).events[1] if isinstance(event, StreamData)]
    assert [(event.direction, event.data) for event in events] == [
        (CLIENT, b"ask"),
        (SERVER, b"answer"),
        (CLIENT, b"more"),
    ]


def test_directions_are_told_apart_where_their_sequence_numbers_happen_to_follow() -> None:
    talk = [segment(1001, b"ask", ack=1004), segment(1004, b"answer", ack=1004, back=True)]
    heard = hear([*handshake(1000, 1003), *talk])
    assert (heard.stream(), heard.stream(direction=SERVER)) == (b"ask", b"answer")


def test_of_conflicting_copies_the_first_is_kept_and_the_difference_counted() -> None:
    frames = [
        segment(1001, b"first"),
        segment(1001, b"FIRsT, and more"),
        segment(1030, b"later"),
        segment(1032, b"TER!"),
    ]
    heard = hear([*handshake(), *frames])
    assert heard.stream() == b"first, and more" + b"?" * 14 + b"later!"
    facts = heard.connections[0].facts(CLIENT)
    assert (facts.conflicting, facts.repeated) == (4 + 3, 5 + 3)


def test_a_conflict_with_bytes_long_gone_is_a_repetition() -> None:
    frames = [segment(1001, bytes(1000)), *(segment(2001 + 1000 * index, bytes(1000)) for index in range(9))]
    heard = hear([*handshake(), *frames, segment(1001, b"\xff" * 1000), segment(10001, b"\xff" * 1000)])
    facts = heard.connections[0].facts(CLIENT)
    assert (facts.repeated, facts.conflicting) == (2000, 1000)


@pytest.mark.parametrize("probe", [b"\x00", b""])
def test_a_keep_alive_is_neither_data_nor_conflict(probe: bytes) -> None:
    frames = [segment(1001, b"data"), segment(1004, probe, ack=5001), segment(5001, ack=1005, back=True)]
    heard = hear([*handshake(), *frames, segment(1005, b" and more")])
    assert heard.stream() == b"data and more"
    facts = heard.connections[0].facts(CLIENT)
    assert (facts.repeated, facts.conflicting, facts.out_of_order) == (0, 0, 0)


def test_a_keep_alive_directly_in_front_of_data_is_no_conflict_either() -> None:
    heard = hear([*handshake(), segment(1001, b"data"), segment(1004, b"\x00"), segment(1005, b" and more")])
    assert heard.stream() == b"data and more"
    assert heard.connections[0].facts(CLIENT).conflicting == 0


def test_data_with_syn_is_the_start_of_the_stream() -> None:
    frames = [
        segment(1000, b"early ", SYN),
        segment(5000, flags=SYN | ACK, ack=1007, back=True),
        segment(1007, b"late"),
    ]
    assert hear(frames).stream() == b"early late"


def test_fin_with_data_ends_the_stream_once_the_data_before_it_is_there() -> None:
    frames = [segment(1006, b" bye", FIN | ACK), segment(1001, b"hello"), segment(1006, b" bye", FIN | ACK)]
    heard = hear([*handshake(), *frames])
    assert heard.stream() == b"hello bye"
    ends = [event for event in heard.events[1] if isinstance(event, StreamEnd) and event.direction is CLIENT]
    assert [(end.reason, (end.span.first_frame, end.span.last_frame)) for end in ends] == [(EndReason.FIN, (4, 4))]


HOLE = [*handshake(), segment(1001, b"seen"), segment(1010, b"behind", ack=5001)]
LATE = segment(1005, b" hole")


def test_a_hole_that_the_peer_did_not_acknowledge_is_waited_for() -> None:
    more = [segment(1016 + index, b"+", ack=5001) for index in range(30)]
    times = [index * SECOND for index in range(len(HOLE) + len(more) + 1)]
    assert hear([*HOLE, *more, LATE], times_ns=times).stream() == b"seen hole" + b"behind" + b"+" * 30


def test_a_hole_that_the_peer_acknowledged_is_waited_for_as_long_as_captures_reorder() -> None:
    acked = segment(5001, b"ok", ack=1016, back=True)
    assert hear([*HOLE, acked, LATE]).stream() == b"seen hole" + b"behind"


def test_a_hole_that_the_peer_acknowledged_is_a_gap_after_a_while_and_late_data_is_a_repetition() -> None:
    acked, later = segment(5001, ack=1016, back=True), segment(5001, b"ok", ack=1016, back=True)
    times = [*range(6), runs.REORDER_NS + 10, runs.REORDER_NS + 11]
    heard = hear([*HOLE, acked, later, LATE], times_ns=times)
    assert heard.stream() == b"seen?????behind"
    (gap,) = [event for event in heard.events[1] if isinstance(event, StreamGap)]
    assert (gap.offset, gap.length, (gap.span.first_frame, gap.span.last_frame)) == (4, 5, (4, 5))
    facts = heard.connections[0].facts(CLIENT)
    assert (facts.gaps, facts.missing, facts.repeated, facts.conflicting) == (1, 5, 5, 0)
    answer = [type(event).__name__ for event in heard.events[1] if event.direction is CLIENT]
    assert answer == ["StreamData", "StreamGap", "StreamData", "StreamEnd"]


def test_a_hole_that_the_peer_acknowledged_is_a_gap_when_much_waits_behind_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reassembly, "REORDER_BYTES", 3 * pending.SEGMENT_COST)
    acked = segment(5001, b"ok", ack=1016, back=True)
    more = [segment(1016, b"!"), segment(1017, b"!")]
    assert hear([*HOLE, acked, *more[:1], LATE]).stream() == b"seen hole" + b"behind!"
    assert hear([*HOLE, acked, *more, LATE], per_batch=1).stream() == b"seen?????behind!!"


def test_a_hole_that_is_being_filled_is_not_given_up() -> None:
    filling = [segment(1005, b" h"), segment(1007, b"ol"), segment(1009, b"e")]
    acked = segment(5001, ack=1016, back=True)
    pause = runs.REORDER_NS - 10
    for per_batch in (1, None):
        heard = hear([*HOLE, acked, *filling], per_batch=per_batch, times_ns=[*range(6), pause, 2 * pause, 3 * pause])
        assert heard.stream() == b"seen hole" + b"behind"


def test_a_pause_in_the_middle_of_what_fills_a_hole_counts_wherever_the_batches_end() -> None:
    filling = [segment(1005, b" h"), segment(1007, b"ole")]
    times = [*range(6), 10, runs.REORDER_NS + 10]
    for per_batch in (1, 4, None):
        heard = hear([*HOLE, segment(5001, ack=1016, back=True), *filling], per_batch=per_batch, times_ns=times)
        assert heard.stream() == b"seen h???behind"


def test_segments_that_came_before_their_predecessors_are_counted_as_out_of_order() -> None:
    frames = [segment(1003, b"c"), segment(1002, b"b"), segment(1001, b"a"), segment(1004, b"d")]
    assert hear([*handshake(), *frames]).connections[0].facts(CLIENT).out_of_order == 2


def test_what_waits_is_bounded_in_each_direction_and_in_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reassembly, "PENDING_MAX", 6 + pending.SEGMENT_COST)
    assert hear([*HOLE, LATE]).stream() == b"seen hole" + b"behind"
    assert hear([*HOLE, segment(1016, b"!"), LATE], per_batch=1).stream() == b"seen?????behind!"
    monkeypatch.undo()
    monkeypatch.setattr(pending, "PENDING_TOTAL_MAX", 6 + pending.SEGMENT_COST)
    heard = hear([*HOLE, segment(1016, b"!"), LATE], per_batch=1)
    assert heard.stream() == b"seen?????behind!"


def test_what_waits_no_more_is_no_longer_counted() -> None:
    heard = Heard().feed(batch_of(HOLE))
    assert heard.table._budget.used == 6 + pending.SEGMENT_COST
    heard.feed(batch_of([LATE], first_number=6))
    assert heard.table._budget.used == 0
    heard.feed(batch_of([segment(1030, b"x"), segment(1029, b"yx")], first_number=7))
    assert heard.table._budget.used == 2 + 2 * pending.SEGMENT_COST
    assert heard.finish().table._budget.used == 0


def test_the_tail_that_the_snap_length_cut_is_a_gap_of_known_size_at_once() -> None:
    frames = [*handshake(), segment(1001, STREAM[:500]), segment(1501, STREAM[500:600])]
    lengths = [len(frame) for frame in frames]
    cut = [frame[:154] for frame in frames]
    for per_batch in (1, 5):
        heard = Heard()
        for first in range(0, 5, per_batch):
            part = slice(first, first + per_batch)
            heard.feed(batch_of(cut[part], original_lengths=lengths[part], first_number=first + 1))
        assert heard.stream() == STREAM[:100] + b"?" * 400 + STREAM[500:600]


def test_a_segment_of_which_the_snap_length_left_only_headers_is_a_gap() -> None:
    frames = [*handshake(), segment(1001, b"all of it"), segment(1010, b"seen")]
    lengths = [len(frame) for frame in frames]
    frames[3] = frames[3][:54]
    heard = Heard().feed(batch_of(frames, original_lengths=lengths)).finish()
    assert heard.stream() == b"?" * 9 + b"seen"


def test_data_further_ahead_than_any_window_is_no_data_of_the_stream() -> None:
    heard = hear([*handshake(), segment(1001, b"seen"), segment(1001 + reassembly.WINDOW_MAX + 9, b"far")])
    assert heard.stream() == b"seen"


def test_an_ethernet_trailer_is_not_payload() -> None:
    padded = ethernet(ipv4(tcp(1001))) + b"\xaa" * 6
    assert hear([*handshake(), padded, segment(1001, b"data")]).stream() == b"data"


def test_every_frame_of_a_mirror_port_twice_gives_the_stream_once() -> None:
    frames = [*handshake(), *(data_frame(1000, start, end) for start, end in pieces([100, 300, 302, 777]))]
    heard = hear([frame for frame in frames for _ in range(2)])
    assert heard.stream() == STREAM
    facts = heard.connections[0].facts(CLIENT)
    assert (facts.repeated, facts.conflicting) == (0, 0)
    assert heard.table.other_frames == {"doubled": len(frames) - 1}  # a bare acknowledgment may have been sent twice
    assert Counter(heard.names())["StreamGap"] == 0
