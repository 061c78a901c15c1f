"""Records of real peers are opened with the secrets that the peers logged: OpenSSL and tlslite-ng."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

import pytest
from tls_peers import ANSWER, CLIENT, HELLO, SERVER, SHORT_ANSWER, Dialogue, openssl_dialogue, tlslite_dialogue

from tlsdecrypt.tls.prf import derive_keys
from tlsdecrypt.tls.protection import make_protection, make_protection_13

if TYPE_CHECKING:
    from pathlib import Path

OPENSSL_TLS12 = [
    "AES128-SHA",
    "AES256-SHA",
    "AES128-SHA256",
    "AES256-SHA256",
    "ECDHE-RSA-AES256-SHA384",
    "CAMELLIA128-SHA",
    "CAMELLIA256-SHA256",
    "ECDHE-RSA-CAMELLIA256-SHA384",
    "NULL-MD5",
    "NULL-SHA",
    "NULL-SHA256",
    "AES128-GCM-SHA256",
    "AES256-GCM-SHA384",
    "AES128-CCM",
    "AES256-CCM8",
    "ARIA128-GCM-SHA256",
    "ARIA256-GCM-SHA384",
    "ECDHE-RSA-CHACHA20-POLY1305",
]
OLD_OPENSSL = ["AES128-SHA", "CAMELLIA256-SHA", "NULL-SHA"]
TLSLITE = [
    ((3, 0), "rc4", "md5"),
    ((3, 0), "rc4", "sha"),
    ((3, 0), "3des", "sha"),
    ((3, 0), "aes128", "sha"),
    ((3, 1), "rc4", "sha"),
    ((3, 1), "3des", "sha"),
    ((3, 2), "rc4", "md5"),
    ((3, 3), "rc4", "sha"),
    ((3, 3), "3des", "sha"),
    ((3, 3), "aes256ccm_8", "aead"),
    ((3, 3), "chacha20-poly1305_draft00", "aead"),
]


def opened_records(dialogue: Dialogue, side: int, *, encrypt_then_mac: bool = False) -> list[tuple[int, bytes]]:
    keys = derive_keys(
        dialogue.suite,
        dialogue.version,
        dialogue.secrets["CLIENT_RANDOM"],
        dialogue.client_random,
        dialogue.server_random,
    )
    protection = make_protection(dialogue.suite, dialogue.version, keys[side], encrypt_then_mac=encrypt_then_mac)
    assert protection is not None
    opened = [protection.open(*record) for record in dialogue.protected(side)]
    assert None not in opened
    assert protection.sequence_number == len(opened)
    return [record for record in opened if record is not None]


def application_data(records: list[tuple[int, bytes]]) -> bytes:
    return b"".join(data for content_type, data in records if content_type == 23)


def is_cbc(dialogue: Dialogue) -> bool:
    return "_CBC_" in dialogue.suite.name


@pytest.mark.parametrize("encrypt_then_mac", [True, False])
@pytest.mark.parametrize("ciphers", OPENSSL_TLS12)
def test_openssl_tls12_opens(tmp_path: Path, ciphers: str, *, encrypt_then_mac: bool) -> None:
    dialogue = openssl_dialogue(tmp_path, ssl.TLSVersion.TLSv1_2, ciphers, encrypt_then_mac=encrypt_then_mac)
    etm = encrypt_then_mac and is_cbc(dialogue)
    client = opened_records(dialogue, CLIENT, encrypt_then_mac=etm)
    assert client[0][1][:4].hex() == "1400000c"  # Finished, 12 bytes
    assert application_data(client) == HELLO * 2
    assert application_data(opened_records(dialogue, SERVER, encrypt_then_mac=etm)) == ANSWER


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
@pytest.mark.parametrize("encrypt_then_mac", [True, False])
@pytest.mark.parametrize("ciphers", OLD_OPENSSL)
def test_openssl_tls10_and_tls11_open(
    tmp_path: Path, ciphers: str, version: ssl.TLSVersion, *, encrypt_then_mac: bool
) -> None:
    dialogue = openssl_dialogue(tmp_path, version, ciphers, encrypt_then_mac=encrypt_then_mac)
    etm = encrypt_then_mac and is_cbc(dialogue)
    assert application_data(opened_records(dialogue, CLIENT, encrypt_then_mac=etm)) == HELLO * 2
    assert application_data(opened_records(dialogue, SERVER, encrypt_then_mac=etm)) == ANSWER


@pytest.mark.parametrize(("version", "cipher", "mac"), TLSLITE)
def test_tlslite_opens(version: tuple[int, int], cipher: str, mac: str) -> None:
    dialogue = tlslite_dialogue(version, cipher, mac, encrypt_then_mac=False)
    assert application_data(opened_records(dialogue, CLIENT)) == HELLO
    assert application_data(opened_records(dialogue, SERVER)) == SHORT_ANSWER


def test_openssl_tls13_opens(tmp_path: Path) -> None:
    dialogue = openssl_dialogue(tmp_path, ssl.TLSVersion.TLSv1_3, None)
    for side, who, expected in ((CLIENT, "CLIENT", HELLO * 2), (SERVER, "SERVER", ANSWER)):
        handshake = make_protection_13(dialogue.suite, dialogue.secrets[f"{who}_HANDSHAKE_TRAFFIC_SECRET"])
        traffic = make_protection_13(dialogue.suite, dialogue.secrets[f"{who}_TRAFFIC_SECRET_0"])
        assert handshake is not None
        assert traffic is not None
        opened = [handshake.open(*record) or traffic.open(*record) for record in dialogue.protected(side)]
        assert None not in opened
        assert application_data([record for record in opened if record is not None]) == expected


def test_a_wrong_master_secret_opens_nothing(tmp_path: Path) -> None:
    dialogue = openssl_dialogue(tmp_path, ssl.TLSVersion.TLSv1_2, "AES128-SHA")
    randoms = dialogue.client_random, dialogue.server_random
    keys = derive_keys(dialogue.suite, dialogue.version, bytes(48), *randoms)[CLIENT]
    for encrypt_then_mac in (True, False):
        protection = make_protection(dialogue.suite, dialogue.version, keys, encrypt_then_mac=encrypt_then_mac)
        assert protection is not None
        assert not any(protection.open(*record) for record in dialogue.protected(CLIENT))
        assert protection.sequence_number == 0
