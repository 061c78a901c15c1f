"""SSL 3.0 to TLS 1.2: the PRFs against published vectors, the secrets and Finished messages against real peers."""

from __future__ import annotations

import hashlib
import ssl
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from tls_peers import CLIENT, SERVER, Dialogue, openssl_dialogue, private_key, tlslite_dialogue

from tlsdecrypt.tls.ciphersuites import cipher_suite
from tlsdecrypt.tls.prf import (
    derive_extended_master_secret,
    derive_keys,
    derive_master_secret,
    prf,
    prf_ssl3,
    transcript_hash,
)

if TYPE_CHECKING:
    from pathlib import Path

CLIENT_RANDOM, SERVER_RANDOM = bytes(range(32)), bytes(range(32, 64))


def test_prf_of_tls10_gives_the_vector_of_the_working_group() -> None:
    output = prf(None, b"\xab" * 48, b"PRF Testvector", b"\xcd" * 64, 104)
    assert output.hex() == (
        "d3d4d1e349b5d515044666d51de32bab258cb521b6b053463e354832fd976754"
        "443bcf9a296519bc289abcbc1187e4ebd31e602353776c408aafb74cbc85eff6"
        "9255f9788faa184cbb957a9819d84a5d7eb006eb459d3ae8de9810454b8b2d8f"
        "1afbc655a8c9a013"
    )


def test_prf_of_tls12_gives_the_vector_for_sha256() -> None:
    secret = bytes.fromhex("9bbe436ba940f017b17652849a71db35")
    seed = bytes.fromhex("a0ba9f936cda311827a6f796ffd5198c")
    assert prf("sha256", secret, b"test label", seed, 100).hex() == (
        "e3f229ba727be17b8d122620557cd453c2aab21d07c3d495329b52d4e61edb5a"
        "6b301791e90d35c9c9a46b4e14baf9af0fa022f7077def17abfd3797c0564bab"
        "4fbc91666e9def9b97fce34f796789baa48082d122ee42c5a72e5a5110fff701"
        "87347b66"
    )


def test_prf_of_tls12_gives_the_vector_for_sha384() -> None:
    secret = bytes.fromhex("b80b733d6ceefcdc71566ea48e5567df")
    seed = bytes.fromhex("cd665cf6a8447dd6ff8b27555edb7465")
    assert prf("sha384", secret, b"test label", seed, 48).hex() == (
        "7b0c18e9ced410ed1804f2cfa34a336a1c14dffb4900bb5fd7942107e81c83cde9ca0faa60be9fe34f82b1233c9146a0"
    )


def pre_master_secret_of(dialogue: Dialogue) -> bytes:
    messages = dialogue.clear_handshake(CLIENT)
    client_key_exchange = messages[4 + int.from_bytes(messages[1:4], "big") :]
    header = 4 if dialogue.version <= 0x0300 else 6  # SSL 3.0 has no length before the encrypted secret
    return private_key().decrypt(client_key_exchange[header:], PKCS1v15())


def dialogue_before_ticket(messages: bytes) -> bytes:
    """The server's messages up to and including ServerHelloDone."""
    position = 0
    while messages[position] != 14:
        position += 4 + int.from_bytes(messages[position + 1 : position + 4], "big")
    return messages[: position + 4]


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_2])
@pytest.mark.parametrize("is_extended", [True, False])
def test_the_master_secret_of_openssl_is_derived(tmp_path: Path, version: ssl.TLSVersion, *, is_extended: bool) -> None:
    dialogue = openssl_dialogue(tmp_path, version, "AES128-SHA", extended_master_secret=is_extended)
    secret = pre_master_secret_of(dialogue)
    if is_extended:
        client, server = (dialogue.clear_handshake(side) for side in (CLIENT, SERVER))
        hello_end = 4 + int.from_bytes(client[1:4], "big")
        server_flight = dialogue_before_ticket(server)
        messages = client[:hello_end] + server_flight + client[hello_end:]
        session_hash = transcript_hash(dialogue.suite, dialogue.version, messages)
        derived = derive_extended_master_secret(dialogue.suite, dialogue.version, secret, session_hash)
    else:
        randoms = dialogue.client_random, dialogue.server_random
        derived = derive_master_secret(dialogue.suite, dialogue.version, secret, *randoms)
    assert derived == dialogue.secrets["CLIENT_RANDOM"]


def test_the_master_secret_of_ssl3_is_derived() -> None:
    dialogue = tlslite_dialogue((3, 0), "rc4", "md5")
    randoms = dialogue.client_random, dialogue.server_random
    derived = derive_master_secret(dialogue.suite, 0x0300, pre_master_secret_of(dialogue), *randoms)
    assert derived == dialogue.secrets["CLIENT_RANDOM"]


def test_fips_suites_derive_as_tls_in_ssl3_too() -> None:
    secret, randoms = bytes(48), (CLIENT_RANDOM, SERVER_RANDOM)
    fips = derive_master_secret(cipher_suite(0xFEFF), 0x0300, secret, *randoms)
    assert fips == prf(None, secret, b"master secret", CLIENT_RANDOM + SERVER_RANDOM, 48)
    assert fips != derive_master_secret(cipher_suite(0x000A), 0x0300, secret, *randoms)


def test_export_keys_of_tls10_are_weakened_as_rfc_2246_says() -> None:
    suite = cipher_suite(0x0008)  # TLS_RSA_EXPORT_WITH_DES40_CBC_SHA
    client, server = derive_keys(suite, 0x0301, b"m" * 48, CLIENT_RANDOM, SERVER_RANDOM)
    block = prf(None, b"m" * 48, b"key expansion", SERVER_RANDOM + CLIENT_RANDOM, 20 + 20 + 5 + 5)
    randoms = CLIENT_RANDOM + SERVER_RANDOM
    iv_block = prf(None, b"", b"IV block", randoms, 16)
    assert (client.mac_key, server.mac_key) == (block[:20], block[20:40])
    assert client.key == prf(None, block[40:45], b"client write key", randoms, 8)
    assert server.key == prf(None, block[45:50], b"server write key", randoms, 8)
    assert (client.iv, server.iv) == (iv_block[:8], iv_block[8:])


def test_export_keys_of_ssl3_are_weakened_as_rfc_6101_says() -> None:
    suite = cipher_suite(0x0006)  # TLS_RSA_EXPORT_WITH_RC2_CBC_40_MD5
    client, server = derive_keys(suite, 0x0300, b"m" * 48, CLIENT_RANDOM, SERVER_RANDOM)
    block = prf_ssl3(b"m" * 48, SERVER_RANDOM + CLIENT_RANDOM, 16 + 16 + 5 + 5)
    randoms, swapped = CLIENT_RANDOM + SERVER_RANDOM, SERVER_RANDOM + CLIENT_RANDOM
    assert client.key == hashlib.md5(block[32:37] + randoms).digest()
    assert server.key == hashlib.md5(block[37:42] + swapped).digest()
    assert client.iv == hashlib.md5(randoms).digest()[:8]
    assert server.iv == hashlib.md5(swapped).digest()[:8]


def test_secrets_do_not_reach_a_repr() -> None:
    client, _ = derive_keys(cipher_suite(0x002F), 0x0303, b"m" * 48, CLIENT_RANDOM, SERVER_RANDOM)
    assert repr(client) == "DirectionKeys()"
    assert client.iv == b""
