"""TLS inside of TDS, the protocol of SQL Server: what of a direction is TLS, and what is TDS in the clear.

Up to TDS 7.4 the TLS handshake travels in PRELOGIN packets ([MS-TDS] section 3.2.5.1 and 2.2.6.5); behind it come TLS
records without a wrapper. Where only the login is encrypted (ENCRYPT_OFF), TDS packets in the clear follow. TDS 8.0
is TLS from the first byte on, and never comes here.
"""

from __future__ import annotations

import re
from enum import Enum, auto
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tlsdecrypt.tls.beginning import Piece

MAX_HEAD_LENGTH: Final = 11  # what is held: a packet's header, and how its payload begins

_PACKET_HEADER_LENGTH: Final = 8
_RECORD_HEADER_LENGTH: Final = 5
_PRELOGIN: Final = 0x12
_RECORD: Final = re.compile(rb"[\x14-\x18]\x03[\x00-\x04]")
_RECORD_START: Final = range(0x14, 0x19)  # no type of a TDS packet


class _State(Enum):
    HEAD = auto()  # at the start of a packet or record
    WRAPPED = auto()  # inside of a packet that carries TLS
    RECORD = auto()  # inside of a TLS record
    PACKET = auto()  # inside of a packet in the clear
    LOST = auto()  # nobody knows where the next packet begins


class TdsUnwrapper:
    """One direction. `feed` says of each piece whether it is TLS; headers of packets around TLS are left out."""

    def __init__(self) -> None:
        """At the start of the connection."""
        self._state = _State.HEAD
        self._left = 0  # bytes until the next head
        self._head = bytearray()
        self._held: list[Piece] = []
        self._has_wrapped = False
        self.has_begun = False  # whether TLS was seen

    def feed(self, piece: Piece) -> list[tuple[bool, Piece]]:
        """The next bytes as pieces: (is TLS, piece)."""
        found: list[tuple[bool, Piece]] = []
        position = 0
        while position < len(piece.data):
            if self._state is _State.HEAD:
                position = self._take_head(piece, position, found)
            else:
                position = self._take_body(piece, position, found)
        return found

    def gap(self) -> None:
        """Bytes are missing: behind them, what TLS there is stands without a wrapper."""
        self._state = _State.LOST
        self._head.clear()
        self._held.clear()

    def _take_body(self, piece: Piece, position: int, found: list[tuple[bool, Piece]]) -> int:
        is_tls = self._state in (_State.WRAPPED, _State.RECORD) or (self._state is _State.LOST and self.has_begun)
        end = len(piece.data)
        if self._state is not _State.LOST:
            end = min(position + self._left, end)
            self._left -= end - position
            if not self._left:
                self._state = _State.HEAD
        found.append((is_tls, piece.part(position, end)))
        return end

    def _take_head(self, piece: Piece, position: int, found: list[tuple[bool, Piece]]) -> int:
        part = piece.part(position, position + self._head_length() - len(self._head))
        self._head += part.data
        self._held.append(part)
        if len(self._head) >= self._head_length():
            self._enter(found)
        return position + len(part.data)

    def _head_length(self) -> int:
        """How many bytes tell what comes: the payload of the first PRELOGIN packets is looked into."""
        head = self._head
        if not head:
            return 1
        if head[0] in _RECORD_START:
            return _RECORD_HEADER_LENGTH
        if head[0] == _PRELOGIN and not self._has_wrapped and _length(head) > MAX_HEAD_LENGTH:
            return MAX_HEAD_LENGTH
        return _PACKET_HEADER_LENGTH

    def _enter(self, found: list[tuple[bool, Piece]]) -> None:
        head, held = bytes(self._head), self._held
        self._held = []
        self._head.clear()
        if head[0] in _RECORD_START:
            self._state = _State.RECORD
            self._left = int.from_bytes(head[3:5], "big")
        else:
            is_wrapped = head[0] == _PRELOGIN and (self._has_wrapped or _RECORD.match(head, _PACKET_HEADER_LENGTH))
            self._has_wrapped |= bool(is_wrapped)
            self._state = _State.WRAPPED if is_wrapped else _State.PACKET
            self._left = _length(head) - len(head)
            if is_wrapped:
                held = _without_header(held)
        is_tls = self._state is not _State.PACKET
        self.has_begun |= is_tls
        found.extend((is_tls, each) for each in held)
        if self._left <= 0:
            self._state = _State.HEAD if self._left == 0 else _State.LOST


def _length(head: bytes | bytearray) -> int:
    """The length of a packet with its header; 0 until it can be read."""
    return head[2] << 8 | head[3] if len(head) >= 4 else 0  # noqa: PLR2004 - type, status, length


def _without_header(held: list[Piece]) -> list[Piece]:
    pieces, left = [], _PACKET_HEADER_LENGTH
    for piece in held:
        if len(piece.data) > left:
            pieces.append(piece.part(left, len(piece.data)))
        left = max(left - len(piece.data), 0)
    return pieces
