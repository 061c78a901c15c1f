"""Key exchanges whose private key an observer may have: fixed ECDH and DH, temporary RSA, PSK with Diffie-Hellman."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from made_sessions import ANSWERED, ASKED, made_session, vector
from relayed_peers import ORDERS, Flights, observe, relayed, served
from tls_peers import make_certificate

from tlsdecrypt.tls import der as asn1
from tlsdecrypt.tls.key_agreement import certificate_public_key
from tlsdecrypt.tls.keyfiles import parse_key_file
from tlsdecrypt.tls.private_key import DhPrivateKey, private_key
from tlsdecrypt.tls.secrets import SecretStore
from tlsdecrypt.tls.verdict import VerdictCode

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tlsdecrypt.tls.private_key import PrivateKey

ECDH_ECDSA, DH_RSA, DH_ANON, ECDH_ANON = 0xC004, 0x0031, 0x0034, 0xC018
DHE_PSK, ECDHE_PSK, RSA_EXPORT = 0x0090, 0xC035, 0x0003
PSK = b"pre-shared"
MASTER = b"\x03\x03" + bytes(46)  # a pre_master_secret that the client encrypts
P = int(  # RFC 7919 appendix A.1, ffdhe2048
    "FFFFFFFFFFFFFFFFADF85458A2BB4A9AAFDC5620273D3CF1D8B9C583CE2D3695A9E13641146433FBCC939DCE249B3EF97D2FE363630C75D8"
    "F681B202AEC4617AD3DF1ED5D5FD65612433F51F5F066ED0856365553DED1AF3B557135E7F57C935984F0C70E0E68B77E2A689DAF3EFE872"
    "1DF158A136ADE73530ACCA4F483A797ABC0AB182B324FB61D108A94BB2C8E3FBB96ADAB760D7F4681D4F42A3DE394DF4AE56EDE76372BB19"
    "0B07A7C8EE0A6D709E02FCE1CDF7E2ECC03404CD28342F619172FE9CE98583FF8E4F1232EEF28183C3FE3B1B4C6FAD733BB5FCBC2EC22005"
    "C58EF1837D1683B2C6F34A26C1B2EFFA886B423861285C97FFFFFFFFFFFFFFFF",
    16,
)
GET = b"GET / HTTP/1.0\r\n\r\n"


def store_of(*keys: PrivateKey, psk: bytes | None = None) -> SecretStore:
    store = SecretStore()
    store.add_private_keys(keys)
    if psk is not None:
        store.add_psk(None, psk, "--psk")
    return store


def ec_pair() -> tuple[PrivateKey, bytes]:
    key = private_key(ec.generate_private_key(ec.SECP256R1()), "ec.pem")
    return key, key.public


def dh_pair(exponent: int) -> tuple[PrivateKey, bytes]:
    key = private_key(DhPrivateKey(P, 2, exponent), "dh.pem")
    return key, key.public


def dh_params(public: bytes) -> bytes:
    """ServerDHParams, RFC 5246 section 7.4.3."""
    return b"".join(vector(2, each) for each in (P.to_bytes(256, "big"), b"\x02", public))


def spki_certificate(spki: bytes) -> bytes:
    """A certificate as far as its public key goes; the rest is empty."""
    empty = asn1.encode(asn1.SEQUENCE)
    tbs = asn1.encode(asn1.SEQUENCE, asn1.encode(0xA0), asn1.encode_integer(1), empty, empty, empty, empty, spki)
    return asn1.encode(asn1.SEQUENCE, tbs, empty, asn1.encode(asn1.BIT_STRING, b"\0"))


def assert_opens(flights: Flights, store: SecretStore) -> None:
    for order in ORDERS:
        session, up, down, _ = observe(flights, store, order)
        assert (up, down, session.verdict.code) == (ASKED, ANSWERED, VerdictCode.DECRYPTED), order


@pytest.fixture(scope="module")
def nss(program: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory) -> tuple[Flights, list[PrivateKey]]:
    """A session of NSS with TLS_ECDH_ECDSA_WITH_AES_128_CBC_SHA, and the server's key."""
    folder = tmp_path_factory.mktemp("nss")
    (folder / "noise").write_bytes(bytes(range(64)))
    for command in (
        "certutil -N -d sql:. --empty-password",
        "certutil -S -d sql:. -n server -s CN=localhost -x -t CT,C,C -k ec -q nistp256 -z noise -m 5 -v 120",
        "pk12util -o server.pfx -n server -d sql:. -W password",
    ):
        name, *arguments = command.split()
        subprocess.run([program(name), *arguments], cwd=folder, check=True, capture_output=True)
    keys = parse_key_file((folder / "server.pfx").read_bytes(), "server.pfx", lambda: "password")
    options = ["-d", "sql:.", "-p", "PORT", "-V", "tls1.0:tls1.2", "-c", ":C004"]
    with served([program("selfserv"), *options, "-n", "server", "-e", "server"], folder) as port:
        client = [program("tstclnt"), *options, "-h", "127.0.0.1", "-o"]
        return relayed(client, port, folder, asked=GET, answer=b"GET / HTTP"), keys


