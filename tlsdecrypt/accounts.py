"""Accounts: what became of each frame of each capture, so that the counts of a report add up."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from tlsdecrypt.conversation import CaptureFacts
from tlsdecrypt.net.columns import read_fast_lane
from tlsdecrypt.net.irregular import IrregularLane
from tlsdecrypt.net.mirrored import DOUBLED, Mirrored
from tlsdecrypt.net.segments import Segments

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tlsdecrypt.capture.frames import FrameBatch
    from tlsdecrypt.capture.series import Stretch
    from tlsdecrypt.capture.source import Capture


class CaptureAccount:
    """The frames of one capture that were handed on, and those among them that hold no TCP."""

    def __init__(self, capture: Capture) -> None:
        self.capture = capture
        self._frames = 0
        self._others: Counter[str] = Counter()
        self._start_ns: int | None = None
        self._end_ns: int | None = None
        self._lane = IrregularLane()  # of its own, as the next: what several hold together was counted together
        self._mirrored = Mirrored()
        self._cut = self._snap_length = self._longest_cut = 0  # frames that were cut, to how many bytes, of how many

    def take(self, batch: FrameBatch, others: Counter[str]) -> None:
        """Frames of this capture alone, and how many of them hold no TCP, by a word."""
        self._frames += len(batch)
        self._others.update(others)
        self._note_cut(batch)
        start_ns, end_ns = int(batch.time_ns.min()), int(batch.time_ns.max())
        self._start_ns = start_ns if self._start_ns is None else min(start_ns, self._start_ns)
        self._end_ns = end_ns if self._end_ns is None else max(end_ns, self._end_ns)

    def _note_cut(self, batch: FrameBatch) -> None:
        is_cut = batch.original_length > batch.captured_length
        if is_cut.any():
            self._cut += int(is_cut.sum())
            self._snap_length = max(self._snap_length, int(batch.captured_length[is_cut].max()))
            self._longest_cut = max(self._longest_cut, int(batch.original_length[is_cut].max()))

    def _notes(self) -> tuple[str, ...]:
        if not self._cut:
            return tuple(self.capture.notes)
        which = "A frame was" if self._cut == 1 else f"{self._cut:,} frames were"
        cut = f"{which} cut by a snap length of {self._snap_length:,} bytes"
        return (*self.capture.notes, f"{cut}: {self._longest_cut:,} would have been enough.")

    def take_apart(self, batch: FrameBatch) -> None:
        """Frames of this capture that were read among those of others: they are looked at once more, to be counted."""
        fast = read_fast_lane(batch)
        before = Counter(self._lane.other_frames)
        rows = self._lane.feed(batch, fast.irregular.tolist())
        segments = fast.segments.merged(Segments.of_rows(rows)) if rows else fast.segments
        fresh = self._mirrored.fresh(batch, segments) if len(segments) else None
        doubled = Counter({DOUBLED: len(segments) - len(fresh)} if fresh is not None else {})
        self.take(batch, fast.other_frames + (self._lane.other_frames - before) + doubled)

    def facts(self) -> CaptureFacts:
        """What a report tells of the capture."""
        capture = self.capture
        others = self._others + capture.other_frames
        doubled = others.pop(DOUBLED, 0)
        return CaptureFacts(
            path=capture.path,
            format=capture.format,
            frames=self._frames + capture.doubled + sum(capture.other_frames.values()),
            first_frame=capture.first_frame,
            size=capture.size,
            start_ns=self._start_ns,
            end_ns=self._end_ns,
            notes=self._notes(),
            secrets=len(capture.secrets),
            tcp_frames=self._frames - sum(self._others.values()),
            doubled_frames=capture.doubled + doubled,
            other_frames=dict(others),
        )


class Accounts:
    """One account for each capture that was opened."""

    def __init__(self) -> None:
        self._accounts: dict[int, CaptureAccount] = {}  # by the number of the first frame

    def of(self, capture: Capture) -> CaptureAccount:
        """The account of a capture."""
        return self._accounts.setdefault(capture.first_frame, CaptureAccount(capture))

    def take(self, stretch: Stretch, others: Counter[str]) -> None:
        """Frames that were read, and how many of them hold no TCP, by a word."""
        if stretch.origin is None:
            self.of(stretch.captures[0]).take(stretch.batch, others)
            return
        for capture, part in stretch.parts():
            self.of(capture).take_apart(part)

    def facts(self, captures: Iterable[Capture]) -> list[CaptureFacts]:
        """What a report tells of these captures."""
        return [self.of(capture).facts() for capture in captures]
