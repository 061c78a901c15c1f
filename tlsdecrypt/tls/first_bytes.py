"""What the first bytes of a TCP connection begin, and which side is the client by what it says."""

from __future__ import annotations

import re
from enum import Enum, auto
from typing import TYPE_CHECKING, Final, NamedTuple

from tlsdecrypt.flow import DIRECTIONS, Direction
from tlsdecrypt.tls import record
from tlsdecrypt.tls.proxy_header import next_proxy_header

if TYPE_CHECKING:
    from tlsdecrypt.wire import Buffer

ENOUGH_TO_TELL: Final = 8  # bytes by which TLS is told from anything else
MAX_FIRST_BYTES: Final = 2**16  # of one direction: a hello in the format of SSL 2.0 and what stands before it

_SSLV2_HEADER_LENGTH: Final = 2
_NEXT_BYTES: Final = 3  # of the client, behind a hello in the format of SSL 2.0
_ANSWER_BYTES: Final = 5  # of the server

_TLS_RECORD: Final = re.compile(rb"[\x14-\x17]\x03")
_SSL2_SERVER_HELLO: Final = re.compile(rb"[\x80-\xff].\x04[\x00\x01][\x00-\x03]\x00\x02", re.DOTALL)
_SSL2_ANSWER: Final = re.compile(rb"[\x80-\xff].\x04[\x00\x01]|\x80\x03\x00\x00", re.DOTALL)
_TDS_PRELOGIN: Final = re.compile(rb"(?P<kind>[\x12\x04])\x01[\x00-\x10].....\x00\x00.\x00\x06", re.DOTALL)
_TDS_START: Final = re.compile(rb"[\x12\x04]\x01[\x00-\x10]")
_TDS_ANSWER: Final = b"\x04"
_TDS_TOLD_BY: Final = 13  # bytes: the header of a packet, and the first option of PRELOGIN
_GREETING: Final = re.compile(rb"220[ -]|\* (?:OK|PREAUTH)|\+OK|HTTP/1\.[01] \d")
_REQUEST: Final = re.compile(rb"(?:GET|HEAD|POST|PUT|CONNECT|OPTIONS|RPC_(?:IN|OUT)_DATA) \S|(?:EHLO|HELO|LHLO) ")


class Beginning(Enum):
    """What begins."""

    TLS = auto()
    TLS_IN_THE_MIDDLE = auto()  # records, but no hello
    SSL2 = auto()
    TDS = auto()  # SQL Server, whose TLS handshake stands inside of its packets
    CLEAR = auto()


class Start(NamedTuple):
    """What begins, and the direction of the client as far as the bytes tell."""

    beginning: Beginning
    client: Direction | None = None


def recognise(first: tuple[Buffer, Buffer], *, is_last: bool) -> Start | None:
    """What begins with these bytes of both directions; None: more are needed, unless nothing comes (`is_last`)."""
    for direction in DIRECTIONS:
        header = next_proxy_header(first[direction])
        if header is not None:
            return _behind_proxy_header(direction, header.length, first, is_last=is_last)
    return _recognise(first, is_last=is_last)


def _behind_proxy_header(
    client: Direction, length: int, first: tuple[Buffer, Buffer], *, is_last: bool
) -> Start | None:
    """What begins behind a header of the PROXY protocol, which tells who the client is."""
    if length > len(first[client]) and not is_last:
        return None
    rest = [bytes(each) for each in first]
    rest[client] = rest[client][length:]
    start = _recognise((rest[0], rest[1]), is_last=is_last)
    return start._replace(client=client) if start else None


def _recognise(first: tuple[Buffer, Buffer], *, is_last: bool) -> Start | None:
    for direction in DIRECTIONS:
        data = first[direction]
        if len(data) >= ENOUGH_TO_TELL or (is_last and data):
            if record.starts_with_sslv2_hello(data):
                return _behind_sslv2_hello(direction, data, first[direction.other], is_last=is_last)
            if _TDS_START.match(data) and len(data) < _TDS_TOLD_BY and not is_last:
                return None
            return _by_first_bytes(direction, data)
    return None


def _by_first_bytes(direction: Direction, data: Buffer) -> Start:
    """What `data` of one direction begins. An alert may come from either side."""
    if record.starts_with_client_hello(data):
        return Start(Beginning.TLS, direction)
    if record.starts_with_server_answer(data):
        return Start(Beginning.TLS, direction.other if data[0] == record.HANDSHAKE else None)
    if record.starts_with_record(data):
        return Start(Beginning.TLS_IN_THE_MIDDLE)
    if _SSL2_SERVER_HELLO.match(data):
        return Start(Beginning.SSL2, direction.other)
    return _by_clear_words(direction, data)


def _by_clear_words(direction: Direction, data: Buffer) -> Start:
    prelogin = _TDS_PRELOGIN.match(data)
    beginning = Beginning.TDS if prelogin else Beginning.CLEAR
    if _GREETING.match(data) or (prelogin and prelogin["kind"] == _TDS_ANSWER):
        return Start(beginning, direction.other)
    return Start(beginning, direction if prelogin or _REQUEST.match(data) else None)


def _behind_sslv2_hello(client: Direction, data: Buffer, answer: Buffer, *, is_last: bool) -> Start | None:
    """What a hello in the format of SSL 2.0 begins: the server's answer tells, or the client's next record."""
    following = data[_SSLV2_HEADER_LENGTH + ((data[0] & 0x7F) << 8 | data[1]) :]
    if len(following) >= _NEXT_BYTES:
        is_ssl2 = not _TLS_RECORD.match(following)
    elif len(answer) >= _ANSWER_BYTES:
        is_ssl2 = _SSL2_ANSWER.match(answer) is not None
    elif is_last:
        is_ssl2 = data[3] != record.MAJOR_VERSION
    else:
        return None
    return Start(Beginning.SSL2 if is_ssl2 else Beginning.TLS, client)
