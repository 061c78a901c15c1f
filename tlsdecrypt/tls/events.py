"""What a TLS connection says while it is fed: plaintext, handshake messages, alerts, and what could not be read."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from tlsdecrypt.value import Hidden, Value

if TYPE_CHECKING:
    from tlsdecrypt.flow import Direction, Span


class ApplicationData(Value, frozen=True):
    """Plaintext of one record; `span` names the frames that carried the record."""

    direction: Direction
    data: Hidden[bytes]
    span: Span


class ApplicationGap(Value, frozen=True):
    """Application data that is missing: not captured, or not decrypted. `length` is None where nobody knows it."""

    direction: Direction
    length: int | None
    span: Span


class UnverifiedData(Value, frozen=True):
    """What could be read of a damaged record: no tag or MAC proves it, and it is part of no ApplicationData.

    It lies in the gap that was told last; `offset` counts bytes of application data from the start of that gap, None
    where the cipher does not tell.
    """

    direction: Direction
    data: Hidden[bytes]
    span: Span
    offset: int | None


class HandshakeSeen(Value, frozen=True):
    """A handshake message, by its name in the standard (`ClientHello`, `encrypted` where it could not be read)."""

    direction: Direction
    name: str
    span: Span


class AlertSeen(Value, frozen=True):
    """An alert; level and description by their names in RFC 8446 section 6 (None where it stayed encrypted)."""

    direction: Direction
    level: str | None
    description: str | None
    span: Span


class HeartbeatSeen(Value, frozen=True):
    """A heartbeat message (RFC 6520): its name, None for bytes that are none.

    `claimed` bytes of payload are to be sent back, says the message; it has `carried` bytes of payload and padding.
    """

    direction: Direction
    name: str | None
    claimed: int
    carried: int
    span: Span

    @property
    def is_overdrawn(self) -> bool:
        """It claims more than it has, and must be ignored (section 4); who answers gives away its memory."""
        return self.claimed > self.carried


class KeysChanged(Value, frozen=True):
    """From here on this direction is protected with the keys of another epoch (0 is plaintext)."""

    direction: Direction
    epoch: int
    span: Span


class RecordUndecrypted(Value, frozen=True):
    """Protected records that could not be opened, `count` in a row, `length` bytes of fragments in all."""

    direction: Direction
    count: int
    length: int
    span: Span


class Malformed(Value, frozen=True):
    """Bytes that are not TLS; the direction is opaque from here on."""

    direction: Direction
    what: str
    span: Span


TlsEvent: TypeAlias = (
    ApplicationData
    | ApplicationGap
    | UnverifiedData
    | HandshakeSeen
    | AlertSeen
    | HeartbeatSeen
    | KeysChanged
    | RecordUndecrypted
    | Malformed
)
