"""Behind a hole the records open again: every family of ciphers, with records of real peers."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from record_sealing import Sealer
from tls_peers import FAMILIES, SERVER, Dialogue, WireRecord, openssl_dialogue, tlslite_dialogue

from tlsdecrypt.tls.ciphersuites import cipher_suite
from tlsdecrypt.tls.hole import MAX_LOST_RECORDS, Hole
from tlsdecrypt.tls.prf import derive_keys
from tlsdecrypt.tls.protection import make_protection, make_protection_13

if TYPE_CHECKING:
    from pathlib import Path

TLS12, TLS10 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1


def make(dialogue: Dialogue, *, encrypt_then_mac: bool = False) -> Any:
    randoms = dialogue.client_random, dialogue.server_random
    keys = derive_keys(dialogue.suite, dialogue.version, dialogue.secrets["CLIENT_RANDOM"], *randoms)[SERVER]
    protection = make_protection(dialogue.suite, dialogue.version, keys, encrypt_then_mac=encrypt_then_mac)
    assert protection is not None
    return protection


def wire_length(records: list[WireRecord]) -> int:
    return sum(5 + len(record.fragment) for record in records)


def opened_around_hole(protection: Any, records: list[WireRecord], first: int, after: int, lost: int | None) -> list:
    """All but records[first:after], `lost` being what the capture knows of them."""
    opened = [protection.open(*record) for record in records[:first]]
    opened.append(protection.recover(*records[after], lost))
    return opened + [protection.open(*record) for record in records[after + 1 :]]


def expected_around_hole(protection: Any, records: list[WireRecord], first: int, after: int) -> list:
    whole = [protection.open(*record) for record in records]
    assert None not in whole
    return whole[:first] + whole[after:]


@pytest.mark.parametrize(("version", "ciphers", "etm"), FAMILIES, ids=[case[1] for case in FAMILIES])
@pytest.mark.parametrize(("first", "after"), [(1, 2), (2, 7), (1, 11)])
@pytest.mark.parametrize("is_known", [True, False])
def test_ciphers_that_need_no_lost_byte_go_on(
    tmp_path: Path, version: ssl.TLSVersion, ciphers: str, first: int, after: int, *, etm: bool, is_known: bool
) -> None:
    dialogue = openssl_dialogue(tmp_path, version, ciphers, encrypt_then_mac=etm)
    records = dialogue.protected(SERVER)
    expected = expected_around_hole(make(dialogue, encrypt_then_mac=etm), records, first, after)
    lost = wire_length(records[first:after]) if is_known else None
    assert opened_around_hole(make(dialogue, encrypt_then_mac=etm), records, first, after, lost) == expected


def test_tls13_goes_on(tmp_path: Path) -> None:
    dialogue = openssl_dialogue(tmp_path, ssl.TLSVersion.TLSv1_3, None)
    suite, secret = dialogue.suite, dialogue.secrets["SERVER_TRAFFIC_SECRET_0"]
    traffic = make_protection_13(suite, secret)
    assert traffic is not None
    records = [record for record in dialogue.protected(SERVER) if traffic.open(*record)]
    expected = expected_around_hole(make_protection_13(suite, secret), records, 3, 8)
    lost = wire_length(records[3:8])
    for known in (lost, None):
        assert opened_around_hole(make_protection_13(suite, secret), records, 3, 8, known) == expected


@pytest.mark.parametrize("etm", [False, True])
def test_chained_cbc_takes_its_iv_from_the_tail_of_the_damaged_record(tmp_path: Path, *, etm: bool) -> None:
    dialogue = openssl_dialogue(tmp_path, TLS10, "AES128-SHA", encrypt_then_mac=etm)
    records = dialogue.protected(SERVER)
    first = make(dialogue, encrypt_then_mac=etm)
    whole = [first.open(*record) for record in records]
    protection = make(dialogue, encrypt_then_mac=etm)
    for record in records[:4]:
        protection.open(*record)
    tail = records[8].fragment[-100:]
    lost = wire_length(records[4:9])
    assert protection.recover(*records[9], lost, before=tail) == whole[9]
    assert [protection.open(*record) for record in records[10:]] == whole[10:]


@pytest.mark.parametrize("etm", [False, True])
def test_chained_cbc_without_that_tail_loses_one_record(tmp_path: Path, *, etm: bool) -> None:
    dialogue = openssl_dialogue(tmp_path, TLS10, "AES128-SHA", encrypt_then_mac=etm)
    records = dialogue.protected(SERVER)
    whole = expected_around_hole(make(dialogue, encrypt_then_mac=etm), records, 4, 4)
    around = opened_around_hole(make(dialogue, encrypt_then_mac=etm), records, 4, 9, wire_length(records[4:9]))
    assert around == [*whole[:4], None, *whole[10:]]


def test_encrypt_then_mac_gives_no_content_whose_first_block_is_nonsense() -> None:
    suite = cipher_suite(0x002F)
    keys = derive_keys(suite, 0x0301, b"m" * 48, b"c" * 32, b"s" * 32)[0]
    sealer = Sealer(suite, 0x0301, keys, encrypt_then_mac=True)
    records = [sealer.seal(b"record %d " % number * 20) for number in range(4)]
    protection = make_protection(suite, 0x0301, keys, encrypt_then_mac=True)
    assert protection is not None
    assert protection.open(23, 0x0301, records[0]) is not None
    assert protection.recover(23, 0x0301, records[2], 5 + len(records[1])) is None
    assert protection.sequence_number == 3  # its MAC did verify
    assert protection.open(23, 0x0301, records[3]) == (23, b"record 3 " * 20)


def test_the_explicit_nonce_tells_how_many_records_were_lost() -> None:
    suite = cipher_suite(0x009C)
    keys = derive_keys(suite, 0x0303, b"m" * 48, b"c" * 32, b"s" * 32)[0]
    first_nonce, far = 0x1234_5678_9ABC_DEF0, 10_000_000  # OpenSSL begins with a random number

    def sealed(sequence_number: int) -> bytes:
        explicit = (first_nonce + sequence_number).to_bytes(8, "big")
        additional_data = sequence_number.to_bytes(8, "big") + b"\x17\x03\x03\x00\x04"
        return explicit + AESGCM(keys.key).encrypt(keys.iv + explicit, b"data", additional_data)

    protection = make_protection(suite, 0x0303, keys)
    assert protection is not None
    assert protection.open(23, 0x0303, sealed(0)) == (23, b"data")
    assert protection.recover(23, 0x0303, sealed(far), None) == (23, b"data")
    assert protection.sequence_number == far + 1


@pytest.mark.parametrize("version", [(3, 0), (3, 1)])
@pytest.mark.parametrize(("first", "after"), [(1, 2), (2, 9)])
def test_rc4_finds_its_place_in_the_keystream(version: tuple[int, int], first: int, after: int) -> None:
    dialogue = tlslite_dialogue(version, "rc4", "sha")
    records = dialogue.protected(SERVER)
    expected = expected_around_hole(make(dialogue), records, first, after)
    lost = wire_length(records[first:after])
    assert opened_around_hole(make(dialogue), records, first, after, lost) == expected


def test_rc4_goes_on_when_the_first_record_behind_the_hole_is_lost_too() -> None:
    suite = cipher_suite(0x0005)
    keys = derive_keys(suite, 0x0303, b"m" * 48, b"c" * 32, b"s" * 32)[0]
    sealer, protection = Sealer(suite, 0x0303, keys), make_protection(suite, 0x0303, keys)
    assert protection is not None
    records = [sealer.seal(b"record %d " % number * (number + 1)) for number in range(8)]
    assert protection.open(23, 0x0303, records[0]) is not None
    lost = sum(5 + len(record) for record in records[1:4])
    garbled = records[4][:-1] + bytes([records[4][-1] ^ 1])
    assert protection.recover(23, 0x0303, garbled, lost) is None
    assert protection.open(23, 0x0303, records[5]) == (23, b"record 5 " * 6)
    assert protection.sequence_number == 6
    assert protection.recover(23, 0x0303, records[7], 5 + len(records[6])) == (23, b"record 7 " * 8)


def test_rc4_cannot_go_on_where_the_size_of_the_hole_is_unknown() -> None:
    dialogue = tlslite_dialogue((3, 3), "rc4", "sha")
    records = dialogue.protected(SERVER)
    protection = make(dialogue)
    assert protection.open(*records[0]) is not None
    assert protection.recover(*records[3], None) is None
    assert protection.sequence_number == 1


def test_a_hole_whose_size_is_wrong_is_crossed_all_the_same(tmp_path: Path) -> None:
    dialogue = openssl_dialogue(tmp_path, TLS12, "ECDHE-RSA-CHACHA20-POLY1305")
    records = dialogue.protected(SERVER)
    expected = expected_around_hole(make(dialogue), records, 2, 3)
    assert opened_around_hole(make(dialogue), records, 2, 3, 100_000) == expected


def test_the_fewest_records_that_fill_a_hole_are_tried_first() -> None:
    longest, shortest = 5 + 2**14 + 2048, 5 + 24
    hole = Hole(10, 24)
    hole.widen(3 * longest)
    numbers = [place.sequence_number for place in hole.places(100)]
    assert numbers[:2] == [13, 14]
    assert max(numbers) == 10 + 3 * longest // shortest
    assert numbers[-3:] == [10, 11, 12]


def test_records_that_did_not_open_are_counted_behind_each_other() -> None:
    hole = Hole(10, 24)
    hole.add_record(100)
    hole.add_record(50)
    assert [tuple(place) for place in hole.places(100)] == [(12, 150)]


def test_the_search_is_bounded_and_the_bound_is_for_all_of_a_hole() -> None:
    hole = Hole(0, 24)
    hole.widen(None)
    tried = [sum(1 for _ in hole.places(length)) for length in (100, 100, 16000)]
    assert tried[0] <= MAX_LOST_RECORDS
    assert sum(tried) <= 2 * MAX_LOST_RECORDS
    assert tried[-1] < 100
