"""Outlook Anywhere: the name that Outlook wants to find in the certificate of the proxy."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tlsdecrypt.findings.addresses import covers, domain_of
from tlsdecrypt.findings.finding import Confidence, Severity
from tlsdecrypt.findings.logins import hit_at
from tlsdecrypt.findings.lookups import Lookups
from tlsdecrypt.findings.outlook_anywhere_calls import is_channel, offers_mapi_http, outside_protocols
from tlsdecrypt.findings.reachability import names_by_address
from tlsdecrypt.findings.rule import rule
from tlsdecrypt.findings.tls_story import CERTIFICATE_FOLLOWERS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tlsdecrypt.findings.finding import Evidence
    from tlsdecrypt.findings.rule import Hit
    from tlsdecrypt.findings.scene import Scene, Step, Trace
    from tlsdecrypt.tls.certificates import CertificateFacts

ABORTS = 2  # handshakes that were broken off, before they count

_MSSTD = "msstd:"
_OLD_WINDOWS = re.compile(r"windows nt 5\.", re.IGNORECASE)
_OLD_VERSIONS = frozenset({"SSLv2", "SSLv3", "TLSv1.0"})


@rule(
    "oa.cert-principal-mismatch",
    Severity.ERROR,
    advice="Let Outlook expect the name that the certificate has: Set-OutlookProvider EXPR -CertPrincipalName"
    " msstd:<common name>; or use a certificate with the expected name.",
    source="Set-OutlookProvider; [MS-OXDSCLI] section 2.2.4.1.1.2.6 (CertPrincipalName)",
    confidence=Confidence.LIKELY,
    causes=CERTIFICATE_FOLLOWERS,
)
def certificate_principal(scene: Scene) -> Iterator[Hit]:
    """Autodiscover tells Outlook which name the proxy's certificate must have, and it has another.

    Windows before Vista SP1 looks at the common name only, and says nothing more after the handshake. So: an error
    where the client is that old, or broke off two handshakes with the proxy; else a warning where the alternative
    names do not hold the name either. Silent where the value is `none`, where the answer offers MAPI over HTTP, where
    the client sends SNI and the name stands in the alternative names, and where a channel of the client opens, or may
    have opened in what cannot be read.
    """
    told: set[tuple[str, str]] = set()
    for answer, protocol in outside_protocols(scene):
        client, host = answer.trace.client.address, str(protocol["server"]).lower()
        principal = _principal(protocol.get("cert_principal_name"), host)
        if principal is None or (client, host) in told or offers_mapi_http(answer) or _gets_through(scene, client):
            continue
        told.add((client, host))
        traces = list(_towards(scene, answer, host))
        is_readable = not any(_is_closed(each) for each in traces)
        traces = [each for each in traces if _is_mismatch(each, principal)]
        if traces and is_readable:
            yield from _judged(answer, host, principal, traces)


def _principal(value: object, server: str) -> str | None:
    """The name that Outlook compares: without the prefix; the server where none was given; None for `none`."""
    name = str(value or "").strip().lower()
    if name == "none":
        return None
    return name.removeprefix(_MSSTD) or server


def _gets_through(scene: Scene, client: str) -> bool:
    return any(is_channel(step) for trace in scene.by_client[client] for step in trace.steps)


def _towards(scene: Scene, answer: Step, host: str) -> Iterator[Trace]:
    """The client's TLS connections to the proxy: by name; without any name, by address, or by a certificate of its kin.

    An address that was looked up under other names alone is not the proxy's.

    What says no name counts only where nothing was said on it: the server may have others.
    """
    traces = [each for each in scene.by_client[answer.trace.client.address] if each.certificate is not None]
    addresses = {each.server.address for each in traces if host in each.names} | Lookups(scene).addresses(host)
    addresses.add(answer.trace.server.address)
    names = scene.derived(names_by_address)
    for trace in traces:
        address = trace.server.address
        is_nameless = not trace.names and not trace.steps
        is_known_otherwise = bool(names.get(address)) and host not in names[address]
        may_be_it = address in addresses or (_is_of_kin(trace, host) and not is_known_otherwise)
        if host in trace.names or (is_nameless and may_be_it):
            yield trace


def _is_of_kin(trace: Trace, host: str) -> bool:
    """Whether a broken handshake showed a certificate of the same organization."""
    certificate = trace.certificate
    names = (certificate.common_name or "", *certificate.alternative_names) if certificate is not None else ()
    return _is_aborted(trace) and any(domain_of(name) == domain_of(host) for name in names)


def _is_mismatch(trace: Trace, principal: str) -> bool:
    certificate = trace.certificate
    if certificate is None or (certificate.common_name or "").lower() == principal:
        return False
    return not (trace.server_name and _has_alternative(certificate, principal))


def _has_alternative(certificate: CertificateFacts, principal: str) -> bool:
    return any(covers(name, principal) for name in certificate.alternative_names)


def _judged(answer: Step, host: str, principal: str, traces: list[Trace]) -> Iterator[Hit]:
    aborted = [each for each in traces if _is_aborted(each)]
    certificate = traces[0].certificate
    assert certificate is not None
    is_old = any(map(_is_old_client, traces)) or bool(_OLD_WINDOWS.search(answer.http.get("user_agent", "")))
    if is_old or len(aborted) >= ABORTS:
        severity = None
    elif not _has_alternative(certificate, principal):
        severity = Severity.WARNING
    else:
        return
    yield hit_at(
        answer,
        f"Outlook will only talk to a proxy whose certificate names {principal}; {host} shows"
        f" CN={certificate.common_name or '(none)'}",
        answer.answered(f"CertPrincipalName {_MSSTD}{principal} for {host}"),
        _shown(traces[0], certificate),
        *(each.saw(each.span.last_frame, "the client closes without a request") for each in aborted[:3]),
        severity=severity,
        place=host,
    )


def _shown(trace: Trace, certificate: CertificateFacts) -> Evidence:
    names = ", ".join(certificate.alternative_names[:5]) or "none"
    return trace.saw(trace.span.first_frame, f"certificate {certificate.subject}, alternative names: {names}")


def _is_closed(trace: Trace) -> bool:
    """Whether something was said that cannot be read: it may be what the proxy was asked."""
    return trace.tls is not None and trace.tls.application_records_undecrypted > 0


def _is_aborted(trace: Trace) -> bool:
    """Whether a connection ended after the certificate, and nothing was said on it."""
    tls = trace.tls
    if tls is None or trace.steps or any(trace.application_lengths) or tls.application_records_undecrypted:
        return False
    return any(stream.end in ("fin", "rst") for stream in trace.streams)


def _is_old_client(trace: Trace) -> bool:
    """Windows XP and its like: no SNI, and TLS 1.0 at most; or it says so."""
    offered = set(trace.tls.offered_versions) if trace.tls is not None and not trace.server_name else set()
    says_so = any(_OLD_WINDOWS.search(step.http.get("user_agent", "")) for step in trace.steps)
    return says_so or (bool(offered) and offered <= _OLD_VERSIONS)
