from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING

import pytest

from tlsdecrypt.recapture import write_behind
from tlsdecrypt.recapture.write_behind import WriteBehind

if TYPE_CHECKING:
    from pathlib import Path


class Full(io.BytesIO):
    def write(self, _: object) -> int:
        raise OSError("no room")


def test_pieces_are_written_in_their_order() -> None:
    stream = io.BytesIO()
    with WriteBehind(stream) as behind:
        for number in range(200):
            behind.write(b"%03d" % number)
    assert stream.getvalue() == b"".join(b"%03d" % number for number in range(200))


def test_a_fault_of_the_last_piece_is_raised_at_the_end() -> None:
    with pytest.raises(OSError, match="no room"), WriteBehind(Full()) as behind:
        behind.write(b"a")


def test_after_a_fault_nobody_waits_for_room() -> None:
    def write_much() -> None:
        with WriteBehind(Full()) as behind:
            for _ in range(1000):
                behind.write(b"a")

    with pytest.raises(OSError, match="no room"):
        write_much()


def test_another_fault_goes_before_that_of_the_thread() -> None:
    with pytest.raises(KeyError), WriteBehind(Full()) as behind:  # noqa: PT012 - the write fails unseen
        behind.write(b"a")
        raise KeyError


@pytest.mark.skipif(sys.platform != "linux", reason="the advice is Linux's")
def test_each_byte_is_sent_to_the_disk_at_most_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[tuple[int, int]] = []
    monkeypatch.setattr(write_behind, "SENT_AT_ONCE", 25)
    monkeypatch.setattr(write_behind, "_send", lambda _, start, length: sent.append((start, length)))
    with (tmp_path / "a").open("wb") as stream, WriteBehind(stream) as behind:
        for _ in range(8):
            behind.write(bytes(10))
    assert sent == [(0, 30), (30, 30)]
    assert (tmp_path / "a").read_bytes() == bytes(80)


@pytest.mark.skipif(sys.platform != "linux", reason="the advice is Linux's")
def test_a_stream_that_is_no_file_on_a_disk_is_written_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write_behind, "SENT_AT_ONCE", 1)
    stream = io.BytesIO()
    with WriteBehind(stream) as behind:
        behind.write(b"a")
        behind.write(b"b")
    assert stream.getvalue() == b"ab"
