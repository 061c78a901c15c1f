from __future__ import annotations

import errno
import os
import tempfile
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tlsdecrypt.errors import InputError
from tlsdecrypt.report import spool
from tlsdecrypt.report.spool import Spool

if TYPE_CHECKING:
    from pathlib import Path


@given(pieces=st.dictionaries(st.integers(0, 1 << 60), st.binary(max_size=9)))
def test_pieces_come_in_the_order_of_their_numbers(pieces: dict[int, bytes]) -> None:
    made = Spool()
    for number, piece in pieces.items():
        made.add(number, piece)
    expected = [piece for _, piece in sorted(pieces.items())]
    assert list(made.in_order()) == expected
    assert list(made.in_order()) == expected


@pytest.mark.parametrize("limit", [1, 1 << 20])
def test_what_is_added_after_reading_is_there_too(limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool, "MAX_IN_MEMORY", limit)
    made = Spool()
    made.add(2, b"second")
    assert list(made.in_order()) == [b"second"]
    made.add(1, b"first")
    assert list(made.in_order()) == [b"first", b"second"]


def test_nothing_on_disk_has_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    made = Spool()
    for number in range(2):
        made.add(number, b"x" * spool.MAX_IN_MEMORY)
    assert list(tmp_path.iterdir()) == []
    assert sum(map(len, made.in_order())) == 2 * spool.MAX_IN_MEMORY


def test_a_full_disk_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_given: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    made = Spool()
    monkeypatch.setattr(made._file, "write", fail)
    with pytest.raises(InputError, match="temporary file cannot be written: No space left"):
        made.add(1, b"x" * spool.BUFFER_BYTES)
    made = Spool()
    made.add(1, b"x")
    monkeypatch.setattr(made._file, "write", fail)
    with pytest.raises(InputError, match="temporary file cannot be written: No space left"):
        list(made.in_order())
