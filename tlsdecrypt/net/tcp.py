"""TcpConnection: two directions of one four-tuple, which of them is the client's, and when it is over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tlsdecrypt.flow import Direction, Endpoint, Span
from tlsdecrypt.net.protocols import TcpFlag
from tlsdecrypt.net.reassembly import HalfFacts, HalfStream, seq_distance
from tlsdecrypt.net.roles import client_by_flags, client_by_ports, endpoints_of
from tlsdecrypt.net.runs import LINGER_NS, NO_ACK
from tlsdecrypt.net.tcp_recorder import TcpRecorder

if TYPE_CHECKING:
    from tlsdecrypt.net.events import EndReason, StreamEvent
    from tlsdecrypt.net.headers import Headers
    from tlsdecrypt.net.pending import PendingBudget
    from tlsdecrypt.net.runs import Group, Runs
    from tlsdecrypt.net.tcp_facts import TcpFacts

IDLE_NS = 3_600_000_000_000  # a silence of one hour ends a connection
DOZE_NS = 60_000_000_000  # the longest that TCP waits before it sends again (RFC 6298 section 2.4)
SETTLE_SEGMENTS = 16  # without a SYN, so many segments are looked at ...
SETTLE_NS = 50_000_000  # ... or so much time, for the lowest sequence number
REORDER_WINDOW = 1 << 20  # how far before the first segment seen its connection may have started, in bytes
FOREIGN_DISTANCE = 16 << 20  # after the end, sequence numbers so far away are those of another connection

_SYN, _RST, _ACK = int(TcpFlag.SYN), int(TcpFlag.RST), int(TcpFlag.ACK)
_TELLING = int(TcpFlag.SYN | TcpFlag.FIN | TcpFlag.RST)  # flags that say more than that bytes follow


class TcpConnection:
    """One TCP connection.

    `client` and `server` are final from the first event on. `is_over` turns true with the last events.
    Inside, endpoints are 0 and 1, in the order of the connection's key.
    """

    __slots__ = (
        "_acks",
        "_client",
        "_endpoints",
        "_first",
        "_halves",
        "_last",
        "_recorder",
        "_reset",
        "_waiting",
        "closing_ns",
        "has_syn",
        "id",
        "is_over",
    )

    def __init__(self, number: int, group: Group, budget: PendingBudget) -> None:
        """Connection `number`, first seen in `group`."""
        self.id = number
        self.has_syn = False
        self.is_over = False
        self.closing_ns: int | None = None  # when something was carried last, once the end was seen
        self._endpoints = endpoints_of(group.key)
        ports = self._endpoints[0].port, self._endpoints[1].port
        self._client = client_by_ports(ports, group.first_sender)
        self._first = group.first_frame, group.first_time_ns
        self._last = group.last_frame, group.last_time_ns
        directions = (Direction.CLIENT_TO_SERVER, Direction.SERVER_TO_CLIENT)
        opener = self._client
        self._halves = HalfStream(directions[opener], budget), HalfStream(directions[1 - opener], budget)
        self._acks = [NO_ACK, NO_ACK]
        self._waiting: list[tuple[Runs, int]] = []
        self._reset: Span | None = None
        self._recorder = TcpRecorder()

    @property
    def client(self) -> Endpoint:
        """Who opened the connection."""
        return self._endpoints[self._client]

    @property
    def server(self) -> Endpoint:
        """Who was asked."""
        return self._endpoints[1 - self._client]

    @property
    def span(self) -> Span:
        """The first and the last frame, whatever they carried."""
        return Span(self._first[0], self._last[0], self._first[1], self._last[1])

    @property
    def is_waiting(self) -> bool:
        """Segments are held back until it is clear where the streams start."""
        return bool(self._waiting)

    @property
    def next_seqs(self) -> tuple[int | None, int | None]:
        """Of each endpoint, the sequence number that would follow what was delivered."""
        return self._halves[0].next_seq, self._halves[1].next_seq

    def facts(self, direction: Direction) -> HalfFacts:
        """What is known of one direction."""
        return self._halves[direction ^ self._client].facts()

    def tcp_facts(self) -> TcpFacts:
        """What its segments say besides their bytes."""
        return self._recorder.facts(self._client, self._halves, self._acks, self._last[1])

    def touch(self, group: Group, headers: Headers) -> None:
        """Count the segments of `group`, whatever they carry."""
        self._recorder.touch(group, headers)
        self._last = group.last_frame, group.last_time_ns
        self._halves[0].segments += group.segments[0]
        self._halves[1].segments += group.segments[1]

    def has_lingered(self, now_ns: int) -> bool:
        """Its end was seen, and it was silent since for so long that nothing late will come."""
        return self.closing_ns is not None and now_ns - self.closing_ns > LINGER_NS

    def is_idle(self, now_ns: int) -> bool:
        """It was silent for so long that its end was missed."""
        return now_ns - self._last[1] > IDLE_NS

    def is_silent(self, now_ns: int) -> bool:
        """Nothing was captured of it for so long that no segment is on its way."""
        return now_ns - self._last[1] > DOZE_NS

    def doze(self) -> None:
        """Let go of what only repetitions need."""
        for half in self._halves:
            half.doze()

    def is_reused(self, runs: Runs, run: int) -> bool:
        """`run` belongs to a later connection with the same addresses and ports."""
        flags, half = runs.flags[run], self._halves[runs.sender[run]]
        if flags & (_SYN | _ACK) == _SYN:
            return self._is_other_start(half, runs.seq[run] + 1)
        is_foreign = half.start_seq is not None and abs(half.distance(runs.seq[run])) > FOREIGN_DISTANCE
        return self.closing_ns is not None and runs.length[run] > 0 and is_foreign

    def _is_other_start(self, half: HalfStream, seq: int) -> bool:
        if half.start_seq is None:
            return self.closing_ns is not None
        distance = seq_distance(half.start_seq, seq)
        # Where no SYN was seen the stream started some bytes before its first segment.
        return distance != 0 and (half.has_syn or not -REORDER_WINDOW <= distance < 0)

    def feed(self, runs: Runs, run: int, events: list[StreamEvent]) -> None:
        """The next run of either endpoint."""
        sender = runs.sender[run]
        half = self._halves[sender]
        if half.start_seq is None or self._waiting:
            self._feed_unplaced(half, runs, run, events)
            return
        is_plain = not runs.flags[run] & _TELLING and self.closing_ns is None and not self._halves[1 - sender].has_hole
        if not (is_plain and half.append(runs, run, events)):
            self._dispatch(half, runs, run, events)

    def _feed_unplaced(self, half: HalfStream, runs: Runs, run: int, events: list[StreamEvent]) -> None:
        """A run while it is not clear where its stream starts, or others wait for that."""
        if self._waiting:
            self.settle(runs.time_ns(run), events)
        flags = runs.flags[run]
        if half.start_seq is None and flags & _SYN and not self._waiting:
            self._start(runs, run)
        if self._waiting or (half.start_seq is None and not flags & _RST):
            self._waiting.append((runs, run))
            self.settle(runs.time_ns(run), events)
        else:
            self._dispatch(half, runs, run, events)

    def settle(self, now_ns: int, events: list[StreamEvent]) -> None:
        """Where a capture begins in the middle: take the lowest sequence number as the start, once enough was seen."""
        if not self._waiting:
            return
        runs, run = self._waiting[0]
        held = sum(runs.bounds[run + 1] - runs.bounds[run] for runs, run in self._waiting)
        if held >= SETTLE_SEGMENTS or now_ns - runs.time_ns(run) >= SETTLE_NS or not self._unknown_starts():
            self._release(events)

    def _unknown_starts(self) -> list[int]:
        """Endpoints whose segments wait without a SYN among them."""
        known = [half.start_seq is not None for half in self._halves]
        for runs, run in self._waiting:
            known[runs.sender[run]] |= bool(runs.flags[run] & _SYN)
        return [side for side in {runs.sender[run] for runs, run in self._waiting} if not known[side]]

    def _release(self, events: list[StreamEvent]) -> None:
        waiting, self._waiting = self._waiting, []
        for runs, run in waiting:
            if runs.flags[run] & _SYN and self._halves[runs.sender[run]].start_seq is None:
                self._start(runs, run)
        for side in (0, 1):
            seqs = [runs.seq[run] for runs, run in waiting if runs.sender[run] == side and not runs.flags[run] & _RST]
            if seqs and self._halves[side].start_seq is None:
                self._halves[side].anchor(_lowest(seqs), has_syn=False)
        for runs, run in waiting:
            self._dispatch(self._halves[runs.sender[run]], runs, run, events)

    def _start(self, runs: Runs, run: int) -> None:
        """A SYN: it says who is who, and where a stream starts."""
        sender, flags = runs.sender[run], runs.flags[run]
        client = client_by_flags(sender, flags)
        is_expected = client is None or client == self._client
        if not is_expected and not self.has_syn and all(half.is_untouched for half in self._halves):
            self._swap_roles()
        self.has_syn = True
        self._halves[sender].anchor(runs.seq[run] + 1, has_syn=True)

    def _swap_roles(self) -> None:
        self._client = 1 - self._client
        for half in self._halves:
            half.direction = half.direction.other

    def _dispatch(self, half: HalfStream, runs: Runs, run: int, events: list[StreamEvent]) -> None:
        flags = runs.flags[run]
        if flags & (_SYN | _RST):
            self._recorder.take(runs, run)
        first, second = self._halves
        if first.has_hole or second.has_hole:
            self._review(runs, run, events)
        if flags & _RST:
            self._reset = first.reset = second.reset = self._reset or _first_span(runs, run)
        elif not flags & _SYN or self._is_own_start(half, runs, run):
            half.feed(runs, run, events)
            if half.has_hole:
                self._review(runs, run, events)
        if self._reset or (first.end and second.end):
            self.closing_ns = runs.time_ns(run)

    @staticmethod
    def _is_own_start(half: HalfStream, runs: Runs, run: int) -> bool:
        """A SYN with ACK may replace one that was answered with nothing; any other second SYN is a repetition."""
        seq = runs.seq[run] + 1
        if half.start_seq == seq % (1 << 32):
            return True
        if runs.flags[run] & _ACK and half.is_untouched:
            half.anchor(seq, has_syn=True)
            return True
        return False

    def _review(self, runs: Runs, run: int, events: list[StreamEvent]) -> None:
        now_ns = runs.time_ns(run)
        for side, half in enumerate(self._halves):
            if half.has_hole and not half.is_patient(now_ns):
                half.review(now_ns, _higher(self._acks[1 - side], runs.acks[1 - side][run]), events)

    def review(self, group: Group, events: list[StreamEvent]) -> None:
        """After the runs of `group`: remember the acknowledgments, and see whether to wait for a hole."""
        for side, ack in enumerate(group.acks):
            self._acks[side] = _higher(self._acks[side], ack)
        for side, half in enumerate(self._halves):
            if half.has_hole:
                half.review(group.last_time_ns, self._acks[1 - side], events)

    def close(self, reason: EndReason, events: list[StreamEvent]) -> None:
        """Nothing more will come: say what is known of both directions, and end them."""
        if self._waiting:
            self._release(events)
        span = Span(self._last[0], self._last[0], self._last[1], self._last[1])
        for half in self._halves:
            half.close(reason, span, events)
        self.is_over = True


def _higher(first: int, second: int) -> int:
    """The higher of two acknowledgment numbers, either of which may be NO_ACK."""
    if NO_ACK in (first, second):
        return first if second == NO_ACK else second
    return second if seq_distance(first, second) > 0 else first


def _first_span(runs: Runs, run: int) -> Span:
    frame, time_ns = runs.frames[runs.bounds[run]], runs.time_ns(run)
    return Span(frame, frame, time_ns, time_ns)


def _lowest(seqs: list[int]) -> int:
    """The lowest of sequence numbers that lie close together, whether or not they wrap."""
    near = [distance for seq in seqs if -REORDER_WINDOW <= (distance := seq_distance(seqs[0], seq)) <= 0]
    return seqs[0] + min(near)
