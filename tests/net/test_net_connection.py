from __future__ import annotations

import numpy as np
import pytest
from net_building import (
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

from tlsdecrypt.flow import Direction, Span
from tlsdecrypt.net import connection as connection_module
from tlsdecrypt.net import runs
from tlsdecrypt.net.events import EndReason, StreamEnd
from tlsdecrypt.net.runs import LINGER_NS
from tlsdecrypt.net.tcp import DOZE_NS, IDLE_NS, SETTLE_NS

CLIENT, SERVER = Direction.CLIENT_TO_SERVER, Direction.SERVER_TO_CLIENT


def goodbye(client: int, server: int) -> list[bytes]:
    """FIN both ways, and the last acknowledgment."""
    return [
        segment(client, flags=FIN | ACK, ack=server),
        segment(server, flags=FIN | ACK, ack=client + 1, back=True),
        segment(client + 1, ack=server + 1),
    ]


def reasons(heard: Heard, number: int = 1) -> list[tuple[Direction, EndReason]]:
    return [(event.direction, event.reason) for event in heard.events[number] if isinstance(event, StreamEnd)]


def test_a_connection_knows_its_ends_its_frames_and_its_segments() -> None:
    heard = hear(
        [*handshake(), segment(1001, b"ask"), segment(5001, b"answer", ack=1004, back=True), *goodbye(1004, 5007)]
    )
    (connection,) = heard.connections
    assert (str(connection.client), str(connection.server)) == ("192.0.2.1:49152", "192.0.2.2:443")
    assert connection.has_syn
    assert connection.is_over
    assert connection.span == Span(1, 8, MILLISECOND, 8 * MILLISECOND)
    assert connection.facts(CLIENT).segments == 5
    assert connection.facts(SERVER).segments == 3
    assert reasons(heard) == [(CLIENT, EndReason.FIN), (SERVER, EndReason.FIN)]


def test_connections_are_numbered_in_the_order_of_their_first_frames() -> None:
    ports = [40009, 40001, 40005]
    frames = [ethernet(ipv4(port.to_bytes(2, "big") + tcp(1, flags=SYN)[2:])) for port in ports]
    heard = hear(frames)
    assert [(each.id, each.client.port) for each in heard.connections] == [(1, 40009), (2, 40001), (3, 40005)]


ROLES = {
    "SYN from the higher address": ([segment(1, flags=SYN, back=True)], "192.0.2.2:443"),
    "only SYN with ACK": ([segment(1, flags=SYN | ACK, back=True)], "192.0.2.1:49152"),
    "data before SYN": ([segment(2, b"x", back=True), segment(1, flags=SYN, back=True)], "192.0.2.2:443"),
    "no SYN: the service's port is the server": ([segment(1, b"x", back=True)], "192.0.2.1:49152"),
}


@pytest.mark.parametrize(("frames", "client"), ROLES.values(), ids=ROLES.keys())
def test_who_is_the_client(frames: list[bytes], client: str) -> None:
    assert str(hear(frames).connections[0].client) == client


def test_without_a_service_port_the_first_sender_is_the_client() -> None:
    ports = (50002).to_bytes(2, "big") + (50001).to_bytes(2, "big")
    assert hear([ethernet(ipv4(ports + tcp(1, b"x")[4:]))]).connections[0].client.port == 50002


def test_a_repeated_syn_is_the_same_connection() -> None:
    syn = segment(1000, flags=SYN)
    heard = hear([syn, syn, *handshake(), segment(1001, b"data"), segment(5000, flags=SYN | ACK, back=True)])
    assert heard.stream() == b"data"
    assert len(heard.connections) == 1


def test_a_syn_with_another_number_is_another_connection_even_where_the_end_was_not_seen() -> None:
    again = [*handshake(900_000, 70_000), segment(900_001, b"second")]
    for per_batch in (1, 3, None):
        heard = hear([*handshake(), segment(1001, b"first"), *again], per_batch=per_batch)
        assert (heard.stream(1), heard.stream(2)) == (b"first", b"second")
        assert [each.is_over for each in heard.connections] == [True, True]
        assert reasons(heard) == [(CLIENT, EndReason.REUSED), (SERVER, EndReason.REUSED)]
        assert [(each.span.first_frame, each.span.last_frame) for each in heard.connections] == [(1, 4), (5, 8)]


def test_a_refused_connection_that_is_tried_again_with_another_number_is_another_one() -> None:
    refused = [segment(1000, flags=SYN), segment(0, flags=RST | ACK, ack=1001, back=True)]
    again = [segment(2000, flags=SYN), segment(0, flags=RST | ACK, ack=2001, back=True)]
    assert len(hear([*refused, *again]).connections) == 2
    assert len(hear([*refused, *refused]).connections) == 1


def test_a_syn_ack_may_be_replaced_while_nothing_came_of_the_first() -> None:
    first = [segment(1000, flags=SYN), segment(9000, flags=SYN | ACK, ack=1001, back=True)]
    heard = hear([*first, segment(5000, flags=SYN | ACK, ack=1001, back=True), segment(5001, b"answer", back=True)])
    assert heard.stream(direction=SERVER) == b"answer"


def test_data_that_was_captured_after_the_reset_still_belongs_to_the_connection() -> None:
    frames = [*handshake(), segment(1001, b"a", ack=5001), segment(1002, flags=RST), segment(5001, b"late", back=True)]
    heard = hear(frames, per_batch=1)
    assert heard.stream(direction=SERVER) == b"late"
    assert reasons(heard) == [(CLIENT, EndReason.RST), (SERVER, EndReason.RST)]
    ends = [
        (event.span.first_frame, event.span.last_frame) for event in heard.events[1] if isinstance(event, StreamEnd)
    ]
    assert ends == [(5, 5), (5, 5)]


def test_a_connection_that_ended_is_given_back_after_it_lingered() -> None:
    frames = [*handshake(), *goodbye(1001, 5001)]
    heard = Heard().feed(batch_of(frames))
    (connection,) = heard.connections
    assert not connection.is_over
    elsewhere = ethernet(ipv4(b"\x9c\x41" + tcp(1, flags=SYN)[2:]))
    heard.feed(batch_of([elsewhere], first_number=7, times_ns=[LINGER_NS]))
    assert not connection.is_over
    heard.feed(batch_of([elsewhere], first_number=8, times_ns=[LINGER_NS + SECOND]))
    assert connection.is_over
    assert (connection.span.first_frame, connection.span.last_frame) == (1, 6)


STRAYS = {
    "acknowledgment": segment(1002, ack=5002),
    "reset": segment(5002, flags=RST, back=True),
    "FIN again": segment(1005, flags=FIN | ACK, ack=5002),
    "data again": segment(1001, b"data", ack=5002),
    "keep-alive": segment(1005, b"\x00", ack=5002),
}


@pytest.mark.parametrize("stray", STRAYS.values(), ids=STRAYS.keys())
@pytest.mark.parametrize("per_batch", [1, 8])
def test_a_stray_segment_of_a_connection_that_is_over_starts_no_other(stray: bytes, per_batch: int) -> None:
    frames = [*handshake(), segment(1001, b"data"), *goodbye(1005, 5001), stray]
    times = [*range(7), 10 * SECOND]
    heard = hear(frames, per_batch=per_batch, times_ns=times)
    assert len(heard.connections) == 1
    assert heard.connections[0].facts(CLIENT).end == "fin"


def test_new_data_on_the_four_tuple_of_a_connection_that_is_over_starts_another() -> None:
    frames = [*handshake(), segment(1001, b"data"), *goodbye(1005, 5001), segment(800_000, b"new")]
    heard = hear(frames, times_ns=[*range(7), 10 * SECOND])
    assert (heard.stream(1), heard.stream(2)) == (b"data", b"new")
    assert not heard.connections[1].has_syn


def test_data_far_away_right_after_the_end_belongs_to_another_connection() -> None:
    frames = [*handshake(), segment(1001, b"data"), *goodbye(1005, 5001), segment(800_000_000, b"new")]
    heard = hear([*frames, segment(799_999_999, flags=SYN)])
    assert (heard.stream(1), heard.stream(2)) == (b"data", b"new")
    assert heard.connections[1].has_syn


def test_four_tuples_that_are_remembered_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_module, "REMEMBERED_MAX", 0)
    heard = hear([*handshake(), *goodbye(1001, 5001), segment(1002)], times_ns=[*range(6), 10 * SECOND])
    assert len(heard.connections) == 2


