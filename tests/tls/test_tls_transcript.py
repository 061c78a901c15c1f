"""The transcript of a handshake, and what the secrets of TLS 1.3 wait for."""

from __future__ import annotations

import hashlib

import pytest
import rfc8448
from made_sessions import message, vector

from tlsdecrypt.flow import Direction
from tlsdecrypt.tls import negotiation as negotiations
from tlsdecrypt.tls import transcript as transcripts
from tlsdecrypt.tls.ciphersuites import cipher_suite
from tlsdecrypt.tls.ladder import Stage
from tlsdecrypt.tls.negotiation import Negotiation
from tlsdecrypt.tls.secrets import SecretStore
from tlsdecrypt.tls.session_secrets import SessionSecrets
from tlsdecrypt.tls.transcript import Point, Transcript

UP, DOWN = Direction.CLIENT_TO_SERVER, Direction.SERVER_TO_CLIENT
SUITE, TLS13, DRAFT_18 = cipher_suite(0x1301), 0x0304, 0x7F12
FIRST, RETRY, SECOND, HELLO = message(1, b"first"), message(2, b"retry"), message(1, b"second"), message(2, b"hello")
EXTENSIONS, CERTIFICATE, FINISHED, KEY_UPDATE = (message(kind, b"x") for kind in (8, 11, 20, 24))
TICKET = message(4, b"ticket")


def filled(*, has_retry: bool = False, order: str = "client first") -> Transcript:
    transcript = Transcript()
    client = [FIRST, SECOND] if has_retry else [FIRST]
    server = [RETRY, HELLO] if has_retry else [HELLO]
    said = [(UP, each) for each in (*client, CERTIFICATE, FINISHED, KEY_UPDATE)]
    said += [(DOWN, each) for each in (*server, EXTENSIONS, TICKET, FINISHED, CERTIFICATE)]
    if order == "server first":
        said.sort(key=lambda flight: -flight[0])
    for direction, each in said:
        transcript.add(direction, each)
    transcript.has_retry = has_retry
    return transcript


@pytest.mark.parametrize("order", ["client first", "server first"])
def test_messages_stand_in_the_order_of_the_peers_and_end_with_finished(order: str) -> None:
    transcript = filled(order=order)
    hellos, flight = FIRST + HELLO, EXTENSIONS + FINISHED
    expected = [FIRST, hellos, hellos + flight, hellos + flight + CERTIFICATE + FINISHED]
    assert [transcript.up_to(point, SUITE, TLS13) for point in Point] == expected


def test_a_first_hello_that_was_retried_is_there_as_its_hash_since_draft_19() -> None:
    transcript = filled(has_retry=True)
    digest = b"\xfe\0\0\x20" + hashlib.sha256(FIRST).digest()  # RFC 8446 section 4.4.1
    assert transcript.up_to(Point.SERVER_HELLO, SUITE, TLS13) == digest + RETRY + SECOND + HELLO
    assert transcript.up_to(Point.SERVER_HELLO, SUITE, DRAFT_18) == FIRST + RETRY + SECOND + HELLO
    assert transcript.up_to_binders(3, SUITE, TLS13) == (digest + RETRY + SECOND)[:-3]


def test_what_is_yet_to_be_read_is_not_made_up() -> None:
    transcript = Transcript()
    assert [transcript.up_to(point, SUITE, TLS13) for point in Point] == [None] * 4
    transcript.add(UP, FIRST)
    transcript.add(DOWN, HELLO)
    assert [transcript.up_to(point, SUITE, TLS13) is None for point in Point] == [False, False, True, True]
    transcript.add(UP, FINISHED)
    transcript.has_retry = True
    assert transcript.up_to(Point.SERVER_HELLO, SUITE, TLS13) is None


def test_a_handshake_without_end_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transcripts, "MAX_TRANSCRIPT", len(FIRST + CERTIFICATE))
    transcript = filled()
    assert transcript.up_to_client_key_exchange() == FIRST + HELLO + EXTENSIONS + CERTIFICATE
    assert not transcript.has_finished(UP)
    assert transcript.up_to(Point.CLIENT_FINISHED, SUITE, TLS13) is None


def test_only_so_many_tickets_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(negotiations, "MOST_TICKETS", 2)
    negotiation = negotiation_of(rfc8448.RESUMED)
    for number in range(5):
        negotiation.add(DOWN, message(4, bytes(8) + vector(1, bytes((number,))) + vector(2, b"t") + vector(2, b"")))
    assert [ticket.nonce for ticket in negotiation.tickets] == [b"\0", b"\1"]


def negotiation_of(flights: list[tuple[Direction, bytes]], *others: tuple[Direction, bytes]) -> Negotiation:
    """The hellos of a trace, `others` between them."""
    negotiation = Negotiation()
    hellos = [(way, data[5 : 5 + int.from_bytes(data[3:5], "big")]) for way, data in flights[:2]]
    for direction, each in (hellos[0], *others, hellos[1]):
        negotiation.add(direction, each)
    return negotiation


def test_the_early_data_of_a_resumed_session_waits_for_the_parent_until_a_retry_refuses_it() -> None:
    retry = message(2, b"\x03\x03" + rfc8448.RETRY_RANDOM + b"\0\x13\x01\0" + vector(2, b"\0\x33\0\2\0\x17"))
    hello = rfc8448.RESUMED[0][1][5:517]
    store = SecretStore()
    store.add_private_keys([rfc8448.SERVER_KEY, rfc8448.RESUMED_SERVER_KEY])
    waiting = SessionSecrets(negotiation_of(rfc8448.RESUMED), store)
    assert waiting.may_come(UP, Stage.EARLY)
    assert waiting.may_come(DOWN, Stage.HANDSHAKE)
    unanswered = SessionSecrets(negotiation_of(rfc8448.RESUMED, (DOWN, retry)), store)
    assert not unanswered.may_come(UP, Stage.EARLY)
    assert unanswered.may_come(UP, Stage.HANDSHAKE)
    refused = SessionSecrets(negotiation_of(rfc8448.RESUMED, (DOWN, retry), (UP, hello)), store)
    assert not refused.may_come(UP, Stage.EARLY)


def test_nothing_is_waited_for_that_no_given_secret_can_tell() -> None:
    secrets = SessionSecrets(negotiation_of(rfc8448.RESUMED), SecretStore())
    assert not any(secrets.may_come(direction, stage) for direction in Direction for stage in Stage)


def test_what_the_server_lacks_would_stand_behind_what_waits() -> None:
    store = SecretStore()
    store.add_private_keys([rfc8448.SERVER_KEY])
    secrets = SessionSecrets(negotiation_of(rfc8448.FULL), store)
    assert secrets.may_come(UP, Stage.APPLICATION)
    assert not secrets.may_come(DOWN, Stage.HANDSHAKE)
