"""Observer: follows one TCP connection through TLS to what was said, and makes a Conversation of it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from tlsdecrypt.channel_binding import judge_channel_bindings
from tlsdecrypt.clear_talk import ClearTalk
from tlsdecrypt.conversation import NOTHING_UNVERIFIED, Conversation, Note, StreamFacts
from tlsdecrypt.flow import DIRECTIONS, Direction
from tlsdecrypt.glimpsed import Glimpsed
from tlsdecrypt.net.events import EndReason, StreamData, StreamEnd, StreamGap
from tlsdecrypt.plaintext import NO_OUTLETS, SILENCE, Outlets, Place, Plaintext
from tlsdecrypt.said import as_sent, what_was_said
from tlsdecrypt.tls.beginning import Piece
from tlsdecrypt.tls.carriers import TDS
from tlsdecrypt.tls.connection import TlsConnection
from tlsdecrypt.tls.events import ApplicationData, UnverifiedData
from tlsdecrypt.tls.first_bytes import MAX_FIRST_BYTES, Beginning, Start, recognise
from tlsdecrypt.tls.proxy_header import ProxyHeaderPeeler
from tlsdecrypt.tls.ssl2_connection import Ssl2Connection
from tlsdecrypt.tls.ssl2_summary import summarize_ssl2
from tlsdecrypt.tls.summary import summarize
from tlsdecrypt.tls.tds import TdsUnwrapper
from tlsdecrypt.value import replace

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tlsdecrypt.flow import Span
    from tlsdecrypt.net.events import StreamEvent
    from tlsdecrypt.net.reassembly import HalfFacts
    from tlsdecrypt.net.tcp import TcpConnection
    from tlsdecrypt.tls.events import TlsEvent
    from tlsdecrypt.tls.record import Locate
    from tlsdecrypt.tls.secrets import SecretStore
    from tlsdecrypt.tls.session import TlsSession

SLICE_BYTES = 256 << 10  # that are cut into records at once
TLS_PORTS = frozenset({261, 443, 444, 448, 465, 563, 636, 989, 990, 992, 993, 994, 995, 3269, 5061, 5671, 8443, 9443})

_BY_PEER = (EndReason.FIN, EndReason.RST)
_CLIENT, _SERVER = Direction
_NOTHING = (bytearray(), bytearray())  # stays so


class Observer:
    """One connection. `feed` takes what reassembly says, `finish` gives everything that was learned."""

    def __init__(
        self, tcp: TcpConnection, store: SecretStore, *, keep_content: bool, outlets: Outlets = NO_OUTLETS
    ) -> None:
        """`tcp` is read again at the end, for its counts."""
        self._tcp = tcp
        self._store = store
        self._undecided: list[StreamEvent] | None = []
        self._first = (bytearray(), bytearray())  # what is undecided, in bytes
        self._is_flipped = False
        self._proxy = ProxyHeaderPeeler()
        self._tls: TlsConnection | Ssl2Connection | None = None
        self._is_tls = [False, False]  # by direction: whether its bytes are TLS from here on
        self._tds: tuple[TdsUnwrapper, TdsUnwrapper] | None = None
        self._keep_content, self._outlets = keep_content, outlets
        self._clear: ClearTalk | None = None  # only where TLS is not the first thing said
        self._inside: Plaintext | None = None  # what is said under TLS, once there is something
        self._glimpsed: Glimpsed | None = None  # only where records were damaged
        self._ends: dict[Direction, StreamEnd] = {}  # told last: records that wait may still be opened
        self._notes: list[Note] = []
        self._longest_cut = 0  # bytes on the wire of the longest frame that the snap length cut

    def _new_plaintext(self, *, is_decrypted: bool) -> Plaintext:
        tcp, place = self._tcp, Place(self._tcp.id, is_decrypted)
        return Plaintext(tcp.server.port, keep_content=self._keep_content, outlets=self._outlets, place=place)

    @property
    def _plaintext(self) -> Plaintext:
        if self._inside is None:
            self._inside = self._new_plaintext(is_decrypted=True)
        return self._inside

    def _clear_talk(self) -> ClearTalk:
        if self._clear is None:
            self._clear = ClearTalk(self._new_plaintext(is_decrypted=False))
        return self._clear

    def _spoken(self) -> tuple[Plaintext, ...]:
        """What was said in the clear and under TLS, as far as there is any."""
        clear = self._clear.plaintext if self._clear is not None else None
        return tuple(each for each in (clear, self._inside) if each is not None)

    @property
    def is_waiting(self) -> bool:
        """Whether records wait for a secret that another connection may yet reveal."""
        return self._tls is not None and self._tls.is_waiting

    @property
    def held_bytes(self) -> int:
        """The size of the records that wait."""
        return self._tls.held_bytes if self._tls else 0

    @property
    def finished_exchanges(self) -> int:
        """How many exchanges are complete by now."""
        return sum(len(each.exchanges) for each in self._spoken())

    def so_far(self) -> Conversation:
        """What was learned by now of a connection that goes on."""
        return self._conversation()

    def feed(self, events: Iterable[StreamEvent]) -> None:
        """What reassembly says, both directions in capture order."""
        for event in events:
            if self._undecided is None:
                self._take(event)
                continue
            self._undecided.append(event)
            if isinstance(event, StreamData):
                first = self._first[event.direction]
                first += event.data[: MAX_FIRST_BYTES - len(first)]
                self._decide(is_last=len(first) == MAX_FIRST_BYTES)
            elif isinstance(event, StreamEnd):
                ended = {each.direction for each in self._undecided if isinstance(each, StreamEnd)}
                self._decide(is_last=len(ended) == len(Direction))

    def retry(self) -> None:
        """Look for keys again: other connections have revealed secrets since."""
        if self._tls is not None:
            self._take_tls_events(self._tls.retry())

    @property
    def is_impatient(self) -> bool:
        """Whether more waits than may wait for long, and only what others know could still help."""
        return isinstance(self._tls, TlsConnection) and self._tls.is_impatient

    def lose_patience(self) -> None:
        """Others have told what they know: what is too much waits no longer."""
        if isinstance(self._tls, TlsConnection):
            self._take_tls_events(self._tls.lose_patience())

    def finish(self) -> Conversation:
        """The connection is over: all that was learned of it."""
        self._decide(is_last=True)
        self._end_peeling()
        self._settle_last()
        if self._tls is not None:
            self._take_tls_events(self._tls.finish())
        for plaintext in self._spoken():
            for direction, end in self._ends.items():
                plaintext.end(direction, end.span)
            plaintext.finish()
        return self._conversation()

    def _decide(self, *, is_last: bool) -> None:
        """Tell by the first bytes what this is, and who is the client where the SYN was not seen."""
        events = self._undecided
        if events is None:
            return
        start = recognise(self._first, is_last=is_last)
        if start is None:
            if not is_last:
                return
            start = Start(Beginning.CLEAR)
        self._undecided, self._first = None, _NOTHING
        self._begin(start)
        for event in events:
            self._take(event)

    def _begin(self, start: Start) -> None:
        has_hello = start.beginning is Beginning.TLS
        if start.client is _SERVER and (has_hello or not self._tcp.has_syn):
            self._is_flipped = True  # FTP servers open data connections, and are the server in TLS all the same
        if start.beginning is Beginning.SSL2:
            self._tls = Ssl2Connection(self._store)
        elif start.beginning is Beginning.TDS:
            self._tds = TdsUnwrapper(), TdsUnwrapper()
        elif start.beginning is not Beginning.CLEAR:
            self._tls = TlsConnection(self._store)
        elif not self._tcp.has_syn and self._tcp.server.port in TLS_PORTS:
            self._tls = TlsConnection(self._store, has_start=False)
        if self._tls is not None:
            self._is_tls = [True, True]

    def _take(self, event: StreamEvent) -> None:
        direction = event.direction.other if self._is_flipped else event.direction
        if isinstance(event, StreamData):
            if self._tls is not None and self._is_tls[direction] and (direction is _SERVER or self._proxy.is_done):
                self._feed_tls(direction, event.data, event.span)
                return
            piece = Piece(event.data, event.span)
            if direction is _SERVER or self._proxy.is_done:
                self._take_data(direction, piece)
            else:
                self._peel(piece)
        elif isinstance(event, StreamGap):
            self._take_gap(direction, event)
        else:
            self._take_end(direction, event)

    def _peel(self, piece: Piece) -> None:
        """The start of the client's stream: a header of the PROXY protocol belongs to nothing that follows."""
        for rest in self._proxy.feed(piece):
            self._take_data(_CLIENT, rest)
        header = self._proxy.header
        if header is not None and header.client is not None:
            self._notes.append(Note(f"the header of the PROXY protocol names the client {header.client}"))

    def _end_peeling(self) -> None:
        for rest in self._proxy.finish():
            self._take_data(_CLIENT, rest)

    def _take_data(self, direction: Direction, piece: Piece) -> None:
        if self._is_tls[direction]:
            self._feed_tls(direction, piece.data, piece.locate)
        elif self._tds is not None:
            self._take_tds(direction, self._tds[direction], piece)
        else:
            talk = self._clear_talk()
            for clear in talk.searches[direction].feed(piece):
                talk.feed(direction, clear)
            self._settle()

    def _feed_tls(self, direction: Direction, data: bytes, locate: Locate) -> None:
        """In slices: what comes of one is taken before the next is cut, for a record may hold a single byte."""
        tls = self._tls
        if tls is None:
            tls = self._tls = TlsConnection(self._store)
        if len(data) <= SLICE_BYTES:
            self._take_tls_events(tls.feed(direction, data, locate))
            return
        for start in range(0, len(data), SLICE_BYTES):
            here = partial(_locate_behind, locate, start)
            self._take_tls_events(tls.feed(direction, data[start : start + SLICE_BYTES], here))

    def _take_tds(self, direction: Direction, unwrapper: TdsUnwrapper, piece: Piece) -> None:
        for is_tls, part in unwrapper.feed(piece):
            if is_tls:
                self._feed_tls(direction, part.data, part.locate)
            else:
                self._clear_talk().feed(direction, part)

    def _settle(self) -> None:
        """Begin TLS where a hello is one: more records follow it, or the peer has begun too."""
        client, server = self._clear_talk().searches
        if client.is_confirmed or (client.is_pending and (server.is_pending or self._is_tls[_SERVER])):
            self._begin_later(_CLIENT)
        if server.is_confirmed or (server.is_pending and self._is_tls[_CLIENT]):
            self._begin_later(_SERVER)

    def _settle_last(self) -> None:
        """The connection is over: a client's hello that nothing follows is one, a server's needs more records."""
        talk = self._clear
        if talk is not None:
            client, server = talk.searches
            if client.is_pending:
                self._begin_later(_CLIENT)
            if server.is_pending and (self._is_tls[_CLIENT] or server.is_chain):
                self._begin_later(_SERVER)
        for direction in DIRECTIONS:
            if talk is not None:
                self._talk_on(talk, direction)
            self._end_tls(direction)

    def _talk_on(self, talk: ClearTalk, direction: Direction) -> None:
        """What was held because it might have been a hello is none."""
        for piece in talk.searches[direction].take():
            talk.feed(direction, piece)

    def _begin_later(self, direction: Direction) -> None:
        self._is_tls[direction] = True
        for piece in self._clear_talk().searches[direction].take():
            self._feed_tls(direction, piece.data, piece.locate)
        self._settle()

    def _take_gap(self, direction: Direction, event: StreamGap) -> None:
        if direction is _CLIENT and not self._proxy.is_done:
            self._end_peeling()
        hole = f"{event.length:,} bytes" if event.length is not None else "an unknown number of bytes"
        why = ": cut by the snap length" if event.wire_length else ""
        self._longest_cut = max(self._longest_cut, event.wire_length)
        self._notes.append(Note(f"{hole} from the {direction.sender} not captured{why}", event.span.in_order()))
        if self._tds is not None:
            self._tds[direction].gap()
        elif not self._is_tls[direction]:
            self._search_behind_gap(direction)
        if isinstance(self._tls, TlsConnection):
            self._tls.longest_cut = self._longest_cut
        if self._tls is not None and self._has_begun(direction):
            self._take_tls_events(self._tls.gap(direction, event.length, event.span))
        else:
            self._clear_talk().plaintext.gap(direction, event.length, event.span)

    def _has_begun(self, direction: Direction) -> bool:
        """Whether TLS has begun in this direction."""
        return self._is_tls[direction] or (self._tds is not None and self._tds[direction].has_begun)

    def _search_behind_gap(self, direction: Direction) -> None:
        """A hole may have swallowed a hello, or its end: where the peer has begun TLS, so has this side."""
        talk = self._clear_talk()
        search, peer = talk.searches[direction], talk.searches[direction.other]
        has_begun = search.is_pending and (search.is_chain or direction is _CLIENT)
        if self._is_tls[direction.other] or peer.is_pending or has_begun:
            self._begin_later(direction)
        else:
            self._talk_on(talk, direction)

    def _take_end(self, direction: Direction, event: StreamEnd) -> None:
        self._ends[direction] = event
        self._end_tls(direction)

    def _end_tls(self, direction: Direction) -> None:
        if self._tls is not None and self._has_begun(direction) and direction in self._ends:
            by_peer = self._ends[direction].reason in _BY_PEER
            self._take_tls_events(self._tls.end(direction, by_peer=by_peer))

    def _take_tls_events(self, events: list[TlsEvent]) -> None:
        if not events:  # as after most segments
            return
        said = what_was_said(events)
        if not said:
            return
        plaintext = self._plaintext
        if plaintext.decoder is None and self._tls is not None:
            plaintext.alpn = self._tls.alpn
            if self._clear is not None:
                plaintext.follow(self._clear.plaintext)
        for event in as_sent(said):
            if isinstance(event, ApplicationData):
                plaintext.feed(event.direction, event.data, event.span)
            elif isinstance(event, UnverifiedData):
                self._glimpsed = self._glimpsed or Glimpsed()
                self._glimpsed.add(event, plaintext.length(event.direction))
            else:
                plaintext.gap(event.direction, event.length, event.span)

    def _session(self) -> TlsSession | None:
        if self._tls is None:
            return None
        if isinstance(self._tls, Ssl2Connection):
            return replace(summarize_ssl2(self._tls, self._store), started_by=self._carrier())
        return summarize(self._tls, self._store, started_by=self._carrier())

    def _carrier(self) -> str | None:
        """What stood before TLS, None where it was the first thing said."""
        carrier = TDS if self._tds is not None else None
        if carrier is None and self._clear is not None:
            carrier = self._clear.describe_carrier()
        if carrier is None and self._proxy.header is not None:
            carrier = f"PROXY protocol v{self._proxy.header.version}"
        return carrier

    def _conversation(self) -> Conversation:
        tcp = self._tcp
        ends = [tcp.client, tcp.server]
        facts = [_stream_facts(tcp.facts(_CLIENT)), _stream_facts(tcp.facts(_SERVER))]
        tcp_facts = tcp.tcp_facts()
        if self._is_flipped:
            ends.reverse()
            facts.reverse()
            tcp_facts = tcp_facts.flipped()
        session = self._session()
        clear, inside = self._clear.plaintext if self._clear is not None else SILENCE, self._inside or SILENCE
        judge_channel_bindings(clear.exchanges, None)
        judge_channel_bindings(inside.exchanges, session.server_certificates if session else None)
        return Conversation(
            id=tcp.id,
            client=ends[0],
            server=ends[1],
            span=tcp.span,
            has_syn=tcp.has_syn,
            streams=(facts[0], facts[1]),
            tls=session,
            application_data=(inside.digest(_CLIENT), inside.digest(_SERVER)),
            application_protocol=inside.protocol or clear.protocol,
            exchanges=(*clear.exchanges, *inside.exchanges),
            clear_exchanges=len(clear.exchanges),
            notes=tuple(self._notes),
            tcp=tcp_facts,
            unverified=self._glimpsed.facts() if self._glimpsed else NOTHING_UNVERIFIED,
        )


def _locate_behind(locate: Locate, offset: int, start: int, end: int) -> Span:
    """The frames of a part of what stands `offset` bytes behind the start."""
    return locate(offset + start, offset + end)


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
