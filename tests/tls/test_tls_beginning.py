"""A hello is found in clear data by what it says, and what is none is let go."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from recorded_tls import DOWN, UP, recording

from tlsdecrypt.flow import Direction, Span
from tlsdecrypt.tls.beginning import MAX_FALSE_HELLOS, MAX_HELD_BYTES, MAX_SEARCHED_BYTES, HelloSearch, Piece

CLEAR = b"STARTTLS\r\n"
# of a client that speaks SSL 2.0 to find out what the server speaks: 3 suites, a challenge of 16 bytes
SSLV2_HELLO = bytes.fromhex("80 22 01 0301 0009 0000 0010 00002f 000035 00000a") + b"challenge-bytes!"


def locate(start: int, end: int) -> Span:
    return Span(start, end, 0, 0)


def joined(pieces: list[Piece]) -> bytes:
    return b"".join(piece.data for piece in pieces)


def hello(direction: Direction) -> bytes:
    return next(data for way, data in recording().flights if way is direction)


@pytest.mark.parametrize("direction", list(Direction))
@pytest.mark.parametrize("step", [1, 2, 7, 10_000])
def test_what_stands_before_a_hello_comes_out_and_the_hello_is_held(direction: Direction, step: int) -> None:
    search, released = HelloSearch(direction), b""
    stream = CLEAR + hello(direction)
    for place in range(0, len(stream), step):
        released += joined(search.feed(Piece(stream[place : place + step], locate)))
    assert released == CLEAR
    assert search.is_pending
    assert joined(search.take()) == hello(direction)
    assert not search.is_pending


def test_a_record_behind_it_confirms_a_clients_hello() -> None:
    search = HelloSearch(UP)
    search.feed(Piece(hello(UP), locate))
    assert not search.is_confirmed
    search.feed(Piece(bytes.fromhex("16 03 03 00 10"), locate))
    assert search.is_confirmed


def test_something_else_behind_it_shows_that_it_is_none() -> None:
    search = HelloSearch(UP)
    search.feed(Piece(hello(UP), locate))
    assert joined(search.feed(Piece(b"clear text", locate))) == hello(UP) + b"clear text"
    assert not search.is_pending


def test_a_long_chain_of_records_confirms_a_servers_hello() -> None:
    search = HelloSearch(DOWN)
    search.feed(Piece(hello(DOWN), locate))
    assert search.is_chain
    assert not search.is_confirmed
    record = bytes.fromhex("17 03 03 40 00") + bytes(0x4000)
    for _ in range(MAX_HELD_BYTES // len(record) + 1):
        assert search.feed(Piece(record, locate)) == []
    assert search.is_confirmed


def test_pieces_name_their_frames() -> None:
    search = HelloSearch(UP)
    (clear,) = search.feed(Piece(CLEAR + hello(UP), locate))
    assert clear.locate(0, 10) == locate(0, 10)
    (held,) = search.take()
    assert held.locate(0, 5) == locate(10, 15)


@pytest.mark.parametrize(
    ("what", "place", "value"),
    [
        ("message length", 8, b"\x10"),
        ("session id length", 43, b"\x40"),
        ("suites length", 45, b"\xff\xff"),
        ("odd suites length", 77, b"\x01"),
    ],
)
def test_fields_that_do_not_fit_make_no_hello(what: str, place: int, value: bytes) -> None:
    data = bytearray(hello(UP))
    at = place if place < 60 else 44 + data[43] + 1
    data[at : at + len(value)] = value
    search = HelloSearch(UP)
    assert joined(search.feed(Piece(bytes(data), locate))) == bytes(data), what


def test_an_alert_may_answer_a_hello() -> None:
    search = HelloSearch(DOWN)
    alert = bytes.fromhex("15 0301 0002 02 28")
    assert joined(search.feed(Piece(b"220 go\r\n" + alert, locate))) == b"220 go\r\n"
    assert search.is_pending


def test_a_hello_in_the_format_of_ssl_2_is_one() -> None:
    search = HelloSearch(UP)
    assert joined(search.feed(Piece(CLEAR + SSLV2_HELLO, locate))) == CLEAR
    assert search.is_pending
    search.feed(Piece(bytes.fromhex("16 03 01 00 86"), locate))
    assert search.is_confirmed
    other = HelloSearch(UP)
    assert joined(other.feed(Piece(SSLV2_HELLO[:6] + b"\x0a" + SSLV2_HELLO[7:], locate))) != b""


def test_after_many_false_hellos_the_search_ends() -> None:
    search, false = HelloSearch(UP), hello(UP)[:60]
    stream = (false + b"none") * (MAX_FALSE_HELLOS + 2) + hello(UP)
    assert joined(search.feed(Piece(stream, locate))) == stream
    assert joined(search.feed(Piece(hello(UP), locate))) == hello(UP)


def test_the_search_ends_far_behind_the_start() -> None:
    search = HelloSearch(DOWN)
    block = bytes(1 << 20)
    for _ in range(MAX_SEARCHED_BYTES >> 20):
        search.feed(Piece(block, locate))
    assert joined(search.feed(Piece(hello(DOWN), locate))) == hello(DOWN)


@given(
    pieces=st.lists(
        st.one_of(
            st.binary(max_size=30), st.sampled_from([b"\x16", b"\x16\x03", b"\x15\x03\x01\x00\x02", SSLV2_HELLO])
        ),
        max_size=10,
    ),
    direction=st.sampled_from(list(Direction)),
)
def test_nothing_is_lost_or_turned_around(pieces: list[bytes], direction: Direction) -> None:
    search = HelloSearch(direction)
    released = b"".join(joined(search.feed(Piece(piece, locate))) for piece in pieces)
    assert released + joined(search.take()) == b"".join(pieces)
