"""Frames of HTTP/2 as hyperframe writes them, with header blocks of hpack."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hpack import Encoder
from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    GoAwayFrame,
    HeadersFrame,
    PushPromiseFrame,
    RstStreamFrame,
    SettingsFrame,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"  # RFC 9113 section 3.4
SETTINGS = SettingsFrame(settings={SettingsFrame.MAX_CONCURRENT_STREAMS: 100}).serialize()


class Peer:
    """One side: its frames, and the table of its header blocks."""

    def __init__(self, encoder: Encoder | None = None) -> None:
        self._encoder = encoder or Encoder()

    def fields(
        self, stream: int, fields: Iterable[tuple[str, str]], *, end: bool = False, cut: int = 0, **options: Any
    ) -> bytes:
        """A HEADERS frame; what comes after `cut` bytes of the block, in CONTINUATION frames of as many."""
        block = self._encoder.encode(list(fields))
        pieces = [block[at : at + cut] for at in range(0, len(block), cut)] if cut else [block]
        flags = [
            *options.pop("flags", ()),
            *(["END_STREAM"] if end else []),
            *(["END_HEADERS"] if not pieces[1:] else []),
        ]
        first = HeadersFrame(stream, pieces[0], flags=flags, **options)
        ends: list[list[str]] = [[]] * (len(pieces) - 2) + [["END_HEADERS"]]
        more = [ContinuationFrame(stream, piece, flags=end) for piece, end in zip(pieces[1:], ends, strict=False)]
        return b"".join(each.serialize() for each in (first, *more))

    def get(self, stream: int, path: str = "/", **options: Any) -> bytes:
        return self.fields(stream, asking("GET", path), **{"end": True, **options})

    def post(self, stream: int, path: str, *fields: tuple[str, str], content: bytes = b"") -> bytes:
        head = self.fields(stream, [*asking("POST", path), *fields])
        return head + data(stream, content, end=True)

    def answer(self, stream: int, content: bytes = b"", *fields: tuple[str, str], status: int = 200) -> bytes:
        head = self.fields(stream, [(":status", str(status)), *fields], end=not content)
        return head + (data(stream, content, end=True) if content else b"")

    def promise(self, stream: int, promised: int, path: str) -> bytes:
        block = self._encoder.encode(asking("GET", path))
        return PushPromiseFrame(stream, promised, block, flags=["END_HEADERS"]).serialize()


def asking(method: str, path: str) -> list[tuple[str, str]]:
    return [(":method", method), (":scheme", "https"), (":authority", "mail.contoso.com"), (":path", path)]


def data(stream: int, content: bytes, *, end: bool = False, padding: int | None = None) -> bytes:
    flags = [*(["END_STREAM"] if end else []), *(["PADDED"] if padding is not None else [])]
    return DataFrame(stream, content, pad_length=padding or 0, flags=flags).serialize()


def reset(stream: int, code: int) -> bytes:
    return RstStreamFrame(stream, error_code=code).serialize()


def go_away(last_stream: int, code: int) -> bytes:
    return GoAwayFrame(0, last_stream_id=last_stream, error_code=code, additional_data=b"secret").serialize()
