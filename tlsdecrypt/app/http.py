"""HttpRequest and HttpResponse: what one HTTP message said (RFC 9110), whatever the version that carried it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, TypeAlias

from tlsdecrypt.value import Hidden, Value

if TYPE_CHECKING:
    from tlsdecrypt.app.kept_content import KeptContent
    from tlsdecrypt.flow import Span

Fields: TypeAlias = tuple[tuple[str, str], ...]

_AUTHORITY = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://([^/?#]*)")


def first_field(fields: Fields, name: str) -> str | None:
    """The value of the first field called `name` (in any case), None where there is none."""
    wanted = name.lower()
    length = len(wanted)
    for each, value in fields:
        if len(each) == length and each.lower() == wanted:  # most names differ in length already
            return value
    return None


def every_field(fields: Fields, name: str) -> list[str]:
    """The values of all fields called `name` (in any case), in their order."""
    wanted = name.lower()
    return [value for each, value in fields if each.lower() == wanted]


class HttpRequest(Value, frozen=True):
    """A request.

    `fields` keep their order and spelling (bytes beyond ASCII as ISO 8859-1; a line without a colon has an empty
    name). `content_length` counts the bytes of content on the wire, without chunked framing and before content
    codings are undone, those in `missing` (not captured) included. `content` is decoded; None where it was not kept,
    or not in memory: `kept` is where it can be read then (see `kept_content.content_of`).
    `observed` is what a reader made of content that was read as it came (see `annotators`).
    """

    method: str
    target: Hidden[str]
    version: str
    fields: Hidden[Fields]
    span: Span
    content_length: int = 0
    content: Hidden[bytes | None] = None
    trailers: Hidden[Fields] = ()
    missing: int = 0
    observed: Hidden[dict[str, Any] | None] = None
    kept: Hidden[KeptContent | None] = None

    @property
    def host(self) -> str | None:
        """The authority that was asked: of an absolute target, else of the Host field (RFC 9112 section 3.2.2)."""
        absolute = None if self.target.startswith("/") else _AUTHORITY.match(self.target)
        if absolute:
            return absolute[1].rpartition("@")[2]
        return self.target if self.method == "CONNECT" else self.field("host")

    def field(self, name: str) -> str | None:
        """The first field called `name`, in any case."""
        return first_field(self.fields, name)

    def all_fields(self, name: str) -> list[str]:
        """All fields called `name`, in any case."""
        return every_field(self.fields, name)


class HttpResponse(Value, frozen=True):
    """An answer; like `HttpRequest`. `interim` lists the 1xx status codes that came before it."""

    status: int
    reason: str
    version: str
    fields: Hidden[Fields]
    span: Span
    content_length: int = 0
    content: Hidden[bytes | None] = None
    trailers: Hidden[Fields] = ()
    missing: int = 0
    interim: tuple[int, ...] = ()
    observed: Hidden[dict[str, Any] | None] = None
    kept: Hidden[KeptContent | None] = None

    def field(self, name: str) -> str | None:
        """The first field called `name`, in any case."""
        return first_field(self.fields, name)

    def all_fields(self, name: str) -> list[str]:
        """All fields called `name`, in any case."""
        return every_field(self.fields, name)
