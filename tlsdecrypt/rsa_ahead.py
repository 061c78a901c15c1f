"""RsaAhead: private-key operations of the connections that come next, by a thread, while others are worked on.

An RSA operation takes a third of the time of a short connection, and lets go of the interpreter: on another core it
costs nearly nothing. It is a pure function, so that only time depends on what was begun here.
"""

from __future__ import annotations

from collections import deque
from queue import SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias, TypeVar

from tlsdecrypt.errors import ParseError
from tlsdecrypt.flow import Direction
from tlsdecrypt.net.events import StreamData
from tlsdecrypt.tls.key_exchange import parse_encrypted_pre_master_secret
from tlsdecrypt.tls.private_key import PrivateKey

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tlsdecrypt.net.events import StreamEvent
    from tlsdecrypt.tls.secrets import SecretStore

WINDOW: Final = 64  # connections between one that is glanced at and the one that is worked on
MOST_IN_VAIN: Final = 64  # results that nobody asked for: what looked like RSA was Diffie-Hellman, or for another's key

_RECORD_HEADER: Final = 5
_MESSAGE_HEADER: Final = 4
_HANDSHAKE: Final = 22
_CLIENT_KEY_EXCHANGE: Final = 16


class Said(Protocol):
    """What a connection says next."""

    @property
    def events(self) -> list[StreamEvent]:
        """See TcpConnection.feed."""


_Said = TypeVar("_Said", bound=Said)
_Result: TypeAlias = tuple[bytes, "bytes | Exception | None"]


class RsaAhead:
    """Begins what it sees pass by, and decrypts for the store until it is closed."""

    def __init__(self, store: SecretStore) -> None:
        """`store` has all its keys."""
        self._store = store
        store.decrypt_rsa = self._decrypt
        self._keys = _by_length(store.rsa_keys)
        self._begun: dict[bytes, PrivateKey] = {}
        self._results: dict[bytes, bytes | Exception | None] = {}
        self._asked: SimpleQueue[tuple[PrivateKey, bytes] | None] = SimpleQueue()
        self._done: SimpleQueue[_Result] = SimpleQueue()
        self._thread: Thread | None = None

    def before(self, said: Iterator[_Said]) -> Iterator[_Said]:
        """The same, each after those of the next connections were glanced at."""
        if not self._keys:
            return said
        return self._behind(said)

    def close(self) -> None:
        """Nothing more will pass by."""
        self._store.decrypt_rsa = PrivateKey.decrypt_pre_master_secret
        if self._thread is not None:
            self._asked.put(None)
            self._thread = None

    def _behind(self, said: Iterator[_Said]) -> Iterator[_Said]:
        window: deque[_Said] = deque()
        for each in said:
            self._glance(each.events)
            window.append(each)
            if len(window) > WINDOW:
                yield window.popleft()
        yield from window

    def _glance(self, events: Iterable[StreamEvent]) -> None:
        """Look for a ClientKeyExchange that a key may open."""
        if len(self._begun) >= MOST_IN_VAIN + WINDOW:
            return
        for event in events:
            if type(event) is StreamData and event.direction is Direction.CLIENT_TO_SERVER:
                encrypted = encrypted_at_start(event.data)
                if encrypted is not None and encrypted not in self._begun and len(encrypted) in self._keys:
                    self._begin(self._keys[len(encrypted)], encrypted)

    def _decrypt(self, key: PrivateKey, encrypted: bytes) -> bytes | None:
        """See PrivateKey.decrypt_pre_master_secret."""
        if self._begun.get(encrypted) is not key:
            return key.decrypt_pre_master_secret(encrypted)
        while encrypted not in self._results:
            name, result = self._done.get()
            self._results[name] = result
        del self._begun[encrypted]
        secret = self._results.pop(encrypted)
        if isinstance(secret, Exception):
            raise secret
        return secret

    def _begin(self, key: PrivateKey, encrypted: bytes) -> None:
        if self._thread is None:
            self._thread = Thread(target=_work, args=(self._asked, self._done), daemon=True)
            self._thread.start()
        self._begun[encrypted] = key
        self._asked.put((key, encrypted))


def _work(asked: SimpleQueue[tuple[PrivateKey, bytes] | None], done: SimpleQueue[_Result]) -> None:
    while (job := asked.get()) is not None:
        key, encrypted = job
        try:
            done.put((encrypted, key.decrypt_pre_master_secret(encrypted)))
        except Exception as fault:  # noqa: BLE001 - it is raised to whoever asks for this result
            done.put((encrypted, fault))


def _by_length(keys: Iterable[PrivateKey]) -> dict[int, PrivateKey]:
    """The keys whose length tells which one is meant."""
    found: dict[int, PrivateKey | None] = {}
    for key in keys:
        length = (key.key.key_size + 7) // 8
        found[length] = None if length in found else key
    return {length: key for length, key in found.items() if key is not None}


def encrypted_at_start(data: bytes) -> bytes | None:
    """What the ClientKeyExchange that `data` begins with holds, if it is whole and stands in one record."""
    start = _RECORD_HEADER + _MESSAGE_HEADER
    if len(data) < start or data[0] != _HANDSHAKE or data[_RECORD_HEADER] != _CLIENT_KEY_EXCHANGE:
        return None
    end = start + int.from_bytes(data[_RECORD_HEADER + 1 : start], "big")
    if end > min(len(data), _RECORD_HEADER + int.from_bytes(data[3:_RECORD_HEADER], "big")):
        return None
    try:
        return parse_encrypted_pre_master_secret(data[start:end], int.from_bytes(data[1:3], "big"))
    except ParseError:
        return None
