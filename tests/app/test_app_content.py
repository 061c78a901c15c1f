"""Content codings are undone, bounded, and what is damaged gives what stands before the damage."""

from __future__ import annotations

import gzip
import zlib

import brotli
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from tlsdecrypt.app import content
from tlsdecrypt.app.content import decode_content

TEXT = b"".join(b"line %d of something that can be packed\n" % number for number in range(20_000))


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


def streamed_zstd(data: bytes) -> bytes:
    packer = zstandard.ZstdCompressor().compressobj()  # like a server that does not know the length beforehand
    return packer.compress(data) + packer.flush()


PACKED = [
    ("gzip", gzip.compress(TEXT)),
    ("X-GZIP", gzip.compress(TEXT)),
    ("deflate", zlib.compress(TEXT)),
    ("deflate", raw_deflate(TEXT)),
    ("br", brotli.compress(TEXT, quality=4)),
    ("zstd", zstandard.compress(TEXT)),
    ("zstd", streamed_zstd(TEXT)),
]


@pytest.mark.parametrize(("coding", "data"), PACKED)
def test_each_coding_is_undone(coding: str, data: bytes) -> None:
    assert decode_content(data, [coding]) == (TEXT, [])


@pytest.mark.parametrize(("coding", "data"), PACKED)
def test_a_cut_stream_gives_what_could_be_decoded(coding: str, data: bytes) -> None:
    decoded, faults = decode_content(data[: len(data) // 2], [coding])
    assert TEXT.startswith(decoded)
    assert len(decoded) > 10_000
    assert faults == [f"{coding.lower()} content ends too early"]


@pytest.mark.parametrize(("coding", "data"), PACKED[:4])
def test_a_damaged_stream_gives_what_stands_before_the_damage(coding: str, data: bytes) -> None:
    middle = len(data) // 2
    decoded, faults = decode_content(data[:middle] + b"\xff" * 40 + data[middle + 40 :], [coding])
    assert decoded[:10_000] == TEXT[:10_000]
    assert faults == [f"{coding.lower()} content is damaged"]


@pytest.mark.parametrize(("coding", "data"), PACKED)
def test_a_bomb_is_cut_at_the_bound(coding: str, data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(content, "MAX_DECODED", 1_000)
    decoded, faults = decode_content(data, [coding])
    assert decoded == TEXT[:1_000]
    assert faults == [f"{coding.lower()} content grows beyond 1,000 bytes: cut there"]


def test_codings_are_undone_in_reverse_order() -> None:
    data = brotli.compress(gzip.compress(TEXT), quality=1)
    assert decode_content(data, ["gzip, br"]) == (TEXT, [])
    assert decode_content(data, ["gzip", "identity, br", "chunked"]) == (TEXT, [])


def test_several_gzip_members_are_one_content() -> None:
    assert decode_content(gzip.compress(b"one ") + gzip.compress(b"two"), ["gzip"]) == (b"one two", [])


def test_gzip_members_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(content, "MAX_GZIP_MEMBERS", 2)
    assert decode_content(gzip.compress(b"a") * 3, ["gzip"]) == (b"aa", ["gzip content has more than 2 members"])


def test_what_is_unknown_or_stacked_too_high_is_left_and_named() -> None:
    assert decode_content(b"abc", ["lzma2"]) == (b"abc", ["unknown content coding 'lzma2': not decoded"])
    assert decode_content(b"abc", ["gzip"] * 5) == (b"abc", ["more than 4 content codings: not decoded"])


def test_without_a_coding_nothing_changes() -> None:
    assert decode_content(b"abc", []) == (b"abc", [])
    assert decode_content(b"", ["gzip"]) == (b"", [])


@given(
    st.binary(max_size=200), st.lists(st.sampled_from(["gzip", "deflate", "br", "zstd", "x", "identity"]), max_size=3)
)
def test_no_bytes_make_it_fail(data: bytes, codings: list[str]) -> None:
    decoded, _ = decode_content(data, codings)
    assert isinstance(decoded, bytes)
