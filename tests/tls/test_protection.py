"""Record protection where no peer of today speaks it, and what must never happen."""

from __future__ import annotations

import hmac

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from record_sealing import Sealer, seal_13

from tlsdecrypt.tls.ciphersuite_table import CIPHER_SUITES
from tlsdecrypt.tls.ciphersuites import cipher_suite
from tlsdecrypt.tls.key_schedule import traffic_keys
from tlsdecrypt.tls.prf import DirectionKeys, derive_keys
from tlsdecrypt.tls.protection import RecordProtection, make_protection, make_protection_13

CONTENTS = [b"", b"x", b"content " * 30, bytes(1000)]
SECRET = bytes(range(32))


def keys_of(code: int, version: int) -> DirectionKeys:
    return derive_keys(cipher_suite(code), version, b"m" * 48, b"c" * 32, b"s" * 32)[0]


def one_suite_for_each_cipher_and_mac() -> list[int]:
    chosen: dict[tuple[str, str], int] = {}
    for code in CIPHER_SUITES:
        suite = cipher_suite(code)
        is_made_here = suite.cipher.startswith(("CAMELLIA", "ARIA"))  # these have real peers or vectors
        is_tls12 = code <= 0xFFFF and suite.key_exchange != "TLS13"
        if is_tls12 and suite.is_supported and suite.mac is not None and not is_made_here:
            chosen.setdefault((suite.cipher, suite.mac), code)
    return list(chosen.values())


@pytest.mark.parametrize("version", [0x0300, 0x0301, 0x0302, 0x0303])
@pytest.mark.parametrize("code", one_suite_for_each_cipher_and_mac())
def test_every_cipher_with_a_mac_opens_in_every_version(code: int, version: int) -> None:
    suite, keys = cipher_suite(code), keys_of(code, version)
    sealer, protection = Sealer(suite, version, keys), make_protection(suite, version, keys)
    assert protection is not None
    for content in CONTENTS:
        assert protection.open(23, version, sealer.seal(content)) == (23, content)


@pytest.mark.parametrize("code", [0x002F, 0x0005, 0x000A, 0x0002])
def test_truncated_hmac_is_ten_bytes(code: int) -> None:
    suite, keys = cipher_suite(code), keys_of(code, 0x0303)
    sealer = Sealer(suite, 0x0303, keys, mac_length=10)
    protection = make_protection(suite, 0x0303, keys, truncated_hmac=True)
    assert protection is not None
    for content in CONTENTS:
        assert protection.open(23, 0x0303, sealer.seal(content)) == (23, content)


def test_the_mac_covers_the_version_on_the_wire() -> None:
    suite, keys = cipher_suite(0x002F), keys_of(0x002F, 0x0303)
    sealed = Sealer(suite, 0x0303, keys).seal(b"content")
    other, same = (make_protection(suite, 0x0303, keys) for _ in range(2))
    assert other is not None
    assert same is not None
    assert other.open(23, 0x0301, sealed) is None
    assert same.open(23, 0x0303, memoryview(sealed)) == (23, b"content")


def test_a_failure_keeps_the_sequence_number() -> None:
    suite, keys = cipher_suite(0x0005), keys_of(0x0005, 0x0303)
    sealer, protection = Sealer(suite, 0x0303, keys), make_protection(suite, 0x0303, keys)
    assert protection is not None
    sealed = [sealer.seal(b"number %d" % number) for number in range(3)]
    assert protection.open(23, 0x0303, sealed[0]) == (23, b"number 0")
    assert protection.open(23, 0x0303, b"\0" * 30) is None  # injected: it took no number and no keystream
    assert protection.sequence_number == 1
    assert protection.open(23, 0x0303, sealed[1]) == (23, b"number 1")
    assert protection.open(23, 0x0303, sealed[2]) == (23, b"number 2")


def test_a_record_behind_one_that_was_garbled_opens() -> None:
    for code, version in ((0x0005, 0x0303), (0x002F, 0x0302), (0x003C, 0x0303)):
        suite, keys = cipher_suite(code), keys_of(code, version)
        sealer, protection = Sealer(suite, version, keys), make_protection(suite, version, keys)
        assert protection is not None
        first, second = sealer.seal(b"first"), sealer.seal(b"second")
        assert protection.open(23, version, bytes([first[0] ^ 1]) + first[1:]) is None
        assert protection.open(23, version, second) == (23, b"second")
        assert protection.sequence_number == 2


def test_padding_and_inner_content_type_of_tls13_are_taken_off() -> None:
    suite = cipher_suite(0x1301)
    protection = make_protection_13(suite, SECRET)
    assert protection is not None
    inners = [b"data\x17", b"alert\x15\0\0\0", b"\x16", b"\0\0\x17\0", b"\0\0"]
    expected = [(23, b"data"), (21, b"alert"), (22, b""), (23, b"\0\0"), None]
    for number, (inner, opened) in enumerate(zip(inners, expected, strict=True)):
        assert protection.open(23, 0x0303, seal_13(suite, SECRET, number, inner)) == opened


@pytest.mark.parametrize("version", [0x7F12, 0x7F13, 0x7F14, 0x7F18, 0x7F19, 0x7F1C])
def test_the_drafts_of_tls13_open(version: int) -> None:
    suite = cipher_suite(0x1301)
    protection = make_protection_13(suite, SECRET, version=version)
    assert protection is not None
    for number in range(3):
        sealed = seal_13(suite, SECRET, number, b"draft\x17", version=version)
        assert protection.open(23, 0x0303, sealed) == (23, b"draft")


