"""POP3: dialogues after the examples of RFC 1939, 2449 and 5034, in every cut."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import pytest
from http_feeding import CLIENT, SERVER, by_bytes
from hypothesis import given
from hypothesis import strategies as st
from mail_feeding import dialogue, feed, feed_in_every_cut, told, untimed

from tlsdecrypt.app.pop3 import MAX_IN_FLIGHT, Pop3Decoder

if TYPE_CHECKING:
    from http_feeding import Piece

    from tlsdecrypt.app.exchange import Exchange

MARKER = "Tr0ub4dor3-marker"
GREETING = "S: +OK The Microsoft Exchange POP3 service is ready."
GOODBYE = ("C: QUIT", "S: +OK bye")


def pop3(*lines: str) -> list[Exchange]:
    return feed_in_every_cut(Pop3Decoder, dialogue(*lines))


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def about(exchange: Exchange) -> dict[str, Any]:
    facts: dict[str, Any] = exchange.annotations["pop3"]
    return facts


def test_a_login_and_a_message() -> None:
    message = ["S: Subject: x", "S: ", "S: ..", "S: +OK not a reply"]
    exchanges = pop3(
        GREETING,
        "C: USER avery@contoso.com",
        "S: +OK",
        f"C: PASS {MARKER}",
        "S: +OK User successfully logged on.",
        "C: STAT",
        "S: +OK 1 320",
        "C: LIST",
        "S: +OK 1 320",
        "S: 1 320",
        "S: .",
        "C: LIST 1",
        "S: +OK 1 320",
        "C: RETR 1",
        "S: +OK",
        *message,
        "S: .",
        *GOODBYE,
    )
    assert told(exchanges) == [
        (None, "+OK"),
        ("USER avery@contoso.com", "+OK"),
        ("PASS", "+OK"),
        ("STAT", "+OK"),
        ("LIST", "+OK"),
        ("LIST 1", "+OK"),
        ("RETR 1", "+OK"),
        ("QUIT", "+OK"),
    ]
    login, retrieval = exchanges[2], exchanges[6]
    assert (about(login)["user"], about(login)["login"], login.passwords) == (
        "avery@contoso.com",
        "accepted",
        (MARKER,),
    )
    assert MARKER not in repr(login)
    assert retrieval.response.content_length == sum(len(line) - 3 + 2 for line in message)
    assert about(retrieval)["user"] == "avery@contoso.com"
    assert about(retrieval)["banner"] == "The Microsoft Exchange POP3 service is ready."


def test_a_refused_login() -> None:
    login = pop3(GREETING, "C: USER avery", "S: +OK", f"C: PASS {MARKER}", "S: -ERR Logon failure: unknown user name.")[
        2
    ]
    assert about(login)["login"] == "rejected"
    assert about(login)["summary"] == "as avery (USER): rejected"


@pytest.mark.parametrize(
    ("lines", "mechanism"),
    [
        ([f"C: AUTH PLAIN {encoded(chr(0) + 'avery' + chr(0) + MARKER)}"], "PLAIN"),
        (["C: AUTH PLAIN", "S: + ", f"C: {encoded(chr(0) + 'avery' + chr(0) + MARKER)}"], "PLAIN"),
        (
            [
                "C: AUTH LOGIN",
                "S: + VXNlcm5hbWU6",
                f"C: {encoded('avery')}",
                "S: + UGFzc3dvcmQ6",
                f"C: {encoded(MARKER)}",
            ],
            "LOGIN",
        ),
    ],
)
def test_an_authentication_is_one_exchange_and_shows_no_secret(lines: list[str], mechanism: str) -> None:
    exchanges = pop3(GREETING, *lines, "S: +OK", *GOODBYE)
    assert told(exchanges)[1:] == [(f"AUTH {mechanism}", "+OK"), ("QUIT", "+OK")]
    assert (about(exchanges[1])["user"], about(exchanges[1])["mechanism"]) == ("avery", mechanism)
    assert exchanges[1].passwords == (MARKER,)
    assert encoded(MARKER) not in repr(exchanges)


def test_a_digest_is_hidden() -> None:
    login = pop3(GREETING, f"C: APOP avery {MARKER}", "S: +OK")[1]
    assert (login.request.line, login.request.secrets, login.passwords) == ("APOP avery", (MARKER,), ())


def test_capabilities_are_told() -> None:
    listing = pop3(GREETING, "C: CAPA", "S: +OK", "S: STLS", "S: SASL NTLM GSSAPI", "S: .", *GOODBYE)[1]
    assert about(listing)["capabilities"] == ["STLS", "SASL NTLM GSSAPI"]


def test_what_is_no_command_may_be_a_password() -> None:
    exchanges = pop3(GREETING, f"C: {MARKER}", "S: -ERR", *GOODBYE)
    assert told(exchanges)[1:] == [("", "-ERR"), ("QUIT", "+OK")]
    assert MARKER not in repr(exchanges)


def test_pipelined_commands_get_their_replies_in_order() -> None:
    pieces: list[Piece] = [
        (SERVER, b"+OK POP3\r\n"),
        (CLIENT, f"USER a\r\nPASS {MARKER}\r\nSTAT\r\n".encode()),
        (SERVER, b"+OK\r\n-ERR no\r\n-ERR not now\r\n"),
    ]
    assert [result for _, result in told(feed_in_every_cut(Pop3Decoder, pieces))] == ["+OK", "+OK", "-ERR", "-ERR"]


def test_only_the_client_was_captured() -> None:
    lines = ["C: USER avery", f"C: PASS {MARKER}", "C: AUTH PLAIN", f"C: {encoded(MARKER)}", "C: QUIT"]
    exchanges = pop3(*lines)
    assert [line for line, _ in told(exchanges)] == ["USER avery", "PASS", "AUTH PLAIN", "QUIT"]
    assert encoded(MARKER) not in repr(exchanges)


def test_a_hole_in_a_message_is_counted() -> None:
    pieces: list[Piece] = [
        *dialogue(GREETING, "C: RETR 1", "S: +OK", "S: Subject: x"),
        (SERVER, 500),
        *dialogue("S: .", *GOODBYE),
    ]
    exchanges = feed(Pop3Decoder(), pieces)
    assert told(exchanges)[1:] == [("RETR 1", "+OK"), ("QUIT", "+OK")]


def test_lost_replies_do_not_shift_those_that_follow() -> None:
    pieces: list[Piece] = [*dialogue(GREETING, "C: USER avery"), (SERVER, None), *dialogue(*GOODBYE)]
    assert told(feed(Pop3Decoder(), pieces))[1:] == [("USER avery", None), ("QUIT", "+OK")]


def test_many_commands_in_flight_are_bounded() -> None:
    exchanges = feed(Pop3Decoder(), [(CLIENT, b"NOOP\r\n" * (3 * MAX_IN_FLIGHT))])
    assert len(exchanges) == 3 * MAX_IN_FLIGHT


def test_tls_makes_a_new_session() -> None:
    decoder = Pop3Decoder()
    feed(decoder, dialogue(GREETING, "C: STLS", "S: +OK Begin TLS negotiation."))
    (exchange,) = feed(decoder.inside_tls(), dialogue("C: STAT", "S: -ERR Command is not valid in this state."))
    assert (about(exchange)["tls"], about(exchange)["banner"]) == ("STLS", GREETING[7:])


@given(st.lists(st.tuples(st.sampled_from([CLIENT, SERVER]), st.binary(max_size=60) | st.none()), max_size=12))
def test_any_bytes_are_survived(pieces: list[Any]) -> None:
    for said in (pieces, [*dialogue(GREETING, "C: AUTH PLAIN"), *pieces]):
        assert untimed(feed(Pop3Decoder(), by_bytes(said))) == untimed(feed(Pop3Decoder(), said))
