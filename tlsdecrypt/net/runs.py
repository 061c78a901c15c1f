"""Runs: the segments of a batch grouped by connection and cut into stretches of consecutive bytes of one direction.

A group holds segments of one connection in capture order. Segments without payload and without SYN, FIN or RST only
acknowledge: they count for the connection's span and for gap decisions, and do not break a run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np

from tlsdecrypt.net.doubled import doubled_runs
from tlsdecrypt.net.headers import Headers
from tlsdecrypt.net.protocols import ZERO_WINDOW, TcpFlag
from tlsdecrypt.net.stream_order import stream_order
from tlsdecrypt.value import Value

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tlsdecrypt.capture.frames import FrameBatch
    from tlsdecrypt.net.segments import Segments

    Int64Column: TypeAlias = NDArray[np.int64]
    Mask: TypeAlias = NDArray[np.bool_]

# The 64-bit halves of the lower and of the higher address, then both ports in one integer.
ConnectionKey: TypeAlias = tuple[int, int, int, int, int]

REORDER_NS = 2_000_000_000  # after so long a pause, a run ends: time may have decided over a hole meanwhile
LINGER_NS = 1_000_000_000  # an ended connection still takes late segments, until it was silent so long

NO_ACK = -1

_SYN, _FIN, _RST, _ACK = (int(flag) for flag in (TcpFlag.SYN, TcpFlag.FIN, TcpFlag.RST, TcpFlag.ACK))
_SEQ_MASK = 0xFFFFFFFF
_WRAP, _HALF_WRAP, _DISTANCE_BITS = 1 << 32, 1 << 31, 33
# Odd 64-bit constants (golden ratio and the finalizers of MurmurHash3): a multiplication by each mixes one column.
_MIXERS = np.array(
    [0x9E3779B97F4A7C15, 0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53, 0x2545F4914F6CDD1D, 0xBF58476D1CE4E5B9], np.uint64
)
_SHIFT = np.uint64(32)


class WindowChange(NamedTuple):
    """A segment (a row of `Runs.headers`) whose sender's buffer is full, or is free again."""

    row: int
    sender: int
    is_full: bool


class Group(NamedTuple):
    """Segments of one connection: its key, which runs they make, and what else they say.

    Endpoint 0 of the key is the lower one. Pairs have one element for each sender, endpoint 0 first. `firsts` are rows
    of `Runs.headers`: the first segment of each sender, -1 for none. `windows` has a row wherever a sender's buffer
    turned full or free again (the row, the sender, whether it is full); it is empty where none was full.
    """

    key: ConnectionKey
    runs: range
    first_frame: int
    last_frame: int
    first_time_ns: int
    last_time_ns: int
    first_sender: int
    segments: tuple[int, int]
    acks: tuple[int, int]
    firsts: tuple[int, int] = (-1, -1)
    windows: tuple[WindowChange, ...] = ()


