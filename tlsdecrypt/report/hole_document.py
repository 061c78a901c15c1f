"""What is known of the holes in HTTP contents: bytes of damaged records, decrypted and unverified."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tlsdecrypt.conversation import Unverified

WHERE_TO_SEE = "--follow shows them"


def known_of_hole(message: Any, unverified: Unverified) -> int:
    """How many of the bytes that `message` misses were read of damaged records, of those that were kept.

    Told where frames alone say to which message a piece belongs: in HTTP/1, whose messages follow one another.
    """
    missing: int = message.missing
    if not unverified.pieces or not missing or not message.version.startswith("HTTP/1"):
        return 0
    first, last = message.span.first_frame, message.span.last_frame
    within = (each for each in unverified.pieces if first <= each.span.first_frame and each.span.last_frame <= last)
    return min(sum(len(each.content) for each in within), missing)


def told_of_hole(told: dict[str, Any]) -> str:
    """What is to be added where a message says how much of it was not captured."""
    known = told.get("unverified", 0)
    return f"; {known:,} of them are known from damaged records, unverified: {WHERE_TO_SEE}" if known else ""
