"""Where TLS begins in a stream that began in the clear: STARTTLS and its kin, on any port, whatever the protocol.

The bytes of a hello tell it, not where segments begin: what was captured may be cut, coalesced or sent again in any
way. What looks like a hello is held back until it is clear that it is one: another record follows it, or the peer
answers it. A capture that is uploaded over HTTP holds hellos too, and they must not swallow the upload.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from tlsdecrypt.flow import Direction

if TYPE_CHECKING:
    from tlsdecrypt.flow import Span
    from tlsdecrypt.tls.record import Locate
    from tlsdecrypt.wire import Buffer

MAX_HELD_BYTES: Final = 1 << 16  # an unbroken chain of records of this length is TLS, whatever the peer says
MAX_SEARCHED_BYTES: Final = 16 << 20  # of one direction: TLS that begins later begins early
MAX_FALSE_HELLOS: Final = 64  # of one direction, until its bytes are believed to be of some other kind

_HEADER_LENGTH: Final = 5
_TOLD_BY: Final = 11  # bytes: record header, message header, version
_ALERT_TOLD_BY: Final = 7
_ALERT_TYPE: Final = 0x15
_HEADER: Final = re.compile(rb"[\x14-\x18]\x03[\x00-\x04][\x00-\x48]")
_RANDOM_LENGTH: Final = 32
_SESSION_ID_AT: Final = _TOLD_BY + _RANDOM_LENGTH
_SHORTEST_HELLO: Final = 38  # version, random, session id, a suite and a compression method
_SSLV2_HELLO_LENGTH: Final = 11  # record header and the lengths of the three fields


class Piece(NamedTuple):
    """Bytes of one direction; `located(start, end)` names the frames of bytes that are counted from `offset`."""

    data: bytes
    located: Locate
    offset: int = 0

    def locate(self, start: int, end: int) -> Span:
        """The frames of `data[start:end]`."""
        return self.located(start + self.offset, end + self.offset)

    def part(self, start: int, end: int) -> Piece:
        """`data[start:end]` with its frames."""
        return Piece(self.data[start:end], self.located, self.offset + start)


def _beginning_with(*parts: bytes) -> bytes:
    """A pattern of parts that also matches where the data ends within them."""
    pattern = b""
    for part in reversed(parts[1:]):
        pattern = rb"(?:\Z|%s%s)" % (part, pattern)
    return parts[0] + pattern


class _Form:
    """What a hello looks like: `parts` are patterns of a byte each, those of `mark` are looked for first.

    A search for two bytes that are always the same runs at a gigabyte a second, one for a choice of bytes at a
    twentieth of that.
    """

    def __init__(self, *parts: bytes, mark: int = 0) -> None:
        self._marked = re.compile(b"".join(parts[mark:]), re.DOTALL)
        self._lead = re.compile(b"".join(parts[:mark]), re.DOTALL)
        self._mark = mark
        self._begun = re.compile(_beginning_with(*parts), re.DOTALL)
        self._length = len(parts)

    def find(self, data: Buffer) -> int:
        """Where in `data` it stands, or begins at the end; the length of `data` if nowhere."""
        for found in self._marked.finditer(data, self._mark):
            start = found.start() - self._mark
            if self._lead.match(data, start):
                return start
        begun = self._begun.search(data, max(len(data) - self._length, 0))
        return begun.start() if begun else len(data)


_VERSION: Final = rb"[\x00-\x04]"
_HANDSHAKE: Final = (rb"\x16", rb"\x03", _VERSION, rb"[\x00-\x40]", rb".")
_CLIENT_FORMS: Final = (
    _Form(*_HANDSHAKE, rb"\x01", rb"\x00", rb".", rb".", rb"\x03", _VERSION),
    _Form(  # in the format of SSL 2.0: the record's length, and those of three fields
        *(rb"[\x80-\x83]", rb".", rb"\x01", rb"\x03", rb"[\x00-\x03]"),
        *(rb"[\x00-\x02]", rb".", rb"\x00", rb"[\x00\x10\x20]", rb"\x00", rb"[\x10\x20]"),
        mark=2,
    ),
)
_SERVER_FORMS: Final = (
    _Form(*_HANDSHAKE, rb"\x02", rb"\x00", rb".", rb".", rb"[\x03\x7f]", rb"."),
    _Form(rb"\x15", rb"\x03", _VERSION, rb"\x00", rb"\x02", rb"[\x01\x02]", rb"."),  # an alert
)


def _is_hello(data: bytearray) -> bool:
    """Whether the fields of a ClientHello or ServerHello fit together, as far as they are there."""
    length = data[3] << 8 | data[4]
    message_length = data[7] << 8 | data[8]
    is_client = data[5] == 1
    if message_length < _SHORTEST_HELLO or (is_client and message_length + 4 < length):
        return False
    end = min(len(data), _HEADER_LENGTH + length)  # a hello may go on in the next record
    if end <= _SESSION_ID_AT:
        return True
    session_id_length = data[_SESSION_ID_AT]
    suites_at = _SESSION_ID_AT + 1 + session_id_length
    if session_id_length > 32:  # noqa: PLR2004 - the longest session id, RFC 5246 section 7.4.1.2
        # ServerHellos of the first drafts of TLS 1.3 have no session id: there a suite begins
        return data[9] != 3  # noqa: PLR2004 - the major version
    if not is_client or end < suites_at + 2:
        return True
    suites_length = data[suites_at] << 8 | data[suites_at + 1]
    return suites_length > 0 and suites_length % 2 == 0 and suites_at + suites_length < 9 + message_length


def _is_sslv2_hello(data: bytearray) -> bool:
    fields = sum(data[at] << 8 | data[at + 1] for at in (5, 7, 9))
    return (data[0] & 0x7F) << 8 | data[1] == _SSLV2_HELLO_LENGTH - 2 + fields and (data[5] << 8 | data[6]) % 3 == 0


class HelloSearch:
    """One direction that is not TLS, or not yet. Clear pieces come out, and what may be a hello is held.

    `is_pending`: a hello is held; `is_confirmed`: more records follow it, so that it is TLS whatever the peer sends.
    """

    def __init__(self, direction: Direction) -> None:
        """In which direction: clients and servers begin differently."""
        self._is_client = direction is Direction.CLIENT_TO_SERVER
        self._forms = _CLIENT_FORMS if self._is_client else _SERVER_FORMS
        self._held: list[Piece] = []
        self._buffer = bytearray()  # the held pieces as one
        self._next_record = 0  # where in it the header of the next record is expected
        self._records = 0
        self._searched = 0
        self._refused = 0

    @property
    def is_pending(self) -> bool:
        """Whether enough of a hello is held to be told as one."""
        return self._records > 0

    @property
    def is_chain(self) -> bool:
        """Whether a hello is held, and another record follows it."""
        return self._records > 1

    @property
    def is_confirmed(self) -> bool:
        """Whether what is held is TLS, whatever the peer sends.

        Servers send more than one record in one segment, so that a capture which is downloaded holds chains of them.
        """
        return self.is_chain and (self._is_client or len(self._buffer) > MAX_HELD_BYTES)

    def feed(self, piece: Piece) -> list[Piece]:
        """The next bytes; the clear ones come back."""
        data = piece.data
        self._searched += len(data)
        if not self._buffer:
            if self._searched > MAX_SEARCHED_BYTES or self._refused > MAX_FALSE_HELLOS:
                return [piece]
            if self._find(data) == len(data):
                return [piece]
        self._held.append(piece)
        self._buffer += data
        return self._sift()

    def take(self) -> list[Piece]:
        """What is held: TLS has begun with it, or nothing will tell any more that it has."""
        held, self._held = self._held, []
        self._buffer.clear()
        self._next_record = self._records = 0
        return held

    def _sift(self) -> list[Piece]:
        """Let go of what stands before the next hello, and of hellos that are none."""
        released: list[Piece] = []
        while self._buffer:
            if not self._records:
                released += self._pop(self._find(self._buffer))
                if not self._buffer or len(self._buffer) < self._told_by:
                    break
            if self._is_plausible():
                break
            self._refused += 1
            self._next_record = self._records = 0
            released += self._pop(1 if self._refused <= MAX_FALSE_HELLOS else len(self._buffer))
        return released

    def _find(self, data: Buffer) -> int:
        return min(form.find(data) for form in self._forms)

    @property
    def _told_by(self) -> int:
        return _ALERT_TOLD_BY if self._buffer[0] == _ALERT_TYPE else _TOLD_BY

    def _pop(self, length: int) -> list[Piece]:
        """The first `length` bytes of what is held."""
        popped: list[Piece] = []
        del self._buffer[:length]
        while length > 0:
            piece = self._held.pop(0)
            if len(piece.data) > length:
                self._held.insert(0, piece.part(length, len(piece.data)))
                piece = piece.part(0, length)
            popped.append(piece)
            length -= len(piece.data)
        return popped

    def _is_plausible(self) -> bool:
        """Whether what is held may be a hello and the records behind it."""
        buffer = self._buffer
        if not self._fits(buffer):
            return False
        if buffer[0] & 0x80 and not self._records:
            self._next_record = 2 + ((buffer[0] & 0x7F) << 8 | buffer[1])
            self._records = 1
        while (at := self._next_record) + _HEADER_LENGTH <= len(buffer):
            if not _HEADER.match(buffer, at):
                return False
            self._next_record = at + _HEADER_LENGTH + (buffer[at + 3] << 8 | buffer[at + 4])
            self._records += 1
        return True

    @staticmethod
    def _fits(buffer: bytearray) -> bool:
        if buffer[0] == _ALERT_TYPE:  # the pattern has told
            return True
        return _is_sslv2_hello(buffer) if buffer[0] & 0x80 else _is_hello(buffer)
