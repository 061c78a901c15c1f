"""Http2Decoder: HTTP/2 (RFC 9113) as seen by an observer: requests and answers are paired by their streams."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tlsdecrypt.app.annotate import annotate_http
from tlsdecrypt.app.endpoint import classify
from tlsdecrypt.app.http2_errors import NO_ERROR, error_name, parse_go_away, reset_code
from tlsdecrypt.app.http2_fields import BlockReader
from tlsdecrypt.app.http2_frames import DATA, END_STREAM, GOAWAY, HOLDS_FIELDS, RST_STREAM, FrameReader, Lost
from tlsdecrypt.app.http2_stream import Http2Stream, complete, sink_of, take_trailers
from tlsdecrypt.app.http_exchange import attend, make_exchange
from tlsdecrypt.app.http_head import RequestLine
from tlsdecrypt.flow import Direction

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tlsdecrypt.app.exchange import Exchange
    from tlsdecrypt.app.http1_reader import Message
    from tlsdecrypt.app.http2_errors import GoAway
    from tlsdecrypt.app.http2_fields import Section
    from tlsdecrypt.app.http2_frames import Part
    from tlsdecrypt.app.http_exchange import Annotate
    from tlsdecrypt.flow import Span

MAX_STREAMS = 1_000  # that are open at a time
MAX_ENDED_STREAMS = 1_000  # that are remembered after they ended
MAX_GO_AWAYS = 10  # of one side that are looked at
MAX_COLLECTED = 64 * 1024 * 1024  # bytes of content of all open streams together

_CLIENT, _SERVER = Direction


class _Side:
    """One direction: its frames and its header blocks."""

    __slots__ = ("blocks", "ended", "frames", "is_lossy", "said_away")

    def __init__(self, *, is_client: bool) -> None:
        self.frames = FrameReader(is_client=is_client)
        self.blocks = BlockReader()
        self.is_lossy = False  # frames were missed: of a stream its beginning may not have been seen
        self.ended = "the capture ended"
        self.said_away: tuple[GoAway, ...] = ()


class Http2Decoder:
    """A `Decoder` for HTTP/2.

    `keep_content` is as of `Http1Decoder`. `upgraded_by` is the HTTP/1 request that asked for h2c: its answer comes on
    stream 1 (RFC 7540 section 3.2).
    """

    name = "http/2"

    def __init__(
        self, *, keep_content: bool = False, annotate: Annotate = annotate_http, upgraded_by: Message | None = None
    ) -> None:
        """One decoder a connection."""
        self._is_content_kept = keep_content
        self._annotate = annotate
        self._sides = (_Side(is_client=True), _Side(is_client=False))
        self._streams: dict[int, Http2Stream] = {}  # by number, in the order in which they began
        self._ended: dict[int, None] = {}
        self._collected = 0
        self._ready: list[Exchange] = []
        if upgraded_by is not None:
            self._streams[1] = stream = Http2Stream()
            stream.request = upgraded_by
            line = upgraded_by.line
            stream.service = classify(line.method, line.target) if isinstance(line, RequestLine) else None

    @property
    def skipped(self) -> tuple[int, int]:
        """Bytes of either direction in which no frame was found."""
        client, server = self._sides
        return client.frames.skipped, server.frames.skipped

    def feed(self, direction: Direction, data: bytes, span: Span) -> list[Exchange]:
        """Exchanges that are complete now."""
        return self._take(direction, self._sides[direction].frames.feed(data, span))

    def gap(self, direction: Direction, length: int | None, span: Span) -> list[Exchange]:
        """`length` bytes are missing (None: nobody knows how many)."""
        return self._take(direction, self._sides[direction].frames.gap(length, span))

    def end(self, direction: Direction, span: Span) -> list[Exchange]:  # noqa: ARG002  the end carries no bytes
        """One direction ended; the other may go on."""
        side = self._sides[direction]
        side.ended = "the connection ended"
        return self._take(direction, side.frames.close())

    def finish(self) -> list[Exchange]:
        """All that is incomplete, with its faults."""
        exchanges = [each for direction in Direction for each in self._take(direction, self._close(direction))]
        for number, stream in [*self._streams.items()]:
            self._tell_what_is_missing(stream)
            self._end_stream(number, stream)
        return exchanges + self._take_ready()

    def _close(self, direction: Direction) -> Iterator[Part | Lost]:
        return self._sides[direction].frames.close()

    def _take(self, direction: Direction, parts: Iterator[Part | Lost]) -> list[Exchange]:
        for part in parts:
            if isinstance(part, Lost):
                self._lose(direction, part)
            elif part.head.kind == DATA:
                self._take_data(direction, part)
            elif part.head.kind in HOLDS_FIELDS:
                if part.payload is None:
                    self._sides[direction].is_lossy = True
                section = self._sides[direction].blocks.take(part)
                if section is not None:
                    self._take_section(direction, section)
            elif part.head.kind == RST_STREAM:
                self._take_reset(direction, part)
            elif part.head.kind == GOAWAY:
                self._take_go_away(direction, part)
        return self._take_ready()

    def _take_ready(self) -> list[Exchange]:
        ready, self._ready = self._ready, []
        return ready

    def _lose(self, direction: Direction, lost: Lost) -> None:
        """Any stream may have had frames in the hole."""
        side = self._sides[direction]
        side.blocks.lose()
        side.is_lossy = True
        size = "of unknown length" if lost.length is None else f"of {lost.length:,} bytes"
        for stream in self._streams.values():
            stream.has_gap[direction] = True
            message = stream.answer if direction is _SERVER else stream.request
            if message is None or not message.is_complete:
                stream.add_fault(f"frames of the {direction.sender} may lie in a gap {size}")

    def _take_section(self, direction: Direction, section: Section) -> None:
        if section.promised is not None:
            self._take_promise(section, section.promised)
            return
        stream = self._stream(section.stream)
        if stream is None:
            return
        message = stream.request if direction is _CLIENT else stream.answer
        if message is not None:
            if not message.is_complete and section.is_end_stream:
                take_trailers(message, section)
                self._complete(direction, section.stream, stream, message)
            return
        begun = stream.begin_request(section) if direction is _CLIENT else stream.begin_answer(section)
        if begun is not None:
            self._attend(stream, begun)
            if begun.is_complete:
                self._settle(section.stream, stream)

    def _take_promise(self, section: Section, number: int) -> None:
        """A request that the server makes for the client, to answer it (section 8.4)."""
        stream = self._stream(number)
        if stream is not None and stream.request is None:
            stream.begin_request(section)
            self._settle(number, stream)

    def _take_data(self, direction: Direction, part: Part) -> None:
        number = part.head.stream
        stream = self._streams.get(number)
        message = None if stream is None else stream.request if direction is _CLIENT else stream.answer
        sink = sink_of(message)
        if stream is None or message is None or sink is None:
            self._take_stray_data(direction, part, stream)
            return
        message.last = part.last
        if part.missing:
            sink.skip(part.missing)
        if part.payload:
            was_kept = sink.pieces is not None
            sink.add(part.payload, 0, len(part.payload))
            if was_kept:
                self._count_collected(message, len(part.payload))
        if part.is_end and part.head.flags & END_STREAM:
            self._complete(direction, number, stream, message)

    def _take_stray_data(self, direction: Direction, part: Part, stream: Http2Stream | None) -> None:
        """Content of which nothing tells what it is."""
        self._sides[direction].frames.skipped += len(part.payload or b"")
        is_end = part.is_end and part.head.flags & END_STREAM
        if stream is not None and stream.answer is None and is_end and direction is _SERVER:
            stream.add_fault("of its answer only content was captured")
            stream.is_over = True
            self._settle(part.head.stream, stream)

    def _count_collected(self, message: Message, length: int) -> None:
        sink = message.body.sink if message.body is not None else None
        self._collected += length
        if sink is None:
            return
        if sink.pieces is None:  # it has grown too long and let go of all
            self._collected -= sink.length - sink.missing
        elif self._collected > MAX_COLLECTED:
            sink.pieces = None
            self._collected -= sink.length - sink.missing
            message.faults.append(f"its content is not kept: all open streams have {MAX_COLLECTED:,} bytes")

    def _take_reset(self, direction: Direction, part: Part) -> None:
        stream = self._streams.get(part.head.stream)
        code = reset_code(part)
        if stream is None or code is None:
            return
        is_answered = stream.answer is not None and stream.answer.is_complete
        if code != NO_ERROR or not is_answered:  # who has answered may well not want the rest (section 8.1)
            stream.add_fault(f"the {direction.sender} reset the stream: {error_name(code)}")
        stream.is_over = True
        self._settle(part.head.stream, stream)

    def _take_go_away(self, direction: Direction, part: Part) -> None:
        said = parse_go_away(part)
        side = self._sides[direction]
        if said is None or said in side.said_away or len(side.said_away) >= MAX_GO_AWAYS:
            return
        side.said_away = (*side.said_away, said)
        name = error_name(said.error)
        begun_by_peer = 1 if direction is _SERVER else 0  # clients have odd numbers (section 5.1.1)
        for number, stream in [*self._streams.items()]:
            if number % 2 == begun_by_peer and number > said.last_stream:
                stream.add_fault(f"the {direction.sender} will not process it (GOAWAY: {name})")
                stream.is_over = True
                self._settle(number, stream)
            elif said.error != NO_ERROR:
                stream.add_fault(f"the {direction.sender} gave up the connection (GOAWAY: {name})")

    def _stream(self, number: int) -> Http2Stream | None:
        """The stream of this number, a new one where it is new; None where it has ended."""
        stream = self._streams.get(number)
        if stream is not None or number in self._ended:
            return stream
        if len(self._streams) >= MAX_STREAMS:
            oldest, waiting = next(iter(self._streams.items()))
            if waiting.answer is None or not waiting.answer.is_complete:
                waiting.add_fault(f"more than {MAX_STREAMS:,} streams are open")
            self._end_stream(oldest, waiting)
        stream = self._streams[number] = Http2Stream()
        return stream

    def _attend(self, stream: Http2Stream, message: Message) -> None:
        if message.body is not None:
            attend(message, message.body.sink, stream.service, is_content_kept=self._is_content_kept)

    def _complete(self, direction: Direction, number: int, stream: Http2Stream, message: Message) -> None:
        complete(message, has_gap=stream.has_gap[direction])
        self._settle(number, stream)

    def _settle(self, number: int, stream: Http2Stream) -> None:
        is_answer_alone = stream.request is None and stream.answer is not None and stream.answer.is_complete
        if stream.is_complete or (is_answer_alone and self._sides[_CLIENT].is_lossy):
            self._end_stream(number, stream)

    def _end_stream(self, number: int, stream: Http2Stream) -> None:
        del self._streams[number]
        self._ended[number] = None
        if len(self._ended) > MAX_ENDED_STREAMS:
            del self._ended[next(iter(self._ended))]
        for message in (stream.request, stream.answer):
            if message is not None and message.body is not None and message.body.sink.pieces is not None:
                self._collected -= message.body.sink.length - message.body.sink.missing
        if stream.request is not None or stream.answer is not None:
            self._ready.append(
                make_exchange(self.name, stream.said(), self._annotate, is_content_kept=self._is_content_kept)
            )

    def _tell_what_is_missing(self, stream: Http2Stream) -> None:
        for direction, message in ((_CLIENT, stream.request), (_SERVER, stream.answer)):
            sink = sink_of(message)
            if message is not None and sink is not None and not sink.is_endless:
                ended = self._sides[direction].ended
                message.faults.append(f"{ended}: the content ends before the stream does")
        if stream.answer is None and not stream.faults:
            seen = ", ".join(map(str, stream.interim))
            stream.add_fault(f"no final answer was seen, only {seen}" if seen else "no answer was seen")
