"""HMAC in two states: an outer hash over an inner one, each begun with the key (RFC 2104).

Both are begun once for a key, and copied for each message: most of what one-shot HMAC costs for a short message is its
key set-up.
"""

from __future__ import annotations

import hashlib
from functools import cache, partial
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable
    from hashlib import _Hash

_INNER_PAD: Final = bytes(byte ^ 0x36 for byte in range(256))
_OUTER_PAD: Final = bytes(byte ^ 0x5C for byte in range(256))


def hmac_states(hash_name: str, key: bytes) -> tuple[_Hash, _Hash]:
    """The inner and the outer hash of HMAC, begun with `key`."""
    begin = hash_function(hash_name)
    inner, outer = begin(usedforsecurity=False), begin(usedforsecurity=False)
    length = inner.block_size
    if len(key) > length:
        key = begin(key, usedforsecurity=False).digest()
    block = key.ljust(length, b"\0")
    inner.update(block.translate(_INNER_PAD))
    outer.update(block.translate(_OUTER_PAD))
    return inner, outer


def keyed_digest(states: tuple[_Hash, _Hash], message: bytes) -> bytes:
    """HMAC of `message`, by what `hmac_states` has begun."""
    inner, outer = states[0].copy(), states[1].copy()
    inner.update(message)
    outer.update(inner.digest())
    return outer.digest()


@cache
def hash_function(name: str) -> Callable[..., _Hash]:
    """What begins a hash: the constructors of hashlib cost half of `hashlib.new`, which some hashes have alone."""
    found: Callable[..., _Hash] = getattr(hashlib, name, None) or partial(hashlib.new, name)
    return found
