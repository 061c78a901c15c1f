"""What the segments of a connection say besides their bytes: names that `tcp` of a connection has more, and a line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tlsdecrypt.flow import Direction
from tlsdecrypt.report.quantities import MILLISECOND, counted

if TYPE_CHECKING:
    from tlsdecrypt.conversation import Conversation
    from tlsdecrypt.net.tcp_facts import Reset, SideFacts, Sighting


def opening_document(conversation: Conversation) -> dict[str, Any]:
    """How it came about and who broke it off. Numbers of frames; null where there was none."""
    facts = conversation.tcp
    if facts is None:
        return {}
    return {
        "syns": facts.syn_count,
        "syn_ack_frame": _frame(facts.syn_ack),
        "refused": facts.is_refused,
        "reset": facts.reset and _reset(facts.reset),
    }


def side_document(conversation: Conversation, direction: Direction) -> dict[str, Any]:
    """One sender: `retransmissions` are segments with data that came again, `zero_window_ms` the longest such time."""
    if conversation.tcp is None:
        return {}
    return _side(conversation.tcp.side(direction))


def _side(side: SideFacts) -> dict[str, Any]:
    return {
        "mac": side.mac,
        "ttl": side.ttl,
        "retransmissions": side.repeats + side.filled,
        "most_repeats": side.most_repeats,
        "zero_window_ms": None if side.zero_window is None else side.zero_window.duration_ns / MILLISECOND,
        "fin_frame": _frame(side.fin),
        "unacknowledged": side.unacknowledged,
    }


def _reset(reset: Reset) -> dict[str, Any]:
    return {"sender": reset.sender.sender, "frame": reset.frame, "ttl": reset.ttl, "ip_id": reset.ip_id}


def _frame(sighting: Sighting | None) -> int | None:
    return None if sighting is None else sighting.frame


def describe_failure(conversation: Conversation) -> str | None:
    """Why nothing was said: it was refused, or nobody answered; None where it came about."""
    facts = conversation.tcp
    if facts is None or not facts.syns:
        return None
    if facts.is_refused:
        return "refused"
    is_silent = not conversation.streams[Direction.SERVER_TO_CLIENT].segments
    return f"{counted(facts.syn_count, 'SYN')}, no answer seen" if is_silent else None
