"""Decoder: what turns the plaintext of one connection into exchanges, and the choice of one."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Protocol

from tlsdecrypt.app.http1 import Http1Decoder
from tlsdecrypt.app.http_head import METHODS

if TYPE_CHECKING:
    from collections.abc import Callable

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


_HTTP_PORTS = frozenset({80, 81, 443, 444, 3128, 8000, 8080, 8081, 8443, 8888})
_HTTP_START = re.compile(
    rb"(?:%s) \S|HTTP/[01]\.\d|[!#$%%&'*+.^_`|~0-9A-Za-z-]{1,32} \S+ HTTP/1\.[01]\r?\n"
    % b"|".join(re.escape(method).encode() for method in METHODS)
)
_OTHER_START = re.compile(
    rb"PRI \* HTTP/2|\x16\x03|\x00|\x04\x01|\x05[\x00-\x09]|SSH-|220[ -]|\* OK|\+OK|(?:EHLO|HELO|LHLO) ", re.IGNORECASE
)

_BY_ALPN: dict[str, Callable[..., Decoder]] = {
    "http/0.9": Http1Decoder,
    "http/1.0": Http1Decoder,
    "http/1.1": Http1Decoder,
}


def choose_decoder(alpn: str | None, first_bytes: bytes, port: int, *, keep_content: bool = False) -> Decoder | None:
    """A decoder for what begins with `first_bytes` (of either side) towards a server's `port`.

    What ALPN (RFC 7301) agreed on decides, else the first bytes; a port of HTTP where they look like nothing known
    (a capture that begins in the middle, or a first record of one byte). None: no decoder here knows it.
    """
    if alpn:
        chosen = _BY_ALPN.get(alpn)
        return chosen(keep_content=keep_content) if chosen else None
    is_http = _HTTP_START.match(first_bytes) or (port in _HTTP_PORTS and not _OTHER_START.match(first_bytes))
    return Http1Decoder(keep_content=keep_content) if is_http else None
