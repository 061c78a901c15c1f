"""StreamBytes: what one side of a connection said, as one stream of bytes that may be read and overwritten anywhere."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tlsdecrypt.recapture.growing_file import GrowingFile

WINDOW = 256 << 10  # bytes of a stream that are kept at hand: messages are read one after the other
MAX_SKIPPED = 64 << 10  # bytes between two parts, said by the other side, that are read along
MARGIN = 4096  # bytes on both sides of what may hold a secret that are looked at with it
# Bytes without which nothing looks like a secret: `name=value`, `name: value`, markup, Basic and Bearer, NTLM and
# Negotiate, JWTs (`eyJ`), and `password 'value'`.
MARKS = (b"=", b":", b"<", b"B", b"N", b"J", b"'", b'"')


class Part(NamedTuple):
    """Some bytes in the spool; of a hole the offset is -1. `is_dull`: nothing in them looks like a secret."""

    offset: int
    length: int
    is_dull: bool


def is_dull(data: bytes) -> bool:
    """Whether nothing in these bytes looks like a secret."""
    for mark in MARKS:  # noqa: SIM110 - a generator would take longer than the search
        if mark in data:
            return False
    return True


class StreamBytes:
    """Positions count from the first byte of the stream; a hole counts with its length, and cannot be read."""

    def __init__(self, file: GrowingFile, parts: Sequence[Part]) -> None:
        self._file = file
        self._parts = parts
        self._starts = list(accumulate((each.length for each in parts), initial=0))
        self._holes = [index for index, each in enumerate(parts) if each.offset < 0]
        self._window, self._window_start = bytearray(), 0
        self.is_changed = False

    @property
    def end(self) -> int:
        """How long the stream is."""
        return self._starts[-1]

    def stretch(self, position: int) -> tuple[int, int] | None:
        """The next stretch without a hole that ends behind `position`: where it begins (or `position`), and ends."""
        index = max(bisect_right(self._starts, position) - 1, 0)
        while index < len(self._parts) and (self._parts[index].offset < 0 or not self._parts[index].length):
            index += 1
        if index >= len(self._parts):
            return None
        start = max(position, self._starts[index])
        hole = bisect_left(self._holes, index)  # walking there would be quadratic over the messages of a stream
        return start, self._starts[self._holes[hole] if hole < len(self._holes) else len(self._parts)]

    def read(self, start: int, end: int) -> bytes:
        """Some bytes; what is missing in them is left out."""
        end = min(end, self.end)
        if end <= start:
            return b""
        at = start - self._window_start
        if at < 0 or end - self._window_start > len(self._window):
            stretch = self.stretch(start)
            if stretch is None or stretch[0] > start or stretch[1] < end or end - start > WINDOW // 2:
                return self._gathered(start, end)
            self._window, self._window_start = bytearray(self._gathered(start, min(start + WINDOW, stretch[1]))), start
            at = 0
        return bytes(self._window[at : at + end - start])

    def beginning(self, most: int) -> bytes:
        """The first bytes, up to a hole; nothing where they were not captured."""
        start, stop = self.stretch(0) or (0, 0)
        return b"" if start else self.read(0, min(stop, most))

    def _gathered(self, start: int, end: int) -> bytes:
        """Both sides stand in the file as they spoke: parts with little between them are read at once."""
        pieces: list[bytes] = []
        near: list[tuple[int, int]] = []
        for offset, length in self._places(start, end):
            last = sum(near[-1]) if near else offset
            if not last <= offset <= last + MAX_SKIPPED or offset - (near[0][0] if near else offset) > WINDOW:
                pieces += self._near(near)
                near = []
            near.append((offset, length))
        return b"".join(pieces + self._near(near))

    def _near(self, places: list[tuple[int, int]]) -> list[bytes]:
        """What stands at these places of the file, in rising order."""
        if not places:
            return []
        first = places[0][0]
        data = self._file.read(first, sum(places[-1]) - first)
        return [data[offset - first : offset - first + length] for offset, length in places]

    def lively(self, start: int, end: int) -> list[tuple[int, int]]:
        """The stretches of these bytes, with a margin, in which something may look like a secret."""
        first = max(bisect_right(self._starts, start) - 1, 0)
        stretches: list[tuple[int, int]] = []
        for index in range(first, bisect_right(self._starts, end - 1)):
            begin, stop = max(self._starts[index], start), min(self._starts[index + 1], end)
            part = self._parts[index]
            if part.is_dull or (stop - begin < part.length and is_dull(self.read(begin, stop))):
                continue
            begin, stop = max(begin - MARGIN, start), min(stop + MARGIN, end)
            if stretches and begin <= stretches[-1][1]:
                begin = stretches.pop()[0]
            stretches.append((begin, stop))
        return stretches

    def overwrite(self, start: int, data: bytes) -> None:
        """Other bytes in place of those from `start` on; there is no hole among them."""
        self.is_changed = True
        first, last = max(start, self._window_start), min(start + len(data), self._window_start + len(self._window))
        if first < last:
            at = first - self._window_start
            self._window[at : at + last - first] = data[first - start : last - start]
        at = 0
        for offset, length in self._places(start, start + len(data)):
            self._file.overwrite(offset, data[at : at + length])
            at += length

    def _places(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        """Where in the spool the bytes stand."""
        index = max(bisect_right(self._starts, start) - 1, 0)
        while start < end and index < len(self._parts):
            stop = min(end, self._starts[index + 1])
            if self._parts[index].offset >= 0 and stop > start:
                yield self._parts[index].offset + start - self._starts[index], stop - start
            start = max(start, stop)
            index += 1
