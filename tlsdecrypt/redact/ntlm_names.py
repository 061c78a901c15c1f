"""Names in NTLM messages ([MS-NLMP] 2.2.1): fields that stand without anything between them, mostly in UTF-16."""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_MESSAGE = re.compile(rb"NTLMSSP\0([\1-\3])\0\0\0")
_NAME_FIELDS = {1: (16, 24), 2: (12,), 3: (28, 36, 44)}  # where they are told, by the type of the message
_FIELD = struct.Struct("<HHI")  # length, room, offset in the message
_WIDE = re.compile(rb"(?:[^\0]\0)+")


def renamed_ntlm(data: bytes, rename: Callable[[str], str]) -> bytes:
    """`data` in which `rename`, which keeps lengths, was applied to the names of each NTLM message."""
    renamed = bytearray(data)
    for message in _MESSAGE.finditer(data):
        for place in _NAME_FIELDS[message[1][0]]:
            at = message.start() + place
            if at + _FIELD.size > len(data):
                continue
            length, _, offset = _FIELD.unpack_from(data, at)
            start = message.start() + offset
            name = data[start : start + length]
            encoding = "utf-16-le" if _WIDE.fullmatch(name) else "latin-1"
            renamed[start : start + len(name)] = rename(name.decode(encoding)).encode(encoding)
    return bytes(renamed)
