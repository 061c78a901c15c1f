"""Observer: follows one TCP connection through TLS to what was said, and makes a Conversation of it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tlsdecrypt.conversation import Conversation, Note, StreamFacts
from tlsdecrypt.flow import Direction
from tlsdecrypt.net.events import EndReason, StreamData, StreamEnd, StreamGap
from tlsdecrypt.plaintext import Plaintext
from tlsdecrypt.tls import record as tls_record
from tlsdecrypt.tls.connection import TlsConnection
from tlsdecrypt.tls.events import ApplicationData, ApplicationGap
from tlsdecrypt.tls.summary import summarize

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tlsdecrypt.flow import Span
    from tlsdecrypt.net.events import StreamEvent
    from tlsdecrypt.net.reassembly import HalfFacts
    from tlsdecrypt.net.tcp import TcpConnection
    from tlsdecrypt.tls.events import TlsEvent
    from tlsdecrypt.tls.secrets import SecretStore

TLS_PORTS = frozenset({261, 443, 444, 448, 465, 563, 636, 989, 990, 992, 993, 994, 995, 3269, 5061, 5671, 8443, 9443})
ENOUGH_TO_TELL = 8  # bytes by which TLS is told from anything else
MAX_PREFIX = 600  # bytes that may stand before a ClientHello in one segment (PROXY protocol)

_BY_PEER = (EndReason.FIN, EndReason.RST)
_PROXY_PREFIX = re.compile(rb"PROXY |\r\n\r\n\x00\r\nQUIT\n")


class Observer:
    """One connection. `feed` takes what reassembly says, `finish` gives everything that was learned."""

    def __init__(self, tcp: TcpConnection, store: SecretStore, *, keep_content: bool) -> None:
        """`tcp` is read again at the end, for its counts."""
        self._tcp = tcp
        self._store = store
        self._is_flipped = False
        self._tls: TlsConnection | None = None
        self._is_tls = [False, False]  # by direction: whether its bytes are TLS from here on
        self._clear = Plaintext(tcp.server.port, keep_content=keep_content)
        self._plaintext = Plaintext(tcp.server.port, keep_content=keep_content)
        self._undecided: list[StreamEvent] | None = []
        self._ends: list[tuple[Direction, Span]] = []  # told last: records that wait may still be opened
        self._notes: list[Note] = []

    @property
    def is_waiting(self) -> bool:
        """Whether records wait for a secret that another connection may yet reveal."""
        return self._tls is not None and self._tls.is_waiting

    @property
    def held_bytes(self) -> int:
        """The size of the records that wait."""
        return self._tls.held_bytes if self._tls else 0

    def feed(self, events: Iterable[StreamEvent]) -> None:
        """What reassembly says, both directions in capture order."""
        for event in events:
            if self._undecided is None:
                self._take(event)
            else:
                self._undecided.append(event)
                self._decide(is_last=isinstance(event, StreamEnd))

    def retry(self) -> None:
        """Look for keys again: other connections have revealed secrets since."""
        if self._tls is not None:
            self._take_tls_events(self._tls.retry())

    def finish(self) -> Conversation:
        """The connection is over: all that was learned of it."""
        self._decide(is_last=True)
        if self._tls is not None:
            self._take_tls_events(self._tls.finish())
        for plaintext in (self._clear, self._plaintext):
            for direction, span in self._ends:
                plaintext.end(direction, span)
            plaintext.finish()
        return self._conversation()

    def _direction(self, event: StreamEvent) -> Direction:
        return event.direction.other if self._is_flipped else event.direction

    def _decide(self, *, is_last: bool) -> None:
        """Tell by the first bytes whether this is TLS, and who is the client where the SYN was not seen."""
        events = self._undecided
        if events is None:
            return
        for direction in Direction:
            first = b"".join(e.data for e in events if isinstance(e, StreamData) and e.direction is direction)
            if len(first) >= ENOUGH_TO_TELL or (is_last and first):
                self._decide_by(direction, first)
                break
        else:
            if not is_last:
                return
        self._undecided = None
        for event in events:
            self._take(event)

    def _decide_by(self, direction: Direction, first: bytes) -> None:
        is_hello = tls_record.starts_with_client_hello(first)
        is_answer = tls_record.starts_with_server_answer(first)
        if not self._tcp.has_syn:
            client_to_server = Direction.CLIENT_TO_SERVER
            self._is_flipped = (is_hello and direction is not client_to_server) or (
                is_answer and not first.startswith(b"\x15") and direction is client_to_server
            )
        if is_hello or is_answer or tls_record.starts_with_record(first):
            self._begin_tls(has_start=True)
        elif not self._tcp.has_syn and self._tcp.server.port in TLS_PORTS:
            self._begin_tls(has_start=False)

    def _begin_tls(self, *, has_start: bool) -> None:
        self._tls = TlsConnection(self._store, has_start=has_start)
        self._is_tls = [True, True]

    def _take(self, event: StreamEvent) -> None:
        direction = self._direction(event)
        if isinstance(event, StreamData):
            self._take_data(direction, event)
        elif isinstance(event, StreamGap):
            self._take_gap(direction, event)
        else:
            self._take_end(direction, event)

    def _take_data(self, direction: Direction, event: StreamData) -> None:
        if self._tls is not None and self._is_tls[direction]:
            self._take_tls_events(self._tls.feed(direction, event.data, event.span))
            return
        start = self._start_of_tls(direction, event)
        if start is None:
            self._clear.feed(direction, event.data, event.span(0, len(event.data)))
            return
        if start > 0:
            self._clear.feed(direction, event.data[:start], event.span(0, start))
        self._tls = self._tls or TlsConnection(self._store)
        self._is_tls[direction] = True
        rest = event.data[start:]
        self._take_tls_events(self._tls.feed(direction, rest, lambda a, b: event.span(a + start, b + start)))

    def _start_of_tls(self, direction: Direction, event: StreamData) -> int | None:
        """Where TLS begins in clear data (STARTTLS and its kin): at a hello that starts a segment, else None.

        The client begins; the server's part is looked for once the client has. A PROXY protocol header may stand before
        the hello in the same segment.
        """
        if direction is Direction.SERVER_TO_CLIENT:
            return _first_at_segment(tls_record.SERVER_ANSWER, event) if self._tls else None
        if _PROXY_PREFIX.match(event.data):
            found = tls_record.CLIENT_HELLO.search(event.data, 0, MAX_PREFIX)
            return found.start() if found else None
        return _first_at_segment(tls_record.CLIENT_HELLO, event)

    def _take_gap(self, direction: Direction, event: StreamGap) -> None:
        hole = f"{event.length:,} bytes" if event.length is not None else "an unknown number of bytes"
        self._notes.append(Note(f"{hole} from the {direction.sender} not captured", event.span))
        if self._tls is not None and self._is_tls[direction]:
            self._take_tls_events(self._tls.gap(direction, event.length, event.span))
        else:
            self._clear.gap(direction, event.length, event.span)

    def _take_end(self, direction: Direction, event: StreamEnd) -> None:
        if self._tls is not None and self._is_tls[direction]:
            self._take_tls_events(self._tls.end(direction, by_peer=event.reason in _BY_PEER))
        self._ends.append((direction, event.span))

    def _take_tls_events(self, events: list[TlsEvent]) -> None:
        plaintext = self._plaintext
        if plaintext.decoder is None and self._tls is not None:
            plaintext.alpn = self._tls.alpn
        for event in events:
            if isinstance(event, ApplicationData):
                plaintext.feed(event.direction, event.data, event.span)
            elif isinstance(event, ApplicationGap):
                plaintext.gap(event.direction, event.length, event.span)

    def _conversation(self) -> Conversation:
        tcp = self._tcp
        ends = [tcp.client, tcp.server]
        facts = [_stream_facts(tcp.facts(direction)) for direction in Direction]
        if self._is_flipped:
            ends.reverse()
            facts.reverse()
        return Conversation(
            id=tcp.id,
            client=ends[0],
            server=ends[1],
            span=tcp.span,
            has_syn=tcp.has_syn,
            streams=(facts[0], facts[1]),
            tls=summarize(self._tls, self._store) if self._tls else None,
            application_data=(self._plaintext.digest(Direction(0)), self._plaintext.digest(Direction(1))),
            application_protocol=self._plaintext.protocol or self._clear.protocol,
            exchanges=(*self._clear.exchanges, *self._plaintext.exchanges),
            notes=tuple(self._notes),
        )


def _stream_facts(half: HalfFacts) -> StreamFacts:
    return StreamFacts(
        segments=half.segments,
        length=half.length,
        gaps=half.gaps,
        missing=half.missing,
        repeated=half.repeated,
        conflicting=half.conflicting,
        out_of_order=half.out_of_order,
        end=half.end,
    )


def _first_at_segment(pattern: re.Pattern[bytes], event: StreamData) -> int | None:
    """The first match that stands at the start of a segment."""
    for found in pattern.finditer(event.data):
        if found.start() in event.starts:
            return found.start()
    return None
