"""SMTP: dialogues after the examples of RFC 5321, 2920, 3030, 4954 and 2033, and of Exchange, in every cut."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import pytest
from http_feeding import CLIENT, SERVER, span
from mail_feeding import dialogue, feed, feed_in_every_cut, told
from smtp_samples import BEARER, ENVELOPE, GOODBYE, GREETING, MARKER, MESSAGE, QUEUED, about, encoded, smtp

from tlsdecrypt.app.smtp import SmtpDecoder

if TYPE_CHECKING:
    from http_feeding import Piece


def test_commands_and_replies_are_paired() -> None:
    exchanges = smtp(*GREETING, *GOODBYE)
    assert told(exchanges) == [(None, 220), ("EHLO EXC1.contoso.local", 250), ("QUIT", 221)]
    assert [each.response.enhanced for each in exchanges] == [None, None, "2.0.0"]
    assert exchanges[1].response.lines[0] == "SVR01.contoso.local Hello [192.0.2.21]"
    assert exchanges[1].span.first_frame == 2
    assert exchanges[1].span.last_frame == 9
    assert all(not each.faults for each in exchanges)


def test_the_session_is_known_in_each_annotation() -> None:
    greeting, hello, goodbye = map(about, smtp(*GREETING, *GOODBYE))
    assert greeting["server"] == "SVR01.contoso.local"
    assert greeting["product"] == "Microsoft ESMTP MAIL Service"
    assert greeting["time"] == "Thu, 29 Dec 2011 14:10:24 +0800"
    assert hello["size_limit"] == 31457280
    assert "X-EXPS GSSAPI NTLM" in hello["capabilities"]
    assert (goodbye["server"], goodbye["ehlo"], goodbye["tls"]) == ("SVR01.contoso.local", "EXC1.contoso.local", None)


def test_a_message_is_counted_and_its_envelope_is_read() -> None:
    exchanges = smtp(*GREETING, *ENVELOPE, "C: DATA", "S: 354 Start mail input", *MESSAGE, "C: .", QUEUED, *GOODBYE)
    data = exchanges[-2]
    assert (data.request.line, data.response.code) == ("DATA", 250)
    assert data.request.content_length == len("".join(line[3:] + "\r\n" for line in MESSAGE))
    assert data.request.content is None
    facts = about(data)
    assert facts["mail_from"] == "avery@contoso.com"
    assert facts["recipients"] == ["kim@fabrikam.com"]
    assert facts["internal_id"] == "12345678"
    assert facts["message"] == {
        "from": ["avery@contoso.com"],
        "to": ["kim@fabrikam.com", "lee@fabrikam.com"],
        "message_id": "<1@contoso.com>",
        "received": 2,
    }
    assert MARKER not in str(facts)
    mail = about(exchanges[2])
    assert mail["parameters"] == {"SIZE": "400", "XOORG": "contoso.com"}
    assert about(exchanges[3])["recipient"] == "kim@fabrikam.com"


def test_a_message_is_kept_where_it_is_wanted_and_its_dots_are_undone() -> None:
    pieces = dialogue(*GREETING, *ENVELOPE, "C: DATA", "S: 354 Start", *MESSAGE, "C: .", QUEUED)
    data = feed_in_every_cut(lambda: SmtpDecoder(keep_content=True), pieces)[-1]
    assert data.request.content == "".join(line[3:] + "\r\n" for line in MESSAGE).replace("..a", ".a").encode()


def test_an_empty_message_and_one_of_a_dot() -> None:
    for content in ([], ["C: .."]):
        exchanges = smtp(*GREETING, *ENVELOPE, "C: DATA", "S: 354 Start", *content, "C: .", QUEUED, *GOODBYE)
        assert told(exchanges)[-2:] == [("DATA", 250), ("QUIT", 221)]
        assert exchanges[-2].request.content_length == 4 * len(content)


def test_pipelined_commands_get_their_replies_in_order() -> None:
    pieces: list[Piece] = [
        (SERVER, b"220 mail.contoso.com ESMTP\r\n"),
        (CLIENT, b"EHLO a.example\r\n"),
        (SERVER, b"250-mail.contoso.com\r\n250 PIPELINING\r\n"),
        (CLIENT, b"MAIL FROM:<>\r\nRCPT TO:<a@b.example>\r\nRCPT TO:<c@b.example>\r\nDATA\r\n"),
        (SERVER, b"250 2.1.0 OK\r\n550 5.1.1 unknown\r\n250 2.1.5 OK\r\n354 go\r\n"),
        (CLIENT, b"Subject: x\r\n\r\nhi\r\n.\r\nQUIT\r\n"),
        (SERVER, b"250 2.0.0 queued as 4Xyz12\r\n221 2.0.0 bye\r\n"),
    ]
    exchanges = feed_in_every_cut(SmtpDecoder, pieces)
    assert told(exchanges)[2:] == [
        ("MAIL FROM:<>", 250),
        ("RCPT TO:<a@b.example>", 550),
        ("RCPT TO:<c@b.example>", 250),
        ("DATA", 250),
        ("QUIT", 221),
    ]
    assert about(exchanges[-2])["recipients"] == ["c@b.example"]
    assert about(exchanges[-2])["queue_id"] == "4Xyz12"
    assert about(exchanges[-2])["mail_from"] == ""


def test_chunks_are_content_whatever_they_hold() -> None:
    pieces: list[Piece] = [
        *dialogue(*GREETING, *ENVELOPE),
        (CLIENT, b"BDAT 26\r\nFrom: <a@b.example>\r\nQUIT\nBDAT 5 LAST\r\nMAIL\nQUIT\r\n"),
        *dialogue("S: 250 2.6.0 26 octets", QUEUED, "S: 221 2.0.0 bye"),
    ]
    exchanges = feed_in_every_cut(lambda: SmtpDecoder(keep_content=True), pieces)
    assert told(exchanges)[-3:] == [("BDAT 26", 250), ("BDAT 5 LAST", 250), ("QUIT", 221)]
    first, last = exchanges[-3:-1]
    assert (first.request.content_length, first.request.content) == (26, None)
    assert last.request.content == b"From: <a@b.example>\r\nQUIT\nMAIL\n"
    assert (about(last)["size"], about(last)["is_last"], about(first)["is_last"]) == (31, True, False)


def test_an_empty_last_chunk_ends_a_message() -> None:
    exchanges = smtp(*GREETING, *ENVELOPE, "C: BDAT 0 LAST", QUEUED, *GOODBYE)
    assert told(exchanges)[-2:] == [("BDAT 0 LAST", 250), ("QUIT", 221)]


def test_a_refused_data_is_followed_by_commands() -> None:
    exchanges = smtp(*GREETING, "C: DATA", "S: 503 5.5.2 Need rcpt command", *GOODBYE)
    assert told(exchanges)[-2:] == [("DATA", 503), ("QUIT", 221)]


@pytest.mark.parametrize(
    ("lines", "user", "answers"),
    [
        (
            [
                "C: AUTH LOGIN",
                "S: 334 VXNlcm5hbWU6",
                f"C: {encoded('avery')}",
                "S: 334 UGFzc3dvcmQ6",
                f"C: {encoded(MARKER)}",
            ],
            "avery",
            2,
        ),
        ([f"C: AUTH LOGIN {encoded('avery')}", "S: 334 UGFzc3dvcmQ6", f"C: {encoded(MARKER)}"], "avery", 1),
        ([f"C: AUTH PLAIN {encoded(chr(0) + 'avery' + chr(0) + MARKER)}"], "avery", 0),
        (["C: AUTH PLAIN", "S: 334 ", f"C: {encoded(chr(0) + 'avery' + chr(0) + MARKER)}"], "avery", 1),
        ([f"C: X-EXPS LOGIN {encoded('avery')}", "S: 334 UGFzc3dvcmQ6", f"C: {encoded(MARKER)}"], "avery", 1),
        ([f"C: AUTH XOAUTH2 {encoded(BEARER)}"], "avery@contoso.com", 0),
    ],
)
def test_an_authentication_is_one_exchange_and_shows_no_secret(lines: list[str], user: str, answers: int) -> None:
    exchanges = smtp(*GREETING, *lines, "S: 235 2.7.0 Authentication successful", *GOODBYE)
    login = exchanges[2]
    assert login.request.line == " ".join(lines[0].split()[1:3])
    assert len(login.request.answers) == answers
    assert (login.response.code, login.passwords) == (235, (MARKER,))
    facts = about(login)
    assert (facts["user"], facts["result"]) == (user, "accepted")
    assert about(exchanges[3])["user"] == user
    for form in (MARKER, encoded(MARKER)[:-2]):
        assert form not in str(facts) + login.request.line
        assert form not in repr(login)


def test_a_refused_and_a_cancelled_authentication() -> None:
    exchanges = smtp(
        *GREETING,
        "C: AUTH NTLM",
        "S: 334 NTLM supported",
        "C: *",
        "S: 501 5.7.0 Authentication cancelled",
        "C: X-EXPS GSSAPI YIIsample",
        "S: 451 5.7.3 Cannot achieve Exchange Server authentication",
        *GOODBYE,
    )
    assert told(exchanges)[2:] == [("AUTH NTLM", 501), ("X-EXPS GSSAPI", 451), ("QUIT", 221)]
    assert [about(each).get("result") for each in exchanges[2:]] == ["cancelled", "rejected", None]
    assert "user" not in about(exchanges[-1])


def test_ntlm_shows_who_and_where() -> None:
    type_3 = (
        b"NTLMSSP\x00\x03\x00\x00\x00"
        + bytes.fromhex("0000 0000 580000000000 0000 58000000")  # LM and NT response
        + bytes.fromhex("0e00 0e00 40000000")  # domain: 14 bytes at 64
        + bytes.fromhex("0a00 0a00 4e000000")  # user: 10 bytes at 78
        + bytes.fromhex("0000 0000 580000000000 0000 5800000001000000")  # workstation, session key, Unicode
        + "CONTOSO".encode("utf-16-le")
        + "avery".encode("utf-16-le")
    )
    lines = [
        "C: AUTH NTLM",
        "S: 334 ",
        f"C: {base64.b64encode(type_3).decode()}",
        "S: 535 5.7.3 Authentication unsuccessful",
    ]
    facts = about(smtp(*GREETING, *lines, *GOODBYE)[2])
    assert (facts["token"], facts["domain"], facts["user"], facts["result"]) == ("NTLM", "CONTOSO", "avery", "rejected")


def test_what_follows_a_failed_authentication_may_be_a_password() -> None:
    exchanges = smtp(
        *GREETING,
        "C: AUTH LOGIN",
        "S: 504 5.7.4 Unrecognized authentication type",
        f"C: {encoded(MARKER)}",
        "S: 500 5.3.3 Unrecognized command",
        *GOODBYE,
    )
    assert told(exchanges)[2:] == [("AUTH LOGIN", 504), ("", 500), ("QUIT", 221)]
    assert encoded(MARKER) not in repr(exchanges)
    assert exchanges[3].request.secrets == (encoded(MARKER),)


def test_a_blob_of_xexch50_is_only_counted() -> None:
    pieces: list[Piece] = [
        *dialogue(*GREETING, *ENVELOPE, "C: XEXCH50 10 2", "S: 354 Send binary data"),
        (CLIENT, b"\r\nQUIT\r\n\x00\x01QUIT\r\n"),
        *dialogue("S: 250 2.0.0 XEXCH50 OK", "S: 221 2.0.0 bye"),
    ]
    exchanges = feed_in_every_cut(SmtpDecoder, pieces)
    assert told(exchanges)[-2:] == [("XEXCH50 10 2", 250), ("QUIT", 221)]
    assert exchanges[-2].request.content_length == 10


def test_what_another_server_is_told_of_a_client_is_secret() -> None:
    (*_, proxy, _) = smtp(*GREETING, f"C: XPROXYFROM SID={MARKER} IP=192.0.2.1", "S: 250 XProxyFrom accepted", *GOODBYE)
    assert (proxy.request.line, proxy.request.secrets) == ("XPROXYFROM", (f"SID={MARKER} IP=192.0.2.1",))


def test_lmtp_answers_for_each_recipient() -> None:
    exchanges = smtp(
        "S: 220 mail.contoso.com LMTP ready",
        "C: LHLO a.example",
        "S: 250 PIPELINING",
        *ENVELOPE,
        "C: RCPT TO:<lee@fabrikam.com>",
        "S: 250 2.1.5 OK",
        "C: DATA",
        "S: 354 go",
        "C: .",
        "S: 250 2.0.0 OK",
        "S: 452 4.2.2 full",
        *GOODBYE,
    )
    assert told(exchanges)[-2:] == [("DATA", 452), ("QUIT", 221)]
    assert [code for code, _ in exchanges[-2].response.interim] == [354, 250]


def test_a_server_that_gives_up_on_its_own_answers_nothing() -> None:
    exchanges = smtp(*GREETING, "S: 421 4.4.1 Connection timed out")
    assert told(exchanges)[-1] == (None, 421)


def test_a_session_goes_on_inside_tls() -> None:
    decoder = SmtpDecoder()
    before = [
        each
        for number, (way, data) in enumerate(dialogue(*GREETING, "C: STARTTLS", "S: 220 2.0.0 SMTP server ready"), 1)
        for each in decoder.feed(way, data, span(number))  # type: ignore[arg-type]
    ]
    after = feed(
        decoder.inside_tls(), dialogue("C: EHLO EXC1.contoso.local", "S: 250-a", "S: 250 AUTH LOGIN", *GOODBYE)
    )
    assert told(before)[-1] == ("STARTTLS", 220)
    assert told(after) == [("EHLO EXC1.contoso.local", 250), ("QUIT", 221)]
    hello = about(after[0])
    assert (hello["tls"], hello["server"]) == ("STARTTLS", "SVR01.contoso.local")
    assert (hello["capabilities"], "X-ANONYMOUSTLS" in hello["capabilities_before_tls"]) == (["AUTH LOGIN"], True)


def test_a_session_that_is_inside_tls_from_the_start_says_so() -> None:
    exchanges = feed(SmtpDecoder(is_covered=True), dialogue(*GREETING))
    assert {about(each)["tls"] for each in exchanges} == {"implicit"}


def test_helo_and_quit_are_a_probe_and_ehlo_is_none() -> None:
    probe = smtp("S: 220 mail.contoso.com ESMTP", "C: HELO lb", "S: 250 hello", *GOODBYE)
    assert all(about(each)["is_probe"] for each in probe)
    assert not any(about(each).get("is_probe") for each in smtp(*GREETING, *GOODBYE))
    health = smtp(*GREETING, "C: MAIL FROM:<HealthMailbox1f@contoso.com>", "S: 250 2.1.0 OK")
    assert [about(each).get("is_probe") for each in health] == [None, None, True]
