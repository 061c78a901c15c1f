"""Ssl2Connection: SSL 2.0 on one TCP connection ("The SSL Protocol", Hickman 1995), with the face of a TlsConnection.

The hellos and CLIENT-MASTER-KEY are in the clear; every record behind them is protected, and proves the keys by its
MAC. Either direction may be read first: what is protected waits, in bounds, until the keys are known.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tlsdecrypt.errors import ParseError
from tlsdecrypt.flow import Direction
from tlsdecrypt.tls.events import (
    AlertSeen,
    ApplicationData,
    ApplicationGap,
    HandshakeSeen,
    KeysChanged,
    Malformed,
    RecordUndecrypted,
)
from tlsdecrypt.tls.ssl2 import MAC_LENGTH, Ssl2Protection, derive_keys_ssl2, make_protection_ssl2
from tlsdecrypt.tls.ssl2_messages import (
    ERROR_NAMES,
    NO_CERTIFICATE_ERROR,
    Ssl2ClientHello,
    Ssl2MasterKey,
    Ssl2MessageType,
    Ssl2ServerHello,
    parse_ssl2_client_certificate,
    parse_ssl2_client_hello,
    parse_ssl2_master_key,
    parse_ssl2_server_hello,
    ssl2_error,
)
from tlsdecrypt.tls.ssl2_session import Ssl2Session, candidate_sessions, remember
from tlsdecrypt.tls.ssl2_side import Ssl2Side

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tlsdecrypt.flow import Span
    from tlsdecrypt.tls.events import TlsEvent
    from tlsdecrypt.tls.record import Locate
    from tlsdecrypt.tls.secrets import SecretStore
    from tlsdecrypt.tls.session import KeySource
    from tlsdecrypt.tls.ssl2_record import Ssl2Record

MAX_KEPT: Final = 100  # messages, errors and faults of one connection; a handshake has ten

_FINISHED: Final = (Ssl2MessageType.CLIENT_FINISHED, Ssl2MessageType.SERVER_FINISHED)


class Ssl2Connection:
    """SSL 2.0 as an observer with a SecretStore sees it.

    `feed`, `gap`, `end`, `retry` and `finish` return events in the order in which things became readable. What was
    seen stands in the attributes, for `summarize_ssl2`.
    """

    alpn: str | None = None

    def __init__(self, store: SecretStore) -> None:
        """The connection is seen from its start: SSL 2.0 cannot be told in the middle."""
        self._store = store
        self._events: list[TlsEvent] = []
        self._knowledge = 0  # grows with what is read in the clear: what failed before may succeed now
        self.sides = tuple(Ssl2Side(direction) for direction in Direction)
        self.client_hello: Ssl2ClientHello | None = None
        self.server_hello: Ssl2ServerHello | None = None
        self.master_key: Ssl2MasterKey | None = None
        self.client_certificate = b""
        self.session_id = b""
        self.session: Ssl2Session | None = None  # once a record was opened with it
        self.refused: KeySource | None = None
        self.is_closed_by_peer = False
        self.alerts: list[AlertSeen] = []
        self.messages: list[HandshakeSeen] = []
        self.faults: list[Malformed] = []

    @property
    def is_waiting(self) -> bool:
        """Whether records wait for a secret that may still come."""
        return any(side.held for side in self.sides)

    @property
    def held_bytes(self) -> int:
        """The size of the records that wait."""
        return sum(side.held_bytes for side in self.sides)

    def feed(self, direction: Direction, data: bytes, locate: Locate) -> list[TlsEvent]:
        """In-order bytes of one direction; `locate(start, end)` names the frames of `data[start:end]`."""
        side = self.sides[direction]
        self._take_all(side, side.reader.feed(data, locate))
        return self._take_events()

    def gap(self, direction: Direction, length: int | None, span: Span) -> list[TlsEvent]:
        """`length` bytes of one direction are missing here."""
        side = self.sides[direction]
        side.has_hole = True
        self._take_all(side, side.reader.gap(length, span))
        if side.reader.is_lost:
            self._events.append(ApplicationGap(direction, None, span))
        return self._take_events()

    def end(self, _direction: Direction, *, by_peer: bool) -> list[TlsEvent]:
        """One direction is over, ended `by_peer` or by the end of the capture."""
        self.is_closed_by_peer |= by_peer
        return []

    def retry(self) -> list[TlsEvent]:
        """Look for the keys again: the store has learned something since."""
        self._release()
        return self._take_events()

    def finish(self) -> list[TlsEvent]:
        """No secret will come any more: what still waits is counted as not decrypted."""
        for side in self.sides:
            side.is_hopeless = True
        self._release()
        for side in self.sides:
            if side.undecrypted_span is not None:
                count, length = side.records_undecrypted, side.undecrypted_length
                self._events.append(RecordUndecrypted(side.direction, count, length, side.undecrypted_span))
        return self._take_events()

    def _take_events(self) -> list[TlsEvent]:
        events, self._events = self._events, []
        return events

    def _take_all(self, side: Ssl2Side, records: Iterable[Ssl2Record]) -> None:
        for record in records:
            if side.held or not self._take(side, record):
                side.hold(record)
        self._release()

    def _release(self) -> None:
        """Take what waits, as long as one direction lets the other go on."""
        moved = True
        while moved:
            moved = False
            for side in self.sides:
                while side.held and self._take(side, side.held[0]):
                    side.release()
                    moved = True

    def _take(self, side: Ssl2Side, record: Ssl2Record) -> bool:
        """Read one record. False: it has to wait."""
        if not side.is_protected:
            side.is_protected = not self._take_clear(side, record)
        if side.is_protected and len(record.data) >= MAC_LENGTH:
            if side.protection is not None or self._find_keys(side, record):
                self._open(side, record)
            elif self._may_wait(side):
                return False
            else:
                side.count_undecrypted(record)
        elif side.is_protected:
            self._take_short(side, record)
        side.records += 1
        return True

    def _take_clear(self, side: Ssl2Side, record: Ssl2Record) -> bool:
        """A record before the keys change. False: it is the first one behind that.

        The server's first record is in the clear, and the client's first; its second is CLIENT-MASTER-KEY, unless a
        session is resumed: then it is protected, and reads like no CLIENT-MASTER-KEY, whose lengths have to add up.
        """
        data = bytes(record.data)
        code = ssl2_error(data)
        if code is not None:
            self._take_error(side, code, record.span)
        elif side.records == 0:
            self._take_hello(side, data, record.span)
        else:
            return side.direction is Direction.CLIENT_TO_SERVER and self._take_master_key(data, record.span)
        return True

    def _take_hello(self, side: Ssl2Side, message: bytes, span: Span) -> None:
        self._knowledge += 1
        try:
            if side.direction is Direction.CLIENT_TO_SERVER:
                self.client_hello = parse_ssl2_client_hello(message)
                self._see(side, Ssl2MessageType.CLIENT_HELLO, span)
            else:
                self.server_hello = parse_ssl2_server_hello(message)
                self._see(side, Ssl2MessageType.SERVER_HELLO, span)
        except ParseError as error:
            self._meet_fault(side, f"the {side.direction.sender}'s hello: {error}", span)

    def _take_master_key(self, message: bytes, span: Span) -> bool:
        if self.master_key is not None:
            return False
        try:
            self.master_key = parse_ssl2_master_key(message)
        except ParseError:
            return False
        self._knowledge += 1
        self._see(self.sides[0], Ssl2MessageType.CLIENT_MASTER_KEY, span)
        return True

    def _take_short(self, side: Ssl2Side, record: Ssl2Record) -> None:
        """Too short for a MAC: an error in the clear, or nonsense."""
        code = ssl2_error(bytes(record.data))
        if code is not None:
            self._take_error(side, code, record.span)
        else:
            self._meet_fault(side, f"a protected record of {len(record.data)} bytes", record.span)

    def _take_error(self, side: Ssl2Side, code: int, span: Span) -> None:
        level = "warning" if code == NO_CERTIFICATE_ERROR else "fatal"
        alert = AlertSeen(side.direction, level, ERROR_NAMES.get(code, f"error_{code}"), span)
        self._events.append(alert)
        if len(self.alerts) < MAX_KEPT:
            self.alerts.append(alert)

    def _meet_fault(self, side: Ssl2Side, what: str, span: Span) -> None:
        fault = Malformed(side.direction, what, span)
        if len(self.faults) < MAX_KEPT:
            self._events.append(fault)
            self.faults.append(fault)

    def _see(self, side: Ssl2Side, kind: Ssl2MessageType, span: Span) -> None:
        seen = HandshakeSeen(side.direction, kind.name.lower(), span)
        self._events.append(seen)
        if len(self.messages) < MAX_KEPT:
            self.messages.append(seen)

    def _may_wait(self, side: Ssl2Side) -> bool:
        """Whether the keys may still become known.

        By a message that is yet to be read, by the session that is resumed, or because the record that was to prove
        them is damaged, and one of the other side will.
        """
        server = self.server_hello
        is_open = self.client_hello is None or server is None or server.is_session_hit or self.master_key is None
        return not side.is_hopeless and (is_open or self.refused is not None)

    def _find_keys(self, side: Ssl2Side, record: Ssl2Record) -> bool:
        """Whether the keys of this side are in force now; the first protected record of either side proves them."""
        client, server = self.client_hello, self.server_hello
        if client is None or server is None:
            return False
        state = (self._store.generation, self._knowledge)
        if self.session is None and side.tried != state:
            side.tried = state
            self._prove(side, record, client, server)
        if self.session is None:
            return False
        side.protection = self._protection(side, self.session, client, server)
        self._events.append(KeysChanged(side.direction, 1, record.span))
        return side.protection is not None

    def _prove(self, side: Ssl2Side, record: Ssl2Record, client: Ssl2ClientHello, server: Ssl2ServerHello) -> None:
        for candidate in candidate_sessions(self._store, client, server, self.master_key):
            protection = self._protection(side, candidate, client, server)
            if protection is not None and protection.open(record.data, record.padding_length) is not None:
                self.session = candidate
                return
            self.refused = candidate.origin

    @staticmethod
    def _protection(
        side: Ssl2Side, session: Ssl2Session, client: Ssl2ClientHello, server: Ssl2ServerHello
    ) -> Ssl2Protection | None:
        keys = derive_keys_ssl2(
            session.suite, session.master_key, client.challenge, server.connection_id, session.key_arg
        )
        return make_protection_ssl2(session.suite, keys[side.direction], side.records)

    def _open(self, side: Ssl2Side, record: Ssl2Record) -> None:
        assert side.protection is not None
        data = side.protection.open(record.data, record.padding_length)
        if data is None:
            side.count_undecrypted(record)
            self._events.append(ApplicationGap(side.direction, None, record.span))
            return
        side.records_decrypted += 1
        if not self._take_message(side, data, record.span) and data:
            self._events.append(ApplicationData(side.direction, data, record.span))

    def _take_message(self, side: Ssl2Side, data: bytes, span: Span) -> bool:
        """Whether a protected record is one of the handshake. Behind FINISHED only a client's late answer is.

        That one is told by its form: its length has to add up.
        """
        code = ssl2_error(data)
        if code is not None and (not side.is_finished or side.direction is Direction.CLIENT_TO_SERVER):
            self._take_error(side, code, span)
            return True
        if side.direction is Direction.CLIENT_TO_SERVER and self._take_client_certificate(side, data, span):
            return True
        if side.is_finished or not data:
            return False
        kind = next((each for each in Ssl2MessageType if each == data[0]), None)
        if kind is None:  # FINISHED was lost, and this is what follows it
            side.is_finished = True
            return False
        self._see(side, kind, span)
        if kind in _FINISHED:
            side.is_finished = True
        if kind is Ssl2MessageType.SERVER_FINISHED:
            self._learn(data[1:])
        return True

    def _take_client_certificate(self, side: Ssl2Side, data: bytes, span: Span) -> bool:
        if self.client_certificate:
            return False
        try:
            self.client_certificate = parse_ssl2_client_certificate(data)
        except ParseError:
            return False
        self._see(side, Ssl2MessageType.CLIENT_CERTIFICATE, span)
        return True

    def _learn(self, session_id: bytes) -> None:
        """SERVER-FINISHED names the session for those that resume it."""
        self.session_id = session_id
        if self.session is not None:
            remember(self._store, session_id, self.session)
