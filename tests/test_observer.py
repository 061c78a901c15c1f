"""One connection from its first byte: TLS that begins later, whatever carries it, and clear text that stays clear."""

from __future__ import annotations

import hashlib
import ssl
from typing import TYPE_CHECKING

import pytest
from carrier_dialogues import CARRIERS
from hypothesis import given
from hypothesis import strategies as st
from observing import ORDERS, Flight, Tcp, byte_by_byte, cut_at, events_of, observe, whole
from recorded_tls import DOWN, REQUEST, RESPONSE, RSA_SUITE_NAME, UP, Peers, recording, rsa_store

from tlsdecrypt.flow import Endpoint
from tlsdecrypt.net.events import StreamData
from tlsdecrypt.observer import Observer
from tlsdecrypt.tls.secrets import SecretStore

if TYPE_CHECKING:
    from observing import Cut

    from tlsdecrypt.app.exchange import Exchange
    from tlsdecrypt.conversation import Conversation
    from tlsdecrypt.flow import Direction, Span

STARTTLS = CARRIERS["smtp"][1]


def is_open(conversation: Conversation) -> bool:
    """Whether all of request and answer was decrypted, and nothing else taken for it."""
    found = [(each.length, each.sha256) for each in conversation.application_data]
    return found == [(len(data), hashlib.sha256(data).hexdigest()) for data in (REQUEST, RESPONSE)]


def verdict_of(conversation: Conversation) -> str | None:
    return conversation.tls.verdict.code.value if conversation.tls else None


def coalesced(flights: list[Flight]) -> list[Flight]:
    """One flight for what one side sends before the other does."""
    out: list[Flight] = []
    for direction, data in flights:
        if out and out[-1][0] is direction:
            out[-1] = (direction, (out[-1][1] or b"") + (data or b""))
        else:
            out.append((direction, data))
    return out


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("name", CARRIERS)
def test_tls_is_found_behind_its_carrier(name: str, order: str) -> None:
    started_by, clear = CARRIERS[name]
    flights = [*clear, *recording().flights]
    for cut in (whole, cut_at(1, 7, 12)):
        conversation = observe(events_of(flights, cut, order), rsa_store())
        assert is_open(conversation)
        assert conversation.tls is not None
        assert conversation.tls.started_by == started_by
        assert conversation.tls.cipher_suite == RSA_SUITE_NAME
        assert verdict_of(conversation) == "decrypted"


@pytest.mark.parametrize("name", CARRIERS)
def test_a_carrier_and_the_hello_may_share_a_segment(name: str) -> None:
    """Clients of proxies do not wait for the answer; segments that are sent again are joined."""
    started_by, clear = CARRIERS[name]
    flights = coalesced(sorted([*clear, *recording().flights], key=lambda flight: flight[0]))
    assert len(flights) == 2
    for order in ("client first", "server first"):
        conversation = observe(events_of(flights, whole, order), rsa_store())
        assert is_open(conversation)
        assert conversation.tls is not None
        assert conversation.tls.started_by == started_by


@pytest.mark.parametrize("name", CARRIERS)
def test_byte_by_byte_all_is_the_same(name: str) -> None:
    flights = [*CARRIERS[name][1], *recording().flights]
    assert observe(events_of(flights, byte_by_byte), rsa_store()) == observe(events_of(flights), rsa_store())


def test_a_cut_at_any_place_changes_nothing() -> None:
    flights = coalesced([*STARTTLS[:-1], (UP, b""), *recording().flights])
    expected = observe(events_of(flights), rsa_store())
    assert is_open(expected)
    for place in range(1, max(len(data or b"") for _, data in flights), 3):
        assert observe(events_of(flights, cut_at(place, place + 1)), rsa_store()) == expected


def test_the_clear_part_and_the_decrypted_part_are_both_told() -> None:
    flights = [*CARRIERS["http connect"][1], *recording().flights]
    conversation = observe(events_of(flights), rsa_store())
    assert [(each.request.method, each.response.status) for each in conversation.exchanges] == [
        ("CONNECT", 200),
        ("GET", 200),
    ]


@pytest.mark.parametrize("name", ["socks4", "socks5"])
def test_the_words_of_a_proxy_on_a_port_of_http_are_no_http(name: str) -> None:
    tcp = Tcp(server=Endpoint("198.51.100.20", 8080))
    conversation = observe(events_of([*CARRIERS[name][1], *recording().flights]), rsa_store(), tcp)
    assert [each.request.method for each in conversation.exchanges] == ["GET"]


def test_the_proxy_protocol_names_the_client() -> None:
    for name in ("proxy v1", "proxy v2"):
        conversation = observe(events_of([*CARRIERS[name][1], *recording().flights]), rsa_store())
        assert [note.what for note in conversation.notes] == [
            "the header of the PROXY protocol names the client 192.0.2.99:54321"
        ]


