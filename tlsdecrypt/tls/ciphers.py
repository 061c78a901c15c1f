"""The ciphers of the suites as objects that decrypt: by whatever computes them, and None where nothing does.

Block and stream ciphers give an object with `update`, AEAD ciphers one with `decrypt`; the names are those of
`ciphersuites.BULK_CIPHERS`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from cryptography.exceptions import InvalidSignature, InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.decrepit.ciphers import algorithms as decrepit
from cryptography.hazmat.primitives.ciphers import Cipher, modes
from cryptography.hazmat.primitives.ciphers.aead import AESCCM, AESGCM, ChaCha20Poly1305
from cryptography.hazmat.primitives.ciphers.algorithms import AES, SM4, ChaCha20
from cryptography.hazmat.primitives.poly1305 import Poly1305

from tlsdecrypt.tls.aria import AriaCbcDecryptor, AriaEncryptor
from tlsdecrypt.tls.block_modes import Ccm, Gcm

if TYPE_CHECKING:
    from collections.abc import Callable

    from cryptography.hazmat.primitives.ciphers import BlockCipherAlgorithm

    from tlsdecrypt.tls.block_modes import BlockEncryptor
    from tlsdecrypt.wire import Buffer

try:  # moved from one module to the other in cryptography 47
    from cryptography.hazmat.decrepit.ciphers.algorithms import Camellia
except ImportError:
    from cryptography.hazmat.primitives.ciphers.algorithms import Camellia

_POLY1305_KEY_LENGTH: Final = 32
_POLY1305_TAG_LENGTH: Final = 16
_CHACHA20_BLOCK_LENGTH: Final = 64


class Decryptor(Protocol):
    """A cipher that goes on where the call before ended."""

    def update(self, data: Buffer, /) -> bytes:
        """Decrypt what comes next (whole blocks)."""
        ...


class Aead(Protocol):
    """An AEAD cipher."""

    def decrypt(self, nonce: bytes, data: Buffer, associated_data: bytes, /) -> bytes:
        """The plaintext of ciphertext and tag; raises InvalidTag."""
        ...


class OldChaCha20Poly1305:
    """The first ChaCha20-Poly1305 of TLS, draft-agl-tls-chacha20poly1305-04 section 5.

    Unlike RFC 8439 the nonce has 8 bytes and the counter as many, and Poly1305 is fed additional data and ciphertext
    each followed by its length, without padding.
    """

    def __init__(self, key: bytes) -> None:
        """`key` has 32 bytes."""
        self._key = key

    def decrypt(self, nonce: bytes, data: Buffer, associated_data: bytes, /) -> bytes:
        """The plaintext of ciphertext and tag; raises InvalidTag."""
        whole = bytes(data)
        ciphertext, tag = whole[:-_POLY1305_TAG_LENGTH], whole[-_POLY1305_TAG_LENGTH:]
        stream = Cipher(ChaCha20(self._key, bytes(8) + nonce), None).decryptor()
        mac = Poly1305(stream.update(bytes(_CHACHA20_BLOCK_LENGTH))[:_POLY1305_KEY_LENGTH])
        for part in (associated_data, ciphertext):
            mac.update(part + len(part).to_bytes(8, "little"))
        try:
            mac.verify(tag)
        except InvalidSignature:
            raise InvalidTag from None
        return stream.update(ciphertext)


def _single_des(key: bytes) -> BlockCipherAlgorithm:
    """DES is 3DES with one key three times over."""
    return decrepit.TripleDES(key * 3)


# RC2 with an effective key length of 128 bits also where the key was weakened: the 40 and 56 bits of the export
# suites are those of the key material, and every implementation sets RC2 up with the 16 bytes of the final key.
_CBC_ALGORITHMS: Final = {
    "AES": AES,
    "CAMELLIA": Camellia,
    "SEED": decrepit.SEED,
    "IDEA": decrepit.IDEA,
    "3DES": decrepit.TripleDES,
    "DES": _single_des,
    "DES40": _single_des,
    "RC2": decrepit.RC2,
}
_COUNTED_ALGORITHMS: Final[dict[str, Callable[[bytes], BlockCipherAlgorithm]]] = {"CAMELLIA": Camellia, "SM4": SM4}


def make_cbc_decryptor(cipher: str, key: bytes, iv: bytes) -> Decryptor | None:
    """A CBC decryptor that chains from call to call; `iv` is one block."""
    family = cipher.partition("_")[0]
    if family == "ARIA":
        return AriaCbcDecryptor(key, iv)
    algorithm = _CBC_ALGORITHMS.get(family)
    if algorithm is None:
        return None
    try:
        return Cipher(algorithm(key), modes.CBC(iv)).decryptor()
    except UnsupportedAlgorithm:  # OpenSSL may be built without its legacy ciphers
        return None


def make_rc4(key: bytes) -> Decryptor | None:
    """RC4, keyed."""
    try:
        return Cipher(decrepit.ARC4(key), None).decryptor()
    except UnsupportedAlgorithm:
        return None


def make_block_encryptor(family: str, key: bytes) -> BlockEncryptor | None:
    """A block cipher that `cryptography` has, but in no authenticated mode; and ARIA."""
    if family == "ARIA":
        return AriaEncryptor(key)
    algorithm = _COUNTED_ALGORITHMS.get(family)
    if algorithm is None:
        return None
    try:
        return Cipher(algorithm(key), modes.ECB()).encryptor()  # noqa: S305 - the block function that GCM is built on
    except UnsupportedAlgorithm:
        return None


def make_aead(cipher: str, key: bytes, tag_length: int) -> Aead | None:
    """An AEAD cipher, keyed."""
    family = cipher.partition("_")[0]
    if family == "CHACHA20":
        return OldChaCha20Poly1305(key) if cipher.endswith("_OLD") else ChaCha20Poly1305(key)
    if family == "AES":
        return AESGCM(key) if "_GCM" in cipher else AESCCM(key, tag_length)
    encryptor = make_block_encryptor(family, key)
    if encryptor is None:
        return None
    return Gcm(encryptor) if "_GCM" in cipher else Ccm(encryptor, tag_length)