class Runs:
    """All runs of a batch. Lists have one element a run, if not said otherwise.

    `doubled` are runs that begin with a frame that was captured before; `sorted` those whose segments were captured in
    another order.
    """

    def __init__(self, headers: Headers, side_buffer: bytes, columns: RunColumns) -> None:
        """`columns` are those of the segments that carry something, in group order."""
        self.headers = headers
        self.doubled = doubled_runs(columns, headers)
        self.sorted = frozenset((np.searchsorted(columns.bounds, columns.moved, side="right") - 1).tolist())
        self._data = headers.data
        self._side_buffer = side_buffer
        segments, bounds = columns, columns.bounds
        first = bounds[:-1]
        relative = segments.position - np.repeat(segments.position[first], np.diff(bounds))
        length = relative[bounds[1:] - 1] + segments.length[bounds[1:] - 1]
        self.sender: list[int] = segments.sender[first].tolist()
        self.length: list[int] = length.tolist()
        self.seq: list[int] = segments.seq[first].tolist()
        self.flags: list[int] = (segments.flags[first] | segments.flags[bounds[1:] - 1]).tolist()
        self.missing: list[int] = segments.missing[bounds[1:] - 1].tolist()
        self.acks: tuple[list[int], list[int]] = (segments.acks[0][first].tolist(), segments.acks[1][first].tolist())
        self.bounds: list[int] = bounds.tolist()
        self._rows = segments.row
        self._starts: list[int] = relative.tolist()
        self.frames: list[int] = segments.frame.tolist()
        self.times_ns: list[int] = segments.time_ns.tolist()
        self._begins: list[int] = segments.begin.tolist()
        self._ends: list[int] = (segments.begin + segments.length).tolist()

    def row(self, run: int) -> int:
        """The row of the first segment of `run` in `headers`."""
        return int(self._rows[self.bounds[run]])

    def wire_length(self, run: int) -> int:
        """How long the frame of the last segment of `run` was, whatever was captured of it."""
        return self.headers.wire_length(int(self._rows[self.bounds[run + 1] - 1]))

    def time_ns(self, run: int) -> int:
        """When the first segment of `run` was captured."""
        return self.times_ns[self.bounds[run]]

    def carried(self, run: int) -> tuple[bytes, list[int], list[int], list[int]]:
        """The bytes of `run`, copied out of the batch; where in them each segment starts, its frame and its time."""
        first, last = self.bounds[run], self.bounds[run + 1]
        if last - first == 1:
            return self._payload(first), [0], [self.frames[first]], [self.times_ns[first]]
        view = memoryview(self._data)  # its slices copy nothing: the bytes are written once, by the join
        pairs = zip(self._begins[first:last], self._ends[first:last], strict=True)
        data = b"".join([view[begin:end] for begin, end in pairs])
        return data, self._starts[first:last], self.frames[first:last], self.times_ns[first:last]

    def _payload(self, segment: int) -> bytes:
        """The bytes of one segment; what lies in the side buffer is always a run for itself."""
        begin, end = self._begins[segment], self._ends[segment]
        side_start = len(self._data)
        if begin < side_start:
            return self._data[begin:end]
        return self._side_buffer[begin - side_start : end - side_start]


class RunColumns(Value, frozen=True, eq=False):
    """Segments that carry something, in group order. Run `i` is `bounds[i]` to `bounds[i + 1]`.

    `position` counts payload bytes from the first segment on; `acks` are the highest of each sender so far, in capture
    order; `row` is the segment's among all, `connection` the number of its four-tuple; `moved` are the segments that
    stand elsewhere than in the capture.
    """

    sender: Int64Column
    seq: Int64Column
    flags: Int64Column
    missing: Int64Column
    begin: Int64Column
    length: Int64Column
    frame: Int64Column
    time_ns: Int64Column
    acks: tuple[Int64Column, Int64Column]
    row: Int64Column
    connection: Int64Column
    position: Int64Column
    bounds: Int64Column
    moved: Int64Column


class _Grouped:
    """The segments of a batch in group order: `starts` are the first segment of each group, and the end of all."""

    def __init__(self, batch: FrameBatch, segments: Segments) -> None:
        addresses, ports = segments.addresses, (segments.source_port, segments.destination_port)
        sender = _is_source_higher(segments)
        low = np.where(sender, addresses[2:], addresses[:2])
        high = np.where(sender, addresses[:2], addresses[2:])
        low_port, high_port = np.where(sender, ports[1], ports[0]), np.where(sender, ports[0], ports[1])
        keys = np.stack((*low, *high, ((low_port << 16) | high_port).astype(np.uint64)))
        order, self.keys, is_new = _sorted_by_key(keys)
        self.sender = sender[order].astype(np.int64)
        self.segments = segments
        self.order = order
        self.flags = segments.flags[order]
        self.time_ns = batch.time_ns[segments.frame[order]]
        self.frame = batch.numbers(segments.frame[order])
        self.connection: Int64Column = np.cumsum(is_new, dtype=np.int64)
        # A SYN, or any segment after a silence, may belong to a later connection: that is asked once for each group.
        is_new[1:] |= (self.flags[1:] & (_SYN | _ACK)) == _SYN
        is_new[1:] |= np.diff(self.time_ns) > LINGER_NS
        self.is_new = is_new
        self.starts = np.append(np.flatnonzero(is_new), len(order))

    def highest_acks(self) -> tuple[Int64Column, Int64Column]:
        """For each segment and sender: the highest acknowledgment number of that sender so far in the group, or NO_ACK.

        Reordered captures show lower ones after it. They are compared by their distance to the first, the short way
        round; the group's own number stands above the distance, so that a running maximum starts anew in each group.
        """
        group = np.cumsum(self.is_new) - 1
        floor = group << _DISTANCE_BITS
        ack = self.segments.ack[self.order]
        has_ack = (self.flags & _ACK) != 0
        result = []
        for sender in (0, 1):
            mine = np.flatnonzero(has_ack & (self.sender == sender))
            first = np.zeros(len(self.starts) - 1, np.int64)
            first[group[mine[::-1]]] = ack[mine[::-1]]  # the last assignment stays: the first of the group
            distance = (ack[mine] - first[group[mine]] + _HALF_WRAP) % _WRAP
            highest = floor.copy()
            highest[mine] += distance + 1
            highest = np.maximum.accumulate(highest) - floor
            result.append(np.where(highest == 0, NO_ACK, (first[group] + highest - 1 - _HALF_WRAP) % _WRAP))
        return result[0], result[1]


