"""Behind a hole: the first record there, and what can be read of those that the hole damaged.

What is read of damaged records is kept apart from all that was proved by a tag or MAC.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tlsdecrypt.tls.damage import HEADER_LENGTH, damaged_records
from tlsdecrypt.tls.events import UnverifiedData
from tlsdecrypt.tls.ladder import Ladder
from tlsdecrypt.tls.registry import ContentType, HandshakeType

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tlsdecrypt.tls.damage import Damage
    from tlsdecrypt.tls.protection import RecordProtection
    from tlsdecrypt.tls.record import Record
    from tlsdecrypt.tls.side import Side


def recovered(protection: RecordProtection, record: Record) -> tuple[int, bytes] | None:
    """The content type and plaintext of the first record behind a hole, None where it does not open."""
    fragment, lost, before = record.fragment, record.lost, record.before
    return protection.recover(record.content_type, record.version, fragment, lost, before=before)


def keys_of(protection: RecordProtection) -> RecordProtection | None:
    """What keeps the sequence numbers: another object where the keys have changed."""
    return protection.in_force if isinstance(protection, Ladder) else protection


def is_protected(record: Record) -> bool:
    """Whether a record behind a hole is protected: then the hole swallowed a ChangeCipherSpec."""
    fragment = record.fragment
    if record.content_type == ContentType.ALERT:
        return len(fragment) != 2  # noqa: PLR2004 - the length of an alert in the clear
    if record.content_type != ContentType.HANDSHAKE or len(fragment) < 4:  # noqa: PLR2004 - of a message header
        return record.content_type == ContentType.HANDSHAKE
    is_unknown = HandshakeType(fragment[0]).name.startswith("UNKNOWN")
    return is_unknown or int.from_bytes(fragment[1:4], "big") > 2**16


def glimpses(side: Side, damage: Damage, first: int, after: int | None) -> Iterator[UnverifiedData]:
    """What is there of the records with the sequence numbers from `first` up to `after` (None: nothing follows).

    Nothing where a record before them did not open, which may have been none, or where what was compressed depends on
    what was lost.
    """
    protection = side.protection
    if protection is None or side.decompressor is not None or side.failed_at == first:
        return
    for record in damaged_records(damage, first, after):
        for piece in protection.glimpse(record):
            offset = None
            if protection.overhead is not None:
                index = record.sequence_number - first
                offset = record.skipped_length - index * (protection.overhead - HEADER_LENGTH) + piece.offset
            yield UnverifiedData(side.direction, piece.data, piece.span, offset)


def glimpses_at_end(side: Side) -> Iterator[UnverifiedData]:
    """The same of the last record, where the capture ends within it or in a hole."""
    if side.protection is None or side.awaits_keys or side.held or not side.records_decrypted:
        return
    damage = side.reader.unfinished()
    if damage is not None and damage.pieces:
        yield from glimpses(side, damage, side.protection.sequence_number, None)
