"""SMTP: the server has no room, no time, or no service; the message is too large, or goes round in circles."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tlsdecrypt.findings.finding import Confidence, Severity
from tlsdecrypt.findings.rule import Hit, rule
from tlsdecrypt.findings.smtp_dialogue import client_of, command_and_reply, dialogue_of, refusal, reply_text, server_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tlsdecrypt.findings.scene import Step

_SMTP = ("smtp",)
_NDRS = "RFC 3463; Exchange Server: enhanced status codes in delivery reports"

_CONNECTIONS = re.compile(
    r"(?:too many|maximum|concurrent|simultaneous|limit)(?![^.]*\berrors?\b)[^.]*\bconnection"
    r"|connections? (?:limit|rate|per )|\bmax(?:imum)? connection",
    re.IGNORECASE,
)
_TIMEOUT = re.compile(r"time-?d?\s?-?out|timeout|idle|inactiv", re.IGNORECASE)
_SHUTDOWN = re.compile(r"shut(?:ting)?\s?down|restart|maintenance", re.IGNORECASE)
_NO_SERVICE = re.compile(r"service (?:is )?not (?:available|active)|not accepting", re.IGNORECASE)
_RATE = re.compile(
    r"throttl|rate[ -]?limit|submission rate|sending (?:limit|rate)|too (?:many messages|much mail)", re.IGNORECASE
)
_EXO_THROTTLE = re.compile(r"4\.7\.(\d{3})\Z")
_EXO_THROTTLES = range(500, 700)
_PERMANENT = 500  # replies below refuse for now
_LOOP = re.compile(r"hop count|loop", re.IGNORECASE)
_SIZE = re.compile(r"size|too large|too big|exceed", re.IGNORECASE)


def _is_connection_limit(code: int, enhanced: str, text: str) -> bool:
    return (
        code in (421, 451, 452, 550, 554) and enhanced[2:3] in ("", "3", "4", "7") and bool(_CONNECTIONS.search(text))
    )


@rule(
    "smtp.too-many-connections",
    Severity.WARNING,
    advice="Raise MaxInboundConnectionPerSource of the receive connector for this address, or keep the addresses of the"
    " clients where a load balancer makes all of them one source.",
    source=_NDRS,
    protocols=_SMTP,
    suppresses=("smtp.throttled", "smtp.service-inactive"),
)
def too_many_connections(step: Step) -> Iterator[Hit]:
    """The server takes no more connections from this address.

    Behind a load balancer that puts its own address in place of theirs, all clients together reach the limit of one.
    """
    found = refusal(step)
    if found is not None and _is_connection_limit(*found):
        yield Hit(f"{server_of(step)} takes no more connections from {client_of(step)}.", command_and_reply(step))


@rule(
    "smtp.throttled",
    Severity.WARNING,
    advice="Send more slowly, and look up the limit that the reply names; for a gateway of one's own, raise the rate of"
    " the receive connector or throttling policy.",
    source=_NDRS,
    protocols=_SMTP,
)
def throttled(step: Step) -> Iterator[Hit]:
    """The server asks the client to come back later, because it sends too much or is not known well enough.

    By the codes for that, or by a text of a temporary refusal that speaks of a rate.
    Silent for connections that were idle for too long, and for limits of connections (`smtp.too-many-connections`).
    """
    found = refusal(step)
    if found is None or _is_connection_limit(*found) or _TIMEOUT.search(found[2]):
        return
    code, enhanced, _ = found
    cloud = _EXO_THROTTLE.match(enhanced)
    is_throttle = (
        (code == 421 and (enhanced == "4.4.2" or enhanced.startswith("4.7.")))  # noqa: PLR2004 - reply codes
        or (code in (450, 451) and cloud is not None and int(cloud[1]) in _EXO_THROTTLES)
        or (code == 432 and enhanced == "4.3.2")  # noqa: PLR2004 - a reply code
        or (code < _PERMANENT and _RATE.search(found[2]) is not None)
    )
    if is_throttle and step.verb not in ("AUTH", "X-EXPS", "STARTTLS"):
        yield Hit(f"{server_of(step)} slows {client_of(step)} down: {reply_text(step)}", command_and_reply(step))


@rule(
    "smtp.back-pressure",
    Severity.ERROR,
    advice="Free disk space and memory on the server: the drive of the queue database first (back pressure of the"
    " transport service, events 15004 to 15007).",
    source=_NDRS,
    protocols=_SMTP,
)
def back_pressure(step: Step) -> Iterator[Hit]:
    """The server runs out of disk space or memory, and takes no mail until there is more."""
    found = refusal(step)
    if found is not None and found[0] in (431, 452) and found[1] == "4.3.1":
        yield Hit(f"{server_of(step)} has not enough disk space or memory to take mail.", command_and_reply(step))


@rule(
    "smtp.service-inactive",
    Severity.ERROR,
    advice="Check the state of the component (Get-ServerComponentState: FrontendTransport, HubTransport), and that no"
    " receive connector of the hub service is bound to port 25 beside the front end.",
    source=_NDRS,
    protocols=_SMTP,
)
def service_inactive(step: Step) -> Iterator[Hit]:
    """The server answers, but its mail service is not active. A note only where it says that it shuts down."""
    found = refusal(step)
    if found is None or found[0] != 421 or _is_connection_limit(*found):  # noqa: PLR2004 - a reply code
        return
    if found[1] == "4.3.2" or (not found[1] and _NO_SERVICE.search(found[2])):
        severity = Severity.INFO if _SHUTDOWN.search(found[2]) else None
        yield Hit(f"The mail service of {server_of(step)} is not active.", command_and_reply(step), severity=severity)


@rule(
    "smtp.message-too-large",
    Severity.WARNING,
    advice="Send it smaller, or raise the limits: of the receive connector, the organisation, the mailbox"
    " (MaxMessageSize, MaxReceiveSize, MaxSendSize).",
    source="RFC 1870 section 6; " + _NDRS,
    protocols=_SMTP,
)
def message_too_large(step: Step) -> Iterator[Hit]:
    """The message is larger than the server takes."""
    found = refusal(step)
    if found is None or found[0] not in (552, 523, 550, 554):
        return
    code, enhanced, text = found
    is_size = enhanced in ("5.3.4", "5.2.3") or (code == 552 and not enhanced and _SIZE.search(text) is not None)  # noqa: PLR2004
    if not is_size:
        return
    limit = next(
        (each.about("smtp")["size_limit"] for each in dialogue_of(step).steps if "size_limit" in each.about("smtp")),
        None,
    )
    announced = next(
        (each.about("smtp").get("parameters", {}).get("SIZE") for each in reversed(dialogue_of(step).of("MAIL"))), None
    )
    sizes = [f"it takes {limit:,} bytes" if limit else "", f"the message has {announced} bytes" if announced else ""]
    details = ", ".join(part for part in sizes if part)
    summary = f"A message of {client_of(step)} is too large for {server_of(step)}{f' ({details})' if details else ''}."
    yield Hit(summary, command_and_reply(step))


@rule(
    "smtp.loop",
    Severity.ERROR,
    advice="Follow the Received fields of the message: two systems each think that the other is in charge of the"
    " domain. Check accepted domains, send connectors, and the targets of forwarded addresses.",
    source=_NDRS,
    protocols=_SMTP,
)
def loop(step: Step) -> Iterator[Hit]:
    """The message came by too many servers, or came back to this one: mail goes round in circles."""
    found = refusal(step)
    if found is None:
        return
    code, enhanced, text = found
    is_loop = enhanced in ("5.4.6", "5.4.14", "4.4.6", "5.3.5") or (
        code in (554, 550) and not enhanced and _LOOP.search(text)
    )
    if is_loop:
        hops = (step.about("smtp").get("message") or {}).get("received")
        passed = f" after {hops} servers" if hops else ""
        yield Hit(f"{server_of(step)} refuses a message that goes round in circles{passed}.", command_and_reply(step))


@rule(
    "smtp.bad-sequence",
    Severity.INFO,
    advice="Nothing for a session that was typed by hand; else look at what the client sent before.",
    source="RFC 5321 section 4.2.4",
    protocols=_SMTP,
)
def bad_sequence(step: Step) -> Iterator[Hit]:
    """A command came at a time at which the server cannot take it, as when people type a session."""
    found = refusal(step)
    if found is not None and found[0] == 503:  # noqa: PLR2004 - a reply code
        yield Hit(f"{client_of(step)} sent {step.verb or 'a command'} out of sequence.", command_and_reply(step))


@rule(
    "smtp.legacy-xexch50-fail",
    Severity.INFO,
    confidence=Confidence.CERTAIN,
    advice="Nothing: the message is delivered without these properties.",
    source="[MS-XEXCH50]",
    protocols=_SMTP,
)
def legacy_xexch50(step: Step) -> Iterator[Hit]:
    """A peer that has not authenticated may not send XEXCH50. That is harmless."""
    found = refusal(step)
    if (
        step.verb == "XEXCH50"
        and found is not None
        and (found[0], found[1]) in ((504, "5.7.4"), (504, ""), (550, "5.7.4"))
    ):
        yield Hit(
            f"{server_of(step)} takes no XEXCH50 of {client_of(step)}, which is harmless.", command_and_reply(step)
        )
