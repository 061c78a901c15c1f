"""Exchange Web Services: what was asked and what was answered (MS-OXWS*).

The annotation `ews` has these keys, each only where it says something:

- of the request: `operation`; `requested_server_version`; `impersonation` (address or name of the ConnectingSID) and
  `impersonation_by` (its element); `mailboxes`; `folders` (distinguished ids, and shortened opaque ids); `from`; `to`;
  `traversal`; `max_entries`; `item_count`; `message_disposition`; `send_invitations`; `window_start`, `window_end`,
  `requested_view` (free/busy); `has_serialized_security_context`; `subscription` (pull, push, streaming), `push_url`,
  `event_types`, `subscription_count`, `timeout_minutes`, `connection_timeout_minutes` (notifications)
- of the answer: `server_version` ("14.2.247.5"); `server_schema_version` ("Exchange2010_SP2"); `response_class`,
  `response_code`, `message_text`, `descriptive_link_key` of the worst response (the first error, else the first
  warning, else the first); `back_off_ms`; `response_count`, `error_count`; `is_fault` (the code stood in a SOAP fault);
  `envelope_count` where several came in one answer; `events` (notifications by kind), `connection_status`,
  `lost_subscriptions`
- `responses`: the first `MAX_RESPONSES` of them, the worst among them: `class`, `code`, `message_text`,
  `descriptive_link_key`, `values` (MessageXml by name), `total_items`, `includes_last`; of errors and warnings `lids`
  (numbers of places in the server's code) and `signs` (see `ews_response`); `mailbox`, `view`, `entries` (free/busy:
  paired by index)
- `summary`: one line
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tlsdecrypt.app.ews_request import availability_mailboxes, put_ews_request
from tlsdecrypt.app.ews_response import put_ews_response
from tlsdecrypt.app.xml import local_name, put

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tlsdecrypt.app.soap import Envelope

_FIRST_VERSION_PARTS = 3


def annotate_ews(
    request: Envelope | None, responses: Sequence[Envelope], user: str | None, status: str
) -> dict[str, Any]:
    """The annotation `ews`, empty where no EWS was read.

    `responses` are the envelopes of the answer: one, or as many as notifications came. `user` is who authenticated,
    where that is known; `status` stands in for a response code where there is none.
    """
    facts: dict[str, Any] = {}
    operation = _operation(request) or next((found for each in responses if (found := _operation(each))), None)
    put(facts, operation=operation)
    if request:
        put_ews_request(facts, request)
    if responses:
        put_ews_response(facts, responses, availability_mailboxes(request.body) if request else ())
    if facts:
        facts["summary"] = _summary(facts, user, status)
    return facts


def _operation(envelope: Envelope | None) -> str | None:
    """`GetFolder` for GetFolder, GetUserAvailabilityRequest, GetFolderResponse and GetFolderType."""
    if envelope is None or envelope.content is None or envelope.fault:
        return None
    name = local_name(envelope.content)
    for suffix in ("Type", "Request", "Response"):
        name = name.removesuffix(suffix)
    return name or None


def _summary(facts: dict[str, Any], user: str | None, status: str) -> str:
    parts = ["EWS", facts.get("operation", "request not read")]
    if "folders" in facts:
        parts.append(_some(facts["folders"]))
    if "mailboxes" in facts:
        parts.append(f"of {_some(facts['mailboxes'])}")
    if "from" in facts:
        parts.append(f"from {facts['from']}")
    acting = facts.get("impersonation") or user
    if acting:
        parts.append(f"as {acting}")
    parts.append("->")
    parts.append(_outcome(facts) if "response_code" in facts else status)
    return " ".join(parts)


def _outcome(facts: dict[str, Any]) -> str:
    code = facts["response_code"]
    parts = [facts["response_class"], code] if "response_class" in facts else [code]
    count, errors = facts.get("response_count", 1), facts.get("error_count", 0)
    if count > 1 and errors:
        parts.append(f"({errors} of {count})")
    if "back_off_ms" in facts:
        parts.append(f"back off {facts['back_off_ms']:,} ms")
    if "events" in facts:
        parts.append("events: " + ", ".join(f"{count} {name}" for name, count in facts["events"].items()))
    if "connection_status" in facts:
        parts.append(f"connection {facts['connection_status']}")
    version = ".".join(facts.get("server_version", "").split(".")[:_FIRST_VERSION_PARTS])
    server = " ".join(each for each in (facts.get("server_schema_version"), version) if each)
    return " ".join([*parts, f"({server})"] if server else parts)


def _some(values: list[str]) -> str:
    shown = ", ".join(values[:3])
    return shown if len(values) <= 3 else f"{shown} and {len(values) - 3} more"  # noqa: PLR2004  what a line can hold
