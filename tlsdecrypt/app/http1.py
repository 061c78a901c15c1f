"""Http1Decoder: HTTP/1.0 and 1.1 (RFC 9112) as seen by an observer: requests are paired with answers in their order."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tlsdecrypt.app.annotate import annotate_http
from tlsdecrypt.app.endpoint import classify
from tlsdecrypt.app.http import first_field
from tlsdecrypt.app.http1_framing import frame_request, frame_response
from tlsdecrypt.app.http1_reader import MessageReader
from tlsdecrypt.app.http_exchange import Said, attend, make_exchange
from tlsdecrypt.app.http_head import RequestLine, StatusLine
from tlsdecrypt.flow import DIRECTIONS, Direction

if TYPE_CHECKING:
    from tlsdecrypt.app.decoder import Decoder
    from tlsdecrypt.app.exchange import Exchange
    from tlsdecrypt.app.http1_reader import Message
    from tlsdecrypt.app.http_exchange import Annotate
    from tlsdecrypt.flow import Span

MAX_IN_FLIGHT = 1_000
MAX_INTERIM = 100  # status codes 1xx of one exchange that are remembered
MAX_HELD = 1024 * 1024  # bytes that wait for the answer to CONNECT or Upgrade, or for the decoder that follows

_UPGRADE_NAME = re.compile(r"[A-Za-z0-9.+-]+")
_STATUS_SWITCHING = 101
_STATUS_OK = 200


class _Slot:
    """A request and its answer while they are read."""

    __slots__ = ("faults", "interim", "is_over", "request", "response", "service", "stray")

    def __init__(self, request: Message | None, service: str | None) -> None:
        self.request = request
        self.response: Message | None = None
        self.service = service
        self.interim: tuple[int, ...] = ()
        self.faults: tuple[str, ...] = ()
        self.is_over = False
        self.stray: Message | None = None  # an interim answer, all that was seen of this exchange

    @property
    def is_complete(self) -> bool:
        return (self.request is None or self.request.is_complete) and (
            self.is_over or (self.response is not None and self.response.is_complete)
        )


class Http1Decoder:
    """A `Decoder` for HTTP/1.

    `keep_content` keeps the content of every message in its value; without it, only what `annotate` reads is collected,
    for as long as it is read. After CONNECT or 101 (Switching Protocols) `upgraded_to` names what follows (`tunnel`, or
    the protocol in lower case: `websocket`, `tls`, `h2c`); its decoder goes on where there is one, else `take_rest`
    gives the bytes that came here. `depth` counts the tunnels around this connection.
    """

    __slots__ = (
        "_annotate",
        "_client",
        "_follower",
        "_is_content_kept",
        "_is_held",
        "_is_pipelined",
        "_ready",
        "_server",
        "_slots",
        "depth",
        "upgraded_to",
    )

    name = "http/1.1"

    def __init__(self, *, keep_content: bool = False, annotate: Annotate = annotate_http) -> None:
        """One decoder a connection."""
        self._is_content_kept = keep_content
        self._annotate = annotate
        self._client = MessageReader(is_request=True)
        self._server = MessageReader(is_request=False)
        self._slots: list[_Slot] = []  # about MAX_IN_FLIGHT at most; an empty deque takes 700 bytes
        self._ready: list[Exchange] = []
        self._is_held = False  # requests wait until it is known whether the connection stays HTTP
        self._is_pipelined = False
        self.upgraded_to: str | None = None
        self.depth = 0
        self._follower: Decoder | None = None

    @property
    def skipped(self) -> tuple[int, int]:
        """Bytes of either direction that belong to no message."""
        return self._client.skipped, self._server.skipped

    def feed(self, direction: Direction, data: bytes, span: Span) -> list[Exchange]:
        """Exchanges that are complete now."""
        if self._follower is not None:
            return self._follower.feed(direction, data, span)
        reader = self._server if direction else self._client
        if reader.is_opaque and reader.buffered + len(data) > MAX_HELD:
            reader.skipped += len(data)
            return []
        reader.receive(data, span)
        return self._pump(direction)

    def gap(self, direction: Direction, length: int | None, span: Span) -> list[Exchange]:
        """`length` bytes are missing (None: nobody knows how many)."""
        if self._follower is not None:
            return self._follower.gap(direction, length, span)
        self._release()
        self._reader(direction).gap(length, span)
        return self._pump(direction)

    def end(self, direction: Direction, span: Span) -> list[Exchange]:
        """One direction ended; the other may go on."""
        if self._follower is not None:
            return self._follower.end(direction, span)
        self._release()
        self._reader(direction).close("the connection ended")
        return self._pump(direction)

    def finish(self) -> list[Exchange]:
        """All that is incomplete, with its faults."""
        exchanges: list[Exchange] = []
        if self._is_at_rest:  # as most connections end
            return exchanges
        for direction in DIRECTIONS:
            self._release()
            self._reader(direction).close("the capture ended")
            exchanges += self._pump(direction)
        for slot in self._slots:
            slot.is_over = True
            slot.faults += _unanswered(slot)
        self._drain()
        exchanges += self._take_ready()
        return exchanges if self._follower is None else exchanges + self._follower.finish()

    @property
    def _is_at_rest(self) -> bool:
        """Whether both directions have ended, and nothing is under way."""
        is_idle = not self._slots and not self._ready and self._follower is None
        return is_idle and self._client.is_over and self._server.is_over

    def take_rest(self, direction: Direction) -> bytes:
        """Bytes of one direction that follow an upgrade, once."""
        return self._reader(direction).take_rest()

    def _reader(self, direction: Direction) -> MessageReader:
        return self._server if direction else self._client

    def _pump(self, direction: Direction) -> list[Exchange]:
        if direction:
            self._pump_responses()
        else:
            self._pump_requests()
        if self._follower is not None:
            self._hand_over(self._follower)
        return self._take_ready() if self._ready else []

    def _hand_over(self, follower: Decoder) -> None:
        """What came here behind the upgrade, once."""
        for direction in DIRECTIONS:
            for piece, span in self._reader(direction).take_pieces():
                self._ready += follower.feed(direction, piece, span)

    def _release(self) -> None:
        if self._is_held:
            self._is_held = False
            self._pump_requests()

    def _pump_requests(self) -> None:
        reader = self._client
        while not self._is_held or reader.buffered > MAX_HELD:
            message = reader.next_message()
            if message is None:
                return
            if not message.is_known:
                self._begin_request(message)
            if message.is_complete:
                if _method(message) == "CONNECT" or first_field(message.fields, "upgrade"):
                    self._is_held = not reader.is_closed and not reader.is_opaque
                self._drain()

    def _begin_request(self, message: Message) -> None:
        message.is_known = True
        line = message.line
        service = classify(line.method, line.target) if isinstance(line, RequestLine) else None
        if self._slots and not self._server.is_lost and any(slot.response is None for slot in self._slots):
            self._is_pipelined = True
        self._slots.append(_Slot(message, service))
        if len(self._slots) > MAX_IN_FLIGHT:
            oldest = self._slots[-1 - MAX_IN_FLIGHT]
            oldest.is_over = True
            oldest.faults += (f"more than {MAX_IN_FLIGHT:,} requests wait for an answer",)
        if not message.is_complete:
            body = frame_request(message)
            if body is not None:
                attend(message, body.sink, service, is_content_kept=self._is_content_kept)
            self._client.frame(body)

    def _pump_responses(self) -> None:
        while (message := self._server.next_message()) is not None:
            if not message.is_known:
                self._begin_response(message)
            if message.is_complete:
                self._drain()

    def _begin_response(self, message: Message) -> None:
        message.is_known = True
        line = message.line
        status = line.status if isinstance(line, StatusLine) else 0
        slot = self._slot_to_answer()
        if status // 100 == 1 and status != _STATUS_SWITCHING:
            if len(slot.interim) < MAX_INTERIM:
                slot.interim += (status,)
            self._server.frame(None)
            if slot.request is None:
                slot.stray = message
            return
        slot.response = message
        method = _method(slot.request)
        if not message.is_complete:
            body = frame_response(method, status, message)
            if body is not None:
                attend(message, body.sink, slot.service, is_content_kept=self._is_content_kept)
            self._server.frame(body)
        if status == _STATUS_SWITCHING:
            self._upgrade(_upgrade_name(message), slot.request, message)
        elif method == "CONNECT" and status // 100 == _STATUS_OK // 100:
            self._upgrade("tunnel", slot.request, message)
        self._release()

    def _upgrade(self, name: str, request: Message | None, answer: Message) -> None:
        from tlsdecrypt.app.upgrade import follow_upgrade  # noqa: PLC0415 - start-up time of captures without it

        self.upgraded_to = name
        self._client.is_opaque = self._server.is_opaque = True
        keeps = self._is_content_kept
        self._follower = follow_upgrade(name, request, answer, keep_content=keeps, depth=self.depth)

    def _slot_to_answer(self) -> _Slot:
        """The request that the next answer is for: the first without one, or nothing that was captured."""
        if self._server.is_lost:
            self._server.is_lost = False
            if not self._is_pipelined:
                self._give_up_all_but_the_last()
        for slot in self._slots:
            if slot.response is None and not slot.is_over:
                return slot
        slot = _Slot(None, None)
        self._slots.append(slot)
        return slot

    def _give_up_all_but_the_last(self) -> None:
        """Who does not pipeline had the answer before asking again."""
        waiting = [slot for slot in self._slots if slot.response is None and not slot.is_over]
        for slot in waiting[:-1]:
            slot.is_over = True
            slot.faults += ("its answer was not captured",)

    def _drain(self) -> None:
        while self._slots and self._slots[0].is_complete:
            self._ready.append(self._exchange(self._slots.pop(0)))

    def _take_ready(self) -> list[Exchange]:
        ready, self._ready = self._ready, []
        return ready

    def _exchange(self, slot: _Slot) -> Exchange:
        said = Said(slot.request, slot.response or slot.stray, slot.interim, slot.faults)
        return make_exchange("http/1.1", said, self._annotate, is_content_kept=self._is_content_kept)


def _method(message: Message | None) -> str | None:
    return message.line.method if message is not None and isinstance(message.line, RequestLine) else None


def _upgrade_name(message: Message) -> str:
    match = _UPGRADE_NAME.match(first_field(message.fields, "upgrade") or "")
    return match[0].lower() if match else "unknown"


def _goes_on(request: Message | None) -> bool:
    """Whether nobody waits for an answer, since the content of the request never ends."""
    body = request.body if request is not None else None
    return body is not None and body.sink.is_endless and body.sink.length > 0


def _unanswered(slot: _Slot) -> tuple[str, ...]:
    if slot.response is not None or slot.faults or _goes_on(slot.request):
        return ()
    if slot.interim:
        return (f"no final answer was seen, only {', '.join(map(str, slot.interim))}",)
    return ("no answer was seen",)
