"""Heartbeat messages (RFC 6520), as tlslite-ng sends them, and as attacks do."""

from __future__ import annotations

import socket
import threading
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from relayed_peers import DOWN, ORDERS, UP, Relay, observe
from spied_peers import served, settings
from tls_peers import make_certificate
from tlslite.api import TLSConnection

from tlsdecrypt.flow import Span
from tlsdecrypt.tls.connection import TlsConnection
from tlsdecrypt.tls.events import HeartbeatSeen
from tlsdecrypt.tls.keyfiles import parse_key_file
from tlsdecrypt.tls.secrets import SecretStore

if TYPE_CHECKING:
    from relayed_peers import Flights

TLS12 = (3, 3)
ASKED, PAYLOAD, PADDING = b"ask", b"are you there?", 16


@cache
def recorded() -> Flights:
    """The client asks whether the server is there, which tlslite-ng answers by itself, and then something else."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        relay = Relay(listener.getsockname()[1])
        thread = threading.Thread(target=_serve, args=(listener,))
        thread.start()
        with socket.create_connection(("127.0.0.1", relay.port)) as link:
            connection = TLSConnection(link)
            answers: list[bytes] = []
            connection.handshakeClientCert(settings=_settings(lambda message: answers.append(bytes(message.payload))))
            connection.send_heartbeat_request(bytearray(PAYLOAD), PADDING)
            connection.write(ASKED)
            assert connection.read(min=len(ASKED), max=len(ASKED)) == ASKED
            connection.close()
        thread.join()
    assert answers == [PAYLOAD]
    return relay.close()


def _settings(answered: Any) -> Any:
    return settings(TLS12, cipherNames=["aes128gcm"], keyExchangeNames=["rsa"], heartbeat_response_callback=answered)


def _serve(listener: socket.socket) -> None:
    with served(listener, _settings(lambda _: None)) as connection:
        connection.write(bytes(connection.read(min=len(ASKED), max=len(ASKED))))


@pytest.mark.parametrize("order", ORDERS)
def test_a_heartbeat_and_its_answer_are_named_and_are_no_application_data(order: str) -> None:
    store = SecretStore()
    store.add_private_keys(parse_key_file(make_certificate()[0], "server.pem", lambda: None))
    session, said, answered, _ = observe(recorded(), store, order)
    assert (said, answered) == (ASKED, ASKED)
    seen = [(each.direction, each.name, each.claimed, each.carried) for each in session.heartbeats]
    whole = len(PAYLOAD) + PADDING
    expected = [(UP, "heartbeat_request", len(PAYLOAD), whole), (DOWN, "heartbeat_response", len(PAYLOAD), whole)]
    assert sorted(seen) == sorted(expected)
    assert not any(each.is_overdrawn for each in session.heartbeats)


def test_one_that_stays_closed_is_counted_with_the_other_records() -> None:
    session, *_ = observe(recorded(), SecretStore())
    assert session.heartbeats == ()
    assert session.records_undecrypted > 0


PROBE = bytes.fromhex(
    "18 0302 0003"  # a record of heartbeat, TLS 1.1, three bytes
    "01 4000"  # heartbeat_request, 16,384 bytes of payload, none of which follow
)


def read(record: bytes) -> tuple[HeartbeatSeen, ...]:
    connection = TlsConnection(SecretStore(), has_start=False)
    events = connection.feed(UP, record, lambda _a, _b: Span(7, 7, 0, 0)) + connection.finish()
    return tuple(each for each in events if isinstance(each, HeartbeatSeen))


def test_one_that_claims_more_than_it_has_is_told_apart() -> None:
    (seen,) = read(PROBE)
    assert (seen.name, seen.claimed, seen.carried, seen.span.first_frame) == ("heartbeat_request", 0x4000, 0, 7)
    assert seen.is_overdrawn


@given(st.binary(min_size=1, max_size=40))
def test_any_bytes_have_a_name_or_none_and_never_more_than_there_are(content: bytes) -> None:
    (seen,) = read(b"\x18\x03\x03" + len(content).to_bytes(2, "big") + content)
    assert seen.carried == max(len(content) - 3, 0)
    assert (seen.name is None) == (len(content) < 3)
