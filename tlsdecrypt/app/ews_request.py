"""What a request of Exchange Web Services asks for; the keys are told in `ews` (MS-OXWS*)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tlsdecrypt.app.xml import attribute, elements, find, find_all, local_name, put, text_at, text_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from lxml.etree import _Element

    from tlsdecrypt.app.soap import Envelope

MAX_LISTED = 50
MAX_COUNTED = 10_000
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
_ITEM_IDS = frozenset({"ItemId", "OccurrenceItemId", "RecurringMasterItemId", "AttachmentId"})


def put_ews_request(facts: dict[str, Any], envelope: Envelope) -> None:
    """Set the keys of the request."""
    header, body, content = envelope.header, envelope.body, envelope.content
    window = next(find_all(body, "TimeWindow"), None)
    put(
        facts,
        requested_server_version=attribute(find(header, "RequestServerVersion"), "Version"),
        mailboxes=_mailboxes(body),
        folders=_folders(body),
        to=listed(_addresses(body, "ToRecipients")),
        traversal=attribute(content, "Traversal"),
        max_entries=_max_entries(body),
        message_disposition=attribute(content, "MessageDisposition"),
        send_invitations=attribute(content, "SendMeetingInvitations"),
        window_start=text_at(window, "StartTime"),
        window_end=text_at(window, "EndTime"),
        requested_view=text_at(body, "GetUserAvailabilityRequest", "FreeBusyViewOptions", "RequestedView"),
        item_count=_count_items(content),
    )
    put(facts, **{"from": next(_addresses(body, "From"), None)})
    _put_acting(facts, header)
    _put_subscription(facts, content)


def _put_acting(facts: dict[str, Any], header: _Element | None) -> None:
    """On whose behalf: by impersonation, or by the token of a front end that has authenticated the user."""
    who = find(header, "ExchangeImpersonation", "ConnectingSID")
    acting = next(((local_name(each), text) for each in elements(who) if (text := text_of(each))), None)
    if acting:
        put(facts, impersonation_by=acting[0], impersonation=acting[1])
    if find(header, "SerializedSecurityContext") is not None:
        facts["has_serialized_security_context"] = True


def _put_subscription(facts: dict[str, Any], content: _Element | None) -> None:
    """Subscribe and GetStreamingEvents: which events, for how long; never the id, which is a key (MS-OXWSNTIF)."""
    name = local_name(content) if content is not None else ""
    if name not in ("Subscribe", "GetStreamingEvents", "GetEvents"):
        return
    request = next(elements(content), None)
    ids = sum(1 for _ in find_all(content, "SubscriptionId"))
    if name == "Subscribe" and request is not None:
        kind = local_name(request).removesuffix("SubscriptionRequest").lower()
        url = text_at(request, "URL")
        put(facts, subscription=kind, push_url=url.partition("?")[0] if url else None)
    put(
        facts,
        event_types=listed(text for each in find_all(content, "EventType") if (text := text_of(each))),
        subscription_count=min(ids, MAX_COUNTED) or None,
        connection_timeout_minutes=number(text_at(content, "ConnectionTimeout")),
        timeout_minutes=number(text_at(request, "Timeout")),
    )


def _addresses(body: _Element | None, holder: str) -> Iterator[str]:
    for each in find_all(body, holder):
        yield from (text for address in find_all(each, "EmailAddress") if (text := text_of(address)))


def _mailboxes(body: _Element | None) -> list[str]:
    """The mailboxes that are asked about, in order: whose folder, whose free/busy; not the recipients of a message."""
    found = []
    for mailbox in find_all(body, "Mailbox"):
        parent = mailbox.getparent()
        if parent is None or local_name(parent) not in _RECIPIENTS:
            found.append(text_at(mailbox, "EmailAddress") or text_at(mailbox, "Address"))
    found += availability_mailboxes(body)
    return [each for each in found if each][:MAX_LISTED]


def availability_mailboxes(body: _Element | None) -> list[str | None]:
    """The address of each MailboxData, in order, None where one has none: answers are paired by their index."""
    return [text_at(each, "Email", "Address") for each in find_all(body, "MailboxData")]


def _folders(body: _Element | None) -> list[str]:
    named = [attribute(each, "Id") for each in find_all(body, "DistinguishedFolderId")]
    opaque = [attribute(each, "Id") for each in find_all(body, "FolderId")]
    return listed([each for each in named if each] + [f"...{each[-ID_SHOWN:]}" for each in opaque if each])


def _max_entries(body: _Element | None) -> int | None:
    """Of a page of FindItem, FindFolder or FindPeople, or of one round of SyncFolderItems."""
    for name in ("IndexedPageItemView", "IndexedPageFolderView", "FractionalPageItemView", "CalendarView"):
        view = next(find_all(body, name), None)
        if view is not None:
            return number(attribute(view, "MaxEntriesReturned"))
    return number(text_of(next(find_all(body, "MaxChangesReturned"), None)))


def _count_items(content: _Element | None) -> int | None:
    """How many items or attachments are named by their ids."""
    if content is None:
        return None
    found = sum(1 for each in content.iter() if isinstance(each.tag, str) and local_name(each) in _ITEM_IDS)
    return min(found, MAX_COUNTED) or None


def listed(values: Iterable[str]) -> list[str]:
    """Without repetitions, bounded."""
    return list(dict.fromkeys(values))[:MAX_LISTED]


def number(text: str | None) -> int | None:
    """An unsigned integer of 64 bits, None for anything else."""
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 19 else None  # noqa: PLR2004  64 bits
