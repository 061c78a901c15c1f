from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric import x448, x25519
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from hypothesis import given
from hypothesis import strategies as st

from tlsdecrypt.tls.keyfiles import parse_key_file
from tlsdecrypt.tls.private_key import DhPrivateKey, PrivateKey, private_key

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PRE_MASTER_SECRET = b"\x03\x03" + bytes(range(46))


def key_of(path: Path) -> PrivateKey:
    return parse_key_file(path.read_bytes(), path.name, lambda: None)[0]


def encrypt(key: PrivateKey, plaintext: bytes = PRE_MASTER_SECRET) -> bytes:
    return key.key.public_key().encrypt(plaintext, PKCS1v15())


def test_the_right_key_gives_the_pre_master_secret(key_files: Path) -> None:
    key = key_of(key_files / "rsa.pem")
    assert key.is_rsa
    assert key.decrypt_pre_master_secret(encrypt(key)) == PRE_MASTER_SECRET


def test_the_wrong_key_gives_anything_but_the_secret(key_files: Path) -> None:
    right, wrong = key_of(key_files / "rsa.pem"), key_of(key_files / "other.pem")
    assert wrong.decrypt_pre_master_secret(encrypt(right)) != PRE_MASTER_SECRET


def test_leading_zero_bytes_may_be_stripped_or_added(key_files: Path) -> None:
    key = key_of(key_files / "rsa.pem")
    encrypted = next(each for each in (encrypt(key) for _ in range(20_000)) if each[0] == 0)
    for variant in (encrypted, encrypted[1:], b"\0\0" + encrypted):
        assert key.decrypt_pre_master_secret(variant) == PRE_MASTER_SECRET


@pytest.mark.parametrize("length", [0, 1, 64, 100, 129, 256])
def test_a_secret_of_another_length_is_none(key_files: Path, length: int) -> None:
    assert key_of(key_files / "rsa.pem").decrypt_pre_master_secret(b"\x55" * length) is None


def test_a_number_beyond_the_modulus_is_none(key_files: Path) -> None:
    assert key_of(key_files / "rsa.pem").decrypt_pre_master_secret(b"\xff" * 128) is None


def test_a_key_that_is_not_rsa_decrypts_nothing(key_files: Path) -> None:
    key = key_of(key_files / "ec.pem")
    assert not key.is_rsa
    assert key.decrypt_pre_master_secret(bytes(128)) is None


@pytest.mark.parametrize(
    ("name", "peer", "group"),
    [
        ("ec.pem", "EC -pkeyopt ec_paramgen_curve:P-256", 23),
        ("ec384.der", "EC -pkeyopt ec_paramgen_curve:P-384", 24),
        ("x25519.pem", "X25519", 29),
        ("x448.pem", "X448", 30),
        ("dh.pem", "DH -pkeyopt group:ffdhe2048", None),
    ],
)
def test_a_key_agrees_as_openssl_does(
    key_files: Path, tmp_path: Path, program: Callable[[str], str], name: str, peer: str, group: int | None
) -> None:
    openssl, ours = program("openssl"), key_of(key_files / name)

    def run(*arguments: str) -> bytes:
        return subprocess.run([openssl, *arguments], check=True, capture_output=True, cwd=tmp_path).stdout

    run("genpkey", "-out", "peer.pem", "-algorithm", *peer.split())
    run("pkey", "-in", str(key_files / name), "-pubout", "-out", "ours.pub")
    expected = run("pkeyutl", "-derive", "-inkey", "peer.pem", "-peerkey", "ours.pub")
    theirs = key_of(tmp_path / "peer.pem")
    assert (ours.group, len(ours.public)) == (group, len(theirs.public))
    assert ours.agree(theirs.public, group) == theirs.agree(ours.public) == expected


def test_x25519_agrees_as_in_rfc_8448() -> None:
    # RFC 8448 section 3: the server's private key, the client's public key, the shared secret of the handshake
    server = bytes.fromhex("b1580eeadf6dd589b8ef4f2d5652578cc810e9980191ec8d058308cea216a21e")
    client = bytes.fromhex("99381de560e4bd43d23d8e435a7dbafeb3c06e51c13cae4d5413691e529aaf2c")
    shared = bytes.fromhex("8bd4054fb55b9d63fdfbacf9f04b9f0d35e6d63f537563efd46272900f89492d")
    key = private_key(x25519.X25519PrivateKey.from_private_bytes(server), "rfc8448")
    assert key.agree(client, 29) == shared


def test_a_group_that_does_not_fit_agrees_on_nothing(key_files: Path) -> None:
    key = key_of(key_files / "ec.pem")
    assert key.agree(key.public, 29) is None
    assert key.agree(key.public[1:]) is None
    assert key.agree(b"") is None
    assert key_of(key_files / "ed25519.pem").agree(b"\1" * 32) is None


@pytest.mark.parametrize("public", [b"", b"\0", b"\1", b"\xff" * 300])
def test_a_public_value_outside_a_dh_group_agrees_on_nothing(public: bytes) -> None:
    assert private_key(DhPrivateKey(p=23, g=5, x=6), "x").agree(public) is None


def test_a_small_dh_group_agrees_on_the_textbook_secret() -> None:
    key = private_key(DhPrivateKey(p=23, g=5, x=6), "x")
    assert (key.kind, key.public) == ("DH 5 bits", b"\x08")
    assert key.agree(b"\x13") == b"\x02"  # 19^6 mod 23


@given(st.binary(max_size=70))
def test_no_public_key_makes_agreement_raise(public: bytes) -> None:
    for key in (x25519.X25519PrivateKey.generate(), x448.X448PrivateKey.generate(), DhPrivateKey(23, 5, 6)):
        secret = private_key(key, "x").agree(public)
        assert secret is None or len(secret) in {1, 32, 56}


def test_no_secret_is_in_the_representation(key_files: Path) -> None:
    assert "5051" not in repr(DhPrivateKey(p=23, g=5, x=5051))
    shown = repr(key_of(key_files / "rsa.pem"))
    assert "key=" not in shown.replace("public_key=", "")
    assert "public=" not in shown
