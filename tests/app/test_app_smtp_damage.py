"""SMTP with holes, of one side only, picked up in the middle, and hostile."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from http_feeding import CLIENT, SERVER, by_bytes
from hypothesis import given
from hypothesis import strategies as st
from mail_feeding import dialogue, feed, feed_in_every_cut, told, untimed
from smtp_samples import ENVELOPE, GOODBYE, GREETING, MARKER, MESSAGE, QUEUED, about, encoded, smtp

from tlsdecrypt.app.line_reader import MAX_LINE
from tlsdecrypt.app.smtp import MAX_HELD, MAX_IN_FLIGHT, SmtpDecoder

if TYPE_CHECKING:
    from http_feeding import Piece


def test_a_command_without_an_answer_says_so() -> None:
    exchanges = smtp(*GREETING, "C: QUIT")
    assert (told(exchanges)[-1], exchanges[-1].faults) == (("QUIT", None), ("no answer was seen",))


def test_only_the_client_was_captured() -> None:
    lines = [
        *GREETING,
        *ENVELOPE,
        "C: DATA",
        "S: 354 go",
        *MESSAGE,
        "C: .",
        QUEUED,
        "C: AUTH LOGIN",
        f"C: {encoded(MARKER)}",
        *GOODBYE,
    ]
    exchanges = feed_in_every_cut(SmtpDecoder, dialogue(*(line for line in lines if line.startswith("C: "))))
    assert [line for line, _ in told(exchanges)] == [
        "EHLO EXC1.contoso.local",
        "MAIL FROM:<avery@contoso.com> SIZE=400 XOORG=contoso.com",
        "RCPT TO:<kim@fabrikam.com> NOTIFY=NEVER",
        "DATA",
        "AUTH LOGIN",
        "QUIT",
    ]
    assert about(exchanges[3])["message"]["message_id"] == "<1@contoso.com>"
    assert encoded(MARKER) not in repr(exchanges)


def test_only_the_server_was_captured() -> None:
    lines = [*GREETING, *ENVELOPE, *GOODBYE]
    exchanges = feed_in_every_cut(SmtpDecoder, dialogue(*(line for line in lines if line.startswith("S: "))))
    assert told(exchanges) == [(None, 220), (None, 250), (None, 250), (None, 250), (None, 221)]
    assert about(exchanges[0])["server"] == "SVR01.contoso.local"


def test_a_capture_that_begins_in_a_message_finds_the_next_command() -> None:
    exchanges = smtp("C: rest of a line", "C: DATA was sent", "C: .", QUEUED, *ENVELOPE, *GOODBYE)
    assert [line for line, _ in told(exchanges)] == [None, ENVELOPE[0][3:], ENVELOPE[2][3:], "QUIT"]
    assert [code for _, code in told(exchanges)] == [250, 250, 250, 221]


def test_a_hole_in_a_message_does_not_swallow_what_follows() -> None:
    pieces: list[Piece] = [
        *dialogue(*GREETING, *ENVELOPE, "C: DATA", "S: 354 go", "C: Subject: x"),
        (CLIENT, 1000),
        *dialogue("C: the end", "C: .", QUEUED, *GOODBYE),
    ]
    exchanges = feed_in_every_cut(SmtpDecoder, pieces)
    assert told(exchanges)[-2:] == [("DATA", 250), ("QUIT", 221)]
    assert (exchanges[-2].request.missing, exchanges[-2].request.content_length) == (1000, 1000 + 12 + 9)


def test_a_hole_that_holds_the_end_of_a_message_ends_with_the_reply() -> None:
    pieces: list[Piece] = [
        *dialogue(*GREETING, *ENVELOPE, "C: DATA", "S: 354 go", "C: Subject: x"),
        (CLIENT, 1000),
        *dialogue(QUEUED, *GOODBYE),
    ]
    exchanges = feed(SmtpDecoder(), pieces)
    assert told(exchanges)[-2:] == [("DATA", 250), ("QUIT", 221)]
    assert exchanges[-2].faults == ("request: the end of the message was not captured",)


def test_a_hole_in_a_chunk_is_counted() -> None:
    pieces: list[Piece] = [
        *dialogue(*GREETING, *ENVELOPE),
        (CLIENT, b"BDAT 100 LAST\r\n0123456789"),
        (CLIENT, 80),
        (CLIENT, b"0123456789QUIT\r\n"),
        *dialogue(QUEUED, "S: 221 bye"),
    ]
    exchanges = feed_in_every_cut(SmtpDecoder, pieces)
    assert told(exchanges)[-2:] == [("BDAT 100 LAST", 250), ("QUIT", 221)]
    assert (exchanges[-2].request.content_length, exchanges[-2].request.missing) == (100, 80)


def test_lost_replies_do_not_shift_those_that_follow() -> None:
    pieces: list[Piece] = [
        *dialogue(*GREETING, *ENVELOPE[:1]),
        (SERVER, None),
        *dialogue(*ENVELOPE[2:], "C: DATA", "S: 354 go", "C: .", QUEUED, *GOODBYE),
    ]
    exchanges = feed(SmtpDecoder(), pieces)
    assert [code for _, code in told(exchanges)] == [220, 250, None, 250, 250, 221]
    assert exchanges[2].faults == ("its answer was not captured",)


def test_lost_commands_do_not_shift_those_that_follow() -> None:
    pieces: list[Piece] = [
        *dialogue(*GREETING),
        (CLIENT, None),
        *dialogue(ENVELOPE[1], *ENVELOPE[2:], *GOODBYE),
    ]
    assert told(feed(SmtpDecoder(), pieces))[2:] == [(None, 250), (ENVELOPE[2][3:], 250), ("QUIT", 221)]


def test_lines_without_end_are_bounded() -> None:
    pieces: list[Piece] = [*dialogue(*GREETING), *[(CLIENT, b"A" * 4096)] * 256, (CLIENT, b"\r\nQUIT\r\n")]
    decoder = SmtpDecoder()
    exchanges = feed(decoder, pieces)
    long, quit_ = exchanges[-2:]
    assert len(long.request.line) == MAX_LINE
    assert "request: 1,032,193 bytes of a line are not kept" in long.faults
    assert quit_.request.line == "QUIT"
    whole: list[Piece] = [*dialogue(*GREETING), (CLIENT, b"A" * (1 << 20) + b"\r\nQUIT\r\n")]
    assert untimed(feed(SmtpDecoder(), whole)) == untimed(exchanges)


def test_replies_without_end_are_bounded() -> None:
    endless = feed(SmtpDecoder(), [*dialogue(*GREETING[:2]), *[(SERVER, b"250-x\r\n" * 1000)] * 100])
    assert len(endless[-1].response.lines) == 200
    assert "response: it does not end" in endless[-1].faults
    assert "response: lines beyond 200 are not kept" in endless[-1].faults


def test_many_commands_in_flight_are_bounded() -> None:
    exchanges = feed(SmtpDecoder(), [*dialogue(*GREETING), (CLIENT, b"NOOP\r\n" * (3 * MAX_IN_FLIGHT))])
    assert len(exchanges) == 2 + 3 * MAX_IN_FLIGHT
    assert "wait for an answer" in exchanges[2].faults[0]


def test_a_flood_of_replies_takes_no_quadratic_time() -> None:
    assert len(feed(SmtpDecoder(), [(SERVER, b"250 OK\r\n" * 100_000)])) == 100_000


def test_what_waits_for_an_answer_is_bounded() -> None:
    decoder = SmtpDecoder()
    feed(decoder, [*dialogue(*GREETING, *ENVELOPE, "C: DATA"), *[(CLIENT, b"x" * 1022 + b"\r\n")] * 200])
    assert decoder._client.buffered <= MAX_HELD + 1024


@given(st.lists(st.tuples(st.sampled_from([CLIENT, SERVER]), st.binary(max_size=60) | st.none()), max_size=12))
def test_any_bytes_are_survived(pieces: list[Any]) -> None:
    for said in (pieces, [*dialogue(*GREETING, *ENVELOPE, "C: DATA"), *pieces]):
        whole, by_byte = (feed(SmtpDecoder(keep_content=True), each) for each in (said, by_bytes(said)))
        assert untimed(by_byte) == untimed(whole)


_WORDS = st.sampled_from(
    [
        b"DATA\r\n",
        b"AUTH LOGIN\r\n",
        b"354 go\r\n",
        b"334 \r\n",
        b"250 OK\r\n",
        b"250-a\r\n",
        b"BDAT 9\r\n",
        b".\r\n",
        b"QUIT\r\n",
        b"220 x\r\n",
        b"235 ok\r\n",
        b"XEXCH50 3 1\r\n",
        b"hello\r\n",
        b"MAIL FROM:<a@b>\r\n",
        b"RCPT TO:<c@d>\r\n",
        b"x",
    ]
)


@given(st.lists(st.tuples(st.sampled_from([CLIENT, SERVER]), _WORDS), max_size=14))
def test_a_byte_at_a_time_says_the_same(pieces: list[Any]) -> None:
    assert untimed(feed(SmtpDecoder(), by_bytes(pieces))) == untimed(feed(SmtpDecoder(), pieces))
