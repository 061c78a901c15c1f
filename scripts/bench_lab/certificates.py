"""Make the server's key and certificates, which are kept as PEM (for tshark, ssldump) and as PFX (for tlsdecrypt)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    pkcs12,
)

from bench_lab.credentials import PASSWORD, SERVER_NAME

if TYPE_CHECKING:
    from bench_lab.credentials import Credentials

NOT_BEFORE, NOT_AFTER = datetime(2025, 1, 1, tzinfo=UTC), datetime(2035, 1, 1, tzinfo=UTC)
ALTERNATIVE_NAMES = 133  # so many that the server's first flight fills four segments


def _name(common_name: str) -> x509.Name:
    attributes = {x509.NameOID.ORGANIZATION_NAME: "tlsdecrypt benchmark", x509.NameOID.COMMON_NAME: common_name}
    return x509.Name([x509.NameAttribute(oid, value) for oid, value in attributes.items()])


def _certificate(
    subject: str, key: rsa.RSAPrivateKey, issuer: str, issuer_key: rsa.RSAPrivateKey, *, names: int = 0
) -> x509.Certificate:
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(_name(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOT_BEFORE)
        .not_valid_after(NOT_AFTER)
        .add_extension(x509.BasicConstraints(ca=not names, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
    )
    if names:
        hosts = [x509.DNSName(subject), *(x509.DNSName(f"host{i:03}.mail.example.com") for i in range(1, names))]
        builder = builder.add_extension(x509.SubjectAlternativeName(hosts), critical=False)
    return builder.sign(issuer_key, hashes.SHA256())


def make_credentials(where: Credentials) -> None:
    """Write the three files, unless they are there."""
    if where.pfx.exists():
        return
    where.pfx.parent.mkdir(parents=True, exist_ok=True)
    root_key, key = (rsa.generate_private_key(65_537, 2_048) for _ in range(2))
    root = _certificate("Benchmark Root CA", root_key, "Benchmark Root CA", root_key)
    leaf = _certificate(SERVER_NAME, key, "Benchmark Root CA", root_key, names=ALTERNATIVE_NAMES)
    where.chain.write_bytes(leaf.public_bytes(Encoding.PEM) + root.public_bytes(Encoding.PEM))
    # PKCS #1, the one form that ssldump and tshark both read
    where.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()))
    protection = BestAvailableEncryption(PASSWORD.encode())
    where.pfx.write_bytes(pkcs12.serialize_key_and_certificates(SERVER_NAME.encode(), key, leaf, [root], protection))
