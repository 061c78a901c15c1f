"""Decoder: what turns the plaintext of one connection into exchanges, and the choice of one."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from tlsdecrypt.app.http1 import Http1Decoder
from tlsdecrypt.app.http_head import METHODS
from tlsdecrypt.app.mail_choice import choose_mail_decoder

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


@runtime_checkable
class StartsTls(Decoder, Protocol):
    """A decoder of a protocol in which TLS may begin (STARTTLS)."""

    def inside_tls(self) -> Decoder:
        """The decoder for what is said inside of TLS, which knows what was said before; nothing comes here any more."""


_HTTP_PORTS = frozenset({80, 81, 443, 444, 3128, 8000, 8080, 8081, 8443, 8888})
_HTTP_START = re.compile(
    rb"(?:%s) \S|HTTP/[01]\.\d|[!#$%%&'*+.^_`|~0-9A-Za-z-]{1,32} \S+ HTTP/1\.[01]\r?\n"
    % b"|".join(re.escape(method).encode() for method in METHODS)
)
_OTHER_START = re.compile(
    rb"\x16\x03|\x00|\x04\x01|\x05[\x00-\x09]|SSH-|220[ -]|\* OK|\+OK|(?:EHLO|HELO|LHLO) ", re.IGNORECASE
)
# Version 5, a type, either byte order, a length that is not 0 (C706 sections 12.6.3.1, 14.1)
_DCERPC_START = re.compile(rb"\x05[\x00\x01][\x00\x02\x03\x0b-\x10].[\x00\x10]\x00{3}(?!\x00\x00)..", re.DOTALL)

_HTTP2_PREFACE = b"PRI * HTTP/2.0\r\n"


def _http2(*, keep_content: bool) -> Decoder:
    from tlsdecrypt.app.http2 import Http2Decoder  # noqa: PLC0415 - start-up time of captures without it

    return Http2Decoder(keep_content=keep_content)


def _is_http2(first_bytes: bytes) -> bool:
    if first_bytes[:1] != b"\0":
        return first_bytes.startswith(_HTTP2_PREFACE)
    from tlsdecrypt.app.http2_frames import looks_like_frames  # noqa: PLC0415 - as above

    return looks_like_frames(first_bytes)


_BY_ALPN: dict[str, Callable[..., Decoder]] = {
    "http/0.9": Http1Decoder,
    "http/1.0": Http1Decoder,
    "http/1.1": Http1Decoder,
    "h2": _http2,
    **dict.fromkeys(("h2-14", "h2-15", "h2-16", "h2-17"), _http2),  # drafts that have the same frames
    "h2c": _http2,
}


def choose_decoder(
    alpn: str | None,
    first_bytes: bytes,
    port: int,
    *,
    keep_content: bool = False,
    is_covered: bool = False,
    successor: Decoder | None = None,
) -> Decoder | None:
    """A decoder for what begins with `first_bytes` (of either side) towards a server's `port`.

    What ALPN (RFC 7301) agreed on decides, else the first bytes; a port of HTTP where they look like nothing known
    (a capture that begins in the middle, or a first record of one byte). None: no decoder here knows it.
    `is_covered`: all of it is inside TLS. `successor` goes on with what was said before TLS began.
    """
    if alpn:
        chosen = _BY_ALPN.get(alpn)
        if chosen is not None:
            return chosen(keep_content=keep_content)
    elif _is_http2(first_bytes):
        return _http2(keep_content=keep_content)
    elif _DCERPC_START.match(first_bytes):
        from tlsdecrypt.app.dcerpc import DcerpcDecoder  # noqa: PLC0415 - start-up time of captures without it

        return DcerpcDecoder()
    elif _HTTP_START.match(first_bytes) or (
        port in _HTTP_PORTS and successor is None and not _OTHER_START.match(first_bytes)
    ):
        return Http1Decoder(keep_content=keep_content)
    if successor is not None:
        return successor
    return choose_mail_decoder(alpn, first_bytes, port, keep_content=keep_content, is_covered=is_covered)