@pytest.mark.parametrize(("code", "name", "length"), [(0xC0B4, "sha256", 32), (0xC0B5, "sha384", 48)])
def test_suites_without_encryption_authenticate_as_rfc_9150_says(code: int, name: str, length: int) -> None:
    suite, secret = cipher_suite(code), bytes(length)
    key, iv = traffic_keys(suite, secret)
    assert (len(key), len(iv)) == (length, length)
    protection = make_protection_13(suite, secret)
    assert protection is not None
    for number in range(3):
        inner = b"clear\x17"
        nonce = (int.from_bytes(iv, "big") ^ number).to_bytes(length, "big")
        header = b"\x17\x03\x03" + (len(inner) + length).to_bytes(2, "big")
        sealed = inner + hmac.digest(key, nonce + header + inner, name)
        assert protection.open(23, 0x0303, sealed[:-1] + b"?") is None
        assert protection.open(23, 0x0303, sealed) == (23, b"clear")


# Both from gnutls-serv 3.7.9 (Camellia in GCM is spoken by GnuTLS alone), with the master secret it logged.
CAMELLIA_MASTER_SECRET = bytes.fromhex(
    "359fbff82e8291e8300a25efcbbfa737b7d5e8993ee6dc171855fa8bef3fcd9be9d6e26c01060de6706a804c28858d7a"
)
CAMELLIA_RANDOMS = (
    bytes.fromhex("3335b090110bb3ded5b532e43d6fefb176901e4e71be032c07803710fe36c6ca"),  # client
    bytes.fromhex("817fef711a51be57ad5035ff15c58a78d151592d9b11aac100d4aca943a24e6d"),  # server
)
CAMELLIA_RECORDS = [
    (22, "0000000000000000cdceee953749367dd55fb811a7ca2d085e015b444c7f46295c3874a816a31def"),
    (
        23,
        (
            "0000000000000001"  # explicit nonce
            "3cede1cd18459b8808fb198373811208a2203f77e68b60"  # ciphertext
            "3fc58809523366fc71d48e5014c0bae3dc"  # its last byte, tag
        ),
    ),
    (21, "0000000000000002ef4b677e0bd8a3f280c8c1a4472d1b19e589"),
]


def test_camellia_in_gcm_opens_what_gnutls_sent() -> None:
    suite = cipher_suite(0xC08B)  # TLS_ECDHE_RSA_WITH_CAMELLIA_256_GCM_SHA384
    keys = derive_keys(suite, 0x0303, CAMELLIA_MASTER_SECRET, *CAMELLIA_RANDOMS)[0]
    protection = make_protection(suite, 0x0303, keys)
    assert protection is not None
    opened = [protection.open(kind, 0x0303, bytes.fromhex(fragment)) for kind, fragment in CAMELLIA_RECORDS]
    assert opened[0] is not None
    assert opened[0][1].startswith(b"\x14\x00\x00\x0c")  # Finished
    assert opened[1:] == [(23, b"Camellia in Galois mode\n"), (21, b"\x01\x00")]


def every_kind_of_protection() -> list[RecordProtection]:
    with_mac = [(0x0002, 0x0303), (0x0004, 0x0300), (0x002F, 0x0301), (0x000A, 0x0300), (0x003C, 0x0303)]
    with_aead = [(code, 0x0303) for code in (0x009C, 0xC0A0, 0xCCA8, 0xCC13, 0xC050, 0xC07A)]
    protections = [
        make_protection(cipher_suite(code), version, keys_of(code, version), encrypt_then_mac=encrypt_then_mac)
        for encrypt_then_mac in (False, True)
        for code, version in with_mac + with_aead
    ]
    protections += [
        make_protection_13(cipher_suite(code), bytes(32)) for code in (0x1301, 0x1305, 0x1303, 0x00C7, 0xC0B4)
    ]
    assert None not in protections
    return [protection for protection in protections if protection is not None]


@given(
    fragments=st.lists(st.binary(max_size=120), min_size=1, max_size=4),
    lost=st.one_of(st.just(0), st.none(), st.integers(0, 2000)),
    content_type=st.integers(0, 255),
    version=st.integers(0, 0xFFFF),
)
@settings(max_examples=15, deadline=None)
def test_no_bytes_raise_and_none_open(
    fragments: list[bytes], lost: int | None, content_type: int, version: int
) -> None:
    for protection in every_kind_of_protection():
        for fragment in fragments:
            assert protection.open(content_type, version, fragment) is None
            if lost is not None:
                assert protection.recover(content_type, version, fragment, lost) is None
        assert protection.sequence_number == 0


def test_a_hole_of_unknown_size_before_garbage_costs_a_bounded_search() -> None:
    for protection in every_kind_of_protection()[::3]:
        assert protection.recover(23, 0x0303, bytes(16000), None) is None


def test_fragments_longer_than_a_record_can_be_are_refused() -> None:
    for protection in every_kind_of_protection():
        assert protection.open(23, 0x0303, bytes(0x10010)) is None
        assert protection.recover(23, 0x0303, bytes(0x10010), 100) is None