def test_the_proxy_protocol_is_no_part_of_a_clear_request() -> None:
    flights = [(UP, CARRIERS["proxy v1"][1][0][1] + REQUEST), (DOWN, RESPONSE)]
    for cut in (whole, byte_by_byte):
        conversation = observe(events_of(flights, cut))
        assert [each.request.target for each in conversation.exchanges] == ["/owa/"]
        assert len(conversation.notes) == 1


def as_capture(data: bytes) -> bytes:
    """As a capture file holds it: a packet header and frame headers before each segment."""
    return b"".join(bytes(16 + 54) + data[at : at + 1_400] for at in range(0, len(data), 1_400))


@pytest.mark.parametrize("cut", [whole, cut_at(400), byte_by_byte])
def test_a_capture_that_is_uploaded_in_the_clear_stays_an_upload(cut: Cut) -> None:
    body = b"".join(as_capture(data) for _, data in recording().flights)
    head = b"POST /upload HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % len(body)
    answer = b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n"
    conversation = observe(events_of([(UP, head + body), (DOWN, answer)], cut), rsa_store())
    assert conversation.tls is None
    (exchange,) = conversation.exchanges
    assert exchange.request.content == body
    assert exchange.response.status == 201
    assert exchange.faults == ()


@pytest.mark.parametrize("cut", [whole, cut_at(400), byte_by_byte])
def test_a_capture_that_is_downloaded_in_the_clear_stays_a_download(cut: Cut) -> None:
    body = b"".join(as_capture(data) for _, data in recording().flights) + bytes(24)
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    conversation = observe(events_of([(UP, REQUEST), (DOWN, answer)], cut), rsa_store())
    assert conversation.tls is None
    assert conversation.exchanges[0].response.content == body


def test_false_hellos_without_number_are_no_hellos() -> None:
    hello = recording().flights[0][1][:60]
    body = (hello + b"no record") * 500
    head = b"POST /upload HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % len(body)
    answer = b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n"
    conversation = observe(events_of([(UP, head + body), (DOWN, answer)], cut_at(9_000)), rsa_store())
    assert conversation.tls is None
    assert conversation.exchanges[0].request.content == body


def test_a_hello_that_only_an_alert_answers_is_a_handshake_that_failed() -> None:
    alert = bytes.fromhex("15 0301 0002 02 28")
    for order in ORDERS:
        conversation = observe(events_of([*STARTTLS, recording().flights[0], (DOWN, alert)], order=order), rsa_store())
        assert conversation.tls is not None
        assert conversation.tls.verdict.summary == "the handshake failed: server sent the alert handshake_failure"


def test_a_hello_that_nothing_answers_is_one_all_the_same() -> None:
    conversation = observe(events_of([*STARTTLS, recording().flights[0]]), rsa_store())
    assert verdict_of(conversation) == "handshake-failed"
    assert conversation.tls is not None
    assert conversation.tls.server_name == "mail.contoso.com"


def test_only_the_servers_side_was_captured() -> None:
    flights = [flight for flight in [*STARTTLS, *recording().flights] if flight[0] is DOWN]
    conversation = observe(events_of(flights), rsa_store())
    assert verdict_of(conversation) == "handshake-missing"
    assert conversation.tls is not None
    assert conversation.tls.cipher_suite == RSA_SUITE_NAME


def test_a_hole_that_swallowed_the_hello_is_no_clear_text() -> None:
    hello_at = len(STARTTLS)
    flights: list[Flight] = [*STARTTLS, *recording().flights]
    flights[hello_at] = (UP, None)
    for order in ("as sent", "server first"):
        conversation = observe(events_of(flights, order=order), rsa_store())
        assert verdict_of(conversation) == "handshake-missing"


def test_a_hole_that_swallowed_the_answer_is_no_clear_text() -> None:
    clear = CARRIERS["http connect"][1]
    flights: list[Flight] = [*clear, *recording().flights]
    flights[len(clear) + 1] = (DOWN, None)
    conversation = observe(events_of(flights), rsa_store())
    assert verdict_of(conversation) == "handshake-missing"
    (exchange,) = conversation.exchanges
    assert (exchange.request.method, exchange.response.status, exchange.faults) == ("CONNECT", 200, ())
    assert conversation.tls is not None
    assert conversation.tls.records_undecrypted == 6  # of both sides, from the change of keys on


def test_a_hole_behind_the_handshake_costs_what_it_swallowed() -> None:
    flights: list[Flight] = [*STARTTLS, *recording().flights]
    flights[len(STARTTLS) + 5] = (DOWN, None)
    conversation = observe(events_of(flights), rsa_store())
    assert verdict_of(conversation) == "partly-decrypted"
    assert conversation.application_data[UP].length == len(REQUEST)
    assert conversation.application_data[DOWN].length == 0


def swapped(flights: list[Flight]) -> list[Flight]:
    return [(direction.other, data) for direction, data in flights]


