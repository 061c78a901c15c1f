"""Passwords in CONNECT and AUTH packets of MQTT (versions 3.1, 3.1.1 and 5.0, sections 3.1 and 3.15)."""

from __future__ import annotations

import re

from tlsdecrypt.errors import ParseError
from tlsdecrypt.redact.in_place import stars
from tlsdecrypt.wire import Reader

_CONNECT = re.compile(
    rb"\x10(?:[\x80-\xff]{0,3}[\x00-\x7f])(?:\x00\x04MQTT[\x03-\x05]|\x00\x06MQIsdp[\x03\x83]|\x00\x04MQTT\x84)"
)
_VERSION_5 = 5
_WILL, _PASSWORD, _USER = 0x04, 0x40, 0x80  # connect flags
_AUTHENTICATION_DATA, _USER_PROPERTY = 0x16, 0x26
_FIXED = {0x11: 4, 0x17: 1, 0x19: 1, 0x21: 2, 0x22: 2, 0x27: 4, 0x18: 4, 0x02: 4, 0x01: 1}  # lengths of properties
_MORE = 0x80


def without_mqtt_password(data: bytes) -> bytes:
    """`data`, which may begin with a CONNECT packet, with stars in place of its password and authentication data."""
    connect = _CONNECT.match(data)
    if connect is None:
        return data
    masked = bytearray(data)
    for start, end in _secrets(Reader(data, connect.end()), is_version_5=data[connect.end() - 1] == _VERSION_5):
        masked[start:end] = stars(data[start:end])
    return bytes(masked)


def _secrets(reader: Reader, *, is_version_5: bool) -> list[tuple[int, int]]:
    """Where secrets stand behind the version of a CONNECT; of one that is cut, those up to there."""
    found: list[tuple[int, int]] = []
    try:
        flags = reader.u8("connect flags")
        reader.u16("keep alive")
        if is_version_5:
            _read_properties(reader, found)
        reader.vector(2, "client identifier")
        if flags & _WILL:
            if is_version_5:
                _read_properties(reader, found)
            reader.vector(2, "will topic")
            reader.vector(2, "will payload")
        if flags & _USER:
            reader.vector(2, "user name")
        if flags & _PASSWORD:
            _note(reader, found)
    except ParseError:
        pass
    return found


def _note(reader: Reader, found: list[tuple[int, int]]) -> None:
    """A secret with its length before it; of one that is cut, what there is."""
    length = reader.u16("length")
    end = reader.offset + min(length, reader.remaining)
    found.append((reader.offset, end))
    reader.take(length, "secret")


def _read_properties(reader: Reader, found: list[tuple[int, int]]) -> None:
    length = _variable(reader)
    end = reader.offset + length
    while reader.offset < end:
        name = reader.u8("property")
        if name == _AUTHENTICATION_DATA:
            _note(reader, found)
        elif name in _FIXED:
            reader.take(_FIXED[name], "property")
        else:
            reader.vector(2, "property")
            if name == _USER_PROPERTY:
                reader.vector(2, "value of a property")


def _variable(reader: Reader) -> int:
    """A variable byte integer (section 1.5.5)."""
    number = 0
    for place in range(4):
        byte = reader.u8("variable byte integer")
        number |= (byte & ~_MORE) << 7 * place
        if byte < _MORE:
            break
    return number
