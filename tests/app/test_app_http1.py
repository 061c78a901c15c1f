"""HTTP/1 as an observer reads it: framing, pairing, and what is broken."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

import pytest
from http_feeding import CLIENT, SERVER, run, run_in_every_cut, span

from tlsdecrypt.app import http1, http_body
from tlsdecrypt.app.http1 import Http1Decoder

if TYPE_CHECKING:
    from tlsdecrypt.app.exchange import Annotations
    from tlsdecrypt.app.http import HttpRequest, HttpResponse

GET = b"GET /a HTTP/1.1\r\nHost: mail.contoso.com\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"


def test_a_request_and_its_answer_make_an_exchange_with_all_its_facts() -> None:
    [exchange] = run_in_every_cut(
        [(CLIENT, b"POST /x?y=1 HTTP/1.1\r\nHost: a.example\r\nContent-Length: 3\r\n\r\nabc"), (SERVER, OK)],
        keep_content=True,
    )
    request, response = exchange.request, exchange.response
    assert (request.method, request.target, request.version) == ("POST", "/x?y=1", "HTTP/1.1")
    assert request.host == "a.example"
    assert (request.content, request.content_length) == (b"abc", 3)
    assert (response.status, response.reason, response.version) == (200, "OK", "HTTP/1.1")
    assert response.fields == (("Content-Length", "5"),)
    assert response.field("CONTENT-length") == "5"
    assert response.content == b"hello"
    assert exchange.faults == ()
    assert exchange.protocol == "http/1.1"


def test_the_span_runs_from_the_first_frame_of_a_message_to_its_last() -> None:
    pieces = [(CLIENT, GET[:10]), (CLIENT, GET[10:]), (SERVER, OK[:20]), (SERVER, OK[20:-1]), (SERVER, OK[-1:])]
    [exchange] = run(pieces)
    assert exchange.request.span == span(1).to(span(2))
    assert exchange.response.span == span(3).to(span(5))
    assert exchange.annotations["http"]["think_time_ms"] == 1.0
    assert exchange.annotations["http"]["transfer_time_ms"] == 2.0


def test_a_message_that_begins_in_the_middle_of_a_piece_has_that_frame() -> None:
    [_, second] = run([(CLIENT, GET + GET[:8]), (CLIENT, GET[8:]), (SERVER, OK + OK)])
    assert second.request.span == span(1).to(span(2))


def test_pipelined_requests_are_paired_in_their_order() -> None:
    requests = b"".join(b"GET /%d HTTP/1.1\r\n\r\n" % number for number in range(3))
    answers = b"".join(b"HTTP/1.1 20%d OK\r\nContent-Length: 1\r\n\r\nx" % number for number in range(3))
    exchanges = run_in_every_cut([(CLIENT, requests), (SERVER, answers)])
    assert [(each.request.target, each.response.status) for each in exchanges] == [
        ("/0", 200),
        ("/1", 201),
        ("/2", 202),
    ]


def test_an_exchange_comes_out_as_soon_as_it_is_complete() -> None:
    decoder = Http1Decoder()
    assert decoder.feed(CLIENT, GET, span(1)) == []
    assert decoder.feed(SERVER, OK[:-1], span(2)) == []
    assert len(decoder.feed(SERVER, OK[-1:], span(3))) == 1
    assert decoder.finish() == []


def test_answers_with_1xx_come_before_the_answer() -> None:
    interim = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    [exchange] = run_in_every_cut([(CLIENT, GET), (SERVER, interim + OK)])
    assert exchange.response.interim == (100, 103)
    assert exchange.response.status == 200


def test_an_interim_answer_alone_is_named() -> None:
    [exchange] = run([(CLIENT, GET), (SERVER, b"HTTP/1.1 100 Continue\r\n\r\n")])
    assert exchange.response is None
    assert exchange.faults == ("no final answer was seen, only 100",)


@pytest.mark.parametrize(
    ("method", "status"), [(b"HEAD", b"200 OK"), (b"GET", b"204 No Content"), (b"GET", b"304 Not Modified")]
)
def test_answers_without_content_end_with_their_head(method: bytes, status: bytes) -> None:
    request = method + b" / HTTP/1.1\r\n\r\n"
    answer = b"HTTP/1.1 " + status + b"\r\nContent-Length: 5\r\n\r\n"
    exchanges = run_in_every_cut([(CLIENT, request), (SERVER, answer), (CLIENT, GET), (SERVER, OK)])
    assert [each.response.content_length for each in exchanges] == [0, 5]
    assert not any(each.faults for each in exchanges)


def test_chunks_with_extensions_and_trailers_are_joined() -> None:
    answer = (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        b'5;name="value"\r\nhello\r\n'
        b"00A \r\n, observer\r\n"
        b"0\r\nX-Checksum: 17\r\nX-Two: 2\r\n\r\n"
    )
    first, second = run_in_every_cut([(CLIENT, GET + GET), (SERVER, answer + OK)], keep_content=True)
    assert first.response.content == b"hello, observer"
    assert first.response.content_length == 15
    assert first.response.trailers == (("X-Checksum", "17"), ("X-Two", "2"))
    assert second.response.content == b"hello"


def test_a_broken_chunk_is_named_and_the_next_answer_is_found() -> None:
    broken = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nzz\r\n"
    first, second = run_in_every_cut([(CLIENT, GET + GET), (SERVER, broken + OK)], keep_content=True)
    assert first.response.content == b"abc"
    assert first.faults == ("response: a chunk has no valid size",)
    assert second.response.content == b"hello"
    assert second.faults == ("response: 4 bytes before it were not read as HTTP",)


def test_an_answer_that_interrupts_a_chunked_one_is_not_lost() -> None:
    broken = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"
    first, second = run_in_every_cut([(CLIENT, GET + GET), (SERVER, broken + OK)])
    assert first.faults == ("response: a chunk has no valid size",)
    assert second.response.status == 200
    assert second.faults == ()


def test_content_without_a_length_ends_with_the_connection() -> None:
    decoder = Http1Decoder(keep_content=True)
    decoder.feed(CLIENT, GET, span(1))
    assert decoder.feed(SERVER, b"HTTP/1.0 200 OK\r\n\r\nabc", span(2)) == []
    assert decoder.feed(SERVER, b"def", span(3)) == []
    [exchange] = decoder.end(SERVER, span(4))
    assert exchange.response.content == b"abcdef"
    assert exchange.faults == ()


def test_chunked_and_length_together_are_named_as_smuggling() -> None:
    request = b"POST / HTTP/1.1\r\nContent-Length: 99\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n"
    [exchange] = run_in_every_cut([(CLIENT, request), (SERVER, OK)])
    assert exchange.request.content_length == 1
    assert exchange.faults == ("request: both Transfer-Encoding and Content-Length (a way to smuggle requests)",)


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        (b"Content-Length: 5\r\nContent-Length: 5\r\n", "Content-Length is repeated"),
        (b"Content-Length: 5, 6\r\n", "Content-Length values contradict each other"),
        (b"Content-Length : 5\r\n", "white space around a field name"),
        (b"X-A: 1\r\n folded\r\nContent-Length: 5\r\n", "a field is folded over several lines"),
        (b"no colon\r\nContent-Length: 5\r\n", "a field line without a name"),
    ],
)
def test_odd_fields_are_read_and_named(fields: bytes, fault: str) -> None:
    first, second = run_in_every_cut(
        [(CLIENT, GET + GET), (SERVER, b"HTTP/1.1 200 OK\r\n" + fields + b"\r\nhello" + OK)]
    )
    assert first.response.content_length == 5
    assert first.faults == (f"response: {fault}",)
    assert second.faults == ()


def test_a_length_that_is_no_number_is_named() -> None:
    [exchange] = run_in_every_cut([(CLIENT, GET), (SERVER, b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello")])
    assert "response: Content-Length is no valid number" in exchange.faults
    assert exchange.response.content_length == 5


def test_bare_line_feeds_and_missing_reasons_are_understood() -> None:
    request = b"\r\n\r\nGET / HTTP/1.1\nHost: a\n\n"
    [exchange] = run_in_every_cut([(CLIENT, request), (SERVER, b"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n")])
    assert exchange.request.host == "a"
    assert exchange.response.reason == ""
    assert exchange.faults == ("request: lines end with a bare LF",)


def test_spaces_in_the_target_and_bytes_beyond_ascii_survive() -> None:
    request = b"GET /a b\xe4 HTTP/1.1\r\nX-Name: J\xf6rg\r\n\r\n"
    [exchange] = run_in_every_cut([(CLIENT, request), (SERVER, OK)])
    assert exchange.request.target == "/a b\xe4"
    assert exchange.request.field("x-name") == "J\xf6rg"
    assert exchange.faults == ("request: the request target holds spaces",)


def test_a_request_of_http_0_9_is_kept_and_named() -> None:
    [exchange] = run_in_every_cut([(CLIENT, b"GET /old\r\n")])
    assert (exchange.request.target, exchange.request.version) == ("/old", "")
    assert exchange.faults == (
        "no answer was seen",
        "request: the request line has no HTTP version",
        "request: the capture ended",
    )


def test_a_connect_tunnel_is_left_alone() -> None:
    decoder = Http1Decoder()
    decoder.feed(CLIENT, b"CONNECT mail.contoso.com:443 HTTP/1.1\r\n\r\n", span(1))
    decoder.feed(CLIENT, b"\x16\x03\x01", span(2))
    [exchange] = decoder.feed(SERVER, b"HTTP/1.1 200 Connection established\r\n\r\n\x16\x03\x03", span(3))
    assert exchange.request.host == "mail.contoso.com:443"
    assert decoder.upgraded_to == "tunnel"
    assert decoder.feed(SERVER, b"\x16\x03\x03" * 20, span(4)) == []
    assert decoder.finish() == []


def test_a_connect_that_is_refused_leaves_the_connection_to_http() -> None:
    refused = b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"
    connect = b"CONNECT mail.contoso.com:443 HTTP/1.1\r\n\r\n"
    exchanges = run_in_every_cut([(CLIENT, connect + GET), (SERVER, refused + OK)])
    assert [each.response.status for each in exchanges] == [407, 200]


def test_an_upgrade_names_the_protocol_that_follows() -> None:
    decoder = Http1Decoder()
    decoder.feed(CLIENT, b"GET /chat HTTP/1.1\r\nUpgrade: irc\r\nConnection: Upgrade\r\n\r\n", span(1))
    [exchange] = decoder.feed(SERVER, b"HTTP/1.1 101 Switching\r\nUpgrade: IRC\r\n\r\n\x81\x00", span(2))
    assert exchange.response.status == 101
    assert decoder.upgraded_to == "irc"
    assert decoder.take_rest(SERVER) == b"\x81\x00"
    assert decoder.take_rest(SERVER) == b""


def test_what_follows_an_upgrade_is_held_only_up_to_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http1, "MAX_HELD", 10)
    decoder = Http1Decoder()
    decoder.feed(CLIENT, b"GET / HTTP/1.1\r\nUpgrade: irc\r\n\r\n", span(1))
    decoder.feed(SERVER, b"HTTP/1.1 101 Switching\r\nUpgrade: irc\r\n\r\n", span(2))
    for number in range(3):
        decoder.feed(SERVER, b"x" * 6, span(3 + number))
    assert decoder.take_rest(SERVER) == b"x" * 6
    assert decoder.skipped == (0, 12)


def test_content_codings_are_undone_and_sizes_are_those_of_the_wire() -> None:
    packed = gzip.compress(b"hello " * 100)
    answer = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%b" % (len(packed), packed)
    [exchange] = run_in_every_cut([(CLIENT, GET), (SERVER, answer)], keep_content=True)
    assert exchange.response.content == b"hello " * 100
    assert exchange.response.content_length == len(packed)


def test_of_interim_answers_the_first_are_remembered() -> None:
    hints = b"HTTP/1.1 103 Early Hints\r\n\r\n" * (http1.MAX_INTERIM + 5)
    [exchange] = run([(CLIENT, GET), (SERVER, b"HTTP/1.1 100 Continue\r\n\r\n" + hints + OK)])
    assert exchange.response.status == 200
    assert exchange.response.interim == (100, *[103] * (http1.MAX_INTERIM - 1))


def test_content_that_nobody_wants_is_counted_and_not_kept() -> None:
    [exchange] = run([(CLIENT, GET), (SERVER, OK)])
    assert exchange.response.content is None
    assert exchange.response.content_length == 5


def test_xml_is_read_and_then_let_go() -> None:
    xml = b"<a/>"
    answer = b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: %d\r\n\r\n%b" % (len(xml), xml)
    seen = []

    def annotate(_: HttpRequest | None, response: HttpResponse | None) -> Annotations:
        assert response is not None
        seen.append(response.content)
        return {"http": {}}

    [exchange] = run([(CLIENT, GET), (SERVER, answer)], annotate=annotate)
    assert seen == [xml]
    assert exchange.response.content is None


def test_content_beyond_the_bound_is_dropped_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_body, "MAX_CONTENT_KEPT", 4)
    [exchange] = run([(CLIENT, GET), (SERVER, OK)], keep_content=True)
    assert exchange.response.content is None
    assert len(exchange.faults) == 1
    assert "is not kept" in exchange.faults[0]
