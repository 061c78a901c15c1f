"""The proxy of the Mailbox Replication Service: which operation, how large, how it ended; never a content.

MRS speaks SOAP through WCF: text (`application/soap+xml`) or binary (`application/soap+msbin1`), which hides all but
the action in the Content-Type. The contents are mailboxes.

The annotation `mrs` has `operation` (the last segment of the action), `encoding` (text, binary, mtom), `message_id`,
`request_length`, `response_length` (bytes on the wire), `fault_code`, `fault_reason`, `is_too_busy` (the fault speaks
of the limit of connections), and a `summary`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from tlsdecrypt.app.xml import put

if TYPE_CHECKING:
    from tlsdecrypt.app.exchange import Annotations
    from tlsdecrypt.app.http import HttpRequest, HttpResponse

MAX_NAME = 120

_ENCODINGS = {
    "application/soap+xml": "text",
    "text/xml": "text",
    "application/soap+msbin1": "binary",
    "application/soap+msbinsession1": "binary",
    "multipart/related": "mtom",
}
_ACTION = re.compile(r"\baction\s*=\s*\"?([^\";]{1,300})", re.IGNORECASE)
_TOO_BUSY = re.compile(
    r"TooManyConnections|MaxMRSConnections|MRSMaxConnections|too many (?:active )?connections", re.IGNORECASE
)


def annotate(request: HttpRequest | None, response: HttpResponse | None, annotations: Annotations) -> None:
    """Add `mrs`; what the envelopes said stands in `annotations["soap"]` where they could be read."""
    soap = annotations.get("soap", {})
    content_type = (request.field("content-type") if request else None) or ""
    facts: dict[str, Any] = {}
    put(
        facts,
        operation=_operation(soap, content_type),
        encoding=_ENCODINGS.get(content_type.partition(";")[0].strip().lower()),
        message_id=soap.get("message_id"),
        request_length=request.content_length if request else None,
        response_length=response.content_length if response else None,
        fault_code=soap.get("fault_subcode") or soap.get("fault_code"),
        fault_reason=soap.get("fault_reason"),
        is_too_busy=_is_too_busy(soap) or None,
    )
    facts["summary"] = _summary(facts, response)
    annotations["mrs"] = facts


def _operation(soap: dict[str, Any], content_type: str) -> str | None:
    """The action stands in the envelope, in SOAPAction, or in the Content-Type (RFC 3902 section 2)."""
    in_type = _ACTION.search(content_type)
    action = soap.get("action") or (in_type[1] if in_type else None) or ""
    return action.rstrip("/ ").rpartition("/")[2][:MAX_NAME] or soap.get("request")


def _is_too_busy(soap: dict[str, Any]) -> bool:
    return any(_TOO_BUSY.search(soap.get(key, "")) for key in ("fault_reason", "fault_detail"))


def _summary(facts: dict[str, Any], response: HttpResponse | None) -> str:
    asked = facts.get("operation") or "request not read"
    if "fault_reason" in facts or "fault_code" in facts:
        answered = f"Fault {facts.get('fault_code', '')}: {facts.get('fault_reason', '')}".rstrip(": ")
    else:
        answered = f"HTTP {response.status}" if response is not None else "no answer seen"
    return f"MRS proxy {asked} -> {answered}"
