"""From the pre_master_secret to the keys of both directions, SSL 3.0 to TLS 1.2, and the Finished message.

SSL 3.0 is RFC 6101, TLS 1.0 RFC 2246, TLS 1.1 RFC 4346, TLS 1.2 RFC 5246, extended_master_secret RFC 7627.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

from tlsdecrypt.tls.ciphersuites import CipherKind
from tlsdecrypt.tls.keyed_hash import hash_function, hmac_states, keyed_digest
from tlsdecrypt.tls.registry import ProtocolVersion
from tlsdecrypt.value import Hidden, Value

if TYPE_CHECKING:
    from tlsdecrypt.tls.ciphersuites import CipherSuite

MASTER_SECRET_LENGTH: Final = 48

SSL3_PAD1: Final = b"\x36" * 48
SSL3_PAD2: Final = b"\x5c" * 48
"""Pads of the MACs of SSL 3.0, RFC 6101 section 5.2.3.1: 48 bytes with MD5, the first 40 of them with SHA-1."""


class DirectionKeys(Value, frozen=True):
    """What one side writes with: the keys of the MAC and of the cipher, and the IV or implicit nonce."""

    mac_key: Hidden[bytes]
    key: Hidden[bytes]
    iv: Hidden[bytes]


def _md5(data: bytes) -> bytes:
    return hashlib.md5(data, usedforsecurity=False).digest()


def _sha1(data: bytes) -> bytes:
    return hashlib.sha1(data, usedforsecurity=False).digest()


def p_hash(hash_name: str, secret: bytes, seed: bytes, length: int) -> bytes:
    """P_hash, RFC 5246 section 5: `length` bytes from `secret` and `seed`."""
    states = hmac_states(hash_name, secret)
    output, a = b"", seed
    while len(output) < length:
        a = keyed_digest(states, a)
        output += keyed_digest(states, a + seed)
    return output[:length]


def prf_tls10(secret: bytes, label: bytes, seed: bytes, length: int) -> bytes:
    """The PRF of TLS 1.0 and 1.1, RFC 2246 section 5: P_MD5 over one half XOR P_SHA-1 over the other.

    The halves share the middle byte of a secret of odd length.
    """
    half = (len(secret) + 1) // 2
    md5 = p_hash("md5", secret[:half], label + seed, length)
    sha1 = p_hash("sha1", secret[len(secret) - half :], label + seed, length)
    return (int.from_bytes(md5, "big") ^ int.from_bytes(sha1, "big")).to_bytes(length, "big")


def prf_ssl3(secret: bytes, seed: bytes, length: int) -> bytes:
    """The derivation of SSL 3.0, RFC 6101 sections 6.1 and 6.2.2: MD5 over secret and SHA('A' ..), ('BB' ..) ..."""
    output = b""
    count = 0
    while len(output) < length:
        count += 1
        salt = bytes((ord("A") + count - 1,)) * count
        output += _md5(secret + _sha1(salt + secret + seed))
    return output[:length]


def prf(hash_name: str | None, secret: bytes, label: bytes, seed: bytes, length: int) -> bytes:
    """The PRF of TLS 1.2 over `hash_name`, RFC 5246 section 5; without a hash that of TLS 1.0 and 1.1."""
    if hash_name is None:
        return prf_tls10(secret, label, seed, length)
    return p_hash(hash_name, secret, label + seed, length)


def _prf_hash(suite: CipherSuite, version: int) -> str | None:
    """The hash of the PRF: the suite's since TLS 1.2, None before."""
    return suite.prf_hash if version >= ProtocolVersion.TLSv1_2 else None


def _derives_as_ssl3(suite: CipherSuite, version: int) -> bool:
    """Whether keys come from the derivation of SSL 3.0.

    NSS derives the keys of its FIPS suites with the PRF of TLS in SSL 3.0 too: MD5 alone was not approved.
    """
    return version <= ProtocolVersion.SSLv3 and suite.key_exchange != "RSA_FIPS"


