"""TLS 1.3: the key schedule against RFC 8448 section 3, HKDF against RFC 5869."""

from __future__ import annotations

import hashlib
import hmac

from tlsdecrypt.tls.ciphersuites import cipher_suite
from tlsdecrypt.tls.key_schedule import (
    LABELS,
    LABELS_DRAFT_18,
    LABELS_DRAFT_19,
    derive_secret,
    early_secret,
    finished_verify_data_13,
    handshake_secret,
    hkdf_expand,
    hkdf_expand_label,
    hkdf_extract,
    labels_of,
    master_secret,
    next_traffic_secret,
    resumption_psk,
    traffic_keys,
)
from tlsdecrypt.tls.protection import make_protection_13

SUITE = cipher_suite(0x1301)

# RFC 8448 section 3: simple 1-RTT handshake
SHARED_SECRET = bytes.fromhex("8bd4054fb55b9d63fdfbacf9f04b9f0d35e6d63f537563efd46272900f89492d")
HASH_TO_SERVER_HELLO = bytes.fromhex("860c06edc07858ee8e78f0e7428c58edd6b43f2ca3e6e95f02ed063cf0e1cad8")
HASH_TO_SERVER_FINISHED = bytes.fromhex("9608102a0f1ccc6db6250b7b7e417b1a000eaada3daae4777a7686c9ff83df13")
HASH_TO_CLIENT_FINISHED = bytes.fromhex("209145a96ee8e2a122ff810047cc952684658d6049e86429426db87c54ad143d")
CLIENT_TRAFFIC = "9e40646ce79a7f9dc05af8889bce6552875afa0b06df0087f792ebb7c17504a5"


def test_hkdf_gives_test_case_1_of_rfc_5869() -> None:
    pseudo_random_key = hkdf_extract("sha256", bytes(range(13)), b"\x0b" * 22)
    assert pseudo_random_key.hex() == "077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5"
    assert hkdf_expand("sha256", pseudo_random_key, bytes(range(0xF0, 0xFA)), 42).hex() == (
        "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"
    )


def test_the_stages_are_those_of_rfc_8448() -> None:
    early = early_secret(SUITE)
    handshake = handshake_secret(SUITE, early, SHARED_SECRET)
    assert early.hex() == "33ad0a1c607ec03b09e6cd9893680ce210adf300aa1f2660e1b22e10f170f92a"
    assert handshake.hex() == "1dc826e93606aa6fdc0aadc12f741b01046aa6b99f691ed221a9f0ca043fbeac"
    assert master_secret(SUITE, handshake).hex() == "18df06843d13a08bf2a449844c5f8a478001bc4d4c627984d5a41da8d0402919"


def test_the_secrets_are_those_of_rfc_8448() -> None:
    handshake = handshake_secret(SUITE, early_secret(SUITE), SHARED_SECRET)
    master = master_secret(SUITE, handshake)
    expected = {
        LABELS.client_handshake_traffic: "b3eddb126e067f35a780b3abf45e2d8f3b1a950738f52e9600746a0e27a55a21",
        LABELS.server_handshake_traffic: "b67b7d690cc16c4e75e54213cb2d37b4e9c912bcded9105d42befd59d391ad38",
    }
    for label, secret in expected.items():
        assert derive_secret(SUITE, handshake, label, HASH_TO_SERVER_HELLO).hex() == secret
    expected = {
        LABELS.client_application_traffic: CLIENT_TRAFFIC,
        LABELS.server_application_traffic: "a11af9f05531f856ad47116b45a950328204b4f44bfb6b3a4b4f1f3fcb631643",
        LABELS.exporter_master: "fe22f881176eda18eb8f44529e6792c50c9a3f89452f68d8ae311b4309d3cf50",
    }
    for label, secret in expected.items():
        assert derive_secret(SUITE, master, label, HASH_TO_SERVER_FINISHED).hex() == secret


