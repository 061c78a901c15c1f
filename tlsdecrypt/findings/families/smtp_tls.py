"""SMTP and TLS: demanded, not offered, broken off, or with the wrong certificate; and what hybrid mail loses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tlsdecrypt.findings.addresses import covers, is_microsoft
from tlsdecrypt.findings.finding import Confidence, Severity
from tlsdecrypt.findings.rule import Hit, rule
from tlsdecrypt.findings.smtp_dialogue import (
    EXCHANGE_BANNER,
    REFUSED,
    SmtpDialogue,
    client_of,
    cloud_addresses,
    command_and_reply,
    demands_tls,
    dialogue_of,
    dialogues,
    refusal,
    server_of,
)
from tlsdecrypt.findings.tls_story import certificate_evidence, ended_by, fatal_alert, has_said_something
from tlsdecrypt.flow import Direction

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tlsdecrypt.findings.finding import Evidence
    from tlsdecrypt.findings.scene import Scene, Step, Trace

_SMTP = ("smtp",)
_TLS_VERBS = ("STARTTLS", "X-ANONYMOUSTLS")
_READY = 220
_ROUTING_DOMAIN = ".mail.onmicrosoft.com"
_CLIENT, _SERVER = Direction


@rule(
    "smtp.tls-required",
    Severity.ERROR,
    advice="Let the client use STARTTLS (or port 465); see whether a device between hides STARTTLS from it.",
    source="RFC 3207 section 4",
    protocols=_SMTP,
)
def tls_required(step: Step) -> Iterator[Hit]:
    """The server wants TLS first, and the client does not start it. Silent where it does so in the same session."""
    if not demands_tls(step):
        return
    dialogue = dialogue_of(step)
    if not dialogue.goes_on_with(step, *_TLS_VERBS) and step.about("smtp").get("tls") is None:
        yield Hit(f"{server_of(step)} takes nothing from {client_of(step)} without TLS.", command_and_reply(step))


@rule(
    "smtp.starttls-not-offered",
    Severity.ERROR,
    confidence=Confidence.LIKELY,
    advice="Switch off SMTP inspection on the devices between; on the receiving server give the receive connector a"
    " certificate for its name and authentication TLS.",
    source="RFC 3207 section 4; Exchange Online: 5.7.321",
    causes=("smtp.tls-required",),
)
def starttls_not_offered(scene: Scene) -> Iterator[Hit]:
    """The server offers no STARTTLS, although the other side needs TLS.

    Only with Microsoft 365 on one side (by name in the dialogue or in DNS, or because XOORG is in the dialogue), or
    where a reply demands TLS.
    """
    cloud = cloud_addresses(scene)
    for dialogue in dialogues(scene):
        hello = dialogue.hello
        if hello is None or dialogue.started_tls or not hello.is_clear or "STARTTLS" in dialogue.keywords:
            continue
        is_with_cloud = dialogue.is_with_cloud or not cloud.isdisjoint(dialogue.trace.pair)
        if not is_with_cloud and not any(map(demands_tls, dialogue.steps)):
            continue
        offered = ", ".join(sorted(dialogue.keywords)) or "nothing"
        yield Hit(
            f"{server_of(hello)} does not offer STARTTLS to {client_of(hello)}.",
            (hello.asked(hello.target), hello.answered(f"{hello.status} offers {offered}")),
            client=dialogue.trace.client.address,
            server=dialogue.trace.server.address,
            place="EHLO",
        )


@rule(
    "smtp.starttls-failed",
    Severity.ERROR,
    advice="Check that a certificate with its private key is enabled for SMTP on the server, not expired, and readable"
    " by the transport service; then versions and cipher suites of both sides.",
    source="RFC 3207 section 4",
)
def starttls_failed(trace: Trace) -> Iterator[Hit]:
    """TLS was asked for in SMTP and did not come about: refused, closed, or broken off by an alert."""
    if trace.protocol != "smtp":
        return
    dialogue = SmtpDialogue(trace)
    asked = next((step for step in reversed(dialogue.of(*_TLS_VERBS)) if step.is_clear), None)
    if asked is None or asked.status is None:
        return
    if asked.status >= REFUSED:
        found = refusal(asked)
        if found is not None and (found[0] == 454 or found[1].startswith("4.7.")):  # noqa: PLR2004 - a reply code
            summary = f"{server_of(asked)} cannot start TLS for {client_of(asked)}."
            yield Hit(summary, command_and_reply(asked))
        return
    broken = _how_tls_broke(trace, asked)
    if asked.status == _READY and broken is not None:
        what, evidence = broken
        yield Hit(
            f"TLS between {client_of(asked)} and {server_of(asked)} failed: {what}.",
            (*command_and_reply(asked), evidence),
        )


def _how_tls_broke(trace: Trace, asked: Step) -> tuple[str, Evidence] | None:
    for sender in Direction:
        alert = fatal_alert(trace, sender)
        if alert is not None:
            what = f"the {sender.sender} sent the alert {alert.description}"
            return what, trace.saw(alert.span.first_frame, f"alert {alert.description}")
    is_over = ended_by(trace)
    if trace.has_gaps or is_over is None or has_said_something(trace):
        return None
    if trace.tls is not None and trace.tls.verdict.code.value != "handshake-failed":
        return None
    if trace.tls is None and any(step.index > asked.index for step in trace.steps):
        return None
    what = f"the {is_over.sender} closed the connection {'during' if trace.tls else 'before'} the handshake"
    return what, trace.saw(trace.span.last_frame, what)


@rule(
    "smtp.tls-cert-mismatch",
    Severity.WARNING,
    advice="Bind a certificate to SMTP that names the host (connector Fqdn, TlsCertificateName), and tell the other"
    " side's connector that name.",
    source="RFC 3207 section 4.1; Exchange Online: 5.7.325",
)
def certificate_mismatch(trace: Trace) -> Iterator[Hit]:
    """The certificate after STARTTLS names another host than the server says it is, where TLS must be verified.

    Only in hybrid mail flow with Microsoft 365, and where a reply demands TLS: else TLS in SMTP is opportunistic.
    Silent after X-ANONYMOUSTLS, whose certificate nobody verifies.
    """
    certificate = trace.certificate
    if trace.protocol != "smtp" or certificate is None or trace.tls is None:
        return
    if (trace.tls.started_by or "").startswith("X-ANONYMOUSTLS"):  # nobody verifies it
        return
    dialogue = SmtpDialogue(trace)
    wanted = [name for name in (dialogue.server_name, trace.server_name) if name and "." in name]
    if not wanted or any(map(is_microsoft, wanted)):
        return
    if any(covers(pattern, name) for pattern in certificate.names for name in wanted):
        return
    if dialogue.is_with_cloud or any(map(demands_tls, dialogue.steps)):
        names = ", ".join(certificate.names[:4]) or "nothing"
        yield Hit(
            f"The certificate of {wanted[0]} for SMTP names {names}.", (certificate_evidence(trace, certificate),)
        )


@rule(
    "smtp.hybrid-headers-lost",
    Severity.WARNING,
    confidence=Confidence.HINT,
    advice="Check the connectors of the hybrid configuration (CloudServicesMailEnabled, TlsCertificateName), and that"
    " no device between ends TLS or rewrites SMTP: XOORG is only offered to whom the certificate proves.",
    source="Exchange hybrid mail flow: X-OriginatorOrg and XOORG",
)
def hybrid_headers_lost(scene: Scene) -> Iterator[Hit]:
    """Mail of a hybrid organisation goes to or from Microsoft 365 without XOORG, and may count as external.

    A hybrid organisation shows in recipients below mail.onmicrosoft.com, in mail to its own domain by Microsoft 365, in
    X-OriginatorOrg, or in XOORG elsewhere. Silent for mail that was refused: it goes nowhere.
    """
    all_mail = [each for each in dialogues(scene) if each.is_with_cloud and each.of("MAIL")]
    hybrid = {address for each in all_mail if each.has_xoorg for address in each.trace.pair}
    for dialogue in all_mail:
        mail = dialogue.of("MAIL")[0]
        uses = any("XOORG" in (step.about("smtp").get("parameters") or {}) for step in dialogue.of("MAIL"))
        if uses or "XOORG" in dialogue.keywords or dialogue.hello is None or _is_refused(dialogue):
            continue
        signs = _hybrid_signs(dialogue)
        if not signs and hybrid.isdisjoint(dialogue.trace.pair):
            continue
        if is_microsoft(dialogue.server_name) or EXCHANGE_BANNER in dialogue.product:
            offered = dialogue.hello.answered(f"{dialogue.hello.status} without XOORG")
            yield Hit(
                f"Mail from {client_of(mail)} to {server_of(mail)} goes without XOORG: it may count as external.",
                (offered, mail.asked(mail.target), *signs),
                client=dialogue.trace.client.address,
                server=dialogue.trace.server.address,
                place="MAIL",
            )


def _is_refused(dialogue: SmtpDialogue) -> bool:
    """Whether no sender, or no recipient, was accepted, as far as the answers were seen."""
    replies = [[step.status for step in dialogue.of(verb) if step.status is not None] for verb in ("MAIL", "RCPT")]
    return any(codes and min(codes) >= REFUSED for codes in replies)


def _hybrid_signs(dialogue: SmtpDialogue) -> tuple[Evidence, ...]:
    for step in dialogue.steps:
        facts = step.about("smtp")
        recipient, sender = (facts.get("recipient") or "").lower(), (facts.get("mail_from") or "").lower()
        is_own = bool(sender) and sender.rpartition("@")[2] == recipient.rpartition("@")[2]
        if recipient.endswith(_ROUTING_DOMAIN) or (is_own and is_microsoft(dialogue.server_name)):
            return (step.asked(step.target),)
        if (facts.get("message") or {}).get("originator_org"):
            return (step.asked(f"X-OriginatorOrg: {facts['message']['originator_org']}"),)
    return ()
