"""Talk: one connection whose frames are made anew: what comes next on it, and with which numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tlsdecrypt.recapture.template import Template

FIN, SYN, RST, PSH, ACK = 0x01, 0x02, 0x04, 0x08, 0x10

_MASK = 0xFFFFFFFF


class Piece(NamedTuple):
    """Bytes of one direction (0: of the client) in the spool, or a hole (offset -1), and the frames they came from."""

    direction: int
    offset: int
    length: int
    first_frame: int
    last_frame: int


class Numbers(NamedTuple):
    """Sequence and acknowledgment number of a segment."""

    seq: int
    ack: int


class Talk:
    """Counts what each side has said. Pairs have one element for each side, the client first."""

    __slots__ = ("_base", "_fin", "_next", "_pieces", "_seen", "_sent", "_total", "awaits_ack", "is_reset", "templates")

    def __init__(self, pieces: Iterator[Piece], totals: tuple[int, int]) -> None:
        """`pieces` in the order in which they became readable; `totals` are the bytes of each side in all of them."""
        self.templates: list[Template | None] = [None, None]
        self.awaits_ack = False
        self.is_reset = False
        self._pieces = pieces
        self._next = next(pieces, None)
        self._seen: set[int] = set()
        self._base: list[int | None] = [None, None]
        self._sent = [0, 0]
        self._fin = [False, False]
        self._total = totals

    @property
    def is_over(self) -> bool:
        """Whether nothing more is to be said."""
        return self._next is None and (self.is_reset or all(self._fin))

    def begin(self, side: int, seq: int) -> None:
        """A SYN with this sequence number."""
        self._base[side] = (seq + 1) & _MASK
        self.awaits_ack = True

    def is_handshake_end(self, side: int, seq: int, ack: int) -> bool:
        """Whether a segment without payload is the one that ends the handshake of TCP."""
        is_it = side == 0 and self.awaits_ack and [seq, ack] == self._base
        self.awaits_ack = self.awaits_ack and not is_it
        return is_it

    def meet(self, side: int, seq: int, ack: int) -> None:
        """Any segment: where no SYN was seen, its numbers are as good as others."""
        if self._base[side] is None:
            self._base[side] = seq
        if self._base[1 - side] is None:
            self._base[1 - side] = ack

    def due(self, frame: int) -> list[Piece]:
        """What can be told now that this frame has come; each is to be `said`."""
        seen, due = self._seen, []
        seen.add(frame)
        while self._next is not None and self._next.last_frame in seen:
            due.append(self._next)
            self._next = next(self._pieces, None)
        if self._next is None:
            seen.clear()
        elif due and self._next.last_frame != frame:
            seen.discard(frame)
        return due

    def rest(self) -> Iterator[Piece]:
        """What is left at the end of the capture."""
        while self._next is not None:
            yield self._next
            self._next = next(self._pieces, None)

    def said(self, piece: Piece) -> Numbers:
        """The numbers with which a piece begins; it counts as sent."""
        numbers = self._numbers(piece.direction, self._sent[piece.direction])
        self._sent[piece.direction] += piece.length
        return numbers

    def opened(self, side: int) -> Numbers:
        """Of a SYN."""
        return Numbers(((self._base[side] or 0) - 1) & _MASK, (self._base[1 - side] or 0) if side else 0)

    def acknowledged(self, side: int) -> Numbers:
        """Of a segment that only acknowledges."""
        return self._numbers(side, self._sent[side])

    def finished(self, side: int) -> Numbers:
        """Of a FIN: it stands behind all that the side says, even where that comes later."""
        numbers = self._numbers(side, self._total[side])
        self._fin[side] = True
        return numbers

    def reset(self, side: int) -> Numbers:
        """Of an RST."""
        self.is_reset = True
        return self._numbers(side, self._sent[side] + self._fin[side])

    def _numbers(self, side: int, sent: int) -> Numbers:
        other = 1 - side
        is_all_sent = self._sent[other] == self._total[other]
        ack = (self._base[other] or 0) + self._sent[other] + (self._fin[other] and is_all_sent)
        return Numbers(((self._base[side] or 0) + sent) & _MASK, ack & _MASK)
