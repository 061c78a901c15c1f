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
    from tlsdecrypt.wire import Buffer

MAX_HEADER_LENGTH: Final = 16 + 4096  # of version 2 with its extensions; longer ones are not believed

_LONGEST_LINE: Final = 107  # of version 1
_LINE: Final = re.compile(rb"PROXY (?:TCP[46] (\S{2,39}) \S{2,39} (\d{1,5}) \d{1,5}|UNKNOWN[^\r\n]*)\r\n")
_LINE_START: Final = b"PROXY "
_SIGNATURE: Final = b"\r\n\r\n\x00\r\nQUIT\n"
_TOLD_BY: Final = 6  # bytes of the signature, or of a line
_FIXED_LENGTH: Final = 16  # of version 2
_ADDRESS_LENGTHS: Final = {1: 4, 2: 16}  # by address family


class ProxyHeader(NamedTuple):
    """How long the header is (where it is not whole yet, longer than what is there), and whom it names."""

    version: int
    length: int
    client: Endpoint | None = None


def next_proxy_header(data: Buffer) -> ProxyHeader | None:
    """The header that `data` begins with; None if it begins with something else."""
    start = bytes(data[:_FIXED_LENGTH])
    if start.startswith(_LINE_START):
        return _line(bytes(data[:_LONGEST_LINE]))
    if start.startswith(_SIGNATURE) or (len(start) >= _TOLD_BY and _SIGNATURE.startswith(start)):
        return _binary(data)
    return None


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
