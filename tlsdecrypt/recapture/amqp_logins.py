"""Passwords in logins of AMQP: 0-9-1 (sections 4.2 and 1.4.2), and SASL of 1.0 (part 5, section 5.3)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from tlsdecrypt.errors import ParseError
from tlsdecrypt.wire import Reader

if TYPE_CHECKING:
    from collections.abc import Iterator


_BEFORE_TLS, _SASL, _BARE = b"AMQP\x02\x01\0\0", b"AMQP\x03\x01\0\0", b"AMQP\0\x01\0\0"  # of 1.0
_OLD = (b"AMQP\0", b"AMQP\x01")  # all up to 0-9-1
_HEADER = 8
_OLD_FRAME = struct.Struct(">BHI")
_METHOD, _FRAME_END = 1, 1
_START_OK, _SECURE_OK = (10, 11), (10, 21)
_NEW_FRAME = struct.Struct(">IBBH")
_SASL_FRAME, _WORD = 1, 4
_LIST8, _LIST32 = 0xC0, 0xD0
_BINARY8, _STRING8, _SYMBOL8 = 0xA0, 0xA1, 0xA3
_BINARY32, _STRING32, _SYMBOL32 = 0xB0, 0xB1, 0xB3
_NULL, _SMALL_LONG = 0x40, 0x53


def proofs(data: bytes) -> Iterator[tuple[int, int]]:
    """Where the responses of SASL stand, of a frame that is cut up to there."""
    start = len(_BEFORE_TLS) if data.startswith(_BEFORE_TLS) else 0
    if data.startswith(_SASL, start):
        yield from _of_sasl_frames(data, start + _HEADER)
    elif data.startswith(_OLD) and not data.startswith(_BARE):
        yield from _of_methods(data)


def _of_methods(data: bytes) -> Iterator[tuple[int, int]]:
    """`response` of Connection.StartOk and Connection.SecureOk: a long string."""
    at = _HEADER
    while at + _OLD_FRAME.size <= len(data):
        kind, _, length = _OLD_FRAME.unpack_from(data, at)
        begin = at + _OLD_FRAME.size
        at = begin + length + _FRAME_END
        if kind != _METHOD:
            continue
        reader = Reader(data, begin, min(begin + length, len(data)))
        try:
            method = reader.u16("class"), reader.u16("method")
            if method == _START_OK:
                reader.vector(4, "client properties")
                reader.vector(1, "mechanism")
            elif method != _SECURE_OK:
                continue
            yield _long(reader)
        except ParseError:
            return


def _of_sasl_frames(data: bytes, at: int) -> Iterator[tuple[int, int]]:
    """Every binary value of SASL frames: initial-response, response."""
    while at + _NEW_FRAME.size <= len(data):
        length, offset, kind, _ = _NEW_FRAME.unpack_from(data, at)
        if kind != _SASL_FRAME or length < _NEW_FRAME.size:
            return
        end = min(at + length, len(data))
        reader = Reader(data, min(at + max(offset * _WORD, _NEW_FRAME.size), end), end)
        at += length
        try:
            yield from _binaries(reader)
        except ParseError:
            continue


def _binaries(reader: Reader) -> Iterator[tuple[int, int]]:
    """Of the list that is described: fields of SASL are symbols, strings and binaries."""
    reader.u8("descriptor")
    reader.take(1 if reader.u8("constructor") == _SMALL_LONG else 8, "descriptor")
    kind = reader.u8("list")
    if kind not in {_LIST8, _LIST32}:
        return
    reader.take(2 if kind == _LIST8 else 8, "size and count")
    while reader.remaining:
        kind = reader.u8("constructor")
        if kind == _BINARY8:
            yield _short(reader)
        elif kind == _BINARY32:
            yield _long(reader)
        elif kind in {_STRING8, _SYMBOL8}:
            reader.vector(1, "text")
        elif kind in {_STRING32, _SYMBOL32}:
            reader.vector(4, "text")
        elif kind != _NULL:
            return


def _short(reader: Reader) -> tuple[int, int]:
    return _taken(reader, reader.u8("length"))


def _long(reader: Reader) -> tuple[int, int]:
    return _taken(reader, reader.uint(4, "length"))


def _taken(reader: Reader, length: int) -> tuple[int, int]:
    """Where the next bytes stand; of what is cut, those that are there."""
    begin = reader.offset
    reader.take(min(length, reader.remaining), "secret")
    return begin, reader.offset
