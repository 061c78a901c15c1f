"""What was said: counted and hashed whatever it is, and given to a decoder as soon as one can be chosen."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tlsdecrypt.app.kept_content import content_of
from tlsdecrypt.conversation import PlaintextDigest
from tlsdecrypt.flow import Direction, Span
from tlsdecrypt.plaintext import ENOUGH_TO_CHOOSE, MAX_UNDECIDED_PIECES, Outlets, Place, Plaintext, PlaintextFork
from tlsdecrypt.report import content_file
from tlsdecrypt.report.content_file import ContentFile

UP, DOWN = Direction
REQUEST = b"GET /owa/ HTTP/1.1\r\nHost: mail.contoso.com\r\n\r\n"
RESPONSE = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
FRAME = Span(1, 1, 0, 0)


def frame(number: int) -> Span:
    return Span(number, number, number, number)


def plaintext(port: int = 443, alpn: str | None = None) -> Plaintext:
    made = Plaintext(port, keep_content=True)
    made.alpn = alpn
    return made


@pytest.mark.parametrize("step", [1, 3, 1000])
def test_the_decoder_sees_what_came_before_it_was_chosen(step: int) -> None:
    said = plaintext(9999)
    for direction, data in ((UP, REQUEST), (DOWN, RESPONSE)):
        for place in range(0, len(data), step):
            said.feed(direction, data[place : place + step], frame(1 + direction))
    said.finish()
    (exchange,) = said.exchanges
    assert (exchange.request.target, exchange.response.status, exchange.response.content) == ("/owa/", 200, b"ok")
    assert (exchange.span.first_frame, exchange.span.last_frame) == (1, 2)
    assert said.protocol == "http/1.1"


def test_bytes_are_counted_and_hashed_by_direction() -> None:
    said = plaintext(9999)
    said.feed(UP, b"\x00some", FRAME)
    said.feed(UP, b"thing", FRAME)
    assert said.digest(UP) == PlaintextDigest(10, hashlib.sha256(b"\x00something").hexdigest())
    assert said.digest(DOWN) == PlaintextDigest(0, None)


def test_what_was_agreed_on_decides_before_the_bytes_do() -> None:
    said = plaintext(alpn="an-unknown-protocol")
    said.feed(UP, REQUEST, FRAME)
    said.finish()
    assert said.protocol is None
    assert said.exchanges == []
    assert said.digest(UP).length == len(REQUEST)


def test_a_few_bytes_wait_for_more_of_them() -> None:
    said = plaintext(9999)
    said.feed(UP, REQUEST[: ENOUGH_TO_CHOOSE - 1], FRAME)
    assert said.decoder is None
    said.feed(UP, REQUEST[ENOUGH_TO_CHOOSE - 1 :], FRAME)
    assert said.decoder is not None


def test_few_bytes_are_enough_where_no_more_come() -> None:
    said = plaintext(9999)
    said.feed(UP, b"GET / HTTP/1.0\r\n\r\n", FRAME)
    assert said.decoder is None
    said.end(UP, FRAME)
    assert said.decoder is not None
    said.finish()
    assert said.exchanges[0].request.target == "/"


def test_a_hole_before_the_choice_is_told_to_the_decoder_too() -> None:
    said = plaintext(9999)
    said.feed(UP, REQUEST[:10], frame(1))
    said.gap(UP, 5, frame(2))
    said.feed(UP, REQUEST[15:], frame(3))
    said.feed(DOWN, RESPONSE, frame(4))
    said.finish()
    whole = plaintext(9999)
    whole.feed(UP, REQUEST, frame(1))
    whole.feed(DOWN, RESPONSE, frame(4))
    whole.finish()
    assert said.protocol == "http/1.1"
    assert said.exchanges != whole.exchanges
    assert [each.response.status for each in said.exchanges if each.response] == [200]


def test_of_what_nobody_understands_little_is_kept() -> None:
    said = plaintext(9999)
    for _ in range(MAX_UNDECIDED_PIECES + 2):
        said.feed(UP, b"", FRAME)
    said.feed(UP, REQUEST, FRAME)
    said.finish()
    assert said.protocol is None
    assert said.digest(UP).length == len(REQUEST)


@given(st.lists(st.tuples(st.sampled_from(list(Direction)), st.binary(max_size=30) | st.none()), max_size=12))
def test_any_bytes_are_survived_and_counted(pieces: list[tuple[Direction, bytes | None]]) -> None:
    said = plaintext()
    for direction, data in pieces:
        if data is None:
            said.gap(direction, None, FRAME)
        else:
            said.feed(direction, data, FRAME)
    said.finish()
    for way in Direction:
        assert said.digest(way).length == sum(len(data or b"") for direction, data in pieces if direction is way)


class Heard:
    """A sink that remembers."""

    def __init__(self) -> None:
        self.told: list[tuple[object, ...]] = []

    def said(self, *given: object) -> None:
        self.told.append(given)

    def missed(self, *given: object) -> None:
        self.told.append(given)


def test_a_sink_hears_all_that_was_said_and_what_is_missing() -> None:
    first, second = Heard(), Heard()
    place = Place(7, is_decrypted=True)
    made = Plaintext(443, keep_content=False, outlets=Outlets(sink=PlaintextFork([first, second])), place=place)
    made.feed(Direction.CLIENT_TO_SERVER, REQUEST, FRAME)
    made.gap(Direction.SERVER_TO_CLIENT, 12, FRAME)
    expected = [(place, Direction.CLIENT_TO_SERVER, REQUEST, FRAME), (place, Direction.SERVER_TO_CLIENT, 12, FRAME)]
    assert first.told == second.told == expected


def test_contents_go_to_a_store_and_can_be_read_there() -> None:
    made = Plaintext(443, keep_content=False, outlets=Outlets(contents=ContentFile()))
    made.feed(Direction.CLIENT_TO_SERVER, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", FRAME)
    made.feed(Direction.SERVER_TO_CLIENT, b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nbye", FRAME)
    (exchange,) = made.exchanges
    assert exchange.request.content is exchange.response.content is None
    assert [content_of(each) for each in (exchange.request, exchange.response)] == [b"hello", b"bye"]
    assert b"hello" not in repr(exchange).encode()


def test_contents_beyond_the_bound_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(content_file, "MAX_STORED", 8)
    store = ContentFile()
    kept = [store.keep(b"x" * 5), store.keep(b"y" * 5), store.keep(b"z" * 3)]
    assert [each and each.read() for each in kept] == [b"x" * 5, None, b"z" * 3]
