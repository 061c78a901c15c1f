"""The key schedule of TLS 1.3, RFC 8446 section 7, with the labels of its drafts.

Early Secret -> Handshake Secret -> Master Secret, each by HKDF-Extract; from each of them Derive-Secret gives the
traffic secrets, and from a traffic secret HKDF-Expand-Label gives a key and an IV. Hashes of transcripts are over
whole handshake messages; after a HelloRetryRequest the caller puts the message_hash in place of the first ClientHello.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING, Final

from tlsdecrypt.tls.registry import ProtocolVersion
from tlsdecrypt.value import Value, replace

if TYPE_CHECKING:
    from tlsdecrypt.tls.ciphersuites import CipherSuite

NONCE_LENGTH: Final = 12
"""iv_length of every AEAD of TLS 1.3: N_MIN of RFC 5116 is 12 for all of them."""

_FIRST_WITH_SHORT_LABELS: Final = 0x7F14  # draft 20
_FIRST_WITH_DERIVED: Final = 0x7F13  # draft 19


class KeyScheduleLabels(Value, frozen=True):
    """The labels of one version of the key schedule.

    `derived` is None where the next stage is extracted with the secret of the stage before as it is.
    """

    prefix: bytes
    derived: bytes | None
    external_binder: bytes
    resumption_binder: bytes
    client_early_traffic: bytes
    client_handshake_traffic: bytes
    server_handshake_traffic: bytes
    client_application_traffic: bytes
    server_application_traffic: bytes
    exporter_master: bytes
    resumption_master: bytes
    traffic_update: bytes


LABELS: Final = KeyScheduleLabels(
    prefix=b"tls13 ",
    derived=b"derived",
    external_binder=b"ext binder",
    resumption_binder=b"res binder",
    client_early_traffic=b"c e traffic",
    client_handshake_traffic=b"c hs traffic",
    server_handshake_traffic=b"s hs traffic",
    client_application_traffic=b"c ap traffic",
    server_application_traffic=b"s ap traffic",
    exporter_master=b"exp master",
    resumption_master=b"res master",
    traffic_update=b"traffic upd",
)
"""RFC 8446 section 7.1, and the drafts since 20."""

LABELS_DRAFT_19: Final = KeyScheduleLabels(
    prefix=b"TLS 1.3, ",
    derived=b"derived secret",
    external_binder=b"external psk binder key",
    resumption_binder=b"resumption psk binder key",
    client_early_traffic=b"client early traffic secret",
    client_handshake_traffic=b"client handshake traffic secret",
    server_handshake_traffic=b"server handshake traffic secret",
    client_application_traffic=b"client application traffic secret",
    server_application_traffic=b"server application traffic secret",
    exporter_master=b"exporter master secret",
    resumption_master=b"resumption master secret",
    traffic_update=b"application traffic secret",
)
"""draft-ietf-tls-tls13-19 section 7.1."""

LABELS_DRAFT_18: Final = replace(LABELS_DRAFT_19, derived=None)
"""draft-ietf-tls-tls13-18 section 7.1: as 19, but the stages follow each other directly."""


def labels_of(version: int) -> KeyScheduleLabels:
    """The labels of TLS 1.3 (0x0304) or of one of its drafts (0x7Fnn)."""
    if not ProtocolVersion(version).is_draft or version >= _FIRST_WITH_SHORT_LABELS:
        return LABELS
    return LABELS_DRAFT_19 if version >= _FIRST_WITH_DERIVED else LABELS_DRAFT_18


def hkdf_extract(hash_name: str, salt: bytes, input_keying_material: bytes) -> bytes:
    """HKDF-Extract, RFC 5869 section 2.2."""
    return hmac.digest(salt, input_keying_material, hash_name)


def hkdf_expand(hash_name: str, secret: bytes, info: bytes, length: int) -> bytes:
    """HKDF-Expand, RFC 5869 section 2.3; `length` is at most 255 times that of the hash."""
    output = block = b""
    counter = 0
    while len(output) < length:
        counter += 1
        block = hmac.digest(secret, block + info + bytes((counter,)), hash_name)
        output += block
    return output[:length]


def hkdf_expand_label(
    hash_name: str, secret: bytes, label: bytes, context: bytes, length: int, prefix: bytes = LABELS.prefix
) -> bytes:
    """HKDF-Expand-Label, RFC 8446 section 7.1."""
    full_label = prefix + label
    info = length.to_bytes(2, "big") + bytes((len(full_label),)) + full_label + bytes((len(context),)) + context
    return hkdf_expand(hash_name, secret, info, length)


def hash_length(suite: CipherSuite) -> int:
    """Hash.length of the suite in bytes."""
    return hashlib.new(suite.prf_hash, usedforsecurity=False).digest_size


def hash_of(suite: CipherSuite, messages: bytes) -> bytes:
    """Transcript-Hash, RFC 8446 section 4.4.1."""
    return hashlib.new(suite.prf_hash, messages, usedforsecurity=False).digest()


def derive_secret(
    suite: CipherSuite, secret: bytes, label: bytes, transcript: bytes, prefix: bytes = LABELS.prefix
) -> bytes:
    """Derive-Secret, RFC 8446 section 7.1; `transcript` is the hash of the messages, not the messages."""
    return hkdf_expand_label(suite.prf_hash, secret, label, transcript, hash_length(suite), prefix)


def early_secret(suite: CipherSuite, psk: bytes = b"") -> bytes:
    """The Early Secret, from a pre-shared key where one is used."""
    zeros = bytes(hash_length(suite))
    return hkdf_extract(suite.prf_hash, zeros, psk or zeros)


def _next_stage(suite: CipherSuite, secret: bytes, key_material: bytes, labels: KeyScheduleLabels) -> bytes:
    salt = secret
    if labels.derived is not None:
        salt = derive_secret(suite, secret, labels.derived, hash_of(suite, b""), labels.prefix)
    return hkdf_extract(suite.prf_hash, salt, key_material or bytes(hash_length(suite)))


def handshake_secret(
    suite: CipherSuite, early: bytes, shared_secret: bytes = b"", labels: KeyScheduleLabels = LABELS
) -> bytes:
    """The Handshake Secret, from the Early Secret and the (EC)DHE shared secret (none with a PSK alone)."""
    return _next_stage(suite, early, shared_secret, labels)


def master_secret(suite: CipherSuite, handshake: bytes, labels: KeyScheduleLabels = LABELS) -> bytes:
    """The Master Secret, from the Handshake Secret."""
    return _next_stage(suite, handshake, b"", labels)


def resumption_psk(suite: CipherSuite, resumption_master_secret: bytes, ticket_nonce: bytes) -> bytes:
    """The PSK of a NewSessionTicket, RFC 8446 section 4.6.1."""
    length = hash_length(suite)
    return hkdf_expand_label(suite.prf_hash, resumption_master_secret, b"resumption", ticket_nonce, length)


def next_traffic_secret(suite: CipherSuite, secret: bytes, labels: KeyScheduleLabels = LABELS) -> bytes:
    """application_traffic_secret_N+1, RFC 8446 section 7.2."""
    return derive_secret(suite, secret, labels.traffic_update, b"", labels.prefix)


def traffic_keys(suite: CipherSuite, secret: bytes, prefix: bytes = LABELS.prefix) -> tuple[bytes, bytes]:
    """The key and the IV of a traffic secret, RFC 8446 section 7.3 (RFC 9150 section 6 without encryption)."""
    key_length, iv_length = suite.key_length, NONCE_LENGTH
    if suite.mac is not None:
        key_length = iv_length = hash_length(suite)
    key = hkdf_expand_label(suite.prf_hash, secret, b"key", b"", key_length, prefix)
    return key, hkdf_expand_label(suite.prf_hash, secret, b"iv", b"", iv_length, prefix)


def finished_verify_data_13(
    suite: CipherSuite, base_secret: bytes, transcript: bytes, prefix: bytes = LABELS.prefix
) -> bytes:
    """What a Finished message (or a PSK binder) holds, RFC 8446 section 4.4.4; `transcript` is a hash."""
    finished_key = hkdf_expand_label(suite.prf_hash, base_secret, b"finished", b"", hash_length(suite), prefix)
    return hmac.digest(finished_key, transcript, suite.prf_hash)
