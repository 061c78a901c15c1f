"""ConnectionTable: frame batches become events of TCP connections."""

from __future__ import annotations

from collections import OrderedDict
from enum import IntEnum
from itertools import takewhile
from typing import TYPE_CHECKING

import numpy as np

from tlsdecrypt.net.columns import read_fast_lane
from tlsdecrypt.net.events import EndReason
from tlsdecrypt.net.irregular import IrregularLane
from tlsdecrypt.net.mirrored import DOUBLED, Mirrored
from tlsdecrypt.net.pending import PendingBudget
from tlsdecrypt.net.protocols import TELLING_PORTS, TcpFlag
from tlsdecrypt.net.reassembly import seq_distance
from tlsdecrypt.net.runs import cut_runs
from tlsdecrypt.net.segments import Segments
from tlsdecrypt.net.surroundings_reader import SurroundingsReader
from tlsdecrypt.net.tcp import FOREIGN_DISTANCE, TcpConnection

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterator
    from typing import TypeAlias

    from tlsdecrypt.capture.frames import FrameBatch
    from tlsdecrypt.net.events import StreamEvent
    from tlsdecrypt.net.runs import ConnectionKey, Group, Runs
    from tlsdecrypt.net.share import Share

    Happenings: TypeAlias = Iterator[tuple[TcpConnection, list[StreamEvent]]]

__all__ = ["ConnectionTable", "TcpConnection"]

CONNECTIONS_MAX = 1 << 18  # open at a time; beyond it, the one that was silent longest ends as idle
LINGERING_MAX = 1 << 12  # that ended and still wait for late segments
REMEMBERED_MAX = 1 << 16  # four-tuples of connections that are over: their stray segments start nothing new

_SYN, _ACK = int(TcpFlag.SYN), int(TcpFlag.ACK)


class Phase(IntEnum):
    """What had happened in a batch before something else did."""

    FRAMES = 0  # connections took their frames
    LINGERED = 1  # those ended for which nothing late will come
    IDLE = 2  # those ended that were silent too long


