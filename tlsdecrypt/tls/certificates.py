"""CertificateFacts: what a certificate says, for people and for matching keys."""

from __future__ import annotations

import warnings
from functools import lru_cache
from hashlib import sha1, sha256
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.x509.oid import NameOID, SignatureAlgorithmOID

from tlsdecrypt.errors import ParseError
from tlsdecrypt.tls import der as asn1
from tlsdecrypt.tls.private_key import describe_key
from tlsdecrypt.value import Hidden, Value

if TYPE_CHECKING:
    from datetime import datetime

CACHED_CERTIFICATES: Final = 1024  # the same certificate comes with thousands of connections
LONGEST_CACHED: Final = 16 << 10  # bytes: larger ones are hostile or rare, and the cache stays below 16 MB
MOST_NAMES: Final = 256  # subject alternative names that are kept

_SIGNATURES: Final = {
    oid: name.replace("_", " ").replace(" WITH ", " with ")
    for name, oid in vars(SignatureAlgorithmOID).items()
    if isinstance(oid, x509.ObjectIdentifier)
}


class CertificateFacts(Value, frozen=True):
    """A certificate as sent.

    Names are RFC 4514 strings, `serial` and the hashes hex, `not_before` and `not_after` ISO 8601 UTC. `key` is
    as in `RSA 2048 bits` or `EC secp256r1`. `common_name` is that of the subject, `alternative_names` what its
    extension names; `names` are both. `fault` says why a certificate could not be read; then the rest but the
    thumbprints is empty.
    """

    subject: str
    issuer: str
    serial: str
    sha1_thumbprint: str
    sha256_thumbprint: str
    spki_sha256: str
    not_before: str
    not_after: str
    names: tuple[str, ...]
    key: str
    signature: str
    common_name: str | None = None
    alternative_names: tuple[str, ...] = ()
    fault: str | None = None
    der: Hidden[bytes] = b""


def certificate_facts(der: bytes) -> CertificateFacts:
    """The facts of a certificate in DER. Never raises: what cannot be read stands in `fault`.

    Thumbprints are upper-case hex, as Windows shows them; `spki_sha256` is lower-case hex, and is there for every
    certificate whose outer structure is whole, even where the rest cannot be read.
    """
    return _cached_facts(der) if len(der) <= LONGEST_CACHED else _facts(der)


def share_a_name(first: CertificateFacts, second: CertificateFacts) -> bool:
    """Whether two certificates are for one host at least; a wildcard stands for one label (RFC 9525 section 6.3)."""
    mine, theirs = ({name.lower() for name in each.names} for each in (first, second))
    return not ((mine | _wildcards(mine)).isdisjoint(theirs) and mine.isdisjoint(_wildcards(theirs)))


def _wildcards(names: set[str]) -> set[str]:
    """The wildcards that cover these names."""
    return {f"*.{name.partition('.')[2]}" for name in names if "." in name}


def subject_public_key_info(der: bytes) -> bytes:
    """The SubjectPublicKeyInfo of a certificate as it stands there (RFC 5280 section 4.1). Raises ParseError."""
    tbs_certificate = asn1.children(asn1.first_element(der), at_least=1)[0]
    fields = asn1.children(tbs_certificate, at_least=6)
    position = 6 if fields[0].tag == asn1.CONTEXT_0 else 5  # the version is absent in X.509 v1
    if position >= len(fields) or fields[position].tag != asn1.SEQUENCE:
        raise ParseError("certificate without public key")
    return fields[position].encoded


def _is_public_key(der: bytes) -> bool:
    """Whether this is a SubjectPublicKeyInfo itself: a raw public key (RFC 7250) in place of a certificate."""
    try:
        return [each.tag for each in asn1.children(asn1.first_element(der))] == [asn1.SEQUENCE, asn1.BIT_STRING]
    except ParseError:
        return False


def _spki_sha256(der: bytes) -> str:
    try:
        return sha256(der if _is_public_key(der) else subject_public_key_info(der)).hexdigest()
    except ParseError:
        return ""


def _iso(when: datetime) -> str:
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")


def _common_names(certificate: x509.Certificate) -> list[str]:
    return [str(each.value) for each in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]


def _alternative_names(certificate: x509.Certificate) -> list[str]:
    """DNS names and IP addresses of the subject alternative name; none where the extensions cannot be read."""
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, x509.DuplicateExtension, x509.UnsupportedGeneralNameType, ValueError):
        return []
    return [str(each.value) for each in extension if isinstance(each, x509.DNSName | x509.IPAddress)]


def _distinct(names: list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))[:MOST_NAMES]


def _key(certificate: x509.Certificate) -> str:
    try:
        return describe_key(certificate.public_key())
    except Exception:  # noqa: BLE001 - a key of a kind that the library does not know: the rest still counts
        return f"unknown ({certificate.public_key_algorithm_oid.dotted_string})"


def _signature(certificate: x509.Certificate) -> str:
    oid = certificate.signature_algorithm_oid
    return _SIGNATURES.get(oid, oid.dotted_string)


def _read(der: bytes) -> CertificateFacts:
    certificate = x509.load_der_x509_certificate(der)
    alternative_names, common_names = _alternative_names(certificate), _common_names(certificate)
    return CertificateFacts(
        subject=certificate.subject.rfc4514_string(),
        issuer=certificate.issuer.rfc4514_string(),
        serial=_serial(certificate.serial_number),
        sha1_thumbprint=_sha1_thumbprint(der),
        sha256_thumbprint=sha256(der).hexdigest().upper(),
        spki_sha256=_spki_sha256(der),
        not_before=_iso(certificate.not_valid_before_utc),
        not_after=_iso(certificate.not_valid_after_utc),
        names=_distinct(alternative_names + common_names),
        key=_key(certificate),
        signature=_signature(certificate),
        common_name=common_names[-1] if common_names else None,  # of several, the most specific comes last
        alternative_names=_distinct(alternative_names),
        der=der,
    )


def _serial(number: int) -> str:
    """Whole bytes, as Windows and OpenSSL show them: `0b9a`, and not `b9a`."""
    digits = f"{abs(number):x}"
    return f"{'-' if number < 0 else ''}{digits.zfill(len(digits) + len(digits) % 2)}"


def _sha1_thumbprint(der: bytes) -> str:
    return sha1(der, usedforsecurity=False).hexdigest().upper()


def _unreadable(der: bytes, fault: str) -> CertificateFacts:
    return CertificateFacts(
        subject="",
        issuer="",
        serial="",
        sha1_thumbprint=_sha1_thumbprint(der),
        sha256_thumbprint=sha256(der).hexdigest().upper(),
        spki_sha256=_spki_sha256(der),
        not_before="",
        not_after="",
        names=(),
        key="",
        signature="",
        fault=fault,
        der=der,
    )


def _facts(der: bytes) -> CertificateFacts:
    with warnings.catch_warnings():
        # The library warns of what old certificates hold (negative serial numbers, small keys): no news here.
        warnings.simplefilter("ignore")
        try:
            return _read(der)
        except Exception as error:  # noqa: BLE001 - hostile input: the library's faults are not all documented
            if _is_public_key(der):
                return _unreadable(der, "a raw public key (RFC 7250), not a certificate")
            reason = " ".join(str(error).split()) or type(error).__name__
            return _unreadable(der, f"certificate cannot be read: {reason[:200]}")


_cached_facts = lru_cache(maxsize=CACHED_CERTIFICATES)(_facts)
