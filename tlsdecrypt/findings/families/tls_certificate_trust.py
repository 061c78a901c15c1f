"""Issuers and chains of server certificates."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING

from tlsdecrypt.findings.addresses import is_exchange_online, is_internal, is_microsoft
from tlsdecrypt.findings.finding import Confidence, Severity
from tlsdecrypt.findings.rule import Hit, rule
from tlsdecrypt.findings.smtp_dialogue import organisation
from tlsdecrypt.findings.tls_story import (
    CERTIFICATE_FOLLOWERS,
    certificate_evidence,
    certificate_fault,
    client_gave_up,
    host_of,
    shows_hybrid,
    speaks_smtp,
)
from tlsdecrypt.value import replace

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

_ORGANISATION = re.compile(r"(?:^|,)O=((?:[^,\\]|\\.)+)")

_INSPECTION = re.compile(
    r"proxy|inspect|intercept|decrypt|gateway|firewall|filter|zscaler|forti|blue ?coat|netskope|palo ?alto"
    r"|sophos|websense|forcepoint|mcafee|check ?point|squid|fiddler|\btmg\b|\bisa\b|untrusted|umbrella|barracuda",
    re.IGNORECASE,
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
    """Whether services of the cloud must trust what this server shows."""
    if is_exchange_online(trace.client.address):
        return True
    if speaks_smtp(trace):
        is_beside = is_internal(trace.client.address) and is_internal(trace.server.address)
        return any(
            is_microsoft(str(step.about("smtp").get("ehlo", ""))) or ("XOORG" in step.target.upper() and not is_beside)
            for step in trace.steps
        ) or is_microsoft(trace.server_name)
    return shows_hybrid(trace)


def _faces_outside(trace: Trace) -> bool:
    """Whether clients outside use Exchange here."""
    is_outside = not is_internal(trace.client.address) and not is_internal(trace.server.address)
    speaks_exchange = any(step.service is not None for step in trace.steps)
    is_exchange = speaks_exchange or any(name.startswith("autodiscover.") for name in trace.names)
    return is_outside and is_exchange and not speaks_smtp(trace)


@rule(
    "tls.cert-untrusted-for-hybrid",
    Severity.ERROR,
    advice="Bind a certificate of a public certification authority to what the cloud talks to: IIS on 443, SMTP on 25.",
    source="certificate requirements of hybrid deployments",
    causes=CERTIFICATE_FOLLOWERS,
)
def untrusted_for_hybrid(scene: Scene) -> Iterator[Hit]:
    """A server that Microsoft 365 has to trust shows a certificate of its own or of a private authority.

    Only for hybrid traffic, and for Microsoft 365 itself (its names and addresses). A note for other clients outside
    that do not mind. Silent between internal hosts.
    """
    for traces in scene.shown:
        certificate = traces[0].certificate
        reason = _is_private(certificate) if certificate is not None else None
        if certificate is None or reason is None:
            continue
        facing = [each for each in traces if _faces_cloud(each)]
        outside = [] if facing else [each for each in traces if _faces_outside(each)]
        is_minor = not facing and not any(map(client_gave_up, outside))
        if facing or outside:
            shown_to = facing or outside
            summary = f"nobody outside trusts the certificate of {host_of(shown_to[0])}: {reason}"
            hit = certificate_fault(shown_to, certificate, summary)
            yield replace(hit, severity=Severity.INFO if is_minor else None)


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
    public authority: a note and a hint where its name does not tell a device or an authority inside either. Silent for
    a renewal, where the issuer stays, or another intermediate of one public authority signed, and where all issuers
    are public authorities: those sign for no device in the path.
    """
    own = {
        organisation(trace.server_name)
        for trace, *_ in scene.shown
        if trace.server_name and not is_microsoft(trace.server_name)
    }
    by_name: dict[str, list[tuple[Trace, CertificateFacts]]] = defaultdict(list)
    for trace, *_ in scene.shown:
        if trace.certificate is not None and trace.server_name:
            by_name[trace.server_name.lower()].append((trace, trace.certificate))
    for name, shown in sorted(by_name.items()):
        by_issuer = {_authority(certificate): (trace, certificate) for trace, certificate in reversed(shown)}
        is_private = is_microsoft(name) and not _is_public(shown[0][1])
        is_plural = len(by_issuer) > 1 and not all(_is_trusted(each) for _, each in by_issuer.values())
        if is_plural or is_private:
            issuers = " and ".join(sorted(certificate.issuer for _, certificate in by_issuer.values()))
            is_plain = is_plural or _is_inside(shown[0][1].issuer, own)
            how = "is" if is_plain else "may be"
            yield Hit(
                f"TLS to {name} {how} opened on the way: its certificate comes from {issuers}",
                tuple(certificate_evidence(trace, each) for trace, each in list(by_issuer.values())[:3]),
                severity=None if is_plain else Severity.INFO,
                confidence=None if is_plain else Confidence.HINT,
                client="",
                server=shown[0][0].server.address,
                place=name,
            )


def _is_inside(issuer: str, own: set[str]) -> bool:
    """Whether an issuer names a device that inspects TLS, or an authority of the own organisation."""
    words = {*re.split(r"[^a-z0-9]+", issuer.lower())}
    is_own = any(label in words for label in own if label)
    return is_own or "DC=" in issuer or bool(_INSPECTION.search(issuer) or _OWN_AUTHORITY.search(issuer))


def _authority(certificate: CertificateFacts) -> str:
    """Who stands behind an issuer: of public ones the organisation, for they sign with several intermediates."""
    organisation = _ORGANISATION.search(certificate.issuer) if _is_public(certificate) else None
    return organisation[1] if organisation is not None else certificate.issuer


def _is_trusted(certificate: CertificateFacts) -> bool:
    return _is_public(certificate) and _is_private(certificate) is None


def _is_public(certificate: CertificateFacts) -> bool:
    issuer = certificate.issuer.lower()
    return any(known in issuer for known in _PUBLIC_ISSUERS)
