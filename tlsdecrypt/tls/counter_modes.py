"""Counter modes without their tags: any part of a record can be decrypted for itself, and none is proved.

GCM is NIST SP 800-38D section 6.5, CCM RFC 3610 section 2.3, ChaCha20 RFC 8439 section 2.4.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from cryptography.hazmat.primitives.ciphers import Cipher, modes
from cryptography.hazmat.primitives.ciphers.algorithms import AES, ChaCha20

from tlsdecrypt.tls.block_modes import BLOCK_LENGTH
from tlsdecrypt.tls.ciphers import make_block_encryptor

if TYPE_CHECKING:
    from tlsdecrypt.tls.block_modes import BlockEncryptor

_CHACHA20_BLOCK_LENGTH: Final = 64
_CHACHA20_NONCE_LENGTH: Final = 16  # of counter and nonce
_GCM_FIRST: Final = 2  # the counter block before it covers the tag, as that with 0 does in CCM
_CCM_FIRST: Final = 1
_CCM_FLAGS: Final = bytes((2,))  # a length field of 3 bytes, which a nonce of 12 leaves


class CounterMode(Protocol):
    """A cipher that decrypts any part of a record."""

    def decrypt_at(self, nonce: bytes, offset: int, data: bytes) -> bytes:
        """What stands `offset` bytes behind the start of the record's content."""
        ...


class NoCounter:
    """No cipher: the suites that authenticate and do not encrypt."""

    def decrypt_at(self, nonce: bytes, offset: int, data: bytes) -> bytes:  # noqa: ARG002 - see CounterMode
        """The data."""
        return data


class ChaCha20Counter:
    """ChaCha20 as ChaCha20-Poly1305 runs it: block 0 gives the key of Poly1305."""

    def __init__(self, key: bytes) -> None:
        """`key` has 32 bytes."""
        self._key = key

    def decrypt_at(self, nonce: bytes, offset: int, data: bytes) -> bytes:
        """See CounterMode; the counter fills what the nonce leaves, 4 bytes or, in the first draft, 8."""
        block, before = divmod(offset, _CHACHA20_BLOCK_LENGTH)
        counter = (1 + block).to_bytes(_CHACHA20_NONCE_LENGTH - len(nonce), "little")
        stream = Cipher(ChaCha20(self._key, counter + nonce), None).decryptor()
        stream.update(bytes(before))
        return stream.update(data)


class AesCounter:
    """AES in the counter mode of GCM or CCM, as `cryptography` computes it."""

    def __init__(self, key: bytes, prefix: bytes, first: int) -> None:
        """`prefix` stands before the nonce; `first` is the counter of the content's first block."""
        self._algorithm = AES(key)
        self._prefix = prefix
        self._first = first

    def decrypt_at(self, nonce: bytes, offset: int, data: bytes) -> bytes:
        """See CounterMode."""
        fixed = self._prefix + nonce
        block, before = divmod(offset, BLOCK_LENGTH)
        start = fixed + (self._first + block).to_bytes(BLOCK_LENGTH - len(fixed), "big")
        stream = Cipher(self._algorithm, modes.CTR(start)).decryptor()
        stream.update(bytes(before))
        return stream.update(data)


class BlockCounter:
    """Any other block cipher in those modes."""

    def __init__(self, cipher: BlockEncryptor, prefix: bytes, first: int) -> None:
        """`prefix` stands before the nonce; `first` is the counter of the content's first block."""
        self._cipher = cipher
        self._prefix = prefix
        self._first = first

    def decrypt_at(self, nonce: bytes, offset: int, data: bytes) -> bytes:
        """See CounterMode."""
        fixed = self._prefix + nonce
        size = BLOCK_LENGTH - len(fixed)
        block, before = divmod(offset, BLOCK_LENGTH)
        counters = range(self._first + block, self._first + block + -(-(before + len(data)) // BLOCK_LENGTH))
        keystream = self._cipher.update(b"".join([fixed + number.to_bytes(size, "big") for number in counters]))
        used = int.from_bytes(keystream[before : before + len(data)], "big")
        return (int.from_bytes(data, "big") ^ used).to_bytes(len(data), "big")


def make_counter_mode(cipher: str, key: bytes) -> CounterMode | None:
    """What is inside the AEAD cipher of that name (see `ciphersuites.BULK_CIPHERS`), None where nothing computes it."""
    if cipher.startswith("CHACHA20"):
        return ChaCha20Counter(key)
    family = cipher.partition("_")[0]
    form = (b"", _GCM_FIRST) if "_GCM" in cipher else (_CCM_FLAGS, _CCM_FIRST)
    if family == "AES":
        return AesCounter(key, *form)
    encryptor = make_block_encryptor(family, key)
    return None if encryptor is None else BlockCounter(encryptor, *form)
