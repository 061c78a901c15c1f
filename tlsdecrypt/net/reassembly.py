"""HalfStream: the runs of one direction become data, gaps and an end, in stream order.

Offsets count payload bytes from the first one on and never wrap; sequence numbers do, modulo 2^32 (RFC 9293 section
3.4). Where bytes come twice, the first copy is kept.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

from tlsdecrypt.flow import Span
from tlsdecrypt.net.events import EndReason, StreamData, StreamEnd, StreamGap
from tlsdecrypt.net.pending import OutOfOrder, count_differences, part, small_ones_joined
from tlsdecrypt.net.protocols import TcpFlag
from tlsdecrypt.net.repeats import REORDERED_NS, Repeats, recent_of
from tlsdecrypt.net.runs import NO_ACK, REORDER_NS
from tlsdecrypt.value import Value

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tlsdecrypt.flow import Direction
    from tlsdecrypt.net.events import StreamEvent
    from tlsdecrypt.net.pending import PendingBudget
    from tlsdecrypt.net.repeats import Recent
    from tlsdecrypt.net.runs import Runs

PENDING_MAX = 4 << 20  # bytes out of order in one direction; at this bound the hole in front is given up
# A hole that the peer acknowledged is given up when, since something was last filled in, so much came behind it, or so
# much time passed (REORDER_NS). Until then it may be reordering: several CPUs write acknowledgments before the data.
REORDER_BYTES = 1 << 20
TAIL_BYTES = 8 << 10  # delivered bytes that are kept, to tell a repetition from a conflict
WINDOW_MAX = 1 << 30  # the largest TCP window (RFC 7323 section 2.3): what lies further ahead is no data of this stream

_SYN, _FIN = int(TcpFlag.SYN), int(TcpFlag.FIN)
_SEQ_MASK = (1 << 32) - 1
_WRAP = 1 << 32
_HALF_WRAP = 1 << 31


def seq_distance(start: int, end: int) -> int:
    """How far sequence number `end` lies after `start` (negative: before), the short way round."""
    return (end - start + _HALF_WRAP) % _WRAP - _HALF_WRAP


class HalfFacts(Value, frozen=True):
    """One direction of a connection, in segments and payload bytes.

    `length` was seen in order, `missing` lies in `gaps` of known size, `repeated` came again and was dropped,
    `conflicting` of those had other content than the copy that was kept, as far as that was still held (the last
    `TAIL_BYTES` delivered, and all that waits). `out_of_order` segments came before one that precedes them in the
    stream. `end` is an `EndReason` value, or None.
    """

    segments: int
    length: int
    gaps: int
    missing: int
    repeated: int
    conflicting: int
    out_of_order: int
    end: str | None


class HalfStream:
    """One direction of a connection. Events are appended to the list that each method is given."""

    __slots__ = (
        "_budget",
        "_conflicting",
        "_fin",
        "_gaps",
        "_last",
        "_latest_frame",
        "_length",
        "_missing",
        "_next",
        "_out_of_order",
        "_pending",
        "_progress_cost",
        "_progress_ns",
        "_recent",
        "_repeated",
        "_tail",
        "_was_acknowledged",
        "direction",
        "end",
        "first_payload",
        "has_hole",
        "has_syn",
        "repeats",
        "reset",
        "segments",
        "start_seq",
    )

    def __init__(self, direction: Direction, budget: PendingBudget) -> None:
        """Nothing is known yet, not even where the stream starts: see `anchor`."""
        self.direction = direction
        self.segments = 0
        self.has_syn = False
        self.has_hole = False
        self.end: EndReason | None = None
        self._budget = budget
        self.start_seq: int | None = None  # the sequence number of offset 0
        self._next = 0
        self._pending = OutOfOrder(budget)
        self._fin: tuple[int, Span] | None = None  # its offset, and its frame
        self._last: tuple[int, int] | None = None  # frame and time of what was delivered last
        self._latest_frame = 0
        self._progress_ns = self._progress_cost = 0  # when a hole was last filled in part, and what waited then
        self._tail = b""
        self._length = self._gaps = self._missing = 0
        self._repeated = self._conflicting = self._out_of_order = 0
        self._was_acknowledged = False  # a hole that was given up
        self._recent: tuple[Recent, ...] = ()
        self.first_payload: tuple[int, int] | None = None
        self.repeats: Repeats | None = None
        self.reset: Span | None = None  # the connection's: what is not at its end by now ends so

    @property
    def is_untouched(self) -> bool:
        """Nothing was delivered and nothing waits."""
        return self._next == 0 and not self._pending and self.end is None

    @property
    def next_seq(self) -> int | None:
        """The sequence number that would follow what was delivered; a FIN takes one too."""
        if self.start_seq is None:
            return None
        return (self.start_seq + self._next + (1 if self.end is EndReason.FIN else 0)) % _WRAP

    @property
    def last_payload(self) -> tuple[int, int] | None:
        """Frame and time of what was delivered last."""
        return self._last

    @property
    def fin_span(self) -> Span | None:
        """The frame of the FIN."""
        return self._fin and self._fin[1]

    def is_lost(self, peer_ack: int) -> bool:
        """The peer, whose highest acknowledgment is `peer_ack`, acknowledged bytes that were not captured."""
        if self.start_seq is None or self._was_acknowledged or peer_ack == NO_ACK:
            return peer_ack != NO_ACK
        return self.distance(peer_ack) > 1  # a FIN takes a number too

    def unacknowledged(self, peer_ack: int) -> int | None:
        """Bytes that were delivered and not acknowledged by then, None where the peer acknowledged nothing."""
        if self.start_seq is None or peer_ack == NO_ACK:
            return None
        return min(max(-self.distance(peer_ack), 0), self._length)

    def anchor(self, seq: int, *, has_syn: bool) -> None:
        """The stream starts at `seq`: the one after SYN, or the lowest that was seen."""
        self.start_seq = seq % _WRAP
        self.has_syn = has_syn

    def distance(self, seq: int) -> int:
        """How far ahead of what was delivered `seq` lies. Only for an anchored stream."""
        return seq_distance((self.start_seq or 0) + self._next, seq)

    def facts(self) -> HalfFacts:
        """What is known so far."""
        return HalfFacts(
            self.segments,
            self._length,
            self._gaps,
            self._missing,
            self._repeated,
            self._conflicting,
            self._out_of_order,
            None if self.end is None else self.end.value,
        )

    def append(self, runs: Runs, run: int, events: list[StreamEvent]) -> bool:
        """One run of this direction without flags, where it simply follows, as nearly all do.

        False: something is to be decided, see `feed`. The stream has to be anchored.
        """
        is_next = runs.seq[run] == ((self.start_seq or 0) + self._next) & _SEQ_MASK
        if not is_next or self.has_hole or self.end is not None or runs.missing[run]:
            return False
        data, starts, frames, times_ns = runs.carried(run)
        if run in runs.sorted:
            self._count_early(frames)
        self._deliver(StreamData(self.direction, self._next, data, starts, frames, times_ns), events)
        return True

    def feed(self, runs: Runs, run: int, events: list[StreamEvent]) -> None:
        """One run of this direction. The stream has to be anchored."""
        flags, length, seq = runs.flags[run], runs.length[run], runs.seq[run]
        distance = self.distance(seq + 1 if flags & _SYN else seq)
        if self.end is not None:
            self._repeated += max(min(length, -distance), 0)
            if length and run not in runs.doubled:
                self._count_segments(StreamData(self.direction, self._next + distance, *runs.carried(run)))
            return
        if distance > WINDOW_MAX:
            return
        offset = self._next + distance
        if length:
            piece = StreamData(self.direction, offset, *runs.carried(run))
            if distance or self.has_hole:
                self._sort_in(piece, events, is_doubled=run in runs.doubled)
            else:
                if run in runs.sorted:
                    self._count_early(piece.frames)
                self._deliver(piece, events)
        missing = runs.missing[run]
        if missing:
            self._skip_cut_bytes(runs, run, offset + length, events)
        end = offset + length + missing
        if flags & _FIN and self._fin is None and end >= self._next:
            self._fin = end, _last_span(runs, run)
            self._settle(events)

    def _sort_in(self, piece: StreamData, events: list[StreamEvent], *, is_doubled: bool) -> None:
        """Take a piece that does not simply follow: it came too late, too early, or where something else waits."""
        late = self._next - piece.offset
        if late == 1 and _is_keep_alive(piece):
            if len(piece.data) == 1:
                return
            piece, late = part(piece, 1, len(piece.data)), 0
        if late > 0:
            if not is_doubled:
                self._count_segments(piece)
            self._count_repeated(piece, min(late, len(piece.data)))
            if late >= len(piece.data):
                return
            piece = part(piece, late, len(piece.data))
        if not self.has_hole:
            self._progress_ns = max(self._progress_ns, piece.times_ns[0])
        self._count_filled(piece)
        repeated, conflicting = self._pending.insert(piece)
        self._repeated += repeated
        self._conflicting += conflicting
        if piece.offset == self._next:
            self._deliver_following(events)
            self._progress_ns, self._progress_cost = piece.times_ns[-1], self._pending.cost
        self._settle(events)

    def _count_segments(self, piece: StreamData) -> None:
        """`piece` begins before what was delivered ends."""
        self.repeats = self.repeats or Repeats()
        self.repeats.add(piece, self._next, self._recent)

    def _count_filled(self, piece: StreamData) -> None:
        """`piece` may fill the hole in front of what waits, long after that came."""
        if piece.offset != self._next or not self._pending:
            return
        front = self._pending.front
        if front.offset > piece.offset and piece.times_ns[0] - front.times_ns[0] > REORDERED_NS:
            self.repeats = self.repeats or Repeats()
            self.repeats.filled += bisect_left(piece.starts, front.offset - piece.offset)

    def _count_repeated(self, piece: StreamData, length: int) -> None:
        """The first `length` bytes of `piece` were delivered before: count them, and where they differ."""
        self._repeated += length
        known = max(piece.offset, self._next - len(self._tail))
        again = piece.data[known - piece.offset : length]
        if again:
            start = known - (self._next - len(self._tail))
            self._conflicting += count_differences(again, self._tail[start : start + len(again)])

    def _deliver(self, piece: StreamData, events: list[StreamEvent]) -> None:
        data, frame = piece.data, piece.frames[-1]
        length = len(data)
        events.append(piece)
        self._next += length
        self._length += length
        self._last = frame, piece.times_ns[-1]
        if self.first_payload is None:
            self.first_payload = piece.frames[0], piece.times_ns[0]
        self._recent = (*self._recent[-1:], recent_of(piece))
        self._latest_frame = max(self._latest_frame, frame)
        self._tail = data[-TAIL_BYTES:] if length >= TAIL_BYTES else (self._tail + data)[-TAIL_BYTES:]

    def _deliver_following(self, events: list[StreamEvent]) -> None:
        pieces = self._pending.pop_following(self._next)
        for piece in pieces:
            self._count_early(piece.frames)
        for piece in small_ones_joined(pieces):
            self._deliver(piece, events)

    def _count_early(self, frames: Sequence[int]) -> None:
        """`frames` are about to be delivered in this order: those that came before one that precedes them count."""
        early, latest = 0, self._latest_frame
        for frame in frames:
            if frame > latest:
                latest = frame
            elif frame < latest:
                early += 1
        self._latest_frame = latest
        self._out_of_order += early

    def _skip_cut_bytes(self, runs: Runs, run: int, end: int, events: list[StreamEvent]) -> None:
        """The snap length cut the tail of this segment: nothing will ever fill the hole, so do not wait for it."""
        if end != self._next:
            return
        missing = runs.missing[run]
        if self._pending:
            missing = min(missing, self._pending.front.offset - end)
        self._add_gap(missing, _last_span(runs, run), events, runs.wire_length(run))
        self._deliver_following(events)
        self._settle(events)

    def _add_gap(self, length: int, span: Span, events: list[StreamEvent], wire_length: int = 0) -> None:
        events.append(StreamGap(self.direction, self._next, length, span, wire_length))
        self._next += length
        self._gaps += 1
        self._missing += length
        self._tail = b""

    def _settle(self, events: list[StreamEvent]) -> None:
        """End where the FIN stands, and say whether something is still waited for."""
        if self._fin is not None and self._next >= self._fin[0]:
            self._finish(EndReason.FIN, self._fin[1], events)
        self.has_hole = self.end is None and (self._fin is not None or bool(self._pending))

    def _finish(self, reason: EndReason, span: Span, events: list[StreamEvent]) -> None:
        if self.reset is not None:
            reason, span = EndReason.RST, self.reset
        self.end = reason
        self.has_hole = False
        self._pending.clear()
        self._tail = b""
        events.append(StreamEnd(self.direction, reason, span))

    def review(self, now_ns: int, peer_ack: int, events: list[StreamEvent]) -> None:
        """Give up the hole in front where nothing speaks for waiting. Safe to call at any time, any number of times."""
        while self.has_hole and self._is_lost(now_ns, peer_ack):
            self._was_acknowledged = self._was_acknowledged or self._is_acknowledged(peer_ack)
            self._give_up_hole(events)

    def _is_acknowledged(self, peer_ack: int) -> bool:
        """The peer has the bytes of the hole in front."""
        return peer_ack != NO_ACK and self._next + self.distance(peer_ack) >= self._hole()[0]

    def is_patient(self, now_ns: int) -> bool:
        """Whether nothing can be given up yet, as nearly always, so that nothing has to be looked up."""
        is_little = self._pending.cost - self._progress_cost < REORDER_BYTES
        return is_little and now_ns - self._progress_ns < REORDER_NS and not self._is_too_much

    @property
    def _is_too_much(self) -> bool:
        return self._pending.cost > PENDING_MAX or (self._budget.is_exceeded and bool(self._pending))

    def _is_lost(self, now_ns: int, peer_ack: int) -> bool:
        if self._is_too_much:
            return True
        if self.is_patient(now_ns) or not self._is_acknowledged(peer_ack):
            return False
        is_long = now_ns - max(self._hole()[1].first_time_ns, self._progress_ns) >= REORDER_NS
        return is_long or self._pending.cost - self._progress_cost >= REORDER_BYTES

    def _hole(self) -> tuple[int, Span]:
        """Where the hole in front ends, and the frame behind it."""
        front = self._pending.front if self._pending else None
        if self._fin is not None and (front is None or front.offset >= self._fin[0]):
            return self._fin
        assert front is not None, "a hole lies in front of data or of a FIN"
        return front.offset, front.span(0, 1)

    def _give_up_hole(self, events: list[StreamEvent]) -> None:
        hole_end, after = self._hole()
        frame, time_ns = self._last or (after.first_frame, after.first_time_ns)
        span = Span(frame, after.first_frame, time_ns, after.first_time_ns)
        self._add_gap(hole_end - self._next, span, events)
        self._deliver_following(events)
        self._progress_cost = 0
        self._settle(events)

    def doze(self) -> None:
        """After a long silence: what comes now repeats nothing, so what was delivered is let go."""
        self._tail = b""
        self._recent = ()

    def close(self, reason: EndReason, span: Span, events: list[StreamEvent]) -> None:
        """Nothing more will come: what waits is delivered around its holes, then the stream ends."""
        while self.has_hole:
            self._give_up_hole(events)
        if self.end is None:
            self._finish(reason, span, events)


def _is_keep_alive(piece: StreamData) -> bool:
    """One byte before what comes next (RFC 9293 section 3.8.4): perhaps garbage, so neither data nor a conflict."""
    return (piece.starts[1] if len(piece.starts) > 1 else len(piece.data)) == 1


def _last_span(runs: Runs, run: int) -> Span:
    """The frame of the last segment of `run`."""
    last = runs.bounds[run + 1] - 1
    frame, time_ns = runs.frames[last], runs.times_ns[last]
    return Span(frame, frame, time_ns, time_ns)
