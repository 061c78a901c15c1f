"""TLS as an observer sees it: real sessions, cut and ordered in any way, with holes, damage and late secrets."""

from __future__ import annotations

import random
import ssl
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from observing import ORDERS, byte_by_byte, cut_at, in_order, whole
from recorded_tls import DOWN, REQUEST, RESPONSE, UP, Flight, Peers, Recording, keylog_store, recording, rsa_store

from tlsdecrypt.flow import Direction, Span
from tlsdecrypt.tls.connection import TlsConnection
from tlsdecrypt.tls.events import ApplicationData, ApplicationGap, RecordUndecrypted
from tlsdecrypt.tls.secrets import SecretStore
from tlsdecrypt.tls.summary import summarize

if TYPE_CHECKING:
    from collections.abc import Sequence

    from observing import Cut

    from tlsdecrypt.tls.events import TlsEvent
    from tlsdecrypt.tls.session import TlsSession

CASES = {
    "TLS 1.0, CBC": ("TLSv1", "AES128-SHA"),
    "TLS 1.1, CBC": ("TLSv1_1", "AES256-SHA"),
    "TLS 1.2, CBC": ("TLSv1_2", "AES128-SHA256"),
    "TLS 1.2, GCM": ("TLSv1_2", "AES128-GCM-SHA256"),
    "TLS 1.2, ECDHE": ("TLSv1_2", "ECDHE-RSA-CHACHA20-POLY1305"),
    "TLS 1.3": ("TLSv1_3", None),
}
WITH_RSA_KEY = [name for name, (_, ciphers) in CASES.items() if ciphers and "ECDHE" not in ciphers]
MESSAGES: tuple[Flight, ...] = tuple((UP if i % 2 else DOWN, b"message %d " % i * (i + 1)) for i in range(12))


class Outcome(NamedTuple):
    said: tuple[bytes, bytes]
    session: TlsSession
    events: list[TlsEvent]

    @property
    def code(self) -> str:
        return self.session.verdict.code.value


def frame(number: int) -> Span:
    return Span(number, number, number, number)


def feed(
    connection: TlsConnection,
    flights: Sequence[tuple[Direction, bytes | int]],
    cut: Cut = whole,
    order: str = ORDERS[0],
) -> list[TlsEvent]:
    """Events of all flights; a number stands for so many bytes that were not captured."""
    events: list[TlsEvent] = []
    for number, (direction, data) in in_order(flights, order):
        if isinstance(data, int):
            events += connection.gap(direction, data, frame(number))
            continue
        for piece in cut(data):
            events += connection.feed(direction, piece, lambda _start, _end, number=number: frame(number))  # type: ignore[misc]
    return events


def outcome_of(connection: TlsConnection, store: SecretStore, events: list[TlsEvent]) -> Outcome:
    for direction in Direction:
        events += connection.end(direction, by_peer=True)
    events += connection.finish()
    said = [
        b"".join(e.data for e in events if isinstance(e, ApplicationData) and e.direction is way) for way in Direction
    ]
    return Outcome((said[0], said[1]), summarize(connection, store), events)


def read(
    flights: Sequence[tuple[Direction, bytes | int]], store: SecretStore, cut: Cut = whole, order: str = ORDERS[0]
) -> Outcome:
    connection = TlsConnection(store)
    return outcome_of(connection, store, feed(connection, flights, cut, order))


