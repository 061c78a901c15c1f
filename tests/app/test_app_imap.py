"""IMAP: dialogues after the examples of RFC 9051, RFC 7888 and RFC 2177, in every cut."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import pytest
from http_feeding import CLIENT, SERVER, by_bytes, span
from hypothesis import given
from hypothesis import strategies as st
from mail_feeding import dialogue, feed, feed_in_every_cut, told, untimed

from tlsdecrypt.app.imap import MAX_IN_FLIGHT, ImapDecoder

if TYPE_CHECKING:
    from http_feeding import Piece

    from tlsdecrypt.app.exchange import Exchange

MARKER = "Tr0ub4dor3-marker"
GREETING = "S: * OK The Microsoft Exchange IMAP4 service is ready."
GOODBYE = ("C: z LOGOUT", "S: * BYE logging out", "S: z OK LOGOUT completed.")


def imap(*lines: str) -> list[Exchange]:
    return feed_in_every_cut(ImapDecoder, dialogue(*lines))


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def about(exchange: Exchange) -> dict[str, Any]:
    facts: dict[str, Any] = exchange.annotations["imap"]
    return facts


@pytest.mark.parametrize(
    "lines",
    [
        [f"C: a1 LOGIN avery {MARKER}"],
        [f'C: a1 LOGIN "avery" "{MARKER}"'],
        ["C: a1 LOGIN {5}", "S: + go ahead", "C: avery {17}", "S: + go ahead", f"C: {MARKER}"],
        ["C: a1 LOGIN {5+}", "C: avery {17+}", f"C: {MARKER}"],
    ],
)
def test_a_login_shows_the_user_and_no_password(lines: list[str]) -> None:
    exchanges = imap(GREETING, *lines, "S: a1 OK LOGIN completed.", *GOODBYE)
    assert told(exchanges) == [(None, "OK"), ("a1 LOGIN avery", "OK"), ("z LOGOUT", "OK")]
    assert (about(exchanges[1])["user"], about(exchanges[1])["login"]) == ("avery", "accepted")
    assert exchanges[1].passwords == (MARKER,)
    assert MARKER not in repr(exchanges)
    assert about(exchanges[2])["user"] == "avery"


@pytest.mark.parametrize(
    "lines",
    [
        [f"C: a1 AUTHENTICATE PLAIN {encoded(chr(0) + 'avery' + chr(0) + MARKER)}"],
        ["C: a1 AUTHENTICATE PLAIN", "S: + ", f"C: {encoded(chr(0) + 'avery' + chr(0) + MARKER)}"],
    ],
)
def test_an_authentication_is_one_exchange_and_shows_no_secret(lines: list[str]) -> None:
    exchanges = imap(GREETING, *lines, "S: a1 NO AUTHENTICATE failed.", *GOODBYE)
    assert told(exchanges)[1:] == [("a1 AUTHENTICATE PLAIN", "NO"), ("z LOGOUT", "OK")]
    assert (about(exchanges[1])["user"], about(exchanges[1])["login"]) == ("avery", "rejected")
    assert encoded(MARKER) not in repr(exchanges)


def test_replies_find_their_commands_by_tag() -> None:
    exchanges = imap(GREETING, "C: a NOOP", "C: b CHECK", "S: b OK done", "S: a OK done", *GOODBYE)
    assert told(exchanges)[1:3] == [("b CHECK", "OK"), ("a NOOP", "OK")]


def test_a_message_is_counted_and_never_shown() -> None:
    pieces: list[Piece] = [
        *dialogue(GREETING, "C: a UID FETCH 1 BODY[]"),
        (
            SERVER,
            b"* 1 FETCH (UID 1 BODY[] {20}\r\na OK " + MARKER.encode()[:13] + b"\r\n)\r\na OK FETCH completed.\r\n",
        ),
        *dialogue(*GOODBYE),
    ]
    exchanges = feed_in_every_cut(ImapDecoder, pieces)
    assert told(exchanges)[1:] == [("a UID FETCH 1 BODY[]", "OK"), ("z LOGOUT", "OK")]
    assert exchanges[1].request.verb == "UID FETCH"
    assert exchanges[1].response.content_length == 20
    assert MARKER[:13] not in str(exchanges[1].annotations)


def test_an_appended_message_is_counted() -> None:
    pieces: list[Piece] = [
        *dialogue(GREETING, "C: a APPEND Drafts {14}", "S: + Ready for additional data."),
        (CLIENT, b"a1 LOGIN x y\r\n\r\n"),
        *dialogue("S: a OK APPEND completed.", *GOODBYE),
    ]
    exchanges = feed_in_every_cut(ImapDecoder, pieces)
    assert told(exchanges)[1:] == [("a APPEND Drafts", "OK"), ("z LOGOUT", "OK")]
    assert exchanges[1].request.content_length == 14


def test_a_refused_literal_is_followed_by_a_command() -> None:
    exchanges = imap(GREETING, "C: a APPEND Drafts {9999999}", "S: a NO too large", *GOODBYE)
    assert told(exchanges)[1:] == [("a APPEND Drafts", "NO"), ("z LOGOUT", "OK")]


def test_idle_ends_with_a_line_that_is_no_command() -> None:
    exchanges = imap(
        GREETING, "C: a IDLE", "S: + idling", "S: * 4 EXISTS", "C: DONE", "S: a OK IDLE completed.", *GOODBYE
    )
    assert told(exchanges)[1:] == [("a IDLE", "OK"), ("z LOGOUT", "OK")]


def test_capabilities_are_told() -> None:
    listing = imap(GREETING, "C: a CAPABILITY", "S: * CAPABILITY IMAP4rev1 STARTTLS", "S: a OK done")[1]
    assert about(listing)["untagged"] == ["CAPABILITY IMAP4rev1 STARTTLS"]


def test_what_is_no_command_may_be_a_password() -> None:
    exchanges = imap(GREETING, f"C: {MARKER}", "S: * BAD what?", *GOODBYE)
    assert told(exchanges)[1:] == [("z LOGOUT", "OK"), ("", None)]
    assert MARKER not in repr(exchanges)


def test_only_the_client_was_captured() -> None:
    exchanges = imap(f"C: a LOGIN avery {MARKER}", "C: b AUTHENTICATE PLAIN", f"C: {encoded(MARKER)}", "C: c NOOP")
    assert encoded(MARKER) not in repr(exchanges)
    assert "a LOGIN avery" in [line for line, _ in told(exchanges)]


def test_a_hole_in_a_literal_is_bridged() -> None:
    pieces: list[Piece] = [
        *dialogue(GREETING, "C: a FETCH 1 BODY[]", "S: * 1 FETCH (BODY[] {1000}"),
        (SERVER, 1000),
        *dialogue("S: )", "S: a OK done", *GOODBYE),
    ]
    assert told(feed(ImapDecoder(), pieces))[1:] == [("a FETCH 1 BODY[]", "OK"), ("z LOGOUT", "OK")]


def test_many_commands_in_flight_are_bounded() -> None:
    commands = b"".join(b"%d NOOP\r\n" % number for number in range(3 * MAX_IN_FLIGHT))
    decoder = ImapDecoder()
    assert len(decoder.feed(CLIENT, commands, span(1))) == 2 * MAX_IN_FLIGHT


def test_tls_makes_a_new_session() -> None:
    decoder = ImapDecoder()
    feed(decoder, dialogue(GREETING, "C: a STARTTLS", "S: a OK Begin TLS negotiation now."))
    (exchange,) = feed(decoder.inside_tls(), dialogue("C: b NOOP", "S: b OK done"))
    assert (about(exchange)["tls"], about(exchange)["banner"]) == ("STARTTLS", GREETING[8:])


@given(st.lists(st.tuples(st.sampled_from([CLIENT, SERVER]), st.binary(max_size=60) | st.none()), max_size=12))
def test_any_bytes_are_survived(pieces: list[Any]) -> None:
    for said in (pieces, [*dialogue(GREETING, "C: a LOGIN {5}"), *pieces]):
        assert untimed(feed(ImapDecoder(), by_bytes(said))) == untimed(feed(ImapDecoder(), said))
