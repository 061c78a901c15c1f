"""Series: several captures as one, in time order. Whole batches pass through, unless captures overlap in time.

A capture is opened when its time comes. The order of frames within a file stays as it is, whatever its clock does: what
counts is the latest time so far.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tlsdecrypt.capture.doubles import REACH_NS, Doubles
from tlsdecrypt.capture.frames import BATCH_BYTES, FrameBatch
from tlsdecrypt.capture.inputs import Glance, gather, glance_at, opened
from tlsdecrypt.errors import CaptureError
from tlsdecrypt.value import Hidden, Value

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tlsdecrypt.capture.frames import Int64Column
    from tlsdecrypt.capture.inputs import CaptureInput, Named
    from tlsdecrypt.capture.source import Capture

MAX_OPEN = 256  # captures that overlap; more are read one after the other
LEAST_BATCH_BYTES = 256 << 10  # of one of many captures that overlap: together they stay near BATCH_BYTES
ROUND = 1_000_000  # where captures overlap, each begins to count at a round number


class Stretch(Value, frozen=True, eq=False):
    """Frames in time order, and the captures they came from: `origin` is an index into `captures` for each frame.

    None: all are of `captures[0]`.
    """

    batch: FrameBatch
    captures: tuple[Capture, ...]
    origin: Hidden[Int64Column | None] = None

    def parts(self) -> Iterator[tuple[Capture, FrameBatch]]:
        """The frames of each capture for themselves."""
        if self.origin is None:
            yield self.captures[0], self.batch
            return
        for index, capture in enumerate(self.captures):
            rows = np.flatnonzero(self.origin == index)
            if len(rows):
                yield capture, self.batch.picked(rows)


class _Part(NamedTuple):
    """Frames of one capture, and the latest time so far at each of them."""

    batch: FrameBatch
    key: Int64Column

    def cut(self, start: int, stop: int) -> _Part:
        """Some of the rows; the batch itself where they are all."""
        if stop - start == len(self.key):
            return self
        return _Part(self.batch.picked(np.arange(start, stop)), self.key[start:stop])


class _Lane:
    """An open capture, and what was read of it but not handed on."""

    def __init__(self, capture: Capture, batch_bytes: int) -> None:
        """About `batch_bytes` are read at once."""
        self.capture = capture
        self.is_read = False  # to its end
        self._batch_bytes = batch_bytes
        self._batches = (batch for batch in capture if len(batch))
        self._parts: deque[_Part] = deque()
        self._latest_ns = 0

    @property
    def is_empty(self) -> bool:
        """Whether all that was read was handed on."""
        return not self._parts

    @property
    def last_key(self) -> int:
        """The time up to which is known what this capture holds."""
        return self._latest_ns

    def load(self) -> bool:
        """Read on; False at the end."""
        batch = None if self.is_read else next(self._batches, None)
        if batch is None:
            self.is_read = True
            return False
        key = np.maximum(np.maximum.accumulate(batch.time_ns), self._latest_ns)
        self._latest_ns = int(key[-1])
        self._parts.append(_Part(batch, key))
        return True

    def look_ahead(self) -> None:
        """Read on where it can be done at once, unless it was done, to learn whether more comes."""
        if len(self._parts) <= 1 and not self.capture.is_pipe:
            self.load()

    def refill(self) -> None:
        """Read on where little is left: else each of many captures would end a stretch of its own."""
        held = sum(int(part.batch.captured_length.sum()) for part in self._parts)
        if held < self._batch_bytes // 4 and not self.capture.is_pipe:
            self.load()

    def take(self, horizon: int) -> Iterator[_Part]:
        """All up to this time, which is handed on now."""
        while self._parts:
            part = self._parts.popleft()
            stop = int(np.searchsorted(part.key, horizon, side="right"))
            if stop:
                yield part.cut(0, stop)
            if stop < len(part.key):
                self._parts.appendleft(part.cut(stop, len(part.key)))
                return


class Series:
    """All captures of one run: iterate over the stretches.

    `captures` were opened so far, in the order of their first frames; `errors` tell of those that cannot be read,
    `notes` of what was passed over; `size` is the length of all in bytes (0: not known, as for a pipe). Numbers of
    frames: each capture counts from its `first_frame` on, without holes. One that begins while others go on counts from
    a round number on, beyond all that they may hold; so a number always names one frame of one capture.
    """

    def __init__(self, named: Iterable[Named]) -> None:
        """`named` are files, folders, archives, `-` for standard input, or inputs that are ready to be opened."""
        self._gathered = gathered = gather(named)
        self.errors = gathered.errors
        self.notes = gathered.notes
        self.captures: list[Capture] = []
        self._lanes: list[_Lane] = []
        self._doubles = Doubles()
        self._waiting = deque(self._in_time_order(gathered.inputs))
        self._free_number = 1
        sizes = [glance.size for glance, _ in self._waiting]
        self.size = sum(sizes) if all(sizes) else 0

    @property
    def position(self) -> int:
        """How many bytes were read of all captures, as they are stored."""
        return sum(capture.position for capture in self.captures)

    @property
    def has_late_secrets(self) -> bool:
        """Whether TLS secrets may still turn up on the way."""
        is_open = any(lane.capture.has_late_secrets for lane in self._lanes)
        return is_open or any(glance.may_hold_secrets for glance, _ in self._waiting)

    def __iter__(self) -> Iterator[Stretch]:
        while self._waiting or self._lanes:
            if not self._lanes and not self._open_next():
                continue
            while self._is_next_due():
                self._open_next()
            for lane in self._lanes if len(self._lanes) > 1 else ():
                lane.refill()
            yield from self._advance(min(lane.last_key for lane in self._lanes))

    def close(self) -> None:
        """Close what is open: the rest will not be read."""
        self._waiting.clear()
        for lane in self._lanes:
            self._finish(lane.capture)
        self._lanes.clear()
        self._gathered.close()

    def _in_time_order(self, inputs: list[CaptureInput]) -> list[tuple[Glance, CaptureInput]]:
        """By the times of their first frames; a single one, and what gives its bytes only once, is not asked."""
        if len(inputs) == 1:
            return [(Glance(), inputs[0])]
        known = []
        for each in inputs:
            try:
                known.append((glance_at(each) if each.can_reopen else Glance(), each))
            except CaptureError as error:
                self.errors.append(error)
        return sorted(known, key=lambda item: item[0].first_time_ns)

    def _is_next_due(self) -> bool:
        """Whether the capture that waits begins before the open ones have told what they hold of that time."""
        if not self._waiting or len(self._lanes) >= MAX_OPEN:
            return False
        return self._waiting[0][0].first_time_ns <= min(lane.last_key for lane in self._lanes) + REACH_NS

    def _open_next(self) -> bool:
        """Open the capture that begins first; False where it holds no frames."""
        _, waiting = self._waiting.popleft()
        batch_bytes = max(LEAST_BATCH_BYTES, BATCH_BYTES // (len(self._lanes) + 1))
        try:
            capture = opened(waiting, first_number=self._next_number(), batch_bytes=batch_bytes)
        except CaptureError as error:
            self.errors.append(error)
            return False
        if not self.captures and not self._waiting:  # the only one, at which nobody glanced
            self.size = capture.size
        self.captures.append(capture)
        lane = _Lane(capture, batch_bytes)
        if lane.load():
            self._lanes.append(lane)
        else:
            self._finish(capture)
        return not lane.is_empty

    def _next_number(self) -> int:
        """The first number of the capture that is opened now, without a hole where all others were read."""
        free = self._free_number
        for lane in self._lanes:
            lane.look_ahead()
            most = lane.capture.frames if lane.is_read else lane.capture.most_frames
            free = max(free, lane.capture.first_frame + most)
        return free if all(lane.is_read for lane in self._lanes) else free // ROUND * ROUND + ROUND + 1

    def _finish(self, capture: Capture) -> None:
        self._free_number = max(self._free_number, capture.first_frame + capture.frames)
        capture.close()

    def _advance(self, horizon: int) -> Iterator[Stretch]:
        """All frames up to this time; then the next batch of each capture that has no more."""
        stretch = _joined([(lane.capture, part) for lane in self._lanes for part in lane.take(horizon)])
        if len(self._lanes) > 1 or self._doubles.is_watching:
            stretch = _without_doubles(stretch, self._doubles)
        if len(self._lanes) == 1:
            self._doubles = Doubles()
        if len(stretch.batch):
            yield stretch
        for lane in [lane for lane in self._lanes if lane.is_empty]:
            if not lane.load():
                self._lanes.remove(lane)
                self._finish(lane.capture)


def _joined(taken: list[tuple[Capture, _Part]]) -> Stretch:
    """Frames of several captures, by time."""
    if len(taken) == 1:
        ((capture, part),) = taken
        return Stretch(part.batch, (capture,))
    captures = tuple({capture.first_frame: capture for capture, _ in taken}.values())
    order = np.argsort(np.concatenate([part.key for _, part in taken]), kind="stable")
    origin = np.repeat([captures.index(capture) for capture, _ in taken], [len(part.key) for _, part in taken])
    parts = [part.batch for _, part in taken]
    starts = [int(part.offset.min()) for part in parts]
    ends = [int((part.offset + part.captured_length).max()) for part in parts]
    places = np.cumsum([0, *(end - start for start, end in zip(starts, ends, strict=True))]).tolist()
    offset = [part.offset - start + place for part, start, place in zip(parts, starts, places[:-1], strict=True)]
    number = np.concatenate([part.numbers(np.arange(len(part))) for part in parts])[order]
    joined = FrameBatch(
        b"".join(part.data[start:end] for part, start, end in zip(parts, starts, ends, strict=True)),
        np.concatenate(offset)[order],
        np.concatenate([part.captured_length for part in parts])[order],
        np.concatenate([part.original_length for part in parts])[order],
        np.concatenate([part.time_ns for part in parts])[order],
        np.concatenate([part.link_type for part in parts])[order],
        int(number[0]),
        number,
    )
    return Stretch(joined, captures, origin[order])


def _without_doubles(stretch: Stretch, doubles: Doubles) -> Stretch:
    """The frames that did not come already from another capture; the others are counted there."""
    origin = np.zeros(len(stretch.batch), np.int64) if stretch.origin is None else stretch.origin
    is_double = doubles.find(stretch.batch, np.array([each.first_frame for each in stretch.captures])[origin])
    if not is_double.any():
        return stretch
    for index, count in enumerate(np.bincount(origin[is_double]).tolist()):
        stretch.captures[index].drop(count)
    rows = np.flatnonzero(~is_double)
    return Stretch(stretch.batch.picked(rows), stretch.captures, origin[rows])
