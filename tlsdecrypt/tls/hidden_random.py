"""The client random that an Encrypted Client Hello hides, found in a key log (RFC 9849, RFC 9850).

A key log names a session by the random of the hello that the server went on with: the inner one, which no observer
sees. Firefox logs what opens it; Chromium and Go do not. So each session of the key log is tried on the first record
that the server protects: its tag proves one, and no other.

That record begins with EncryptedExtensions (RFC 8446 section 4.3.1) and has the sequence number 0. All ciphers of TLS
1.3 are counter modes, so of each session it is known how such a record begins, and only few have to be tried.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final

from tlsdecrypt.tls.counter_modes import NoCounter, make_counter_mode
from tlsdecrypt.tls.key_schedule import hash_length, labels_of, traffic_keys
from tlsdecrypt.tls.protection import make_protection_13

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tlsdecrypt.tls.ciphersuites import CipherSuite
    from tlsdecrypt.tls.record import Record

TRIED_LABEL: Final = "SERVER_HANDSHAKE_TRAFFIC_SECRET"  # of the server's first record

_START: Final = b"\x08\0"  # of EncryptedExtensions: its type, and the first of the three bytes of its length

_Session = tuple[bytes, bytes]  # client random and secret


class HiddenRandoms:
    """Finds sessions of a key log by their server's first record, and by their secrets."""

    def __init__(self, sessions: Callable[[], Sequence[_Session]]) -> None:
        """`sessions` gives client random and secret of each session that is logged: a new list when there are more."""
        self._sessions = sessions
        self._by_start: dict[tuple[int, bytes], _Starts] = {}  # by suite, and by the prefix of the labels
        self._names: dict[bytes, set[bytes]] = {}  # by secret
        self._named: Sequence[_Session] = ()

    def __repr__(self) -> str:
        """Never the secrets."""
        return "HiddenRandoms()"

    def find(self, suite: CipherSuite, version: int, record: Record) -> bytes | None:
        """The random whose secret opens `record`, the first that the server protects; None for none."""
        if suite.key_exchange != "TLS13" or not suite.is_supported:
            return None
        key = suite.code, labels_of(version).prefix
        starts = self._by_start.setdefault(key, _Starts(suite, key[1]))
        for client_random, secret in starts.of(bytes(record.fragment[: len(_START)]), self._sessions()):
            protection = make_protection_13(suite, secret, version=version)
            if protection and protection.open(record.content_type, record.version, record.fragment) is not None:
                return client_random
        return None

    def other_name(self, secret: bytes, client_random: bytes) -> bytes | None:
        """Another client random under which the same secret is logged: one of the two was hidden."""
        sessions = self._sessions()
        if sessions is not self._named:
            self._named, self._names = sessions, {}
            for name, each in sessions:
                self._names.setdefault(each, set()).add(name)
        return next(iter(sorted(self._names.get(secret, set()) - {client_random})), None)


class _Starts:
    """How the first record of each session begins under one suite."""

    def __init__(self, suite: CipherSuite, prefix: bytes) -> None:
        """`prefix` is that of the labels, by which drafts differ."""
        self._suite = suite
        self._prefix = prefix
        self._taken: Sequence[_Session] = ()
        self._known: set[_Session] = set()
        self._found: defaultdict[bytes, list[_Session]] = defaultdict(list)

    def of(self, start: bytes, sessions: Sequence[_Session]) -> list[_Session]:
        """Those of `sessions` whose first record begins so."""
        if sessions is not self._taken:
            self._taken = sessions
            for each in sessions:
                if each not in self._known:
                    self._known.add(each)
                    self._add(each)
        return self._found.get(start, [])

    def _add(self, session: _Session) -> None:
        suite, secret = self._suite, session[1]
        if len(secret) != hash_length(suite):
            return
        key, nonce = traffic_keys(suite, secret, self._prefix)
        mode = make_counter_mode(suite.cipher, key) if suite.mac is None else NoCounter()
        if mode is not None:
            self._found[mode.decrypt_at(nonce, 0, _START)].append(session)
