from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from tlsdecrypt.recapture import growing_file
from tlsdecrypt.recapture.growing_file import GrowingFile

if TYPE_CHECKING:
    import pytest

STEPS = st.lists(
    st.one_of(
        st.binary(max_size=30),
        st.tuples(st.integers(0, 100), st.integers(0, 40)),
        st.tuples(st.integers(0, 100), st.binary(max_size=20)),
    ),
    max_size=30,
)


@given(steps=STEPS)
def test_it_is_read_and_overwritten_like_bytes_in_memory(steps: list[object]) -> None:
    file, expected = GrowingFile(), bytearray()
    for step in steps:
        match step:
            case bytes():
                file.append(step)
                expected += step
            case (int(offset), int(length)):
                assert file.read(offset, length) == bytes(expected[offset : offset + length])
            case (int(offset), bytes(data)) if offset + len(data) <= len(expected):
                file.overwrite(offset, data)
                expected[offset : offset + len(data)] = data
    assert file.read(0, len(expected) + 1) == bytes(expected)


def test_pieces_are_written_many_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(growing_file, "GATHERED", 10)
    file = GrowingFile()
    for number in range(100):
        file.append(b"%03d" % number)
    assert file.read(0, 1_000) == b"".join(b"%03d" % number for number in range(100))
