"""Choice: which connections are handed on in outputs that hold secrets or plaintext; reports tell of all."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from tlsdecrypt.value import Value

if TYPE_CHECKING:
    from tlsdecrypt.conversation import Analysis


class Choice(Value, frozen=True):
    """All connections where nothing is named, else those that are named by id, or by a rule that found something.

    `is_of_hosts`: hosts or ports are chosen, so that the run knows no other connections than theirs.
    """

    connections: tuple[int, ...] = ()
    rules: tuple[str, ...] = ()
    is_of_hosts: bool = False

    def of(self, analysis: Analysis) -> frozenset[int] | None:
        """The ids that are chosen; None for all. Rules may be patterns (`tls.*`)."""
        if not self.connections and not self.rules:
            return None
        found = [each for each in analysis.findings if any(fnmatchcase(each.rule, rule) for rule in self.rules)]
        return frozenset(self.connections).union(*(each.connections for each in found))

    def notes(self, analysis: Analysis) -> list[str]:
        """What was named and is not there."""
        known = {each.id for each in analysis.conversations}
        found = [each.rule for each in analysis.findings]
        return [
            *(f"there is no connection {each}" for each in self.connections if each not in known),
            *(f"no finding of {rule}" for rule in self.rules if not any(fnmatchcase(each, rule) for each in found)),
        ]

    def refusal(self, analysis: Analysis) -> str | None:
        """Why there is nothing to hand on: none of the connections that are chosen is there; None where one is."""
        chosen = self.of(analysis)
        if self.is_of_hosts and not analysis.conversations:
            return "no connection is with what --host and --port choose"
        if chosen is None or any(each.id in chosen for each in analysis.conversations):
            return None
        return "; ".join(self.notes(analysis)) or "what was found is on no connection"