def test_without_a_syn_the_hello_tells_who_the_client_is() -> None:
    for clear in ([], STARTTLS):
        conversation = observe(events_of(swapped([*clear, *recording().flights])), rsa_store(), Tcp(has_syn=False))
        assert (conversation.client, conversation.server) == (Tcp.server, Tcp.client)
        assert is_open(conversation)


@pytest.mark.parametrize("first", [UP, DOWN])
def test_without_a_syn_clear_words_tell_it_too(first: Direction) -> None:
    flights: list[Flight] = [(UP, REQUEST), (DOWN, RESPONSE)]
    flights = flights if first is UP else flights[1:]
    conversation = observe(events_of(swapped(flights)), None, Tcp(has_syn=False))
    assert conversation.client == Tcp.server
    assert conversation.exchanges[0].response.status == 200


def test_a_server_that_opens_the_connection_is_the_server_still() -> None:
    """FTP servers in active mode open the data connections, and wait for the hello on them."""
    conversation = observe(events_of(swapped(recording().flights)), rsa_store(), Tcp(client=Endpoint("192.0.2.1", 20)))
    assert conversation.server == Endpoint("192.0.2.1", 20)
    assert is_open(conversation)


def test_a_capture_that_begins_inside_of_tls_says_so() -> None:
    flights = recording().flights[4:]
    conversation = observe(events_of(flights), rsa_store(), Tcp(has_syn=False))
    assert verdict_of(conversation) == "handshake-missing"
    cut_record = [(direction, data[3:]) for direction, data in flights]
    tcp = Tcp(has_syn=False, server=Endpoint("198.51.100.20", 443))
    assert verdict_of(observe(events_of(cut_record), rsa_store(), tcp)) == "handshake-missing"


def test_a_few_bytes_are_clear_text() -> None:
    conversation = observe(events_of([(UP, b"hi"), (DOWN, b"ho")]))
    assert conversation.tls is None
    assert conversation.exchanges == ()


def test_the_end_of_one_side_decides_nothing_about_the_other() -> None:
    events = list(events_of(recording().flights[:1], cut_at(5)))
    conversation = observe([*events[-1:], *events[:-1]], rsa_store())
    assert conversation.tls is not None
    assert conversation.tls.server_name == "mail.contoso.com"


class Listener:
    """A decoder that only remembers who spoke."""

    name = "listener"

    def __init__(self) -> None:
        self.heard: list[Direction] = []

    def feed(self, direction: Direction, _data: bytes, _span: Span) -> list[Exchange]:
        self.heard.append(direction)
        return []

    def gap(self, _direction: Direction, _length: int | None, _span: Span) -> list[Exchange]:
        return []

    def end(self, _direction: Direction, _span: Span) -> list[Exchange]:
        return []

    def finish(self) -> list[Exchange]:
        return []


def test_what_waited_comes_out_in_the_order_in_which_it_was_said() -> None:
    peers, turns = Peers(ssl.TLSVersion.TLSv1_3, None), [DOWN, UP, DOWN, UP, UP, DOWN]
    try:
        made = peers.record(messages=tuple((direction, b"words") for direction in turns))
    finally:
        peers.close()
    store, listener = SecretStore(), Listener()
    store.is_growing = True
    observer = Observer(Tcp(), store, keep_content=True)  # type: ignore[arg-type]
    observer._plaintext.decoder = listener
    observer.feed(events_of(made.flights))
    assert listener.heard == []
    store.add_keylog(made.key_log, "late.log")
    observer.retry()
    assert listener.heard == turns


def test_nothing_at_all_is_a_conversation_too() -> None:
    assert observe(events_of([])).tls is None


def test_a_session_waits_for_its_secret() -> None:
    store = SecretStore()
    store.is_growing = True
    observer = Observer(Tcp(), store, keep_content=True)  # type: ignore[arg-type]
    observer.feed(events_of([*STARTTLS, *recording("TLSv1_3", None).flights]))
    assert observer.is_waiting
    assert observer.held_bytes > len(REQUEST) + len(RESPONSE)
    store.add_keylog(recording("TLSv1_3", None).key_log, "late.log")
    observer.retry()
    assert not observer.is_waiting
    conversation = observer.finish()
    assert is_open(conversation)
    decrypted = conversation.exchanges[conversation.clear_exchanges :]
    assert [exchange.response.status for exchange in decrypted] == [200]


@given(
    pieces=st.lists(
        st.tuples(
            st.sampled_from([UP, DOWN]),
            st.one_of(st.binary(max_size=40), st.sampled_from([data for _, data in STARTTLS])),
        ),
        max_size=8,
    ),
    kept=st.integers(0, 4),
)
def test_any_bytes_around_a_handshake_are_survived(pieces: list[tuple[Direction, bytes]], kept: int) -> None:
    flights = [*pieces[: len(pieces) // 2], *recording().flights[:kept], *pieces[len(pieces) // 2 :]]
    events = [event for event in events_of(flights) if not isinstance(event, StreamData) or event.data]
    conversation = observe(events, rsa_store())
    assert conversation.id == 1
