"""GCM and CCM over any block cipher of 16-byte blocks: `cryptography` has them for AES alone.

GCM is NIST SP 800-38D, CCM NIST SP 800-38C with the sizes that TLS uses (RFC 5288, RFC 6655). Decryption only, with
the call of `cryptography`'s AEAD classes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from cryptography.exceptions import InvalidTag

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tlsdecrypt.wire import Buffer

BLOCK_LENGTH: Final = 16
NONCE_LENGTH: Final = 12
_COUNTER_LENGTH = BLOCK_LENGTH - NONCE_LENGTH
_CCM_LENGTH_LENGTH = 3  # L of RFC 3610: what a nonce of 12 bytes leaves

_REDUCTION = 0xE1 << 120
"""x^128 = x^7 + x^2 + x + 1, in GCM's reflected order of bits."""


class BlockEncryptor(Protocol):
    """A block cipher in its encrypting direction."""

    def update(self, data: bytes, /) -> bytes:
        """Encrypt whole blocks, each for itself."""
        ...


def _times_x(element: int) -> int:
    return (element >> 1) ^ (_REDUCTION if element & 1 else 0)


def _remainders() -> list[int]:
    """For each byte that falls off the end, what it adds after eight multiplications by x."""
    table = []
    for byte in range(256):
        element = byte
        for _ in range(8):
            element = _times_x(element)
        table.append(element)
    return table


_REMAINDERS = _remainders()


def _multiples(hash_key: int) -> list[int]:
    """The product of `hash_key` and each byte."""
    table = [0] * 256
    power, element = 0x80, hash_key
    while power:
        table[power] = element
        for lower in range(1, 0x100 // power, 2):
            table[power * lower] = table[power * (lower - 1)] ^ element
        power, element = power >> 1, _times_x(element)
    return table


class _Ghash:
    """GHASH, SP 800-38D section 6.4, a byte at a time with a table of the multiples of the hash key."""

    def __init__(self, hash_key: bytes) -> None:
        self._multiples = _multiples(int.from_bytes(hash_key, "big"))

    def digest(self, additional_data: bytes, ciphertext: bytes) -> int:
        lengths = (len(additional_data) << 67 | len(ciphertext) << 3).to_bytes(BLOCK_LENGTH, "big")
        data = _padded(additional_data) + _padded(ciphertext) + lengths
        multiples, remainders = self._multiples, _REMAINDERS
        state = 0
        for start in range(0, len(data), BLOCK_LENGTH):
            state ^= int.from_bytes(data[start : start + BLOCK_LENGTH], "big")
            product = 0
            for byte in state.to_bytes(BLOCK_LENGTH, "little"):
                product = (product >> 8) ^ remainders[product & 0xFF] ^ multiples[byte]
            state = product
        return state


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % BLOCK_LENGTH)


def _blocks(data: bytes) -> Iterator[int]:
    for start in range(0, len(data), BLOCK_LENGTH):
        yield int.from_bytes(data[start : start + BLOCK_LENGTH], "big")


def _xor(left: bytes, right: bytes) -> bytes:
    return (int.from_bytes(left, "big") ^ int.from_bytes(right, "big")).to_bytes(len(left), "big")


def _keystream(cipher: BlockEncryptor, prefix: bytes, first: int, length: int) -> bytes:
    """The block of the counter `first`, then `length` bytes of those that follow; `prefix` is what does not count."""
    size = BLOCK_LENGTH - len(prefix)
    counters = range(first, first + 1 + -(-length // BLOCK_LENGTH))
    blocks = cipher.update(b"".join([prefix + counter.to_bytes(size, "big") for counter in counters]))
    return blocks[: BLOCK_LENGTH + length]


class Gcm:
    """GCM with nonces of 12 bytes and tags of 16."""

    def __init__(self, cipher: BlockEncryptor) -> None:
        """`cipher` already has its key."""
        self._cipher = cipher
        self._ghash = _Ghash(cipher.update(bytes(BLOCK_LENGTH)))

    def decrypt(self, nonce: bytes, data: Buffer, associated_data: bytes) -> bytes:
        """The plaintext of ciphertext and tag; raises InvalidTag, as `cryptography` does."""
        whole = bytes(data)
        ciphertext, tag = whole[:-BLOCK_LENGTH], whole[-BLOCK_LENGTH:]
        keystream = _keystream(self._cipher, nonce, 1, len(ciphertext))
        expected = self._ghash.digest(associated_data, ciphertext) ^ int.from_bytes(keystream[:BLOCK_LENGTH], "big")
        if len(tag) != BLOCK_LENGTH or expected != int.from_bytes(tag, "big"):
            raise InvalidTag
        return _xor(ciphertext, keystream[BLOCK_LENGTH:])


class Ccm:
    """CCM with nonces of 12 bytes and tags of `tag_length`."""

    def __init__(self, cipher: BlockEncryptor, tag_length: int) -> None:
        """`cipher` already has its key."""
        self._cipher = cipher
        self._tag_length = tag_length

    def decrypt(self, nonce: bytes, data: Buffer, associated_data: bytes) -> bytes:
        """The plaintext of ciphertext and tag; raises InvalidTag, as `cryptography` does."""
        whole = bytes(data)
        if len(whole) < self._tag_length:
            raise InvalidTag
        ciphertext, tag = whole[: -self._tag_length], whole[-self._tag_length :]
        prefix = bytes((_CCM_LENGTH_LENGTH - 1,)) + nonce
        keystream = _keystream(self._cipher, prefix, 0, len(ciphertext))
        plaintext = _xor(ciphertext, keystream[BLOCK_LENGTH:])
        mac = self._cbc_mac(nonce, plaintext, associated_data)
        if _xor(mac, keystream[:BLOCK_LENGTH])[: self._tag_length] != tag:
            raise InvalidTag
        return plaintext

    def _cbc_mac(self, nonce: bytes, plaintext: bytes, associated_data: bytes) -> bytes:
        """CBC-MAC over the formatted input, SP 800-38C appendix A.2."""
        has_data = 0x40 if associated_data else 0
        flags = has_data | ((self._tag_length - 2) // 2) << 3 | (_CCM_LENGTH_LENGTH - 1)
        head = bytes((flags,)) + nonce + len(plaintext).to_bytes(_CCM_LENGTH_LENGTH, "big")
        data = len(associated_data).to_bytes(2, "big") + associated_data if associated_data else b""
        state = bytes(BLOCK_LENGTH)
        for block in _blocks(head + _padded(data) + _padded(plaintext)):
            state = self._cipher.update((int.from_bytes(state, "big") ^ block).to_bytes(BLOCK_LENGTH, "big"))
        return state
