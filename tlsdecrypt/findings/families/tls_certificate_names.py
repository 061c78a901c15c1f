"""Names in server certificates (RFC 9525)."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from tlsdecrypt.findings.addresses import covers, domain_of, is_address, is_microsoft
from tlsdecrypt.findings.autodiscover_answers import SERVICES, error_of, host_in, redirect_of
from tlsdecrypt.findings.finding import Severity
from tlsdecrypt.findings.lookups import Lookups
from tlsdecrypt.findings.rule import Hit, rule
from tlsdecrypt.findings.tls_story import (
    CERTIFICATE_FOLLOWERS,
    certificate_fault,
    has_said_something,
    hello_frame,
    host_of,
    shows_hybrid,
    speaks_smtp,
)
from tlsdecrypt.value import replace

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tlsdecrypt.findings.scene import Scene, Step, Trace
    from tlsdecrypt.tls.certificates import CertificateFacts

_ADDRESSES = frozenset({"email_address", "mailbox", "smtp_address", "address"})  # annotations that name one
_NAMING = frozenset({"autodiscover", "ews"})  # annotations in which they stand
_HEALTH_CHECK = "/healthcheck.htm"  # what load balancers ask each service of Exchange for
_PREFIX, _SERVICE = "autodiscover.", "_autodiscover._tcp."


def _is_named(certificate: CertificateFacts, host: str) -> bool:
    """Alternative names decide; the common name counts only where there are none (RFC 9525, RFC 6125)."""
    own = (certificate.common_name,) if certificate.common_name else ()
    return any(covers(name, host) for name in certificate.alternative_names or own)


def _asked_names(trace: Trace) -> frozenset[str]:
    """The names that the client wanted: of TLS, and of the requests inside, but not those of health checks."""
    said = (step for step in trace.steps if not step.is_clear and step.protocol == "http")
    inside = (step.host for step in said if step.host and not step.path.endswith(_HEALTH_CHECK))
    hosts = {host.rpartition(":")[0] or host for host in inside}
    wanted = {trace.server_name, *hosts} if trace.is_opened else {trace.server_name}
    return frozenset(each.lower() for each in wanted if each and not is_address(each) and each != "localhost")


@rule(
    "tls.cert-name-mismatch",
    Severity.ERROR,
    advice="Put the name into the subject alternative names of the certificate, or correct the DNS record or the URL.",
    source="RFC 9525 section 6; RFC 6125",
    causes=(*CERTIFICATE_FOLLOWERS, "tls.cert-autodiscover-san-missing"),
)
def name_mismatch(scene: Scene) -> Iterator[Hit]:
    """The certificate does not name the host that the client asked for.

    A wildcard covers one label. Silent without a name (no SNI, and no request opened) and for addresses, and where the
    same client then gets through to the same server under another name, and where only health checks of load balancers
    bear the name. SMTP that need not be verified: a note only.
    """
    for traces in scene.shown:
        trace = traces[0]
        certificate = trace.certificate
        if certificate is None:
            continue
        missing = sorted(name for name in _asked_names(trace) if not _is_named(certificate, name))
        if not missing or _gets_through_otherwise(scene, trace, missing):
            continue
        names = ", ".join(certificate.names[:8]) or certificate.subject
        summary = f"{missing[0]} is not among the names of the certificate that {trace.server} shows: {names}"
        asked = trace.saw(hello_frame(trace), f"the client asks for {missing[0]}")
        severity = Severity.INFO if speaks_smtp(trace) else None
        hit = certificate_fault(traces, certificate, summary, asked)
        yield replace(hit, severity=severity, place=missing[0])


def _gets_through_otherwise(scene: Scene, trace: Trace, missing: list[str]) -> bool:
    if has_said_something(trace):
        return False
    return any(
        other.certificate is not None
        and other.server_name not in (None, *missing)
        and _is_named(other.certificate, other.server_name or "")
        and has_said_something(other)
        for other in scene.by_pair[trace.pair]
        if other.span.first_time_ns > trace.span.first_time_ns
    )


def _smtp_domains(trace: Trace) -> frozenset[str]:
    """Mail domains that the requests on a connection are about, and that are served there.

    Mailboxes that EWS is asked for count where another organisation asks: those are of the domains served here. The
    suffix of a login counts where it is the domain of the host, too: others need be no mail domains.
    """
    if not any(_NAMING & step.annotations.keys() or "user" in step.http for step in trace.steps):
        return frozenset()
    is_hybrid = shows_hybrid(trace)
    said = (
        about[key]
        for step in trace.steps
        for about in (step.about("autodiscover") if _is_served(step) else {}, step.about("ews"))
        for key in _ADDRESSES & about.keys()
    )
    asked = (name for step in trace.steps if is_hybrid for name in step.about("ews").get("mailboxes") or ())
    domains = _domains((*said, *asked))
    own = {domain_of(name) for name in trace.names}
    logins = (step.http.get("user") for step in trace.steps)
    return domains | {domain for domain in _domains(logins) if domain_of(domain) in own}


def _domains(addresses: Iterable[object]) -> frozenset[str]:
    names = (each for each in addresses if isinstance(each, str) and "@" in each and "." in each)
    return frozenset(each.rpartition("@")[2].lower() for each in names)


def _is_served(step: Step) -> bool:
    """Whether this server may have settings for the address that was asked for: it sends nobody away."""
    return error_of(step) is None and redirect_of(step) is None


def _redirected(scene: Scene) -> frozenset[str]:
    """Autodiscover names that need no certificate, since a redirect or an SRV record leads to another host."""
    steps = (step for service in SERVICES for step in scene.steps_by_service.get(service, ()))
    lookups = scene.derived(Lookups)
    found = {name.removeprefix(_SERVICE) for name in lookups.names if name.startswith(_SERVICE)}
    domains = {domain for domain in found if lookups.has_found(f"{_SERVICE}{domain}")}
    for step in steps:
        target = host_in(redirect_of(step) or "") if step.host and "@" not in (redirect_of(step) or "@") else None
        host = (step.host or "").lower().partition(":")[0]
        if target and target != host:
            domains.add(host.removeprefix(_PREFIX))
    return frozenset(f"{_PREFIX}{domain}" for domain in domains)


@rule(
    "tls.cert-autodiscover-san-missing",
    Severity.WARNING,
    advice="Put autodiscover.<mail domain> into the subject alternative names beside the name of EWS.",
    source="certificate requirements of hybrid deployments",
)
def autodiscover_name_missing(scene: Scene) -> Iterator[Hit]:
    """A certificate of Autodiscover or of EWS lacks the Autodiscover name of the mail domain.

    Hybrid needs both names. Silent where another certificate of the capture serves the name, and for domains whose
    Autodiscover is a redirect or an SRV record. Only a note for plain client traffic: an Autodiscover host of its own
    may exist.
    """
    redirected = scene.derived(_redirected)
    served = [traces[0].certificate for traces in scene.shown if traces[0].certificate]
    for traces in scene.shown:
        trace = traces[0]
        certificate = trace.certificate
        if certificate is None:
            continue
        hosts = {name for name in trace.names if name.startswith("autodiscover.")}
        users = [each for each in traces if not is_microsoft(each.server_name)]
        domains = {f"autodiscover.{domain}" for each in users for domain in _smtp_domains(each)} - redirected
        missing = sorted(hosts | domains)
        is_grave = bool(missing) and (bool(hosts) or any(map(shows_hybrid, traces)))
        for wanted in missing:
            is_cloud = is_microsoft(wanted) or wanted.endswith(".onmicrosoft.com")
            if not is_cloud and not any(_is_named(each, wanted) for each in served):
                summary = f"the certificate that {trace.server} shows does not name {wanted}"
                severity = None if is_grave else Severity.INFO
                yield replace(certificate_fault(traces, certificate, summary), severity=severity, place=wanted)


@rule(
    "tls.cert-wildcard-cn",
    Severity.INFO,
    advice="For the hybrid wizard bind a certificate whose common name is a real host to IIS and SMTP, and set the send"
    " connector's FQDN by hand afterwards.",
    source="hybrid configuration wizard of Exchange 2010 SP2",
)
def wildcard_common_name(scene: Scene) -> Iterator[Hit]:
    """The common name of a server's certificate is a wildcard.

    The hybrid wizard of Exchange 2010 SP2 copies it to the send connector, which must have a real name. A warning where
    the same certificate serves IIS and SMTP, the wizard's traffic is in the capture, and Exchange is older than 2013.
    """
    ports: dict[tuple[str, str], set[int]] = defaultdict(set)
    shown = [(traces, each) for traces in scene.shown if (each := traces[0].certificate)]
    for traces, certificate in shown:
        trace = traces[0]
        ports[trace.server.address, certificate.sha1_thumbprint].add(trace.server.port)
    wildcards = [each for each in shown if (each[1].common_name or "").startswith("*.")]
    wizard = bool(wildcards) and _has_wizard(scene)
    for traces, certificate in wildcards:
        trace = traces[0]
        on = ports[trace.server.address, certificate.sha1_thumbprint]
        summary = f"the common name of the certificate of {host_of(trace)} is a wildcard ({certificate.common_name})"
        severity = Severity.WARNING if wizard and {443, 25} <= on else None
        yield replace(certificate_fault(traces, certificate, summary), severity=severity)


def _has_wizard(scene: Scene) -> bool:
    """Whether the wizard may be at work: remote PowerShell or the cloud's names, and no newer Exchange."""
    if any(_is_newer_exchange(trace) for trace in scene.traces):
        return False
    asked = {question.name for each in getattr(scene.surroundings, "dns", ()) for question in each.questions}
    return bool(scene.steps_by_service["wsman"]) or any(name.rstrip(".").endswith("outlook.com") for name in asked)


def _is_newer_exchange(trace: Trace) -> bool:
    versions = (
        version
        for step in trace.steps
        for version in (step.http.get("x_owa_version"), step.about("ews").get("server_version"))
    )
    return any(str(version).startswith("15.") for version in versions)
