"""RecordMac: the MAC of a record where the cipher does not authenticate.

HMAC (TLS, RFC 2104) and the keyed hash of SSL 3.0 have one shape: an outer hash over the inner hash, each begun with
the key. Both beginnings are hashed once, and copied for each record, so that a small record costs no key set-up and
a large one is never joined with its header.
"""

from __future__ import annotations

import hashlib
from struct import Struct
from typing import TYPE_CHECKING, Final

from tlsdecrypt.tls.keyed_hash import hmac_states
from tlsdecrypt.tls.prf import SSL3_PAD1, SSL3_PAD2

if TYPE_CHECKING:
    from hashlib import _Hash

    from tlsdecrypt.wire import Buffer

TRUNCATED_LENGTH: Final = 10
"""truncated_hmac, RFC 6066 section 7: 80 bits."""

_pack_tls = Struct(">QBHH").pack
_pack_ssl3 = Struct(">QBH").pack

_SSL3_PAD_LENGTHS: Final = {"md5": 48, "sha1": 40}


class RecordMac:
    """The MAC of one direction; `length` is that of the MAC in bytes."""

    __slots__ = ("_inner", "_outer", "_with_version", "length")

    def __init__(self, inner: _Hash, outer: _Hash, length: int, *, with_version: bool) -> None:
        """`inner` and `outer` have taken the key already."""
        self._inner = inner
        self._outer = outer
        self._with_version = with_version
        self.length = length

    def compute(self, sequence_number: int, content_type: int, version: int, content: Buffer) -> bytes:
        """The MAC over the record's content, RFC 5246 section 6.2.3.1; SSL 3.0 leaves the version out."""
        inner = self._inner.copy()
        if self._with_version:
            inner.update(_pack_tls(sequence_number, content_type, version, len(content)))
        else:
            inner.update(_pack_ssl3(sequence_number, content_type, len(content)))
        inner.update(content)
        outer = self._outer.copy()
        outer.update(inner.digest())
        return outer.digest()[: self.length]


def make_tls_mac(hash_name: str, key: bytes, *, truncated: bool) -> RecordMac:
    """The HMAC of TLS."""
    inner, outer = hmac_states(hash_name, key)
    length = TRUNCATED_LENGTH if truncated else inner.digest_size
    return RecordMac(inner, outer, length, with_version=True)


def make_ssl3_mac(hash_name: str, key: bytes) -> RecordMac:
    """The MAC of SSL 3.0, RFC 6101 section 5.2.3.1."""
    pad_length = _SSL3_PAD_LENGTHS.get(hash_name, _SSL3_PAD_LENGTHS["sha1"])
    inner = hashlib.new(hash_name, key + SSL3_PAD1[:pad_length], usedforsecurity=False)
    outer = hashlib.new(hash_name, key + SSL3_PAD2[:pad_length], usedforsecurity=False)
    return RecordMac(inner, outer, inner.digest_size, with_version=False)
