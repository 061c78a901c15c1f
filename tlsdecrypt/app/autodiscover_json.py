"""Autodiscover version 2: one GET with an address, one small JSON object as answer.

Two forms of request: `/autodiscover/autodiscover.json/v1.0/ADDRESS?Protocol=ActiveSync` and
`/autodiscover/autodiscover.json?Email=ADDRESS&Protocol=ActiveSync`.

The annotation `autodiscover` has, beside the keys that `autodiscover` names for all kinds: `protocol` asked for,
`url` (the answer: where that protocol is served), `redirect_count`.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote

from tlsdecrypt.app.autodiscover import summarize
from tlsdecrypt.app.xml import MAX_TEXT, put

if TYPE_CHECKING:
    from tlsdecrypt.app.exchange import Annotations
    from tlsdecrypt.app.http import HttpRequest, HttpResponse

MAX_QUERY = 4096  # characters of a query that are read
MAX_PARAMETERS = 50
MAX_JSON = 64 * 1024  # bytes; a real answer has some hundred

_IN_PATH = re.compile(r"/autodiscover\.json/v[\d.]+/([^/?]+)", re.IGNORECASE)


def annotate(request: HttpRequest | None, response: HttpResponse | None, annotations: Annotations) -> None:
    """Add `autodiscover` of the kind `v2`."""
    facts: dict[str, Any] = {"kind": "v2"}
    if request is not None:
        _put_request(facts, request.target)
    answer = _json_object(response.content) if response is not None and response.content else {}
    named = {name.lower(): value for name, value in answer.items() if isinstance(value, str)}
    put(
        facts,
        protocol=facts.get("protocol") or _text(named.get("protocol")),
        url=_text(named.get("url")),
        error_code=_text(named.get("errorcode")),
        message=_text(named.get("errormessage")),
    )
    status = f"HTTP {response.status}" if response is not None else "no answer seen"
    facts["summary"] = summarize(facts, status)
    annotations["autodiscover"] = facts


def _put_request(facts: dict[str, Any], target: str) -> None:
    path, _, query = target.partition("?")
    try:
        pairs = parse_qsl(query[:MAX_QUERY], max_num_fields=MAX_PARAMETERS)
    except ValueError:
        pairs = []
    parameters = {name.lower(): value for name, value in pairs}
    in_path = _IN_PATH.search(path[:MAX_QUERY])
    put(
        facts,
        email_address=_text(unquote(in_path[1]) if in_path else parameters.get("email")),
        protocol=_text(parameters.get("protocol")),
        redirect_count=_text(parameters.get("redirectcount")),
    )


def _text(value: str | None) -> str | None:
    return value[:MAX_TEXT] if value else None


def _json_object(data: bytes) -> dict[str, Any]:
    try:
        value = json.loads(data[:MAX_JSON])
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
