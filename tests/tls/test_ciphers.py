"""The ciphers that are computed here, against the vectors of their standards and against `cryptography`."""

from __future__ import annotations

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, modes
from cryptography.hazmat.primitives.ciphers.aead import AESCCM, AESGCM
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from hypothesis import given, settings
from hypothesis import strategies as st

from tlsdecrypt.tls.aria import AriaCbcDecryptor, AriaEncryptor
from tlsdecrypt.tls.block_modes import Ccm, Gcm
from tlsdecrypt.tls.ciphers import make_aead, make_cbc_decryptor, make_rc4

keys, nonces = st.binary(min_size=16, max_size=16), st.binary(min_size=12, max_size=12)


@pytest.mark.parametrize(
    ("key_length", "ciphertext"),
    [
        (16, "d718fbd6ab644c739da95f3be6451778"),
        (24, "26449c1805dbe7aa25a468ce263a9e79"),
        (32, "f92bd7c79fb72e2f2b8f80c1972d24fc"),
    ],
)
def test_aria_gives_the_vectors_of_rfc_5794(key_length: int, ciphertext: str) -> None:
    plaintext = bytes.fromhex("00112233445566778899aabbccddeeff")
    assert AriaEncryptor(bytes(range(key_length))).update(plaintext).hex() == ciphertext
    assert AriaCbcDecryptor(bytes(range(key_length)), bytes(16)).update(bytes.fromhex(ciphertext)) == plaintext


def test_aria_in_cbc_chains_from_call_to_call() -> None:
    key, iv = bytes(range(32)), b"i" * 16
    plaintext = [bytes([number]) * 16 for number in range(4)]
    ciphertext, last = b"", iv
    for block in plaintext:
        last = AriaEncryptor(key).update(bytes(a ^ b for a, b in zip(block, last, strict=True)))
        ciphertext += last
    decryptor = AriaCbcDecryptor(key, iv)
    assert decryptor.update(ciphertext[:16]) == plaintext[0]
    assert decryptor.update(b"") == b""
    assert decryptor.update(memoryview(ciphertext)[16:]) == b"".join(plaintext[1:])


@pytest.mark.parametrize(
    ("cipher", "key", "plaintext", "ciphertext"),
    [
        # FIPS 197 C.1
        (
            "AES_128_CBC",
            bytes(range(16)).hex(),
            "00112233445566778899aabbccddeeff",
            "69c4e0d86a7b0430d8cdb78070b4c55a",
        ),
        # RFC 3713 appendix A
        (
            "CAMELLIA_128_CBC",
            "0123456789abcdeffedcba9876543210",
            "0123456789abcdeffedcba9876543210",
            "67673138549669730857065648eabe43",
        ),
        # RFC 4269 appendix B.1
        ("SEED_CBC", "00" * 16, bytes(range(16)).hex(), "5ebac6e0054e166819aff1cc6d346cdb"),
        # RFC 2268 section 5, an effective key length of 128 bits
        ("RC2_CBC_40", "88bca90e90875a7f0f79c384627bafb2", "0000000000000000", "2269552ab0f85ca6"),
        # the example of IDEA's authors
        ("IDEA_CBC", "00010002000300040005000600070008", "0000000100020003", "11fbed2b01986de5"),
        # FIPS 46, the example worked through everywhere
        ("DES_CBC", "133457799bbcdff1", "0123456789abcdef", "85e813540f0ab405"),
        ("DES40_CBC", "133457799bbcdff1", "0123456789abcdef", "85e813540f0ab405"),
    ],
)
def test_block_ciphers_give_their_vectors(cipher: str, key: str, plaintext: str, ciphertext: str) -> None:
    block = bytes.fromhex(ciphertext)
    decryptor = make_cbc_decryptor(cipher, bytes.fromhex(key), bytes(len(block)))
    assert decryptor is not None
    assert decryptor.update(block).hex() == plaintext


@pytest.mark.parametrize(
    ("key", "keystream"),
    [
        ("0102030405", "b2396305f03dc027ccc3524a0a1118a8"),
        ("0102030405060708090a0b0c0d0e0f10", "9ac7cc9a609d1ef7b2932899cde41b97"),
    ],
)
def test_rc4_gives_the_keystream_of_rfc_6229(key: str, keystream: str) -> None:
    rc4 = make_rc4(bytes.fromhex(key))
    assert rc4 is not None
    assert rc4.update(bytes(16)).hex() == keystream


