"""RecordProtection: what opens the records of one direction while one set of keys is in force.

There is one object per direction and epoch. It keeps the sequence number, and the state of ciphers that have one.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final, Protocol

from tlsdecrypt.tls.block_modes import Ccm, Gcm
from tlsdecrypt.tls.ciphers import make_aead, make_cbc_decryptor, make_rc4
from tlsdecrypt.tls.ciphersuites import HASH_NAMES, CipherKind
from tlsdecrypt.tls.counter_modes import NoCounter, make_counter_mode
from tlsdecrypt.tls.hole import HEADER_LENGTH
from tlsdecrypt.tls.key_schedule import hash_length, labels_of, traffic_keys
from tlsdecrypt.tls.protection_aead import (
    ExplicitNonceProtection,
    HmacIntegrity,
    ImplicitNonceProtection,
    Tls13Protection,
)
from tlsdecrypt.tls.protection_cbc import CbcProtection, EncryptThenMacProtection
from tlsdecrypt.tls.protection_stream import Keystream, NoCipher, StreamProtection
from tlsdecrypt.tls.record_mac import make_ssl3_mac, make_tls_mac
from tlsdecrypt.tls.registry import ProtocolVersion

if TYPE_CHECKING:
    from tlsdecrypt.tls.ciphers import Aead
    from tlsdecrypt.tls.ciphersuites import BulkCipher, CipherSuite
    from tlsdecrypt.tls.damage import DamagedRecord, Piece
    from tlsdecrypt.tls.prf import DirectionKeys
    from tlsdecrypt.tls.record_mac import RecordMac
    from tlsdecrypt.wire import Buffer

_FIRST_DRAFT_WITH_AUTHENTICATED_HEADER: Final = 0x7F19  # draft 25
_WEIGHT_OF_PYTHON: Final = 512  # GHASH in Python: 2 ms for a record of 16 KB, where OpenSSL needs 4 us
_IN_PYTHON: Final = (Gcm, Ccm)
_NONCE_LENGTH: Final = 12
_OLD_NONCE_LENGTH: Final = 8


class RecordProtection(Protocol):
    """Opens the records of one direction in the order they were sent."""

    @property
    def sequence_number(self) -> int:
        """Of the next record."""
        ...

    @property
    def overhead(self) -> int | None:
        """By how much a record with its header is longer than its plaintext; None where records differ in that."""
        ...

    def open(self, content_type: int, version: int, fragment: Buffer) -> tuple[int, bytes] | None:
        """The content type and the plaintext of the next record; None where tag or MAC does not verify.

        `content_type` and `version` are those of the record's header (a MAC covers the version on the wire, whatever
        was negotiated). TLS 1.3 has its content type inside. The sequence number moves on success only; after a
        record that did not open, the one behind it is looked for as `recover` does. Nothing is ever raised.
        """
        ...

    def recover(
        self, content_type: int, version: int, fragment: Buffer, lost: int | None, *, before: bytes = b""
    ) -> tuple[int, bytes] | None:
        """As `open`, for a record right behind a hole in the capture.

        `lost` is how many bytes of records (headers included) the hole has swallowed since the last record that was
        given to this object; None where nobody knows. `before` is what was captured right before the record's header.
        """
        ...

    def glimpse(self, record: DamagedRecord) -> list[Piece]:
        """The content of what is there of a damaged record of application data, offsets from the content's start.

        It is asked right after `recover` has opened the record behind the hole, or where nothing follows any more. No
        tag or MAC proves it; only what is certain by its place is given. The state stays as it is.
        """
        ...


def make_protection(
    suite: CipherSuite,
    version: int,
    keys: DirectionKeys,
    *,
    encrypt_then_mac: bool = False,
    truncated_hmac: bool = False,
) -> RecordProtection | None:
    """The protection of a direction that writes with `keys`, SSL 3.0 to TLS 1.2; None if the suite is not supported."""
    bulk = suite.bulk
    if bulk is None or not suite.is_supported:
        return None
    if bulk.kind is CipherKind.AEAD:
        return _make_aead(suite, bulk, keys)
    mac = _make_mac(suite, version, keys, truncated=truncated_hmac)
    if mac is None:
        return None
    if bulk.kind is CipherKind.STREAM:
        return _make_stream(keys, mac)
    return _make_cbc(suite, bulk, version, keys, mac, encrypt_then_mac=encrypt_then_mac)


def make_protection_13(
    suite: CipherSuite, secret: bytes, *, version: int = ProtocolVersion.TLSv1_3
) -> RecordProtection | None:
    """The protection of a direction with a traffic secret, TLS 1.3 and its drafts; None as above."""
    bulk = suite.bulk
    if bulk is None or suite.key_exchange != "TLS13" or not suite.is_supported:
        return None
    key, iv = traffic_keys(suite, secret, labels_of(version).prefix)
    if suite.mac is not None:
        tag_length = hash_length(suite)
        integrity = Tls13Protection(HmacIntegrity(suite.prf_hash, key, tag_length), iv, tag_length)
        integrity.make_counter_mode = NoCounter
        return integrity
    aead = make_aead(suite.cipher, key, bulk.tag_length)
    if aead is None:
        return None
    is_draft = ProtocolVersion(version).is_draft
    is_authenticated = not is_draft or version >= _FIRST_DRAFT_WITH_AUTHENTICATED_HEADER
    opener = Tls13Protection(
        aead, iv, bulk.tag_length, header_is_authenticated=is_authenticated, weight=_weight_of(aead)
    )
    opener.make_counter_mode = partial(make_counter_mode, suite.cipher, key)
    return opener


def _weight_of(aead: Aead) -> int:
    """How much slower a trial is than with a cipher of `cryptography`."""
    return _WEIGHT_OF_PYTHON if isinstance(aead, _IN_PYTHON) else 1


def _make_aead(suite: CipherSuite, bulk: BulkCipher, keys: DirectionKeys) -> RecordProtection | None:
    aead = make_aead(suite.cipher, keys.key, bulk.tag_length)
    if aead is None:
        return None
    if bulk.explicit_nonce_length:
        explicit = ExplicitNonceProtection(aead, keys.iv, bulk.tag_length, weight=_weight_of(aead))
        explicit.make_counter_mode = partial(make_counter_mode, suite.cipher, keys.key)
        return explicit
    # An IV shorter than the nonce stands before the sequence number: XOR with zeros leaves that as it is.
    nonce_length = _NONCE_LENGTH if keys.iv else _OLD_NONCE_LENGTH
    implicit = ImplicitNonceProtection(aead, keys.iv.ljust(nonce_length, b"\0"), bulk.tag_length)
    implicit.make_counter_mode = partial(make_counter_mode, suite.cipher, keys.key)
    return implicit


def _make_mac(suite: CipherSuite, version: int, keys: DirectionKeys, *, truncated: bool) -> RecordMac | None:
    if suite.mac is None:
        return None
    hash_name = HASH_NAMES[suite.mac]
    if version <= ProtocolVersion.SSLv3:
        return make_ssl3_mac(hash_name, keys.mac_key)
    return make_tls_mac(hash_name, keys.mac_key, truncated=truncated)


def _make_stream(keys: DirectionKeys, mac: RecordMac) -> RecordProtection | None:
    overhead = HEADER_LENGTH + mac.length
    if not keys.key:
        return StreamProtection(NoCipher(), mac, overhead)
    rc4 = make_rc4(keys.key)
    return None if rc4 is None else StreamProtection(Keystream(rc4), mac, overhead)


def _make_cbc(
    suite: CipherSuite,
    bulk: BulkCipher,
    version: int,
    keys: DirectionKeys,
    mac: RecordMac,
    *,
    encrypt_then_mac: bool,
) -> RecordProtection | None:
    block_length = bulk.iv_length
    decryptor = make_cbc_decryptor(suite.cipher, keys.key, keys.iv or bytes(block_length))
    if decryptor is None:
        return None
    kind = EncryptThenMacProtection if encrypt_then_mac else CbcProtection
    protection = kind(decryptor, block_length, mac, has_own_ivs=version >= ProtocolVersion.TLSv1_1)
    protection.make_decryptor = partial(make_cbc_decryptor, suite.cipher, keys.key, bytes(block_length))
    return protection
