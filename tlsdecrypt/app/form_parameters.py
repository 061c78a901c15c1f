"""Parameters of queries and forms, bounded, names in lower case; the first of a name counts."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

if TYPE_CHECKING:
    from tlsdecrypt.app.http import HttpRequest

MAX_LENGTH = 256 * 1024  # characters: tokens of hundreds of groups come as one parameter
MAX_PARAMETERS = 100

_FORM = "application/x-www-form-urlencoded"


def parse_parameters(text: str) -> dict[str, str]:
    """`name=value&...`, percent-decoded."""
    try:
        pairs = parse_qsl(text[:MAX_LENGTH], keep_blank_values=True, max_num_fields=MAX_PARAMETERS)
    except ValueError:
        return {}
    found: dict[str, str] = {}
    for name, value in pairs:
        found.setdefault(name.lower(), value)
    return found


def query_of(request: HttpRequest) -> dict[str, str]:
    """The parameters of the query."""
    return parse_parameters(request.target.partition("?")[2].partition("#")[0])


def form_of(request: HttpRequest) -> dict[str, str]:
    """The parameters of a form that was posted."""
    kind = (request.field("content-type") or "").partition(";")[0].strip().lower()
    if kind != _FORM or not request.content:
        return {}
    return parse_parameters(request.content[:MAX_LENGTH].decode("utf-8", "replace"))
