"""end_point_bindings: what a client hashes to bind a login to the TLS channel: `tls-server-end-point` (RFC 5929)."""

from __future__ import annotations

import struct
from functools import lru_cache
from hashlib import md5, new, sha256
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

CACHED: Final = 256

_PREFIX: Final = b"tls-server-end-point:"
_TOO_WEAK: Final = frozenset({"md5", "sha1"})  # RFC 5929 section 4.1: SHA-256 stands in for these
_NO_ADDRESSES: Final = bytes(16)  # types and lengths of both addresses, RFC 2744 section 3.11


@lru_cache(maxsize=CACHED)
def end_point_bindings(der: bytes) -> tuple[str, ...]:
    """The hashes (hex) of gss_channel_bindings_struct (RFC 4121 section 4.1.1.2) for a server certificate in DER.

    The first is that of the standard. The second, where it differs, is that of clients which hash every certificate
    with SHA-256. Empty for what is no certificate. Never raises.
    """
    try:
        algorithm = x509.load_der_x509_certificate(der).signature_hash_algorithm
    except UnsupportedAlgorithm:
        algorithm = None  # as for Ed25519, for which the standard defines nothing
    except Exception:  # noqa: BLE001 - hostile input: the library's faults are not all documented
        return ()
    digests = []
    if algorithm is not None and algorithm.name not in _TOO_WEAK:
        digests.append(new(algorithm.name.replace("-", "_"), der).digest())
    digests.append(sha256(der).digest())
    return tuple(dict.fromkeys(_binding(each) for each in digests))


def _binding(digest: bytes) -> str:
    data = _PREFIX + digest
    return md5(_NO_ADDRESSES + struct.pack("<I", len(data)) + data, usedforsecurity=False).hexdigest()
