"""DEFLATE in records."""

from __future__ import annotations

import contextlib
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tlsdecrypt.errors import ParseError
from tlsdecrypt.tls.compression import MAX_PLAINTEXT_LENGTH, Decompressor


@given(records=st.lists(st.binary(max_size=300), max_size=5))
def test_the_history_goes_on_from_record_to_record(records: list[bytes]) -> None:
    compressor, decompressor = zlib.compressobj(), Decompressor()
    for record in records:
        fragment = compressor.compress(record) + compressor.flush(zlib.Z_SYNC_FLUSH)
        assert decompressor.decompress(fragment) == record


def test_a_full_record_passes_and_a_bomb_is_named() -> None:
    full, bomb = (zlib.compress(bytes(MAX_PLAINTEXT_LENGTH + extra)) for extra in (0, 1))
    assert Decompressor().decompress(full) == bytes(MAX_PLAINTEXT_LENGTH)
    with pytest.raises(ParseError, match="expands beyond 16384 bytes"):
        Decompressor().decompress(bomb)


def test_nothing_is_kept_behind_the_end_of_the_stream() -> None:
    decompressor = Decompressor()
    assert decompressor.decompress(zlib.compress(b"last")) == b"last"
    with pytest.raises(ParseError, match="behind the end"):
        decompressor.decompress(b"more")


@given(fragment=st.binary(max_size=100))
def test_random_bytes_raise_only_parse_errors(fragment: bytes) -> None:
    with contextlib.suppress(ParseError):
        assert len(Decompressor().decompress(fragment)) <= MAX_PLAINTEXT_LENGTH