@pytest.mark.parametrize("order", ORDERS)
def test_fixed_ecdh_of_nss_opens_with_the_servers_key(nss: tuple[Flights, list[PrivateKey]], order: str) -> None:
    flights, keys = nss
    session, up, down, _ = observe(flights, store_of(*keys), order)
    assert session.cipher_suite == "TLS_ECDH_ECDSA_WITH_AES_128_CBC_SHA"
    assert (up, session.verdict.code) == (GET, VerdictCode.DECRYPTED)
    assert GET.strip() in down
    assert session.extended_master_secret


def test_fixed_ecdh_without_its_key_says_which_is_missing(nss: tuple[Flights, list[PrivateKey]]) -> None:
    session = observe(nss[0], SecretStore())[0]
    assert session.verdict.code is VerdictCode.NO_KEY
    assert "CN=localhost" in session.verdict.summary


def test_fixed_ecdh_opens_where_the_certificate_was_not_seen() -> None:
    (server, public), (client, share) = ec_pair(), ec_pair()
    shared = client.agree(public)
    assert shared is not None
    assert_opens(made_session(ECDH_ECDSA, shared, vector(1, share)), store_of(ec_pair()[0], server))


def test_fixed_ecdh_with_a_fixed_key_of_the_client_opens_with_either() -> None:
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(2)]
    certificates = [
        spki_certificate(key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)) for key in keys
    ]
    server, client = (private_key(key, "fixed.pem") for key in keys)
    shared = server.agree(client.public)
    assert shared is not None
    flights = made_session(ECDH_ECDSA, shared, b"", certificate=certificates[0], client_certificate=certificates[1])
    assert_opens(flights, store_of(server))
    assert_opens(flights, store_of(client))


@pytest.mark.parametrize("oid", [asn1.OID_DH_KEY_AGREEMENT, asn1.OID_DH_PUBLIC_NUMBER], ids=["PKCS #3", "X9.42"])
def test_fixed_dh_opens_with_the_servers_key(oid: bytes) -> None:
    (server, public), (_, share) = dh_pair(0x1234567), dh_pair(0x7654321)
    parameters = asn1.encode(asn1.SEQUENCE, asn1.encode_integer(P), asn1.encode_integer(2))
    algorithm = asn1.encode(asn1.SEQUENCE, asn1.encode(asn1.OBJECT_IDENTIFIER, oid), parameters)
    value = asn1.encode_integer(int.from_bytes(public, "big"))
    certificate = spki_certificate(asn1.encode(asn1.SEQUENCE, algorithm, asn1.encode(asn1.BIT_STRING, b"\0", value)))
    secret = pow(2, 0x1234567 * 0x7654321, P).to_bytes(256, "big").lstrip(b"\0")
    assert_opens(made_session(DH_RSA, secret, vector(2, share), certificate=certificate), store_of(server))


SMALL_SECRET = next(x for x in range(1000, 9000) if pow(2, 3001 * x, P) < 1 << 2040)
SMALL_PUBLIC = 2039  # 2 to this power is a byte shorter than the prime


@pytest.mark.parametrize("exponent", [SMALL_SECRET, SMALL_PUBLIC], ids=["secret", "public value"])
def test_leading_zeros_of_a_finite_field_secret_are_stripped_and_those_of_a_public_value_may_be(exponent: int) -> None:
    (server, public), (client, share) = dh_pair(3001), dh_pair(exponent)
    secret = pow(2, 3001 * exponent, P).to_bytes(256, "big").lstrip(b"\0")
    for sent in (share, share.lstrip(b"\0")):
        flights = made_session(DH_ANON, secret, vector(2, sent), server_key_exchange=dh_params(public))
        assert_opens(flights, store_of(server))
        assert_opens(flights, store_of(client))


def test_anonymous_exchanges_open_with_a_known_key_share_alone() -> None:
    server, client = (private_key(X25519PrivateKey.generate(), "share.pem") for _ in range(2))
    shared = server.agree(client.public)
    assert shared is not None
    params = b"\x03\0\x1d" + vector(1, server.public)
    flights = made_session(ECDH_ANON, shared, vector(1, client.public), server_key_exchange=params)
    assert_opens(flights, store_of(client))
    verdict = observe(flights, store_of(ec_pair()[0]))[0].verdict
    assert verdict.code is VerdictCode.FORWARD_SECRECY
    assert "TLS_ECDH_anon_WITH_AES_128_CBC_SHA" in verdict.summary


