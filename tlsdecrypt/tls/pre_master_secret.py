"""The pre_master_secret of a full handshake up to TLS 1.2, from private keys and pre-shared keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives.asymmetric import rsa

from tlsdecrypt.errors import ParseError
from tlsdecrypt.tls.certificates import certificate_facts
from tlsdecrypt.tls.key_agreement import agreed_secrets, agreed_with, certificate_public_key
from tlsdecrypt.tls.key_exchange import ClientKeyExchange, parse_client_key_exchange
from tlsdecrypt.tls.secrets import FoundSecret
from tlsdecrypt.tls.session import KeySource

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tlsdecrypt.tls.negotiation import Negotiation
    from tlsdecrypt.tls.private_key import PrivateKey
    from tlsdecrypt.tls.secrets import SecretStore

RSA_SECRET_LENGTH: Final = 48
_NOTHING_SHARED: Final = FoundSecret(b"", KeySource("none", ""))


def pre_master_secrets(negotiation: Negotiation, store: SecretStore) -> Iterator[FoundSecret]:
    """All that may be the one of a handshake of which the ClientKeyExchange was seen."""
    exchange = client_key_exchange(negotiation)
    if exchange is None or negotiation.suite is None:
        return
    kind = negotiation.suite.key_exchange
    if kind == "PSK":
        yield from _with_pre_shared_keys([_NOTHING_SHARED], exchange, store)
        return
    shared = (
        _decrypted(negotiation, exchange, store) if kind.startswith("RSA") else _agreed(negotiation, exchange, store)
    )
    if kind.endswith("_PSK"):
        shared = _with_pre_shared_keys(shared, exchange, store)
    yield from shared


def client_key_exchange(negotiation: Negotiation) -> ClientKeyExchange | None:
    """The ClientKeyExchange as its suite has it; None where it was not seen, or cannot be read."""
    body, suite, version = negotiation.client_key_exchange, negotiation.suite, negotiation.version
    if body is None or suite is None or version is None:
        return None
    try:
        return parse_client_key_exchange(body, suite.key_exchange, version)
    except ParseError:
        return None


def matching_keys(negotiation: Negotiation, store: SecretStore) -> list[PrivateKey]:
    """The private keys that fit the server's key: its temporary RSA key, else its certificate.

    All RSA keys where neither was seen.
    """
    exchange = negotiation.server_key_exchange
    if exchange is not None and negotiation.has_temporary_rsa_key:
        return [key for key in store.rsa_keys if _modulus(key) == int.from_bytes(exchange.public, "big")]
    if not negotiation.server_certificates:
        return store.rsa_keys
    key = store.key_for_spki(certificate_facts(negotiation.server_certificates[0]).spki_sha256)
    return [key] if key is not None else []


def _modulus(key: PrivateKey) -> int | None:
    return key.key.public_key().public_numbers().n if isinstance(key.key, rsa.RSAPrivateKey) else None


def _decrypted(negotiation: Negotiation, exchange: ClientKeyExchange, store: SecretStore) -> Iterator[FoundSecret]:
    """What the client encrypted to the server's RSA key (RFC 5246 section 7.4.7.1)."""
    decrypted, encrypted = negotiation.pre_master_secrets, exchange.encrypted_pre_master_secret
    if encrypted is None:
        return
    for key in matching_keys(negotiation, store):
        if key.spki_sha256 not in decrypted:
            decrypted[key.spki_sha256] = store.decrypt_rsa(key, encrypted)
        secret = decrypted[key.spki_sha256]
        if secret is not None and len(secret) == RSA_SECRET_LENGTH:
            yield FoundSecret(secret, KeySource("private key", key.source, key.spki_sha256))


def _agreed(negotiation: Negotiation, exchange: ClientKeyExchange, store: SecretStore) -> Iterator[FoundSecret]:
    """The Diffie-Hellman secret; that of finite fields loses its leading zeros (RFC 5246 section 8.1.2)."""
    suite, server = negotiation.suite, _server_public_key(negotiation)
    client = exchange.public or _fixed_public_key(negotiation.client_certificates)
    if suite is None or not client:
        return
    is_finite_field = suite.key_exchange.startswith(("DH_", "DHE_"))
    if is_finite_field:
        client = client.lstrip(b"\0").rjust(len(server), b"\0")
    found = agreed_secrets(store, server, client)
    if not server and not suite.is_forward_secret:  # a fixed key whose certificate was not seen: any may be the one
        found = (each for key in store.private_keys if key.public for each in agreed_with(key, client))
    for each in found:
        yield FoundSecret(each.secret.lstrip(b"\0"), each.origin) if is_finite_field else each


def _server_public_key(negotiation: Negotiation) -> bytes:
    """That of the ServerKeyExchange, else that of the certificate (RFC 8422 section 5.3); empty where neither is."""
    if negotiation.server_key_exchange is not None:
        return negotiation.server_key_exchange.public
    return _fixed_public_key(negotiation.server_certificates)


def _fixed_public_key(certificates: tuple[bytes, ...]) -> bytes:
    return certificate_public_key(certificates[0]) if certificates else b""


def _with_pre_shared_keys(
    shared: Iterable[FoundSecret], exchange: ClientKeyExchange, store: SecretStore
) -> Iterator[FoundSecret]:
    """RFC 4279 section 2 (zeros in place of a shared secret), section 3 (DHE), section 4 (RSA); RFC 5489 section 2."""
    psks = store.psks_for(exchange.psk_identity)
    for other in shared if psks else ():
        for psk in psks:
            parts = (other.secret or bytes(len(psk.key)), psk.key)
            secret = b"".join(len(part).to_bytes(2, "big") + part for part in parts)
            yield FoundSecret(secret, KeySource("pre-shared key", psk.source))
