"""ExchangeFindings: which findings an exchange is evidence of."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tlsdecrypt.conversation import Analysis


class ExchangeFindings:
    """Knows the rules of all findings by connection and frame; made when a run is over."""

    def __init__(self, analysis: Analysis) -> None:
        self._by_connection: dict[int, list[tuple[int | None, str]]] = defaultdict(list)
        for finding in analysis.findings:
            for evidence in finding.evidence:
                if evidence.connection is not None:
                    self._by_connection[evidence.connection].append((evidence.frame, finding.rule))

    def __bool__(self) -> bool:
        """Whether any finding names a connection."""
        return bool(self._by_connection)

    def of_exchange(self, connection: int, frames: Sequence[int]) -> list[str]:
        """The rules whose evidence lies within the `frames` of an exchange."""
        if not frames:
            return []
        first, last = min(frames), max(frames)
        found = self._by_connection.get(connection, ())
        return _distinct(rule for frame, rule in found if frame is not None and first <= frame <= last)

    def of_connection(self, connection: int) -> list[str]:
        """The rules that name a connection."""
        return _distinct(rule for _, rule in self._by_connection.get(connection, ()))


def _distinct(rules: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(rules))
