"""A stream in a file, among what the other side said, is read and overwritten like bytes in memory."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tlsdecrypt.recapture import stream_bytes
from tlsdecrypt.recapture.growing_file import GrowingFile
from tlsdecrypt.recapture.stream_bytes import Part, StreamBytes

PARTS = st.lists(st.tuples(st.one_of(st.none(), st.binary(max_size=30)), st.integers(0, 60)), max_size=12)
STEPS = st.lists(st.tuples(st.integers(0, 200), st.integers(0, 90), st.booleans()), max_size=20)


def of(parts: list[tuple[bytes | None, int]]) -> tuple[StreamBytes, list[int | None]]:
    """The stream, and its bytes, None where one is missing; behind each part stands what the other side said."""
    file, made, expected = GrowingFile(), [], []
    offset = 0
    for data, between in parts:
        if data is None:
            made.append(Part(-1, between + 1, is_dull=True))
            expected += [None] * (between + 1)
            continue
        made.append(Part(offset, len(data), is_dull=False))
        expected += data
        file.append(data, bytes(between))
        offset += len(data) + between
    return StreamBytes(file, made), expected


@given(parts=PARTS, steps=STEPS, window=st.sampled_from([4, 16, 64, 1 << 16]), skipped=st.sampled_from([0, 20, 1000]))
def test_it_is_read_and_overwritten_like_bytes_in_memory(
    parts: list[tuple[bytes | None, int]], steps: list[tuple[int, int, bool]], window: int, skipped: int
) -> None:
    before = stream_bytes.WINDOW, stream_bytes.MAX_SKIPPED
    stream_bytes.WINDOW, stream_bytes.MAX_SKIPPED = window, skipped
    try:
        stream, expected = of(parts)
        for start, length, is_written in steps:
            some = expected[start : start + length]
            if is_written and len(some) == length and None not in some:
                stream.overwrite(start, b"*" * length)
                expected[start : start + length] = b"*" * length
            assert stream.read(start, start + length) == bytes(
                each for each in expected[start : start + length] if each is not None
            )
    finally:
        stream_bytes.WINDOW, stream_bytes.MAX_SKIPPED = before


def test_many_small_parts_are_read_at_once() -> None:
    stream, expected = of([(b"%05d" % number, 7) for number in range(10_000)])
    reads = []
    read = stream._file.read
    stream._file.read = lambda *place: (reads.append(place), read(*place))[1]  # type: ignore[method-assign]
    for start in range(0, 50_000, 50):
        assert stream.read(start, start + 400) == bytes(expected[start : start + 400])  # type: ignore[arg-type]
    assert len(reads) < 10
