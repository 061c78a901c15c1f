"""Certificate compression (RFC 8879): a Certificate message, compressed with zlib, Brotli or Zstandard."""

from __future__ import annotations

import zlib
from typing import Final

from tlsdecrypt.errors import ParseError
from tlsdecrypt.wire import Reader

LONGEST_CERTIFICATE_MESSAGE: Final = 1 << 20  # bytes after decompression; real chains have some kilobytes
_LARGEST_WINDOW: Final = 8 << 20  # bytes that Zstandard may look back, the least that RFC 8878 asks of a decoder
_PIECE: Final = 64 << 10
_DAMAGED: Final = "compressed certificate is damaged"

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
    if algorithm == _ZLIB:
        return _decompress_zlib(compressed, length)
    if algorithm == _BROTLI:
        return _decompress_brotli(compressed, length)
    if algorithm == _ZSTD:
        return _decompress_zstd(compressed, length)
    raise ParseError(f"certificate compression of no known algorithm {algorithm}")


def _decompress_zlib(compressed: bytes, length: int) -> bytes:
    try:
        return zlib.decompressobj().decompress(compressed, length + 1)
    except zlib.error as error:
        raise ParseError(_DAMAGED) from error


def _decompress_brotli(compressed: bytes, length: int) -> bytes:
    import brotli  # noqa: PLC0415 - start-up counts, and few captures need it

    decompressor, pieces, size = brotli.Decompressor(), [], 0
    try:
        output = decompressor.process(compressed, output_buffer_limit=_PIECE)
        while output:
            pieces.append(output)
            size += len(output)
            is_over = size > length or decompressor.is_finished()
            output = b"" if is_over else decompressor.process(b"", output_buffer_limit=_PIECE)
    except brotli.error as error:
        raise ParseError(_DAMAGED) from error
    return b"".join(pieces)


def _decompress_zstd(compressed: bytes, length: int) -> bytes:
    import zstandard  # noqa: PLC0415 - as above

    decompressor = zstandard.ZstdDecompressor(max_window_size=_LARGEST_WINDOW)
    try:
        with decompressor.stream_reader(compressed) as stream:
            return stream.read(length + 1)
    except zstandard.ZstdError as error:
        raise ParseError(_DAMAGED) from error
