"""TlsConnection: two directions of records become events.

Framing is in `record`, messages in `dialogue` and `negotiation`, secrets in `opening` and `ladder`, ciphers in
`protection`; here they are joined, and here it is decided what waits for what. Directions change their keys at
different times, and either may be read first: a record whose keys are not known yet waits, in bounds, until the other
direction or a secret tells them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tlsdecrypt.errors import ParseError
from tlsdecrypt.flow import Direction
from tlsdecrypt.tls.behind_hole import glimpses, glimpses_at_end, is_protected, keys_of, recovered
from tlsdecrypt.tls.compression import Decompressor
from tlsdecrypt.tls.dialogue import Dialogue
from tlsdecrypt.tls.events import ApplicationData, ApplicationGap, KeysChanged, Malformed, RecordUndecrypted
from tlsdecrypt.tls.keylog import CLIENT_RANDOM
from tlsdecrypt.tls.ladder import Ladder, Stage
from tlsdecrypt.tls.opening import candidates, protection_of
from tlsdecrypt.tls.record import SSLV2_HELLO, Record
from tlsdecrypt.tls.registry import ContentType, HandshakeType
from tlsdecrypt.tls.session import KeyLogSecret
from tlsdecrypt.tls.session_secrets import SessionSecrets
from tlsdecrypt.tls.side import Side

if TYPE_CHECKING:
    from tlsdecrypt.flow import Span
    from tlsdecrypt.tls.events import TlsEvent
    from tlsdecrypt.tls.negotiation import Negotiation
    from tlsdecrypt.tls.protection import RecordProtection
    from tlsdecrypt.tls.record import Locate
    from tlsdecrypt.tls.secrets import FoundSecret, SecretStore
    from tlsdecrypt.tls.session import KeySource

# Compared once a record or message: what a module holds is found faster than a member of an enumeration.
APPLICATION_DATA = int(ContentType.APPLICATION_DATA)
_ALERT = int(ContentType.ALERT)
_HEARTBEAT = int(ContentType.HEARTBEAT)
_CHANGE_CIPHER_SPEC = int(ContentType.CHANGE_CIPHER_SPEC)
_HANDSHAKE = int(ContentType.HANDSHAKE)
_FINISHED, _NEW_SESSION_TICKET = HandshakeType.FINISHED, HandshakeType.NEW_SESSION_TICKET
_SERVER_HELLO = HandshakeType.SERVER_HELLO


class TlsConnection:
    """The TLS on one TCP connection, as an observer with a SecretStore sees it.

    `feed`, `gap`, `end`, `retry` and `finish` return events in the order in which things became readable. Read-only
    facts: `dialogue`, `sides`, `key`, `refused`, `secrets`, `is_closed_by_peer`, `longest_cut`.
    """

    def __init__(self, store: SecretStore, *, has_start: bool = True) -> None:
        """`has_start` is False where the capture may begin in the middle of the connection."""
        self._store = store
        self.sides = (
            Side(Direction.CLIENT_TO_SERVER, has_start=has_start),
            Side(Direction.SERVER_TO_CLIENT, has_start=has_start),
        )
        self.dialogue = Dialogue()
        self.secrets: SessionSecrets | None = None  # of TLS 1.3
        self._proved: KeySource | None = None  # up to TLS 1.2, as the next
        self._refused: KeySource | None = None
        self.is_closed_by_peer = False
        self.has_hole_in_handshake = False
        self.longest_cut = 0  # of frames that the snap length cut, in bytes on the wire: told from outside

    @property
    def alpn(self) -> str | None:
        """The protocol that was agreed on for what is inside (RFC 7301)."""
        return self.dialogue.negotiations[-1].alpn or self.dialogue.negotiations[0].alpn

    @property
    def key(self) -> KeySource | None:
        """What opened records."""
        if self._proved is not None or self.secrets is None:
            return self._proved
        return next((ladder.origin for ladder in self._ladders if ladder.origin), None)

    @property
    def refused(self) -> KeySource | None:
        """A secret that was there for this session, and did not open it."""
        by_binder = self.secrets.refused_psk if self.secrets else None
        return self._refused or by_binder or next((ladder.refused for ladder in self._ladders if ladder.refused), None)

    @property
    def _ladders(self) -> list[Ladder]:
        return [side.protection for side in self.sides if isinstance(side.protection, Ladder)]

    @property
    def key_log(self) -> tuple[KeyLogSecret, ...]:
        """The secrets that opened records, of each handshake."""
        proved = [(each.client_hello, each.proved) for each in self.dialogue.negotiations]
        logged = [KeyLogSecret(CLIENT_RANDOM, hello.random, found.secret) for hello, found in proved if hello and found]
        if self.secrets is not None:
            climbed = [item for ladder in self._ladders for item in ladder.secrets.items()]
            logged += self.secrets.logged(climbed) if climbed else []
        return tuple(logged)

    @property
    def is_waiting(self) -> bool:
        """Whether records wait for a secret that may still come."""
        first, second = self.sides
        return bool(first.held or second.held)

    @property
    def is_impatient(self) -> bool:
        """Whether so much waits that it must not wait any longer: see `lose_patience`."""
        return any(side.is_over_bound and not side.is_hopeless for side in self.sides)

    @property
    def held_bytes(self) -> int:
        """The size of the records that wait."""
        return sum(side.held_bytes for side in self.sides)

    def feed(self, direction: Direction, data: bytes, locate: Locate) -> list[TlsEvent]:
        """In-order bytes of one direction; `locate(start, end)` names the frames of `data[start:end]`."""
        side, other = self.sides[direction], self.sides[1 - direction]
        reader = side.reader
        had_fault = reader.fault
        for record in reader.feed(data, locate):
            if side.held or not self._take(side, record):
                side.hold(record, is_patient=self._store.is_shared)
            elif other.held and record.content_type != APPLICATION_DATA:
                self._release()  # what the other side said before this one goes on: early data, then its answer
        if reader.fault and not had_fault:
            self.dialogue.meet_fault(Malformed(direction, reader.fault, locate(0, len(data))))
        if side.held or other.held:
            self._release()
        return self.dialogue.take_events()

    def gap(self, direction: Direction, length: int | None, span: Span) -> list[TlsEvent]:
        """`length` bytes of one direction are missing here; what was lost is told with the next record."""
        side = self.sides[direction]
        side.reader.gap(length)
        side.gap_span = span
        side.has_hole = True
        self.has_hole_in_handshake |= side.protection is None
        return []

    def end(self, direction: Direction, *, by_peer: bool) -> list[TlsEvent]:
        """One direction is over, ended `by_peer` or by the end of the capture: a hole right before it is told."""
        self.is_closed_by_peer |= by_peer
        side = self.sides[direction]
        if side.gap_span is not None and side.protection is not None:
            self._tell_gap(side, None, side.gap_span)
        return self.dialogue.take_events()

    def retry(self) -> list[TlsEvent]:
        """Look for the keys again: the store has learned something since."""
        self._release()
        return self.dialogue.take_events()

    def lose_patience(self) -> list[TlsEvent]:
        """The others that share the store have told what they know: what is too much waits no longer."""
        for side in self.sides:
            side.is_hopeless |= side.is_over_bound
        return self.retry()

    def finish(self) -> list[TlsEvent]:
        """No secret will come any more: what still waits is counted as not decrypted."""
        for side in self.sides:
            side.is_hopeless = True
        self._release()
        for side in self.sides:
            self.dialogue.events += glimpses_at_end(side)
            if side.undecrypted_span is not None:
                count, length = side.records_undecrypted, side.undecrypted_length
                self.dialogue.events.append(RecordUndecrypted(side.direction, count, length, side.undecrypted_span))
        return self.dialogue.take_events()

    def _release(self) -> None:
        """Take what waits, as long as one direction lets the other go on."""
        moved = True
        while moved:
            moved = False
            for side in self.sides:
                while side.held and self._take(side, side.held[0]):
                    side.release()
                    moved = True

    def _take(self, side: Side, record: Record) -> bool:
        """Read one record. False: it has to wait."""
        protection = side.protection
        if protection is None or side.awaits_keys:
            return self._take_without_keys(side, record)
        if record.content_type != APPLICATION_DATA and isinstance(protection, Ladder):  # in the clear in TLS 1.3
            self._dispatch(side, record.content_type, bytes(record.fragment), record.span)
            return True
        if record.lost == 0:
            opened = protection.open(record.content_type, record.version, record.fragment)
        else:
            opened = self._recover(side, protection, record)
        if opened is None:
            return self._fail(side, protection, record)
        side.records_decrypted += 1
        if opened[0] == APPLICATION_DATA and side.decompressor is None:
            if opened[1]:
                self.dialogue.events.append(ApplicationData(side.direction, opened[1], record.span))
        else:
            self._dispatch(side, opened[0], opened[1], record.span)
        return True

    def _recover(self, side: Side, protection: RecordProtection, record: Record) -> tuple[int, bytes] | None:
        """Open the first record behind a hole, and tell how much application data the hole swallowed."""
        before, keys = protection.sequence_number, keys_of(protection)
        opened = recovered(protection, record)
        side.drop_handshake()
        length = None
        if opened is not None and record.lost is not None and protection.overhead is not None:
            skipped = protection.sequence_number - 1 - before
            if skipped >= 0:  # else the hole swallowed a change of keys, from which numbers start anew
                length = max(record.lost - skipped * protection.overhead, 0)
        self._tell_gap(side, length, record.span)
        if opened is not None and record.damage is not None and keys_of(protection) is keys:
            self.dialogue.events += glimpses(side, record.damage, before, protection.sequence_number - 1)
        return opened

    def _tell_gap(self, side: Side, length: int | None, span: Span) -> None:
        span = side.gap_span.to(span) if side.gap_span else span
        side.gap_span = None
        self.dialogue.events.append(ApplicationGap(side.direction, length, span))

    def _fail(self, side: Side, protection: RecordProtection, record: Record) -> bool:
        """A record that the keys in force do not open."""
        if side is self.sides[1] and self.secrets is not None and self.secrets.try_hidden_random(record):
            return self._take(side, record)
        if isinstance(protection, Ladder) and self._may_wait(side):
            return False
        if side.records_decrypted and record.content_type == APPLICATION_DATA:
            self._tell_gap(side, None, record.span)
        return self._give_up(side, record)

    def _give_up(self, side: Side, record: Record) -> bool:
        side.count_undecrypted(record)
        side.failed_at = side.protection.sequence_number if side.protection is not None else None
        if record.content_type == ContentType.ALERT:
            self.dialogue.take_alert(side, b"", record.span)
        return True

    def _may_wait(self, side: Side) -> bool:
        """Whether a secret for a session whose hellos are known may still come."""
        ladder = side.protection
        if side.is_hopeless:
            return False
        if isinstance(ladder, Ladder):
            lacks_secrets = self._store.is_growing and ladder.lacks_secrets
            may_come = self.secrets is not None and self.secrets.may_come(side.direction, ladder.stage)
            return lacks_secrets or (may_come and not ladder.is_proved)
        negotiation = self.dialogue.negotiation(side)
        return self._store.is_growing or (negotiation.is_resumed and not negotiation.is_tls13)

    def _take_without_keys(self, side: Side, record: Record) -> bool:
        kind = record.content_type
        if kind == SSLV2_HELLO:
            self.dialogue.take_sslv2_hello(side, bytes(record.fragment), record.span)
            return True
        if record.lost != 0:
            side.drop_handshake()
            side.awaits_keys |= is_protected(record)
        if side.awaits_keys or kind == APPLICATION_DATA:
            return self._take_with_new_keys(side, record)
        if kind == _CHANGE_CIPHER_SPEC:
            return self._change_cipher_spec(side)
        self._dispatch(side, kind, bytes(record.fragment), record.span)
        return True

    def _change_cipher_spec(self, side: Side) -> bool:
        """ChangeCipherSpec: noise in TLS 1.3 (RFC 8446 section 5), a change of keys before (RFC 5246 section 7.1)."""
        negotiation = self.dialogue.negotiation(side)
        # Under protection it is no noise: whoever renegotiates does not speak TLS 1.3.
        is_ambiguous = side.direction is Direction.CLIENT_TO_SERVER and side.protection is None
        if negotiation.version is None and not negotiation.is_tls13 and is_ambiguous and not side.is_hopeless:
            return False  # the ServerHello, which tells what this means, is yet to be read
        if not negotiation.is_tls13:
            side.awaits_keys = True
            side.tried = None
        return True

    def _take_with_new_keys(self, side: Side, record: Record) -> bool:
        """The first record behind a change of keys: it proves them."""
        negotiation = self.dialogue.negotiation(side)
        if negotiation.client_hello is None or negotiation.server_hello is None:
            return self._give_up(side, record) if side.is_hopeless else False
        if negotiation.proved is not None:
            self._change_keys(side, protection_of(negotiation, negotiation.proved, side.direction), record.span)
            return self._take(side, record)
        if self._find_keys(side, record, negotiation):
            return True
        waits = self._may_wait(side) or not (side.is_hopeless or negotiation.is_complete)
        return False if waits else self._give_up(side, record)

    def _find_keys(self, side: Side, record: Record, negotiation: Negotiation) -> bool:
        """Try what the store has, once for each state of knowledge."""
        state = (self._store.generation, negotiation.knowledge)
        if side.tried == state:
            return False
        side.tried = state
        for candidate in candidates(negotiation, self._store):
            if self._prove(side, record, negotiation, candidate):
                return True
            self._refused = candidate.origin
        return False

    def _prove(self, side: Side, record: Record, negotiation: Negotiation, candidate: FoundSecret) -> bool:
        """Whether the candidate opens the record; then its keys are in force, and the record is read."""
        protection = protection_of(negotiation, candidate, side.direction)
        if protection is None:
            return False
        if record.lost == 0:
            opened = protection.open(record.content_type, record.version, record.fragment)
        else:
            opened = recovered(protection, record)
        if opened is None:
            return False
        negotiation.proved = candidate
        self._proved = candidate.origin
        self._learn(negotiation)
        self._change_keys(side, protection, record.span)
        side.records_decrypted += 1
        self._dispatch(side, opened[0], opened[1], record.span)
        return True

    def _learn(self, negotiation: Negotiation) -> None:
        """Keep the master secret for the sessions that resume this one, or what this one resumes."""
        found, hello, answer = negotiation.proved, negotiation.client_hello, negotiation.server_hello
        if found is None or hello is None or answer is None:
            return
        tickets = (negotiation.ticket, hello.session_ticket if negotiation.is_resumed else None)
        self._store.learn(found.secret, found.origin, session_id=answer.session_id)
        for ticket in filter(None, tickets):
            self._store.learn(found.secret, found.origin, ticket=ticket)

    def _change_keys(self, side: Side, protection: RecordProtection | None, span: Span) -> None:
        side.protection = protection
        side.awaits_keys = False
        side.failed_at = None
        side.epoch += 1
        if self.dialogue.negotiation(side).is_compressed:
            side.decompressor = Decompressor()
        self.dialogue.events.append(KeysChanged(side.direction, side.epoch, span))

    def _dispatch(self, side: Side, content_type: int, plaintext: bytes, span: Span) -> None:
        if side.decompressor is not None:
            try:
                plaintext = side.decompressor.decompress(plaintext)
            except ParseError as error:
                self.dialogue.meet_fault(Malformed(side.direction, str(error), span))
                return
        if content_type == APPLICATION_DATA:
            if plaintext:
                self.dialogue.events.append(ApplicationData(side.direction, plaintext, span))
        elif content_type == _HANDSHAKE:
            for message, message_span in side.messages(plaintext, span):
                self._take_message(side, message, message_span)
        elif content_type == _ALERT:
            self.dialogue.take_alert(side, plaintext, span)
        elif content_type == _HEARTBEAT:
            self.dialogue.take_heartbeat(side, plaintext, span)
        elif content_type == _CHANGE_CIPHER_SPEC:
            self._change_cipher_spec(side)

    def _take_message(self, side: Side, message: bytes, span: Span) -> None:
        kind = self.dialogue.take_message(side, message, span)
        if isinstance(side.protection, Ladder):
            self._climb(side, side.protection, kind, span)
        elif kind is _SERVER_HELLO:
            self._begin_tls13(self.dialogue.negotiation(side))
        elif kind is _NEW_SESSION_TICKET:
            self._learn(self.dialogue.negotiation(side))

    def _begin_tls13(self, negotiation: Negotiation) -> None:
        """From the ServerHello on both directions climb the ladder, if TLS 1.3 was negotiated."""
        suite, version = negotiation.suite, negotiation.version
        if suite is None or version is None or not negotiation.is_tls13:
            return
        self.secrets = SessionSecrets(negotiation, self._store)
        for side in self.sides:
            if side.protection is None:
                side.protection = Ladder(side.direction, suite, version, self.secrets.find)

    def _climb(self, side: Side, ladder: Ladder, kind: HandshakeType | None, span: Span) -> None:
        """Some messages of TLS 1.3 end a stage; a ticket, or the client's Finished after it, gives a PSK."""
        if self.secrets is not None and kind in (_FINISHED, _NEW_SESSION_TICKET):
            self.secrets.teach()
        if kind is _FINISHED:
            ladder.advance(Stage.APPLICATION)
        elif kind is HandshakeType.END_OF_EARLY_DATA:
            ladder.advance(Stage.HANDSHAKE)
        elif kind is HandshakeType.KEY_UPDATE:
            ladder.update()
        else:
            return
        side.epoch += 1
        self.dialogue.events.append(KeysChanged(side.direction, side.epoch, span))
