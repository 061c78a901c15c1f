from __future__ import annotations

import bz2
import gzip
import importlib
import importlib.util
import lzma
import os
from typing import TYPE_CHECKING

import pytest
import zstandard
from capture_samples import FRAMES, KEY_LOG, Drip, frames_of, interface, netmon, pcap, pcapng, rows, secrets, section

from tlsdecrypt.capture.compression import COMPRESSIONS, Decompressed, compression_of
from tlsdecrypt.capture.inputs import open_capture
from tlsdecrypt.errors import CaptureError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

COMPRESSORS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": lambda data: gzip.compress(data, 1, mtime=0),
    "zstd": zstandard.ZstdCompressor().compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
}
if importlib.util.find_spec("lz4"):
    COMPRESSORS["lz4"] = importlib.import_module("lz4.frame").compress

each_compression = pytest.mark.parametrize("name", COMPRESSORS)


def decompress(data: bytes, length: int = 1_000_000) -> tuple[bytes, list[str]]:
    """All that comes out, read in pieces of one length, and the complaints."""
    compression = compression_of(data)
    assert compression is not None
    complaints: list[str] = []
    source = Decompressed(compression, Drip(data, length), b"", complaints.append)
    out = b""
    while piece := source.read():
        out += piece
    assert not source.read()
    return out, complaints


@each_compression
def test_a_compressed_capture_is_a_capture(name: str, tmp_path: Path) -> None:
    path = tmp_path / "any.name"
    path.write_bytes(COMPRESSORS[name](pcap()))
    with open_capture(path) as capture:
        assert [each for _, each, _ in rows(capture)] == FRAMES
        assert capture.format == f"pcap, {name}"
        assert capture.position == capture.size == path.stat().st_size
        assert not capture.notes


@each_compression
def test_members_follow_each_other_however_they_are_cut(name: str) -> None:
    compress = COMPRESSORS[name]
    first, second = os.urandom(10_000), b"x" * 100_000
    data = compress(first) + compress(b"") + compress(second)
    for length in (1, 7, 4_095, 4_096, 1_000_000):
        assert decompress(data, length) == (first + second, [])


@each_compression
def test_a_stream_cut_at_any_length_gives_what_stands_before_and_a_complaint(name: str) -> None:
    content = os.urandom(60) * 3
    data = COMPRESSORS[name](content)
    for cut in range(6, len(data)):
        out, complaints = decompress(data[:cut])
        assert content.startswith(out)
        assert complaints == [f"The {name} stream is cut off: what stands before the cut was read."]


@each_compression
def test_a_damaged_stream_ends_with_a_complaint(name: str) -> None:
    content = os.urandom(300_000)
    data = bytearray(COMPRESSORS[name](content))
    data[200_000:200_100] = bytes(100)
    out, complaints = decompress(bytes(data))
    assert len(complaints) <= 1, "a frame without checksum cannot tell"
    if complaints:
        assert "is damaged" in complaints[0]
    else:
        assert len(out) == len(content)


@pytest.mark.parametrize("name", ["gzip", "xz"])
def test_zeros_between_members_are_padding_and_other_bytes_end_the_stream(name: str) -> None:
    compress = COMPRESSORS[name]
    assert decompress(compress(b"one") + bytes(8) + compress(b"two") + bytes(512)) == (b"onetwo", [])
    assert decompress(compress(b"one") + b"garbage") == (
        b"one",
        [f"What follows the {name} stream is of another kind: it was not read."],
    )


def test_skippable_frames_of_zstd_are_skipped() -> None:
    skippable = bytes.fromhex("502a4d18 04000000 aabbccdd")
    compress = COMPRESSORS["zstd"]
    assert decompress(skippable + compress(b"one") + skippable + compress(b"two")) == (b"onetwo", [])


def test_a_bomb_is_inflated_in_bounded_pieces() -> None:
    for name in ("gzip", "xz"):
        compression = compression_of(data := COMPRESSORS[name](bytes(48 << 20)))
        assert compression is not None
        source = Decompressed(compression, Drip(data, 1_000_000), b"", pytest.fail)
        longest = total = 0
        while piece := source.read():
            longest = max(longest, len(piece))
            total += len(piece)
        assert total == 48 << 20
        assert longest <= 32 << 20


def test_a_compressed_capture_that_was_cut_gives_the_frames_before_the_cut(tmp_path: Path) -> None:
    path = tmp_path / "cut.pcap.gz"
    path.write_bytes(gzip.compress(pcap() + os.urandom(100))[:-30])
    found, notes = frames_of(path)
    assert found == FRAMES
    assert "The gzip stream is cut off: what stands before the cut was read." in notes


def test_secrets_of_a_compressed_pcapng_come_on_the_way(tmp_path: Path) -> None:
    path = tmp_path / "late.pcapng.gz"
    path.write_bytes(gzip.compress(pcapng() + secrets(KEY_LOG) + section() + interface()))
    with open_capture(path) as capture:
        assert capture.has_late_secrets
        assert not capture.secrets
        assert len(rows(capture)) == len(FRAMES)
        assert capture.secrets == [KEY_LOG]


def test_a_format_that_goes_back_is_read_compressed_too(tmp_path: Path) -> None:
    path = tmp_path / "netmon.cap.xz"
    path.write_bytes(lzma.compress(netmon()))
    assert frames_of(path) == (FRAMES, [])


def test_a_stream_of_nothing_is_an_error_and_so_is_a_library_that_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "nothing.gz"
    path.write_bytes(gzip.compress(b"")[:12])
    with pytest.raises(CaptureError, match=r"nothing could be decompressed\. The gzip stream is cut off"):
        open_capture(path)
    path.write_bytes(COMPRESSIONS[-1].magics[0])
    monkeypatch.setitem(__import__("sys").modules, "lz4.frame", None)
    with pytest.raises(CaptureError, match="compressed with lz4: install the package lz4"):
        open_capture(path)
