"""CipherSuite: what a cipher suite's code point stands for, and the sizes that its cipher needs."""

from __future__ import annotations

import hashlib
from enum import Enum
from functools import cache, lru_cache
from typing import Final

from tlsdecrypt.tls.ciphersuite_table import CIPHER_SUITES
from tlsdecrypt.value import Value

MAX_CACHED_SUITES: Final = 1024
"""A peer may name any of 65,536 suites: the cache is bounded, and every suite of the registry fits."""

HASH_NAMES: Final = {"MD5": "md5", "SHA": "sha1", "SHA256": "sha256", "SHA384": "sha384"}
"""The hash of a MAC by its name in suites -> its name in hashlib."""


class CipherKind(Enum):
    """How a cipher protects a record, RFC 5246 section 6.2.3."""

    STREAM = "stream"
    BLOCK = "block"
    AEAD = "aead"


class BulkCipher(Value, frozen=True):
    """A cipher and its sizes in bytes.

    `key_length` is what the cipher takes, `key_material_length` what the key_block gives (less in export suites).
    `iv_length` is the IV of a CBC cipher (one block), and the implicit part of the nonce of an AEAD cipher in
    TLS 1.2; `explicit_nonce_length` is the part of it that each record carries.
    """

    kind: CipherKind
    key_length: int
    key_material_length: int
    iv_length: int = 0
    explicit_nonce_length: int = 0
    tag_length: int = 0


def _stream(key_length: int, key_material_length: int | None = None) -> BulkCipher:
    return BulkCipher(CipherKind.STREAM, key_length, key_length if key_material_length is None else key_material_length)


def _block(key_length: int, block_length: int, key_material_length: int | None = None) -> BulkCipher:
    material = key_length if key_material_length is None else key_material_length
    return BulkCipher(CipherKind.BLOCK, key_length, material, block_length)


def _aead(key_length: int, iv_length: int = 4, explicit_nonce_length: int = 8, tag_length: int = 16) -> BulkCipher:
    return BulkCipher(CipherKind.AEAD, key_length, key_length, iv_length, explicit_nonce_length, tag_length)


BULK_CIPHERS: Final[dict[str, BulkCipher]] = {
    "NULL": _stream(0),
    "RC4_128": _stream(16),
    "RC4_40": _stream(16, 5),
    "RC4_56": _stream(16, 7),
    "RC2_CBC_128": _block(16, 8),
    "RC2_CBC_40": _block(16, 8, 5),
    "RC2_CBC_56": _block(16, 8, 7),
    "DES40_CBC": _block(8, 8, 5),
    "DES_CBC": _block(8, 8),
    "3DES_EDE_CBC": _block(24, 8),
    "IDEA_CBC": _block(16, 8),
    "SEED_CBC": _block(16, 16),
    "AES_128_CBC": _block(16, 16),
    "AES_256_CBC": _block(32, 16),
    "CAMELLIA_128_CBC": _block(16, 16),
    "CAMELLIA_256_CBC": _block(32, 16),
    "ARIA_128_CBC": _block(16, 16),
    "ARIA_256_CBC": _block(32, 16),
    "AES_128_GCM": _aead(16),
    "AES_256_GCM": _aead(32),
    "CAMELLIA_128_GCM": _aead(16),
    "CAMELLIA_256_GCM": _aead(32),
    "ARIA_128_GCM": _aead(16),
    "ARIA_256_GCM": _aead(32),
    "SM4_GCM": _aead(16),
    "SM4_CCM": _aead(16),
    "AES_128_CCM": _aead(16),
    "AES_256_CCM": _aead(32),
    "AES_128_CCM_8": _aead(16, tag_length=8),
    "AES_256_CCM_8": _aead(32, tag_length=8),
    "CHACHA20_POLY1305": _aead(32, 12, 0),
    # draft-ietf-tls-chacha20-poly1305-00: the nonce is four bytes of IV and the sequence number
    "CHACHA20_POLY1305_00": _aead(32, 4, 0),
    # draft-agl-tls-chacha20poly1305: it is the sequence number alone
    "CHACHA20_POLY1305_OLD": _aead(32, 0, 0),
}
"""Every cipher that is computed here."""


