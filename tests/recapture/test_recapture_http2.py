"""HTTP/2 in decrypted captures: secrets are overwritten in header blocks and contents, and the tables stay in step."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING

import brotli
import pytest
from hpack import Decoder, Encoder
from hypothesis import given
from hypothesis import strategies as st
from packets import C, S, Scene
from rewriting import BROKEN, by_tshark, rewritten
from tls_dialogues import public_identity, tls

from tlsdecrypt.app.hpack_walk import HpackWalk
from tlsdecrypt.errors import ParseError
from tlsdecrypt.recapture.growing_file import GrowingFile
from tlsdecrypt.recapture.hpack_literals import overwritten
from tlsdecrypt.recapture.http2_masking import PREFACE, Http2Masking
from tlsdecrypt.recapture.stream_bytes import Part, StreamBytes
from tlsdecrypt.redact import Redactor
from tlsdecrypt.redact.in_place import InPlaceMasker

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

SECRET, PASSWORD = "q7ZxT0kenVa1ueThatNobodyMaySee9911", "Tr0ub4dor-&-3"
Fields = "list[tuple[str, str]]"
REQUEST = [(":method", "GET"), (":scheme", "https"), (":authority", "mail.contoso.com"), ("user-agent", "x")]
LOGIN = json.dumps({"user": "kim", "password": PASSWORD}).encode()


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def streams_of(*sides: bytes) -> tuple[GrowingFile, list[StreamBytes]]:
    file = GrowingFile()
    made, offset = [], 0
    for side in sides:
        file.append(side)
        made.append(StreamBytes(file, [Part(offset, len(side), is_dull=False)]))
        offset += len(side)
    return file, made


def masked(client: bytes, server: bytes = b"") -> tuple[bytes, bytes]:
    _, sides = streams_of(client, server)
    Http2Masking(InPlaceMasker(Redactor(salt=b"x"), [PASSWORD])).mask(sides[0], sides[1])
    return sides[0].read(0, sides[0].end), sides[1].read(0, sides[1].end)


def blocks_of(data: bytes) -> list[list[tuple[str, str]]]:
    """What another decoder reads in the HEADERS frames, one after the other."""
    decoder, at, found, block = Decoder(), len(PREFACE), [], b""
    while at < len(data):
        length, kind, flags = int.from_bytes(data[at : at + 3], "big"), data[at + 3], data[at + 4]
        if kind in (1, 9):
            block += data[at + 9 : at + 9 + length]
            if flags & 4:
                found.append([(str(name), str(value)) for name, value in decoder.decode(block)])
                block = b""
        at += 9 + length
    return found


@pytest.mark.parametrize("huffman", [True, False])
def test_secrets_in_fields_are_overwritten_and_repeated_ones_stay_the_same(*, huffman: bool) -> None:
    encoder = Encoder()
    secret = [
        (":path", f"/a?access_token={SECRET}&b=1"),
        ("authorization", f"Bearer {SECRET}"),
        ("cookie", f"s={SECRET}"),
    ]
    blocks = [encoder.encode(REQUEST + secret, huffman=huffman) for _ in range(3)]
    assert len(blocks[1]) < len(blocks[0]) // 2  # the later ones refer to the first
    client = PREFACE + b"".join(frame(1, 5, 1 + 2 * at, block) for at, block in enumerate(blocks))
    result, _ = masked(client)
    assert len(result) == len(client)
    assert SECRET.encode() not in result
    told = blocks_of(result)
    assert told[0] == told[1] == told[2]
    for (name, value), (old_name, old) in zip(told[0], REQUEST + secret, strict=True):
        assert (name, len(value)) == (old_name, len(old))
        assert SECRET not in value
    fields = dict(told[0])
    assert fields[":path"].startswith("/a?access_token=")
    assert fields[":path"].endswith("&b=1")
    assert fields["authorization"].startswith("Bearer ")
    assert fields[":authority"] == "mail.contoso.com"


def test_the_table_evicts_the_same_entries_as_before() -> None:
    encoder = Encoder()
    encoder.header_table_size = 400
    requests = [[*REQUEST, ("cookie", f"s={SECRET}{number}"), ("x-n", str(number))] for number in range(20)]
    blocks = [encoder.encode([*each, *requests[max(at - 1, 0)]]) for at, each in enumerate(requests)]
    client = PREFACE + b"".join(frame(1, 5, 1 + 2 * at, block) for at, block in enumerate(blocks))
    before, after = blocks_of(client), blocks_of(masked(client)[0])
    shape = [[(name, len(value)) for name, value in each] for each in before]
    assert [[(name, len(value)) for name, value in each] for each in after] == shape
    assert [value for each in after for name, value in each if name == "x-n"] == [
        value for each in before for name, value in each if name == "x-n"
    ]
    assert SECRET not in str(after)


def test_a_block_over_several_frames_with_padding_and_priority_is_read() -> None:
    block = Encoder().encode([*REQUEST, ("authorization", f"Bearer {SECRET}")])
    first = bytes([3]) + bytes(5) + block[:10] + bytes(3)
    client = PREFACE + frame(1, 0x28, 1, first) + frame(9, 0, 1, block[10:20]) + frame(9, 4, 1, block[20:])
    result = masked(client)[0]
    plain = PREFACE + frame(
        1,
        4,
        1,
        result[len(PREFACE) + 15 : len(PREFACE) + 25]
        + result[-len(block[20:]) - 19 : -len(block[20:]) - 9]
        + result[-len(block[20:]) :],
    )
    assert SECRET not in str(blocks_of(plain))
    assert len(result) == len(client)


@pytest.mark.parametrize("coding", ["identity", "gzip", "br"])
def test_secrets_in_contents_are_overwritten_over_frames(coding: str) -> None:
    content = {"identity": LOGIN, "gzip": gzip.compress(LOGIN), "br": brotli.compress(LOGIN)}[coding]
    fields = [(":status", "200"), ("content-type", "application/json"), ("content-encoding", coding)]
    server = frame(4, 0, 0) + frame(1, 4, 1, Encoder().encode(fields))
    server += frame(0, 8, 1, bytes([2]) + content[:9] + bytes(2)) + frame(0, 0, 3, b"other")
    server += frame(0, 1, 1, content[9:])
    result = masked(PREFACE, server)[1]
    assert len(result) == len(server)
    joined = result[-len(content) - 14 - 11 : -len(content) - 14 - 11 + 0] + b""
    assert PASSWORD.encode() not in result
    rest = result[-len(content[9:]) :]
    first = result.index(frame(0, 8, 1, bytes([2]) + bytes(11))[:9]) + 10
    whole = result[first : first + 9] + rest + joined
    if coding == "gzip":
        assert json.loads(gzip.decompress(whole)) == {"user": "kim", "password": "*" * len(PASSWORD)}
    elif coding == "identity":
        assert json.loads(whole) == {"user": "kim", "password": "*" * len(PASSWORD)}
    else:
        assert whole == b"*" * len(content)


def test_tshark_reads_the_decrypted_capture(tmp_path: Path) -> None:
    encoder, answers = Encoder(), Encoder()
    client = PREFACE + frame(4, 0, 0)
    server = frame(4, 0, 0)
    for stream in (1, 3):
        fields = [*REQUEST, (":path", "/mail"), ("cookie", f"sid={SECRET}")]
        client += frame(1, 5, stream, encoder.encode([*fields[:4], *fields[4:]]))
        server += frame(1, 4, stream, answers.encode([(":status", "200"), ("content-type", "application/json")]))
        server += frame(0, 1, stream, LOGIN)
    identity = public_identity("mail.contoso.com")
    scene = Scene()
    scene.dialogue(tls([C(client), S(server)], identity), port=443)
    original, path = tmp_path / "original.pcap", tmp_path / "decrypted.pcapng"
    original.write_bytes(scene.pcap())
    path.write_bytes(rewritten([original], identity.store))
    assert by_tshark(path, "-d", "tcp.port==443,http2", "-Y", BROKEN) == []
    as_http2 = ("-d", "tcp.port==443,http2")  # no heuristic of tshark tells it on this port
    shown = ("-T", "fields", "-e", "http2.headers.path", "-e", "http2.headers.cookie")
    rows = by_tshark(path, *as_http2, "-Y", "http2.headers.path", *shown)
    assert [path for path, _ in rows] == ["/mail,/mail"]
    assert SECRET not in str(rows)
    assert "sid=" in str(rows)
    assert PASSWORD.encode() not in path.read_bytes()


def test_damaged_blocks_are_given_up_and_known_secrets_still_found() -> None:
    client = PREFACE + frame(1, 5, 1, b"\xff\xff\xff\xff\xff\xff\xff") + frame(0, 1, 1, PASSWORD.encode())
    assert PASSWORD.encode() not in masked(client)[0]


@given(st.binary(max_size=300))
def test_any_header_block_is_walked_or_refused(block: bytes) -> None:
    walk = HpackWalk()
    try:
        fields = walk.walk(block)
    except ParseError:
        return
    for each in fields:
        if each.end > each.start:
            assert len(overwritten(each, b"*" * len(each.value))) <= each.end - each.start


@given(st.lists(st.tuples(st.text("abcxyz-", min_size=1), st.text(min_size=0, max_size=40))))
def test_walked_fields_are_those_that_were_encoded(fields: Sequence[tuple[str, str]]) -> None:
    pairs = [(name.encode(), value.encode()) for name, value in fields]
    block = Encoder().encode(pairs)
    walked = HpackWalk().walk(block)
    assert [((each.name or "").encode("latin-1"), each.value) for each in walked] == pairs
    for each in walked:
        if each.end > each.start:
            assert len(overwritten(each, b"*" * len(each.value))) == each.end - each.start


@given(st.binary(max_size=400), st.binary(max_size=400))
def test_any_bytes_keep_their_length(client: bytes, server: bytes) -> None:
    results = masked(PREFACE + client, server)
    assert [len(each) for each in results] == [len(PREFACE) + len(client), len(server)]
