"""HTTP/2 with holes, from the middle, beyond its bounds, and in random bytes: what is lost is never told wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hpack import Encoder
from http2_frames_made import PREFACE, SETTINGS, Peer, asking, data, go_away, reset
from http_feeding import CLIENT, SERVER, by_bytes, run, run_in_every_cut, span, without_frames
from hyperframe.frame import ContinuationFrame, HeadersFrame, WindowUpdateFrame
from hypothesis import given
from hypothesis import strategies as st

from tlsdecrypt.app import http2, http2_fields, http2_frames
from tlsdecrypt.app.http2 import Http2Decoder

if TYPE_CHECKING:
    from typing import Any

    import pytest
    from http_feeding import Piece

    from tlsdecrypt.app.exchange import Exchange

START: list[Piece] = [(CLIENT, PREFACE + SETTINGS), (SERVER, SETTINGS)]
ANY_GAP = st.one_of(st.none(), st.integers(0, 100_000))
ANY_PIECES = st.lists(st.tuples(st.sampled_from([CLIENT, SERVER]), st.one_of(st.binary(max_size=200), ANY_GAP)))


def said(*pieces: Piece, **options: Any) -> list[Exchange]:
    return run_in_every_cut(list(pieces), make=Http2Decoder, **options)


def test_a_gap_inside_content_is_counted_and_nothing_else_is_lost() -> None:
    client, server = Peer(), Peer()
    head = server.fields(1, [(":status", "200"), ("content-length", "10"), ("x-kept", "yes")])
    frame = data(1, b"abcdefghij", end=True)
    again = server.fields(3, [(":status", "200"), ("x-kept", "yes")], end=True)
    first, second = said(
        *START,
        (CLIENT, client.get(1) + client.get(3)),
        (SERVER, head + frame[:11]),
        (SERVER, 5),
        (SERVER, frame[16:] + again),
        keep_content=True,
    )
    assert (first.response.content, first.response.missing, first.response.content_length) == (b"abhij", 5, 10)
    assert second.response.field("x-kept") == "yes"
    assert first.faults + second.faults == ()


def test_a_gap_inside_padding_takes_no_content() -> None:
    frame = data(1, b"abc", end=True, padding=20)
    client, server = Peer(), Peer()
    pieces = [(CLIENT, client.get(1)), (SERVER, server.fields(1, [(":status", "200")]) + frame[:-20])]
    [exchange] = said(*START, *pieces, (SERVER, 20), (SERVER, SETTINGS), keep_content=True)
    assert (exchange.response.content, exchange.response.missing, exchange.faults) == (b"abc", 0, ())


def test_behind_a_gap_frames_are_found_again_and_lost_fields_are_unknown() -> None:
    client, server = Peer(), Peer()
    lost = server.answer(1, b"x" * 50, ("x-table", "lost"))
    after = server.answer(3, b"hello", ("x-table", "lost"), ("x-new", "seen")) + server.answer(
        5, b"", ("x-new", "seen")
    )
    asked = client.get(1, "/1") + client.get(3, "/3") + client.get(5, "/5")
    tail = b"\x00" * 40 + b"the end of some content \x00\x00\x05\x00\x01\x00\x00\x00\x03"
    exchanges = said(*START, (CLIENT, asked), (SERVER, len(lost) + 3), (SERVER, tail + after), keep_content=True)
    three, five, one = exchanges
    assert three.response.fields == (("(unknown)", ""), ("x-new", "seen"))
    assert three.response.content == b"hello"
    assert "response: 1 of its fields are unknown: they refer to header blocks that were not captured" in three.faults
    assert five.response.fields == (("x-new", "seen"),)
    assert (one.request.target, one.response) == ("/1", None)
    assert one.faults == (f"frames of the server may lie in a gap of {len(lost) + 3} bytes",)


def test_what_the_table_held_before_a_gap_is_not_told_for_what_it_holds_behind() -> None:
    client, server = Peer(), Peer()
    known = server.answer(1, b"", ("x-a", "known"))
    lost = server.answer(3, b"", ("x-b", "lost"))
    after = server.answer(5, b"", ("x-a", "known"), ("x-b", "lost")) + server.answer(7, b"", ("x-a", "known"))
    asked = b"".join(client.get(number) for number in (1, 3, 5, 7))
    pieces: list[Piece] = [(CLIENT, asked), (SERVER, known), (SERVER, len(lost)), (SERVER, after)]
    told = {each.response.fields for each in said(*START, *pieces) if each.response is not None}
    assert told == {(("x-a", "known"),), (("(unknown)", ""), ("(unknown)", "")), (("(unknown)", ""),)}


def test_a_continuation_of_nothing_is_passed_over_and_its_table_lost() -> None:
    client = Peer()
    first = client.fields(1, [*asking("GET", "/1"), ("x-a", "1")], end=True)
    stray = ContinuationFrame(3, b"\x82", flags=["END_HEADERS"]).serialize()
    again = client.fields(5, [*asking("GET", "/5"), ("x-a", "1")], end=True)
    one, five = said(*START, (CLIENT, first + stray + again))
    assert (one.request.field("x-a"), five.request.field("x-a")) == ("1", None)
    assert five.request.target == "/5"


def test_an_answer_whose_content_has_a_hole_is_as_long_as_it_said() -> None:
    client, server = Peer(), Peer()
    head = server.fields(1, [(":status", "200"), ("content-length", "3000")])
    frames = data(1, b"a" * 1000) + data(1, b"b" * 1000) + data(1, b"c" * 1000, end=True)
    pieces: list[Piece] = [(SERVER, head + frames[:500]), (SERVER, 1000), (SERVER, frames[1500:])]
    [exchange] = run([*START, (CLIENT, client.get(1)), *pieces], make=Http2Decoder)
    assert (exchange.response.content_length, exchange.response.missing) == (3000, 1509)
    assert exchange.faults == ("frames of the server may lie in a gap of 1,000 bytes",)


def test_a_capture_that_begins_in_the_middle_tells_what_it_can() -> None:
    client, server = Peer(), Peer()
    client.get(1, "/1")
    server.answer(1, b"", ("x-a", "1"))
    asked = WindowUpdateFrame(0, 5).serialize() + client.get(3, "/3") + client.get(5, "/5")
    answers = data(1, b"end", end=True) + server.answer(3, b"", ("x-a", "1")) + server.answer(5, b"five")
    three, five = said((CLIENT, asked), (SERVER, answers))
    assert (three.request.method, three.request.target, three.request.host) == ("GET", "/3", None)
    assert three.request.fields == (("(unknown)", ""),)
    assert three.response.status == 200
    assert (five.request.target, five.response.content_length) == ("/5", 4)


def test_of_an_answer_without_a_request_all_is_told() -> None:
    exchanges = said((CLIENT, 100), (SERVER, SETTINGS + Peer().answer(1, b"abc")))
    assert [(each.request, each.response.status, each.response.content_length) for each in exchanges] == [
        (None, 200, 3)
    ]


def test_the_last_frame_behind_a_gap_is_found_at_the_end() -> None:
    [exchange] = said(*START, (CLIENT, Peer().get(1)), (SERVER, None), (SERVER, b"rest" + Peer().answer(1)))
    assert exchange.response.status == 200


def test_a_block_without_end_and_one_that_is_too_long_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http2_fields, "MAX_BLOCK", 1_000)
    block = Encoder().encode(asking("GET", "/"))
    flood = HeadersFrame(1, block).serialize() + ContinuationFrame(1, b"\x00" * 600).serialize() * 20
    flood += ContinuationFrame(1, b"", flags=["END_HEADERS"]).serialize()
    first, second = run([*START, (CLIENT, flood + Peer().get(3, "/3"))], make=Http2Decoder)
    assert "request: its header block is longer than 1,000 bytes" in first.faults
    assert second.request.target == "/3"


def test_fields_that_grow_beyond_their_bound_are_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http2_fields, "MAX_LIST", 1_000)
    bomb = [*asking("GET", "/"), *[("x-bomb", "y" * 100)] * 500]
    [exchange] = run([*START, (CLIENT, Peer().fields(1, bomb, end=True))], make=Http2Decoder)
    assert len(exchange.request.fields) < 10
    assert "request: its fields are longer than 1,000 bytes: cut there" in exchange.faults


def test_streams_that_are_open_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http2, "MAX_STREAMS", 3)
    client = Peer()
    asked = b"".join(client.get(number, f"/{number}") for number in (1, 3, 5, 7))
    exchanges = run([*START, (CLIENT, asked)], make=Http2Decoder)
    assert exchanges[0].faults == ("more than 3 streams are open",)
    assert [each.request.target for each in exchanges] == ["/1", "/3", "/5", "/7"]


def test_contents_of_all_streams_together_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http2, "MAX_COLLECTED", 100)
    client, server = Peer(), Peer()
    asked = client.get(1) + client.get(3) + client.get(5)
    answers = b"".join(server.fields(number, [(":status", "200")]) for number in (1, 3))
    answers += data(1, b"a" * 60) + data(3, b"b" * 60) + data(1, b"", end=True) + data(3, b"", end=True)
    answers += server.answer(5, b"c" * 60)
    one, three, five = run([*START, (CLIENT, asked), (SERVER, answers)], make=Http2Decoder, keep_content=True)
    assert (one.response.content, three.response.content, five.response.content) == (b"a" * 60, None, b"c" * 60)
    assert three.faults == ("response: its content is not kept: all open streams have 100 bytes",)


def test_a_frame_that_is_too_long_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http2_frames, "MAX_PAYLOAD", 100)
    client = Peer()
    long = client.fields(1, [*asking("GET", "/"), ("x", "é" * 200)], end=True)
    exchanges = run([*START, (CLIENT, long + Peer().get(3, "/3"))], make=Http2Decoder)
    assert [each.request.target for each in exchanges] == ["/3"]


def test_bytes_without_frames_are_counted() -> None:
    decoder = Http2Decoder()
    decoder.feed(CLIENT, b"\xff" * 100_000, span(1))
    decoder.finish()
    assert decoder.skipped == (100_000, 0)


@given(ANY_PIECES)
def test_any_bytes_give_values_and_the_cut_makes_no_difference(pieces: list[Piece]) -> None:
    for start in ([], START):
        expected = without_frames(run([*start, *pieces], make=Http2Decoder, keep_content=True))
        assert without_frames(run(by_bytes([*start, *pieces]), make=Http2Decoder, keep_content=True)) == expected


_CLIENT, _SERVER = Peer(), Peer()
_WHOLE = {
    CLIENT: PREFACE + SETTINGS + _CLIENT.get(1, "/1") + _CLIENT.post(3, "/3", content=b"x" * 30) + reset(1, 8),
    SERVER: SETTINGS + _SERVER.answer(1, b"y" * 40) + _SERVER.promise(1, 2, "/p") + go_away(3, 0),
}


@given(st.sampled_from([CLIENT, SERVER]), st.integers(0, 250), st.integers(0, 40), st.binary(max_size=4))
def test_damage_anywhere_gives_values(direction: Any, at: int, length: int, instead: bytes) -> None:
    whole = _WHOLE[direction]
    damaged = whole[:at] + instead + whole[at + length :]
    holed = [(direction, whole[:at]), (direction, length), (direction, whole[at + length :])]
    for pieces in ([(direction, damaged)], holed):
        told = run([*pieces, (direction.other, _WHOLE[direction.other])], make=Http2Decoder)
        assert without_frames(told) == without_frames(
            run(by_bytes([*pieces, (direction.other, _WHOLE[direction.other])]), make=Http2Decoder)
        )


def test_a_stream_cut_at_each_length_gives_values() -> None:
    for length in range(len(_WHOLE[SERVER])):
        told = run([(CLIENT, _WHOLE[CLIENT]), (SERVER, _WHOLE[SERVER][:length])], make=Http2Decoder)
        assert {each.request.target for each in told} <= {"/1", "/3", "/p"}
