"""Transcript: the messages of a handshake in the order in which the peers hashed them, however they were read."""

from __future__ import annotations

import hashlib
from enum import IntEnum
from typing import TYPE_CHECKING, Final

from tlsdecrypt.flow import Direction
from tlsdecrypt.tls.registry import HandshakeType, ProtocolVersion

if TYPE_CHECKING:
    from tlsdecrypt.tls.ciphersuites import CipherSuite

MESSAGE_HEADER_LENGTH: Final = 4
MAX_TRANSCRIPT: Final = 1 << 20  # bytes of one direction's messages; a longer handshake has no hash here

_FIRST_DRAFT_WITH_MESSAGE_HASH: Final = 0x7F13  # draft 19
_NOT_HASHED: Final = frozenset({HandshakeType.HELLO_REQUEST, HandshakeType.NEW_SESSION_TICKET})
_CLIENT_KEY_EXCHANGE: Final = int(HandshakeType.CLIENT_KEY_EXCHANGE)
_FINISHED: Final = int(HandshakeType.FINISHED)


class Point(IntEnum):
    """The last message that a hash covers."""

    CLIENT_HELLO = 0
    SERVER_HELLO = 1
    SERVER_FINISHED = 2
    CLIENT_FINISHED = 3


class Transcript:
    """The messages of one handshake by direction, each up to its Finished. NewSessionTicket is left out.

    An observer may see all of one direction before the other. `has_retry` says that the server's first message is a
    HelloRetryRequest.
    """

    def __init__(self) -> None:
        """Nothing was seen yet."""
        self.has_retry = False
        self._messages: tuple[list[bytes], list[bytes]] = ([], [])
        self._is_finished = [False, False]
        self._length = [0, 0]

    def add(self, direction: Direction, message: bytes) -> None:
        """The next message of one direction, with its header (that of SSL 2.0 without)."""
        kind = message[0]
        if self._is_finished[direction] or kind in _NOT_HASHED:
            return
        self._length[direction] += len(message)
        if self._length[direction] <= MAX_TRANSCRIPT:
            self._messages[direction].append(message)
            self._is_finished[direction] = kind == _FINISHED

    @property
    def client_hello(self) -> bytes | None:
        """The first ClientHello with its header."""
        client = self._messages[Direction.CLIENT_TO_SERVER]
        return client[0] if client else None

    def has_finished(self, direction: Direction) -> bool:
        """Whether one direction's messages are all there."""
        return self._is_finished[direction]

    def up_to_client_key_exchange(self) -> bytes:
        """What extended_master_secret hashes (RFC 7627 section 3)."""
        client, server = self._messages
        kinds = [message[0] for message in client]
        end = kinds.index(_CLIENT_KEY_EXCHANGE) + 1 if _CLIENT_KEY_EXCHANGE in kinds else len(client)
        flight = [message for message in server if message[0] != _FINISHED]
        return b"".join((*client[:1], *flight, *client[1:end]))

    def up_to(self, point: Point, suite: CipherSuite, version: int) -> bytes | None:
        """The messages of TLS 1.3 up to a point (RFC 8446 section 4.4.1); None where some are yet to be read."""
        client, server = self._messages
        hellos = 1 + self.has_retry  # of either side, the HelloRetryRequest being one
        if len(client) < hellos or (point > Point.CLIENT_HELLO and len(server) < hellos):
            return None
        messages = [*self._before_second_hello(suite, version), client[hellos - 1]]
        if point >= Point.SERVER_HELLO:
            messages.append(server[hellos - 1])
        if point >= Point.SERVER_FINISHED:
            messages += server[hellos:]
        if point >= Point.CLIENT_FINISHED:
            messages += client[hellos:]
        is_there = self._is_finished[Direction.SERVER_TO_CLIENT] or point < Point.SERVER_FINISHED
        is_there &= self._is_finished[Direction.CLIENT_TO_SERVER] or point < Point.CLIENT_FINISHED
        return b"".join(messages) if is_there else None

    def up_to_binders(self, binders_length: int, suite: CipherSuite, version: int) -> bytes | None:
        """What the binders of the (last) ClientHello cover: all before them (RFC 8446 section 4.2.11.2)."""
        messages = self.up_to(Point.CLIENT_HELLO, suite, version)
        return messages[:-binders_length] if messages is not None else None

    def _before_second_hello(self, suite: CipherSuite, version: int) -> list[bytes]:
        """The first ClientHello, as its hash since draft 19, and the HelloRetryRequest, if there is one."""
        client, server = self._messages
        if not self.has_retry or not server:
            return []
        if ProtocolVersion(version).is_draft and version < _FIRST_DRAFT_WITH_MESSAGE_HASH:
            return [client[0], server[0]]
        digest = hashlib.new(suite.prf_hash, client[0], usedforsecurity=False).digest()
        return [bytes((HandshakeType.MESSAGE_HASH, 0, 0, len(digest))) + digest, server[0]]