def syns(count: int) -> list[bytes]:
    return [ethernet(ipv4((30000 + index).to_bytes(2, "big") + tcp(1, flags=SYN)[2:])) for index in range(count)]


def test_open_connections_are_bounded_and_the_longest_silent_goes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_module, "CONNECTIONS_MAX", 3)
    heard = Heard().feed(batch_of(syns(3)))
    assert not heard.connections
    heard.feed(batch_of([syns(1)[0], syns(4)[3]], first_number=4))
    assert [each.client.port for each in heard.connections] == [30001]
    assert reasons(heard, 2) == [(CLIENT, EndReason.IDLE), (SERVER, EndReason.IDLE)]


def test_lingering_connections_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_module, "LINGERING_MAX", 0)
    heard = Heard().feed(batch_of([*handshake(), *goodbye(1001, 5001)]))
    assert heard.connections[0].is_over


def test_a_connection_that_is_silent_for_an_hour_ends() -> None:
    heard = Heard().feed(batch_of([*handshake(), segment(1001, b"data")]))
    other = syns(1)
    heard.feed(batch_of(other, first_number=5, times_ns=[IDLE_NS]))
    assert not heard.connections[0].is_over
    heard.feed(batch_of(other, first_number=6, times_ns=[IDLE_NS + SECOND]))
    assert heard.connections[0].is_over
    assert reasons(heard) == [(CLIENT, EndReason.IDLE), (SERVER, EndReason.IDLE)]