@cache
def long_recording(version: str = "TLSv1_2", ciphers: str | None = "AES128-GCM-SHA256") -> Recording:
    """Twelve messages, a record each."""
    peers = Peers(ssl.TLSVersion[version], ciphers)
    try:
        return peers.record(messages=MESSAGES)
    finally:
        peers.close()


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("name", CASES)
def test_a_key_log_opens_it_however_the_bytes_come(name: str, order: str) -> None:
    made = recording(*CASES[name])
    expected = read(made.flights, keylog_store(made.key_log))
    assert expected.said == (REQUEST, RESPONSE)
    assert expected.code == "decrypted"
    for cut in (whole, byte_by_byte, cut_at(3, 6, 80)):
        found = read(made.flights, keylog_store(made.key_log), cut, order)
        assert found.said == expected.said
        assert found.session.verdict == expected.session.verdict
        assert found.session.records_decrypted == expected.session.records_decrypted
        assert sorted(message.name for message in found.session.messages) == sorted(
            message.name for message in expected.session.messages
        )


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("name", WITH_RSA_KEY)
def test_the_servers_key_opens_it_however_the_bytes_come(name: str, order: str) -> None:
    made = recording(*CASES[name])
    for cut in (whole, byte_by_byte, cut_at(3, 6, 80)):
        found = read(made.flights, rsa_store(), cut, order)
        assert (found.said, found.code) == ((REQUEST, RESPONSE), "decrypted")
        assert found.session.key is not None
        assert found.session.key.kind == "private key"


@pytest.mark.parametrize("name", ["TLS 1.2, CBC", "TLS 1.3"])
def test_a_cut_at_any_place_of_the_handshake_changes_nothing(name: str) -> None:
    made = recording(*CASES[name])
    expected = read(made.flights, keylog_store(made.key_log)).session
    longest = max(len(data) for _, data in made.flights[:4])
    for place in range(1, longest, 5):
        assert read(made.flights, keylog_store(made.key_log), cut_at(place)).session == expected


def test_without_a_secret_the_verdict_says_what_is_missing() -> None:
    assert read(recording().flights, SecretStore()).code == "no-key"
    assert read(recording(*CASES["TLS 1.2, ECDHE"]).flights, rsa_store()).code == "forward-secrecy"
    assert read(recording("TLSv1_3", None).flights, rsa_store()).code == "forward-secrecy"
    other = keylog_store(recording("TLSv1_3", None).key_log)
    assert read(recording(*CASES["TLS 1.2, ECDHE"]).flights, other).code == "no-secret"


def test_a_wrong_line_of_a_key_log_opens_nothing() -> None:
    made = recording(*CASES["TLS 1.2, ECDHE"])
    line = made.key_log.rstrip()
    found = read(made.flights, keylog_store(line[:-1] + (b"0" if line[-1:] != b"0" else b"1")))
    assert (found.said, found.code) == ((b"", b""), "wrong-key")


@pytest.mark.parametrize("side", ["CLIENT", "SERVER"])
def test_half_a_key_log_opens_that_half(side: str) -> None:
    made = recording("TLSv1_3", None)
    lines = [line for line in made.key_log.splitlines(keepends=True) if line.startswith(side.encode())]
    for order in ORDERS:
        found = read(made.flights, keylog_store(b"".join(lines)), whole, order)
        assert found.said == ((REQUEST, b"") if side == "CLIENT" else (b"", RESPONSE))
        assert found.code == "partly-decrypted"


def records_of(flights: Sequence[Flight]) -> list[Flight]:
    """A flight for each record."""
    records = []
    for direction, data in flights:
        rest = data
        while rest:
            length = 5 + int.from_bytes(rest[3:5], "big")
            records.append((direction, rest[:length]))
            rest = rest[length:]
    return records


@pytest.mark.parametrize("name", ["TLS 1.0, CBC", "TLS 1.2, CBC", "TLS 1.2, GCM", "TLS 1.3"])
def test_a_hole_costs_the_records_that_it_swallowed(name: str) -> None:
    made = long_recording(*CASES[name])
    whole_said = read(made.flights, keylog_store(made.key_log)).said
    records = records_of(made.flights)
    chosen = random.Random(7).sample(range(len(records) - 14, len(records) - 4), 5)
    for place in chosen:
        direction, lost = records[place]
        holed: list[tuple[Direction, bytes | int]] = list(records)
        holed[place] = (direction, len(lost))
        found = read(holed, keylog_store(made.key_log))
        assert found.said[direction.other] == whole_said[direction.other]
        assert found.code == "partly-decrypted"
        missing = [message for way, message in MESSAGES if message not in found.said[way]]
        # CBC in TLS 1.0 chains from record to record, and one message is two records there
        assert 1 <= len(missing) <= 2
        assert any(isinstance(event, ApplicationGap) and event.direction is direction for event in found.events)


