"""MAPI over HTTP: what one answer says of itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tlsdecrypt.findings.addresses import domain_of
from tlsdecrypt.findings.finding import Confidence, Severity
from tlsdecrypt.findings.mapi_calls import said_of, user_on, who
from tlsdecrypt.findings.rule import Hit, rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tlsdecrypt.findings.scene import Step

_SERVICE = ("mapi-http",)
_CODES = "[MS-OXCMAPIHTTP] section 2.2.3.3.3"
_ENDPOINT_DISABLED, _SHUTTING_DOWN = 16, 18
_SEND_AS_DENIED = "0x000004DC"
_SENDING = ("SubmitMessage", "TransportSend")


@rule(
    "mapi.endpoint-disabled",
    Severity.ERROR,
    advice="Switch MAPI over HTTP on for the user (Set-CASMailbox -MapiHttpEnabled $true, or $null to follow the"
    " organization) or for the organization (Set-OrganizationConfig -MapiHttpEnabled $true).",
    source=_CODES,
    services=_SERVICE,
    suppresses=("mapi.response-code", "http.forbidden-403", "http.html-instead-of-xml"),
)
def endpoint_disabled(step: Step) -> Iterator[Hit]:
    """The server does not serve this user by MAPI over HTTP: code 16, or a text that says the protocol is disabled."""
    mapi = step.about("mapi")
    is_said = _says(step, "protocol disabled") or "protocoldisabled" in step.http.get("x_caserrorcode", "").lower()
    if mapi.get("response_code") == _ENDPOINT_DISABLED or is_said:
        yield Hit(f"MAPI over HTTP is switched off for {who(step)} on {step.host}", (*step.evidence, said_of(step)))


@rule(
    "mapi.endpoint-shutting-down",
    Severity.WARNING,
    advice="Expected while a server goes into maintenance: clients connect elsewhere. If nobody is working on it, look"
    " at Get-ServerComponentState, and whether the load balancer still sends clients there.",
    source=_CODES,
    services=_SERVICE,
    suppresses=("mapi.response-code",),
    causes=("http.backend-503",),
)
def endpoint_shutting_down(step: Step) -> Iterator[Hit]:
    """The server is going into maintenance, and says so with code 18."""
    if step.about("mapi").get("response_code") == _SHUTTING_DOWN:
        yield Hit(f"{step.host} is shutting down its MAPI endpoint", (*step.evidence, said_of(step)))


@rule(
    "mapi.send-as-denied",
    Severity.ERROR,
    advice="Grant Send As on the object that owns the address (Add-ADPermission, or Add-RecipientPermission in the"
    " cloud), send from a shared mailbox, or use a separate SMTP account.",
    source="[MS-OXCDATA] section 2.4 (SendAsDenied); [MS-OXOMSG] section 3.2.5",
    services=_SERVICE,
)
def send_as_denied(step: Step) -> Iterator[Hit]:
    """A message was refused because its sender may not be used by the account: SubmitMessage or TransportSend failed.

    In cached mode Outlook sends later, and often only a non-delivery report tells. Other failed operations are normal.
    """
    for failed in step.about("mapi").get("failed_rops", ()):
        if failed["rop"] in _SENDING and failed["value"] == _SEND_AS_DENIED:
            sender, user = _sender(step), user_on(step)
            summary = f"{user or step.trace.client.address} may not send as {sender or 'the sender of the message'}"
            if sender and user and "@" in user and domain_of(sender) != domain_of(user):
                summary += (
                    f". Perhaps {sender} is a second address of the own mailbox: it has no Send As right of its own,"
                    " and older versions of Exchange do not let it be a sender"
                )
            yield Hit(
                summary,
                (*step.evidence, step.answered(f"{failed['rop']} failed with {failed['value']} {failed['name']}")),
            )
            return


def _sender(step: Step) -> str | None:
    """The address that this or an earlier call on the connection gave the message as its sender."""
    before = step.trace.steps[: step.index + 1]
    return next((str(sender) for each in reversed(before) if (sender := each.about("mapi").get("sender"))), None)


@rule(
    "mapi.client-access-rule",
    Severity.ERROR,
    advice="Find the rule with Get-ClientAccessRule (Test-ClientAccessRule tells which one applies), and change it or"
    " the network that the client comes from.",
    source="Client Access Rules of Exchange Online and Exchange 2019",
    services=_SERVICE,
    suppresses=("mapi.response-code", "http.forbidden-403", "http.html-instead-of-xml"),
)
def client_access_rule(step: Step) -> Iterator[Hit]:
    """An administrator's client access rule blocks this connection, and the answer says so."""
    if _says(step, "client access rule"):
        said = step.answered(step.about("mapi")["diagnostic"])
        yield Hit(f"A client access rule blocks {who(step)} on {step.host}", (*step.evidence, said))


@rule(
    "mapi.culture",
    Severity.WARNING,
    advice="Give the mailbox a language that the server has (Set-MailboxRegionalConfiguration -Language).",
    source="[MS-OXCMAPIHTTP] section 2.2.4.1 (the diagnostic text of Connect)",
    confidence=Confidence.LIKELY,
    services=_SERVICE,
    suppresses=("mapi.response-code", "mapi.connect-error", "http.html-instead-of-xml"),
)
def culture(step: Step) -> Iterator[Hit]:
    """The server cannot serve the language of the mailbox or of Outlook, and says so in its text."""
    if _says(step, "culture not supported"):
        said = step.answered(step.about("mapi")["diagnostic"])
        yield Hit(f"The language of {who(step)} is not supported by {step.host}", (said,))


def _says(step: Step, sign: str) -> bool:
    """Whether the text that came instead of an answer speaks of a fault (see `app.mapi_diagnostic`)."""
    return sign in step.about("mapi").get("diagnostic_says", ())
