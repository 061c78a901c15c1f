"""The header of the PROXY protocol, versions 1 and 2, by which a load balancer tells who connected to it.

Source: haproxy.org, "The PROXY protocol", sections 2.1 and 2.2.
"""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final, NamedTuple

from tlsdecrypt.errors import ParseError
from tlsdecrypt.flow import Endpoint
from tlsdecrypt.wire import Reader

if TYPE_CHECKING:
    from tlsdecrypt.tls.beginning import Piece
    from tlsdecrypt.wire import Buffer

MAX_HEADER_LENGTH: Final = 16 + 4096  # of version 2 with its extensions; longer ones are not believed

_LONGEST_LINE: Final = 107  # of version 1
_LINE: Final = re.compile(rb"PROXY (?:TCP[46] (\S{2,39}) \S{2,39} (\d{1,5}) \d{1,5}|UNKNOWN[^\r\n]*)\r\n")
_LINE_START: Final = b"PROXY "
_SIGNATURE: Final = b"\r\n\r\n\x00\r\nQUIT\n"
_FIRST_BYTES: Final = (_LINE_START[:1], _SIGNATURE[:1])
_FIXED_LENGTH: Final = 16  # of version 2
_ADDRESS_LENGTHS: Final = {1: 4, 2: 16}  # by address family


class ProxyHeader(NamedTuple):
    """How long the header is (where it is not whole yet, longer than what is there), and whom it names."""

    version: int
    length: int
    client: Endpoint | None = None


def next_proxy_header(data: Buffer) -> ProxyHeader | None:
    """The header that `data` begins with, or may turn out to begin with; None if it does not."""
    if data[:1] not in _FIRST_BYTES:
        return None
    start = bytes(data[:_FIXED_LENGTH])
    if _begins(start, _LINE_START):
        return _line(bytes(data[:_LONGEST_LINE]))
    return _binary(data) if _begins(start, _SIGNATURE) else None


def _begins(start: bytes, mark: bytes) -> bool:
    return start[: len(mark)] == mark[: len(start)]


def _line(data: bytes) -> ProxyHeader | None:
    found = _LINE.match(data)
    if found is None:
        is_whole = len(data) == _LONGEST_LINE or b"\n" in data
        return None if is_whole else ProxyHeader(1, len(data) + 1)
    if found[1] is None:
        return ProxyHeader(1, found.end())
    return ProxyHeader(1, found.end(), _endpoint(found[1].decode("ascii", "replace"), int(found[2])))


def _endpoint(address: str, port: int) -> Endpoint | None:
    try:
        return Endpoint(str(ip_address(address)), port)
    except ValueError:
        return None


def _binary(data: Buffer) -> ProxyHeader | None:
    reader = Reader(data)
    try:
        reader.take(len(_SIGNATURE), "signature")
        reader.u8("version and command")
        family = reader.u8("family and protocol") >> 4
        length = _FIXED_LENGTH + reader.u16("length of addresses")
        if length > MAX_HEADER_LENGTH:
            return None
        if length > len(data) or family not in _ADDRESS_LENGTHS:
            return ProxyHeader(2, length)
        address, _, port = (
            reader.take(size, "address") for size in (_ADDRESS_LENGTHS[family], _ADDRESS_LENGTHS[family], 2)
        )
        return ProxyHeader(2, length, Endpoint(str(ip_address(address)), int.from_bytes(port, "big")))
    except ParseError:
        return ProxyHeader(2, max(_FIXED_LENGTH, len(data) + 1))


class ProxyHeaderPeeler:
    """Takes the header off the start of a client's stream; `header` is what was found."""

    def __init__(self) -> None:
        """At the start of the stream."""
        self.header: ProxyHeader | None = None
        self.is_done = False
        self._held: list[Piece] = []
        self._buffer = bytearray()

    def feed(self, piece: Piece) -> list[Piece]:
        """The next bytes; what is no header comes back."""
        self._held.append(piece)
        self._buffer += piece.data
        header = next_proxy_header(self._buffer)
        if header is not None and header.length > len(self._buffer):
            return []
        self.header = header
        return self.finish()

    def finish(self) -> list[Piece]:
        """No more bytes come: what was held, without the header."""
        held, self._held = self._held, []
        self.is_done = True
        left = self.header.length if self.header else 0
        pieces = []
        for piece in held:
            taken = min(left, len(piece.data))
            left -= taken
            if taken < len(piece.data):
                pieces.append(piece.part(taken, len(piece.data)))
        self._buffer.clear()
        return pieces
