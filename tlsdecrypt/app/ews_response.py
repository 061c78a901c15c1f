"""What Exchange Web Services answered; the keys are told in `ews` (MS-OXWS*, MS-OXWSCDATA)."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any

from tlsdecrypt.app.ews_request import MAX_LISTED, number
from tlsdecrypt.app.xml import attribute, elements, find, find_all, local_name, long_text_of, put, text_at, text_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lxml.etree import _Element

    from tlsdecrypt.app.soap import Envelope, Fault

MAX_RESPONSES = 100
MAX_LOCATIONS = 10

_SEVERITY = {"Error": 2, "Warning": 1}
_LOCATION = re.compile(r"\bLID:?\s{0,3}(\d{4,6})(?!\d)")
_SIGNS = {
    "not-in-time": re.compile(r"request could ?n[o']t be processed in time", re.IGNORECASE),
    "no-configuration": re.compile(r"configuration information for (?:the )?(?:forest|domain)", re.IGNORECASE),
    "too-many-entries": re.compile(r"too many calendar entries", re.IGNORECASE),
    "cross-organization": re.compile(r"CrossOrganizationProxyNotAllowedForExternalOrganization", re.IGNORECASE),
    "security-rejected": re.compile(
        r"error occurred when (?:verifying security for the message|processing the security tokens)", re.IGNORECASE
    ),
    "not-connected": re.compile(
        r"unable to connect|connection was (?:forcibly )?closed|forcibly closed", re.IGNORECASE
    ),
    "object-moved": re.compile(r"object moved|HTTP status 30[12]", re.IGNORECASE),
    "access-policy": re.compile(r"EwsApplicationAccessPolicy|EWS access .{0,40}(?:blocked|not allowed)", re.IGNORECASE),
    "http-401": re.compile(r"HTTP status 401|\(401\) Unauthorized", re.IGNORECASE),
    "http-404": re.compile(r"HTTP status 404|\(404\) Not Found", re.IGNORECASE),
    "http-503": re.compile(r"HTTP status 503|\(503\) Server Unavailable", re.IGNORECASE),
    "token-user-ambiguous": re.compile(r"user.?context.{0,200}\bambiguous\b", re.IGNORECASE | re.DOTALL),
    "token-user-missing": re.compile(r"user.?context.{0,200}\bdoes(?: not|n't) exist", re.IGNORECASE | re.DOTALL),
    "token-signature": re.compile(r"invalid_signature|token has (?:an )?invalid signature", re.IGNORECASE),
    "token-role-missing": re.compile(r"missing a linked account", re.IGNORECASE),
    "token-host-name": re.compile(r"hostname component of the audience claim", re.IGNORECASE),
    "no-tls-channel": re.compile(r"could not create SSL/TLS secure channel|trust relationship", re.IGNORECASE),
}


def put_ews_response(facts: dict[str, Any], envelopes: Sequence[Envelope], mailboxes: Sequence[str | None]) -> None:
    """Set the keys of the answer.

    `envelopes` are all that came; `mailboxes` those whose free/busy was asked for.
    """
    responses: list[dict[str, Any]] = []
    for envelope in envelopes:
        _put_server_version(facts, find(envelope.header, "ServerVersionInfo"))
        if envelope.fault:
            responses.append(_fault_response(envelope.fault))
            facts["is_fault"] = True
        else:
            found = _responses(envelope.body)
            _pair_mailboxes(mailboxes, envelope.body, found)
            responses += found
    if len(envelopes) > 1:
        facts["envelope_count"] = len(envelopes)
    _put_notifications(facts, envelopes)
    if responses:
        _put_outcome(facts, responses)


def _put_outcome(facts: dict[str, Any], responses: list[dict[str, Any]]) -> None:
    worst = max(responses, key=lambda each: _SEVERITY.get(each.get("class", ""), 0))
    kept = responses[:MAX_RESPONSES]
    if all(each is not worst for each in kept):
        kept[-1] = worst
    put(
        facts,
        response_class=worst.get("class"),
        response_code=worst.get("code"),
        message_text=worst.get("message_text"),
        descriptive_link_key=worst.get("descriptive_link_key"),
        back_off_ms=next((found for each in responses if (found := _back_off(each)) is not None), None),
        response_count=len(responses),
        error_count=sum(each.get("class") == "Error" for each in responses) or None,
        responses=kept,
    )


def _put_server_version(facts: dict[str, Any], info: _Element | None) -> None:
    names = ("MajorVersion", "MinorVersion", "MajorBuildNumber", "MinorBuildNumber")
    numbers = [part for name in names if (part := attribute(info, name))]
    put(facts, server_version=".".join(numbers) or None, server_schema_version=attribute(info, "Version"))


def _responses(body: _Element | None) -> list[dict[str, Any]]:
    """Every element with a ResponseClass, in document order."""
    return [_response(each) for each in body.iterfind(".//*[@ResponseClass]")] if body is not None else []


def _response(message: _Element) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    folder = find(message, "RootFolder")
    last = attribute(folder, "IncludesLastItemInRange") or text_at(message, "IncludesLastItemInRange")
    put(
        facts,
        code=text_at(message, "ResponseCode"),
        message_text=text_at(message, "MessageText"),
        descriptive_link_key=text_at(message, "DescriptiveLinkKey"),
        values=_message_values(find(message, "MessageXml")),
        total_items=number(attribute(folder, "TotalItemsInView")),
        includes_last=last in ("true", "1") if last else None,
    )
    response_class = attribute(message, "ResponseClass")
    if response_class != "Success":
        _put_signs(facts, long_text_of(message))
    return {"class": response_class, **facts}


def _put_signs(facts: dict[str, Any], text: str) -> None:
    """What a long text of exceptions tells: places in the server's code (LID), and what is known to matter."""
    put(
        facts,
        lids=list(dict.fromkeys(int(each) for each in _LOCATION.findall(text)))[:MAX_LOCATIONS],
        signs=[name for name, pattern in _SIGNS.items() if pattern.search(text)],
    )


