"""What the captures hold: each by its name, and what a program has to find in it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

LEAST_SHARE = 0.75  # of the messages that a capture with holes must still show


@dataclass(frozen=True, slots=True)
class Recipe:
    """`connections` that each carry `exchanges` of a GET and an answer of `content_bytes`.

    With `shared_link` the connections live side by side and take turns on the link; else each is short-lived and a
    new one starts every millisecond, or, with `stays_open`, never ends. `suite` None: no TLS. `lost` and `reordered`
    are shares of the segments that carry data.
    """

    name: str
    connections: int
    exchanges: int
    content_bytes: int
    suite: str | None = "gcm"
    shared_link: bool = True
    stays_open: bool = False
    lost: float = 0.0
    reordered: float = 0.0

    @property
    def messages(self) -> int:
        """HTTP messages in all: requests and answers."""
        return 2 * self.connections * self.exchanges

    @property
    def least_messages(self) -> int:
        """How many of them a program must find, for its time to count."""
        return int(self.messages * LEAST_SHARE) if self.lost else self.messages

    @property
    def needs_key_log(self) -> bool:
        """Whether the server's key opens nothing."""
        return self.suite == "tls13"

    @property
    def port(self) -> int:
        """The server's."""
        return 80 if self.suite is None else 443

    def as_dict(self) -> dict[str, Any]:
        """Kept beside the capture: another recipe means another capture."""
        return asdict(self)


RECIPES = {
    each.name: each
    for each in (
        Recipe("bulk", 16, 20, 1_000_000),
        Recipe("bulk-cbc", 16, 20, 1_000_000, suite="cbc"),
        Recipe("bulk-tls13", 16, 20, 1_000_000, suite="tls13"),
        Recipe("short", 10_000, 2, 850, shared_link=False),
        Recipe("short-cbc", 10_000, 2, 850, suite="cbc", shared_link=False),
        Recipe("small", 4, 2, 100_000),
        Recipe("idle", 200_000, 1, 200, suite=None, shared_link=False, stays_open=True),
        Recipe("reordered", 16, 20, 1_000_000, reordered=0.05),
        Recipe("lossy", 16, 20, 1_000_000, lost=0.01, reordered=0.05),
        Recipe("bulk-x2", 16, 40, 1_000_000),
        Recipe("bulk-x4", 16, 80, 1_000_000),
        Recipe("bulk-x8", 16, 160, 1_000_000),
    )
}
