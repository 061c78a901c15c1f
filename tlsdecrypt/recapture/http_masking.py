"""HTTP/1 messages in a stream, with their secrets overwritten: heads field by field, contents by what they hold."""

from __future__ import annotations

import re
from collections import deque
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from tlsdecrypt.app.content import decode_content
from tlsdecrypt.app.http import every_field, first_field
from tlsdecrypt.app.http1_framing import frame_request, frame_response
from tlsdecrypt.app.http1_reader import MAX_HEAD, Message
from tlsdecrypt.app.http_body import ChunkedBody, ContentSink, LengthBody, UntilCloseBody
from tlsdecrypt.app.http_head import RequestLine, StatusLine, parse_fields, parse_request_line, parse_status_line
from tlsdecrypt.errors import ParseError
from tlsdecrypt.flow import Span
from tlsdecrypt.recapture.coded_content import gzip_of_length, plain_of_length
from tlsdecrypt.recapture.stream_bytes import MARKS
from tlsdecrypt.redact.binary import RPC, is_binary_secret

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tlsdecrypt.app.http_body import Body
    from tlsdecrypt.recapture.stream_bytes import StreamBytes
    from tlsdecrypt.redact.in_place import InPlaceMasker

MAX_CONTENT = 16 << 20  # bytes of one content that are looked at as a whole; a longer one in windows of this size
TINY_CONTENT = 4 << 10  # bytes: what is no longer is looked at in any case
SHORT_CONTENT = 256 << 10  # bytes: in what is no longer and looks dull, what the run knows is sought
FIRST_STEP, STEP = 4 << 10, 64 << 10  # bytes read at once: where a message is expected, and beyond
LONGEST_SIZE = 12  # bytes of the size of a chunk of up to 4 GiB, with the ends of lines around it
LONGEST_LINE = 32 << 10  # bytes of a start line that is found in the middle of a stream

_NOWHERE = Span(0, 0, 0, 0)
_HEAD_END = re.compile(rb"\r?\n\r?\n")
_REQUEST_END = re.compile(rb" HTTP/1\.[01]\r?$", re.MULTILINE)  # of a request line; junk may stand before it
_REQUEST_START = re.compile(rb"[A-Z_-]{3,20} \S")
_RESPONSE_START = re.compile(rb"HTTP/1\.[01] \d\d\d\b")
_LAST_CHUNK = re.compile(rb"(?:\r?\n)?0+[ \t]*;[^\r\n]*")
_FIELD = re.compile(rb"([^:\r\n]+):([^\r\n]*(?:\r?\n[ \t][^\r\n]*)*)")
_TARGET = re.compile(rb"[!#-'*+.0-9A-Z^-z|~-]+[ \t]+(\S.*?)(?=[ \t]+HTTP/|\r?\Z)", re.DOTALL)
_CODING = re.compile(rb"^content-encoding(?=[ \t]*:)", re.IGNORECASE | re.MULTILINE)
_RENAMED = b"X-Content-Coding"  # of the same length
_BINARY = re.compile(r"(?:image|audio|video|font)/.*|application/(?:octet-stream|zip|gzip|pdf|vnd\.ms-(?!sync).*)")
_PRINTABLE = re.compile(rb"[\t\n\r\x20-\x7e\x80-\xff]*\Z")
_LOOKED_AT = 512  # bytes that tell text from other content
_SWITCHING, _FINAL = 101, 200


class _Place(NamedTuple):
    start: int
    end: int


class _Sink(ContentSink):
    """Remembers where in the stream content stands."""

    __slots__ = ("base", "places")

    def __init__(self) -> None:
        super().__init__()
        self.base = 0
        self.places: list[_Place] = []

    def add(self, data: bytes | bytearray, start: int, end: int) -> None:  # noqa: ARG002 - it is read again later
        """`data` stands at `base` of the stream."""
        if end > start:
            self.places.append(_Place(self.base + start, self.base + end))


