from __future__ import annotations

import contextlib
import subprocess
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tlsdecrypt.errors import ParseError
from tlsdecrypt.tls import der as asn1
from tlsdecrypt.tls.certificates import LONGEST_CACHED, certificate_facts, share_a_name, subject_public_key_info
from tlsdecrypt.value import replace

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture(scope="module")
def der(key_files: Path) -> bytes:
    return (key_files / "rsa-certificate.der").read_bytes()


def openssl_says(openssl: str, path: Path, *what: str) -> str:
    arguments = [openssl, "x509", "-inform", "DER", "-in", str(path), "-noout", *what]
    return subprocess.run(arguments, check=True, capture_output=True, text=True).stdout.strip()


def test_facts_are_those_that_openssl_shows(key_files: Path, der: bytes, program: Callable[[str], str]) -> None:
    path, openssl = key_files / "rsa-certificate.der", program("openssl")
    facts = certificate_facts(der)
    assert f"subject={facts.subject}" == openssl_says(openssl, path, "-subject", "-nameopt", "RFC2253")
    assert f"issuer={facts.issuer}" == openssl_says(openssl, path, "-issuer", "-nameopt", "RFC2253")
    assert f"serial={facts.serial.upper()}" == openssl_says(openssl, path, "-serial")
    sha1 = openssl_says(openssl, path, "-fingerprint", "-sha1").split("=")[1]
    assert facts.sha1_thumbprint == sha1.replace(":", "")
    sha256 = openssl_says(openssl, path, "-fingerprint", "-sha256").split("=")[1]
    assert facts.sha256_thumbprint == sha256.replace(":", "")
    dates = openssl_says(openssl, path, "-dates", "-dateopt", "iso_8601").splitlines()
    assert f"notBefore={facts.not_before}" == dates[0].replace(" ", "T", 1)
    assert f"notAfter={facts.not_after}" == dates[1].replace(" ", "T", 1)


@pytest.mark.parametrize(("serial", "shown"), [(0xB9A, "0b9a"), (0x1B9A, "1b9a"), (1, "01")])
def test_a_serial_number_has_whole_bytes(
    tmp_path: Path, serial: int, shown: str, program: Callable[[str], str]
) -> None:
    openssl, key, made = program("openssl"), tmp_path / "key.pem", tmp_path / "certificate.der"
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", str(key))
    request = (openssl, "req", "-x509", *curve, "-subj", "/CN=a", "-set_serial", str(serial), "-outform", "DER")
    subprocess.run([*request, "-out", str(made)], check=True, capture_output=True)
    assert certificate_facts(made.read_bytes()).serial == shown
    assert openssl_says(openssl, made, "-serial") == f"serial={shown.upper()}"


def test_names_and_key_are_there_for_people(der: bytes) -> None:
    facts = certificate_facts(der)
    assert facts.names == ("owa.example.com", "192.0.2.7", "mail.example.com")
    assert (facts.key, facts.signature, facts.fault) == ("RSA 1024 bits", "RSA with SHA256", None)
    assert facts.der == der


@pytest.mark.parametrize(
    ("mine", "theirs", "is_shared"),
    [
        (("a.example", "Mail.Example"), ("mail.example",), True),
        (("*.contoso.com",), ("mail.contoso.com",), True),
        (("mail.contoso.com",), ("*.contoso.com",), True),
        (("a.mail.contoso.com",), ("*.contoso.com",), False),
        (("owa.contoso.com",), ("mail.contoso.com",), False),
        ((), ("mail.contoso.com",), False),
    ],
)
def test_certificates_share_a_host_by_name_or_by_wildcard(
    der: bytes, mine: tuple[str, ...], theirs: tuple[str, ...], *, is_shared: bool
) -> None:
    first, second = (replace(certificate_facts(der), names=names) for names in (mine, theirs))
    assert share_a_name(first, second) is is_shared


def test_the_same_certificate_is_read_once(der: bytes) -> None:
    assert certificate_facts(der) is certificate_facts(bytes(bytearray(der)))


def test_a_huge_certificate_is_not_kept(der: bytes) -> None:
    huge = der + bytes(LONGEST_CACHED)
    assert certificate_facts(huge) is not certificate_facts(huge)


def test_the_public_key_is_found_where_the_rest_cannot_be_read(der: bytes) -> None:
    odd = bytearray(der)
    at = odd.index(b"\x17\x0d")
    odd[at + 2 : at + 4] = b"??"  # a year that is none
    facts = certificate_facts(bytes(odd))
    assert facts.fault is not None
    assert facts.fault.startswith("certificate cannot be read: ")
    assert facts.spki_sha256 == certificate_facts(der).spki_sha256
    assert len(facts.sha1_thumbprint) == 40
    assert (facts.subject, facts.names) == ("", ())


def test_a_raw_public_key_is_named_and_matched(der: bytes) -> None:
    facts = certificate_facts(subject_public_key_info(der))
    assert facts.fault == "a raw public key (RFC 7250), not a certificate"
    assert facts.spki_sha256 == certificate_facts(der).spki_sha256


def test_a_certificate_cut_anywhere_has_a_fault_and_a_thumbprint(der: bytes) -> None:
    for length in range(len(der)):
        facts = certificate_facts(der[:length])
        assert facts.fault is not None
        assert len(facts.sha256_thumbprint) == 64
        with pytest.raises(ParseError):
            subject_public_key_info(der[:length])


@given(st.data())
def test_changed_bytes_never_raise(der: bytes, data: st.DataObject) -> None:
    changed = bytearray(der)
    for _ in range(data.draw(st.integers(1, 5))):
        changed[data.draw(st.integers(0, len(der) - 1))] = data.draw(st.integers(0, 255))
    assert certificate_facts(bytes(changed)).sha1_thumbprint


@given(st.binary(max_size=100))
def test_random_bytes_never_raise(data: bytes) -> None:
    assert certificate_facts(data).fault is not None


@given(st.lists(st.binary(max_size=20).map(lambda each: asn1.encode(asn1.INTEGER, each))), st.binary(max_size=40))
def test_der_of_random_bytes_is_these_bytes_or_a_parse_error(whole: list[bytes], behind: bytes) -> None:
    data = b"".join(whole) + behind
    try:
        first = asn1.first_element(data)
    except ParseError:
        return
    assert first.encoded == (whole[0] if whole else data[: len(first.encoded)])
    assert first.encoded.endswith(first.content)
    with contextlib.suppress(ParseError):
        assert asn1.integer(first) == int.from_bytes(first.content, "big", signed=True)
    with contextlib.suppress(ParseError):
        assert b"".join(each.encoded for each in asn1.elements(data)) == data


@given(st.integers(0, 255), st.binary(max_size=400))
def test_what_is_encoded_is_read_back(tag: int, content: bytes) -> None:
    encoded = asn1.encode(tag, content)
    assert asn1.first_element(encoded + b"rest") == (tag, content, encoded)


def test_a_negative_integer_is_negative() -> None:
    assert asn1.integer(asn1.first_element(b"\x02\x01\xff")) == -1


@given(st.integers(0, 1 << 600))
def test_integers_come_back(value: int) -> None:
    assert asn1.integer(asn1.first_element(asn1.encode_integer(value))) == value
