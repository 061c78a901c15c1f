"""Passwords in logins of SQL Server ([MS-TDS] sections 2.2.6.4 to 2.2.6.7) and of Sybase (TDS 4.2 and 5.0)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


_HEAD = struct.Struct(">BBHHBB")  # type, status, length, process, number, window
_LAST = 0x01  # status of the last packet of a message
_OLD_LOGIN, _FEDERATED_TOKEN, _LOGIN7, _TOKEN, _PRELOGIN = 0x02, 0x08, 0x10, 0x11, 0x12
_KINDS = frozenset({_OLD_LOGIN, _FEDERATED_TOKEN, _LOGIN7, _TOKEN, _PRELOGIN})
_FIRST = frozenset({bytes([each]) for each in (_PRELOGIN, _LOGIN7, _OLD_LOGIN)})  # what a client begins with
_OLD_SECRETS = ((62, 92), (202, 457))  # of the user, and of other servers
_LOGIN7_LENGTH = 94  # of its fixed part
_PASSWORD, _TOKEN_PLACE, _NEW_PASSWORD, _LONG_TOKEN, _EXTENSIONS = 44, 78, 86, 90, 56  # offsets of offsets and lengths
_TOO_LONG = 0xFFFF  # of a token: another field tells the length
_HAS_EXTENSIONS = 27, 0x10  # the third byte of option flags, and its bit
_FEDERATED, _END_OF_EXTENSIONS = 0x02, 0xFF
_OBFUSCATED_STAR = b"\x07\xa5"  # U+002A: halves of each byte swapped, then XOR with A5
_WIDE = 2  # bytes of a character


def without_tds_passwords(data: bytes) -> bytes:
    """`data`, the beginning of what a client of TDS said, without its passwords and tokens."""
    if data[:1] not in _FIRST:
        return data
    masked = bytearray(data)
    for kind, places in _messages(data):
        message = b"".join(data[start:end] for start, end in places)
        cleaned = _cleaned(kind, message)
        at = 0
        for start, end in places if cleaned != message else ():
            masked[start:end] = cleaned[at : at + end - start]
            at += end - start
    return bytes(masked)


def _messages(data: bytes) -> Iterator[tuple[int, list[tuple[int, int]]]]:
    """Kind of each message up to the end of the login, and where its packets have their data; the last may be cut."""
    at = kind = 0
    places: list[tuple[int, int]] = []
    while at + _HEAD.size <= len(data):
        kind, status, length, *_ = _HEAD.unpack_from(data, at)
        if kind not in _KINDS or length < _HEAD.size:
            break
        places.append((at + _HEAD.size, min(at + length, len(data))))
        at += length
        if status & _LAST:
            yield kind, places
            places = []
    if places:
        yield kind, places


def _cleaned(kind: int, message: bytes) -> bytes:
    """The same message, as long, without what proves who it is."""
    if kind in {_TOKEN, _FEDERATED_TOKEN}:
        return b"*" * len(message)
    cleaned = bytearray(message)
    if kind == _OLD_LOGIN:
        for start, end in _OLD_SECRETS:
            cleaned[start:end] = bytes(ord("*") if each else 0 for each in message[start:end])
    elif kind == _LOGIN7:
        for place in (_PASSWORD, _NEW_PASSWORD):
            start, length = _offset_and_length(message, place)
            count = len(message[start : start + length * _WIDE])
            cleaned[start : start + count] = (_OBFUSCATED_STAR * length)[:count]
        for start, end in _tokens(message):
            cleaned[start:end] = b"*" * len(message[start:end])
    return bytes(cleaned)


def _offset_and_length(message: bytes, place: int) -> tuple[int, int]:
    """Nothing where the message is cut before it, or where the data cannot stand."""
    if len(message) < place + 4:
        return len(message), 0
    offset, length = struct.unpack_from("<HH", message, place)
    return (offset, length) if offset >= _LOGIN7_LENGTH or not length else (_LOGIN7_LENGTH, len(message))


def _tokens(message: bytes) -> Iterator[tuple[int, int]]:
    """Of SSPI, and of federated authentication."""
    start, length = _offset_and_length(message, _TOKEN_PLACE)
    if length == _TOO_LONG and len(message) >= _LOGIN7_LENGTH:
        length = max(int.from_bytes(message[_LONG_TOKEN:_LOGIN7_LENGTH], "little"), length)
    yield start, min(start + length, len(message))
    option, flag = _HAS_EXTENSIONS
    if message[option : option + 1] and message[option] & flag:
        yield from _federated(message, _offset_and_length(message, _EXTENSIONS)[0])


def _federated(message: bytes, pointer: int) -> Iterator[tuple[int, int]]:
    """FeatureExt: kind, length and data of each; a token stands behind its options."""
    at = int.from_bytes(message[pointer : pointer + 4], "little")
    while at + 5 <= len(message) and message[at] != _END_OF_EXTENSIONS:
        begin = at + 5
        end = begin + int.from_bytes(message[at + 1 : begin], "little")
        if message[at] == _FEDERATED:
            yield begin + 1, min(end, len(message))
        at = end
