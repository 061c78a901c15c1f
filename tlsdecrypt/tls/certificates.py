"""CertificateFacts: what a certificate says, for people and for matching keys."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class CertificateFacts:
    """A certificate as sent.

    Names are RFC 4514 strings, `serial` and the hashes hex, `not_before` and `not_after` ISO 8601 UTC. `key` is
    as in `RSA 2048 bits` or `EC secp256r1`. `fault` says why a certificate could not be read; then the rest
    but the thumbprints is empty.
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
    fault: str | None = None
    der: bytes = field(default=b"", repr=False)
