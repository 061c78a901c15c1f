"""Reader: the only cursor over bytes. Each read past the end is a `ParseError` that names what was wanted."""

from __future__ import annotations

from typing import TypeAlias

from tlsdecrypt.errors import ParseError

Buffer: TypeAlias = bytes | bytearray | memoryview


class Reader:
    """A cursor over `data`; integers are unsigned and big-endian, as in RFC 8446 section 3.3."""

    __slots__ = ("_data", "_end", "offset")

    def __init__(self, data: Buffer, offset: int = 0, end: int | None = None) -> None:
        """Read `data[offset:end]`; `offset` counts from the start of `data` in errors too."""
        self._data = data
        self.offset = offset
        self._end = len(data) if end is None else end

    @property
    def remaining(self) -> int:
        """Bytes that are left."""
        return self._end - self.offset

    def _shortage(self, length: int, what: str) -> ParseError:
        return ParseError(f"{what}: {length} bytes wanted, {self._end - self.offset} left", self.offset)

    def uint(self, size: int, what: str) -> int:
        """An unsigned integer of `size` bytes."""
        start = self.offset
        stop = start + size
        if stop > self._end:
            raise self._shortage(size, what)
        self.offset = stop
        return int.from_bytes(self._data[start:stop], "big")

    def u8(self, what: str) -> int:
        """An unsigned integer of one byte."""
        return self.uint(1, what)

    def u16(self, what: str) -> int:
        """An unsigned integer of two bytes."""
        return self.uint(2, what)

    def u24(self, what: str) -> int:
        """An unsigned integer of three bytes."""
        return self.uint(3, what)

    def u32(self, what: str) -> int:
        """An unsigned integer of four bytes."""
        return self.uint(4, what)

    def u64(self, what: str) -> int:
        """An unsigned integer of eight bytes."""
        return self.uint(8, what)

    def take(self, length: int, what: str) -> bytes:
        """The next `length` bytes, copied."""
        start = self.offset
        stop = start + length
        if stop > self._end:
            raise self._shortage(length, what)
        self.offset = stop
        return bytes(self._data[start:stop])

    def vector(self, length_size: int, what: str) -> bytes:
        """A vector whose length stands before it in `length_size` bytes (RFC 8446 section 3.4)."""
        return self.take(self.uint(length_size, what), what)

    def vectors(self, length_size: int, what: str, most: int) -> tuple[bytes, ...]:
        """All vectors that are left, `most` of them at most."""
        found: list[bytes] = []
        while self.remaining and len(found) < most:
            found.append(self.vector(length_size, what))
        return tuple(found)

    def sub(self, length_size: int, what: str) -> Reader:
        """A Reader over a vector whose length stands before it in `length_size` bytes; this one moves past it."""
        length = self.uint(length_size, what)
        start = self.offset
        stop = start + length
        if stop > self._end:
            raise self._shortage(length, what)
        self.offset = stop
        return Reader(self._data, start, stop)

    def rest(self) -> bytes:
        """All that is left, copied."""
        return self.take(self.remaining, "rest")
