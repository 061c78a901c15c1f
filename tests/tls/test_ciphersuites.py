"""The registries: open enumerations, and the table of suites against OpenSSL."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tlsdecrypt.tls.ciphersuite_table import CIPHER_SUITES
from tlsdecrypt.tls.ciphersuites import BULK_CIPHERS, CipherKind, cipher_suite
from tlsdecrypt.tls.prf import derive_keys
from tlsdecrypt.tls.protection import make_protection, make_protection_13
from tlsdecrypt.tls.registry import (
    AlertDescription,
    ContentType,
    ExtensionType,
    HandshakeType,
    NamedGroup,
    ProtocolVersion,
    SignatureScheme,
    is_grease,
)

ROOT = Path(__file__).parents[2]


def test_unknown_code_points_survive_with_their_values() -> None:
    for byte_type in (ContentType, HandshakeType, AlertDescription):
        assert [byte_type(value) for value in range(256)] == list(range(256))
    for wide_type in (ExtensionType, NamedGroup, SignatureScheme, ProtocolVersion):
        assert [wide_type(value) for value in range(0, 0x10000, 5)] == list(range(0, 0x10000, 5))
    assert ContentType(0x63).name == "UNKNOWN_0x63"
    assert NamedGroup(0x1234).name == "UNKNOWN_0x1234"
    assert isinstance(NamedGroup(0x1234), NamedGroup)


@pytest.mark.parametrize("value", [-1, 0x10000, "x", None])
def test_what_is_no_code_point_is_refused(value: int) -> None:
    for enumeration in (ContentType, ExtensionType):
        with pytest.raises(ValueError, match="is not a valid"):
            enumeration(value)


def test_grease_is_the_sixteen_values_of_rfc_8701() -> None:
    grease = [value for value in range(0x10000) if is_grease(value)]
    assert len(grease) == 16
    assert (grease[0], grease[-1]) == (0x0A0A, 0xFAFA)
    assert ExtensionType(0x2A2A).name == "GREASE_0x2A2A"


def test_versions_have_labels() -> None:
    expected = {0x0002: "SSLv2", 0x0300: "SSLv3", 0x0301: "TLSv1.0", 0x0303: "TLSv1.2", 0x0304: "TLSv1.3"}
    assert {version: ProtocolVersion(version).label for version in expected} == expected
    assert [ProtocolVersion(version).label for version in (0x7F12, 0x7F1C)] == ["TLSv1.3", "TLSv1.3"]
    assert [ProtocolVersion(version).label for version in (0x0305, 0x0A0A)] == ["0x0305", "0x0a0a"]


def test_names_and_codes_are_those_of_openssl() -> None:
    command = ["openssl", "ciphers", "-V", "-stdname", "ALL:COMPLEMENTOFALL:@SECLEVEL=0"]
    listing = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    suites = re.findall(r"0x(..),0x(..) - (\S+)", listing)
    assert len(suites) > 50
    assert {name: cipher_suite(int(high + low, 16)).name for high, low, name in suites} == {
        name: name for _, _, name in suites
    }


def test_the_table_is_what_the_script_makes_of_its_sources() -> None:
    script = [sys.executable, str(ROOT / "scripts" / "update_registry"), "--check"]
    assert subprocess.run(script, check=False).returncode == 0


@pytest.mark.parametrize(
    ("code", "key_exchange", "cipher", "mac", "prf_hash"),
    [
        (0x0003, "RSA_EXPORT", "RC4_40", "MD5", "sha256"),
        (0x0026, "KRB5_EXPORT", "DES40_CBC", "SHA", "sha256"),
        (0x0064, "RSA_EXPORT1024", "RC4_56", "SHA", "sha256"),
        (0x00B1, "PSK", "NULL", "SHA384", "sha384"),
        (0x00C6, "TLS13", "SM4_GCM", None, "sm3"),
        (0x1304, "TLS13", "AES_128_CCM", None, "sha256"),
        (0x1305, "TLS13", "AES_128_CCM_8", None, "sha256"),
        (0xC028, "ECDHE_RSA", "AES_256_CBC", "SHA384", "sha384"),
        (0xC0A0, "RSA", "AES_128_CCM_8", None, "sha256"),
        (0xC0AA, "DHE_PSK", "AES_128_CCM_8", None, "sha256"),
        (0xC0B4, "TLS13", "NULL", "SHA256", "sha256"),
        (0xCC13, "ECDHE_RSA", "CHACHA20_POLY1305_OLD", None, "sha256"),
        (0xFEFE, "RSA_FIPS", "DES_CBC", "SHA", "sha256"),
        (0x010080, "RSA", "RC4_128", "MD5", "sha256"),
    ],
)
def test_names_are_taken_apart(code: int, key_exchange: str, cipher: str, mac: str | None, prf_hash: str) -> None:
    suite = cipher_suite(code)
    assert (suite.key_exchange, suite.cipher, suite.mac, suite.prf_hash) == (key_exchange, cipher, mac, prf_hash)


def test_unknown_suites_are_named_and_not_supported() -> None:
    suite = cipher_suite(0x5601)
    assert suite.name == "UNKNOWN_0x5601"
    assert not suite.is_supported
    assert (suite.key_length, suite.iv_length, suite.mac_length, suite.is_aead) == (0, 0, 0, False)


def test_forward_secrecy_and_rsa_key_exchange_are_told() -> None:
    forward_secret = {code for code in CIPHER_SUITES if cipher_suite(code).is_forward_secret}
    by_rsa = {code for code in CIPHER_SUITES if cipher_suite(code).uses_rsa_key_exchange}
    assert {0x1301, 0xC02F, 0x0033, 0x0034, 0xC018, 0xC01D, 0xC0AA, 0xCCA8} <= forward_secret
    assert {0x002F, 0x0003, 0x0062, 0xFEFF, 0x010080} <= by_rsa
    assert not forward_secret & by_rsa
    assert not {0x0094, 0x00A8, 0x0031, 0xC004, 0x001E, 0x00FF} & (forward_secret | by_rsa)


def test_every_supported_suite_gets_a_protection_and_no_other() -> None:
    for code in CIPHER_SUITES:
        suite = cipher_suite(code)
        if suite.key_exchange == "TLS13":
            protection = make_protection_13(suite, bytes(48))
        else:
            version = 0x0303 if suite.is_aead else 0x0301
            keys = derive_keys(suite, version, bytes(48), bytes(32), bytes(32))[0]
            protection = make_protection(suite, version, keys)
        assert (protection is not None) == suite.is_supported, suite.name


def test_what_is_not_supported_is_what_no_library_computes() -> None:
    unsupported = {cipher_suite(code).cipher for code in CIPHER_SUITES if not cipher_suite(code).is_supported}
    assert {re.split("_", cipher)[0] for cipher in unsupported - {"", "NULL"}} == {
        "28147",
        "AEGIS",
        "FORTEZZA",
        "KUZNYECHIK",
        "MAGMA",
        "NULL",
    }
    assert all(bulk.iv_length in (8, 16) for bulk in BULK_CIPHERS.values() if bulk.kind is CipherKind.BLOCK)


def test_a_suite_of_another_version_is_no_suite_of_tls13() -> None:
    assert make_protection_13(cipher_suite(0x002F), bytes(32)) is None