class CipherSuite(Value, frozen=True):
    """A cipher suite.

    `name` is IANA's, `UNKNOWN_0x..` where there is none. `key_exchange` and `cipher` are the parts of that name
    (`TLS13` where the suite names no key exchange); `mac` is `MD5`, `SHA`, `SHA256` or `SHA384`, None for AEAD.
    `prf_hash` is hashlib's name of the hash of the PRF in TLS 1.2 and of the key schedule in TLS 1.3. `bulk` is
    None where the cipher is not computed here.
    """

    code: int
    name: str
    key_exchange: str
    cipher: str
    mac: str | None
    prf_hash: str
    bulk: BulkCipher | None

    @property
    def is_supported(self) -> bool:
        """Whether records of this suite can be opened, given the keys."""
        is_authenticated = self.is_aead if self.mac is None else self.mac in HASH_NAMES
        return self.bulk is not None and is_authenticated and self.prf_hash in hashlib.algorithms_available

    @property
    def is_aead(self) -> bool:
        """Whether one algorithm encrypts and authenticates."""
        return self.bulk is not None and self.bulk.kind is CipherKind.AEAD

    @property
    def is_export(self) -> bool:
        """Whether the keys are weakened as in RFC 2246 section 6.3.1."""
        return "EXPORT" in self.key_exchange

    @property
    def is_forward_secret(self) -> bool:
        """Whether no key that outlives the handshake opens a session."""
        return self.key_exchange.startswith(("DHE_", "ECDHE_", "DH_anon", "ECDH_anon", "SRP_", "TLS13", "ECCPWD"))

    @property
    def uses_rsa_key_exchange(self) -> bool:
        """Whether the pre_master_secret is what the client encrypts to the server's RSA key.

        Not so for RSA_PSK, where that is one half of it, nor for RSA_EXPORT with a ServerKeyExchange, whose
        temporary key takes the place of the certificate's.
        """
        return self.key_exchange.startswith("RSA") and self.key_exchange != "RSA_PSK"

    @property
    def key_length(self) -> int:
        """The length of the cipher's key in bytes, 0 where there is none."""
        return 0 if self.bulk is None else self.bulk.key_length

    @property
    def iv_length(self) -> int:
        """The length of the IV (CBC) or of the implicit nonce (AEAD) in bytes up to TLS 1.2."""
        return 0 if self.bulk is None else self.bulk.iv_length

    @property
    def mac_length(self) -> int:
        """The length of the MAC and of its key in bytes, 0 for AEAD."""
        return 0 if self.mac not in HASH_NAMES else hashlib.new(HASH_NAMES[self.mac], usedforsecurity=False).digest_size


@lru_cache(maxsize=MAX_CACHED_SUITES)
def cipher_suite(code: int) -> CipherSuite:
    """The suite of a code point (two bytes; three for the cipher kinds of SSL 2.0), known or not."""
    known = CIPHER_SUITES.get(code)
    if known is None:
        return CipherSuite(code, f"UNKNOWN_0x{code:04X}", "UNKNOWN", "UNKNOWN", None, "sha256", None)
    name, key_exchange, cipher, mac, prf_hash = known
    return CipherSuite(code, name, key_exchange, cipher, mac, prf_hash, BULK_CIPHERS.get(cipher))


def cipher_suite_named(name: str) -> CipherSuite | None:
    """The suite of a name in the registry, None for any other. Of codes that share a name it is the first."""
    code = _codes().get(name)
    return None if code is None else cipher_suite(code)


@cache
def _codes() -> dict[str, int]:
    return {name: code for code, (name, *_) in reversed(CIPHER_SUITES.items())}