class HttpMasking:
    """Both directions of a connection, or the part of them that is HTTP."""

    def __init__(self, masker: InPlaceMasker) -> None:
        self._masker = masker
        self._methods: deque[str] = deque()

    def mask(self, client: StreamBytes, server: StreamBytes) -> None:
        """All requests, and then all answers."""
        self._mask(client, is_request=True)
        self._mask(server, is_request=False)

    def _mask(self, stream: StreamBytes, *, is_request: bool) -> None:
        position = 0
        while (head := _next_head(stream, position, is_request=is_request)) is not None:
            self._mask_loose(stream, position, head.start)
            position, text = head.start, stream.read(head.start, head.end)
            message = _parse(text, is_request=is_request)
            if message is None:
                self._mask_loose(stream, position, head.end)
                position = head.end
                continue
            body = self._framing(message)
            places, after = _content_places(stream, body, head.end)
            renames = self._mask_content(stream, message, places)
            if isinstance(body, ChunkedBody):
                self._mask_extensions(stream, places, head.end)
                self._mask_trailers(stream, places[-1].end if places else head.end, after)
            masked = self._masked_head(text, is_request=is_request)
            if renames:
                masked = _CODING.sub(_RENAMED, masked)
            if masked != text:
                stream.overwrite(head.start, masked)
            position = after
        self._mask_loose(stream, position, stream.end)

    def _mask_loose(self, stream: StreamBytes, start: int, end: int) -> None:
        """What belongs to no message: the rest of one whose head was not seen, or another protocol."""
        if start < end:
            self._mask_plain(stream, _whole(stream, start, end), None)

    def _framing(self, message: Message) -> Body | None:
        if isinstance(message.line, RequestLine):
            self._methods.append(message.line.method)
            return frame_request(message)
        status = message.line.status
        is_interim = status < _FINAL and status != _SWITCHING
        method = self._methods[0] if self._methods else None
        if is_interim:
            return None
        if self._methods:
            self._methods.popleft()
        return frame_response(method, status, message)

    def _masked_head(self, text: bytes, *, is_request: bool) -> bytes:
        line, ending, rest = text.partition(b"\n")
        if is_request and (target := _TARGET.match(line)):
            masked = self._masker.target(target[1])
            line = line[: target.start(1)] + masked + line[target.end(1) :]
        else:
            line = self._masker.text(line)
        return line + ending + _FIELD.sub(self._masked_field, rest)

    def _mask_extensions(self, stream: StreamBytes, places: list[_Place], start: int) -> None:
        """What stands behind the sizes of chunks (RFC 9112 section 7.1.1)."""
        for before, place in pairwise([_Place(start, start), *places]):
            if place.start - before.end <= LONGEST_SIZE:
                continue
            for between in _whole(stream, before.end, place.start):
                text = stream.read(*between)
                masked = self._masker.text(text)
                if masked != text:
                    stream.overwrite(between.start, masked)

    def _mask_trailers(self, stream: StreamBytes, start: int, end: int) -> None:
        """Extensions of the last chunk, and fields behind it (RFC 9112 section 7.1.2)."""
        for place in _whole(stream, start, end):
            text = stream.read(*place)
            extended = _LAST_CHUNK.match(text)
            masked = self._masker.text(extended[0]) + text[extended.end() :] if extended else text
            masked = _FIELD.sub(self._masked_field, masked)
            if masked != text:
                stream.overwrite(place.start, masked)

    def _masked_field(self, match: re.Match[bytes]) -> bytes:
        return match[1] + b":" + self._masker.field(match[1].decode("latin-1"), match[2])

    def _mask_content(self, stream: StreamBytes, message: Message, places: list[_Place]) -> bool:
        """Whether the content lost its coding, so that the field that names it has to be renamed."""
        if not places:
            return False
        codings = every_field(message.fields, "content-encoding")
        is_coded = any(each.strip().lower() not in {"", "identity"} for each in codings)
        content_type = first_field(message.fields, "content-type")
        if is_coded and places[-1].end - places[0].start <= MAX_CONTENT:
            return self._mask_coded(stream, places, codings, content_type)
        self._mask_plain(stream, places, content_type)
        return False

    def _mask_plain(self, stream: StreamBytes, places: list[_Place], content_type: str | None) -> None:
        """Of long contents only the parts that may hold a secret are looked at."""
        length = sum(end - start for start, end in places)
        if places and is_binary_secret(content_type, _start_of(stream, places[0])):
            content_type = content_type or RPC  # so that what follows the first window is known, too
        elif length > TINY_CONTENT and not self._masker.may_repeat_without(MARKS):
            lively = [_Place(*each) for place in places for each in stream.lively(*place)]
            if not lively and length <= SHORT_CONTENT:
                self._mask_known(stream, places)
            places = places if lively and length <= SHORT_CONTENT else lively
        for window in _windows(places):
            data = b"".join(stream.read(*place) for place in window)
            masked = self._masked(data, content_type)
            if masked != data:
                _overwrite(stream, window, masked)

    def _mask_known(self, stream: StreamBytes, places: list[_Place]) -> None:
        data = b"".join(stream.read(*place) for place in places)
        masked = self._masker.repeated(data)
        if masked != data:
            _overwrite(stream, places, masked)

    def _mask_coded(
        self, stream: StreamBytes, places: list[_Place], codings: list[str], content_type: str | None
    ) -> bool:
        data = b"".join(stream.read(*place) for place in places)
        content, faults = decode_content(data, codings)
        masked = self._masked(content, content_type)
        if masked == content:
            return False
        packed = None
        if [each.strip().lower() for each in codings] == ["gzip"] and not faults:
            packed = gzip_of_length(masked, len(data))
        _overwrite(stream, places, packed or plain_of_length(masked, len(data)))
        return packed is None

    def _masked(self, data: bytes, content_type: str | None) -> bytes:
        """Text by all rules; in what is no text only what is known is sought."""
        kind = (content_type or "").partition(";")[0].strip().lower()
        if _BINARY.fullmatch(kind):
            return self._masker.repeated(data)
        if not kind and not _PRINTABLE.match(data[:_LOOKED_AT]):
            return self._masker.mixed(data)
        return self._masker.content(data, content_type)


