"""The block cipher ARIA, RFC 5794: no Python library computes it.

All blocks of a record go through the cipher together. The state is 16 lanes, lane i being byte i of every block:
a substitution layer is then one `bytes.translate` a lane, its table made for the key byte, and the diffusion
layer XORs whole lanes as integers. So a record of 16 KB costs about as much Python as a single block.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tlsdecrypt.wire import Buffer

BLOCK_LENGTH: Final = 16
MAX_KEYED_TABLES: Final = 1024
"""Four S-boxes times 256 values of a key byte: all there are."""

_SBOX1 = bytes.fromhex(
    "637c777bf26b6fc53001672bfed7ab76ca82c97dfa5947f0add4a2af9ca472c0"
    "b7fd9326363ff7cc34a5e5f171d8311504c723c31896059a071280e2eb27b275"
    "09832c1a1b6e5aa0523bd6b329e32f8453d100ed20fcb15b6acbbe394a4c58cf"
    "d0efaafb434d338545f9027f503c9fa851a3408f929d38f5bcb6da2110fff3d2"
    "cd0c13ec5f974417c4a77e3d645d197360814fdc222a908846eeb814de5e0bdb"
    "e0323a0a4906245cc2d3ac629195e479e7c8376d8dd54ea96c56f4ea657aae08"
    "ba78252e1ca6b4c6e8dd741f4bbd8b8a703eb5664803f60e613557b986c11d9e"
    "e1f8981169d98e949b1e87e9ce5528df8ca1890dbfe6426841992d0fb054bb16"
)
_SBOX2 = bytes.fromhex(
    "e24e54fc94c24acc620d6a463c4d8bd15efa64cbb497be2bbc772e03d31959c1"
    "1d06416b55f09969ea9c18ae63dfe7bb007366fb964c85e43a0945aa0fee10eb"
    "2d7ff429accfad918d78c895f92fcecd087a88385c832a2847dbb8c793a41253"
    "ff870e3136215848018e377432cae9b1b7ab0cd7c4564226079860d9b6b91140"
    "ec208cbda0c984044923f14f501f13dcd8c09e57e3c37b653b028f3ee82592e5"
    "15ddfd17a9bfd49a7ec53967fe769d43a7e1d0f568f21b347005a38ad57986a8"
    "30c6514b1ea627f635d26e2416825fdae675a2ef2cb21c9f5d6f800a72449b6c"
    "900b5b337d5a52f361a1f7b0d63f7c6ded14e0a53d22b3f889de711aafbab581"
)


def _inverse(sbox: bytes) -> bytes:
    return bytes(sbox.index(value) for value in range(len(sbox)))


_ODD_LAYER = (_SBOX1, _SBOX2, _inverse(_SBOX1), _inverse(_SBOX2)) * 4
_EVEN_LAYER = (_inverse(_SBOX1), _inverse(_SBOX2), _SBOX1, _SBOX2) * 4

_DIFFUSION = (
    (3, 4, 6, 8, 9, 13, 14),
    (2, 5, 7, 8, 9, 12, 15),
    (1, 4, 6, 10, 11, 12, 15),
    (0, 5, 7, 10, 11, 13, 14),
    (0, 2, 5, 8, 11, 14, 15),
    (1, 3, 4, 9, 10, 14, 15),
    (0, 2, 7, 9, 10, 12, 13),
    (1, 3, 6, 8, 11, 12, 13),
    (0, 1, 4, 7, 10, 13, 15),
    (0, 1, 5, 6, 11, 12, 14),
    (2, 3, 5, 6, 8, 13, 15),
    (2, 3, 4, 7, 9, 12, 14),
    (1, 2, 6, 7, 9, 11, 12),
    (0, 3, 6, 7, 8, 10, 13),
    (0, 3, 4, 5, 9, 11, 14),
    (1, 2, 4, 5, 8, 10, 15),
)
"""Row i: the bytes whose XOR is byte i after the diffusion layer A, RFC 5794 section 2.4.3."""

_CONSTANTS = (
    bytes.fromhex("517cc1b727220a94fe13abe8fa9a6ee0"),
    bytes.fromhex("6db14acc9e21c820ff28b1d5ef5de2b0"),
    bytes.fromhex("db92371d2126e9700324977504e8c90e"),
)
_ROUNDS = {16: 12, 24: 14, 32: 16}
_FIRST_CONSTANT = {16: 0, 24: 1, 32: 2}
_ROTATIONS = (19, 31, -61, -31, -19)
"""To the right by so many bits, for each four round keys, RFC 5794 section 2.2."""


@lru_cache(maxsize=MAX_KEYED_TABLES)
def _keyed_table(sbox: bytes, key_byte: int) -> bytes:
    """The table of x -> sbox[x ^ key_byte]."""
    return bytes(sbox[value ^ key_byte] for value in range(len(sbox)))


def _substitute(lanes: list[bytes], key: bytes, layer: tuple[bytes, ...]) -> list[bytes]:
    """Add a round key and substitute."""
    return [
        lane.translate(_keyed_table(sbox, key_byte)) for lane, sbox, key_byte in zip(lanes, layer, key, strict=True)
    ]


def _diffuse(lanes: list[bytes]) -> list[bytes]:
    """The diffusion layer A."""
    length = len(lanes[0])
    x = [int.from_bytes(lane, "big") for lane in lanes]
    return [
        (x[a] ^ x[b] ^ x[c] ^ x[d] ^ x[e] ^ x[f] ^ x[g]).to_bytes(length, "big") for a, b, c, d, e, f, g in _DIFFUSION
    ]


def _lanes_of(blocks: bytes) -> list[bytes]:
    return [blocks[index::BLOCK_LENGTH] for index in range(BLOCK_LENGTH)]


def _blocks_of(lanes: list[bytes]) -> bytes:
    blocks = bytearray(len(lanes[0]) * BLOCK_LENGTH)
    for index, lane in enumerate(lanes):
        blocks[index::BLOCK_LENGTH] = lane
    return bytes(blocks)


def _xor(left: bytes, right: bytes) -> bytes:
    return (int.from_bytes(left, "big") ^ int.from_bytes(right, "big")).to_bytes(len(left), "big")


def _rotate(block: bytes, bits: int) -> bytes:
    """`block` rotated to the right by `bits` (to the left where negative)."""
    number, bits = int.from_bytes(block, "big"), bits % 128
    return ((number >> bits | number << (128 - bits)) & ((1 << 128) - 1)).to_bytes(BLOCK_LENGTH, "big")


def _round_of_one(block: bytes, key: bytes, layer: tuple[bytes, ...]) -> bytes:
    """A round function, FO or FE, over a single block."""
    return _blocks_of(_diffuse(_substitute(_lanes_of(block), key, layer)))


def _encryption_keys(key: bytes) -> list[bytes]:
    """The round keys ek1, ek2 ... of a key of 16, 24 or 32 bytes, RFC 5794 section 2.2."""
    first = _FIRST_CONSTANT[len(key)]
    constants = [_CONSTANTS[(first + index) % 3] for index in range(3)]
    left, right = key[:BLOCK_LENGTH], key[BLOCK_LENGTH:].ljust(BLOCK_LENGTH, b"\0")
    w = [left]
    w.append(_xor(_round_of_one(w[0], constants[0], _ODD_LAYER), right))
    w.append(_xor(_round_of_one(w[1], constants[1], _EVEN_LAYER), w[0]))
    w.append(_xor(_round_of_one(w[2], constants[2], _ODD_LAYER), w[1]))
    keys = [_xor(w[index], _rotate(w[(index + 1) % 4], bits)) for bits in _ROTATIONS for index in range(4)]
    return keys[: _ROUNDS[len(key)] + 1]


def _decryption_keys(key: bytes) -> list[bytes]:
    """The round keys that turn encryption round, RFC 5794 section 2.2."""
    first, *middle, last = reversed(_encryption_keys(key))
    return [first, *(_blocks_of(_diffuse(_lanes_of(round_key))) for round_key in middle), last]


def _crypt(blocks: bytes, keys: list[bytes]) -> bytes:
    """All of `blocks` through the rounds."""
    if not blocks:
        return b""
    lanes = _lanes_of(blocks)
    for index, key in enumerate(keys[:-2]):
        lanes = _diffuse(_substitute(lanes, key, _EVEN_LAYER if index % 2 else _ODD_LAYER))
    lanes = _substitute(lanes, keys[-2], _EVEN_LAYER)
    return _xor(_blocks_of(lanes), keys[-1] * len(lanes[0]))


class AriaEncryptor:
    """ARIA block by block (ECB), the direction that counter modes need."""

    def __init__(self, key: bytes) -> None:
        """`key` has 16, 24 or 32 bytes."""
        self._keys = _encryption_keys(key)

    def update(self, blocks: bytes, /) -> bytes:
        """Encrypt whole blocks."""
        return _crypt(blocks, self._keys)


class AriaCbcDecryptor:
    """ARIA in CBC mode, with the call of `cryptography`'s decryptors."""

    def __init__(self, key: bytes, iv: bytes) -> None:
        """`key` has 16, 24 or 32 bytes, `iv` one block."""
        self._keys = _decryption_keys(key)
        self._last_block = iv

    def update(self, data: Buffer, /) -> bytes:
        """Decrypt whole blocks; the chain goes on with the next call."""
        blocks = bytes(data)
        chained = (self._last_block + blocks)[: len(blocks)]
        self._last_block = blocks[-BLOCK_LENGTH:] or self._last_block
        return _xor(_crypt(blocks, self._keys), chained)
