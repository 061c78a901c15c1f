"""Of a damaged record all that was captured is read, by every family of ciphers, and none of it is wrong."""

from __future__ import annotations

import random
import ssl
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from record_sealing import Sealer, seal_13
from tls_peers import FAMILIES, SERVER, Dialogue, WireRecord, openssl_dialogue, tlslite_dialogue

from tlsdecrypt.flow import Direction, Span
from tlsdecrypt.tls.behind_hole import glimpses, glimpses_at_end, recovered
from tlsdecrypt.tls.ciphersuites import cipher_suite
from tlsdecrypt.tls.damage import MAX_DAMAGE_BYTES, Damage, DamageNotes, Piece, damaged_records
from tlsdecrypt.tls.prf import derive_keys
from tlsdecrypt.tls.protection import make_protection, make_protection_13
from tlsdecrypt.tls.side import Side

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tlsdecrypt.tls.events import UnverifiedData
    from tlsdecrypt.tls.record import Locate

NOWHERE = Span(1, 1, 0, 0)
TLS10, TLS12 = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_2
HEADER = b"\x17\x03\x03"


def everywhere(_start: int, _end: int) -> Span:
    return NOWHERE


LOCATE: Locate = everywhere


class Stream:
    """Records of a peer as one stream, and what is in each of them."""

    def __init__(self, records: list[WireRecord], make: Callable[[], Any]) -> None:
        self.make = make
        protection = make()
        opened = [protection.open(*record) for record in records]
        assert None not in opened
        self.contents: list[bytes] = [content for _, content in opened]
        self.kinds: list[int] = [kind for kind, _ in opened]
        wire = [bytes((kind,)) + version.to_bytes(2) + len(data).to_bytes(2) + data for kind, version, data in records]
        self.starts = [sum(map(len, wire[:index])) for index in range(len(wire) + 1)]
        self.data = b"".join(wire)

    def glimpses(self, holes: list[range], end: int | None = None) -> list[UnverifiedData]:
        """What is seen of records that are not whole, where `holes` were not captured."""
        side = Side(Direction.SERVER_TO_CLIENT, has_start=True)
        side.protection = self.make()
        seen: list[UnverifiedData] = []
        position = 0
        for hole in [*holes, None]:
            stop = hole.start if hole else end or len(self.data)
            for record in side.reader.feed(self.data[position:stop], LOCATE):
                before = side.protection.sequence_number
                seen_as = record.content_type, record.version, record.fragment
                opened = recovered(side.protection, record) if record.lost else side.protection.open(*seen_as)
                if opened is None:
                    side.failed_at = side.protection.sequence_number
                    continue
                side.records_decrypted += 1
                if record.damage is not None:
                    seen += glimpses(side, record.damage, before, side.protection.sequence_number - 1)
            if hole:
                side.reader.gap(len(hole))
                position = hole.stop
        return seen + list(glimpses_at_end(side))


def made(dialogue: Dialogue, *, encrypt_then_mac: bool = False) -> Stream:
    randoms = dialogue.client_random, dialogue.server_random
    keys = derive_keys(dialogue.suite, dialogue.version, dialogue.secrets["CLIENT_RANDOM"], *randoms)[SERVER]

    def make() -> Any:
        return make_protection(dialogue.suite, dialogue.version, keys, encrypt_then_mac=encrypt_then_mac)

    return Stream(dialogue.protected(SERVER), make)


CASES = [*FAMILIES, (TLS10, "AES128-SHA", False), (TLS10, "AES128-SHA", True)]


def stream_of(tmp_path: Path, version: ssl.TLSVersion, ciphers: str, *, etm: bool) -> Stream:
    return made(openssl_dialogue(tmp_path, version, ciphers, encrypt_then_mac=etm), encrypt_then_mac=etm)


def tls13_stream(tmp_path: Path) -> Stream:
    dialogue = openssl_dialogue(tmp_path, ssl.TLSVersion.TLSv1_3, None)
    suite, secret = dialogue.suite, dialogue.secrets["SERVER_TRAFFIC_SECRET_0"]
    traffic: Any = make_protection_13(suite, secret)
    records = [record for record in dialogue.protected(SERVER) if traffic.open(*record)]
    return Stream(records, lambda: make_protection_13(suite, secret))


