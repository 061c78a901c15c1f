"""What TLS tells of what was said, and the order in which it was sent."""

from __future__ import annotations

from heapq import merge
from itertools import accumulate
from operator import itemgetter
from typing import TYPE_CHECKING, TypeAlias, cast

from tlsdecrypt.flow import DIRECTIONS
from tlsdecrypt.tls.events import ApplicationData, ApplicationGap, UnverifiedData

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tlsdecrypt.tls.events import TlsEvent

Said: TypeAlias = ApplicationData | ApplicationGap | UnverifiedData

_SAID = frozenset({ApplicationData, ApplicationGap, UnverifiedData})


def what_was_said(events: list[TlsEvent]) -> list[Said]:
    """Those events that hold what was said, or a hole in it."""
    said = [event for event in events if type(event) in _SAID]  # of values, isinstance() is slow to say no
    return cast("list[Said]", said)


def as_sent(said: list[Said]) -> Iterable[Said]:
    """What both sides said, in the order of the frames: records of both may have waited for their keys.

    Within a direction the order stays, whatever the frames say: a segment that was sent again fills a hole late.
    """
    if len(said) == 1 or len({event.direction for event in said}) == 1:
        return said
    sides = [[event for event in said if event.direction is direction] for direction in DIRECTIONS]
    frames = [accumulate((event.span.last_frame for event in side), max) for side in sides]
    merged = merge(*(zip(*both, strict=True) for both in zip(frames, sides, strict=True)), key=itemgetter(0))
    return (event for _, event in merged)