def _is_source_higher(segments: Segments) -> Mask:
    source_high, source_low, destination_high, destination_low = segments.addresses
    is_same = (source_high == destination_high) & (source_low == destination_low)
    is_higher = (source_high > destination_high) | ((source_high == destination_high) & (source_low > destination_low))
    result: Mask = is_higher | (is_same & (segments.source_port > segments.destination_port))
    return result


def _sorted_by_key(keys: NDArray[np.uint64]) -> tuple[Int64Column, NDArray[np.uint64], Mask]:
    """An order that brings equal keys together, the keys in that order, and where among them the key changes.

    The order is that of a 64-bit hash. Where two keys share a hash, their segments stay in capture order: the keys
    themselves tell them apart, and the price is a group for each change between them.
    """
    mixed = np.zeros(keys.shape[1], np.uint64)
    for column, mixer in zip(keys, _MIXERS, strict=True):
        mixed = (mixed ^ column) * mixer
        mixed ^= mixed >> _SHIFT
    order = np.argsort(mixed, kind="stable")
    sorted_keys = keys.take(order, axis=1)
    is_new = np.ones(len(order), np.bool_)
    is_new[1:] = (sorted_keys[:, 1:] != sorted_keys[:, :-1]).any(axis=0)
    return order, sorted_keys, is_new


def cut_runs(batch: FrameBatch, segments: Segments, side_buffer: bytes = b"") -> tuple[list[Group], Runs]:
    """The connections in `segments`, in the order of their first frame, and the runs that their groups name."""
    grouped = _Grouped(batch, segments)
    acks = grouped.highest_acks()
    length = segments.length[grouped.order]
    carries_bytes = (length > 0) | (segments.missing[grouped.order] > 0)
    carrying = np.flatnonzero(carries_bytes | ((grouped.flags & (_SYN | _FIN | _RST)) != 0))
    columns = _run_columns(grouped, carrying, acks, len(batch.data))
    run_of_group = np.searchsorted(carrying[columns.bounds[:-1]], grouped.starts)
    headers = Headers(batch, segments, grouped.order)
    return _groups(grouped, acks, run_of_group), Runs(headers, side_buffer, columns)


def _run_columns(
    grouped: _Grouped, carrying: Int64Column, acks: tuple[Int64Column, Int64Column], side_start: int
) -> RunColumns:
    starts_run, ends_run = _forced_bounds(grouped, carrying, side_start)
    rows = _in_stream_order(grouped, carrying, starts_run | ends_run)
    order, segments = grouped.order[rows], grouped.segments
    seq, length, time_ns = segments.seq[order], segments.length[order], grouped.time_ns[rows]
    is_first = np.ones(len(rows) + 1, np.bool_)
    follows = seq[1:] == (seq[:-1] + length[:-1]) & _SEQ_MASK
    is_first[1:-1] = starts_run[1:] | ~follows | (np.diff(time_ns) >= REORDER_NS)
    return RunColumns(
        grouped.sender[rows],
        seq,
        grouped.flags[rows],
        segments.missing[order],
        segments.start[order],
        length,
        grouped.frame[rows],
        time_ns,
        (acks[0][carrying], acks[1][carrying]),
        rows,
        grouped.connection[rows],
        np.cumsum(length) - length,
        np.flatnonzero(is_first),
        np.flatnonzero(rows != carrying),
    )


