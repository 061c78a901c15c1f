from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

import brotli
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from tlsdecrypt.errors import ParseError
from tlsdecrypt.tls.certificate_compression import LONGEST_CERTIFICATE_MESSAGE, decompress_certificate
from tlsdecrypt.tls.handshake import parse_compressed_certificate

if TYPE_CHECKING:
    from collections.abc import Callable

COMPRESS: dict[int, Callable[[bytes], bytes]] = {
    1: zlib.compress,
    2: brotli.compress,
    3: lambda data: zstandard.ZstdCompressor().compress(data),
}


def message(algorithm: int, compressed: bytes, length: int) -> bytes:
    """CompressedCertificate, RFC 8879 section 4."""
    sizes = (length.to_bytes(3, "big"), len(compressed).to_bytes(3, "big"))
    return algorithm.to_bytes(2, "big") + sizes[0] + sizes[1] + compressed


@pytest.mark.parametrize("algorithm", COMPRESS)
@pytest.mark.parametrize("size", [0, 1, 3000, 200_000])
def test_a_certificate_message_comes_back_whole(algorithm: int, size: int) -> None:
    plain = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    assert decompress_certificate(message(algorithm, COMPRESS[algorithm](plain), size)) == plain


def test_certificates_are_read_through_the_compression() -> None:
    plain = bytes.fromhex("00 000008 000003 aabbcc 0000")
    body = message(1, zlib.compress(plain), len(plain))
    assert parse_compressed_certificate(body) == (b"", (b"\xaa\xbb\xcc",))


@pytest.mark.parametrize("algorithm", COMPRESS)
def test_a_bomb_is_stopped_at_the_length_it_states(algorithm: int) -> None:
    compressed = COMPRESS[algorithm](bytes(4 << 20))
    with pytest.raises(ParseError, match="1000 bytes stated"):
        decompress_certificate(message(algorithm, compressed, 1000))


def test_a_message_that_states_too_much_is_refused_unread() -> None:
    with pytest.raises(ParseError, match="compressed certificate of"):
        decompress_certificate(message(1, b"", LONGEST_CERTIFICATE_MESSAGE + 1))


@pytest.mark.parametrize("algorithm", COMPRESS)
def test_a_cut_message_is_a_parse_error(algorithm: int) -> None:
    body = message(algorithm, COMPRESS[algorithm](b"certificate" * 20), 220)
    for length in range(len(body)):
        with pytest.raises(ParseError):
            decompress_certificate(body[:length])


@pytest.mark.parametrize("algorithm", COMPRESS)
def test_a_stream_without_its_end_is_a_parse_error(algorithm: int) -> None:
    compressed = COMPRESS[algorithm](bytes(range(200)))[:40]
    with pytest.raises(ParseError):
        decompress_certificate(message(algorithm, compressed, 200))


def test_an_unknown_algorithm_is_named() -> None:
    with pytest.raises(ParseError, match="no known algorithm 9"):
        decompress_certificate(message(9, b"", 0))


@given(st.sampled_from([1, 2, 3, 4]), st.binary(max_size=60), st.integers(0, 200))
def test_random_bytes_are_a_value_or_a_parse_error(algorithm: int, compressed: bytes, length: int) -> None:
    try:
        certificate = decompress_certificate(message(algorithm, compressed, length))
    except ParseError:
        return
    assert len(certificate) == length
