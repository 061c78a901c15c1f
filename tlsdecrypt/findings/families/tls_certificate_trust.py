"""Issuers and chains of server certificates."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

from tlsdecrypt.findings.addresses import is_internal, is_microsoft
from tlsdecrypt.findings.finding import Confidence, Severity
from tlsdecrypt.findings.rule import Hit, rule
from tlsdecrypt.findings.tls_story import (
    CERTIFICATE_FOLLOWERS,
    certificate_evidence,
    certificate_fault,
    client_gave_up,
    host_of,
    shows_hybrid,
    speaks_smtp,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tlsdecrypt.findings.scene import Scene, Trace
    from tlsdecrypt.tls.certificates import CertificateFacts

_PUBLIC_ISSUERS = (
    "microsoft", "digicert", "baltimore", "globalsign", "verizon", "symantec", "entrust", "sectigo", "let's encrypt",
    "verisign", "geotrust", "thawte", "cybertrust", "comodo", "usertrust", "godaddy", "go daddy", "starfield",
    "isrg", "identrust", "quovadis", "swisssign", "d-trust", "google trust services", "amazon",
)  # fmt: skip

# What a common name says of an authority inside: a word, or how Windows names one (`contoso-DC01-CA`).
_OWN_AUTHORITY = re.compile(
    r"\b(?:internal|enterprise|private|intranet|corp(?:orate)?)\b.*\bca\b|\bCN=\w+-[\w-]+-CA(?:,|$)", re.IGNORECASE
)


def _is_private(certificate: CertificateFacts) -> str | None:
    """Why an issuer is none that others trust, None where it may be public."""
    if certificate.subject == certificate.issuer:
        return "it is self-signed"
    if "CN=Microsoft Exchange" in certificate.issuer:
        return "Exchange made it for itself"
    if "DC=" in certificate.issuer:
        return f"its issuer {certificate.issuer} belongs to an Active Directory"
    if _OWN_AUTHORITY.search(certificate.issuer):
        return f"its issuer {certificate.issuer} says that it is internal"
    return None


def _faces_cloud(trace: Trace) -> bool:
    """Whether services of the cloud, or clients outside, must trust what this server shows."""
    if speaks_smtp(trace):
        is_beside = is_internal(trace.client.address) and is_internal(trace.server.address)
        return any(
            is_microsoft(str(step.about("smtp").get("ehlo", ""))) or ("XOORG" in step.target.upper() and not is_beside)
            for step in trace.steps
        ) or is_microsoft(trace.server_name)
    is_outside = not is_internal(trace.client.address)
    speaks_exchange = any(step.service is not None for step in trace.steps)
    is_exchange = speaks_exchange or any(name.startswith("autodiscover.") for name in trace.names)
    return shows_hybrid(trace) or (is_outside and is_exchange and not is_internal(trace.server.address))


@rule(
    "tls.cert-untrusted-for-hybrid",
    Severity.ERROR,
    advice="Bind a certificate of a public certification authority to what the cloud talks to: IIS on 443, SMTP on 25.",
    source="certificate requirements of hybrid deployments",
    causes=CERTIFICATE_FOLLOWERS,
)
def untrusted_for_hybrid(scene: Scene) -> Iterator[Hit]:
    """A server that Microsoft 365 has to trust shows a certificate of its own or of a private authority.

    Only for hybrid traffic, for clients outside, and for SMTP with Microsoft 365. Silent between internal hosts.
    """
    for traces in scene.shown:
        certificate = traces[0].certificate
        reason = _is_private(certificate) if certificate is not None else None
        facing = [each for each in traces if _faces_cloud(each)] if reason is not None else []
        if certificate is not None and facing:
            summary = f"nobody outside trusts the certificate of {host_of(facing[0])}: {reason}"
            yield certificate_fault(facing, certificate, summary)


@rule(
    "tls.cert-chain-incomplete",
    Severity.WARNING,
    advice="Install the intermediate certificates on the server, so that it sends the whole chain.",
    source="RFC 5246 section 7.4.2; RFC 8446 section 4.4.2",
    confidence=Confidence.LIKELY,
    causes=CERTIFICATE_FOLLOWERS,
)
def chain_incomplete(trace: Trace) -> Iterator[Hit]:
    """The server sent its own certificate without that of its issuer.

    Clients that know the issuer do not mind: only a note where the client went on.
    """
    certificate = trace.certificate
    if certificate is None or trace.tls is None or certificate.subject == certificate.issuer:
        return
    if any(each.subject == certificate.issuer for each in trace.tls.server_certificates[1:]):
        return
    severity = None if client_gave_up(trace) else Severity.INFO
    summary = f"{trace.server} sends its certificate without that of the issuer, {certificate.issuer}"
    yield replace(certificate_fault([trace], certificate, summary), severity=severity)


@rule(
    "tls.intercepted",
    Severity.WARNING,
    advice="Exempt Microsoft 365 and Exchange from TLS inspection.",
    source="network guidance for Microsoft 365",
    confidence=Confidence.LIKELY,
)
def intercepted(scene: Scene) -> Iterator[Hit]:
    """A device in the path opens TLS and shows certificates of its own.

    Signs: one host name with certificates of different issuers, or a host of Microsoft's cloud whose issuer is no
    public authority. Silent for a renewal, where the issuer stays.
    """
    by_name: dict[str, list[tuple[Trace, CertificateFacts]]] = defaultdict(list)
    for trace, *_ in scene.shown:
        if trace.certificate is not None and trace.server_name:
            by_name[trace.server_name.lower()].append((trace, trace.certificate))
    for name, shown in sorted(by_name.items()):
        by_issuer = {certificate.issuer: (trace, certificate) for trace, certificate in reversed(shown)}
        is_private = is_microsoft(name) and not _is_public(shown[0][1])
        if len(by_issuer) > 1 or is_private:
            issuers = " and ".join(sorted(by_issuer))
            yield Hit(
                f"TLS to {name} is opened on the way: its certificate comes from {issuers}",
                tuple(certificate_evidence(trace, each) for trace, each in list(by_issuer.values())[:3]),
                client="",
                server=shown[0][0].server.address,
                place=name,
            )


def _is_public(certificate: CertificateFacts) -> bool:
    issuer = certificate.issuer.lower()
    return any(known in issuer for known in _PUBLIC_ISSUERS)
