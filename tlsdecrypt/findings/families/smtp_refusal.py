"""SMTP: senders, recipients and addresses that a server refuses, and why."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING

from tlsdecrypt.findings.addresses import domain_of
from tlsdecrypt.findings.finding import Severity
from tlsdecrypt.findings.monitors import is_probe
from tlsdecrypt.findings.rule import Hit, rule
from tlsdecrypt.findings.smtp_dialogue import (
    client_of,
    command_and_reply,
    dialogue_of,
    dialogues,
    is_public,
    refusal,
    reply_text,
    server_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tlsdecrypt.findings.scene import Scene, Step
    from tlsdecrypt.findings.smtp_dialogue import SmtpDialogue

_SMTP = ("smtp",)
_NDRS = "RFC 3463; Exchange Server: enhanced status codes in delivery reports"
_CLOUD_NDRS = "Exchange Online: delivery reports and their codes"

_MANY_RELAY_TESTS = 3  # different recipients of one session, or domains of one client
_MANY_UNKNOWN = 5  # different recipients of one client
_TESTER = re.compile(r"relay-?(?:test|check)|open-?relay|mxtoolbox|abuse\.net|spamhelp", re.IGNORECASE)
_FAKED_PATH = re.compile(r"[%!]|\A@|@.*@|\"")

_RELAY = re.compile(r"\brelay", re.IGNORECASE)
_TENANT = re.compile(r"tenant\s?attribution", re.IGNORECASE)
_SEND_AS = re.compile(r"send as this sender|sendasdenied", re.IGNORECASE)
_SENDER = re.compile(
    r"sender (?:address )?(?:was |is )?(?:denied|rejected)|invalid sender|sender not (?:allowed|authenticated)",
    re.IGNORECASE,
)
_BLOCKED = re.compile(
    r"blocked using|(?:client )?host .*blocked|banned sending ip|(?:block|black|deny)\s?list|spamhaus|\brbl\b",
    re.IGNORECASE,
)
_BLOCKING_CODE = re.compile(r"5\.7\.(?:6(?:0[6-9]|[1-4]\d)|511|708)\Z")
_UNKNOWN_CODES = ("5.1.1", "5.1.10", "5.1.6")
_UNKNOWN = re.compile(
    r"(?:unknown|no such|invalid) (?:\w+ )?(?:user|recipient|mailbox)|unrouteable address"
    r"|(?:user|recipient|mailbox|account)\b[^;]*(?:unknown|not found|does(?:n't| not) exist)",
    re.IGNORECASE,
)


def _is_relay_refusal(step: Step) -> bool:
    found = refusal(step)
    if step.verb != "RCPT" or found is None:
        return False
    code, enhanced, text = found
    is_code = code in (550, 551, 553, 554, 454) and enhanced in ("", "5.7.1", "5.7.54", "4.7.1", "5.7.0")
    return is_code and _RELAY.search(text) is not None and _TENANT.search(text) is None


def _refused_relays(scene: Scene) -> list[tuple[SmtpDialogue, list[Step]]]:
    """Sessions without a login in which a relay was refused, and the recipients' commands."""
    return [
        (dialogue, denied)
        for dialogue in dialogues(scene)
        if (denied := [step for step in dialogue.of("RCPT") if _is_relay_refusal(step)]) and dialogue.user is None
    ]


def _scanners(refused: list[tuple[SmtpDialogue, list[Step]]]) -> set[tuple[str, str]]:
    """Pairs of a client outside and a server that refused it recipients of several domains, a session each."""
    domains: dict[tuple[str, str], set[str]] = defaultdict(set)
    for dialogue, denied in refused:
        if is_public(dialogue.trace.client.address):
            asked = (step.about("smtp").get("recipient") or "" for step in denied)
            domains[dialogue.trace.pair] |= {each.rpartition("@")[2].lower() for each in asked}
    return {pair for pair, tried in domains.items() if len(tried) >= _MANY_RELAY_TESTS}


@rule(
    "smtp.relay-denied",
    Severity.WARNING,
    advice="Let the client authenticate, or list its address in the receive connector that may relay (permission"
    " ms-Exch-SMTP-Accept-Any-Recipient).",
    source=_NDRS,
)
def relay_denied(scene: Scene) -> Iterator[Hit]:
    """The server does not pass mail on to a recipient elsewhere for this client.

    Silent in sessions that are authenticated. A note only, for the server does well, where somebody from outside tries
    several recipients in one session, or recipients of several domains, or addresses that only testers use.
    """
    refused = _refused_relays(scene)
    scanners = _scanners(refused)
    for dialogue, denied in refused:
        recipients = {step.about("smtp").get("recipient") or "" for step in denied}
        accepted = any(step.status is not None and step.status < 300 for step in dialogue.of("RCPT"))  # noqa: PLR2004
        is_many = len(recipients) >= _MANY_RELAY_TESTS and not accepted
        domains = {each.rpartition("@")[2].lower() for each in recipients}
        is_test = (
            any(map(_FAKED_PATH.search, recipients))
            or _TESTER.search(dialogue.client_name) is not None
            or dialogue.trace.pair in scanners
            or (is_many and (is_public(dialogue.trace.client.address) or len(domains) >= _MANY_RELAY_TESTS))
        )
        for step in denied:
            facts = step.about("smtp")
            tried = "after a login that failed" if dialogue.of("AUTH") else "without a login"
            summary = (
                f"{client_of(step)} may not relay by {server_of(step)}: from <{facts.get('mail_from') or ''}> to"
                f" <{facts.get('recipient')}>, {tried}."
            )
            is_lenient = is_test or is_probe(step)
            yield Hit(
                summary
                if not is_test
                else f"{server_of(step)} refuses to relay for {client_of(step)}, who tries it out.",
                command_and_reply(step),
                severity=Severity.INFO if is_lenient else None,
                client=step.trace.client.address,
                server=step.trace.server.address,
                place="RCPT",
            )


