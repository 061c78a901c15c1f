"""Passwords in logins of binary protocols: LDAP binds (RFC 4511 section 4.2) and SOCKS 5 (RFC 1929 section 2)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tlsdecrypt.errors import ParseError
from tlsdecrypt.redact.in_place import stars
from tlsdecrypt.wire import Reader

if TYPE_CHECKING:
    from tlsdecrypt.recapture.stream_bytes import StreamBytes

WINDOW = 1 << 20  # bytes looked at together
LONGEST_LOGIN = 4096  # bytes that two windows have in common

_LENGTH = rb"(?:[\x00-\x7f]|\x81.|\x82..|\x84....)"
_BIND = re.compile(rb"\x60" + _LENGTH + rb"\x02\x01[\x02\x03]\x04", re.DOTALL)  # BindRequest, version, name
_SIMPLE, _SASL = 0x80, 0xA3  # the choices of AuthenticationChoice
_SOCKS_5, _USERNAME_PASSWORD = 5, b"\x01"  # the version of either negotiation
_LONGEST_GREETING = 2 + 255 + 2 + 255 + 1 + 255  # bytes, with the login behind it
_LONG_FORM = 0x80


def mask_socks(client: StreamBytes) -> None:
    """Overwrite the password that a client of a SOCKS proxy begins with."""
    data = client.beginning(_LONGEST_GREETING)
    reader = Reader(data)
    try:
        if reader.u8("version") != _SOCKS_5:
            return
        reader.vector(1, "methods")
        if reader.take(1, "version of the login") != _USERNAME_PASSWORD:
            return
        reader.vector(1, "user name")
        length = reader.u8("length of the password")
    except ParseError:
        return
    client.overwrite(reader.offset, stars(data[reader.offset : reader.offset + length]))


def mask_binds(client: StreamBytes) -> None:
    """Overwrite what a client of LDAP proves itself with."""
    position = 0
    while (stretch := client.stretch(position)) is not None:
        position, stop = stretch
        end = min(position + WINDOW, stop)
        data = client.read(position, end)
        masked = without_binds(data)
        if masked != data:
            client.overwrite(position, masked)
        position = end if end == stop else end - LONGEST_LOGIN


def without_binds(data: bytes) -> bytes:
    """Stars in place of the passwords of simple binds and of the credentials of SASL."""
    masked = bytearray(data)
    for match in _BIND.finditer(data):
        reader = Reader(data, match.end())
        try:
            reader.take(_ber_length(reader), "name")
            choice, length = reader.u8("choice"), _ber_length(reader)
            if choice == _SASL:
                length -= _skipped_mechanism(reader)
        except ParseError:
            continue
        if choice in {_SIMPLE, _SASL}:
            secret = data[reader.offset : reader.offset + max(length, 0)]
            masked[reader.offset : reader.offset + len(secret)] = stars(secret)
    return bytes(masked)


def _skipped_mechanism(reader: Reader) -> int:
    """How many bytes stand before the credentials of SASL: the mechanism, and the head of what follows."""
    start = reader.offset
    reader.u8("type of the mechanism")
    reader.take(_ber_length(reader), "mechanism")
    if reader.remaining:
        reader.u8("type of the credentials")
        _ber_length(reader)
    return reader.offset - start


def _ber_length(reader: Reader) -> int:
    """A definite length (X.690 section 8.1.3)."""
    first = reader.u8("length")
    return reader.uint(first - _LONG_FORM, "length") if first > _LONG_FORM else first
