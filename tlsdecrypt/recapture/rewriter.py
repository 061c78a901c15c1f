"""Rewriter: the frames of a capture once more, with those of some connections made anew from what was said on them."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import chain, islice, pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tlsdecrypt.flow import Span
from tlsdecrypt.net.columns import read_fast_lane
from tlsdecrypt.net.irregular import IrregularLane
from tlsdecrypt.net.roles import describe_address
from tlsdecrypt.net.segments import Segments
from tlsdecrypt.recapture.originals import Originals, joined
from tlsdecrypt.recapture.owners import Owners, address_number
from tlsdecrypt.recapture.plan import Plan
from tlsdecrypt.recapture.rendering import Speech
from tlsdecrypt.recapture.talk import ACK, FIN, PSH, RST, SYN, Piece, Talk
from tlsdecrypt.recapture.template import Ends, make_nameless_template, make_template, with_checksums
from tlsdecrypt.value import Value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from tlsdecrypt.capture.frames import FrameBatch
    from tlsdecrypt.conversation import Conversation
    from tlsdecrypt.recapture.container import Container
    from tlsdecrypt.recapture.plaintext_spool import PlaintextSpool
    from tlsdecrypt.recapture.talk import Numbers
    from tlsdecrypt.redact.pseudonyms import Pseudonyms

    Int64Column = NDArray[np.int64]
    Mask = NDArray[np.bool_]

AT_ONCE = 1024  # pieces that are looked at, or rendered at the end, together
MAX_HELD = 16 << 20  # bytes that are said before they are rendered
_LOW_HALF = (1 << 64) - 1
BESIDE_PORT = 0x8000  # the bit of a client's port that is turned where frames made anew stand beside the original ones


class Script(Value, frozen=True):
    """What was said on which connections: those whose ids are `chosen` are made anew.

    With `pseudonyms`, only those are written: nothing tells what the other frames may name.
    """

    conversations: Sequence[Conversation]
    chosen: frozenset[int]
    spool: PlaintextSpool
    name_frames: Callable[[Span], str]
    pseudonyms: Pseudonyms | None = None


class _Hit(NamedTuple):
    """A segment that has something to do with what is made anew; `row` is that of its frame in the batch."""

    segment: int
    row: int
    owner: int
    side: int
    number: int
    seq: int
    ack: int
    flags: int
    length: int


@dataclass(slots=True)
class _Work:
    """One batch while it is rewritten: which of its frames are kept, and what is said beside them, behind which row."""

    batch: FrameBatch
    segments: Segments
    is_kept: Mask
    repaired: dict[int, bytes] = field(default_factory=dict)  # frames that are kept but for their checksums
    held: int = 0  # bytes
    speeches: list[Speech] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)


class Rewriter:
    """Fed with the frames that the analysis was fed with, in the same order; gives the plan of the new capture."""

    def __init__(self, script: Script, container: Container, *, keeps_original: bool) -> None:
        """With `keeps_original`, frames that are made anew stand beside the original ones, at another client port."""
        self._originals = Originals(container)
        self._is_all_new = keeps_original or script.pseudonyms is not None  # no frame of a connection stays as it is
        self._script, self._container, self._keeps_original = script, container, keeps_original
        self._owners = Owners(script.conversations)
        self._ids = [each.id for each in script.conversations]
        chosen = [each.id in script.chosen for each in script.conversations]
        self._is_chosen = np.array([*chosen, False], np.bool_)  # the last one is NOBODY's
        self._is_open = self._is_chosen.copy()  # until all of it was said
        self._pieces = _PiecesByTalk(script)
        self._lane = IrregularLane()
        self._talks: dict[int, Talk] = {}
        self._last_ns = 0

    @property
    def left_out(self) -> int:
        """How many frames the container has no room for."""
        return self._originals.left_out

    def feed(self, batch: FrameBatch) -> Iterator[Plan]:
        """The next frames."""
        segments = self._segments(batch)
        work = _Work(batch, segments, np.full(len(batch), self._script.pseudonyms is None))
        start = 0
        for hit in self._hits(work):
            self._take(work, hit)
            if work.held > MAX_HELD:
                yield self._flush(work, range(start, hit.row + 1))
                start = hit.row + 1
        yield self._flush(work, range(start, len(batch)))
        self._last_ns = int(batch.time_ns[-1])

    def finish(self) -> Iterator[Plan]:
        """What is left of connections whose frames did not all come again."""
        for _, talk in sorted(self._talks.items()):
            rest = talk.rest()
            while some := list(islice(rest, AT_ONCE)):
                speeches = []
                for piece in some:
                    speeches += self._speeches(talk, piece, talk.said(piece), PSH | ACK, self._last_ns)
                yield Plan(self._originals.take_preface(), [], speeches, [0] * len(speeches))

    def _segments(self, batch: FrameBatch) -> Segments:
        fast = read_fast_lane(batch)
        if not len(fast.irregular):
            return fast.segments
        rows = self._lane.feed(batch, fast.irregular.tolist())
        return fast.segments.merged(Segments.of_rows(rows))

    def _hits(self, work: _Work) -> Iterator[_Hit]:
        """The segments to look at one by one; those of chosen connections are not kept, unless it is wanted."""
        segments = work.segments
        numbers = work.batch.numbers(segments.frame)
        owned = self._owners.find(segments, numbers)
        is_mine = self._is_chosen[owned.place]
        if not self._keeps_original:
            work.is_kept[segments.frame[is_mine]] = False
        is_mine &= self._is_open[owned.place]
        flags = segments.flags & (SYN | FIN | RST | ACK)
        mine = np.flatnonzero(is_mine)
        silent = mine[(flags[mine] == ACK) & (segments.length[mine] == 0) & (segments.missing[mine] == 0)]
        is_wanted = ((flags[mine] & (SYN | FIN | RST)) != 0) | self._pieces.are_awaited(numbers[mine])
        firsts = silent[np.unique(owned.place[silent], return_index=True)[1]]
        hits = np.union1d(mine[is_wanted], firsts)
        columns = (segments.frame, owned.place, owned.is_from_server, numbers, segments.seq, segments.ack)
        values = [column[hits].tolist() for column in (*columns, flags, segments.length)]
        yield from map(_Hit, hits.tolist(), *values)

    def _take(self, work: _Work, hit: _Hit) -> None:
        """What one segment lets be told."""
        talk = self._talk(hit.owner)
        if talk is None:
            return
        self._meet(work, talk, hit)
        if hit.flags & SYN:
            self._tell_bare(work, talk, hit, talk.opened(hit.side), hit.flags)
        elif hit.flags == ACK and not hit.length and talk.is_handshake_end(hit.side, hit.seq, hit.ack):
            self._tell_bare(work, talk, hit, talk.acknowledged(hit.side), ACK)
        for piece in talk.due(hit.number):
            self._say(work, talk, hit, piece)
        if hit.flags & RST:
            self._tell_bare(work, talk, hit, talk.reset(hit.side), RST | ACK)
        elif hit.flags & FIN:
            self._tell_bare(work, talk, hit, talk.finished(hit.side), FIN | ACK)
        if talk.is_over:
            self._is_open[hit.owner] = False
            del self._talks[hit.owner]

    def _talk(self, owner: int) -> Talk | None:
        talk = self._talks.get(owner)
        if talk is None and self._is_open[owner]:
            talk = self._talks[owner] = self._pieces.of(self._ids[owner])
        return talk

    def _meet(self, work: _Work, talk: Talk, hit: _Hit) -> None:
        if hit.flags & SYN:
            talk.begin(hit.side, hit.seq)
        else:
            talk.meet(hit.side, hit.seq, hit.ack)
        if talk.templates[hit.side] is None:
            segments, index = work.segments, hit.segment
            ports = [int(segments.source_port[index]), int(segments.destination_port[index])]
            if self._keeps_original:
                ports[hit.side] ^= BESIDE_PORT
            halves = [int(each) for each in segments.addresses[:, index]]
            ends = Ends(halves[0] << 64 | halves[1], halves[2] << 64 | halves[3], *ports)
            if self._script.pseudonyms is None:
                template = make_template(work.batch, hit.row, int(segments.network[index]), ends)
            else:
                template = make_nameless_template(_renamed(ends, self._script.pseudonyms))
            talk.templates[hit.side] = template

    def _tell_bare(self, work: _Work, talk: Talk, hit: _Hit, numbers: Numbers, flags: int) -> None:
        """A segment without payload: the original one where its numbers are still right."""
        if not flags & (FIN | RST) and not hit.length and not self._is_all_new:
            work.is_kept[hit.row] = True
            repaired = with_checksums(work.batch, hit.row, int(work.segments.network[hit.segment]))
            if repaired is not None:
                work.repaired[hit.row] = repaired
            return
        piece = Piece(hit.side, 0, 0, hit.number, hit.number)
        self._speak(work, hit, self._speeches(talk, piece, numbers, flags, int(work.batch.time_ns[hit.row])))

    def _say(self, work: _Work, talk: Talk, hit: _Hit, piece: Piece) -> None:
        numbers = talk.said(piece)
        work.held += piece.length
        self._speak(work, hit, self._speeches(talk, piece, numbers, PSH | ACK, int(work.batch.time_ns[hit.row])))

    @staticmethod
    def _speak(work: _Work, hit: _Hit, speeches: list[Speech]) -> None:
        work.speeches += speeches
        work.rows += [hit.row] * len(speeches)

    def _speeches(self, talk: Talk, piece: Piece, numbers: Numbers, flags: int, time_ns: int) -> list[Speech]:
        """A piece as one speech; none for a hole, nor where no frame of that side tells its addresses."""
        template = talk.templates[piece.direction]
        if template is None or piece.offset < 0:
            return []
        interface = self._originals.interface(template.link_type)
        if interface is None:
            self._originals.left_out += 1
            return []
        span = Span(piece.first_frame, piece.last_frame, 0, 0)
        comment = self._container.comment(f"from {self._script.name_frames(span)}")
        return [Speech(template, interface, numbers, flags, piece.offset, piece.length, time_ns, comment)]

    def _flush(self, work: _Work, rows: range) -> Plan:
        """The frames that are kept in these rows, and what was said, behind the rows that it belongs to."""
        kept = rows.start + np.flatnonzero(work.is_kept[rows.start : rows.stop])
        kept, original = self._originals.frames(work.batch, kept)
        for row in work.repaired.keys() & set(kept.tolist()) if work.repaired else ():
            place = int(np.searchsorted(kept, row))
            head, _, tail = original[place][0]
            original[place] = [(head, work.repaired.pop(row), tail)]
        cuts = np.searchsorted(kept, sorted(set(work.rows)), side="right").tolist()
        groups = [(first, last) for first, last in pairwise([0, *cuts, len(kept)]) if last > first]
        frames = [(int(kept[last - 1]), joined(chain.from_iterable(original[first:last]))) for first, last in groups]
        plan = Plan(self._originals.take_preface(), frames, work.speeches, work.rows)
        work.speeches, work.rows, work.held = [], [], 0
        return plan


def _renamed(ends: Ends, pseudonyms: Pseudonyms) -> Ends:
    source, destination = (
        address_number(pseudonyms.address(describe_address(each >> 64, each & _LOW_HALF)))
        for each in (ends.source, ends.destination)
    )
    return ends._replace(source=source, destination=destination)


class _PiecesByTalk:
    """The pieces of connections that are made anew."""

    def __init__(self, script: Script) -> None:
        pieces = script.spool.pieces()
        chosen = np.flatnonzero(np.isin(pieces.connection, np.array(sorted(script.chosen), np.int64)))
        self._pieces = pieces
        self._order = chosen[np.argsort(pieces.connection[chosen], kind="stable")]
        self._connections = pieces.connection[self._order]
        self._awaited = np.unique(pieces.last_frame[chosen])

    def of(self, connection: int) -> Talk:
        """All that was said on one connection."""
        bounds = np.searchsorted(self._connections, [connection, connection + 1]).tolist()
        rows = self._order[bounds[0] : bounds[1]]
        direction, length = self._pieces.direction[rows], self._pieces.length[rows]
        server = int(length[direction == 1].sum())
        return Talk(self._some(rows), (int(length.sum()) - server, server))

    def _some(self, rows: Int64Column) -> Iterator[Piece]:
        """One after the other: a connection may have millions."""
        pieces = self._pieces
        columns = (pieces.direction, pieces.offset, pieces.length, pieces.first_frame, pieces.last_frame)
        for start in range(0, len(rows), AT_ONCE):
            some = rows[start : start + AT_ONCE]
            yield from map(Piece, *(column[some].tolist() for column in columns))

    def are_awaited(self, numbers: Int64Column) -> Mask:
        """Whether a piece is complete with these frames."""
        if not len(self._awaited):
            return np.zeros(len(numbers), np.bool_)
        places = np.minimum(np.searchsorted(self._awaited, numbers), len(self._awaited) - 1)
        result: Mask = self._awaited[places] == numbers
        return result
