"""Keys and record protection of SSL 2.0 ("The SSL Protocol", Hickman 1995, sections 1.2 and 5.7 "Key material").

A record is MAC, data and padding under one cipher; its sequence number counts every record of a direction from the
first of the connection, those in the clear too.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

from tlsdecrypt.tls.ciphers import make_cbc_decryptor, make_rc4
from tlsdecrypt.tls.ciphersuites import CipherKind
from tlsdecrypt.tls.prf import DirectionKeys

if TYPE_CHECKING:
    from tlsdecrypt.tls.ciphers import Decryptor
    from tlsdecrypt.tls.ciphersuites import CipherSuite
    from tlsdecrypt.wire import Buffer

MAC_LENGTH: Final = 16


def derive_keys_ssl2(
    suite: CipherSuite, master_key: bytes, challenge: bytes, connection_id: bytes, key_arg: bytes
) -> tuple[DirectionKeys, DirectionKeys]:
    """The keys that the client and the server write with; each is the secret of the MAC too.

    `master_key` is CLEAR-KEY-DATA and the decrypted SECRET-KEY-DATA together, which makes export suites derive like
    the others; `key_arg` is KEY-ARG-DATA, the IV of both directions.
    """
    length = suite.key_length
    material = b""
    counter = 0
    while len(material) < 2 * length:
        seed = master_key + b"%d" % counter + challenge + connection_id
        material += hashlib.md5(seed, usedforsecurity=False).digest()
        counter += 1
    server_key, client_key = material[:length], material[length : 2 * length]
    return DirectionKeys(client_key, client_key, key_arg), DirectionKeys(server_key, server_key, key_arg)


class Ssl2Protection:
    """Opens the records of one direction."""

    def __init__(self, decryptor: Decryptor, secret: bytes, sequence_number: int, *, block_length: int = 1) -> None:
        """`sequence_number` is that of the next record: the number of those before it, in the clear or not."""
        self._decrypt = decryptor.update
        self._secret = secret
        self._block_length = block_length
        self.sequence_number = sequence_number

    def open(self, fragment: Buffer, padding_length: int = 0) -> bytes | None:
        """The data of the next record; None where the MAC does not verify.

        `fragment` is what stands behind the record's header, `padding_length` what a header of three bytes says. A
        damaged record counts like any other: the one behind it may open again.
        """
        number = (self.sequence_number & 0xFFFFFFFF).to_bytes(4, "big")
        self.sequence_number += 1
        if len(fragment) % self._block_length:
            return None
        plaintext = self._decrypt(fragment)
        mac, padded = plaintext[:MAC_LENGTH], plaintext[MAC_LENGTH:]
        expected = hashlib.md5(self._secret + padded + number, usedforsecurity=False).digest()
        if mac != expected or padding_length > len(padded):
            return None
        return padded[: len(padded) - padding_length]


def make_protection_ssl2(suite: CipherSuite, keys: DirectionKeys, sequence_number: int) -> Ssl2Protection | None:
    """The protection of a direction that writes with `keys`; None if the cipher kind is not supported."""
    if suite.bulk is None:
        return None
    if suite.bulk.kind is CipherKind.STREAM:
        decryptor = make_rc4(keys.key)
    elif len(keys.iv) == suite.iv_length:  # one block
        decryptor = make_cbc_decryptor(suite.cipher, keys.key, keys.iv)
    else:  # a KEY-ARG-DATA that is no IV
        return None
    if decryptor is None:
        return None
    return Ssl2Protection(decryptor, keys.mac_key, sequence_number, block_length=max(suite.iv_length, 1))