def test_the_ticket_of_rfc_8448_gives_its_psk() -> None:
    master = master_secret(SUITE, handshake_secret(SUITE, early_secret(SUITE), SHARED_SECRET))
    resumption = derive_secret(SUITE, master, LABELS.resumption_master, HASH_TO_CLIENT_FINISHED)
    assert resumption.hex() == "7df235f2031d2a051287d02b0241b0bfdaf86cc856231f2d5aba46c434ec196c"
    psk = resumption_psk(SUITE, resumption, b"\0\0")
    assert psk.hex() == "4ecd0eb6ec3b4d87f5d6028f922ca4c5851a277fd41311c9e62d2c9492e1c4f3"
    # section 4: the same PSK begins the resumed session
    assert early_secret(SUITE, psk).hex() == "9b2188e9b2fc6d64d71dc329900e20bb41915000f678aa839cbb797cb7d8332c"


def test_traffic_keys_are_those_of_rfc_8448() -> None:
    secret = bytes.fromhex("b67b7d690cc16c4e75e54213cb2d37b4e9c912bcded9105d42befd59d391ad38")
    key, iv = traffic_keys(SUITE, secret)
    assert (key.hex(), iv.hex()) == ("3fce516009c21727d0f2e4e86ee403bc", "5d313eb2671276ee13000b30")


def test_the_client_finished_of_rfc_8448_is_computed() -> None:
    secret = bytes.fromhex("b3eddb126e067f35a780b3abf45e2d8f3b1a950738f52e9600746a0e27a55a21")
    verify_data = finished_verify_data_13(SUITE, secret, HASH_TO_SERVER_FINISHED)
    assert verify_data.hex() == "a8ec436d677634ae525ac1fcebe11a039ec17694fac6e98527b642f2edd5ce61"


def test_the_application_data_of_rfc_8448_opens() -> None:
    protection = make_protection_13(SUITE, bytes.fromhex(CLIENT_TRAFFIC))
    assert protection is not None
    fragment = bytes.fromhex(
        "a23f7054b62c94d0affafe8228ba55cbefacea42f914aa66bcab3f2b9819a8a5"
        "b46b395bd54a9a20441e2b62974e1f5a6292a2977014bd1e3deae63aeebb2169"
        "4915e4"
    )
    assert protection.open(23, 0x0303, fragment) == (23, bytes(range(50)))


def test_a_key_update_derives_from_the_secret_before() -> None:
    secret = bytes.fromhex(CLIENT_TRAFFIC)
    info = b"\x00\x20" + b"\x11tls13 traffic upd" + b"\x00"  # length 32, label, empty context
    assert next_traffic_secret(SUITE, secret) == hmac.digest(secret, info + b"\x01", "sha256")


def test_sha384_suites_use_their_hash() -> None:
    suite = cipher_suite(0x1302)
    assert early_secret(suite) == hmac.digest(bytes(48), bytes(48), "sha384")
    key, iv = traffic_keys(suite, bytes(48))
    assert (len(key), len(iv)) == (32, 12)


def test_drafts_have_the_labels_of_their_time() -> None:
    assert labels_of(0x0304) is LABELS
    assert labels_of(0x7F1C) is LABELS
    assert labels_of(0x7F14) is LABELS
    assert labels_of(0x7F13) is LABELS_DRAFT_19
    assert labels_of(0x7F12) is LABELS_DRAFT_18
    expanded = hkdf_expand_label("sha256", bytes(32), b"key", b"", 16, LABELS_DRAFT_18.prefix)
    info = b"\x00\x10" + b"\x0cTLS 1.3, key" + b"\x00"  # length 16, label, empty context
    assert expanded == hmac.digest(bytes(32), info + b"\x01", "sha256")[:16]


def test_draft_18_extracts_without_a_derived_secret() -> None:
    early = early_secret(SUITE)
    assert handshake_secret(SUITE, early, b"shared", LABELS_DRAFT_18) == hmac.digest(early, b"shared", "sha256")
    derived = derive_secret(SUITE, early, b"derived secret", hashlib.sha256().digest(), b"TLS 1.3, ")
    assert handshake_secret(SUITE, early, b"shared", LABELS_DRAFT_19) == hmac.digest(derived, b"shared", "sha256")
