"""Plaintext: what was said on one connection once nothing covers it any more, and the decoder that understands it."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Protocol

from tlsdecrypt.app.decoder import StartsTls, choose_decoder
from tlsdecrypt.conversation import PlaintextDigest
from tlsdecrypt.flow import DIRECTIONS
from tlsdecrypt.value import Value, replace

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from hashlib import _Hash

    from tlsdecrypt.app.decoder import Decoder
    from tlsdecrypt.app.exchange import Exchange
    from tlsdecrypt.app.kept_content import ContentStore
    from tlsdecrypt.flow import Direction, Span

ENOUGH_TO_CHOOSE = 24  # bytes of one direction by which a protocol is told; CBC in TLS 1.0 often sends the first alone
MAX_UNDECIDED_PIECES = 64


class PlaintextSink(Protocol):
    """Hears what was said on each connection, in the order of each of its directions, as it becomes readable."""

    def said(self, place: Place, direction: Direction, data: bytes, span: Span) -> None:
        """The next bytes of one direction."""

    def missed(self, place: Place, direction: Direction, length: int | None, span: Span) -> None:
        """Bytes of one direction that are missing, None where nobody knows how many."""


class Place(Value, frozen=True):
    """Where something was said: on a connection (`Conversation.id`), under TLS or in the clear."""

    connection: int
    is_decrypted: bool


class PlaintextFork:
    """Several sinks as one."""

    def __init__(self, sinks: Sequence[PlaintextSink]) -> None:
        self._sinks = sinks

    def said(self, place: Place, direction: Direction, data: bytes, span: Span) -> None:
        """See PlaintextSink."""
        for sink in self._sinks:
            sink.said(place, direction, data, span)

    def missed(self, place: Place, direction: Direction, length: int | None, span: Span) -> None:
        """See PlaintextSink."""
        for sink in self._sinks:
            sink.missed(place, direction, length, span)


class Outlets(Value, frozen=True):
    """Where plaintext goes besides the decoders: contents into a store instead of memory, all of it to a sink."""

    contents: ContentStore | None = None
    sink: PlaintextSink | None = None


NO_OUTLETS = Outlets()


class Plaintext:
    """Counts and hashes the bytes of both directions, chooses a decoder by the first ones, and feeds it."""

    __slots__ = (
        "_contents",
        "_digests",
        "_keep_content",
        "_lengths",
        "_place",
        "_port",
        "_sink",
        "_successor",
        "_undecided",
        "alpn",
        "decoder",
        "exchanges",
    )

    def __init__(
        self, port: int, *, keep_content: bool, outlets: Outlets = NO_OUTLETS, place: Place | None = None
    ) -> None:
        """`port` is the server's; `keep_content` keeps contents that no decoder asks for; `place` is for the sink."""
        self.decoder: Decoder | None = None
        self.exchanges: list[Exchange] = []
        self.alpn: str | None = None
        self._successor: Decoder | None = None
        self._port = port
        self._keep_content = keep_content or outlets.contents is not None
        self._contents = outlets.contents
        self._sink = outlets.sink if place is not None else None
        self._place = place or Place(0, is_decrypted=False)
        self._digests: list[_Hash | None] = [None, None]  # most connections speak with or without TLS, not both
        self._lengths = [0, 0]
        self._undecided: list[tuple[Direction, bytes | None, int | None, Span]] | None = []

    @property
    def protocol(self) -> str | None:
        """The decoder's name, None where none understands this connection."""
        return self.decoder.name if self.decoder else None

    def digest(self, direction: Direction) -> PlaintextDigest:
        """Length and hash of one direction."""
        length, digest = self._lengths[direction], self._digests[direction]
        return PlaintextDigest(length, digest.hexdigest() if length and digest is not None else None)

    def length(self, direction: Direction) -> int:
        """How much one side has said so far."""
        return self._lengths[direction]

    def feed(self, direction: Direction, data: bytes, span: Span) -> None:
        """The next bytes of one direction."""
        self._lengths[direction] += len(data)
        digest = self._digests[direction]
        if digest is None:
            digest = self._digests[direction] = hashlib.sha256()
        digest.update(data)
        if self._sink is not None:
            self._sink.said(self._place, direction, data, span)
        if self.decoder is not None:
            self._take(self.decoder.feed(direction, data, span))
        elif self._undecided is not None:
            self._undecided.append((direction, data, None, span))
            self._choose(is_last=False)

    def gap(self, direction: Direction, length: int | None, span: Span) -> None:
        """Bytes that are missing."""
        if self._sink is not None:
            self._sink.missed(self._place, direction, length, span)
        if self.decoder is not None:
            self._take(self.decoder.gap(direction, length, span))
        elif self._undecided is not None:
            self._undecided.append((direction, None, length, span))
            self._choose(is_last=False)

    def end(self, direction: Direction, span: Span) -> None:
        """One direction is over."""
        if self._undecided is not None:
            self._choose(is_last=True)
        if self.decoder is not None:
            self._take(self.decoder.end(direction, span))

    def follow(self, clear: Plaintext) -> None:
        """What comes here is what was said in `clear` until TLS began: its decoder may know what follows."""
        if self._undecided or self._undecided is None:  # it has begun already
            return
        if clear._undecided:
            clear._choose(is_last=True)
        if clear.decoder is not None and isinstance(clear.decoder, StartsTls):  # that question is a slow one
            self._successor = clear.decoder.inside_tls()

    def finish(self) -> None:
        """The connection is over."""
        if self._undecided is not None:
            self._choose(is_last=True)
        if self.decoder is not None:
            self._take(self.decoder.finish())

    def _take(self, exchanges: list[Exchange]) -> None:
        if not exchanges:  # as after most records
            return
        contents = self._contents
        self.exchanges += exchanges if contents is None else [_put_away(each, contents) for each in exchanges]

    def _choose(self, *, is_last: bool) -> None:
        """Choose a decoder as soon as one direction has shown enough, and replay what it missed."""
        if not self._undecided:
            self._undecided = None
            return
        for direction in DIRECTIONS:
            first = b"".join([data for way, data, _, _ in self._undecided if data and way is direction])
            if len(first) >= ENOUGH_TO_CHOOSE or (first and is_last):
                decoder = choose_decoder(
                    self.alpn,
                    first,
                    self._port,
                    keep_content=self._keep_content,
                    is_covered=self._place.is_decrypted,
                    successor=self._successor,
                )
                if decoder is not None:
                    self._replay(decoder)
                    return
        if is_last or len(self._undecided) > MAX_UNDECIDED_PIECES:
            self._undecided = None

    def _replay(self, decoder: Decoder) -> None:
        pieces, self._undecided = self._undecided or [], None
        self.decoder = decoder
        feed: Callable[[Direction, bytes, Span], list[Exchange]] = decoder.feed
        for direction, data, length, span in pieces:
            self._take(decoder.gap(direction, length, span) if data is None else feed(direction, data, span))


SILENCE = Plaintext(0, keep_content=False)
"""What was said where nothing was."""


def _put_away(exchange: Exchange, contents: ContentStore) -> Exchange:
    """The same exchange, the contents of its messages in a store."""
    sides = {"request": exchange.request, "response": exchange.response}
    kept = {name: _without_content(message, contents) for name, message in sides.items() if _has_content(message)}
    return replace(exchange, **kept) if kept else exchange


def _has_content(message: Any) -> bool:
    return bool(getattr(message, "content", None)) and hasattr(message, "kept")


def _without_content(message: Any, contents: ContentStore) -> Any:
    return replace(message, content=None, kept=contents.keep(message.content))