@pytest.mark.parametrize("name", ["TLS 1.2, GCM", "TLS 1.2, CBC", "TLS 1.3"])
def test_the_size_of_a_hole_is_told(name: str) -> None:
    made = long_recording(*CASES[name])
    records = records_of(made.flights)
    place = next(i for i, (way, _) in enumerate(records) if i > len(records) - 12 and way is UP)
    holed: list[tuple[Direction, bytes | int]] = list(records)
    holed[place] = (UP, len(records[place][1]))
    gaps = [event for event in read(holed, keylog_store(made.key_log)).events if isinstance(event, ApplicationGap)]
    assert len(gaps) == 1
    if name == "TLS 1.2, GCM":  # padding hides the length elsewhere
        said = read(made.flights, keylog_store(made.key_log)).said[UP]
        found = read(holed, keylog_store(made.key_log)).said[UP]
        assert gaps[0].length == len(said) - len(found)


@pytest.mark.parametrize("name", ["TLS 1.0, CBC", "TLS 1.1, CBC", "TLS 1.2, CBC", "TLS 1.2, GCM", "TLS 1.3"])
def test_one_damaged_record_does_not_end_a_direction(name: str) -> None:
    made = long_recording(*CASES[name])
    records = records_of(made.flights)
    # records without content go before those with some in TLS 1.0, to make their IV unknown
    places = [place for place in range(len(records) - 24, len(records) - 2) if len(records[place][1]) > 60]
    for place in places[-8::3]:
        direction, data = records[place]
        damaged: list[Flight] = list(records)
        damaged[place] = (direction, data[:-1] + bytes((data[-1] ^ 1,)))
        found = read(damaged, keylog_store(made.key_log))
        missing = [message for way, message in MESSAGES if message not in found.said[way]]
        assert 1 <= len(missing) <= 2
        assert found.code == "partly-decrypted"
        assert found.session.records_undecrypted >= 1
        assert any(isinstance(event, RecordUndecrypted) for event in found.events)


@pytest.mark.parametrize("uses_tickets", [True, False])
@pytest.mark.parametrize("version", ["TLSv1", "TLSv1_2"])
def test_a_resumed_session_opens_whether_its_parent_comes_before_or_after(version: str, *, uses_tickets: bool) -> None:
    peers = Peers(ssl.TLSVersion[version], "AES128-SHA")
    if not uses_tickets:
        peers.client.options |= ssl.OP_NO_TICKET
        peers.server.options |= ssl.OP_NO_TICKET
    try:
        parent = peers.record()
        child = peers.record(parent.session)
    finally:
        peers.close()
    before = rsa_store()
    read(parent.flights, before)
    assert read(child.flights, before).said == (REQUEST, RESPONSE)

    after = rsa_store()
    waiting = TlsConnection(after)
    events = feed(waiting, child.flights)
    assert waiting.is_waiting
    read(parent.flights, after)
    events += waiting.retry()
    assert not waiting.is_waiting
    found = outcome_of(waiting, after, events)
    assert (found.said, found.code) == ((REQUEST, RESPONSE), "decrypted")
    assert (found.session.resumed, found.session.resumption) == (True, "ticket" if uses_tickets else "session_id")
    assert found.session.key is not None
    assert found.session.key.kind == "resumption"

    alone = read(child.flights, rsa_store())
    assert (alone.said, alone.code) == ((b"", b""), "resumed-parent-missing")


