"""Contents of messages that are kept elsewhere than in memory: whoever runs the analysis brings the place."""

from __future__ import annotations

from typing import Any, Protocol


class KeptContent(Protocol):
    """One content, decoded, until its conversation is over and was told."""

    @property
    def length(self) -> int:
        """Its size in bytes."""

    def read(self) -> bytes:
        """All of it."""


class ContentStore(Protocol):
    """Where contents are kept. One store serves all connections."""

    def keep(self, content: bytes) -> KeptContent | None:
        """Keep a content; None where there is no room left."""


def content_of(message: Any) -> bytes | None:
    """The decoded content of a message (of HTTP, or whatever has `content` and `kept`); None where it was not kept."""
    if message.content is not None:
        content: bytes = message.content
        return content
    kept: KeptContent | None = message.kept
    return None if kept is None else kept.read()
