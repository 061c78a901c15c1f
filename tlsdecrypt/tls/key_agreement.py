"""Diffie-Hellman for an observer: the private key of one side and the public key of the other give their secret.

A key that is known before is a static one (fixed ECDH and DH, where the certificate has it) or a key share that was
meant to be known (ETSI TS 103 523-3, "Enterprise Transport Security").
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tlsdecrypt.errors import ParseError
from tlsdecrypt.tls import der as asn1
from tlsdecrypt.tls.certificates import subject_public_key_info
from tlsdecrypt.tls.secrets import FoundSecret
from tlsdecrypt.tls.session import KeySource

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tlsdecrypt.tls.private_key import PrivateKey
    from tlsdecrypt.tls.secrets import SecretStore

_OIDS_OF_DH: Final = (asn1.OID_DH_KEY_AGREEMENT, asn1.OID_DH_PUBLIC_NUMBER)


def agreed_secrets(store: SecretStore, server: bytes, client: bytes) -> Iterator[FoundSecret]:
    """The shared secret of two public keys, as key shares have them, where the private key of one is in the store."""
    for own, other in ((server, client), (client, server)):
        key = store.key_for_public(own)
        if key is not None:
            yield from agreed_with(key, other)


def agreed_with(key: PrivateKey, public: bytes) -> Iterator[FoundSecret]:
    """The shared secret of a private key and a public key; nothing where they are of different groups."""
    secret = key.agree(public)
    if secret is not None:
        yield FoundSecret(secret, KeySource("private key", key.source, key.spki_sha256))


def certificate_public_key(der: bytes) -> bytes:
    """The EC, X25519, X448 or DH public key of a certificate, as a key share has it; empty for any other."""
    try:
        return _public_key(subject_public_key_info(der))
    except ParseError:
        return b""


def _public_key(spki: bytes) -> bytes:
    algorithm, bits = asn1.children(asn1.first_element(spki), at_least=2)[:2]
    oid, *parameters = asn1.children(algorithm, at_least=1)
    public = bits.content[1:]  # the count of unused bits stands first
    if oid.content == asn1.OID_RSA_ENCRYPTION:
        return b""
    if oid.content not in _OIDS_OF_DH:
        return public
    prime = asn1.integer(asn1.children(parameters[0], at_least=1)[0]) if parameters else 0
    value = asn1.integer(asn1.first_element(public))
    if not 0 < value < prime:
        raise ParseError("DH public key outside of its group")
    return value.to_bytes((prime.bit_length() + 7) // 8, "big")
