"""Lookups: what DNS said of each name, to whom, for rules that compare answers."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tlsdecrypt.findings.reachability import addresses_in, dns_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tlsdecrypt.findings.scene import Scene
    from tlsdecrypt.net.surroundings import DnsMessage

_SAME_QUERY_NS = 30_000_000_000  # an answer that comes later answers another query


@dataclass
class Lookup:
    """All that one client asked about one name and type, and what it was told, in the order of time."""

    client: str
    name: str
    type: str
    queries: list[DnsMessage] = field(default_factory=list)
    answers: list[DnsMessage] = field(default_factory=list)

    @property
    def is_found(self) -> bool:
        """Some answer has records."""
        return any(each.rcode == "NOERROR" and each.answers for each in self.answers)

    @property
    def is_settled(self) -> bool:
        """Some answer is final: records, no records, or no such name."""
        return any(each.rcode in ("NOERROR", "NXDOMAIN") for each in self.answers)


class Lookups:
    """All lookups of a scene. Those of resolvers for their clients are kept apart."""

    def __init__(self, scene: Scene) -> None:
        """Queries and answers in the order of time."""
        self._all: dict[tuple[str, str, str], Lookup] = {}
        messages = [each for each in dns_of(scene) if each.opcode == "QUERY" and each.questions]
        self._resolvers = {each.server.address for each in messages}
        for message in messages:
            question = message.questions[0]
            key = message.client.address, question.name, question.type
            lookup = self._all.setdefault(key, Lookup(*key))
            (lookup.answers if message.is_response else lookup.queries).append(message)
        self._by_name: dict[str, list[Lookup]] = defaultdict(list)
        for lookup in self._all.values():
            self._by_name[lookup.name].append(lookup)

    def by_clients(self) -> list[Lookup]:
        """Lookups of hosts that are no resolvers themselves; of resolvers too, where nobody else asked."""
        asked = {each.name for each in self._all.values() if each.client not in self._resolvers}
        return [each for each in self._all.values() if each.client not in self._resolvers or each.name not in asked]

    def of(self, name: str) -> list[Lookup]:
        """All lookups of a name."""
        return self._by_name.get(name, [])

    @property
    def names(self) -> Iterable[str]:
        """All names that were looked up."""
        return self._by_name.keys()

    def has_found(self, name: str) -> bool:
        """Somebody was given a record for the name."""
        return any(lookup.is_found for lookup in self.of(name))

    def below(self, domain: str) -> Iterable[str]:
        """Names that were looked up and end with `domain`."""
        return [name for name in self._by_name if name.endswith(f".{domain}")]

    def addresses(self, name: str) -> set[str]:
        """The addresses that anybody was given for the name."""
        return {address for lookup in self.of(name) for answer in lookup.answers for address in addresses_in(answer)}

    def is_search_suffix(self, name: str) -> bool:
        """`name` is another name that was looked up, with a domain of the client's search list behind it."""
        labels = name.split(".")
        return any(".".join(labels[:count]) in self._by_name for count in range(2, len(labels)))


def is_answered(query: DnsMessage, answers: Iterable[DnsMessage]) -> bool:
    """Some answer is for this query."""
    return any(
        each.id == query.id and each.server == query.server and 0 <= each.time_ns - query.time_ns <= _SAME_QUERY_NS
        for each in answers
    )
