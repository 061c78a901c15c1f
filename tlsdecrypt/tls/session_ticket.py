"""Session-ticket keys, and what OpenSSL puts into a ticket (RFC 5077 section 4, SSL_SESSION in ASN.1).

Servers share or rotate these keys by files: nginx and Apache keep one key in 48 or 80 bytes, HAProxy several as lines
of base64. A key that is known opens every session whose ticket it protects, forward secrecy or not.
"""

from __future__ import annotations

import binascii
import hmac
from base64 import b64decode
from typing import Final

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC

from tlsdecrypt.errors import KeyFileError, ParseError
from tlsdecrypt.tls import der as asn1
from tlsdecrypt.value import Hidden, Value

LONGEST_TICKET_KEY_FILE: Final = 64 << 10  # bytes: hundreds of keys, where servers use a handful

_NAME_LENGTH: Final = 16
_IV_LENGTH: Final = 16
_KEY_LENGTHS: Final = (48, 80)  # name, and two keys of 16 or 32 bytes
_MAC_HASHES: Final = (("sha256", 32), ("sha1", 20))  # nginx without SHA-256 took SHA-1
_BASE64_OF_DER: Final = b"MI"  # a line of 64 characters of a private key is 48 bytes too
_OCTETS: Final = range(1, 65)  # of a master_secret (48) or a PSK (as long as a hash)


class TicketKey(Value, frozen=True):
    """A key name and two secrets, of which one is for AES and the other for HMAC.

    Which is which differs: nginx puts that of AES first in 48 bytes and last in 80, Apache last, HAProxy first. The
    HMAC tells.
    """

    source: str
    name: Hidden[bytes]
    secrets: Hidden[tuple[bytes, bytes]]

    def open(self, ticket: bytes) -> bytes | None:
        """The master_secret in a ticket (TLS 1.3: the PSK); None where the ticket is not of this key.

        A ticket is key name (16 bytes), IV (16), AES-CBC of the session, and HMAC over all of these.
        """
        if not ticket.startswith(self.name):
            return None
        first, second = self.secrets
        for aes_key, mac_key in ((first, second), (second, first)):
            for hash_name, length in _MAC_HASHES:
                if hmac.digest(mac_key, ticket[:-length], hash_name) == ticket[-length:]:
                    return _secret_of(_decrypt(aes_key, ticket[_NAME_LENGTH:-length]))
        return None


def _decrypt(key: bytes, data: bytes) -> bytes:
    """AES-CBC of what follows the IV; empty where that is no whole number of blocks. Padding is left where it is."""
    iv, encrypted = data[:_IV_LENGTH], data[_IV_LENGTH:]
    if not encrypted or len(encrypted) % _IV_LENGTH:
        return b""
    return Cipher(AES(key), CBC(iv)).decryptor().update(encrypted)


def _secret_of(session: bytes) -> bytes | None:
    """The master_key of an SSL_SESSION: what follows version, protocol version, cipher suite and session id."""
    try:
        fields = asn1.children(asn1.first_element(session), at_least=5)
    except ParseError:
        return None
    kinds = [each.tag for each in fields[:5]]
    if kinds != [asn1.INTEGER, asn1.INTEGER, asn1.OCTET_STRING, asn1.OCTET_STRING, asn1.OCTET_STRING]:
        return None
    secret = fields[4].content
    return secret if len(secret) in _OCTETS else None


def parse_ticket_keys(data: bytes, source: str) -> list[TicketKey]:
    """The keys of a file: 48 or 80 bytes as they are, or as lines of base64, the newest key last.

    Raises KeyFileError where the file is something else.
    """
    found = _keys_in(data)
    if not found:
        raise KeyFileError(
            f"{source}: holds no session-ticket key: 48 or 80 bytes are wanted, or lines of base64 of as many"
        )
    return [_key(each, source) for each in found]


def is_ticket_key_file(data: bytes) -> bool:
    """Whether `data`, the whole of a file, is session-ticket keys, and neither text nor a private key."""
    is_text = data.isascii() and data.decode("ascii").isprintable() and len(data) in _KEY_LENGTHS
    return not is_text and not data.startswith(_BASE64_OF_DER) and bool(_keys_in(data))


def _keys_in(data: bytes) -> list[bytes]:
    if len(data) not in _KEY_LENGTHS:
        return _from_lines(data)
    is_der = data.startswith(bytes((asn1.SEQUENCE, len(data) - 2)))  # a private key of X25519 has 48 bytes too
    return [] if is_der else [data]


def _key(data: bytes, source: str) -> TicketKey:
    middle = (_NAME_LENGTH + len(data)) // 2
    return TicketKey(source, data[:_NAME_LENGTH], (data[_NAME_LENGTH:middle], data[middle:]))


def _from_lines(data: bytes) -> list[bytes]:
    """The keys in lines of base64; none where a single line is something else."""
    found: list[bytes] = []
    for line in data[:LONGEST_TICKET_KEY_FILE].split():
        try:
            key = b64decode(line, validate=True)
        except binascii.Error:
            return []
        if len(key) not in _KEY_LENGTHS:
            return []
        found.append(key)
    return found
