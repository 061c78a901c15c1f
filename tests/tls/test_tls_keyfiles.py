from __future__ import annotations

import base64
import subprocess
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from hypothesis import given
from hypothesis import strategies as st

from tlsdecrypt.errors import KeyFileError, PasswordError
from tlsdecrypt.tls import der as asn1
from tlsdecrypt.tls.keyfiles import parse_key_file

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

# The primes of a throwaway RSA key of 384 bits, such as export browsers of the nineties met.
P_384 = 0xD9FF7E9B22A9190600385F3B3EB402AA4DED7B3DA75D5CFF
Q_384 = 0xFAD786A8CB74A9B2ABEBE0E1F390BD99A6606BBEFD904F41


def never() -> str | None:
    pytest.fail("asked for a password that nothing needs")


def parse(path: Path, password: str | None = None) -> list:
    return parse_key_file(path.read_bytes(), path.name, lambda: password)


def fault(data: bytes, password: str | None = None) -> str:
    with pytest.raises(KeyFileError) as caught:
        parse_key_file(data, "the.file", lambda: password)
    return str(caught.value)


def rsa_der(p: int, q: int, n_error: int = 0, d_error: int = 0) -> bytes:
    """RSAPrivateKey, RFC 8017 appendix A.1.2, with p and q in the order given, and made wrong on demand."""
    d = pow(65537, -1, (p - 1) * (q - 1)) + d_error
    numbers = (0, p * q + n_error, 65537, d, p, q, d % (p - 1), d % (q - 1), pow(q, -1, p))
    return asn1.encode(asn1.SEQUENCE, *map(asn1.encode_integer, numbers))


def opens(key: object, plaintext: bytes = b"\x03\x03" + bytes(46)) -> bool:
    encrypted = key.key.public_key().encrypt(plaintext, PKCS1v15())
    return key.decrypt_pre_master_secret(encrypted) == plaintext


@pytest.fixture(scope="module")
def spki_sha256(key_files: Path, program: Callable[[str], str]) -> str:
    openssl = program("openssl")
    der = subprocess.run(
        [openssl, "pkey", "-in", "rsa.pem", "-pubout", "-outform", "DER"],
        cwd=key_files,
        check=True,
        capture_output=True,
    ).stdout
    digest = subprocess.run([openssl, "dgst", "-sha256", "-r"], input=der, check=True, capture_output=True).stdout
    return digest.split()[0].decode()


@pytest.mark.parametrize("name", ["rsa.pem", "rsa-pkcs8.pem", "rsa-pkcs1.der", "rsa-pkcs8.der", "plain.pfx"])
def test_a_plain_key_opens_without_a_question(key_files: Path, spki_sha256: str, name: str) -> None:
    (key,) = parse_key_file((key_files / name).read_bytes(), name, never)
    assert (key.source, key.kind, key.spki_sha256) == (name, "RSA 1024 bits", spki_sha256)
    assert opens(key)


@pytest.mark.parametrize("name", ["empty.pfx", "empty-legacy.pfx"])
def test_a_pfx_with_the_empty_password_opens_without_a_question(key_files: Path, spki_sha256: str, name: str) -> None:
    (key,) = parse_key_file((key_files / name).read_bytes(), name, never)
    assert key.spki_sha256 == spki_sha256


@pytest.mark.parametrize(
    "name",
    [
        "rsa-dek.pem",
        "rsa-encrypted.pem",
        "rsa-encrypted.der",
        "rsa-encrypted-v1.pem",
        "modern.pfx",
        "legacy.pfx",
        "nomac.pfx",
        "only-key.pfx",
    ],
)
def test_an_encrypted_key_needs_its_password_and_no_other(
    key_files: Path, password: str, spki_sha256: str, name: str
) -> None:
    (key,) = parse(key_files / name, password)
    assert key.spki_sha256 == spki_sha256
    assert opens(key)
    with pytest.raises(PasswordError, match=rf"^{name}: the .* is encrypted, and no password was given$"):
        parse(key_files / name)
    with pytest.raises(PasswordError, match=r"does not open with this password, or is damaged$"):
        parse(key_files / name, "wrong-marker")


@pytest.mark.parametrize("name", ["modern.pfx", "legacy.pfx", "nomac.pfx", "empty.pfx", "plain.pfx"])
def test_a_pfx_gives_the_certificate_of_its_key(key_files: Path, password: str, name: str) -> None:
    (key,) = parse(key_files / name, password)
    assert key.subject == "CN=mail.example.com,O=Example"
    assert key.certificate is not None
    assert key.certificate.der == (key_files / "rsa-certificate.der").read_bytes()


