"""SSL 2.0 from the first byte to the last: whole, cut, in any order, damaged, resumed, refused."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from observing import ORDERS, Tcp, byte_by_byte, cut_at, events_of, gap, observe, whole
from recorded_tls import DOWN, UP, key_and_certificate, rsa_store
from ssl2_peers import CIPHERS, REQUEST, RESPONSE, SESSION_ID, Ssl2Peers, clear_record

from tlsdecrypt.net.events import StreamData
from tlsdecrypt.tls.keyfiles import parse_key_file
from tlsdecrypt.tls.secrets import SecretStore
from tlsdecrypt.tls.ssl2_connection import Ssl2Connection
from tlsdecrypt.tls.ssl2_record import ssl2_header

if TYPE_CHECKING:
    from observing import Cut

    from tlsdecrypt.conversation import Conversation
    from tlsdecrypt.flow import Direction
    from tlsdecrypt.tls.session import TlsSession


def session_of(conversation: Conversation) -> TlsSession:
    assert conversation.tls is not None
    return conversation.tls


def is_open(conversation: Conversation) -> bool:
    """Whether all of request and answer was decrypted."""
    lengths = [(each.length, each.sha256) for each in conversation.application_data]
    return lengths == [(len(data), hashlib.sha256(data).hexdigest()) for data in (REQUEST, RESPONSE)]


@pytest.mark.parametrize("kind", CIPHERS)
def test_every_cipher_opens_with_the_servers_key(kind: int) -> None:
    conversation = observe(events_of(Ssl2Peers(kind).dialogue()), rsa_store())
    session = session_of(conversation)
    assert is_open(conversation)
    assert session.version == "SSLv2"
    assert session.verdict.code.value == "decrypted"
    assert session.cipher_suite is not None
    assert session.cipher_suite.startswith("SSL_CK_")
    assert session.session_id == SESSION_ID.hex()
    assert session.server_certificates[0].subject == "CN=mail.contoso.com"
    assert [message.name for message in session.messages if message.direction is UP] == [
        "client_hello",
        "client_master_key",
        "client_finished",
    ]
    assert [message.name for message in session.messages if message.direction is DOWN] == [
        "server_hello",
        "server_verify",
        "server_finished",
    ]
    assert [exchange.response.status for exchange in conversation.exchanges] == [200]


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("cut", [whole, byte_by_byte, cut_at(1, 2, 3, 40)])
@pytest.mark.parametrize("kind", [0x010080, 0x0700C0])
def test_it_does_not_matter_how_the_bytes_come(order: str, cut: Cut, kind: int) -> None:
    conversation = observe(events_of(Ssl2Peers(kind).dialogue(), cut, order), rsa_store())
    assert is_open(conversation)
    assert session_of(conversation).verdict.code.value == "decrypted"


def test_a_resumed_session_opens_with_what_its_parent_left_behind() -> None:
    store, peers = rsa_store(), Ssl2Peers(0x060040)
    resumed = list(events_of(peers.dialogue(is_hit=True)))
    closed = observe(resumed, rsa_store())
    assert session_of(closed).verdict.code.value == "resumed-parent-missing"
    observe(events_of(peers.dialogue()), store)
    opened = observe(resumed, store)
    assert is_open(opened)
    session = session_of(opened)
    assert (session.resumed, session.resumption, session.key and session.key.kind) == (True, "session_id", "resumption")
    assert session.cipher_suite == "SSL_CK_DES_64_CBC_WITH_MD5"


def test_a_resumed_session_waits_for_its_parent() -> None:
    store, peers = rsa_store(), Ssl2Peers(0x040080)
    connection = Ssl2Connection(store)
    for event in events_of(peers.dialogue(is_hit=True)):
        if isinstance(event, StreamData):
            connection.feed(event.direction, event.data, event.span)
    assert connection.is_waiting
    assert connection.held_bytes > len(REQUEST) + len(RESPONSE)
    observe(events_of(peers.dialogue()), store)
    events = connection.retry()
    assert b"".join(event.data for event in events if getattr(event, "data", b"")) == REQUEST + RESPONSE
    assert not connection.is_waiting
    assert connection.finish() == []


def test_a_client_certificate_is_read() -> None:
    der = b"\x30\x03\x02\x01\x05"
    conversation = observe(events_of(Ssl2Peers().dialogue(client_certificate=der)), rsa_store())
    session = session_of(conversation)
    assert is_open(conversation)
    assert session.client_certificate_requested
    assert [certificate.der for certificate in session.client_certificates] == [der]


def test_without_the_key_the_verdict_names_the_certificate() -> None:
    conversation = observe(events_of(Ssl2Peers().dialogue()), SecretStore())
    verdict = session_of(conversation).verdict
    assert verdict.code.value == "no-key"
    assert "CN=mail.contoso.com" in verdict.summary
    assert session_of(conversation).records_undecrypted == 5


def test_a_key_of_another_server_opens_nothing() -> None:
    store = SecretStore()
    store.add_private_keys(parse_key_file(key_and_certificate("other.example"), "other.pem", lambda: None))
    assert session_of(observe(events_of(Ssl2Peers().dialogue()), store)).verdict.code.value == "no-key"


@pytest.mark.parametrize(("kind", "lost"), [(0x010080, 1), (0x0700C0, 2)])  # CBC chains: the next one is lost too
def test_one_damaged_record_does_not_end_a_direction(kind: int, lost: int) -> None:
    flights = Ssl2Peers(kind).dialogue()
    direction, verify = flights[3]
    flights[3] = (direction, verify[:-1] + bytes((verify[-1] ^ 1,)))
    conversation = observe(events_of(flights), rsa_store())
    session = session_of(conversation)
    assert is_open(conversation)
    assert session.verdict.code.value == "partly-decrypted"
    assert session.records_undecrypted == lost


def test_a_hole_inside_a_record_costs_that_record() -> None:
    flights = Ssl2Peers().dialogue()
    events = list(events_of(flights))
    answer = events[3]  # SERVER-VERIFY
    assert isinstance(answer, StreamData)
    events[3:4] = [
        StreamData(DOWN, 0, answer.data[:10], [0], [4], [4]),
        gap(DOWN, 5, 4),
        StreamData(DOWN, 0, answer.data[15:], [0], [4], [4]),
    ]
    conversation = observe(events, rsa_store())
    assert is_open(conversation)
    assert session_of(conversation).verdict.code.value == "partly-decrypted"
    assert session_of(conversation).records_undecrypted == 1


@pytest.mark.parametrize("is_inside", [False, True])
def test_behind_a_hole_of_unknown_size_nothing_is_made_up(*, is_inside: bool) -> None:
    flights = Ssl2Peers().dialogue()
    events = list(events_of(flights))
    if is_inside:
        events.insert(5, StreamData(DOWN, 0, bytes.fromhex("80 40 00 00"), [0], [5], [5]))
    events.insert(5 + is_inside, gap(DOWN, None, 5))
    conversation = observe(events, rsa_store())
    assert conversation.application_data[UP].length == len(REQUEST)
    assert conversation.application_data[DOWN].length == 0
    assert session_of(conversation).verdict.code.value == "partly-decrypted"


@pytest.mark.parametrize(("code", "name"), [(1, "no_cipher_error"), (4, "bad_certificate_error"), (9, "error_9")])
def test_an_error_is_named(code: int, name: str) -> None:
    flights = [(UP, clear_record(Ssl2Peers().client_hello())), (DOWN, clear_record(bytes((0, 0, code))))]
    session = session_of(observe(events_of(flights), rsa_store()))
    assert session.verdict.code.value == "handshake-failed"
    assert name in session.verdict.summary
    assert session.verdict.summary.startswith("the handshake failed: server sent")


def test_a_hello_alone_is_a_handshake_that_failed() -> None:
    flights = [(UP, clear_record(Ssl2Peers().client_hello()))]
    session = session_of(observe(events_of(flights), rsa_store()))
    assert (session.version, session.verdict.code.value) == ("SSLv2", "handshake-failed")
    assert session.offered_cipher_suites[0] == "SSL_CK_RC4_128_WITH_MD5"


def test_without_a_syn_the_hello_tells_who_the_client_is() -> None:
    flights = [(direction.other, data) for direction, data in Ssl2Peers().dialogue()]
    conversation = observe(events_of(flights), rsa_store(), Tcp(has_syn=False))
    assert conversation.client == Tcp.server
    assert is_open(conversation)


def test_headers_of_records() -> None:
    assert ssl2_header(bytes.fromhex("80 22")) == (2, 0x22, 0)
    assert ssl2_header(bytes.fromhex("ff ff 00")) == (2, 0x7FFF, 0)
    assert ssl2_header(bytes.fromhex("00 28 07")) == (3, 0x28, 7)
    assert ssl2_header(bytes.fromhex("7f ff 01")) == (3, 0x3FFF, 1)  # with the escape bit
    assert ssl2_header(bytes.fromhex("00 28")) is None
    assert ssl2_header(b"\x80") is None
    assert ssl2_header(bytes.fromhex("99 80 22"), 1) == (2, 0x22, 0)


@given(
    rest=st.lists(st.tuples(st.sampled_from([UP, DOWN]), st.binary(max_size=60)), max_size=6),
    kept=st.integers(0, 8),
)
def test_any_bytes_behind_a_handshake_are_survived(rest: list[tuple[Direction, bytes]], kept: int) -> None:
    connection = Ssl2Connection(rsa_store())
    for event in events_of([*Ssl2Peers().dialogue()[:kept], *rest]):
        if isinstance(event, StreamData):
            connection.feed(event.direction, event.data, event.span)
    connection.finish()
    assert connection.held_bytes == 0