@pytest.mark.parametrize("uses_tickets", [True, False])
def test_a_full_handshake_that_lost_its_middle_is_not_told_as_resumed(*, uses_tickets: bool) -> None:
    peers, others = (Peers(ssl.TLSVersion.TLSv1_2, "AES128-GCM-SHA256") for _ in range(2))
    for context in () if uses_tickets else (peers.client, peers.server, others.server):
        context.options |= ssl.OP_NO_TICKET
    try:
        parent = peers.record()
        peers.server = others.server  # which does not know the session
        records = records_of(peers.record(parent.session).flights)
    finally:
        peers.close()
        others.close()
    certificate = next(place for place, (way, data) in enumerate(records) if way is DOWN and data[5] == 11)
    exchange = next(place for place, (way, data) in enumerate(records) if way is UP and data[5] == 16)
    lost: list[tuple[Direction, bytes | int]] = list(records)
    lost[certificate : exchange + 1] = [(way, len(data)) for way, data in records[certificate : exchange + 1]]
    for store in (rsa_store(), SecretStore()):
        found = read(lost, store)
        assert (found.session.resumed, found.session.resumption, found.code) == (False, None, "truncated")


def test_a_key_log_that_comes_later_opens_what_waited() -> None:
    made = recording("TLSv1_3", None)
    store = SecretStore()
    store.is_growing = True
    connection = TlsConnection(store)
    events = feed(connection, made.flights)
    assert connection.is_waiting
    assert not any(isinstance(event, ApplicationData) for event in events)
    store.add_keylog(made.key_log, "late.log")
    events += connection.retry()
    found = outcome_of(connection, store, events)
    assert (found.said, found.code) == ((REQUEST, RESPONSE), "decrypted")


@given(data=st.data())
def test_any_bytes_behind_a_hello_are_survived(data: st.DataObject) -> None:
    made = recording(*CASES[data.draw(st.sampled_from(list(CASES)))])
    flights: list[tuple[Direction, bytes | int]] = list(made.flights[: data.draw(st.integers(1, 6))])
    way = st.sampled_from(list(Direction))
    framed = st.builds(
        lambda kind, body: bytes((kind, 3, 3)) + len(body).to_bytes(2, "big") + body,
        st.sampled_from([20, 21, 22, 23, 24]),
        st.binary(max_size=40),
    )
    flights += data.draw(st.lists(st.tuples(way, st.one_of(st.binary(max_size=60), framed)), max_size=6))
    found = read(flights, keylog_store(made.key_log))
    assert all(said in (b"", sent) for said, sent in zip(found.said, (REQUEST, RESPONSE), strict=True))


def test_what_is_chained_to_a_damaged_record_is_not_believed() -> None:
    """encrypt_then_mac in TLS 1.0: the MAC does not cover the IV, which is the end of the record before."""
    made = recording(*CASES["TLS 1.0, CBC"])
    said = made.flights[4][1]
    for place in range(len(said)):
        flights = list(made.flights)
        flights[4] = (UP, said[:place] + bytes((said[place] ^ 1,)) + said[place + 1 :])
        assert read(flights, keylog_store(made.key_log)).said[UP] in (b"", REQUEST)


@given(place=st.integers(0, 1_500), mask=st.integers(1, 255), name=st.sampled_from(list(CASES)))
def test_a_flipped_byte_anywhere_makes_no_false_plaintext(place: int, mask: int, name: str) -> None:
    made = recording(*CASES[name])
    flights = []
    for direction, data in made.flights:
        if 0 <= place < len(data):
            flights.append((direction, data[:place] + bytes((data[place] ^ mask,)) + data[place + 1 :]))
        else:
            flights.append((direction, data))
        place -= len(data)
    found = read(flights, keylog_store(made.key_log))
    # A flip in the ServerHello may name another suite that has the same MAC, or that does not encrypt.
    assume(found.session.cipher_suite == read(made.flights, SecretStore()).session.cipher_suite)
    assert all(said in (b"", sent) for said, sent in zip(found.said, (REQUEST, RESPONSE), strict=True))
