"""An annotator of Exchange ActiveSync ([MS-ASHTTP], [MS-ASCMD], [MS-ASPROV]): the annotation `activesync`.

Its keys, each only where it says something:

- `command`, `protocol_version`, `user`, `device_id` (masked in outputs), `device_type`, `is_base64_query`, `locale`,
  `has_policy_key` (a key other than 0 was sent), `collection_id`, `item_id` ... (parameters of the query)
- of OPTIONS: `offered_versions`, `offered_commands`; of every answer: `server_version`
- of fields of the answer: `redirect_url` (X-MS-Location), `as_error` (X-MS-ASError), `throttle` (X-MS-ASThrottle)
- of the bodies: see `activesync_request` and `activesync_response`
- `is_blocked_text`: an answer 403 says in words that the device is blocked or in quarantine
- `status`, `status_name`, `meaning`, `is_error`: the Status that counts, the first that is an error, else the first;
  `error_code`: the name of an error; `statuses`: all different ones
- `faults`: what was wrong with the WBXML; `summary`: one line
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from tlsdecrypt.app.activesync_pages import TAGS
from tlsdecrypt.app.activesync_query import parse_query
from tlsdecrypt.app.activesync_request import put_request_body
from tlsdecrypt.app.activesync_response import put_response_body
from tlsdecrypt.app.wbxml import parse_wbxml
from tlsdecrypt.app.xml import put
from tlsdecrypt.errors import ParseError

if TYPE_CHECKING:
    from tlsdecrypt.app.exchange import Annotations
    from tlsdecrypt.app.http import HttpRequest, HttpResponse
    from tlsdecrypt.app.wbxml import Element

MAX_VALUE = 200  # characters of one value
MAX_REFUSAL = 16 * 1024  # bytes of an answer 403 in which words are sought
MAX_PARTS = 100  # of a multipart answer

_FORBIDDEN = 403
_BLOCKED = re.compile(
    rb"quarantin|\bdevice[^.<>]{0,40}\bblocked|\bblocked[^.<>]{0,40}\bdevice|device ?is ?blocked|\bABQ\b|access rule"
    rb"|not allowed to (?:connect|sync)",
    re.IGNORECASE,
)
_MULTIPART = "application/vnd.ms-sync.multipart"


def annotate(request: HttpRequest | None, response: HttpResponse | None, annotations: Annotations) -> None:
    """Add `activesync`: what was asked by which device, and what the answer means."""
    facts: dict[str, Any] = {}
    faults: list[str] = []
    if request is not None:
        _put_query(facts, request, faults)
        _put_request_fields(facts, request)
        root = _root(request, "request", faults)
        if root is not None:
            facts.setdefault("command", root.name)
            put_request_body(facts, root)
    if response is not None:
        _put_response_fields(facts, response)
        root = _root(response, "response", faults)
        if root is not None:
            put_response_body(facts, root)
        elif response.status == _FORBIDDEN and _BLOCKED.search((response.content or b"")[:MAX_REFUSAL]):
            facts["is_blocked_text"] = True
    put(facts, faults=faults)
    facts["summary"] = _summary(facts, response)
    annotations["activesync"] = facts


def _put_query(facts: dict[str, Any], request: HttpRequest, faults: list[str]) -> None:
    query = request.target.partition("?")[2]
    if not query:
        return
    try:
        found = parse_query(query)
    except ParseError as error:
        faults.append(f"query: {error.what}")
        return
    put(
        facts,
        command=_short(found.command),
        protocol_version=found.version,
        user=_short(found.user),
        device_id=_short(found.device_id),
        device_type=_short(found.device_type),
        has_policy_key=found.has_policy_key or None,
        locale=found.locale,
        is_base64_query=found.is_base64 or None,
    )
    for name, value in found.parameters:
        facts.setdefault(name, _short(value))


def _put_request_fields(facts: dict[str, Any], request: HttpRequest) -> None:
    version = _short(request.field("ms-asprotocolversion"))
    if version:
        facts["protocol_version"] = version
    if (request.field("x-ms-policykey") or "0").strip() not in ("0", ""):
        facts["has_policy_key"] = True


def _put_response_fields(facts: dict[str, Any], response: HttpResponse) -> None:
    versions = response.field("ms-asprotocolversions")
    commands = response.field("ms-asprotocolcommands")
    location = response.field("x-ms-location")
    put(
        facts,
        offered_versions=_listed(versions),
        offered_commands=_listed(commands),
        server_version=_short(response.field("ms-server-activesync")),
        redirect_url=_short(location.partition("?")[0]) if location else None,
        as_error=_short(response.field("x-ms-aserror")),
        throttle=_short(response.field("x-ms-asthrottle")),
    )


def _listed(value: str | None) -> list[str] | None:
    return [each.strip() for each in value[: MAX_VALUE * 2].split(",") if each.strip()] if value else None


def _short(value: str | None) -> str | None:
    return value[:MAX_VALUE] if value else None


def _root(message: HttpRequest | HttpResponse, who: str, faults: list[str]) -> Element | None:
    """The root element of a WBXML content, None where there is none."""
    content, content_type = message.content, (message.field("content-type") or "").partition(";")[0].strip().lower()
    if not content or not (content_type.startswith("application/vnd.ms-sync") or not content_type):
        return None
    if content_type == _MULTIPART:
        content = _first_part(content)
    root, found = parse_wbxml(content, TAGS)
    faults += [f"{who}: {fault}" for fault in found]
    return root


def _first_part(content: bytes) -> bytes:
    """The WBXML of a multipart answer: a count, and offset and length of each part ([MS-ASCMD] section 2.2.2.10.1)."""
    count, offset, length = (int.from_bytes(content[at : at + 4], "little") for at in (0, 4, 8))
    if not 0 < count <= MAX_PARTS:
        return b""
    return content[offset : offset + length]


def _summary(facts: dict[str, Any], response: HttpResponse | None) -> str:
    version = facts.get("protocol_version")
    parts = [f"ActiveSync {version}" if version else "ActiveSync"]
    if "command" in facts:
        parts.append(facts["command"])
    elif "offered_versions" in facts:
        parts.append("OPTIONS")
    parts += _asked(facts)
    if "device_type" in facts:
        parts.append(f"by {facts['device_type']}")
    if "user" in facts:
        parts.append(f"of {facts['user']}")
    return f"{' '.join(parts)} -> {_answered(facts, response)}"


def _asked(facts: dict[str, Any]) -> list[str]:
    parts = []
    if "heartbeat_s" in facts:
        parts.append(f"for up to {facts['heartbeat_s']} s")
    if facts.get("is_initial"):
        parts.append("from the beginning (sync key 0)")
    if "folders" in facts:
        parts.append(f"on {facts['folders']} folder{'s' if facts['folders'] != 1 else ''}")
    if "policy_phase" in facts:
        parts.append(f"({facts['policy_phase']})")
    return parts


def _answered(facts: dict[str, Any], response: HttpResponse | None) -> str:
    if response is None:
        return "no answer seen"
    parts = []
    if "status" in facts:
        name = facts["status_name"]
        label = f"{facts['status']} {name}" if name != str(facts["status"]) else name
        parts.append(f"status {label}: {facts['meaning']}")
    else:
        parts.append(f"HTTP {response.status}")
    if "heartbeat_limit_s" in facts:
        parts.append(f"heartbeat {facts['heartbeat_limit_s']} s")
    if "remote_wipe" in facts:
        parts.append(f"remote wipe ({facts['remote_wipe']})")
    if "redirect_url" in facts:
        parts.append(f"go to {facts['redirect_url']}")
    parts += [facts[name] for name in ("throttle", "as_error") if name in facts]
    return ", ".join(parts)
