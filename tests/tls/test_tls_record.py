"""Records are cut out of any sequence of pieces, and found again behind holes and nonsense."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tlsdecrypt.flow import Span
from tlsdecrypt.tls.record import (
    MAX_BEFORE,
    MAX_SEARCH_BYTES,
    SSLV2_HELLO,
    Record,
    RecordReader,
    starts_with_client_hello,
    starts_with_record,
    starts_with_server_answer,
)
from tlsdecrypt.value import replace

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator

    from tlsdecrypt.tls.record import Locate

HELLO = bytes.fromhex("16 03 01 00 05") + b"\x01\x00\x00\x01\x00"  # a handshake record with a ClientHello of one byte
DATA = bytes.fromhex("17 03 03 00 04") + b"data"  # application data
ALERT = bytes.fromhex("15 03 03 00 02 01 00")  # close_notify
SSLV2 = bytes.fromhex("80 1c 01 03 01 00 03 00 00 00 10") + b"\x00\x00\x2f" + bytes(16)  # 28 bytes behind 2 of length


def locate_in(first_frame: int) -> Locate:
    """Frames that are numbered by byte: frame 100 holds byte 0."""
    return lambda start, end: Span(first_frame + start, first_frame + end - 1, 0, 0)


def read(pieces: list[bytes], reader: RecordReader | None = None) -> list[Record]:
    reader = reader or RecordReader()
    records, position = [], 100
    for piece in pieces:
        records += reader.feed(piece, locate_in(position))
        position += len(piece)
    return [replace(record, fragment=bytes(record.fragment)) for record in records]


def cuts(stream: bytes) -> Iterator[list[bytes]]:
    """Whole, byte by byte, and cut in two at each place."""
    yield [stream]
    yield [stream[i : i + 1] for i in range(len(stream))]
    for place in range(1, len(stream)):
        yield [stream[:place], stream[place:]]


@pytest.mark.parametrize("stream", [HELLO + DATA + ALERT, SSLV2 + HELLO + DATA, DATA * 3])
def test_records_do_not_depend_on_how_the_stream_was_cut(stream: bytes) -> None:
    whole = read([stream])
    assert b"".join(bytes(record.fragment) for record in whole) != b""
    for pieces in cuts(stream):
        assert read(pieces) == whole


def test_a_record_names_the_frames_of_its_bytes() -> None:
    hello, data = read([HELLO + DATA])
    assert (hello.span.first_frame, hello.span.last_frame) == (100, 109)
    assert (data.span.first_frame, data.span.last_frame) == (110, 118)
    assert (data.content_type, data.version, data.fragment) == (23, 0x0303, b"data")
    assert data.lost == 0


def test_an_sslv2_hello_comes_without_its_two_bytes_of_length() -> None:
    first, second = read([SSLV2 + HELLO])
    assert first.content_type == SSLV2_HELLO
    assert first.fragment == SSLV2[2:]
    assert second.content_type == 22


def test_behind_a_hole_the_next_record_is_found_and_the_loss_is_counted() -> None:
    reader = RecordReader()
    assert len(read([HELLO, DATA[:7]], reader)) == 1
    reader.gap(10)
    noise = b"\x99" * 20  # the end of a record whose start is lost
    found = read([noise + DATA + ALERT], reader)
    assert [record.content_type for record in found] == [23, 21]
    assert found[0].lost == 7 + 10 + 20
    assert found[1].lost == 0
    assert (found[0].before, found[1].before) == (noise, b"")


def test_a_hole_of_unknown_size_makes_the_loss_unknown() -> None:
    reader = RecordReader()
    read([HELLO], reader)
    reader.gap(None)
    assert read([DATA + ALERT], reader)[0].lost is None


def test_a_header_inside_ciphertext_is_not_taken_for_a_record_behind_a_hole() -> None:
    reader = RecordReader()
    read([HELLO], reader)
    reader.gap(5)
    false_header = b"\x17\x03\x03\x00\x10" + b"\x99" * 40  # nothing that looks like a header follows 16 bytes later
    found = read([false_header + DATA + ALERT], reader)
    assert [bytes(record.fragment) for record in found] == [b"data", b"\x01\x00"]


@pytest.mark.parametrize("cut", range(1, 30))
def test_the_search_behind_a_hole_goes_on_over_pieces(cut: int) -> None:
    reader = RecordReader()
    read([HELLO], reader)
    reader.gap(3)
    stream = b"\x99" * 20 + DATA + ALERT
    found = read([stream[:cut], stream[cut:]], reader)
    assert [record.content_type for record in found] == [23, 21]
    assert found[0].lost == 23
    assert found[0].before == b"\x99" * 20


def test_of_what_stands_before_a_record_only_the_end_is_kept() -> None:
    reader = RecordReader()
    read([HELLO], reader)
    reader.gap(3)
    tail = bytes(range(MAX_BEFORE))
    assert read([b"\x99" * 500 + tail + DATA + ALERT], reader)[0].before == tail


def test_nonsense_is_named_once_and_skipped() -> None:
    reader = RecordReader()
    found = read([HELLO + b"GET / HTTP/1.1\r\n\r\n" + DATA + ALERT], reader)
    assert [record.content_type for record in found] == [22, 23, 21]
    assert reader.fault == "no record header: 47 45 54 20 2f"


def test_the_search_has_a_bound() -> None:
    reader = RecordReader()
    read([HELLO], reader)
    for _ in range(MAX_SEARCH_BYTES // 2**16 + 2):
        read([b"\x99" * 2**16], reader)
    assert reader.is_opaque
    assert read([DATA + ALERT], reader) == []


def test_first_bytes_tell_what_they_begin() -> None:
    assert starts_with_client_hello(HELLO)
    assert starts_with_client_hello(SSLV2)
    assert not starts_with_client_hello(DATA)
    assert starts_with_server_answer(bytes.fromhex("16 03 03 00 31 02 00 00 2d"))
    assert starts_with_server_answer(bytes.fromhex("15 03 01 00 02 02 28"))
    assert starts_with_record(DATA)
    assert not starts_with_record(b"HTTP/1.1 200 OK")


@given(st.binary(max_size=400), st.randoms(use_true_random=False))
def test_any_bytes_in_any_pieces_give_the_same_records(data: bytes, chance: random.Random) -> None:
    places = sorted(chance.randrange(len(data) + 1) for _ in range(4))
    pieces = [data[a:b] for a, b in zip([0, *places], [*places, len(data)], strict=True)]
    stream = HELLO + data
    whole = [(record.content_type, record.version, record.fragment) for record in read([stream])]
    cut = [(record.content_type, record.version, record.fragment) for record in read([HELLO, *pieces])]
    assert cut == whole


def test_behind_a_hole_the_header_before_it_tells_where_the_next_record_begins() -> None:
    """No header follows that record: another hole does. And what looks like headers within the damaged one is none."""
    inner = bytes.fromhex("17 03 03 00 05") + b"false" + bytes.fromhex("17 03 03 00 05")
    damaged = bytes.fromhex("17 03 03 00 28") + b"x" * 10 + inner + b"y" * 15
    reader = RecordReader()
    assert read([damaged[:8]], reader) == []
    reader.gap(4)
    (record,) = read([damaged[12:] + DATA + b"\x17"], reader)
    assert (record.fragment, record.lost) == (b"data", len(damaged))
    assert record.damage is not None
    assert [piece[:2] for piece in record.damage.pieces] == [(0, damaged[:8]), (12, damaged[12:])]
    assert record.damage.length == len(damaged)


@pytest.mark.parametrize("cut", range(1, 60))
def test_that_place_does_not_depend_on_how_the_stream_was_cut(cut: int) -> None:
    damaged = bytes.fromhex("17 03 03 00 28") + b"x" * 40
    behind = damaged[12:] + DATA + ALERT
    reader = RecordReader()
    read([damaged[:8]], reader)
    reader.gap(4)
    records = read([behind[:cut], behind[cut:]], reader)
    assert [(each.fragment, each.lost) for each in records] == [(b"data", len(damaged)), (b"\x01\x00", 0)]


def test_where_the_header_lied_the_next_record_is_searched_for() -> None:
    reader = RecordReader()
    read([bytes.fromhex("17 03 03 00 30") + b"x" * 10], reader)
    reader.gap(4)
    assert [each.fragment for each in read([b"y" * 6 + DATA + DATA + ALERT + b"z" * 60], reader)][:2] == [b"data"] * 2
