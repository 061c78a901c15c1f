"""WebSocket by the examples of RFC 6455 section 5.7 and RFC 7692 section 7.2.3, behind the upgrade that begins it."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

import pytest
from http2_frames_made import PREFACE, SETTINGS, Peer
from http_feeding import CLIENT, SERVER, by_bytes, run, run_in_every_cut, without_frames
from hypothesis import given
from hypothesis import strategies as st

from tlsdecrypt.app import websocket, websocket_deflate, websocket_frames
from tlsdecrypt.app.websocket import WebSocketDecoder

if TYPE_CHECKING:
    from http_feeding import Piece

    from tlsdecrypt.app.exchange import Exchange

HELLO = bytes.fromhex("810548656c6c6f")  # RFC 6455 section 5.7: a text frame, not masked
HELLO_MASKED = bytes.fromhex("818537fa213d7f9f4d5158")
HELLO_IN_TWO = bytes.fromhex("010348656c" + "80026c6f")
PING, PONG_MASKED = bytes.fromhex("890548656c6c6f"), bytes.fromhex("8a8537fa213d7f9f4d5158")
DEFLATED = bytes.fromhex("c107f248cdc9c90700")  # RFC 7692 section 7.2.3.1
DEFLATED_AGAIN = bytes.fromhex("c105f200110000")  # section 7.2.3.2: it refers to the one before
DEFLATED_LAST = bytes.fromhex("c108f348cdc9c9070000")  # section 7.2.3.4: a block that says it is the last
CLOSE_1001 = bytes.fromhex("880903e9") + b"gone 42"[:7]
ASK = b"GET /chat HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
AGREE = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n%b\r\n"
LONG = bytes(range(32, 96))
EXTENSION = b"Sec-WebSocket-Extensions: permessage-deflate%b\r\n"


def said(*pieces: Piece, **options: Any) -> list[Exchange]:
    return run_in_every_cut(list(pieces), make=WebSocketDecoder, **{"keep_content": True, **options})


def contents(exchanges: list[Exchange]) -> list[bytes | None]:
    return [(each.request or each.response).content for each in exchanges]


def test_messages_follow_the_upgrade_each_on_its_side() -> None:
    pieces: list[Piece] = [
        (CLIENT, ASK + HELLO_MASKED),
        (SERVER, AGREE % b"" + HELLO + HELLO_IN_TWO),
        (SERVER, CLOSE_1001),
    ]
    upgrade, masked, hello, two, close = run_in_every_cut(pieces, keep_content=True)
    assert (upgrade.protocol, upgrade.request.target, upgrade.response.status) == ("http/1.1", "/chat", 101)
    assert (masked.protocol, masked.request.verb, masked.request.is_masked, masked.response) == (
        "websocket",
        "TEXT",
        True,
        None,
    )
    assert (masked.request.content, hello.response.content, two.response.content) == (b"Hello",) * 3
    assert (hello.request, hello.response.is_masked, two.response.frames) == (None, False, 2)
    assert (close.response.close_code, close.response.line) == (1001, "1001 going away")
    assert (masked.request.span.first_frame, two.response.span.last_frame) == (1, 2)


def test_control_frames_may_stand_inside_a_message() -> None:
    ping, pong, hello = said((SERVER, HELLO_IN_TWO[:5] + PING), (CLIENT, PONG_MASKED), (SERVER, HELLO_IN_TWO[5:]))
    assert [(each.request or each.response).verb for each in (ping, pong, hello)] == ["PING", "PONG", "TEXT"]
    assert contents([ping, pong, hello]) == [b"Hello"] * 3


@pytest.mark.parametrize("length", [125, 126, 65_535, 65_536])
def test_lengths_have_three_forms(length: int) -> None:
    head = {125: b"\x82\x7d", 126: b"\x82\x7e\x00\x7e", 65_535: b"\x82\x7e\xff\xff"}
    whole = head.get(length, b"\x82\x7f" + (65_536).to_bytes(8, "big")) + b"x" * length
    [exchange] = run([(SERVER, whole)], make=WebSocketDecoder, keep_content=True)
    assert (exchange.response.verb, exchange.response.content_length) == ("BINARY", length)
    assert exchange.response.content == b"x" * length


def test_compressed_messages_are_inflated_as_was_agreed() -> None:
    agreed = AGREE % (EXTENSION % b"; client_no_context_takeover")
    exchanges = run_in_every_cut(
        [(CLIENT, ASK), (SERVER, agreed + DEFLATED + DEFLATED_AGAIN + DEFLATED_LAST)], keep_content=True
    )
    assert contents(exchanges[1:]) == [b"Hello"] * 3
    assert all(each.response.is_compressed and not each.faults for each in exchanges[1:])
    assert exchanges[1].response.content_length == 7


def test_without_takeover_a_message_stands_alone() -> None:
    options = {"extensions": "permessage-deflate; server_no_context_takeover"}
    first, again = said((SERVER, DEFLATED + DEFLATED), **options)
    assert contents([first, again]) == [b"Hello", b"Hello"]
    _, refers = said((SERVER, DEFLATED + DEFLATED_AGAIN), **options)
    assert (refers.response.content, refers.faults) == (None, ("its compressed content could not be read",))


def test_compressed_content_behind_what_was_missed_is_not_read_wrong() -> None:
    first, again = said(
        (SERVER, DEFLATED[:4]), (SERVER, 2), (SERVER, DEFLATED[6:] + DEFLATED_AGAIN), extensions="permessage-deflate"
    )
    assert (first.response.missing, first.response.content, again.response.content) == (2, None, None)
    assert again.faults == ("its compressed content could not be read",)


def test_a_message_that_refers_to_more_than_was_captured_is_not_read_from_the_rest() -> None:
    deflate = zlib.compressobj(wbits=-15)
    made = [(deflate.compress(text) + deflate.flush(zlib.Z_SYNC_FLUSH))[:-4] for text in (LONG, b"ijklmnop")]
    made.append((deflate.compress(LONG[-16:]) + deflate.flush(zlib.Z_SYNC_FLUSH))[:-4])
    one, two, three = (bytes([0xC1, len(each)]) + each for each in made)
    pieces: list[Piece] = [(SERVER, one + two[:3]), (SERVER, len(two) - 3), (SERVER, three)]
    assert contents(said(*pieces, extensions="permessage-deflate")) == [LONG, None, None]
    whole: list[Piece] = [(SERVER, one + two + three)]
    assert contents(said(*whole, extensions="permessage-deflate"))[2] == LONG[-16:]


def test_content_that_inflates_without_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket_deflate, "MAX_INFLATED", 1_000)
    deflate = zlib.compressobj(wbits=-15)
    bomb = (deflate.compress(b"x" * 50_000) + deflate.flush(zlib.Z_SYNC_FLUSH))[:-4]
    [exchange] = said((SERVER, bytes([0xC1, len(bomb)]) + bomb), extensions="permessage-deflate")
    assert (exchange.response.content, exchange.faults) == (None, ("its compressed content could not be read",))


def test_a_gap_inside_a_payload_is_counted_and_one_beyond_ends_the_direction() -> None:
    first, second = said((SERVER, HELLO[:4]), (SERVER, 2), (SERVER, HELLO[6:] + HELLO))
    assert (first.response.missing, first.response.content, second.response.content) == (2, None, b"Hello")
    decoder = WebSocketDecoder()
    assert decoder.gap(SERVER, 3, second.response.span) == []
    assert decoder.feed(SERVER, HELLO, second.response.span) == []
    assert decoder.skipped == (0, len(HELLO))


def test_a_message_without_end_is_told_with_its_fault() -> None:
    [exchange] = said((CLIENT, bytes.fromhex("010348656c")))
    assert (exchange.request.content_length, exchange.faults) == (3, ("the capture ended before the message did",))


def test_beyond_the_bound_only_the_end_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket, "MAX_TOLD", 2)
    *_, close = exchanges = run([(SERVER, HELLO * 10 + CLOSE_1001)], make=WebSocketDecoder)
    assert (len(exchanges), close.faults) == (3, ("8 messages before it are not told",))
    *_, last = exchanges = run([(SERVER, HELLO * 10)], make=WebSocketDecoder)
    assert (len(exchanges), last.faults) == (3, ("7 messages before it are not told",))


def test_long_frames_are_counted_and_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket_frames, "MAX_PAYLOAD", 4)
    [exchange] = said((SERVER, HELLO))
    assert (exchange.response.content_length, exchange.response.content) == (5, None)


def test_plain_http_inside_a_tunnel_is_followed() -> None:
    connect = b"CONNECT mail.contoso.com:80 HTTP/1.1\r\n\r\n"
    inside, answer = b"GET /inside HTTP/1.1\r\nHost: h\r\n\r\n", b"HTTP/1.1 204 No Content\r\n\r\n"
    pieces: list[Piece] = [(CLIENT, connect), (SERVER, b"HTTP/1.1 200 OK\r\n\r\n"), (CLIENT, inside), (SERVER, answer)]
    tunnel, asked = run_in_every_cut(pieces)
    assert (tunnel.request.method, asked.request.target, asked.response.status) == ("CONNECT", "/inside", 204)


def test_http2_goes_on_behind_an_upgrade_with_the_request_that_asked() -> None:
    ask = b"GET /first HTTP/1.1\r\nHost: h\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
    ask += b"HTTP2-Settings: AAMAAABk\r\n\r\n"
    agree = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
    client, server = Peer(), Peer()
    pieces: list[Piece] = [
        (CLIENT, ask),
        (SERVER, agree + SETTINGS),
        (CLIENT, PREFACE + SETTINGS + client.get(3, "/3")),
    ]
    pieces += [(SERVER, server.answer(1, b"one") + server.answer(3, status=404))]
    upgrade, first, third = run_in_every_cut(pieces)
    assert (upgrade.protocol, upgrade.response.status) == ("http/1.1", 101)
    assert (first.protocol, first.request.target, first.response.status) == ("http/2", "/first", 200)
    assert (third.request.target, third.response.status) == ("/3", 404)


@given(st.lists(st.tuples(st.sampled_from([CLIENT, SERVER]), st.one_of(st.binary(max_size=80), st.integers(0, 99)))))
def test_any_bytes_give_values_and_the_cut_makes_no_difference(pieces: list[Piece]) -> None:
    options = {"keep_content": True, "extensions": "permessage-deflate"}
    expected = without_frames(run(pieces, make=WebSocketDecoder, **options))
    assert without_frames(run(by_bytes(pieces), make=WebSocketDecoder, **options)) == expected