def test_dhe_psk_opens_with_both_its_secrets() -> None:
    (server, public), (_, share) = dh_pair(0x1234567), dh_pair(0x7654321)
    shared = pow(2, 0x1234567 * 0x7654321, P).to_bytes(256, "big").lstrip(b"\0")
    secret = vector(2, shared) + vector(2, PSK)  # RFC 4279 section 3
    exchange = vector(2, b"me") + vector(2, share)
    flights = made_session(DHE_PSK, secret, exchange, server_key_exchange=vector(2, b"") + dh_params(public))
    assert_opens(flights, store_of(server, psk=PSK))
    assert observe(flights, store_of(server))[0].verdict.code is VerdictCode.FORWARD_SECRECY
    assert observe(flights, store_of(server, psk=b"wrong"))[0].verdict.code is VerdictCode.WRONG_KEY


def test_ecdhe_psk_opens_with_both_its_secrets() -> None:
    (server, public), (client, share) = ec_pair(), ec_pair()
    shared = client.agree(public)
    assert shared is not None
    secret = vector(2, shared) + vector(2, PSK)  # RFC 5489 section 2
    params = vector(2, b"hint") + b"\x03\0\x17" + vector(1, public)
    flights = made_session(ECDHE_PSK, secret, vector(2, b"me") + vector(1, share), server_key_exchange=params)
    assert_opens(flights, store_of(server, psk=PSK))
    assert_opens(flights, store_of(client, psk=PSK))


@pytest.fixture(scope="module")
def rsa_pair() -> tuple[PrivateKey, rsa.RSAPublicKey]:
    key = rsa.generate_private_key(65537, 1024)
    return private_key(key, "temporary.pem"), key.public_key()


def test_a_temporary_rsa_key_opens_and_that_of_the_certificate_does_not(
    rsa_pair: tuple[PrivateKey, rsa.RSAPublicKey],
) -> None:
    temporary, public = rsa_pair
    key_pem, certificate = make_certificate()
    own = parse_key_file(key_pem, "server.pem", lambda: None)[0]
    certificate_der = b"".join(certificate.splitlines()[1:-1])
    modulus = public.public_numbers().n.to_bytes(128, "big")
    params = vector(2, modulus) + vector(2, b"\x01\x00\x01")
    flights = made_session(
        RSA_EXPORT, MASTER, vector(2, public.encrypt(MASTER, PKCS1v15())), server_key_exchange=params,
        certificate=certificate_der,
    )  # fmt: skip
    assert_opens(flights, store_of(own, temporary))
    verdict = observe(flights, store_of(own))[0].verdict
    assert verdict.code is VerdictCode.FORWARD_SECRECY
    assert "temporary key (RSA 1024 bits)" in verdict.summary


def test_export_without_a_temporary_key_opens_with_that_of_the_certificate(
    rsa_pair: tuple[PrivateKey, rsa.RSAPublicKey],
) -> None:
    own, public = rsa_pair
    spki = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    exchange = vector(2, public.encrypt(MASTER, PKCS1v15()))
    assert_opens(made_session(RSA_EXPORT, MASTER, exchange, certificate=spki_certificate(spki)), store_of(own))


@pytest.mark.parametrize("der", [b"", b"\x30\x00", spki_certificate(b"\x30\x00")])
def test_a_certificate_without_readable_key_has_no_public_key(der: bytes) -> None:
    assert certificate_public_key(der) == b""


def test_a_finite_field_key_outside_of_its_group_counts_as_none() -> None:
    parameters = asn1.encode(asn1.SEQUENCE, asn1.encode_integer(23), asn1.encode_integer(5))
    oid = asn1.encode(asn1.OBJECT_IDENTIFIER, asn1.OID_DH_KEY_AGREEMENT)
    bits = asn1.encode(asn1.BIT_STRING, b"\0", asn1.encode_integer(24))
    spki = asn1.encode(asn1.SEQUENCE, asn1.encode(asn1.SEQUENCE, oid, parameters), bits)
    assert certificate_public_key(spki_certificate(spki)) == b""


def test_the_key_files_of_a_folder_hold_fixed_keys(key_files: Path) -> None:
    (key,) = parse_key_file((key_files / "ec.pem").read_bytes(), "ec.pem", lambda: None)
    assert store_of(key).key_for_public(key.public) is key
    compressed = bytes((2 + (key.public[-1] & 1),)) + key.public[1:33]
    assert store_of(key).key_for_public(compressed) is key
