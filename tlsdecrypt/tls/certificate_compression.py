"""Certificate compression (RFC 8879): a Certificate message, compressed with zlib, Brotli or Zstandard."""

from __future__ import annotations

import zlib
from typing import Final

import brotli
import zstandard

from tlsdecrypt.errors import ParseError
from tlsdecrypt.wire import Reader

LONGEST_CERTIFICATE_MESSAGE: Final = 1 << 20  # bytes after decompression; real chains have some kilobytes
_PIECE: Final = 64 << 10

_ZLIB, _BROTLI, _ZSTD = 1, 2, 3


def decompress_certificate(body: bytes) -> bytes:
    """The Certificate message in a CompressedCertificate. Raises ParseError; a bomb is stopped at its stated length."""
    reader = Reader(body)
    algorithm, length = reader.u16("algorithm"), reader.u24("uncompressed length")
    compressed = reader.vector(3, "compressed certificate message")
    if length > LONGEST_CERTIFICATE_MESSAGE:
        raise ParseError(f"compressed certificate of {length} bytes")
    message = _decompress(algorithm, compressed, length)
    if len(message) != length:
        raise ParseError(f"compressed certificate: {length} bytes stated, {len(message)} or more found")
    return message


def _decompress(algorithm: int, compressed: bytes, length: int) -> bytes:
    """At most a little more than `length` bytes."""
    try:
        if algorithm == _ZLIB:
            return zlib.decompressobj().decompress(compressed, length + 1)
        if algorithm == _BROTLI:
            return _decompress_brotli(compressed, length)
        if algorithm == _ZSTD:
            with zstandard.ZstdDecompressor(max_window_size=LONGEST_CERTIFICATE_MESSAGE << 3).stream_reader(
                compressed
            ) as stream:
                return stream.read(length + 1)
    except (zlib.error, brotli.error, zstandard.ZstdError) as error:
        raise ParseError("compressed certificate is damaged") from error
    raise ParseError(f"certificate compression of no known algorithm {algorithm}")


def _decompress_brotli(compressed: bytes, length: int) -> bytes:
    decompressor = brotli.Decompressor()
    output = decompressor.process(compressed, output_buffer_limit=_PIECE)
    pieces, size = [output], len(output)
    while output and size <= length and not decompressor.is_finished():
        output = decompressor.process(b"", output_buffer_limit=_PIECE)
        pieces.append(output)
        size += len(output)
    return b"".join(pieces)
