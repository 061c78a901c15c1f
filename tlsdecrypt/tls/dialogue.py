"""Dialogue: what two peers said in the clear part of TLS: handshake messages and alerts, as facts and as events."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from tlsdecrypt.errors import ParseError
from tlsdecrypt.tls.events import AlertSeen, HandshakeSeen, HeartbeatSeen, Malformed
from tlsdecrypt.tls.negotiation import Negotiation
from tlsdecrypt.tls.registry import (
    AlertDescription,
    AlertLevel,
    HandshakeType,
    HeartbeatMessageType,
    handshake_type,
    message_name,
)

if TYPE_CHECKING:
    from tlsdecrypt.flow import Span
    from tlsdecrypt.tls.events import TlsEvent
    from tlsdecrypt.tls.side import Side

_ALERT_LENGTH = 2
_HEARTBEAT_HEADER = 3  # its type, and the length of its payload
_CLIENT_HELLO = message_name(HandshakeType.CLIENT_HELLO)
_HELLOS = (int(HandshakeType.CLIENT_HELLO), int(HandshakeType.SERVER_HELLO))
MAX_KEPT = 1_000  # messages, alerts and heartbeats of one connection; what comes after them is only an event


class Dialogue:
    """The handshakes of a connection and what was said around them. `events` collects what the owner has not taken."""

    def __init__(self) -> None:
        """Nothing was said yet."""
        self.events: list[TlsEvent] = []
        self.negotiations = [Negotiation()]
        self.alerts: list[AlertSeen] = []
        self.messages: list[HandshakeSeen] = []
        self.heartbeats: list[HeartbeatSeen] = []
        self.faults: list[Malformed] = []
        self.client_hello_span: Span | None = None

    def negotiation(self, side: Side) -> Negotiation:
        """The handshake that a direction is in, or has finished last."""
        return self.negotiations[side.negotiation]

    def take_events(self) -> list[TlsEvent]:
        """The events since the last call."""
        events, self.events = self.events, []
        return events

    def take_sslv2_hello(self, side: Side, record: bytes, span: Span) -> None:
        """A ClientHello in the format of SSL 2.0 (RFC 5246 appendix E.2)."""
        self._see(HandshakeSeen(side.direction, _CLIENT_HELLO, span))
        try:
            self.negotiations[0].add_sslv2_hello(record)
        except ParseError as error:
            self.meet_fault(Malformed(side.direction, f"client_hello in the format of SSL 2.0: {error}", span))

    def take_alert(self, side: Side, plaintext: bytes, span: Span) -> None:
        """An alert; one of another length than 2 was not decrypted."""
        level, description = _alert_names(plaintext) if len(plaintext) == _ALERT_LENGTH else (None, None)
        alert = AlertSeen(side.direction, level, description, span)
        self.events.append(alert)
        if len(self.alerts) < MAX_KEPT:
            self.alerts.append(alert)

    def take_heartbeat(self, side: Side, plaintext: bytes, span: Span) -> None:
        """A heartbeat message, RFC 6520 section 4."""
        name, claimed = None, 0
        if len(plaintext) >= _HEARTBEAT_HEADER:
            name = HeartbeatMessageType(plaintext[0]).name.lower()
            claimed = int.from_bytes(plaintext[1:_HEARTBEAT_HEADER], "big")
        carried = max(len(plaintext) - _HEARTBEAT_HEADER, 0)
        heartbeat = HeartbeatSeen(side.direction, name, claimed, carried, span)
        self.events.append(heartbeat)
        if len(self.heartbeats) < MAX_KEPT:
            self.heartbeats.append(heartbeat)

    def take_message(self, side: Side, message: bytes, span: Span) -> HandshakeType | None:
        """A handshake message with its header; its type, None where its body is not what it should be."""
        kind = handshake_type(message[0])
        self._see(HandshakeSeen(side.direction, message_name(kind), span))
        if side.epoch > 0 and kind in _HELLOS:
            self._renegotiate(side)
        try:
            self.negotiations[side.negotiation].add(side.direction, message)
        except ParseError as error:
            self.meet_fault(Malformed(side.direction, f"{message_name(kind)}: {error}", span))
            return None
        return kind

    def meet_fault(self, fault: Malformed) -> None:
        """Bytes that are not TLS."""
        self.events.append(fault)
        if len(self.faults) < MAX_KEPT:
            self.faults.append(fault)

    def _renegotiate(self, side: Side) -> None:
        """A hello under protection begins another handshake; each direction gets there at its own time."""
        side.negotiation += 1
        if side.negotiation == len(self.negotiations):
            self.negotiations.append(Negotiation())

    def _see(self, seen: HandshakeSeen) -> None:
        if self.client_hello_span is None and seen.name == _CLIENT_HELLO:
            self.client_hello_span = seen.span
        self.events.append(seen)
        if len(self.messages) < MAX_KEPT:
            self.messages.append(seen)


@lru_cache(maxsize=256)
def _alert_names(alert: bytes) -> tuple[str, str]:
    """Level and description, remembered: nearly every connection ends with the same."""
    return AlertLevel(alert[0]).name.lower(), AlertDescription(alert[1]).name.lower()
