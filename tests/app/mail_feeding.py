"""Feeds a decoder of mail one dialogue in many cuts, and compares what comes out but for the frames."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from http_feeding import CLIENT, SERVER, Piece, by_bytes, cut_everywhere, span

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tlsdecrypt.app.decoder import Decoder
    from tlsdecrypt.app.exchange import Exchange


def dialogue(*lines: str) -> list[Piece]:
    """`C: ...` and `S: ...`, each a line; a line that begins with neither belongs to the one before."""
    pieces: list[Piece] = []
    for line in lines:
        who, _, text = line.partition(": ")
        pieces.append((CLIENT if who == "C" else SERVER, f"{text}\r\n".encode("utf-8", "surrogateescape")))
    return pieces


def feed(decoder: Decoder, pieces: Iterable[Piece]) -> list[Exchange]:
    """All exchanges; the n-th piece lies in frame n."""
    exchanges: list[Exchange] = []
    for number, (direction, what) in enumerate(pieces, 1):
        if isinstance(what, bytes):
            exchanges += decoder.feed(direction, what, span(number))
        else:
            exchanges += decoder.gap(direction, what, span(number))
    return exchanges + decoder.finish()


def untimed(exchanges: Iterable[Exchange]) -> list[Any]:
    """What must not depend on the cut."""
    return [
        (_message(each.request), _message(each.response), _annotations(each), each.faults, each.passwords)
        for each in exchanges
    ]


def _annotations(exchange: Exchange) -> dict[str, Any]:
    (facts,) = exchange.annotations.values()
    return {key: value for key, value in facts.items() if key != "entry_ms"}


def _message(message: Any) -> Any:
    if message is None:
        return None
    return {name: getattr(message, name) for name in type(message).__slots__ if name != "span"}


def feed_in_every_cut(make: Callable[[], Decoder], pieces: list[Piece]) -> list[Exchange]:
    """The exchanges of the whole pieces, after every other cut has given the same."""
    whole = feed(make(), pieces)
    expected = untimed(whole)
    assert untimed(feed(make(), by_bytes(pieces))) == expected
    for cut in cut_everywhere(pieces):
        assert untimed(feed(make(), cut)) == expected
    return whole


def told(exchanges: Iterable[Exchange]) -> list[tuple[str | None, Any]]:
    """Command lines and the codes or results of their replies."""
    return [(each.request and each.request.line, _outcome(each.response)) for each in exchanges]


def _outcome(response: Any) -> Any:
    if response is None:
        return None
    return response.code if hasattr(response, "code") else response.result
