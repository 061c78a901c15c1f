"""HTTP/2 (RFC 9113) with its secrets overwritten: literal values in header blocks, and contents in DATA frames."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tlsdecrypt.app.content import decode_content
from tlsdecrypt.app.hpack_walk import HpackWalk
from tlsdecrypt.errors import ParseError
from tlsdecrypt.recapture.coded_content import gzip_of_length
from tlsdecrypt.recapture.hpack_literals import overwritten
from tlsdecrypt.redact.in_place import stars

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tlsdecrypt.app.hpack_walk import WalkedField
    from tlsdecrypt.recapture.stream_bytes import StreamBytes
    from tlsdecrypt.redact.in_place import InPlaceMasker

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
MAX_CONTENT = 16 << 20  # bytes of one content; what comes after them is looked at for itself
MAX_STREAMS = 4096  # whose content is not complete
WINDOW = 1 << 20  # bytes looked at together where frames are lost

_DATA, _HEADERS, _PUSH_PROMISE, _CONTINUATION = 0, 1, 5, 9
_END_STREAM, _END_HEADERS, _PADDED, _PRIORITY = 0x01, 0x04, 0x08, 0x20
_FRAME_HEADER, _PRIORITY_LENGTH, _PROMISED_LENGTH = 9, 5, 4
_TARGETS = frozenset({":path"})
_PLAIN = frozenset({":method", ":scheme", ":status", ":protocol"})


class _Place(NamedTuple):
    start: int
    end: int


class _Frame(NamedTuple):
    kind: int
    flags: int
    stream: int
    place: _Place  # of the payload


class _Content:
    """What one stream carries in one direction."""

    def __init__(self) -> None:
        self.fields: dict[str, str] = {}
        self.places: list[_Place] = []
        self.length = 0


class Http2Masking:
    """Both directions of a connection, one after the other."""

    def __init__(self, masker: InPlaceMasker) -> None:
        self._masker = masker

    def mask(self, client: StreamBytes, server: StreamBytes) -> None:
        """All frames; behind a hole nothing tells where one begins, and what is known is sought in the bytes."""
        for stream in (client, server):
            _Direction(stream, self._masker).mask()


class _Direction:
    """One direction."""

    def __init__(self, stream: StreamBytes, masker: InPlaceMasker) -> None:
        self._stream = stream
        self._masker = masker
        self._walk = HpackWalk()
        self._contents: dict[int, _Content] = {}
        self._block: list[_Place] = []
        self._block_frame: _Frame | None = None
        self._is_lost = False

    def mask(self) -> None:
        position = len(PREFACE) if self._stream.read(0, len(PREFACE)) == PREFACE else 0
        for frame in self._frames(position):
            position = frame.place.end
            self._take(frame)
            if self._is_lost:
                break
        for content in self._contents.values():
            self._mask_content(content)
        self._mask_rest(position)

    def _frames(self, position: int) -> Iterator[_Frame]:
        stretch = self._stream.stretch(position)
        if stretch is None or stretch[0] != position:
            return
        while position + _FRAME_HEADER <= stretch[1]:
            head = self._stream.read(position, position + _FRAME_HEADER)
            start = position + _FRAME_HEADER
            end = start + int.from_bytes(head[:3], "big")
            if end > stretch[1]:
                return
            number = int.from_bytes(head[5:9], "big") & 0x7FFFFFFF
            yield _Frame(head[3], head[4], number, _Place(start, end))
            position = end

    def _take(self, frame: _Frame) -> None:
        if frame.kind in (_HEADERS, _PUSH_PROMISE):
            self._block, self._block_frame = [self._unpadded(frame)], frame
        elif frame.kind == _CONTINUATION and self._block:
            self._block.append(frame.place)
        elif frame.kind == _DATA:
            self._take_data(frame)
        if frame.kind in (_HEADERS, _PUSH_PROMISE, _CONTINUATION) and frame.flags & _END_HEADERS:
            self._take_block()

    def _unpadded(self, frame: _Frame) -> _Place:
        start, end = frame.place
        if frame.flags & _PADDED and end > start:
            end = max(end - self._stream.read(start, start + 1)[0], start + 1)
            start += 1
        if frame.kind == _HEADERS and frame.flags & _PRIORITY:
            start += _PRIORITY_LENGTH
        elif frame.kind == _PUSH_PROMISE:
            start += _PROMISED_LENGTH
        return _Place(min(start, end), end)

    def _take_block(self) -> None:
        """A whole header block: its literals are masked where they stand, maybe over several frames."""
        places, frame = self._block, self._block_frame
        block = b"".join(self._stream.read(*place) for place in places)
        self._block = []
        try:
            fields = self._walk.walk(block)
        except ParseError:
            self._is_lost = True  # what the table holds is not known any more
            return
        masked = bytearray(block)
        for field in fields:
            if field.end > field.start:
                value = self._masked(field)
                if value != field.value:
                    masked[field.start : field.end] = overwritten(field, value)
        if masked != block:
            _overwrite(self._stream, places, bytes(masked))
        if frame is not None and frame.kind == _HEADERS:
            self._begin_content(frame, fields)

    def _masked(self, field: WalkedField) -> bytes:
        """A field whose name the table lacks may be anything: its value is overwritten."""
        if field.name is None:
            return stars(field.value)
        if field.name in _PLAIN:
            return field.value
        if field.name in _TARGETS:
            return self._masker.target(field.value)
        return self._masker.field(field.name, field.value)

    def _begin_content(self, frame: _Frame, fields: list[WalkedField]) -> None:
        content = self._contents.setdefault(frame.stream, _Content())
        content.fields.update((each.name, each.value.decode("latin-1")) for each in fields if each.name)
        if frame.flags & _END_STREAM:
            self._mask_content(self._contents.pop(frame.stream))
        while len(self._contents) > MAX_STREAMS:
            self._mask_content(self._contents.pop(next(iter(self._contents))))

    def _take_data(self, frame: _Frame) -> None:
        content = self._contents.setdefault(frame.stream, _Content())
        place = self._unpadded(frame)
        if place.end > place.start:
            content.places.append(place)
            content.length += place.end - place.start
        if frame.flags & _END_STREAM:
            self._mask_content(self._contents.pop(frame.stream))
        elif content.length > MAX_CONTENT:
            self._mask_content(content)
            content.places, content.length = [], 0

    def _mask_content(self, content: _Content) -> None:
        data = b"".join(self._stream.read(*place) for place in content.places)
        coding = content.fields.get("content-encoding", "identity").strip().lower()
        media_type = content.fields.get("content-type")
        if not data:
            return
        if coding == "identity":
            masked = self._masker.content(data, media_type)
        else:
            plain, _ = decode_content(data, [coding])
            changed = self._masker.content(plain, media_type)
            masked = data if changed == plain else self._recoded(changed, coding, len(data))
        if masked != data:
            _overwrite(self._stream, content.places, masked)

    @staticmethod
    def _recoded(content: bytes, coding: str, length: int) -> bytes:
        """The field that names the coding stays: of what cannot be packed as long as before, nothing is left."""
        return (gzip_of_length(content, length) if coding == "gzip" else None) or b"*" * length

    def _mask_rest(self, position: int) -> None:
        while (stretch := self._stream.stretch(position)) is not None:
            start, end = stretch[0], min(stretch[0] + WINDOW, stretch[1])
            data = self._stream.read(start, end)
            masked = self._masker.repeated(data)
            if masked != data:
                self._stream.overwrite(start, masked)
            position = end


def _overwrite(stream: StreamBytes, places: list[_Place], data: bytes) -> None:
    at = 0
    for start, end in places:
        stream.overwrite(start, data[at : at + end - start])
        at += end - start
