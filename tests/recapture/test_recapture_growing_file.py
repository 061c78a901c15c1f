from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tlsdecrypt.recapture import growing_file
from tlsdecrypt.recapture.growing_file import GrowingFile

STEPS = st.lists(
    st.one_of(
        st.binary(max_size=30),
        st.tuples(st.integers(0, 100), st.integers(0, 40)),
        st.tuples(st.integers(0, 100), st.binary(max_size=20)),
    ),
    max_size=30,
)


@pytest.mark.parametrize("least_mapped", [growing_file.LEAST_MAPPED, 1])
@given(steps=STEPS)
def test_it_is_read_and_overwritten_like_bytes_in_memory(least_mapped: int, steps: list[object]) -> None:
    file, expected = GrowingFile(least_mapped), bytearray()
    for step in steps:
        match step:
            case bytes():
                file.append(step)
                expected += step
            case (int(offset), int(length)):
                assert file.read(offset, length) == bytes(expected[offset : offset + length])
                assert file.mapped(offset, length) == bytes(expected[offset : offset + length])
            case (int(offset), bytes(data)) if offset + len(data) <= len(expected):
                file.overwrite(offset, data)
                expected[offset : offset + len(data)] = data
    assert file.read(0, len(expected) + 1) == bytes(expected)


def test_a_window_anywhere_in_a_large_file_is_what_was_written() -> None:
    file = GrowingFile()
    data = bytes(range(251)) * 10_000
    file.append(data)
    for offset in (0, 1, 4095, 4096, 70_001, 2_000_000):
        window = file.mapped(offset, 300_000)
        assert isinstance(window, memoryview)
        assert window == data[offset : offset + 300_000]
    file.append(b"more")
    assert bytes(file.mapped(len(data) - 300_000, 300_004)) == data[-300_000:] + b"more"


def test_what_cannot_be_mapped_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError("no such device")

    monkeypatch.setattr(growing_file, "mmap", refuse)
    file = GrowingFile()
    file.append(bytes(1_000_000))
    assert file.mapped(3, 900_000) == bytes(900_000)


def test_pieces_are_written_many_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(growing_file, "GATHERED", 10)
    file = GrowingFile()
    for number in range(100):
        file.append(b"%03d" % number)
    assert file.read(0, 1_000) == b"".join(b"%03d" % number for number in range(100))


@pytest.mark.parametrize("accepted", [0, 1, 4096, 9000, 50_000])
def test_long_pieces_are_whole_where_the_system_takes_only_some(accepted: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def some(number: int, pieces: list[bytes]) -> int:
        return os.write(number, b"".join(pieces)[:accepted])

    monkeypatch.setattr(os, "writev", some)
    file, data = GrowingFile(), [bytes([number]) * (4_096 + number) for number in range(12)]
    file.append(*data)
    assert file.read(0, 100_000) == b"".join(data)
    file.append(b"more")
    assert file.read(sum(map(len, data)), 100) == b"more"