def assert_true(stream: Stream, seen: list[UnverifiedData]) -> None:
    for each in seen:
        assert any(each.data in content for content in stream.contents), each


@pytest.mark.parametrize(("version", "ciphers", "etm"), CASES, ids=[f"{case[1]}-{case[2]}" for case in CASES])
def test_head_and_tail_of_a_damaged_record_are_read(
    tmp_path: Path, version: ssl.TLSVersion, ciphers: str, *, etm: bool
) -> None:
    stream = stream_of(tmp_path, version, ciphers, etm=etm)
    assert_head_and_tail(stream)


def test_head_and_tail_are_read_in_tls13(tmp_path: Path) -> None:
    assert_head_and_tail(tls13_stream(tmp_path))


@pytest.mark.parametrize("version", [(3, 0), (3, 1)])
def test_head_and_tail_are_read_in_rc4(version: tuple[int, int]) -> None:
    assert_head_and_tail(made(tlslite_dialogue(version, "rc4", "sha")), least=40)


def assert_head_and_tail(stream: Stream, least: int = 1_000) -> None:
    lengths = list(map(len, stream.contents))
    number = max(range(2, len(lengths) - 2), key=lengths.__getitem__)
    start, stop = stream.starts[number], stream.starts[number + 1]
    length = stop - start
    assert length > least
    hole = range(start + length // 3, start + length // 2)
    seen = stream.glimpses([hole])
    content = stream.contents[number]
    read = b"".join(each.data for each in seen)
    assert len(seen) == 2
    assert content.index(seen[0].data) < 17  # a chained first block has no IV
    assert content.endswith(seen[1].data)
    assert len(content) - len(read) <= len(hole) + 64  # blocks that the hole cut
    if seen[0].offset is not None:
        assert [content[each.offset :].startswith(each.data) for each in seen] == [True, True]


@pytest.mark.parametrize(("version", "ciphers", "etm"), CASES, ids=[f"{case[1]}-{case[2]}" for case in CASES])
def test_whatever_is_lost_nothing_wrong_is_given(
    tmp_path: Path, version: ssl.TLSVersion, ciphers: str, *, etm: bool
) -> None:
    assert_nothing_wrong(stream_of(tmp_path, version, ciphers, etm=etm))


def test_whatever_is_lost_nothing_wrong_is_given_in_tls13(tmp_path: Path) -> None:
    assert_nothing_wrong(tls13_stream(tmp_path))


@pytest.mark.parametrize("version", [(3, 0), (3, 1)])
def test_whatever_is_lost_nothing_wrong_is_given_in_rc4(version: tuple[int, int]) -> None:
    assert_nothing_wrong(made(tlslite_dialogue(version, "rc4", "sha")))


def assert_nothing_wrong(stream: Stream) -> None:
    chance = random.Random(4)
    given_bytes = 0
    for _ in range(150):
        points = sorted(chance.sample(range(stream.starts[1], len(stream.data)), 2 * chance.randint(1, 4)))
        holes = [range(first, last) for first, last in zip(points[::2], points[1::2], strict=True)]
        if chance.random() < 0.5:
            holes = [range(hole.start, min(hole.stop, hole.start + chance.randint(1, 300))) for hole in holes]
        seen = stream.glimpses(holes, chance.choice((None, points[-1] + 1)))
        assert_true(stream, seen)
        given_bytes += sum(len(each.data) for each in seen)
    assert given_bytes > 10_000


def numbered(count: int) -> Stream:
    """Records of GCM with contents of 600 bytes."""
    suite, secret = cipher_suite(0x1301), bytes(32)
    records = [
        WireRecord(23, 0x0303, seal_13(suite, secret, number, bytes((65 + number,)) * 600 + b"\x17"))
        for number in range(count)
    ]
    return Stream(records, lambda: make_protection_13(suite, secret))


def test_a_record_whose_header_was_lost_is_read_where_its_place_follows_from_its_neighbours() -> None:
    stream = numbered(5)
    seen = stream.glimpses([range(stream.starts[2] - 100, stream.starts[2] + 50)])
    # the tag takes 16 bytes and the type one: of record 1 lies 600 - (100 - 17) in front of the hole
    assert [(each.data, each.offset) for each in seen] == [(b"B" * 517, 0), (b"C" * 555, 645)]


def test_two_records_whose_headers_were_lost_are_not_guessed_at() -> None:
    stream = numbered(6)
    holes = [range(stream.starts[2] - 10, stream.starts[2] + 10), range(stream.starts[3] - 10, stream.starts[3] + 10)]
    assert {each.data[:1] for each in stream.glimpses(holes)} == {b"B"}


def test_behind_a_lost_header_the_records_are_found_from_the_end() -> None:
    stream = numbered(6)
    holes = [range(stream.starts[2] - 10, stream.starts[2] + 10), range(stream.starts[3] + 60, stream.starts[3] + 90)]
    assert [each.data[:1] for each in stream.glimpses(holes)] == [b"B", b"C", b"D", b"D"]


def test_a_record_that_the_capture_cuts_off_is_read_as_far_as_it_goes() -> None:
    stream = numbered(3)
    seen = stream.glimpses([], stream.starts[2] + 205)
    assert [(each.data, each.offset) for each in seen] == [(b"C" * 200, 0)]


def test_nothing_is_given_behind_a_record_that_did_not_open() -> None:
    stream = numbered(5)
    broken = bytearray(stream.data)
    broken[stream.starts[1] + 50] ^= 1
    stream.data = bytes(broken)
    hole = range(stream.starts[2] + 100, stream.starts[2] + 200)
    assert stream.glimpses([hole]) == []


def test_padding_and_tickets_of_tls13_are_no_content() -> None:
    suite, secret = cipher_suite(0x1301), bytes(32)
    ticket = b"\x04\x00\x01\x00" + bytes(range(256))
    inners = [b"first\x17", b"padded" * 20 + b"\x17" + bytes(200), ticket + b"\x16", b"last\x17" + bytes(9)]
    records = [WireRecord(23, 0x0303, seal_13(suite, secret, *each)) for each in enumerate(inners)]
    stream = Stream(records, lambda: make_protection_13(suite, secret))
    middle = stream.starts[1] + 50
    assert b"".join(each.data for each in stream.glimpses([range(middle, middle + 20)])).strip(b"pade") == b""
    for place in (stream.starts[2] + 50, stream.starts[3] - 10):
        assert stream.glimpses([range(place, place + 5)]) == []


def test_the_end_of_a_cbc_record_that_was_lost_with_its_padding_is_not_guessed_at() -> None:
    suite = cipher_suite(0x002F)
    keys = derive_keys(suite, 0x0303, b"m" * 48, b"c" * 32, b"s" * 32)[0]
    sealer = Sealer(suite, 0x0303, keys)
    records = [WireRecord(23, 0x0303, sealer.seal(bytes((65 + number,)) * 1_000)) for number in range(3)]
    stream = Stream(records, lambda: make_protection(suite, 0x0303, keys))
    seen = stream.glimpses([range(stream.starts[2] - 16, stream.starts[2])])
    assert {each.data[:1] for each in seen} == {b"B"}
    assert 700 < len(seen[0].data) < 800
    assert seen[0].data.strip(b"B") == b""


@given(
    parts=st.lists(st.tuples(st.binary(max_size=60), st.integers(0, 60)), max_size=8),
    after=st.integers(-2, 9) | st.none(),
    is_over=st.booleans(),
)
def test_any_bytes_are_damage(parts: list[tuple[bytes, int]], after: int | None, *, is_over: bool) -> None:
    notes = DamageNotes()
    for data, skipped in parts:
        notes.add(data.replace(b"\x00\x00", b"\x17\x03\x03\x00"), NOWHERE)
        notes.skip(skipped)
    damage = notes.damage(is_over=is_over)
    for record in damaged_records(damage, 0, after):
        assert all(each.offset >= 0 and each.offset + len(each.data) <= record.length for each in record.pieces)


def test_what_is_kept_of_a_stretch_is_bounded() -> None:
    notes = DamageNotes()
    for _ in range(40):
        notes.add(bytes(10_000), NOWHERE)
        notes.skip(1)
    damage = notes.damage(is_over=True)
    assert damage.size == MAX_DAMAGE_BYTES
    assert damage.length == 40 * 10_001


def test_a_damage_of_headers_alone_costs_no_time() -> None:
    data = (HEADER + b"\x00\x00") * (MAX_DAMAGE_BYTES // 5)
    damage = Damage((Piece(3, data, NOWHERE),), len(data) + 2)
    assert list(damaged_records(damage, 0, 1 << 20)) == []
