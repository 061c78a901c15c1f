"""Contents with a content coding, with other text inside and as long as before.

gzip has room for padding in its header (RFC 1952 section 2.3.1). Other codings, and text that does not get shorter,
are not coded any more: the field that names the coding is renamed.
"""

from __future__ import annotations

import struct
import zlib

_HEADER = struct.Struct("<2sBBIBB")
_DEFLATE, _HAS_NAME, _UNKNOWN_SYSTEM = 8, 8, 255
_TRAILER_LENGTH = 8


def gzip_of_length(content: bytes, length: int) -> bytes | None:
    """One gzip member of just `length` bytes that holds `content`, None where it needs more."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    packed = packer.compress(content) + packer.flush()
    spare = length - _HEADER.size - len(packed) - _TRAILER_LENGTH
    if spare < 0:
        return None
    name = b"*" * (spare - 1) + b"\0" if spare else b""
    header = _HEADER.pack(b"\x1f\x8b", _DEFLATE, _HAS_NAME if spare else 0, 0, 0, _UNKNOWN_SYSTEM)
    return header + name + packed + struct.pack("<II", zlib.crc32(content), len(content) & 0xFFFFFFFF)


def plain_of_length(content: bytes, length: int) -> bytes:
    """`content` cut, or padded with blanks, to `length` bytes."""
    return content[:length].ljust(length)
