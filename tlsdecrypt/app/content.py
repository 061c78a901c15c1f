"""Content codings undone: gzip, deflate, br and zstd (RFC 9110 section 8.4), bounded.

What stands before a cut, a damage or the bound is kept, and the fault named.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

MAX_DECODED = 32 * 1024 * 1024
MAX_CODINGS = 4
STEP = 64 * 1024  # bytes given to or taken from a decompressor at once
MAX_GZIP_MEMBERS = 1_000
MAX_ZSTD_WINDOW = 8 * 1024 * 1024  # what RFC 8878 section 3.1.1.1.2 asks decoders to support

_IGNORED = frozenset({"identity", "chunked", ""})
_GZIP_MAGIC = b"\x1f\x8b"
_CUT = "ends too early"
_DAMAGED = "is damaged"


def decode_content(data: bytes, codings: Iterable[str]) -> tuple[bytes, list[str]]:
    """`data` without its codings (field values in the order they were applied), and what was wrong with it."""
    names = [name for value in codings for name in (each.strip().lower() for each in value.split(","))]
    wanted = [name for name in names if name not in _IGNORED]
    if not wanted or not data:
        return data, []
    if len(wanted) > MAX_CODINGS:
        return data, [f"more than {MAX_CODINGS} content codings: not decoded"]
    faults: list[str] = []
    for name in reversed(wanted):
        decode = _DECODERS.get(name)
        if decode is None:
            faults.append(f"unknown content coding {name[:32]!r}: not decoded")
            break
        data = _collect(decode(data), name, faults) if data else data
    return data, faults


def _collect(pieces: Iterator[bytes], name: str, faults: list[str]) -> bytes:
    """All pieces up to `MAX_DECODED` bytes."""
    kept: list[bytes] = []
    length = 0
    try:
        for piece in pieces:
            kept.append(piece)
            length += len(piece)
            if length > MAX_DECODED:
                faults.append(f"{name} content grows beyond {MAX_DECODED:,} bytes: cut there")
                return b"".join(kept)[:MAX_DECODED]
    except ValueError as error:
        faults.append(f"{name} content {error}")
    return b"".join(kept)


def _inflate(data: bytes) -> Iterator[bytes]:
    """Members of gzip, zlib, or the raw deflate that some servers send instead (RFC 9110 section 8.4.1.2)."""
    offset = 0
    for _ in range(MAX_GZIP_MEMBERS):
        is_gzip = data.startswith(_GZIP_MAGIC, offset)
        window_bits = zlib.MAX_WBITS | 16 if is_gzip else zlib.MAX_WBITS if _is_zlib(data) else -zlib.MAX_WBITS
        inflater = zlib.decompressobj(window_bits)
        while not inflater.eof and offset < len(data):
            step = data[offset : offset + STEP]
            yield from _inflate_step(inflater, step)
            offset += len(step) - len(inflater.unused_data)
        if not inflater.eof:
            raise ValueError(_CUT)
        if not data.startswith(_GZIP_MAGIC, offset):
            return
    raise ValueError(f"has more than {MAX_GZIP_MEMBERS:,} members")


def _is_zlib(data: bytes) -> bool:
    """Whether `data` begins with the header of RFC 1950 section 2.2."""
    return data[0] & 0x0F == zlib.DEFLATED and int.from_bytes(data[:2], "big") % 31 == 0


def _inflate_step(inflater: zlib._Decompress, data: bytes) -> Iterator[bytes]:
    """What `data` holds; where it is damaged, byte by byte up to there."""
    before = inflater.copy()
    try:
        yield inflater.decompress(data, STEP)
        while inflater.unconsumed_tail:
            data = inflater.unconsumed_tail
            before = inflater.copy()
            yield inflater.decompress(data, STEP)
    except zlib.error:
        yield _inflate_until_damage(before, data)
        raise ValueError(_DAMAGED) from None


def _inflate_until_damage(inflater: zlib._Decompress, data: bytes) -> bytes:
    output = bytearray()
    try:
        for position in range(len(data)):
            output += inflater.decompress(data[position : position + 1])
    except zlib.error:
        pass
    return bytes(output)


def _unbrotli(data: bytes) -> Iterator[bytes]:
    import brotli  # noqa: PLC0415  rarely needed, and start-up counts

    decompressor = brotli.Decompressor()
    try:
        piece = decompressor.process(data, output_buffer_limit=STEP)
        while piece:
            yield piece
            piece = decompressor.process(b"", output_buffer_limit=STEP)
    except brotli.error:
        raise ValueError(_DAMAGED) from None
    if not decompressor.is_finished():
        raise ValueError(_CUT)


def _unzstd(data: bytes) -> Iterator[bytes]:
    import zstandard  # noqa: PLC0415  rarely needed, and start-up counts

    length = 0
    try:
        with zstandard.ZstdDecompressor(max_window_size=MAX_ZSTD_WINDOW).stream_reader(
            data, read_across_frames=True
        ) as reader:
            while piece := reader.read(STEP):
                length += len(piece)
                yield piece
        whole = zstandard.ZstdDecompressor(max_window_size=MAX_ZSTD_WINDOW).decompressobj()
        whole.decompress(data)  # as much again as was read above, which the caller bounds
    except zstandard.ZstdError:
        raise ValueError(_DAMAGED) from None
    if not whole.eof:
        raise ValueError(_CUT)


_DECODERS: dict[str, Callable[[bytes], Iterator[bytes]]] = {
    "gzip": _inflate,
    "x-gzip": _inflate,
    "deflate": _inflate,
    "br": _unbrotli,
    "zstd": _unzstd,
}
