"""WebSocket in decrypted captures: secrets are overwritten in payloads, under their masks too, and frames stay."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from tlsdecrypt.app.websocket_frames import WebSocketFrameReader, unmasked
from tlsdecrypt.flow import Span
from tlsdecrypt.recapture.growing_file import GrowingFile
from tlsdecrypt.recapture.stream_bytes import Part, StreamBytes
from tlsdecrypt.recapture.websocket_masking import mask_websocket
from tlsdecrypt.redact import Redactor
from tlsdecrypt.redact.in_place import InPlaceMasker

PASSWORD = "Tr0ub4dor-&-3"
LOGIN = json.dumps({"user": "kim", "password": PASSWORD}).encode()
KEY = b"\x01\x02\x03\x04"
ASK = b"GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\n\r\n"
AGREE = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"


def masked(*sides: tuple[bytes, int, bytes]) -> list[bytes]:
    """What becomes of head, hole and rest of each side."""
    file, streams = GrowingFile(), []
    for head, hole, rest in sides:
        start = sum(len(one) + len(two) for one, _, two in sides[: len(streams)])
        file.append(head + rest)
        parts = [Part(start, len(head), is_dull=False), Part(-1, hole, is_dull=True)]
        streams.append(StreamBytes(file, [*parts, Part(start + len(head), len(rest), is_dull=False)]))
    mask_websocket(streams[0], streams[1], InPlaceMasker(Redactor()))
    return [stream.read(0, stream.end) for stream in streams]


def frame(payload: bytes, first: int = 0x81, key: bytes = b"") -> bytes:
    head = bytes([first, len(payload) | (0x80 if key else 0)]) + key
    return head + (unmasked(payload, key) if key else payload)


def test_payloads_lose_their_secrets_and_keep_their_frames() -> None:
    client, server = masked(
        (ASK + frame(LOGIN, key=KEY) + frame(b"hello", key=KEY), 0, b""),
        (AGREE + frame(LOGIN) + frame(b"hello"), 0, b""),
    )
    for said, head in ((client, ASK), (server, AGREE)):
        assert said.startswith(head)
        login, hello = WebSocketFrameReader().feed(said[len(head) :], Span(1, 1, 0, 0))
        assert login.payload is not None
        assert json.loads(login.payload) == {"user": "kim", "password": "*" * len(PASSWORD)}
        assert hello.payload == b"hello"


def test_what_cannot_be_changed_in_part_is_overwritten() -> None:
    pieces = frame(LOGIN[:20], 0x01) + frame(LOGIN[20:], 0x80) + frame(b"\xf2\x48\xcd", 0xC1)
    _, server = masked((ASK, 0, b""), (AGREE + pieces, 0, b""))
    frames = WebSocketFrameReader().feed(server[len(AGREE) :], Span(1, 1, 0, 0))
    assert [set(each.payload or b"") for each in frames] == [{ord("*")}] * 3


def test_behind_a_hole_nothing_is_left() -> None:
    _, server = masked((ASK, 0, b""), (AGREE + frame(b"hello")[:-2], 30, frame(LOGIN)))
    assert PASSWORD.encode() not in server
    assert server.endswith(b"*" * len(frame(LOGIN)))


@given(st.binary(max_size=200), st.integers(0, 9), st.binary(max_size=200))
def test_any_bytes_keep_their_length(head: bytes, hole: int, rest: bytes) -> None:
    client, server = masked((ASK + head, hole, rest), (AGREE + head, hole, rest))
    assert (len(client), len(server)) == (len(ASK + head + rest), len(AGREE + head + rest))
