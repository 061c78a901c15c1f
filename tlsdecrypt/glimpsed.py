"""Glimpsed: the parts of damaged records of one connection, kept apart from what was proved."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tlsdecrypt.conversation import NOTHING_UNVERIFIED, Unverified, UnverifiedPiece

if TYPE_CHECKING:
    from tlsdecrypt.tls.events import UnverifiedData

MAX_KEPT_BYTES = 1 << 20  # of one side; beyond, they are only counted
MAX_KEPT_PIECES = 1_000


class Glimpsed:
    """Takes what the TLS of a connection tells of damaged records."""

    __slots__ = ("_kept", "_lengths", "_pieces")

    def __init__(self) -> None:
        """Most connections lose nothing."""
        self._lengths = [0, 0]
        self._kept = [0, 0]
        self._pieces: tuple[list[UnverifiedPiece], list[UnverifiedPiece]] = ([], [])

    def add(self, event: UnverifiedData, position: int) -> None:
        """A part of a record; `position` is how much application data of that side came before the hole."""
        way, length = event.direction, len(event.data)
        self._lengths[way] += length
        if self._kept[way] + length <= MAX_KEPT_BYTES and len(self._pieces[way]) < MAX_KEPT_PIECES:
            self._kept[way] += length
            self._pieces[way].append(UnverifiedPiece(position, event.offset, event.data, event.span.in_order()))

    def facts(self) -> tuple[Unverified, Unverified]:
        """Both sides, in the order of Direction."""
        if not any(self._lengths):
            return NOTHING_UNVERIFIED
        first, second = (
            Unverified(length, tuple(pieces)) for length, pieces in zip(self._lengths, self._pieces, strict=True)
        )
        return first, second
