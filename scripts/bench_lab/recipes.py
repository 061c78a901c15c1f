"""What is measured: each capture by its name, and what a program has to find in it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Recipe:
    """`connections` that each carry `exchanges` of a GET and an answer of `content_bytes`.

    With `shared_link` the connections live side by side and take turns on the link; else each is short-lived and a
    new one starts every millisecond.
    """

    name: str
    connections: int
    exchanges: int
    content_bytes: int
    suite: str = "gcm"
    shared_link: bool = True

    @property
    def messages(self) -> int:
        """HTTP messages in all: requests and answers."""
        return 2 * self.connections * self.exchanges

    @property
    def needs_key_log(self) -> bool:
        """Whether the server's key opens nothing."""
        return self.suite == "tls13"

    def as_dict(self) -> dict[str, Any]:
        """Kept beside the capture: another recipe means another capture."""
        return asdict(self)


RECIPES = {
    each.name: each
    for each in (
        Recipe("bulk", 16, 20, 1_000_000),
        Recipe("short", 10_000, 2, 850, shared_link=False),
        Recipe("small", 4, 2, 100_000),
        Recipe("bulk-cbc", 16, 20, 1_000_000, suite="cbc"),
        Recipe("bulk-tls13", 16, 20, 1_000_000, suite="tls13"),
        Recipe("bulk-x4", 16, 80, 1_000_000),
        Recipe("short-cbc", 10_000, 2, 850, suite="cbc", shared_link=False),
    )
}
DEFAULT = ("bulk", "short", "small")