def join_pfx(first: bytes, second: bytes) -> bytes:
    """One PFX, without MAC, of what two hold."""
    parts = [asn1.children(asn1.first_element(pfx))[1] for pfx in (first, second)]
    infos = []
    for part in parts:
        octets = asn1.children(asn1.children(part)[1], tag=asn1.CONTEXT_0)[0].content
        infos += [each.encoded for each in asn1.children(asn1.first_element(octets))]
    octets = asn1.encode(asn1.OCTET_STRING, asn1.encode(asn1.SEQUENCE, *infos))
    oid = asn1.encode(asn1.OBJECT_IDENTIFIER, asn1.OID_DATA)
    safe = asn1.encode(asn1.SEQUENCE, oid, asn1.encode(asn1.CONTEXT_0, octets))
    return asn1.encode(asn1.SEQUENCE, asn1.encode_integer(3), safe)


def test_every_private_key_of_a_pfx_is_found_as_openssl_finds_it(
    key_files: Path, password: str, program: Callable[[str], str]
) -> None:
    joined = key_files / "joined.pfx"
    joined.write_bytes(join_pfx((key_files / "modern.pfx").read_bytes(), (key_files / "other.pfx").read_bytes()))
    keys = parse(joined, password)
    assert [key.subject for key in keys] == ["CN=mail.example.com,O=Example", "CN=other.example.com"]
    arguments = ["pkcs12", "-in", str(joined), "-nocerts", "-noenc", "-passin", f"pass:{password}"]
    listing = subprocess.run([program("openssl"), *arguments], check=True, capture_output=True).stdout
    blocks = [b"-----BEGIN" + block for block in listing.split(b"-----BEGIN")[1:]]
    expected = {load_pem_private_key(block, None).private_numbers() for block in blocks}
    assert {key.key.private_numbers() for key in keys} == expected


def test_several_keys_behind_the_empty_password_are_all_found(key_files: Path) -> None:
    data = join_pfx((key_files / "empty.pfx").read_bytes(), (key_files / "other-empty.pfx").read_bytes())
    keys = parse_key_file(data, "two.pfx", never)
    assert [key.subject for key in keys] == ["CN=mail.example.com,O=Example", "CN=other.example.com"]


def test_a_pem_file_gives_all_keys_each_with_its_certificate(key_files: Path) -> None:
    names = ["other.crt", "rsa.pem", "rsa.crt", "other.pem", "ec.pem"]
    text = b"Bag Attributes\n".join((key_files / name).read_bytes() for name in names)
    keys = parse_key_file(text, "all.pem", never)
    assert [(key.kind, key.subject) for key in keys] == [
        ("RSA 1024 bits", "CN=mail.example.com,O=Example"),
        ("RSA 1024 bits", "CN=other.example.com"),
        ("EC secp256r1", None),
    ]


def test_a_password_is_asked_for_once_for_several_encrypted_keys(key_files: Path, password: str) -> None:
    questions = []

    def ask() -> str:
        questions.append(1)
        return password

    text = (key_files / "rsa-dek.pem").read_bytes() + (key_files / "rsa-encrypted.pem").read_bytes()
    assert len(parse_key_file(text, "two.pem", ask)) == 1
    assert questions == [1]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("ec.pem", "EC secp256r1"),
        ("ec384.der", "EC secp384r1"),
        ("x25519.pem", "X25519"),
        ("x448.pem", "X448"),
        ("ed25519.pem", "Ed25519"),
        ("dh.pem", "DH 2048 bits"),
    ],
)
def test_keys_of_other_kinds_are_named(key_files: Path, name: str, kind: str) -> None:
    (key,) = parse_key_file((key_files / name).read_bytes(), name, never)
    assert key.kind == kind


def test_a_key_of_384_bits_opens_what_was_encrypted_to_it() -> None:
    (key,) = parse_key_file(rsa_der(P_384, Q_384), "old.der", never)
    assert key.kind == "RSA 384 bits"
    assert opens(key, b"\x00\x02" + bytes(14))


def test_a_key_whose_first_prime_is_the_smaller_one_works(key_files: Path) -> None:
    (key,) = parse_key_file((key_files / "rsa.pem").read_bytes(), "rsa.pem", never)
    numbers = key.key.private_numbers()
    p, q = sorted((numbers.p, numbers.q))
    (swapped,) = parse_key_file(rsa_der(p, q), "swapped.der", never)
    assert swapped.key.private_numbers().p < swapped.key.private_numbers().q
    assert opens(swapped)


@pytest.mark.parametrize("encode", [base64.b64encode, base64.encodebytes])
def test_a_pfx_as_bare_base64_text_is_read(key_files: Path, password: str, encode: Callable[[bytes], bytes]) -> None:
    text = encode((key_files / "modern.pfx").read_bytes())
    assert parse_key_file(text, "pfx.txt", lambda: password)[0].kind == "RSA 1024 bits"