def _start_of(stream: StreamBytes, place: _Place) -> bytes:
    return stream.read(place.start, min(place.end, place.start + _LOOKED_AT))


def holds_requests(stream: StreamBytes) -> bool:
    """Whether a request of HTTP/1 stands somewhere in what a client said."""
    return _next_head(stream, 0, is_request=True) is not None


def _next_head(stream: StreamBytes, position: int, *, is_request: bool) -> _Place | None:
    """Where the next message begins, and its head ends."""
    start_of = _request_start if is_request else _response_start
    step = FIRST_STEP
    while (stretch := stream.stretch(position)) is not None:
        position, stop = stretch
        end = min(position + step, stop)
        window = stream.read(position, end)
        found = start_of(window)
        if found is not None:
            return _head_at(stream, position + found, stop)
        position = end if end == stop else max(end - LONGEST_LINE, position)
        step = STEP
    return None


def _request_start(window: bytes) -> int | None:
    """Where the first request line begins, maybe behind other bytes on its line."""
    at = 0
    while (end := _REQUEST_END.search(window, at)) is not None:
        line = max(window.rfind(b"\n", at, end.start()) + 1, at, end.start() - LONGEST_LINE)
        start = _REQUEST_START.search(window, line, end.start())
        if start is not None:
            return start.start()
        at = end.end()
    return None


def _response_start(window: bytes) -> int | None:
    """Where the first status line begins, maybe behind other bytes on its line."""
    start = _RESPONSE_START.search(window)
    return None if start is None else start.start()


def _head_at(stream: StreamBytes, start: int, stop: int) -> _Place:
    """The head that begins at `start`: most are short."""
    head = b""
    for length in (FIRST_STEP, STEP, MAX_HEAD):
        head = stream.read(start, min(start + length, stop))
        end = _HEAD_END.search(head)
        if end is not None:
            return _Place(start, start + end.end())
        if start + len(head) == stop:
            break
    return _Place(start, start + len(head))


def _parse(text: bytes, *, is_request: bool) -> Message | None:
    first, *lines = text.decode("latin-1").rstrip("\r\n").replace("\r\n", "\n").split("\n")
    try:
        line: RequestLine | StatusLine = parse_request_line(first, []) if is_request else parse_status_line(first, [])
    except ParseError:
        return None
    return Message(line, parse_fields(lines, []), [], _NOWHERE)


def _content_places(stream: StreamBytes, body: Body | None, start: int) -> tuple[list[_Place], int]:
    """Where the content of a message stands whose head ends at `start`, and where it ends."""
    if body is None:
        return [], start
    if isinstance(body, LengthBody):
        end = min(start + body.remaining, stream.end)
        return _whole(stream, start, end), end
    if isinstance(body, UntilCloseBody):
        return _whole(stream, start, stream.end), stream.end
    body.sink = sink = _Sink()
    position = start
    while not body.is_complete and (stretch := stream.stretch(position)) is not None:
        if stretch[0] > position and body.gap(stretch[0] - position) is None:
            break
        position = stretch[0]
        data = stream.read(position, min(position + STEP, stretch[1]))
        sink.base = position
        try:
            position += body.feed(data, 0)
        except ParseError:
            break
    return sink.places, max(position, start)


def _whole(stream: StreamBytes, start: int, end: int) -> list[_Place]:
    """The stretches without holes."""
    places: list[_Place] = []
    while start < end and (stretch := stream.stretch(start)) is not None and stretch[0] < end:
        places.append(_Place(stretch[0], min(stretch[1], end)))
        start = stretch[1]
    return places


def _windows(places: list[_Place]) -> Iterator[list[_Place]]:
    """The same in parts of at most MAX_CONTENT bytes."""
    window: list[_Place] = []
    room = MAX_CONTENT
    for start, end in places:
        while start < end:
            stop = min(end, start + room)
            window.append(_Place(start, stop))
            room -= stop - start
            start = stop  # noqa: PLW2901 - the rest of the place
            if not room:
                yield window
                window, room = [], MAX_CONTENT
    if window:
        yield window


def _overwrite(stream: StreamBytes, places: list[_Place], data: bytes) -> None:
    at = 0
    for start, end in places:
        stream.overwrite(start, data[at : at + end - start])
        at += end - start
