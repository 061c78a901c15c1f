"""What a window reads ahead is what it would have read when asked."""

from __future__ import annotations

import io
import os
import threading
from typing import TYPE_CHECKING

import pytest
from capture_samples import Frame, frame, pcap, pcapng

from tlsdecrypt.capture.ledger import Ledger
from tlsdecrypt.capture.pcap import PcapReader
from tlsdecrypt.capture.pcapng import PcapngReader
from tlsdecrypt.capture.window import FileWindow

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

DATA = bytes(range(256)) * 4


class Watched(io.BytesIO):
    """Counts how often it is read."""

    reads = 0

    def read(self, size: int | None = -1) -> bytes:
        self.reads += 1
        return super().read(size)


def _window(file: io.BytesIO, complaints: list[str]) -> FileWindow:
    window = FileWindow(file, complaints.append, 100)  # type: ignore[arg-type]
    window.advance(0, 0)
    return window


@pytest.mark.parametrize("expected", [None, 90, 40, 100, 5000], ids=["nothing", "right", "wrong", "all", "beyond"])
@pytest.mark.parametrize("wanted", [0, 300], ids=["a batch", "a long record"])
def test_what_was_expected_makes_no_difference(expected: int | None, wanted: int) -> None:
    window = _window(io.BytesIO(DATA), [])
    if expected is not None:
        window.expect(expected)
    window.advance(90, wanted)
    assert window.data == DATA[90 : 90 + max(100, wanted)]
    assert (window.start, window.is_last) == (90, False)


def test_what_was_expected_is_read_once() -> None:
    file = Watched(DATA)
    window = _window(file, [])
    window.expect(90)
    window.advance(90, 0)
    assert file.reads == 2


def test_the_end_is_found_when_it_was_read_ahead() -> None:
    window = _window(io.BytesIO(DATA[:150]), [])
    window.expect(95)
    window.advance(95, 0)
    assert (window.data, window.is_last) == (DATA[95:150], True)
    window.expect(10)
    window.advance(10, 0)
    assert window.data == DATA[105:150]


def test_a_file_that_is_closed_while_it_is_read_ahead_is_no_fault(recwarn: pytest.WarningsRecorder) -> None:
    file = io.BytesIO(DATA)
    window = _window(file, [])
    file.close()
    window.expect(50)
    window.release()
    assert not recwarn.list


def test_what_fails_ahead_is_complained_of_when_it_is_wanted() -> None:
    class Breaking(io.BytesIO):
        def seek(self, offset: int, _whence: int = 0) -> int:
            if offset:
                raise OSError(5, "Input/output error")
            return super().seek(offset)

    complaints: list[str] = []
    window = _window(Breaking(DATA), complaints)
    window.expect(50)
    assert complaints == []
    window.advance(50, 0)
    assert (window.data, window.is_last) == (b"", True)
    assert complaints == ["Reading failed at byte 50: Input/output error."]


class Asked(FileWindow):
    """Keeps what was expected of it, and what came true."""

    def __init__(self, data: bytes) -> None:
        super().__init__(io.BytesIO(data), [].append, 500)  # type: ignore[arg-type]
        self.expected: list[int] = []
        self.advanced: list[int] = []
        super().advance(0, 0)

    def expect(self, used: int) -> None:
        self.expected.append(self.start + used)
        super().expect(used)

    def advance(self, used: int, wanted: int) -> None:
        super().advance(used, wanted)
        self.advanced.append(self.start)


@pytest.mark.parametrize("make", [pcap, pcapng])
def test_readers_read_ahead_from_where_they_go_on(make: Callable[[list[Frame]], bytes]) -> None:
    window = Asked(make([frame(number, 100) for number in range(1, 40)]))
    reader = PcapReader(window, Ledger(1)) if make is pcap else PcapngReader(window, Ledger(1), with_secrets=True)
    assert sum(len(batch) for batch in reader.batches()) == 39
    assert len(window.advanced) > 3
    assert window.expected[: len(window.advanced)] == window.advanced


def test_what_is_read_ahead_touches_no_file_that_was_opened_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first file is closed before the reading begins, and its descriptor's number goes to the second."""
    (tmp_path / "first").write_bytes(b"a" * 64)
    (tmp_path / "second").write_bytes(b"b" * 64)
    may_read, pread = threading.Event(), os.pread
    monkeypatch.setattr(os, "pread", lambda *where: may_read.wait(10) and pread(*where))
    first = (tmp_path / "first").open("rb", buffering=0)
    window = FileWindow(first, [].append, 16)
    window.advance(0, 0)
    window.expect(16)
    number = first.fileno()
    first.close()
    with (tmp_path / "second").open("rb", buffering=0) as second:
        assert second.fileno() == number
        may_read.set()
        ahead = window._ahead
        assert ahead is not None
        ahead.join()
        assert (ahead.data, second.tell()) == (b"a" * 16, 0)
