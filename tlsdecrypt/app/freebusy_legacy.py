"""Free/busy as Exchange 2003 gave it: a GET to the public folders, and the folders themselves.

`GET /public/?cmd=freebusy&start=...&end=...&interval=30&u=SMTP:avery@contoso.com` answers XML with a digit for each
interval (0 free, 1 tentative, 2 busy, 3 out of office, 4 unknown).

The annotation `freebusy` has `command`, `mailboxes`, `window_start`, `window_end`, `interval_minutes`, `known` and
`unknown` (how many recipients have data or only 4), `is_external_organization` (the path names the administrative group
that Exchange 2007 and later, or the cloud, use for their users), and a `summary`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote

from tlsdecrypt.app.xml import MAX_TEXT, find_all, is_xml_type, parse_xml, put, text_at

if TYPE_CHECKING:
    from tlsdecrypt.app.exchange import Annotations
    from tlsdecrypt.app.http import HttpRequest, HttpResponse

MAX_QUERY = 16 * 1024  # characters; a request may name a hundred recipients
MAX_MAILBOXES = 100

_GROUP = "fydibohf25spdlt"
_UNKNOWN = {"4"}


def annotate(request: HttpRequest | None, response: HttpResponse | None, annotations: Annotations) -> None:
    """Add `freebusy` where the request is for free/busy; the public folders hold other things too."""
    if request is None:
        return
    target = request.target[:MAX_QUERY]
    path, _, query = target.partition("?")
    folder = unquote(path).lower()
    parameters = _parameters(query)
    command = next((value for name, value in parameters if name == "cmd"), "").lower()
    if command != "freebusy" and "free busy" not in folder:
        return
    facts: dict[str, Any] = {"command": command or request.method}
    _put_query(facts, parameters)
    if _GROUP in unquote(target).lower():
        facts["is_external_organization"] = True
    if response is not None and response.content and is_xml_type(response.field("content-type")):
        _put_answer(facts, response)
    facts["summary"] = _summary(facts, response)
    annotations["freebusy"] = facts


def _parameters(query: str) -> list[tuple[str, str]]:
    try:
        return [(name.lower(), value) for name, value in parse_qsl(query, max_num_fields=MAX_MAILBOXES + 20)]
    except ValueError:
        return []


def _put_query(facts: dict[str, Any], parameters: list[tuple[str, str]]) -> None:
    first = dict(reversed(parameters))
    put(
        facts,
        mailboxes=[value.removeprefix("SMTP:")[:MAX_TEXT] for name, value in parameters if name == "u"][:MAX_MAILBOXES],
        window_start=first.get("start", "")[:MAX_TEXT] or None,
        window_end=first.get("end", "")[:MAX_TEXT] or None,
        interval_minutes=first.get("interval", "")[:MAX_TEXT] or None,
    )


def _put_answer(facts: dict[str, Any], response: HttpResponse) -> None:
    root, _ = parse_xml(response.content or b"", response.field("content-type"))
    digits = [set(text_at(item, "fbdata") or "4") for item in find_all(root, "item")]
    unknown = sum(each <= _UNKNOWN for each in digits)
    if digits:
        facts["known"], facts["unknown"] = len(digits) - unknown, unknown


def _summary(facts: dict[str, Any], response: HttpResponse | None) -> str:
    names = facts.get("mailboxes", ())
    whose = f" of {', '.join(names[:3])}" + (f" and {len(names) - 3} more" if len(names) > 3 else "") if names else ""  # noqa: PLR2004  what a line can hold
    answered = f"HTTP {response.status}" if response is not None else "no answer seen"
    if "known" in facts:
        answered = f"{facts['known']} known, {facts['unknown']} unknown"
    return f"Free/busy of public folders{whose} -> {answered}"