def _message_values(message_xml: _Element | None) -> dict[str, str]:
    """`Value` elements by their Name; other elements (LineNumber, Violation ...) by their own."""
    values = {}
    for each in list(elements(message_xml))[:MAX_LISTED]:
        text = text_of(each)
        if text:
            values[attribute(each, "Name") or local_name(each)] = text
    return values


def _pair_mailboxes(mailboxes: Sequence[str | None], body: _Element | None, responses: list[dict[str, Any]]) -> None:
    """FreeBusyResponse elements stand in the order in which the mailboxes were asked (MS-OXWAVLS section 3.1.4.1)."""
    array = find(body, "GetUserAvailabilityResponse", "FreeBusyResponseArray")
    views = [find(each, "FreeBusyView") for each in elements(array)]
    for index, response in enumerate(responses[: len(views)]):
        put(
            response,
            mailbox=mailboxes[index] if index < len(mailboxes) else None,
            view=text_at(views[index], "FreeBusyViewType"),
            entries=sum(1 for _ in find_all(views[index], "CalendarEvent")) or None,
        )


def _fault_response(fault: Fault) -> dict[str, Any]:
    """The code of a fault stands in its detail, else in the fault code."""
    facts: dict[str, Any] = {"class": "Error"}
    put(
        facts,
        code=text_at(fault.detail, "ResponseCode") or fault.subcode or fault.code,
        message_text=text_at(fault.detail, "Message") or fault.reason,
        values=_message_values(find(fault.detail, "MessageXml")),
    )
    _put_signs(facts, f"{fault.reason or ''} {long_text_of(fault.detail)}")
    return facts


def _back_off(response: dict[str, Any]) -> int | None:
    return number(response.get("values", {}).get("BackOffMilliseconds"))


def _put_notifications(facts: dict[str, Any], envelopes: Sequence[Envelope]) -> None:
    """GetStreamingEvents and GetEvents: how many events of which kind, and how the server says it goes on."""
    events: Counter[str] = Counter()
    status = None
    lost = 0
    for envelope in envelopes:
        for notification in find_all(envelope.body, "Notification"):
            events.update(_event_names(notification))
        status = text_of(next(find_all(envelope.body, "ConnectionStatus"), None)) or status
        lost += sum(sum(1 for _ in elements(each)) for each in find_all(envelope.body, "ErrorSubscriptionIds"))
    put(facts, events=dict(events.most_common(MAX_LISTED)), connection_status=status, lost_subscriptions=lost or None)


def _event_names(notification: _Element) -> Iterator[str]:
    for each in elements(notification):
        name = local_name(each)
        if name.endswith("Event"):
            yield name.removesuffix("Event")
