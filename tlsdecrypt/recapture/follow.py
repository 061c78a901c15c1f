"""One conversation as it was said, byte for byte: in a pipe nothing but its bytes, on a terminal as lines to read."""

from __future__ import annotations

import codecs
import sys
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from tlsdecrypt.errors import InputError
from tlsdecrypt.flow import Direction
from tlsdecrypt.recapture.masking import mask_streams
from tlsdecrypt.recapture.plaintext_spool import PlaintextSpool
from tlsdecrypt.report.lines import line
from tlsdecrypt.report.painter import ColourPainter
from tlsdecrypt.report.quantities import counted
from tlsdecrypt.report.standard_output import standard_output

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tlsdecrypt.conversation import Analysis, Conversation
    from tlsdecrypt.flow import Span
    from tlsdecrypt.plaintext import Place
    from tlsdecrypt.report.lines import Line, Style
    from tlsdecrypt.report.painter import Painter
    from tlsdecrypt.report.writer import Manner

MAX_LINE = 4096  # characters of one line on a terminal; what is longer goes on in the next

Glimpses: TypeAlias = dict[tuple[Direction, int], list[bytes]]  # of the hole behind so many bytes of a side

_MARKS: tuple[tuple[str, Style], tuple[str, Style]] = ((">", "caution"), ("<", "good"))


class Said(NamedTuple):
    """Some bytes of one side; a hole has a `length` only."""

    direction: Direction
    length: int
    data: bytes | None


class OneConnection:
    """A PlaintextSink that hears one connection, and keeps what was said on it."""

    def __init__(self, connection: int, *, is_masked: bool) -> None:
        self._connection = connection
        self.spool = PlaintextSpool(is_masked=is_masked)

    def said(self, place: Place, direction: Direction, data: bytes, span: Span) -> None:
        """See PlaintextSink."""
        if place.connection == self._connection:
            self.spool.said(place, direction, data, span)

    def missed(self, place: Place, direction: Direction, length: int | None, span: Span) -> None:
        """See PlaintextSink."""
        if place.connection == self._connection:
            self.spool.missed(place, direction, length, span)

    def all_said(self) -> Iterator[Said]:
        """In the order in which it became readable, which keeps that of each side."""
        pieces = self.spool.pieces()
        for way, offset, length in zip(pieces.direction, pieces.offset, pieces.length, strict=True):
            data = self.spool.read(int(offset), int(length)) if offset >= 0 else None
            yield Said(Direction(int(way)), int(length), data)


class FollowTeller:
    """A Teller that tells of one connection only. Secrets are overwritten in place, unless they are to be shown."""

    news = None
    needs_content = False

    def __init__(self, manner: Manner, connection: int, side: str | None) -> None:
        """`side` is `client` or `server`: what the other one said is left out; None for both."""
        self._manner = manner
        self._connection = connection
        self._side = side
        self._found: Conversation | None = None
        self._pseudonyms = manner.anonymiser.pseudonyms if manner.anonymiser else None
        is_masked = not manner.redactor.show_secrets or self._pseudonyms is not None
        self.sink = OneConnection(connection, is_masked=is_masked)

    def take(self, conversation: Conversation) -> None:
        """See Teller."""
        if conversation.id != self._connection:
            return
        self._found = conversation
        streams = self.sink.spool.streams(conversation.id)
        if streams is not None:
            mask_streams(conversation, *streams, self._manner.redactor, self._pseudonyms)

    def finish(self, analysis: Analysis) -> None:
        """See Teller. InputError where there is nothing to tell."""
        self._check(analysis)
        said = (each for each in self.sink.all_said() if self._side in (None, each.direction.sender))
        with standard_output():
            missing = _paint(said, ColourPainter(sys.stdout), self._glimpses()) if sys.stdout.isatty() else _write(said)
        if missing:
            self._manner.notes.append(f"{counted(missing, 'byte')} were not captured, and are missing here")

    def _glimpses(self) -> Glimpses:
        """What is known of holes, by where they are: parts of messages cannot be masked, so all secrets or nothing."""
        if self._found is None or self._pseudonyms is not None or not self._manner.redactor.show_secrets:
            return {}
        found: Glimpses = {}
        for direction in Direction:
            for piece in self._found.unverified[direction].pieces:
                found.setdefault((direction, piece.position), []).append(piece.content)
        return found

    def _check(self, analysis: Analysis) -> None:
        number, found = self._connection, self._found
        if found is None:
            last = max((each.id for each in analysis.conversations), default=0)
            known = f"they are numbered 1 to {last}" if last else "there is none"
            raise InputError(f"there is no connection {number}: {known}")
        if next(self.sink.all_said(), None) is None:
            tls = found.tls
            why = f": {tls.verdict.code.value}, {tls.verdict.summary}" if tls and not found.is_decrypted else ""
            raise InputError(f"nothing that can be read was said on connection {number}{why}")


def _write(said: Iterable[Said]) -> int:
    """The bytes alone; how many are missing."""
    missing = 0
    for each in said:
        if each.data is None:
            missing += each.length
        else:
            sys.stdout.buffer.write(each.data)
    return missing


def _paint(said: Iterable[Said], painter: Painter, glimpses: Glimpses) -> int:
    """Lines behind a mark that tells who said them; how many bytes are missing."""
    missing = 0
    position = [0, 0]
    for direction, run in groupby(said, key=lambda each: each.direction):
        lines = _Lines(direction)
        for each in run:
            missing += 0 if each.data is not None else each.length
            position[direction] += len(each.data or b"")
            for told in lines.hole(each.length) if each.data is None else lines.feed(each.data):
                painter.paint(told)
            for part in glimpses.pop((direction, position[direction]), ()) if each.data is None else ():
                for told in lines.glimpse(part):
                    painter.paint(told)
        for told in lines.finish():
            painter.paint(told)
    return missing


class _Lines:
    """Bytes of one side -> lines; what is no UTF-8 is told by its codes."""

    def __init__(self, direction: Direction) -> None:
        self._mark, self._style = _MARKS[direction]
        self._decoder = codecs.getincrementaldecoder("utf-8")("backslashreplace")
        self._rest = ""

    def feed(self, data: bytes) -> Iterator[Line]:
        """All lines that end in these bytes."""
        *whole, self._rest = (self._rest + self._decoder.decode(data)).split("\n")
        for each in whole:
            yield from self._told(each.removesuffix("\r"))
        while len(self._rest) > MAX_LINE:
            yield self._line(self._rest[:MAX_LINE])
            self._rest = self._rest[MAX_LINE:]

    def hole(self, length: int) -> Iterator[Line]:
        """Bytes that are missing."""
        yield from self.finish()
        yield line((f"{self._mark} [{counted(length, 'byte')} not captured]", "bad"))

    def glimpse(self, data: bytes) -> Iterator[Line]:
        """A part of a damaged record, under a heading of its own."""
        yield line((f"{self._mark} [of them, {counted(len(data), 'byte')}, unverified:]", "bad"))
        yield from self.feed(data)
        yield from self.finish()

    def finish(self) -> Iterator[Line]:
        """What came without the end of its line."""
        rest, self._rest = self._rest + self._decoder.decode(b"", final=True), ""
        if rest:
            yield from self._told(rest)

    def _told(self, text: str) -> Iterator[Line]:
        for start in range(0, max(len(text), 1), MAX_LINE):
            yield self._line(text[start : start + MAX_LINE])

    def _line(self, text: str) -> Line:
        return line((f"{self._mark} {text.expandtabs(4)}", self._style))
