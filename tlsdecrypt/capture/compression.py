"""Compressed captures, known by their first bytes: gzip, zstd, bzip2, xz and lz4, with any number of members."""

from __future__ import annotations

import importlib
import zlib
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from tlsdecrypt.capture.window import Source

# What is given to a decompressor at once. 4 kB of zstd can hold 128 MB, of bzip2 80 MB; no more is ever in memory.
SLICE_BYTES = 4_096
MAX_MAGIC_BYTES = 6


class Compression(NamedTuple):
    """A compression: its magics (skippable frames included), and how a decompressor of one member is made.

    A decompressor has `decompress(bytes)`, `eof` and `unused_data`, as those of `bz2` and `lzma`.
    """

    name: str
    magics: tuple[bytes, ...]
    decompressor: Callable[[], Any]


# Each library is loaded where it is needed: start-up time of captures that are not compressed.
def _zstd() -> Any:
    return importlib.import_module("zstandard").ZstdDecompressor().decompressobj()


def _bzip2() -> Any:
    return importlib.import_module("bz2").BZ2Decompressor()


def _xz() -> Any:
    lzma = importlib.import_module("lzma")
    return lzma.LZMADecompressor(lzma.FORMAT_XZ)


def _lz4() -> Any:
    return importlib.import_module("lz4.frame").LZ4FrameDecompressor()


# RFC 8878 section 3.1.2: skippable frames; parallel compressors begin with one.
_SKIPPABLE = tuple(bytes((0x50 + each, 0x2A, 0x4D, 0x18)) for each in range(16))

COMPRESSIONS = (
    Compression("gzip", (b"\x1f\x8b\x08",), lambda: zlib.decompressobj(wbits=31)),
    Compression("zstd", (b"\x28\xb5\x2f\xfd", *_SKIPPABLE), _zstd),
    Compression("bzip2", (b"BZh",), _bzip2),
    Compression("xz", (b"\xfd7zXZ\x00",), _xz),
    Compression("lz4", (b"\x04\x22\x4d\x18",), _lz4),
)


def compression_of(head: bytes) -> Compression | None:
    """The compression whose magic stands at the start of `head`."""
    return next((each for each in COMPRESSIONS if head.startswith(each.magics)), None)


class Decompressed:
    """A Source of what another one holds compressed. Where that is cut or damaged, what stands before still comes."""

    def __init__(self, compression: Compression, source: Source, head: bytes, complain: Callable[[str], None]) -> None:
        """`head` was read from `source` already. Raises ImportError without its library."""
        self._compression = compression
        self._source = source
        self._complain = complain
        self._member = compression.decompressor()
        self._input = memoryview(head)
        self._is_between = False
        self._is_over = False

    def read(self) -> bytes:
        """What the next slices hold, at least a byte of it; nothing at the end."""
        while not self._is_over:
            if self._is_between:
                self._next_member()
            elif self._more_input(1):
                if piece := self._decompress():
                    return piece
            else:
                self._end(f"The {self._compression.name} stream is cut off: what stands before the cut was read.")
        return b""

    def is_ready(self, timeout_s: float) -> bool:
        """Whether compressed bytes are there: all but a few of them give something."""
        return bool(self._input) or self._source.is_ready(timeout_s)

    def _more_input(self, wanted: int) -> bool:
        """Whether `wanted` bytes of input are there, once the source was asked for them."""
        while len(self._input) < wanted:
            if not (piece := self._source.read()):
                return False
            self._input = memoryview(bytes(self._input) + piece)
        return True

    def _decompress(self) -> bytes:
        slice_length = min(SLICE_BYTES, len(self._input))
        try:
            piece: bytes = self._member.decompress(self._input[:slice_length])
        except Exception as error:  # noqa: BLE001 -- each of the five libraries has its own exceptions, or plain ones
            self._end(f"The {self._compression.name} stream is damaged ({error}): what stands before was read.")
            return b""
        if self._member.eof:
            slice_length -= len(self._member.unused_data or b"")
            self._is_between = True
        self._input = self._input[slice_length:]
        return piece

    def _next_member(self) -> None:
        """Begin the next member, if there is one: they may be padded with zeros (gzip of tapes, xz)."""
        while self._more_input(1) and not self._input[0]:
            self._input = memoryview(bytes(self._input).lstrip(b"\0"))
        self._more_input(MAX_MAGIC_BYTES)
        head = bytes(self._input[:MAX_MAGIC_BYTES])
        if head.startswith(self._compression.magics):
            self._member = self._compression.decompressor()
            self._is_between = False
        elif head:
            self._end(f"What follows the {self._compression.name} stream is of another kind: it was not read.")
        else:
            self._is_over = True

    def _end(self, sentence: str) -> None:
        self._complain(sentence)
        self._is_over = True
