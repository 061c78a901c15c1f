"""Exchange Web Services: who may not do what, and who is not there."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tlsdecrypt.findings import ews_codes as codes
from tlsdecrypt.findings.addresses import domain_of
from tlsdecrypt.findings.ews_answers import (
    AVAILABILITY,
    caller_of,
    code_in,
    failed_with,
    failure_hit,
    failures,
    goal_of,
    operation_of,
    succeeds_later_here,
    user_of,
)
from tlsdecrypt.findings.exchange_answers import has_reached_iis
from tlsdecrypt.findings.finding import Confidence, Severity
from tlsdecrypt.findings.rule import Hit, rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tlsdecrypt.findings.scene import Step

_CODES = "[MS-OXWSCDATA] section 2.2.5.24"
_FORBIDDEN = 403

_POLICY = re.compile(r"application ?access ?policy", re.IGNORECASE)
_OWN_AGENTS = re.compile(
    r"(?:microsoft|outlook|macoutlook|asproxy|asautodiscover|owa|ucmapi|oc/|lync|skype)",
    re.IGNORECASE,
)


@rule(
    "ews.error-send-as-denied",
    Severity.ERROR,
    advice="Grant Send As on the object that owns the address (Add-ADPermission, or Add-RecipientPermission in the "
    "cloud), send from a shared mailbox, or use a separate SMTP account.",
    source="[MS-OXWSCDATA] section 2.2.5.24; ResponseCode of the EWS reference",
    services=("ews",),
)
def send_as_denied(step: Step) -> Iterator[Hit]:
    """A message was refused because its sender may not be used by the account that sends it.

    Exchange answers so inside of HTTP 200. Denied rights on a folder are another rule (`ews.access-denied`).
    """
    failure = failed_with(step, codes.SEND_AS)
    if failure is None:
        return
    sender, user = step.about("ews").get("from"), user_of(step)
    summary = f"{caller_of(step)} may not send as {sender or 'the sender of the message'}."
    if sender and user and "@" in user and domain_of(sender) != domain_of(user):
        summary += (
            f" Perhaps {sender} is a second address of the own mailbox: it has no Send As right of its own, and older"
            " versions of Exchange do not let it be a sender."
        )
    yield failure_hit(step, failure, summary)


@rule(
    "ews.access-denied",
    Severity.ERROR,
    advice="Check the rights of the caller on this folder or mailbox (Get-MailboxFolderPermission, "
    "Get-MailboxPermission), or ask for the right mailbox.",
    source=_CODES,
    services=("ews",),
)
def access_denied(step: Step) -> Iterator[Hit]:
    """The caller has no right on the folder or mailbox that it asks for.

    A note only where the same operation succeeds later on the connection: clients try what a delegate may do.
    """
    failure = failed_with(step, codes.ACCESS)
    if failure is None:
        return
    severity = Severity.INFO if succeeds_later_here(step) else None
    summary = f"{caller_of(step)} has no right to do {operation_of(step)}{goal_of(step)}."
    yield failure_hit(step, failure, summary, severity=severity)


@rule(
    "ews.impersonation-denied",
    Severity.ERROR,
    advice="Give the account the role ApplicationImpersonation, with a scope that holds the mailbox "
    "(New-ManagementRoleAssignment), and check the name in ConnectingSID.",
    source=_CODES,
    services=("ews",),
    suppresses=("ews.access-denied",),
)
def impersonation_denied(step: Step) -> Iterator[Hit]:
    """The account may not act for the user that ExchangeImpersonation names."""
    failure = failed_with(step, codes.IMPERSONATION)
    if failure is not None:
        acting = step.about("ews").get("impersonation", "another user")
        user = user_of(step) or step.trace.client.address
        code = code_in(failure, codes.IMPERSONATION)
        yield failure_hit(step, failure, f"{user} may not act for {acting} by impersonation ({code}).")


@rule(
    "ews.mailbox-not-found",
    Severity.ERROR,
    advice="Check the address: does the mailbox exist, in this forest, and is it synchronised (remote mailbox, mail "
    "user, accepted domain)?",
    source=_CODES,
    services=("ews",),
)
def mailbox_not_found(step: Step) -> Iterator[Hit]:
    """There is no mailbox with this address here. A warning for free/busy: people type addresses that do not exist."""
    failure = failed_with(step, codes.MAILBOX)
    if failure is None:
        return
    names = step.about("ews").get("mailboxes") or ["the mailbox"]
    whom = failure.get("mailbox") or step.about("ews").get("impersonation") or names[0]
    severity = Severity.WARNING if operation_of(step) == AVAILABILITY else None
    yield failure_hit(step, failure, f"{whom} has no mailbox that this server knows.", severity=severity)


@rule(
    "ews.item-not-found",
    Severity.INFO,
    advice="Nothing to do where it happens now and then: items are moved and deleted while a client works.",
    source=_CODES,
    services=("ews",),
)
def item_not_found(step: Step) -> Iterator[Hit]:
    """An item or a folder is gone, or the caller may not see it. Normal while mailboxes change."""
    failure = failed_with(step, codes.ITEM)
    if failure is not None:
        yield failure_hit(step, failure, f"{operation_of(step)}: the item or folder is gone, or may not be seen.")


@rule(
    "ews.password-expired",
    Severity.ERROR,
    advice="Change the password, or enable the account, in the directory of its forest.",
    source=_CODES,
    services=("ews",),
)
def password_expired(step: Step) -> Iterator[Hit]:
    """The state of the account stops it: its password has expired or must be changed, or it is disabled."""
    failure = failed_with(step, codes.ACCOUNT)
    if failure is not None:
        yield failure_hit(
            step, failure, f"The account of {caller_of(step)} is stopped: {code_in(failure, codes.ACCOUNT)}."
        )


@rule(
    "ews.blocked-user-agent",
    Severity.WARNING,
    confidence=Confidence.LIKELY,
    advice="Look at EwsApplicationAccessPolicy, EwsAllowList and EwsBlockList of the organization and of the mailbox "
    "(Get-OrganizationConfig, Get-CASMailbox).",
    source="Set-OrganizationConfig and Set-CASMailbox: EwsApplicationAccessPolicy",
    services=("ews",),
    causes=("http.forbidden-403", "ews.access-denied", "ews.error"),
)
def blocked_user_agent(step: Step) -> Iterator[Hit]:
    """Exchange itself forbids EWS to this program (403, or a text that names the access policy).

    Silent where a device in front answers, where a sub-status of IIS gives another reason, and for Microsoft's own
    programs unless the text names the policy.
    """
    agent = step.http.get("user_agent", "")
    failure = next((each for each in failures(step) if "access-policy" in each.get("signs", ())), None)
    if failure is not None:
        summary = f"The access policy of EWS blocks {agent or 'this program'}."
        yield failure_hit(step, failure, summary, confidence=Confidence.CERTAIN)
        return
    names_policy = _POLICY.search(str(step.http.get("error_text", ""))) is not None
    is_foreign = names_policy or (bool(agent) and _OWN_AGENTS.match(agent) is None)
    code = step.http.get("x_caserrorcode")
    if step.status == _FORBIDDEN and is_foreign and "sub_status" not in step.http and (code or has_reached_iis(step)):
        answered = step.answered(f"403{f', X-CasErrorCode: {code}' if code else ''}")
        summary = f"Exchange forbids EWS to {agent}: its access policy may block this program."
        yield Hit(summary, (step.asked(f"User-Agent: {agent}"), answered))