class ConnectionTable:
    """All connections of a capture, or those of a share.

    `other_frames` counts, by a word, the frames of all shares that hold no TCP segment, or a copy of one. While `feed`
    is iterated over, `place` tells where in the batch it is: by phase, then by the first frame that the connection has
    in the batch (Phase.FRAMES) or by the connection's number. So whoever follows shares can order what happened as one
    table would.
    """

    def __init__(self, share: Share | None = None) -> None:
        """With `share` only its connections are followed, and numbered on their own.

        Frames without TCP are looked at by the first share alone.
        """
        self.place: tuple[Phase, int] = Phase.FRAMES, 0
        self.surroundings = SurroundingsReader()
        self._share = share
        self._is_first = share is None or share.index == 0
        self._started: list[int] = []
        self._lane = IrregularLane(self.surroundings if self._is_first else None)
        self._mirrored = Mirrored()
        self._budget = PendingBudget()
        self._count = 0
        self._open: dict[ConnectionKey, TcpConnection] = {}  # the one that was silent longest comes first
        self._awake: dict[ConnectionKey, TcpConnection] = {}  # of the open ones, in the same order
        self._closing: dict[ConnectionKey, TcpConnection] = {}
        self._waiting: dict[ConnectionKey, TcpConnection] = {}
        self._over: OrderedDict[ConnectionKey, tuple[int | None, int | None]] = OrderedDict()

    @property
    def other_frames(self) -> Counter[str]:
        """Frames that are not TCP, are copies or cannot be read, by a word."""
        return self._lane.other_frames

    def feed(self, batch: FrameBatch) -> Happenings:
        """What `batch` tells, connection by connection, in the order of their first frames in it.

        The events of a connection are in capture order, a run of one direction at a time.
        """
        return self._overheard(self._feed(batch)) if len(batch) else iter(())

    def _feed(self, batch: FrameBatch) -> Happenings:
        fast = read_fast_lane(batch)
        self.other_frames.update(fast.other_frames)
        segments = fast.segments
        if len(fast.irregular):
            rows = self._lane.feed(batch, fast.irregular.tolist())
            segments = segments.merged(Segments.of_rows(rows))
        if self._is_first:
            if len(fast.telling):
                self._lane.look(batch, fast.telling.tolist())
            self.surroundings.take_batch(batch)
        fresh = self._mirrored.fresh(batch, segments) if len(segments) else None
        if fresh is not None:
            self.other_frames[DOUBLED] += len(segments) - len(fresh)
            segments = segments.picked(fresh)
        if self._share is not None:
            segments = segments.picked(self._share.rows(segments))
        if len(segments):
            groups, runs = cut_runs(batch, segments, bytes(self._lane.side_buffer))
            for group in groups:
                self.place = Phase.FRAMES, group.first_frame
                yield from self._feed_group(group, runs)
        # A clock that jumps for a frame must not end all connections: the median frame tells the time.
        yield from self._sweep(int(np.median(batch.time_ns)))

    def take_started(self) -> list[int]:
        """The connections that began since this was asked last, in the order of their numbers.

        Of each the first frame that it had in its batch.
        """
        started, self._started = self._started, []
        return started

    def finish(self) -> Happenings:
        """The capture ends: so do all connections."""
        return self._overheard(self._close_all())

    def _overheard(self, happenings: Happenings) -> Happenings:
        for connection, events in happenings:
            if connection.server.port in TELLING_PORTS:
                self.surroundings.take_stream(connection, events)
            yield connection, events

    def _close_all(self) -> Happenings:
        for key, connection in sorted(self._open.items(), key=lambda item: item[1].id):
            self.place = Phase.IDLE, connection.id
            yield self._close(key, EndReason.CAPTURE_END)

    def _feed_group(self, group: Group, runs: Runs) -> Happenings:
        key = group.key
        connection = self._open.pop(key, None)
        if connection is not None:
            self._open[key] = connection  # now the one that was silent shortest
            reason = _end_before(connection, group, runs)
            if reason is not None:
                yield self._close(key, reason)
                connection = None
        first = group.runs.start
        if connection is None:
            fresh = self._first_fresh_run(group, runs)
            if fresh is None:
                return
            first, connection = fresh, self._start(group)
        connection.touch(group, runs.headers)
        events: list[StreamEvent] = []
        for run in range(first, group.runs.stop):
            if connection.closing_ns is not None and connection.is_reused(runs, run):
                yield self._close(key, EndReason.REUSED, events)
                connection, events = self._start(group), []
                connection.touch(group, runs.headers)
            connection.feed(runs, run, events)
        connection.review(group, events)
        self._awake.pop(key, None)
        self._awake[key] = connection
        self._watch(key, connection)
        if events:
            yield connection, events

    def _start(self, group: Group) -> TcpConnection:
        self._over.pop(group.key, None)
        self._count += 1
        self._started.append(group.first_frame)
        connection = self._open[group.key] = TcpConnection(self._count, group, self._budget)
        return connection

    def _watch(self, key: ConnectionKey, connection: TcpConnection) -> None:
        """Have `_sweep` look at connections that time alone can move on."""
        if connection.closing_ns is not None:
            self._closing[key] = connection
        if connection.is_waiting:
            self._waiting[key] = connection

    def _first_fresh_run(self, group: Group, runs: Runs) -> int | None:
        """Where in `group` a new connection starts; None where all of it belongs to one that is over."""
        over = self._over.get(group.key)
        if over is None:
            return group.runs.start
        return next((run for run in group.runs if _is_fresh(runs, run, over)), None)

    def _close(
        self, key: ConnectionKey, reason: EndReason, events: list[StreamEvent] | None = None
    ) -> tuple[TcpConnection, list[StreamEvent]]:
        connection = self._open.pop(key)
        self._awake.pop(key, None)
        self._closing.pop(key, None)
        self._waiting.pop(key, None)
        events = [] if events is None else events
        connection.close(reason, events)
        self._over[key] = connection.next_seqs
        while len(self._over) > REMEMBERED_MAX:
            self._over.popitem(last=False)
        return connection, events

    def _sweep(self, now_ns: int) -> Happenings:
        """Move on what only waits for time to pass, and keep to the bounds."""
        for key, connection in list(self._waiting.items()):
            events: list[StreamEvent] = []
            connection.settle(now_ns, events)
            if not connection.is_waiting:
                del self._waiting[key]
                self._watch(key, connection)
            if events:
                yield connection, events
        for key in list(takewhile(lambda key: self._awake[key].is_silent(now_ns), self._awake)):
            self._awake.pop(key).doze()
        surplus = len(self._closing) - LINGERING_MAX
        lingered = [
            (connection.id, key)
            for place, (key, connection) in enumerate(self._closing.items())
            if place < surplus or connection.has_lingered(now_ns)
        ]
        for number, key in sorted(lingered):
            self.place = Phase.LINGERED, number
            yield self._close(key, EndReason.FIN)
        surplus = len(self._open) - CONNECTIONS_MAX
        idle = []
        for place, (key, connection) in enumerate(self._open.items()):
            if place >= surplus and not connection.is_idle(now_ns):
                break
            idle.append((connection.id, key))
        for number, key in sorted(idle):
            self.place = Phase.IDLE, number
            yield self._close(key, EndReason.IDLE)


def _end_before(connection: TcpConnection, group: Group, runs: Runs) -> EndReason | None:
    """Why `connection` was over before `group` came, if it was."""
    if connection.has_lingered(group.first_time_ns):
        return EndReason.FIN
    is_reused = bool(group.runs) and connection.is_reused(runs, group.runs.start)
    return EndReason.REUSED if is_reused else None


def _is_fresh(runs: Runs, run: int, over: tuple[int | None, int | None]) -> bool:
    """`run` is no late segment of the connection that was over at these sequence numbers."""
    if runs.flags[run] & (_SYN | _ACK) == _SYN:
        return True
    known = over[runs.sender[run]]
    if not runs.length[run] or known is None:
        return runs.length[run] > 0
    distance = seq_distance(known, runs.seq[run] + runs.length[run])
    return distance > 0 or distance < -FOREIGN_DISTANCE
