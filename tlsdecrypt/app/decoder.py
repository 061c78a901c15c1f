"""Decoder: what turns the plaintext of one connection into exchanges."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from tlsdecrypt.app.exchange import Exchange
    from tlsdecrypt.flow import Direction, Span


class Decoder(Protocol):
    """Fed in the order in which the bytes were seen; exchanges come out as they are complete."""

    name: str

    def feed(self, direction: Direction, data: bytes, span: Span) -> list[Exchange]:
        """Plaintext of one direction; `span` names the frames that carried it."""

    def gap(self, direction: Direction, length: int | None, span: Span) -> list[Exchange]:
        """`length` bytes of one direction are missing here (None: nobody knows how many)."""

    def end(self, direction: Direction, span: Span) -> list[Exchange]:
        """One direction ended (FIN, RST, close_notify)."""

    def finish(self) -> list[Exchange]:
        """The connection is over: what is incomplete comes out, with its faults."""