def transcript_hash(suite: CipherSuite, version: int, messages: bytes) -> bytes:
    """The Handshake hash over `messages` (whole messages with their headers): MD5 and SHA-1 before TLS 1.2."""
    hash_name = _prf_hash(suite, version)
    if hash_name is None:
        return _md5(messages) + _sha1(messages)
    return hash_function(hash_name)(messages, usedforsecurity=False).digest()


def derive_master_secret(
    suite: CipherSuite, version: int, pre_master_secret: bytes, client_random: bytes, server_random: bytes
) -> bytes:
    """The master_secret, RFC 5246 section 8.1 and RFC 6101 section 6.1."""
    seed = client_random + server_random
    if _derives_as_ssl3(suite, version):
        return prf_ssl3(pre_master_secret, seed, MASTER_SECRET_LENGTH)
    return prf(_prf_hash(suite, version), pre_master_secret, b"master secret", seed, MASTER_SECRET_LENGTH)


def derive_extended_master_secret(
    suite: CipherSuite, version: int, pre_master_secret: bytes, session_hash: bytes
) -> bytes:
    """The extended master_secret, RFC 7627 section 4.

    `session_hash` is the `transcript_hash` from the ClientHello up to and including the ClientKeyExchange.
    """
    label = b"extended master secret"
    return prf(_prf_hash(suite, version), pre_master_secret, label, session_hash, MASTER_SECRET_LENGTH)


def _key_block(suite: CipherSuite, version: int, master_secret: bytes, seed: bytes, length: int) -> bytes:
    if _derives_as_ssl3(suite, version):
        return prf_ssl3(master_secret, seed, length)
    return prf(_prf_hash(suite, version), master_secret, b"key expansion", seed, length)


def derive_keys(
    suite: CipherSuite, version: int, master_secret: bytes, client_random: bytes, server_random: bytes
) -> tuple[DirectionKeys, DirectionKeys]:
    """The keys that the client and the server write with, RFC 5246 section 6.3 and RFC 6101 section 6.2.2.

    Since TLS 1.1 each CBC record carries its own IV, and `iv` is empty. Suites that are not computed here have
    empty keys.
    """
    mac, material, iv = suite.mac_length, 0, 0
    if suite.bulk is not None:
        material = suite.bulk.key_material_length
        has_own_ivs = suite.bulk.kind is CipherKind.BLOCK and version >= ProtocolVersion.TLSv1_1
        iv = 0 if has_own_ivs else suite.bulk.iv_length
    block = _key_block(suite, version, master_secret, server_random + client_random, 2 * (mac + material + iv))
    keys, ivs = 2 * mac, 2 * (mac + material)
    client = DirectionKeys(block[:mac], block[keys : keys + material], block[ivs : ivs + iv])
    server = DirectionKeys(block[mac:keys], block[keys + material : ivs], block[ivs + iv :])
    if suite.is_export:
        return _weaken(suite, version, (client, server), client_random, server_random)
    return client, server


def _weaken(
    suite: CipherSuite,
    version: int,
    keys: tuple[DirectionKeys, DirectionKeys],
    client_random: bytes,
    server_random: bytes,
) -> tuple[DirectionKeys, DirectionKeys]:
    """The final keys and IVs of export suites, RFC 2246 section 6.3.1 and RFC 6101 section 6.2.2.1."""
    client, server = keys
    key, iv = suite.key_length, len(client.iv)
    randoms = client_random + server_random
    if _derives_as_ssl3(suite, version):
        swapped = server_random + client_random
        return (
            DirectionKeys(client.mac_key, _md5(client.key + randoms)[:key], _md5(randoms)[:iv]),
            DirectionKeys(server.mac_key, _md5(server.key + swapped)[:key], _md5(swapped)[:iv]),
        )
    hash_name = _prf_hash(suite, version)
    iv_block = prf(hash_name, b"", b"IV block", randoms, 2 * iv)
    client_key = prf(hash_name, client.key, b"client write key", randoms, key)
    server_key = prf(hash_name, server.key, b"server write key", randoms, key)
    return (
        DirectionKeys(client.mac_key, client_key, iv_block[:iv]),
        DirectionKeys(server.mac_key, server_key, iv_block[iv:]),
    )
