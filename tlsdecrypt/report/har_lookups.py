"""Lookups: how long the DNS took that led to a connection, where the capture shows it (`dns` of HAR)."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

from tlsdecrypt.report.quantities import SECOND

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tlsdecrypt.conversation import Analysis
    from tlsdecrypt.net.surroundings import DnsMessage

LONGEST_WAIT = 5 * SECOND  # between an answer and the connection that it led to; later ones come from a cache


class Wanted(NamedTuple):
    """A connection: who looked for which name, which address it was, and when the client connected (nanoseconds)."""

    client: str
    name: str
    server: str
    connected_ns: int


class _Lookup(NamedTuple):
    answered_ns: int
    took_ns: int
    addresses: frozenset[str]


class Lookups:
    """All lookups of a run that were asked and answered. Each belongs to the first connection that it led to."""

    def __init__(self, analysis: Analysis) -> None:
        messages = analysis.surroundings.dns if analysis.surroundings is not None else ()
        self._found: dict[tuple[str, str], list[_Lookup]] = defaultdict(list)
        for client, name, lookup in _lookups(messages):
            self._found[client, name].append(lookup)
        for each in self._found.values():
            each.sort()

    def take(self, wanted: Wanted) -> int | None:
        """How long the lookup took (nanoseconds) that told the address, None where none is seen."""
        found = self._found.get((wanted.client, _plain(wanted.name)), [])
        last = bisect_right(found, wanted.connected_ns, key=lambda lookup: lookup.answered_ns)
        for index in range(last - 1, -1, -1):
            if wanted.connected_ns - found[index].answered_ns > LONGEST_WAIT:
                return None
            if wanted.server in found[index].addresses:
                return found.pop(index).took_ns
        return None


def _lookups(messages: tuple[DnsMessage, ...]) -> Iterator[tuple[str, str, _Lookup]]:
    """Client, name and lookup of each answer to a question that was seen."""
    asked: dict[tuple[object, ...], int] = {}
    for message in messages:
        key = (message.client, message.server, message.id)
        if not message.is_response:
            asked.setdefault(key, message.time_ns)  # a question that is sent again was asked before
        elif key in asked and message.questions:
            took_ns = message.time_ns - asked.pop(key)
            addresses = frozenset(record.data for record in message.answers)
            yield (
                message.client.address,
                _plain(message.questions[0].name),
                _Lookup(message.time_ns, took_ns, addresses),
            )


def _plain(name: str) -> str:
    return name.rstrip(".").lower()