def test_the_old_chacha20_poly1305_gives_the_vector_of_its_draft() -> None:
    aead = make_aead(
        "CHACHA20_POLY1305_OLD",
        bytes.fromhex("4290bcb154173531f314af57f3be3b5006da371ece272afa1b5dbdd1100a1007"),
        16,
    )
    assert aead is not None
    nonce, additional_data = bytes.fromhex("cd7cf67be39c794a"), bytes.fromhex("87e229d4500845a079c0")
    sealed = bytes.fromhex("e3e446f7ede9a19b62a4677dabf4e3d24b876bb284753896e1d6")  # ciphertext, tag
    assert aead.decrypt(nonce, sealed, additional_data).hex() == "86d09974840bded2a5ca"
    for broken in (sealed[:-1] + b"\0", b"", sealed[:15]):
        with pytest.raises(InvalidTag):
            aead.decrypt(nonce, broken, additional_data)


def aes(key: bytes) -> object:
    return Cipher(AES(key), modes.ECB()).encryptor()


@given(key=keys, nonce=nonces, plaintext=st.binary(max_size=70), additional_data=st.binary(max_size=40))
@settings(max_examples=40, deadline=None)
def test_gcm_is_that_of_cryptography(key: bytes, nonce: bytes, plaintext: bytes, additional_data: bytes) -> None:
    sealed = AESGCM(key).encrypt(nonce, plaintext, additional_data)
    gcm = Gcm(aes(key))
    assert gcm.decrypt(nonce, sealed, additional_data) == plaintext
    with pytest.raises(InvalidTag):
        gcm.decrypt(nonce, sealed, additional_data + b"\0")
    with pytest.raises(InvalidTag):
        gcm.decrypt(nonce, bytes([sealed[0] ^ 1]) + sealed[1:], additional_data)


@given(key=keys, nonce=nonces, plaintext=st.binary(max_size=70), additional_data=st.binary(max_size=40))
@settings(max_examples=40, deadline=None)
def test_ccm_is_that_of_cryptography(key: bytes, nonce: bytes, plaintext: bytes, additional_data: bytes) -> None:
    for tag_length in (8, 16):
        sealed = AESCCM(key, tag_length).encrypt(nonce, plaintext, additional_data)
        ccm = Ccm(aes(key), tag_length)
        assert ccm.decrypt(nonce, sealed, additional_data) == plaintext
        with pytest.raises(InvalidTag):
            ccm.decrypt(nonce, bytes([sealed[0] ^ 1]) + sealed[1:], additional_data)


def test_modes_refuse_what_is_shorter_than_a_tag() -> None:
    for mode in (Gcm(aes(bytes(16))), Ccm(aes(bytes(16)), 16)):
        for length in range(16):
            with pytest.raises(InvalidTag):
                mode.decrypt(bytes(12), bytes(length), b"")


def test_sm4_gcm_gives_the_vector_of_rfc_8998() -> None:
    aead = make_aead("SM4_GCM", bytes.fromhex("0123456789abcdeffedcba9876543210"), 16)
    assert aead is not None
    sealed = bytes.fromhex(
        "17f399f08c67d5ee19d0dc9969c4bb7d5fd46fd3756489069157b282bb200735"
        "d82710ca5c22f0ccfa7cbf93d496ac15a56834cbcf98c397b4024a2691233b8d"  # ciphertext
        "83de3541e4c2b58177e065a9bf7b62ec"  # tag
    )
    additional_data = bytes.fromhex("feedfacedeadbeeffeedfacedeadbeefabaddad2")
    assert aead.decrypt(bytes.fromhex("00001234567800000000abcd"), sealed, additional_data).hex() == (
        "aaaaaaaaaaaaaaaabbbbbbbbbbbbbbbbccccccccccccccccdddddddddddddddd"
        "eeeeeeeeeeeeeeeeffffffffffffffffeeeeeeeeeeeeeeeeaaaaaaaaaaaaaaaa"
    )


def test_unknown_ciphers_are_not_made() -> None:
    assert make_aead("KUZNYECHIK_MGM_L", bytes(32), 16) is None
    assert make_cbc_decryptor("FORTEZZA_CBC", bytes(16), bytes(8)) is None
