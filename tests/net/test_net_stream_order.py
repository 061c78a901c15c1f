"""Segments put back in order before runs are cut: moved where it is certain, and what is told stays the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from net_building import ACK, FIN, PSH, Heard, handshake, hear, segment

from tlsdecrypt.flow import Direction
from tlsdecrypt.net import runs
from tlsdecrypt.net.events import StreamData
from tlsdecrypt.net.repeats import REORDERED_NS
from tlsdecrypt.net.stream_order import STEP_MAX, stream_order

if TYPE_CHECKING:
    from random import Random

CLIENT = Direction.CLIENT_TO_SERVER
WRAP = 1 << 32


def order_of(
    seqs: list[int], *, lengths: list[int] | None = None, times: list[int] | None = None, apart: tuple[int, ...] = ()
) -> list[int]:
    """The rows as `stream_order` gives them; by default each has ten bytes and all came at once."""
    count = len(seqs)
    is_apart = np.isin(np.arange(count), [0, *apart])
    columns = (np.array(seqs) % WRAP, np.array(lengths or [10] * count), np.array(times or [0] * count))
    order = stream_order(*columns, is_apart)
    return list(range(count)) if order is None else order.tolist()


def test_swapped_segments_are_put_back_also_where_the_sequence_number_wraps() -> None:
    for first in (100, WRAP - 15, WRAP - 10):
        assert order_of([first, first + 20, first + 10, first + 30]) == [0, 2, 1, 3]


def test_segments_behind_a_hole_are_put_in_order_around_it() -> None:
    assert order_of([100, 140, 120]) == [0, 2, 1]


def test_nothing_moves_past_a_segment_that_has_to_stay() -> None:
    assert order_of([100, 120, 110, 130], apart=(2,)) == [0, 1, 2, 3]


def test_segments_that_overlap_stay_as_they_came_and_others_beside_them_do_not() -> None:
    assert order_of([100, 120, 110, 120, 150, 140]) == [0, 1, 2, 3, 5, 4]
    assert order_of([100, 115, 110, 140, 130]) == [0, 1, 2, 4, 3]


def test_what_came_too_late_to_be_reordered_stays_where_it_came() -> None:
    assert order_of([100, 120, 110], times=[0, 1, 1 + REORDERED_NS]) == [0, 2, 1]
    assert order_of([100, 120, 110], times=[0, 1, 2 + REORDERED_NS]) == [0, 1, 2]


def test_what_lies_far_apart_is_no_little_reordering() -> None:
    assert order_of([100 + STEP_MAX, 100]) == [1, 0]
    assert order_of([101 + STEP_MAX, 100]) == [0, 1]


def everything(heard: Heard) -> object:
    """What was told but for how it was cut: for each byte its frame and time, the other events, all facts."""
    told: list[object] = []
    for event in heard.events.get(1, []):
        if isinstance(event, StreamData):
            spans = [event.span(at, at + 1) for at in range(len(event.data))]
            told += [(event.direction, event.offset + at, event.data[at], span) for at, span in enumerate(spans)]
        else:
            told.append(event)
    connection = heard.connections[0]
    return told, [connection.facts(direction) for direction in Direction], connection.tcp_facts()


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from([1000, WRAP - 100]),
    st.lists(st.integers(2, 9), min_size=2, max_size=40),
    st.randoms(use_true_random=False),
)
def test_putting_segments_in_order_first_changes_nothing_that_is_told(
    isn: int, lengths: list[int], random: Random
) -> None:
    arrivals, offset = [], 0
    for number, length in enumerate(lengths):
        payload = bytes(random.randrange(256) for _ in range(length))
        frame = segment(isn + 1 + offset, payload, PSH | ACK, 5001)
        offset += length
        sent = number * 200_000
        if random.random() > 0.1:
            arrivals.append((sent + random.choice([0, 0, 0, 300_000, 900_000, 5_000_000]), frame))
        if random.random() < 0.1:
            arrivals.append((sent + random.choice([100, 2_000_000, 9_000_000]), frame))
        if random.random() < 0.1:
            arrivals.append((sent + 1, segment(5001, b"", ACK, isn + 1 + offset, back=True)))
    arrivals.append((10_000_000 * len(lengths), segment(isn + 1 + offset, b"", FIN | ACK, 5001)))
    arrivals.sort(key=lambda arrival: arrival[0])
    frames = [*handshake(isn), *(frame for _, frame in arrivals)]
    times = [0, 1, 2, *(3 + time_ns for time_ns, _ in arrivals)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runs, "stream_order", lambda *_: None)
        expected = everything(hear(frames, times_ns=times))
    assert everything(hear(frames, times_ns=times)) == expected


def test_swapped_segments_become_one_event_and_are_still_counted_as_out_of_order() -> None:
    frames = [segment(1001, b"a"), segment(1003, b"c"), segment(1002, b"b"), segment(1004, b"d")]
    heard = hear([*handshake(), *frames])
    data = [event for event in heard.events[1] if isinstance(event, StreamData)]
    assert [(event.data, event.frames) for event in data] == [(b"abcd", [4, 6, 5, 7])]
    assert heard.connections[0].facts(CLIENT).out_of_order == 1
