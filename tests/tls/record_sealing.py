"""The sending side, written from the RFCs for tests alone: records of any suite with a MAC, and of TLS 1.3."""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING

from cryptography.hazmat.decrepit.ciphers import algorithms as decrepit
from cryptography.hazmat.primitives.ciphers import Cipher, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.ciphers.algorithms import AES

from tlsdecrypt.tls.ciphersuites import HASH_NAMES, CipherSuite
from tlsdecrypt.tls.key_schedule import labels_of, traffic_keys

if TYPE_CHECKING:
    from tlsdecrypt.tls.prf import DirectionKeys

ALGORITHMS = {
    "AES": AES,
    "SEED": decrepit.SEED,
    "IDEA": decrepit.IDEA,
    "RC2": decrepit.RC2,
    "3DES": decrepit.TripleDES,
    "DES": lambda key: decrepit.TripleDES(key * 3),
    "DES40": lambda key: decrepit.TripleDES(key * 3),
    "RC4": decrepit.ARC4,
}


class Sealer:
    """Seals application data with keys as `derive_keys` gives them, RFC 5246 section 6.2.3, RFC 6101 section 5.2.3."""

    def __init__(
        self,
        suite: CipherSuite,
        version: int,
        keys: DirectionKeys,
        *,
        encrypt_then_mac: bool = False,
        mac_length: int | None = None,
    ) -> None:
        self.suite, self.version, self.keys = suite, version, keys
        self.encrypt_then_mac, self.mac_length = encrypt_then_mac, mac_length
        self.sequence_number = 0
        self.block = suite.iv_length
        algorithm = ALGORITHMS.get(suite.cipher.split("_")[0])
        mode = modes.CBC(keys.iv or bytes(self.block)) if self.block else None
        self.encryptor = Cipher(algorithm(keys.key), mode).encryptor() if algorithm else None

    def _mac(self, content: bytes) -> bytes:
        number, length = self.sequence_number.to_bytes(8, "big"), len(content).to_bytes(2, "big")
        name = HASH_NAMES[self.suite.mac or ""]
        if self.version <= 0x0300:
            pad = 48 if name == "md5" else 40
            inner = hashlib.new(name, self.keys.mac_key + b"\x36" * pad + number + b"\x17" + length + content)
            return hashlib.new(name, self.keys.mac_key + b"\x5c" * pad + inner.digest()).digest()
        header = number + b"\x17" + self.version.to_bytes(2, "big") + length
        return hmac.digest(self.keys.mac_key, header + content, name)[: self.mac_length]

    def _pad(self, content: bytes) -> bytes:
        count = -(len(content) + 1) % self.block
        return content + bytes([count]) * (count + 1)

    def seal(self, content: bytes) -> bytes:
        iv = b"I" * self.block if self.version >= 0x0302 else b""
        if self.encryptor is None:
            sealed = content + self._mac(content)
        elif not self.block:
            sealed = self.encryptor.update(content + self._mac(content))
        elif self.encrypt_then_mac:
            ciphertext = self.encryptor.update(iv + self._pad(content))
            sealed = ciphertext + self._mac(ciphertext)
        else:
            sealed = self.encryptor.update(iv + self._pad(content + self._mac(content)))
        self.sequence_number += 1
        return sealed


def seal_13(suite: CipherSuite, secret: bytes, sequence_number: int, inner: bytes, *, version: int = 0x0304) -> bytes:
    """A record of TLS 1.3 with AES-GCM; `inner` ends in content type and padding. Drafts before 25 have no header."""
    key, iv = traffic_keys(suite, secret, labels_of(version).prefix)
    nonce = (int.from_bytes(iv, "big") ^ sequence_number).to_bytes(12, "big")
    header = b"\x17\x03\x03" + (len(inner) + 16).to_bytes(2, "big")
    is_old_draft = 0x7F00 < version < 0x7F19
    return AESGCM(key).encrypt(nonce, inner, None if is_old_draft else header)
