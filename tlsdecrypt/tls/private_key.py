"""PrivateKey: what a private key can do for an observer, whatever its kind."""

from __future__ import annotations

import warnings
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa, x448, x25519
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
)

from tlsdecrypt.tls import der as asn1
from tlsdecrypt.value import Hidden, Value

if TYPE_CHECKING:
    from tlsdecrypt.tls.certificates import CertificateFacts

MOST_STRIPPED: Final = 4  # leading zero bytes that a stack may have stripped from an encrypted pre_master_secret

_GROUPS: Final = {"secp256r1": 23, "secp384r1": 24, "secp521r1": 25}  # IANA "TLS Supported Groups"
_X25519_GROUP: Final = 29
_X448_GROUP: Final = 30


class DhPrivateKey(Value, frozen=True):
    """A finite-field Diffie-Hellman key. Plain integers: libraries are giving up finite-field Diffie-Hellman."""

    p: int
    g: int
    x: Hidden[int]

    @property
    def length(self) -> int:
        """Bytes of the prime."""
        return (self.p.bit_length() + 7) // 8

    @property
    def public(self) -> bytes:
        """The public value, as long as the prime."""
        return pow(self.g, self.x, self.p).to_bytes(self.length, "big")

    def agree(self, public: bytes) -> bytes | None:
        """The shared secret, as long as the prime; None for a public value outside the group."""
        value = int.from_bytes(public, "big")
        if not 1 < value < self.p - 1:
            return None
        return pow(value, self.x, self.p).to_bytes(self.length, "big")

    def subject_public_key_info(self) -> bytes:
        """The public key as a certificate has it (PKCS #3 form)."""
        parameters = asn1.encode(asn1.SEQUENCE, asn1.encode_integer(self.p), asn1.encode_integer(self.g))
        oid = asn1.encode(asn1.OBJECT_IDENTIFIER, asn1.OID_DH_KEY_AGREEMENT)
        value = asn1.encode_integer(int.from_bytes(self.public, "big"))
        bit_string = asn1.encode(asn1.BIT_STRING, b"\0", value)
        return asn1.encode(asn1.SEQUENCE, asn1.encode(asn1.SEQUENCE, oid, parameters), bit_string)


def describe_key(key: object) -> str:
    """`RSA 2048 bits`, `EC secp256r1`, `X25519` ...: for private and public keys alike."""
    if isinstance(key, DhPrivateKey):
        return f"DH {key.p.bit_length()} bits"
    if isinstance(key, rsa.RSAPrivateKey | rsa.RSAPublicKey):
        return f"RSA {key.key_size} bits"
    if isinstance(key, dsa.DSAPrivateKey | dsa.DSAPublicKey):
        return f"DSA {key.key_size} bits"
    if isinstance(key, ec.EllipticCurvePrivateKey | ec.EllipticCurvePublicKey):
        return f"EC {key.curve.name}"
    return type(key).__name__.removesuffix("PrivateKey").removesuffix("PublicKey")


class PrivateKey(Value, frozen=True):
    """A private key from a file, and the certificate that came with it.

    `kind` is as in `RSA 2048 bits`; `spki_sha256` is hex, the key's name everywhere; `public` is the public key as a
    key share has it (empty where the kind knows none); `group` is its number in "TLS Supported Groups". `ech_configs`
    are the ECHConfigs (RFC 9849 section 4) that came with it: clients encrypt their hellos to this key.
    """

    source: str
    kind: str
    spki_sha256: str
    subject: str | None = None
    certificate: Hidden[CertificateFacts | None] = None
    key: Hidden[Any] = None
    public: Hidden[bytes] = b""
    group: int | None = None
    ech_configs: Hidden[tuple[bytes, ...]] = ()

    def __reduce__(self) -> tuple[Any, ...]:
        """The key itself has no pickled form but PKCS #8: so it goes to the processes that share the work."""
        key = self.key
        is_opaque = key is not None and not isinstance(key, DhPrivateKey)
        encoded = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()) if is_opaque else key
        names = self.source, self.kind, self.spki_sha256
        others = *names, self.subject, self.certificate, self.public, self.group, self.ech_configs
        return _restored, (encoded, *others)

    @property
    def is_rsa(self) -> bool:
        """Whether it can decrypt a pre_master_secret."""
        return isinstance(self.key, rsa.RSAPrivateKey)

    def decrypt_pre_master_secret(self, encrypted: bytes) -> bytes | None:
        """RSAES-PKCS1-v1_5 decryption (RFC 8017 section 7.2.2) of a ClientKeyExchange; None where it cannot be.

        The result is a claim, not a proof: with implicit rejection a wrong key gives random bytes and no error.
        Leading zero bytes that a stack stripped or added are made good.
        """
        if not isinstance(self.key, rsa.RSAPrivateKey):
            return None
        length = (self.key.key_size + 7) // 8
        if len(encrypted) != length:
            encrypted = encrypted.lstrip(b"\0")
            if not length - MOST_STRIPPED <= len(encrypted) <= length:
                return None
        try:
            return self.key.decrypt(encrypted.rjust(length, b"\0"), PKCS1v15())
        except ValueError:
            return None

    def agree(self, public: bytes, group: int | None = None) -> bytes | None:
        """The shared secret of this key and a peer's public key, as a key share has it (RFC 8446 section 7.4).

        None where the kind of key, or `group` (IANA number), does not fit, and for no point of the curve. That of DH
        is as long as the prime: up to TLS 1.2 its leading zero bytes are stripped (RFC 5246 section 8.1.2).
        """
        if group is not None and self.group is not None and group != self.group:
            return None
        try:
            return _agree(self.key, public)
        except ValueError:
            return None


def _restored(encoded: Any, source: str, kind: str, spki_sha256: str, *others: Any) -> PrivateKey:
    """What `PrivateKey.__reduce__` took apart: a key that was checked when its file was read."""
    subject, certificate, public, group, ech_configs = others
    key = encoded
    if isinstance(encoded, bytes):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # small keys are deprecated for endpoints; an observer takes what was used
            key = load_der_private_key(encoded, None, unsafe_skip_rsa_key_validation=True)
    return PrivateKey(source, kind, spki_sha256, subject, certificate, key, public, group, ech_configs)


def _agree(key: object, public: bytes) -> bytes | None:
    if isinstance(key, DhPrivateKey):
        return key.agree(public)
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return key.exchange(ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(key.curve, public))
    if isinstance(key, x25519.X25519PrivateKey):
        return key.exchange(x25519.X25519PublicKey.from_public_bytes(public))
    if isinstance(key, x448.X448PrivateKey):
        return key.exchange(x448.X448PublicKey.from_public_bytes(public))
    return None


def _share(key: Any) -> tuple[bytes, int | None]:
    """The public key as a key share has it, and its group."""
    if isinstance(key, DhPrivateKey):
        return key.public, None
    if isinstance(key, ec.EllipticCurvePrivateKey):
        point = key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        return point, _GROUPS.get(key.curve.name)
    if isinstance(key, x25519.X25519PrivateKey):
        return key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw), _X25519_GROUP
    if isinstance(key, x448.X448PrivateKey):
        return key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw), _X448_GROUP
    return b"", None


def private_key(key: Any, source: str) -> PrivateKey:
    """The PrivateKey around a key of the `cryptography` package, or a DhPrivateKey."""
    if isinstance(key, DhPrivateKey):
        spki = key.subject_public_key_info()
    else:
        spki = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    public, group = _share(key)
    return PrivateKey(source, describe_key(key), sha256(spki).hexdigest(), key=key, public=public, group=group)