@pytest.mark.parametrize(("silence_ns", "is_told_apart"), [(DOZE_NS // 2, True), (2 * DOZE_NS, False)])
def test_after_a_minute_of_silence_what_was_said_is_let_go(*, silence_ns: int, is_told_apart: bool) -> None:
    heard = Heard().feed(batch_of([*handshake(), segment(1001, b"data")]))
    heard.feed(batch_of(syns(1), first_number=5, times_ns=[silence_ns]))
    heard.feed(
        batch_of([segment(1001, b"DATA"), segment(1005, b" and more")], first_number=6, times_ns=[silence_ns + 1] * 2)
    )
    facts = heard.connections[0].facts(CLIENT)
    assert heard.stream() == b"data and more"
    assert facts.repeated == 4
    assert facts.conflicting == 4 * is_told_apart


@pytest.mark.parametrize("elsewhere", [True, False])
def test_a_clock_that_jumps_for_one_frame_ends_nothing(*, elsewhere: bool) -> None:
    frames = [*handshake(), segment(1001, b"data"), segment(1005, b" and more")]
    if elsewhere:
        frames.insert(1, syns(1)[0])
    times = [0, 10**18, *range(1, len(frames) - 1)]
    heard = hear(frames, per_batch=3, times_ns=times)
    assert heard.stream() == b"data and more"
    assert len(heard.connections) == 1 + elsewhere


def test_one_direction_only_is_a_connection_too() -> None:
    heard = hear([segment(5001 + 4 * index, b"data", ack=1, back=True) for index in range(20)])
    assert heard.stream(direction=SERVER) == b"data" * 20
    assert heard.stream() == b""


def test_a_four_tuple_that_only_acknowledges_is_a_connection_without_data() -> None:
    heard = hear([segment(1, ack=1), segment(1, ack=1, back=True)])
    assert heard.names() == ["StreamEnd", "StreamEnd"]
    assert heard.connections[0].facts(CLIENT).segments == 1


def test_without_a_syn_what_came_first_is_held_back_no_longer_than_needed() -> None:
    heard = Heard().feed(batch_of([segment(1001, b"data")]))
    assert not heard.events
    heard.feed(batch_of(syns(1), first_number=2, times_ns=[SETTLE_NS + SECOND]))
    assert heard.stream() == b"data"


def test_what_was_held_back_keeps_its_order_between_the_directions() -> None:
    frames = [segment(1001, b"ask", ack=1), segment(1, b"answer", ack=1004, back=True), segment(1004, b"again")]
    heard = hear(frames, per_batch=1)
    data = [event.data for event in heard.events[1] if not isinstance(event, StreamEnd)]
    assert data == [b"ask", b"answer", b"again"]


def test_a_syn_that_was_captured_late_says_where_the_stream_starts() -> None:
    frames = [segment(1011, b"world"), segment(1000, flags=SYN), segment(1001, b"hello, the")]
    heard = Heard().feed(batch_of(frames))
    assert heard.stream() == b"hello, theworld"
    assert heard.connections[0].has_syn


def test_keys_that_share_a_hash_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "_MIXERS", np.zeros(5, np.uint64))
    ports = [40003, 40001, 40002]
    frames = [
        ethernet(ipv4(port.to_bytes(2, "big") + tcp(1 + step, bytes([port & 255]) * step)[2:]))
        for step in (1, 2)
        for port in ports
    ]
    heard = hear(frames)
    assert [heard.stream(number) for number in (1, 2, 3)] == [bytes([port & 255]) * 3 for port in ports]


def test_an_empty_batch_and_a_batch_without_tcp_tell_nothing() -> None:
    heard = Heard().feed(batch_of([])).feed(batch_of([ethernet(bytes(28), 0x0806)])).finish()
    assert not heard.events
    assert heard.table.other_frames == {"arp": 1}
