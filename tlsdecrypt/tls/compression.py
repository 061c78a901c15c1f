"""Compression of records by DEFLATE, RFC 3749."""

from __future__ import annotations

import zlib
from typing import Final

from tlsdecrypt.errors import ParseError

MAX_PLAINTEXT_LENGTH: Final = 2**14
"""What a record may hold decompressed, RFC 3749 section 2: more is a decompression bomb, or an error."""


class Decompressor:
    """Decompresses the records of one direction and epoch; the history goes on from record to record."""

    def __init__(self) -> None:
        """A fresh history."""
        self._stream = zlib.decompressobj()

    def decompress(self, fragment: bytes) -> bytes:
        """The plaintext of a record; raises ParseError where it is not DEFLATE, or holds more than a record may."""
        if self._stream.eof:
            msg = "DEFLATE: a record behind the end of the stream"
            raise ParseError(msg)
        try:
            plaintext = self._stream.decompress(fragment, MAX_PLAINTEXT_LENGTH + 1)
        except zlib.error as fault:
            msg = f"DEFLATE: {fault}"
            raise ParseError(msg) from fault
        if len(plaintext) > MAX_PLAINTEXT_LENGTH:
            msg = f"DEFLATE: a record of {len(fragment)} bytes expands beyond {MAX_PLAINTEXT_LENGTH} bytes"
            raise ParseError(msg)
        return plaintext