def test_a_pem_file_in_utf_16_is_read(key_files: Path) -> None:
    text = (key_files / "rsa.pem").read_text().encode("utf-16")
    assert parse_key_file(text, "rsa.pem", never)[0].kind == "RSA 1024 bits"


def test_each_wrong_file_has_its_own_sentence(key_files: Path, password: str) -> None:
    def of(name: str) -> str:
        return fault((key_files / name).read_bytes(), password)

    assert fault(b" \r\n") == "the.file: the file is empty"
    assert "holds no private key" in fault(b"Dear administrator, here is the key.")
    assert "holds no private key" in fault(bytes(range(256)))
    for name in ("only-certificate.pfx", "rsa.crt", "rsa-certificate.der", "certificates.p7b"):
        assert "holds only a certificate and no private key: export it again" in of(name)
    assert "only a public key" in of("public.pem")
    assert "Java keystore" in fault(b"\xfe\xed\xfe\xed\0\0\0\2")
    assert "OpenSSH" in fault(b"-----BEGIN OPENSSH PRIVATE KEY-----\nb3Bl\n-----END OPENSSH PRIVATE KEY-----\n")
    assert "--keylog" in fault(b"# log\nCLIENT_RANDOM " + b"00" * 32 + b" " + b"11" * 48)
    assert "--keylog" in fault(("CLIENT_RANDOM " + "00" * 32 + " " + "11" * 48).encode("utf-16"))


@pytest.mark.parametrize("name", ["modern.pfx", "rsa.pem", "rsa-pkcs1.der", "rsa-encrypted.der", "rsa-encrypted.pem"])
def test_a_file_cut_anywhere_is_one_sentence(key_files: Path, password: str, name: str) -> None:
    data = (key_files / name).read_bytes()
    for length in range(0, len(data) - 30, 23):
        assert fault(data[:length], password).startswith("the.file: ")
    assert "cut off or damaged" in fault(data[: len(data) // 2], password)


@pytest.mark.parametrize(("n_error", "d_error"), [(2, 0), (0, 2), (0, P_384 - 1), (0, Q_384 - 1)])
def test_an_rsa_key_whose_numbers_do_not_fit_is_called_damaged(n_error: int, d_error: int) -> None:
    assert "the private key is damaged" in fault(rsa_der(P_384, Q_384, n_error, d_error))


def test_a_plain_key_beside_an_encrypted_one_is_found(key_files: Path, password: str) -> None:
    data = join_pfx((key_files / "plain-key.pfx").read_bytes(), (key_files / "other.pfx").read_bytes())
    assert len(parse_key_file(data, "two.pfx", lambda: password)) == 2


def test_a_password_that_was_taken_as_latin_1_still_opens(key_files: Path) -> None:
    key = load_pem_private_key((key_files / "rsa.pem").read_bytes(), None)
    encryption = BestAvailableEncryption("pässword".encode("latin-1"))
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)
    assert len(parse_key_file(pem, "old.pem", lambda: "pässword")) == 1


@given(st.binary(max_size=300) | st.binary(max_size=200).map(lambda body: asn1.encode(asn1.SEQUENCE, body)))
def test_random_bytes_are_one_sentence(data: bytes) -> None:
    assert fault(data).count("\n") == 0


def test_no_secret_is_in_any_error_or_representation(key_files: Path, password: str) -> None:
    for name in ("modern.pfx", "rsa-encrypted.pem", "dh.pem", "ec.pem"):
        (key,) = parse(key_files / name, password)
        private = getattr(key.key, "private_numbers", None)
        numbers = private() if private else key.key
        secret = getattr(numbers, "d", None) or getattr(numbers, "private_value", None) or numbers.x
        assert str(secret) not in repr(key)
        assert f"{secret:x}" not in repr(key)
        assert "marker" not in repr(key)
    with pytest.raises(PasswordError) as caught:
        parse(key_files / "modern.pfx", "wrong-marker")
    assert "marker" not in str(caught.value)


def test_a_block_whose_end_is_missing_does_not_swallow_the_key_behind_it() -> None:
    def block(label: str, content: bytes) -> bytes:
        return f"-----BEGIN {label}-----\n{base64.b64encode(content).decode()}\n-----END {label}-----\n".encode()

    certificate, key = block("CERTIFICATE", bytes(30)), block("RSA PRIVATE KEY", rsa_der(P_384, Q_384))
    cut = certificate[: certificate.index(b"-----END")]
    assert len(parse_key_file(cut + key + certificate, "the.file", never)) == 1


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"-----BEGIN KEY-----\n" * (1 << 18), "BEGIN line without its END line"),
        (b"A" * 64 + b"\n" * (1 << 20) + b"!", "holds no private key"),
    ],
)
def test_megabytes_of_what_only_begins_like_a_key_are_read_once(data: bytes, complaint: str) -> None:
    """Read anew from each place where something begins, they would take hours."""
    assert complaint in fault(data)
