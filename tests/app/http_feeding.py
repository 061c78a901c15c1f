"""Feeds a decoder one conversation in many cuts, and compares what comes out but for the frames."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tlsdecrypt.app.http1 import Http1Decoder
from tlsdecrypt.flow import Direction, Span

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from tlsdecrypt.app.decoder import Decoder
    from tlsdecrypt.app.exchange import Exchange

CLIENT, SERVER = Direction.CLIENT_TO_SERVER, Direction.SERVER_TO_CLIENT

Piece = tuple[Direction, bytes | int | None]  # bytes, or the length of a gap (None: unknown)


def span(number: int) -> Span:
    return Span(number, number, number * 1_000_000, number * 1_000_000)


def run(pieces: Iterable[Piece], make: Callable[..., Decoder] = Http1Decoder, **options: Any) -> list[Exchange]:
    """All exchanges; the n-th piece lies in frame n."""
    return list(_run(make(**options), pieces))


def _run(decoder: Decoder, pieces: Iterable[Piece]) -> Iterator[Exchange]:
    for number, (direction, what) in enumerate(pieces, 1):
        if isinstance(what, bytes):
            yield from decoder.feed(direction, what, span(number))
        else:
            yield from decoder.gap(direction, what, span(number))
    yield from decoder.finish()


def without_frames(exchanges: Iterable[Exchange]) -> list[Any]:
    """What must not depend on the cut."""
    return [
        (_message(each.request), _message(each.response), _untimed(each.annotations), each.faults) for each in exchanges
    ]


def _untimed(annotations: dict[str, Any]) -> dict[str, Any]:
    http = {key: value for key, value in annotations.get("http", {}).items() if not key.endswith("_ms")}
    return {**annotations, "http": http}


def _message(message: Any) -> Any:
    if message is None:
        return None
    return {name: getattr(message, name) for name in type(message).__slots__ if name != "span"}


def by_bytes(pieces: Iterable[Piece]) -> list[Piece]:
    """Every byte alone."""
    cut: list[Piece] = []
    for direction, what in pieces:
        parts = [what[at : at + 1] for at in range(len(what))] if isinstance(what, bytes) else [what]
        cut += [(direction, part) for part in parts]
    return cut


def cut_everywhere(pieces: list[Piece]) -> Iterator[list[Piece]]:
    """Each piece cut in two at each place, one place at a time."""
    for index, (direction, what) in enumerate(pieces):
        if isinstance(what, bytes):
            for at in range(1, len(what)):
                yield [*pieces[:index], (direction, what[:at]), (direction, what[at:]), *pieces[index + 1 :]]


def run_in_every_cut(pieces: list[Piece], **options: Any) -> list[Exchange]:
    """The exchanges of the whole pieces, after every other cut has given the same."""
    whole = run(pieces, **options)
    expected = without_frames(whole)
    assert without_frames(run(by_bytes(pieces), **options)) == expected
    for cut in cut_everywhere(pieces):
        assert without_frames(run(cut, **options)) == expected
    return whole