@rule(
    "smtp.send-as-denied",
    Severity.ERROR,
    advice="Grant Send As on the object that owns the address (Add-ADPermission, or Add-RecipientPermission in the"
    " cloud), or send from an address of the account that logs in.",
    source=_NDRS,
    protocols=_SMTP,
    suppresses=("smtp.sender-denied", "smtp.relay-denied"),
)
def send_as_denied(step: Step) -> Iterator[Hit]:
    """The account that has authenticated may not send with this address as its sender."""
    found = refusal(step)
    if found is None or (found[1] != "5.7.60" and not _SEND_AS.search(found[2])):
        return
    facts = step.about("smtp")
    user = dialogue_of(step).user
    sender = next(iter((facts.get("message") or {}).get("from", ())), None) or facts.get("mail_from") or "this sender"
    summary = f"{f'user {user}' if user else client_of(step)} may not send as {sender}."
    if user and "@" in user and "@" in sender and domain_of(user) != domain_of(sender):
        summary += (
            f" Perhaps {sender} is a second address of the own mailbox: it has no Send As right of its own, and older"
            " versions of Exchange do not let it be a sender."
        )
    yield Hit(summary, command_and_reply(step))


@rule(
    "smtp.sender-denied",
    Severity.WARNING,
    advice="Check sender filtering and blocked senders on the server, and that the sender's address and domain exist.",
    source=_NDRS,
    protocols=_SMTP,
)
def sender_denied(step: Step) -> Iterator[Hit]:
    """The server takes no mail from this sender address."""
    found = refusal(step)
    if found is None or step.verb not in ("MAIL", "RCPT", "DATA", "BDAT"):
        return
    _, enhanced, text = found
    if enhanced in ("5.1.0", "5.1.7", "5.1.8") or (enhanced in ("5.7.1", "") and _SENDER.search(text)):
        sender = step.about("smtp").get("mail_from") or ""
        yield Hit(f"{server_of(step)} takes no mail from the sender <{sender}>.", command_and_reply(step))


def _is_unknown(code: int, enhanced: str, text: str) -> bool:
    """Whether a recipient does not exist; servers without enhanced codes say so in words."""
    is_told = enhanced in _UNKNOWN_CODES or (enhanced == "" and _UNKNOWN.search(text) is not None)
    return code in (550, 551, 553, 554) and is_told


@rule(
    "smtp.recipient-unknown",
    Severity.WARNING,
    advice="Check the address, and in a hybrid organisation that the recipient is known on the side that answers.",
    source=_NDRS,
)
def recipient_unknown(scene: Scene) -> Iterator[Hit]:
    """The server knows no such recipient. A note only where one client tries many: a harvest of addresses."""
    unknown: dict[tuple[str, str], list[Step]] = defaultdict(list)
    for dialogue in dialogues(scene):
        for step in dialogue.of("RCPT", "DATA", "BDAT"):
            found = refusal(step)
            if found is not None and _is_unknown(*found):
                unknown[dialogue.trace.pair].append(step)
    for (client, server), steps in unknown.items():
        names = {step.about("smtp").get("recipient") or "" for step in steps}
        is_harvest = len(names) >= _MANY_UNKNOWN
        for step in steps:
            recipient = step.about("smtp").get("recipient") or ", ".join(step.about("smtp").get("recipients", ())[:3])
            is_lenient = is_harvest or is_probe(step)
            yield Hit(
                f"{client} tries {len(names)} recipients that {server_of(step)} does not know."
                if is_harvest
                else f"{server_of(step)} knows no recipient <{recipient}>.",
                command_and_reply(step),
                severity=Severity.INFO if is_lenient else None,
                client=client,
                server=server,
                place="RCPT",
            )


@rule(
    "smtp.tenant-attribution",
    Severity.ERROR,
    advice="Compare the certificate or address that the server sends from with the inbound connector of the tenant, and"
    " that the sender's or recipient's domain is an accepted domain there.",
    source=_CLOUD_NDRS,
    protocols=_SMTP,
)
def tenant_attribution(step: Step) -> Iterator[Hit]:
    """Microsoft 365 cannot tell which tenant this server belongs to, and does not relay for it."""
    found = refusal(step)
    if found is not None and (found[1] == "5.7.64" or _TENANT.search(found[2])):
        yield Hit(
            f"Microsoft 365 does not recognise {client_of(step)} as a server of a tenant.", command_and_reply(step)
        )


@rule(
    "smtp.ip-blocked",
    Severity.ERROR,
    advice="Find out which list names the sending address, remove the cause (a compromised host or account), and ask"
    " for removal from the list that the reply names.",
    source=_CLOUD_NDRS,
    protocols=_SMTP,
)
def ip_blocked(step: Step) -> Iterator[Hit]:
    """The address that the client sends from is on a list of senders that the server refuses."""
    found = refusal(step)
    if found is None or step.verb in ("AUTH", "X-EXPS"):
        return
    _, enhanced, text = found
    if _BLOCKING_CODE.match(enhanced) or (enhanced in ("5.7.1", "") and _BLOCKED.search(text)):
        summary = f"{server_of(step)} blocks mail from {step.trace.client.address}: {reply_text(step)}"
        yield Hit(summary, command_and_reply(step))
