"""Plan: what comes next in a capture that is made anew, before its bytes are made."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, NamedTuple

from tlsdecrypt.recapture.rendering import render

if TYPE_CHECKING:
    from tlsdecrypt.recapture.container import Container
    from tlsdecrypt.recapture.plaintext_spool import PlaintextSpool
    from tlsdecrypt.recapture.rendering import Speech


class Plan(NamedTuple):
    """Frames that stay, as bytes, each group with the row of its last one; and speeches with the rows that they follow.

    `preface` is what has to be written before.
    """

    preface: bytes
    kept: list[tuple[int, bytes]]
    speeches: list[Speech]
    rows: list[int]


def rendered(plan: Plan, spool: PlaintextSpool, container: Container) -> bytes:
    """The bytes of a plan."""
    parts: list[bytes | memoryview] = [plan.preface]
    kept = iter([*plan.kept, (sys.maxsize, b"")])
    row, frames = next(kept)
    for speech_row, made in zip(plan.rows, render(plan.speeches, spool, container), strict=True):
        while row <= speech_row:
            parts.append(frames)
            row, frames = next(kept)
        parts += made
    return b"".join([*parts, frames, *(each for _, each in kept)])
