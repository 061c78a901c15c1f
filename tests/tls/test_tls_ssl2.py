"""SSL 2.0: keys and records as the specification of 1995 has them."""

from __future__ import annotations

import hashlib

import pytest
from cryptography.hazmat.decrepit.ciphers import algorithms as decrepit
from cryptography.hazmat.primitives.ciphers import Cipher, modes
from hypothesis import given, settings
from hypothesis import strategies as st

from tlsdecrypt.tls.ciphersuites import cipher_suite
from tlsdecrypt.tls.ssl2 import derive_keys_ssl2, make_protection_ssl2

MASTER_KEY, CHALLENGE, CONNECTION_ID = b"m" * 16, b"challenge-bytes!", b"connection-id-16"
CIPHERS = {
    0x010080: (decrepit.ARC4, 16),
    0x020080: (decrepit.ARC4, 16),
    0x030080: (decrepit.RC2, 16),
    0x040080: (decrepit.RC2, 16),
    0x050080: (decrepit.IDEA, 16),
    0x060040: (lambda key: decrepit.TripleDES(key * 3), 8),
    0x0700C0: (decrepit.TripleDES, 24),
}


def key_material(length: int) -> bytes:
    parts = [hashlib.md5(MASTER_KEY + digit + CHALLENGE + CONNECTION_ID).digest() for digit in (b"0", b"1", b"2")]
    return b"".join(parts)[:length]


@pytest.mark.parametrize("code", CIPHERS)
def test_records_of_both_sides_open(code: int) -> None:
    suite, (algorithm, length) = cipher_suite(code), CIPHERS[code]
    iv = b"key-arg!" if suite.iv_length else b""
    keys = derive_keys_ssl2(suite, MASTER_KEY, CHALLENGE, CONNECTION_ID, iv)
    material = key_material(2 * length)
    for side, secret in enumerate((material[length:], material[:length])):  # the client reads with the first
        protection = make_protection_ssl2(suite, keys[side], 2)
        assert protection is not None
        encryptor = Cipher(algorithm(secret), modes.CBC(iv) if iv else None).encryptor()
        for number, padding in ((2, 0), (3, 8)):
            data = b"sixteen bytes ok"
            padded = data + bytes(padding)
            mac = hashlib.md5(secret + padded + number.to_bytes(4, "big")).digest()
            assert protection.open(encryptor.update(mac + padded), padding) == data
        assert protection.sequence_number == 4


def test_a_key_arg_that_is_no_iv_is_not_supported() -> None:
    suite = cipher_suite(0x060040)
    keys = derive_keys_ssl2(suite, MASTER_KEY, CHALLENGE, CONNECTION_ID, b"short")
    assert make_protection_ssl2(suite, keys[0], 0) is None


@given(fragment=st.binary(max_size=80), padding_length=st.integers(0, 255))
@settings(max_examples=40)
def test_no_bytes_raise_and_none_open(fragment: bytes, padding_length: int) -> None:
    for code in (0x010080, 0x0700C0):
        suite = cipher_suite(code)
        keys = derive_keys_ssl2(suite, MASTER_KEY, CHALLENGE, CONNECTION_ID, b"i" * suite.iv_length)
        protection = make_protection_ssl2(suite, keys[0], 0)
        assert protection is not None
        assert protection.open(fragment, padding_length) is None
