"""LineSpool: lines of the text report, kept until the captures are known by which their frames are named."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

from tlsdecrypt.flow import Span
from tlsdecrypt.report.frame_names import FrameNames
from tlsdecrypt.report.lines import Line
from tlsdecrypt.report.quantities import frame_range
from tlsdecrypt.report.spool import Spool

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tlsdecrypt.report.lines import Style


class FrameRange(str):
    """The name of some frames where there is one capture; of several, `span` tells which frames are to be named."""

    __slots__ = ("span",)

    span: Span


class PendingNames(FrameNames):
    """Names of frames that are found when lines leave a LineSpool: only the last capture tells how many there are."""

    def range(self, span: Span) -> str:
        """See FrameNames."""
        name = FrameRange(frame_range(span))
        name.span = span
        return name


class LineSpool:
    """Lines of connections, by the number of the connection."""

    def __init__(self) -> None:
        self._spool = Spool()

    def add(self, number: int, lines: Iterable[Line]) -> None:
        """All lines of one connection; parts that name frames are those of PendingNames."""
        told = [[each.level, *map(_packed, each.parts)] for each in lines]
        self._spool.add(number, json.dumps(told).encode("ascii"))

    def lines(self, names: FrameNames) -> Iterator[Line]:
        """Every line, connections in the order of their numbers, frames named by `names`."""
        for piece in self._spool.in_order():
            for level, *parts in json.loads(piece):
                yield Line(tuple(_unpacked(each, names) for each in parts), level)


def _packed(part: tuple[str, Style]) -> tuple[Any, ...]:
    text, style = part
    return (text, style, text.span.first_frame, text.span.last_frame) if isinstance(text, FrameRange) else part


def _unpacked(part: list[Any], names: FrameNames) -> tuple[str, Style]:
    text, style, *frames = part
    if frames:
        first, last = frames
        text = names.range(Span(first, last, 0, 0))
    return text, cast("Style", style)
