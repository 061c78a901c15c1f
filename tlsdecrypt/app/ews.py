"""Exchange Web Services: what was asked and what was answered (MS-OXWS*).

The annotation `ews` has these keys, each only where it says something:

- of the request: `operation`; `requested_server_version`; `impersonation` (address or name of the ConnectingSID);
  `mailboxes`; `folders` (distinguished ids, and shortened opaque ids); `from`; `to`; `traversal`; `max_entries`;
  `message_disposition`; `window_start`, `window_end` (free/busy); `has_serialized_security_context`
- of the answer: `server_version` ("14.2.247.5"); `server_schema_version` ("Exchange2010_SP2"); `response_class`,
  `response_code`, `message_text`, `descriptive_link_key` of the worst response (the first error, else the first
  warning, else the first); `back_off_ms`; `response_count`, `error_count`; `is_fault` (the code stood in a SOAP fault)
- `responses`: the first `MAX_RESPONSES` of them: `class`, `code`, `message_text`, `descriptive_link_key`, `values`
  (MessageXml by name), `total_items`, `includes_last`, `mailbox` (free/busy: paired by index)
- `summary`: one line
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tlsdecrypt.app.xml import attribute, elements, find, find_all, local_name, put, text_at, text_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from lxml.etree import _Element

    from tlsdecrypt.app.soap import Envelope, Fault

MAX_RESPONSES = 100
MAX_LISTED = 50
ID_SHOWN = 12  # characters of an opaque id that are kept: its head is the same for all of a mailbox, so its tail

_RECIPIENTS = frozenset(
    {
        "ToRecipients",
        "CcRecipients",
        "BccRecipients",
        "ReplyTo",
        "From",
        "Sender",
        "ReceivedBy",
        "Attendee",
        "Organizer",
    }
)
_SEVERITY = {"Error": 2, "Warning": 1}
_FIRST_VERSION_PARTS = 3


def annotate_ews(request: Envelope | None, response: Envelope | None, user: str | None, status: str) -> dict[str, Any]:
    """The annotation `ews`, empty where no EWS was read.

    `user` is who authenticated, where that is known; `status` stands in for a response code where there is none.
    """
    facts: dict[str, Any] = {}
    operation = _operation(request) or _operation(response)
    put(facts, operation=operation)
    if request:
        _put_request(facts, request)
    if response:
        _put_response(facts, response)
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


def _put_request(facts: dict[str, Any], envelope: Envelope) -> None:
    header, body = envelope.header, envelope.body
    who = find(header, "ExchangeImpersonation", "ConnectingSID")
    view = next(find_all(body, "IndexedPageItemView"), None)
    window = next(find_all(body, "TimeWindow"), None)
    put(
        facts,
        requested_server_version=attribute(find(header, "RequestServerVersion"), "Version"),
        impersonation=next((text for each in elements(who) if (text := text_of(each))), None),
        mailboxes=_mailboxes(body),
        folders=_folders(body),
        to=_listed(_addresses(body, "ToRecipients")),
        traversal=attribute(envelope.content, "Traversal"),
        max_entries=_number(attribute(view, "MaxEntriesReturned")),
        message_disposition=attribute(envelope.content, "MessageDisposition"),
        window_start=text_at(window, "StartTime"),
        window_end=text_at(window, "EndTime"),
    )
    put(facts, **{"from": next(_addresses(body, "From"), None)})
    if find(header, "SerializedSecurityContext") is not None:
        facts["has_serialized_security_context"] = True


def _addresses(body: _Element | None, holder: str) -> Iterator[str]:
    for each in find_all(body, holder):
        yield from (text for address in find_all(each, "EmailAddress") if (text := text_of(address)))


def _mailboxes(body: _Element | None) -> list[str]:
    """The mailboxes that are asked about, in order: whose folder, whose free/busy; not the recipients of a message."""
    found = []
    for mailbox in find_all(body, "Mailbox"):
        parent = mailbox.getparent()
        if parent is None or local_name(parent) not in _RECIPIENTS:
            found.append(text_at(mailbox, "EmailAddress"))
    found += [text_at(each, "Email", "Address") for each in find_all(body, "MailboxData")]
    return [each for each in found if each][:MAX_LISTED]


def _folders(body: _Element | None) -> list[str]:
    named = [attribute(each, "Id") for each in find_all(body, "DistinguishedFolderId")]
    opaque = [attribute(each, "Id") for each in find_all(body, "FolderId")]
    return _listed([each for each in named if each] + [f"...{each[-ID_SHOWN:]}" for each in opaque if each])


def _listed(values: Iterable[str]) -> list[str]:
    """Without repetitions, bounded."""
    return list(dict.fromkeys(values))[:MAX_LISTED]


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 19 else None  # noqa: PLR2004  64 bits


def _put_response(facts: dict[str, Any], envelope: Envelope) -> None:
    _put_server_version(facts, find(envelope.header, "ServerVersionInfo"))
    if envelope.fault:
        responses = [_fault_response(envelope.fault)]
        facts["is_fault"] = True
    else:
        responses = _responses(envelope.body)
        _pair_mailboxes(facts, envelope.body, responses)
    if not responses:
        return
    worst = max(responses, key=lambda each: _SEVERITY.get(each.get("class", ""), 0))
    put(
        facts,
        response_class=worst.get("class"),
        response_code=worst.get("code"),
        message_text=worst.get("message_text"),
        descriptive_link_key=worst.get("descriptive_link_key"),
        back_off_ms=next((found for each in responses if (found := _back_off(each)) is not None), None),
        response_count=len(responses),
        error_count=sum(each.get("class") == "Error" for each in responses) or None,
        responses=responses[:MAX_RESPONSES],
    )


def _put_server_version(facts: dict[str, Any], info: _Element | None) -> None:
    names = ("MajorVersion", "MinorVersion", "MajorBuildNumber", "MinorBuildNumber")
    numbers = [number for name in names if (number := attribute(info, name))]
    put(facts, server_version=".".join(numbers) or None, server_schema_version=attribute(info, "Version"))


def _responses(body: _Element | None) -> list[dict[str, Any]]:
    """Every element with a ResponseClass, in document order."""
    return [_response(each) for each in body.iterfind(".//*[@ResponseClass]")] if body is not None else []


def _response(message: _Element) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    folder = find(message, "RootFolder")
    last = attribute(folder, "IncludesLastItemInRange")
    put(
        facts,
        code=text_at(message, "ResponseCode"),
        message_text=text_at(message, "MessageText"),
        descriptive_link_key=text_at(message, "DescriptiveLinkKey"),
        values=_message_values(find(message, "MessageXml")),
        total_items=_number(attribute(folder, "TotalItemsInView")),
        includes_last=last in ("true", "1") if last else None,
    )
    return {"class": attribute(message, "ResponseClass"), **facts}


def _message_values(message_xml: _Element | None) -> dict[str, str]:
    """`Value` elements by their Name; other elements (LineNumber, Violation ...) by their own."""
    values = {}
    for each in list(elements(message_xml))[:MAX_LISTED]:
        text = text_of(each)
        if text:
            values[attribute(each, "Name") or local_name(each)] = text
    return values


def _pair_mailboxes(facts: dict[str, Any], body: _Element | None, responses: list[dict[str, Any]]) -> None:
    """FreeBusyResponse elements stand in the order in which the mailboxes were asked."""
    if body is not None and find(body, "GetUserAvailabilityResponse", "FreeBusyResponseArray") is not None:
        for mailbox, response in zip(facts.get("mailboxes", ()), responses, strict=False):
            response["mailbox"] = mailbox


def _fault_response(fault: Fault) -> dict[str, Any]:
    """The code of a fault stands in its detail, else in the fault code."""
    facts: dict[str, Any] = {"class": "Error"}
    put(
        facts,
        code=text_at(fault.detail, "ResponseCode") or fault.subcode or fault.code,
        message_text=text_at(fault.detail, "Message") or fault.reason,
        values=_message_values(find(fault.detail, "MessageXml")),
    )
    return facts


def _back_off(response: dict[str, Any]) -> int | None:
    return _number(response.get("values", {}).get("BackOffMilliseconds"))


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
    version = ".".join(facts.get("server_version", "").split(".")[:_FIRST_VERSION_PARTS])
    server = " ".join(each for each in (facts.get("server_schema_version"), version) if each)
    return " ".join([*parts, f"({server})"] if server else parts)


def _some(values: list[str]) -> str:
    shown = ", ".join(values[:3])
    return shown if len(values) <= 3 else f"{shown} and {len(values) - 3} more"  # noqa: PLR2004  what a line can hold
