"""HTTP/2 as hyperframe and hpack write it: requests and answers by their streams, whatever the cut."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

from hpack import Encoder
from http2_frames_made import PREFACE, SETTINGS, Peer, asking, data, go_away, reset
from http_feeding import CLIENT, SERVER, run, run_in_every_cut

from tlsdecrypt.app.decoder import choose_decoder
from tlsdecrypt.app.http2 import Http2Decoder

if TYPE_CHECKING:
    from typing import Any

    from http_feeding import Piece

    from tlsdecrypt.app.exchange import Exchange

START: list[Piece] = [(CLIENT, PREFACE + SETTINGS), (SERVER, SETTINGS)]


def said(*pieces: Piece, **options: Any) -> list[Exchange]:
    return run_in_every_cut([*START, *pieces], make=Http2Decoder, **options)


def test_a_request_has_method_target_and_host_and_its_answer_a_status() -> None:
    client, server = Peer(), Peer()
    answer = server.answer(1, b"hello", ("content-type", "text/plain"), ("content-length", "5"))
    [exchange] = said((CLIENT, client.get(1, "/owa/?a=b")), (SERVER, answer), keep_content=True)
    request, response = exchange.request, exchange.response
    assert exchange.protocol == "http/2"
    assert (request.method, request.target, request.host) == ("GET", "/owa/?a=b", "mail.contoso.com")
    assert request.fields == (("host", "mail.contoso.com"),)
    assert (response.status, response.content, response.content_length) == (200, b"hello", 5)
    assert response.fields == (("content-type", "text/plain"), ("content-length", "5"))
    assert (exchange.faults, exchange.annotations["http"]["service"]) == ((), "owa")
    assert (request.span.first_frame, response.span.last_frame) == (3, 4)


def test_streams_that_are_mixed_are_told_apart() -> None:
    client, server = Peer(), Peer()
    one, two = (server.fields(number, [(":status", "200"), ("x", str(number))]) for number in (1, 3))
    mixed = one + data(1, b"a") + two + data(3, b"cc", end=True) + data(1, b"b", end=True)
    asked = client.get(1, "/1") + client.get(3, "/3")
    exchanges = said((CLIENT, asked), (SERVER, mixed), keep_content=True)
    told = [(each.request.target, each.response.field("x"), each.response.content) for each in exchanges]
    assert told == [("/3", "3", b"cc"), ("/1", "1", b"ab")]


def test_all_of_one_side_may_come_before_the_other() -> None:
    client, server = Peer(), Peer()
    answers = server.answer(1, b"a") + server.answer(3, status=404)
    asked = client.get(1, "/1") + client.get(3, "/3")
    both: list[Piece] = [(CLIENT, PREFACE + SETTINGS + asked), (SERVER, SETTINGS + answers)]
    for pieces in (both, both[::-1]):
        exchanges = run_in_every_cut(pieces, make=Http2Decoder)
        assert [(each.request.target, each.response.status) for each in exchanges] == [("/1", 200), ("/3", 404)]


def test_padding_priority_and_continuation_are_undone() -> None:
    client, server = Peer(), Peer()
    flags: dict[str, Any] = {"flags": ["PADDED", "PRIORITY"], "pad_length": 7, "stream_weight": 3}
    asked = client.fields(1, [*asking("POST", "/"), ("x-long", "y" * 50)], cut=11, **flags)
    asked += data(1, b"12", padding=200) + data(1, b"", padding=0) + data(1, b"34", end=True, padding=3)
    [exchange] = said((CLIENT, asked), (SERVER, server.answer(1)), keep_content=True)
    assert (exchange.request.content, exchange.request.content_length) == (b"1234", 4)
    assert exchange.request.field("x-long") == "y" * 50
    assert exchange.faults == ()


def test_interim_answers_and_trailers_are_told() -> None:
    client, server = Peer(), Peer()
    answer = server.fields(1, [(":status", "103"), ("link", "x")]) + server.fields(1, [(":status", "100")])
    answer += server.fields(1, [(":status", "200")]) + data(1, b"x")
    answer += server.fields(1, [("grpc-status", "0")], end=True)
    [exchange] = said((CLIENT, client.get(1)), (SERVER, answer))
    assert (exchange.response.status, exchange.response.interim) == (200, (103, 100))
    assert exchange.response.trailers == (("grpc-status", "0"),)


def test_content_codings_are_undone_and_passwords_of_forms_kept_apart() -> None:
    client, server = Peer(), Peer()
    form = ("content-type", "application/x-www-form-urlencoded")
    asked = client.post(1, "/owa/auth.owa", form, content=b"username=kim&password=Wint3r!")
    packed = gzip.compress(b"<p>wrong</p>")
    answer = server.answer(1, packed, ("content-encoding", "gzip"), ("content-type", "text/html"))
    [exchange] = said((CLIENT, asked), (SERVER, answer), keep_content=True)
    assert (exchange.response.content, exchange.response.content_length) == (b"<p>wrong</p>", len(packed))
    assert exchange.passwords == ("Wint3r!",)
    [exchange] = said((CLIENT, asked), (SERVER, answer))
    assert exchange.request.content is None


def test_cookies_that_were_sent_apart_are_one_field() -> None:
    client, server = Peer(), Peer()
    asked = client.fields(1, [*asking("GET", "/"), ("cookie", "a=1"), ("x", "y"), ("cookie", "b=2")], end=True)
    [exchange] = said((CLIENT, asked), (SERVER, server.answer(1)))
    assert exchange.request.all_fields("cookie") == ["a=1; b=2"]


def test_a_push_is_a_request_of_its_own() -> None:
    client, server = Peer(), Peer()
    answers = server.promise(1, 2, "/style.css") + server.answer(2, b"css") + server.answer(1, b"page")
    first, second = said((CLIENT, client.get(1, "/")), (SERVER, answers))
    assert (first.request.target, first.response.content_length) == ("/style.css", 3)
    assert (second.request.target, second.response.content_length) == ("/", 4)


def test_resets_and_goaway_are_named() -> None:
    client, server = Peer(), Peer()
    asked = client.get(1, "/1") + client.get(3, "/3") + client.get(5, "/5") + client.get(7, "/7")
    refused, calm, away, unanswered = said(
        (CLIENT, asked + reset(3, 8)), (SERVER, reset(5, 7) + go_away(5, 11)), (SERVER, server.answer(1)[:-2])
    )
    assert (refused.request.target, refused.faults) == ("/3", ("the client reset the stream: CANCEL",))
    assert (calm.request.target, calm.faults) == ("/5", ("the server reset the stream: REFUSED_STREAM",))
    assert away.faults == ("the server will not process it (GOAWAY: ENHANCE_YOUR_CALM)",)
    assert unanswered.faults == ("the server gave up the connection (GOAWAY: ENHANCE_YOUR_CALM)",)
    assert "secret" not in str([away, unanswered])


def test_the_last_stream_of_a_goaway_goes_on() -> None:
    client, server = Peer(), Peer()
    asked = client.get(1, "/1") + client.get(3, "/3")
    refused, answered = said((CLIENT, asked), (SERVER, go_away(1, 0) + server.answer(1)))
    assert (refused.request.target, answered.request.target) == ("/3", "/1")
    assert refused.faults == ("the server will not process it (GOAWAY: NO_ERROR)",)
    assert (answered.response.status, answered.faults) == (200, ())


def test_an_answer_before_the_end_of_the_request_may_end_it_without_a_fault() -> None:
    client, server = Peer(), Peer()
    asked = client.fields(1, asking("POST", "/big")) + data(1, b"part")
    [exchange] = said((CLIENT, asked), (SERVER, server.answer(1, status=413) + reset(1, 0)))
    assert (exchange.response.status, exchange.faults) == (413, ())


def test_content_that_is_not_as_long_as_told_is_a_fault() -> None:
    client, server = Peer(), Peer()
    answer = server.answer(1, b"1234", ("content-length", "5"))
    [exchange] = said((CLIENT, client.get(1)), (SERVER, answer))
    assert exchange.faults == ("response: the content has 4 bytes and Content-Length says 5",)


def test_a_stream_without_end_is_told_at_the_end() -> None:
    client, server = Peer(), Peer()
    answer = server.fields(1, [(":status", "200")]) + data(1, b"123")
    [exchange] = said((CLIENT, client.get(1)), (SERVER, answer))
    assert exchange.faults == ("response: the capture ended: the content ends before the stream does",)
    [unanswered] = said((CLIENT, Peer().get(1)))
    assert (unanswered.response, unanswered.faults) == (None, ("no answer was seen",))


def test_websockets_over_http2_have_the_uri_as_target() -> None:
    fields = [(":method", "CONNECT"), (":protocol", "websocket"), (":scheme", "https"), (":path", "/chat")]
    asked = Peer().fields(1, [*fields, (":authority", "server.example.com")])
    [exchange] = said((CLIENT, asked))
    assert (exchange.request.target, exchange.request.host) == ("https://server.example.com/chat", "server.example.com")


def test_the_decoder_is_chosen_by_alpn_by_the_preface_and_by_frames() -> None:
    for alpn, first in (("h2", b"x"), ("h2-14", PREFACE), (None, PREFACE), (None, SETTINGS), (None, SETTINGS * 2)):
        decoder = choose_decoder(alpn, first, 12_345)
        assert isinstance(decoder, Http2Decoder), (alpn, first)
    dns = b"\x00\x1d\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x07contoso\x03com\x00\x00\x01\x00\x01"
    kerberos = b"\x00\x00\x05\xa0\x6c\x82\x05\x9c\x30\x82\x05\x98\xa1\x03\x02\x01\x05\xa2\x03\x02\x01\x0c"
    smb = b"\x00\x00\x00\x90\xfeSMB\x40\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
    for other in (dns, kerberos, smb, b"PRI * HTTP/3.0\r\n", b"\x00" * 64):
        assert not isinstance(choose_decoder(None, other, 12_345), Http2Decoder), other


def test_tables_that_change_their_size_are_followed() -> None:
    encoder = Encoder()
    peer = Peer(encoder)
    asked = peer.fields(1, [*asking("GET", "/1"), ("x-a", "1")], end=True)
    encoder.header_table_size = 0
    encoder.header_table_size = 8192
    asked += peer.fields(3, [*asking("GET", "/3"), ("x-a", "1")], end=True)
    asked += peer.fields(5, [*asking("GET", "/3"), ("x-a", "1")], end=True)
    exchanges = run([*START, (CLIENT, asked)], make=Http2Decoder)
    told = [(each.request.target, each.request.field("x-a")) for each in exchanges]
    assert told == [("/1", "1"), ("/3", "1"), ("/3", "1")]
