"""SMTP between Exchange servers: authentication that is not offered, fails, or is hidden by a device between."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tlsdecrypt.findings.finding import Confidence, Severity
from tlsdecrypt.findings.rule import Hit, rule
from tlsdecrypt.findings.smtp_dialogue import (
    SmtpDialogue,
    client_of,
    command_and_reply,
    dialogue_of,
    dialogues,
    exchange_clients,
    is_same_domain,
    keywords_of,
    leaves_unauthenticated,
    refusal,
    reply_text,
    server_of,
)
from tlsdecrypt.findings.smtp_monitors import periodic_probes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tlsdecrypt.findings.scene import Scene, Step

_SMTP = ("smtp",)
_REPEATED_WITHIN_NS = 600_000_000_000
_WANTED = ("X-EXPS", "X-ANONYMOUSTLS")
_FAILURES = (451, 454, 501, 530, 535)
_UNRECOGNISED = (500, 502)

_MASKED_KEYWORD = re.compile(r"(?:X{4,}[A-Z]?|\*{3,}\w?)(?:\s|\Z)")
_MASKED_BANNER = re.compile(r"\A[*02 ]*\*{6}[*02 ]*\Z")


@rule(
    "smtp.exchange-auth-not-offered",
    Severity.ERROR,
    confidence=Confidence.LIKELY,
    advice="On the receive connector that catches this client's address set permission group Exchange servers and"
    " authentication Exchange Server; or take the addresses of Exchange servers out of RemoteIPRanges of the custom"
    " connector, so that the default one answers them.",
    source="Exchange Server: receive connectors, authentication mechanisms; RFC 5321 section 4.1.1.1",
)
def exchange_auth_not_offered(scene: Scene) -> Iterator[Hit]:
    """An Exchange server left because the other one did not offer Exchange Server authentication.

    Its queue then shows 451 4.4.0 with 451 5.7.3, which is not on the wire: what is missing is X-EXPS in the answer to
    its last EHLO. Silent unless the client's name is of the same domain as the server's, or it shows elsewhere that
    it is an Exchange server; for monitors; where MAIL was sent; and where TLS began and could not be opened.
    """
    left = [each for each in dialogues(scene) if leaves_unauthenticated(each)]
    servers = exchange_clients(scene) if left else set()
    monitors = {trace.id for series in periodic_probes(scene) for trace in series} if left else set()
    for dialogue in left:
        trace, hello = dialogue.trace, dialogue.hello
        is_same = is_same_domain(dialogue.client_name, dialogue.server_name)
        is_known = trace.client.address in servers
        if hello is None or trace.id in monitors or not (is_same or is_known):
            continue
        near = [
            each
            for each in left
            if each.trace.pair == trace.pair
            and abs(each.trace.span.first_time_ns - trace.span.first_time_ns) <= _REPEATED_WITHIN_NS
        ]
        missing = [keyword for keyword in _WANTED if keyword not in dialogue.keywords]
        evidence = (
            [dialogue.greeting.answered(f"220 {dialogue.greeting.about('smtp').get('banner', '')}")]
            if dialogue.greeting
            else []
        )
        evidence += [
            hello.asked(hello.target),
            hello.answered(
                f"250 without {', '.join(missing)}{_how_soon(dialogue, hello)}: {', '.join(sorted(dialogue.keywords))}"
            ),
            *(each for step in dialogue.of("QUIT")[:1] for each in command_and_reply(step)),
        ]
        yield Hit(
            f"{client_of(hello)} left because {server_of(hello)} does not offer Exchange Server authentication"
            f" ({', '.join(missing)} missing); its queue shows 451 4.4.0 and 451 5.7.3.",
            tuple(evidence),
            confidence=Confidence.CERTAIN if is_same and (is_known or len(near) > 1) else None,
            client=trace.client.address,
            server=trace.server.address,
            place="EHLO",
        )


def _how_soon(dialogue: SmtpDialogue, hello: Step) -> str:
    """How long after the capabilities the client took its leave."""
    leave = next((step.request_span for step in dialogue.of("QUIT") if step.request_span is not None), None)
    if leave is None or hello.response_span is None:
        return ""
    return f"; QUIT {max(leave.first_time_ns - hello.response_span.last_time_ns, 0) // 1_000_000} ms later"


@rule(
    "smtp.exchange-auth-failed",
    Severity.ERROR,
    advice="Compare the clocks of both servers, look for SPNs SmtpSvc/ that are missing or doubled, and check the"
    " computer account of the sender and the policy for NTLM.",
    source="Exchange Server: receive connectors, authentication mechanisms",
    protocols=_SMTP,
)
def exchange_auth_failed(step: Step) -> Iterator[Hit]:
    """Exchange Server authentication (X-EXPS) was tried and refused."""
    found = refusal(step)
    if step.verb != "X-EXPS" or found is None or found[0] not in _FAILURES:
        return
    if found[1] in ("5.7.3", "5.7.1", "4.7.0", "4.7.1", "5.7.8") or "Exchange Server authentication" in found[2]:
        facts = step.about("smtp")
        who = f" as {facts['user']}" if facts.get("user") else ""
        summary = f"{server_of(step)} refuses the Exchange Server authentication of {client_of(step)}{who}"
        yield Hit(f"{summary}: {reply_text(step)}", command_and_reply(step))


@rule(
    "smtp.esmtp-keywords-masked",
    Severity.ERROR,
    advice="Switch off the inspection of SMTP on the firewall between (Cisco: no inspect esmtp, no fixup protocol"
    " smtp).",
    source="RFC 5321 section 4.1.1.1; firewalls with SMTP inspection overwrite what they do not know",
    protocols=_SMTP,
    causes=("smtp.exchange-auth-not-offered", "smtp.starttls-not-offered"),
)
def keywords_masked(step: Step) -> Iterator[Hit]:
    """A device between overwrites the banner or the capabilities of the server, or swallows commands.

    What it overwrites reads XXXXXXXA or ****. That X-EXPS, XEXCH50 and XRDST are words of Exchange is known.
    """
    facts = step.about("smtp")
    offered = facts.get("capabilities") or ()
    masked = [line for line in offered if _MASKED_KEYWORD.match(line)]
    banner = facts.get("banner")
    if masked or (banner is not None and _MASKED_BANNER.match(banner)):
        what = step.answered(f"{step.status} {masked[0] if masked else banner}")
        yield Hit(f"A device between {client_of(step)} and {server_of(step)} rewrites ESMTP.", (what,), place="")
        return
    if step.verb not in ("EHLO", *_WANTED) or step.status not in _UNRECOGNISED:
        return
    dialogue = dialogue_of(step)
    is_offered = step.verb in keywords_of(dialogue.hello)
    is_esmtp = step.verb == "EHLO" and bool(step.about("smtp").get("ehlo")) and "ESMTP" in dialogue.product
    if is_offered or is_esmtp:
        summary = f"A device between {client_of(step)} and {server_of(step)} does not let {step.verb} pass."
        yield Hit(summary, command_and_reply(step), place="")


@rule(
    "tls.pfx-not-for-smtp-anonymoustls",
    Severity.INFO,
    advice="Give the key of the transport certificate (Get-ExchangeCertificate: self-signed, services SMTP), or a key"
    " log where the session has forward secrecy.",
    source="Exchange Server: X-ANONYMOUSTLS uses the self-signed certificate of the transport service",
)
def anonymous_tls(scene: Scene) -> Iterator[Hit]:
    """TLS between Exchange servers (X-ANONYMOUSTLS) shows the transport certificate, not the one of IIS.

    The PFX of the web site therefore opens nothing of it. Silent where the session was opened.
    """
    for trace in scene.traces:
        if trace.tls is None or trace.is_opened or not (trace.tls.started_by or "").startswith("X-ANONYMOUSTLS"):
            continue
        certificate = trace.certificate
        shown = f" {certificate.subject}" if certificate is not None else ""
        frame = trace.tls.client_hello_span.first_frame if trace.tls.client_hello_span else trace.span.first_frame
        yield Hit(
            f"After X-ANONYMOUSTLS {trace.server} shows its transport certificate{shown}: the PFX of IIS is another.",
            (trace.saw(frame, f"TLS after X-ANONYMOUSTLS, certificate{shown or ' not seen'}"),),
            client=trace.client.address,
            server=trace.server.address,
            place=str(trace.server.port),
        )