def _forced_bounds(grouped: _Grouped, carrying: Int64Column, side_start: int) -> tuple[Mask, Mask]:
    """Where a run starts and where one ends, whatever the sequence numbers say."""
    order, flags, sender = grouped.order[carrying], grouped.flags[carrying], grouped.sender[carrying]
    segments = grouped.segments
    is_single = ((flags & (_SYN | _RST)) != 0) | (segments.length[order] == 0) | (segments.start[order] >= side_start)
    ends_run = is_single | ((flags & _FIN) != 0) | (segments.missing[order] > 0)
    group = np.cumsum(grouped.is_new)[carrying]
    starts_run = is_single.copy()
    starts_run[1:] |= (group[1:] != group[:-1]) | (sender[1:] != sender[:-1]) | ends_run[:-1]
    return starts_run, ends_run


def _in_stream_order(grouped: _Grouped, carrying: Int64Column, is_apart: Mask) -> Int64Column:
    """The rows in `carrying`, those swapped on their way put back."""
    order, segments = grouped.order[carrying], grouped.segments
    places = stream_order(segments.seq[order], segments.length[order], grouped.time_ns[carrying], is_apart)
    return carrying if places is None else carrying[places]


def _groups(grouped: _Grouped, acks: tuple[Int64Column, Int64Column], run_of_group: Int64Column) -> list[Group]:
    starts, ends = grouped.starts[:-1], grouped.starts[1:]
    last = ends - 1
    sent_by_1 = np.add.reduceat(grouped.sender, starts)
    columns = (
        grouped.keys[0][starts],
        grouped.keys[1][starts],
        grouped.keys[2][starts],
        grouped.keys[3][starts],
        grouped.keys[4][starts],
        run_of_group[:-1],
        run_of_group[1:],
        grouped.frame[starts],
        grouped.frame[last],
        grouped.time_ns[starts],
        grouped.time_ns[last],
        grouped.sender[starts],
        ends - starts - sent_by_1,
        sent_by_1,
        acks[0][last],
        acks[1][last],
        *_first_rows(grouped),
    )
    visiting_order = np.argsort(grouped.frame[starts])
    rows = zip(*(column[visiting_order].tolist() for column in columns), strict=True)
    changes = _window_changes(grouped)
    if not changes:
        return [_group(row) for row in rows]
    numbers = visiting_order.tolist()
    return [_group(row, changes.get(number, ())) for number, row in zip(numbers, rows, strict=True)]


def _first_rows(grouped: _Grouped) -> tuple[Int64Column, Int64Column]:
    """For each group and sender, the row of the sender's first segment, -1 for none."""
    starts = grouped.starts[:-1]
    starter = grouped.sender[starts]
    rows = np.arange(len(grouped.sender))
    is_answer = grouped.sender != np.repeat(starter, np.diff(grouped.starts))
    answers = np.minimum.reduceat(np.where(is_answer, rows, len(rows)), starts)
    answers[answers == len(rows)] = -1
    return np.where(starter == 0, starts, answers), np.where(starter == 0, answers, starts)


def _window_changes(grouped: _Grouped) -> dict[int, tuple[WindowChange, ...]]:
    """By group, where a sender's window turned zero or opened again; only groups in which one was zero."""
    is_full = ((grouped.flags & ZERO_WINDOW) != 0) & ((grouped.flags & (_SYN | _RST)) == 0)
    full = np.flatnonzero(is_full)
    result: dict[int, tuple[WindowChange, ...]] = {}
    if not len(full):
        return result
    for number in sorted(set((np.searchsorted(grouped.starts, full, side="right") - 1).tolist())):
        rows = np.arange(grouped.starts[number], grouped.starts[number + 1])
        changes: list[WindowChange] = []
        for sender in (0, 1):
            mine = rows[grouped.sender[rows] == sender]
            is_change = np.ones(len(mine), np.bool_)
            is_change[1:] = is_full[mine[1:]] != is_full[mine[:-1]]
            changes += [WindowChange(row, sender, bool(is_full[row])) for row in mine[is_change].tolist()]
        result[number] = tuple(sorted(changes))
    return result


def _group(row: tuple[int, ...], windows: tuple[WindowChange, ...] = ()) -> Group:
    first_frame, last_frame, first_time_ns, last_time_ns, first_sender = row[7:12]
    return Group(
        (row[0], row[1], row[2], row[3], row[4]),
        range(row[5], row[6]),
        first_frame,
        last_frame,
        first_time_ns,
        last_time_ns,
        first_sender,
        (row[12], row[13]),
        (row[14], row[15]),
        (row[16], row[17]),
        windows,
    )
