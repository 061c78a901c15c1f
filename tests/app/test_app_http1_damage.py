"""HTTP/1 with holes, without beginning or end, beyond its bounds, and in random bytes: the decoder goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from http_feeding import CLIENT, SERVER, by_bytes, run, run_in_every_cut, span, without_frames
from hypothesis import given
from hypothesis import strategies as st

from tlsdecrypt.app import http1, http1_reader, http_body
from tlsdecrypt.app.http1 import Http1Decoder

if TYPE_CHECKING:
    import pytest
    from http_feeding import Piece


GET = b"GET /a HTTP/1.1\r\nHost: mail.contoso.com\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"


def test_a_request_without_an_answer_comes_out_at_the_end() -> None:
    [exchange] = run([(CLIENT, GET)])
    assert exchange.response is None
    assert exchange.faults == ("no answer was seen",)


def test_an_answer_without_a_request_is_kept() -> None:
    [exchange] = run_in_every_cut([(SERVER, OK)])
    assert exchange.request is None
    assert exchange.response.status == 200
    assert exchange.faults == ()


def test_a_capture_that_begins_in_the_middle_of_a_message_goes_on_at_the_next() -> None:
    exchanges = run_in_every_cut(
        [(SERVER, b"tail of HTTP/1.1 something\r\n\r\n" + OK), (CLIENT, b"BC\x00POST x" + GET), (SERVER, OK)]
    )
    assert [(each.request and each.request.target, each.response.status) for each in exchanges] == [
        (None, 200),
        ("/a", 200),
    ]
    assert exchanges[0].faults == ("response: 30 bytes before it were not read as HTTP",)
    assert exchanges[1].faults == ("request: 9 bytes before it were not read as HTTP",)


def test_bytes_that_are_no_http_are_counted() -> None:
    decoder = Http1Decoder()
    decoder.feed(CLIENT, b"\x00" * 100_000, span(1))
    decoder.finish()
    assert decoder.skipped == (100_000, 0)


def test_a_gap_inside_content_of_known_length_is_counted() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"
    first, second = run_in_every_cut(
        [(CLIENT, GET + GET), (SERVER, head + b"abc"), (SERVER, 4), (SERVER, b"hij" + OK)], keep_content=True
    )
    assert (first.response.content, first.response.missing, first.response.content_length) == (b"abchij", 4, 10)
    assert second.response.status == 200
    assert second.faults == ()


def test_a_gap_beyond_the_content_resynchronises() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"
    pieces = [(CLIENT, GET), (SERVER, head + b"abc"), (SERVER, 40), (SERVER, b"rest"), (CLIENT, GET), (SERVER, OK)]
    first, second = run_in_every_cut(pieces)
    assert (first.response.missing, first.response.content_length) == (7, 10)
    assert second.response.status == 200


def test_a_gap_inside_a_chunk_is_counted_and_one_across_chunks_ends_the_message() -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8\r\nab"
    [inside] = run_in_every_cut([(CLIENT, GET), (SERVER, head), (SERVER, 6), (SERVER, b"\r\n0\r\n\r\n")])
    assert (inside.response.missing, inside.faults) == (6, ())
    across, second = run_in_every_cut(
        [(CLIENT, GET), (SERVER, head), (SERVER, 7), (SERVER, b"\n0\r\n\r\n"), (CLIENT, GET), (SERVER, OK)]
    )
    assert across.faults == ("response: cut by a gap of 7 bytes",)
    assert second.response.status == 200


def test_a_gap_of_unknown_length_ends_the_message() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"
    [exchange] = run_in_every_cut([(CLIENT, GET), (SERVER, head), (SERVER, None), (SERVER, b"xyz")])
    assert exchange.response.content_length == 3
    assert exchange.faults == ("response: cut by a gap of unknown length",)


def test_a_head_cut_by_a_gap_is_kept_up_to_its_last_line() -> None:
    pieces = [
        (CLIENT, b"GET /a HTTP/1.1\r\nHost: a\r\nX-Cut: of"),
        (CLIENT, 9),
        (CLIENT, b"f\r\n\r\n" + GET),
        (SERVER, OK + OK),
    ]
    first, second = run_in_every_cut(pieces)
    assert first.request.fields == (("Host", "a"),)
    assert first.faults == ("request: cut by a gap of 9 bytes",)
    assert second.request.target == "/a"


def test_an_answer_after_a_lost_one_belongs_to_the_later_request() -> None:
    second = GET.replace(b"/a", b"/b")
    exchanges = run_in_every_cut([(CLIENT, GET), (SERVER, 100), (CLIENT, second), (SERVER, OK)])
    assert [(each.request.target, each.response and each.response.status) for each in exchanges] == [
        ("/a", None),
        ("/b", 200),
    ]
    assert exchanges[0].faults == ("its answer was not captured",)


def test_a_message_cut_by_the_end_says_how_much_is_there() -> None:
    [exchange] = run([(CLIENT, GET), (SERVER, b"HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\nabc")])
    assert exchange.response.content_length == 3
    assert exchange.faults == ("response: the capture ended: the content ends after 3 of 1,073,741,824 bytes",)


def test_an_answer_before_the_request_is_complete_waits_for_it() -> None:
    request = b"RPC_IN_DATA /rpc/rpcproxy.dll?a:6001 HTTP/1.1\r\nContent-Length: 1073741824\r\n\r\nabc"
    [exchange] = run([(CLIENT, request), (SERVER, b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n")])
    assert exchange.response.status == 401
    assert exchange.annotations["http"]["service"] == "outlook-anywhere"


def test_a_head_beyond_the_bound_is_kept_in_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http1_reader, "MAX_HEAD", 100)
    request = b"GET /big HTTP/1.1\r\n" + b"X-Field: 0123456789\r\n" * 20 + b"\r\n"
    first, second = run_in_every_cut([(CLIENT, request + GET), (SERVER, OK + OK)])
    assert first.request.target == "/big"
    assert len(first.request.fields) == 3
    assert first.faults == ("request: the head is longer than 100 bytes",)
    assert second.request.target == "/a"


def test_requests_in_flight_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http1, "MAX_IN_FLIGHT", 3)
    exchanges = run([(CLIENT, GET * 5)])
    assert len(exchanges) == 5
    assert exchanges[0].faults == ("more than 3 requests wait for an answer",)


def test_trailers_and_chunk_lines_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_body, "MAX_TRAILERS", 20)
    monkeypatch.setattr(http_body, "MAX_CHUNK_LINE", 20)
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    [trailers] = run_in_every_cut([(CLIENT, GET), (SERVER, head + b"0\r\n" + b"X-Long: " + b"x" * 40 + b"\r\n\r\n")])
    assert trailers.faults == ("response: trailers are longer than 20 bytes",)
    [line] = run_in_every_cut([(CLIENT, GET), (SERVER, head + b"1;" + b"x" * 40 + b"\r\na\r\n0\r\n\r\n")])
    assert line.faults == ("response: a chunk line is longer than 20 bytes",)


_FRAGMENTS = st.sampled_from(
    [
        b"GET /a HTTP/1.1\r\n", b"POST /x HTTP/1.1\r\n", b"HEAD / HTTP/1.0\n", b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 100 \r\n",
        b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n", b"\r\n", b"\n", b"5\r\nhello\r\n", b"0\r\n\r\n",
        b"hello", b"HTTP/1.1 204\r\n\r\n", b"CONNECT a:1 HTTP/1.1\r\n\r\n", b"Upgrade: x\r\n",
        b"HTTP/1.1 101 S\r\n\r\n",
        b"Content-Encoding: gzip\r\n", b"Content-Type: text/xml\r\n", b" folded\r\n", b"HTTP/1.", b"\x00\xff",
    ]
)  # fmt: skip
_BYTES = st.lists(_FRAGMENTS | st.binary(max_size=6), max_size=8).map(b"".join)
_GAP = st.none() | st.integers(1, 30)
_PIECES = st.lists(st.tuples(st.sampled_from([CLIENT, SERVER]), _BYTES | _GAP), max_size=6)


@given(pieces=_PIECES, keep_content=st.booleans())
def test_nothing_that_a_peer_sends_stops_the_decoder_and_no_cut_changes_the_result(
    *, pieces: list[Piece], keep_content: bool
) -> None:
    pieces = [piece for piece in pieces if piece[1] != b""]
    whole = run(pieces, keep_content=keep_content)
    assert without_frames(run(by_bytes(pieces), keep_content=keep_content)) == without_frames(whole)
    for exchange in whole:
        assert exchange.span.first_frame <= len(pieces)


def test_pipelined_answers_after_a_gap_keep_their_order() -> None:
    second = GET.replace(b"/a", b"/b")
    exchanges = run_in_every_cut([(CLIENT, GET + second), (SERVER, 10), (SERVER, b"\r\n\r\n" + OK + OK)])
    assert [(each.request.target, each.response.status) for each in exchanges] == [("/a", 200), ("/b", 200)]


def test_a_gap_from_content_into_the_next_answer_loses_that_answer_only() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"
    second, third = GET.replace(b"/a", b"/b"), GET.replace(b"/a", b"/c")
    pieces = [(CLIENT, GET), (SERVER, head), (CLIENT, second), (SERVER, 50), (CLIENT, third), (SERVER, OK)]
    exchanges = run_in_every_cut(pieces)
    assert [(each.request.target, each.response and each.response.status) for each in exchanges] == [
        ("/a", 200),
        ("/b", None),
        ("/c", 200),
    ]


def test_one_kind_of_fault_is_named_once() -> None:
    request = b"GET / HTTP/1.1\r\nA: 1\r\n 2\r\nB: 1\r\n\t2\r\n 3\r\n\r\n"
    [exchange] = run_in_every_cut([(CLIENT, request), (SERVER, OK)])
    assert exchange.request.fields == (("A", "1 2"), ("B", "1 2 3"))
    assert exchange.faults == ("request: a field is folded over several lines",)
