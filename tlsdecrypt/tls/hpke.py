"""HPKE in base mode (RFC 9180): with the private key, or from the shared secret of the KEM on, which key logs have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from cryptography.exceptions import InvalidTag

from tlsdecrypt.tls.ciphers import make_aead
from tlsdecrypt.tls.key_schedule import hkdf_expand, hkdf_extract

if TYPE_CHECKING:
    from tlsdecrypt.tls.private_key import PrivateKey

_KEMS: Final = {  # section 7.1: the hash, and how long the shared secret is
    0x10: ("sha256", 32),
    0x11: ("sha384", 48),
    0x12: ("sha512", 64),
    0x20: ("sha256", 32),
    0x21: ("sha512", 64),
}
_HASHES: Final = {1: "sha256", 2: "sha384", 3: "sha512"}  # RFC 9180 section 7.2
_AEADS: Final = {1: ("AES_128_GCM", 16), 2: ("AES_256_GCM", 32), 3: ("CHACHA20_POLY1305", 32)}  # section 7.3
_NONCE_LENGTH: Final = 12
_TAG_LENGTH: Final = 16
_MODE_BASE: Final = b"\0"


class HpkeSuite(NamedTuple):
    """The numbers of KEM, KDF and AEAD."""

    kem: int
    kdf: int
    aead: int


def kem_shared_secret(kem: int, key: PrivateKey, encapsulated_key: bytes) -> bytes | None:
    """Decap of DHKEM, section 4.1; None for a KEM that is not known here, or is of another kind of key."""
    agreed = key.agree(encapsulated_key) if kem in _KEMS else None
    if agreed is None:
        return None
    hash_name, length = _KEMS[kem]
    suite_id = b"HPKE-v1KEM" + kem.to_bytes(2, "big")
    secret = hkdf_extract(hash_name, b"", suite_id + b"eae_prk" + agreed)
    context = encapsulated_key + key.public
    return hkdf_expand(hash_name, secret, length.to_bytes(2, "big") + suite_id + b"shared_secret" + context, length)


def hpke_keys(suite: HpkeSuite, shared_secret: bytes, info: bytes) -> tuple[bytes, bytes] | None:
    """Key and base nonce; None for algorithms that are not known here."""
    hash_name, aead = _HASHES.get(suite.kdf), _AEADS.get(suite.aead)
    if hash_name is None or aead is None:
        return None
    suite_id = b"HPKE-v1HPKE" + b"".join(number.to_bytes(2, "big") for number in suite)
    context = _MODE_BASE
    for label, value in ((b"psk_id_hash", b""), (b"info_hash", info)):
        context += hkdf_extract(hash_name, b"", suite_id + label + value)
    secret = hkdf_extract(hash_name, shared_secret, suite_id + b"secret")

    def expand(label: bytes, length: int) -> bytes:
        return hkdf_expand(hash_name, secret, length.to_bytes(2, "big") + suite_id + label + context, length)

    return expand(b"key", aead[1]), expand(b"base_nonce", _NONCE_LENGTH)


def hpke_open(suite: HpkeSuite, keys: tuple[bytes, bytes], sealed: bytes, additional_data: bytes) -> bytes | None:
    """The first message that was sealed in a context (section 5.2); None where the tag does not verify."""
    key, nonce = keys
    aead = make_aead(_AEADS[suite.aead][0], key, _TAG_LENGTH)
    try:
        return aead.decrypt(nonce, sealed, additional_data) if aead and len(sealed) >= _TAG_LENGTH else None
    except InvalidTag:
        return None
