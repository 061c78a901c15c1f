"""Handshakes that failed, or that will: alerts, versions, client certificates (RFC 5246, RFC 8446)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tlsdecrypt.findings.addresses import is_exchange_online, is_microsoft
from tlsdecrypt.findings.finding import Confidence, Severity
from tlsdecrypt.findings.reachability import names_by_address
from tlsdecrypt.findings.rule import Hit, rule
from tlsdecrypt.findings.tls_story import (
    certificate_evidence,
    ended_by,
    fatal_alert,
    has_said_something,
    hello_frame,
    host_of,
    left_after_certificate,
)
from tlsdecrypt.flow import Direction

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tlsdecrypt.findings.finding import Evidence
    from tlsdecrypt.findings.scene import Scene, Trace
    from tlsdecrypt.tls.events import AlertSeen

_CLIENT, _SERVER = Direction
_ABOUT_CERTIFICATES = frozenset(
    {
        "bad_certificate",
        "unsupported_certificate",
        "certificate_revoked",
        "certificate_expired",
        "certificate_unknown",
        "unknown_ca",
    }
)
_NO_COMMON_GROUND = frozenset({"handshake_failure", "insufficient_security"})
_OLD = frozenset({"SSLv2", "SSLv3", "TLSv1.0", "TLSv1.1"})
_RETRY_NS = 10_000_000_000  # a client that falls back does so at once
_TLS_1_2_REQUIRED_NS = 1_540_944_000_000_000_000  # 31 October 2018, since when Microsoft 365 wants TLS 1.2


def _alert(trace: Trace, alert: AlertSeen) -> Evidence:
    return trace.saw(alert.span.first_frame, f"the {alert.direction.sender} sends the alert {alert.description}")


def _hello(trace: Trace) -> Evidence:
    tls = trace.tls
    assert tls is not None
    suites = len(tls.offered_cipher_suites)
    offered = f", {suites} cipher suites, first {tls.offered_cipher_suites[0]}" if suites else ""
    return trace.saw(
        hello_frame(trace), f"the client offers {', '.join(tls.offered_versions) or 'no version'}{offered}"
    )


@rule(
    "tls.client-rejected-cert",
    Severity.ERROR,
    advice="Look at what the alert names: let the client trust the issuer (and the server send the whole chain), renew"
    " the certificate, or correct the name.",
    source="RFC 5246 section 7.2; RFC 8446 section 6",
    causes=("fed.getfederationinformation-failed",),
)
def client_rejected_certificate(trace: Trace) -> Iterator[Hit]:
    """The client does not accept the server's certificate: it says so in an alert, or goes away as soon as it saw it.

    Silent for alerts after application data, and for encrypted alerts that were not opened.
    """
    alert = fatal_alert(trace, _CLIENT)
    certificate = trace.certificate
    if alert is not None and alert.description in _ABOUT_CERTIFICATES:
        summary = f"{trace.client.address} does not accept the certificate of {host_of(trace)} ({alert.description})"
        shown = () if certificate is None else (certificate_evidence(trace, certificate),)
        yield Hit(summary, (*shown, _alert(trace, alert)))
    elif certificate is not None and left_after_certificate(trace):
        summary = f"{trace.client.address} went away as soon as it saw the certificate of {host_of(trace)}"
        gone = trace.saw(trace.span.last_frame, "the client closes the connection, and sent nothing in between")
        yield Hit(summary, (certificate_evidence(trace, certificate), gone), confidence=Confidence.LIKELY)


def _succeeds_later(scene: Scene, trace: Trace) -> Trace | None:
    """The connection on which the same client got through to the same server soon after `trace` failed."""
    for other in scene.by_pair[trace.pair]:
        wait = other.span.first_time_ns - trace.span.first_time_ns
        is_same = other.server == trace.server and other.server_name == trace.server_name
        if 0 < wait < _RETRY_NS and is_same and other.tls is not None and has_said_something(other):
            return other
    return None


def _failed_offer(trace: Trace) -> Evidence | None:
    """How the server turned down what the client offered, None where it did not."""
    tls = trace.tls
    if tls is None or tls.client_hello_span is None or has_said_something(trace):
        return None
    alert = fatal_alert(trace, _SERVER)
    if alert is not None:
        is_offer = alert.description in _NO_COMMON_GROUND and not tls.server_certificates
        return _alert(trace, alert) if is_offer else None
    reset = trace.tcp.reset if trace.tcp is not None else None
    is_bare = tls.version is None and not tls.alerts and trace.has_syn and not trace.has_gaps
    if reset is not None and reset.sender is _SERVER and is_bare and ended_by(trace) is _SERVER:
        return trace.saw(reset.frame, "the server resets the connection after the ClientHello")
    return None


@rule(
    "tls.handshake-failure",
    Severity.ERROR,
    advice="Let both sides have a version and a cipher suite in common: enable TLS 1.2 and its suites on both.",
    source="RFC 5246 section 7.2.2; RFC 8446 section 6.2",
    causes=("smtp.starttls-failed",),
)
def handshake_failure(scene: Scene) -> Iterator[Hit]:
    """The server turned the client's offer down: no cipher suite or version in common.

    An alert says so; a reset instead of an answer is only likely to mean it. Silent where the client then got through
    with another offer: see `tls.version-fallback`.
    """
    for trace in scene.traces:
        refusal = _failed_offer(trace)
        if refusal is None or _succeeds_later(scene, trace):
            continue
        is_alert = "alert" in refusal.what
        yield Hit(
            f"{trace.client.address} and {host_of(trace)} have no TLS in common: the server refuses what is offered",
            (_hello(trace), refusal),
            confidence=None if is_alert else Confidence.LIKELY,
            client=trace.client.address,
            server=trace.server.address,
            place=str(trace.server.port),
        )


@rule(
    "tls.version-fallback",
    Severity.INFO,
    advice="Nothing has to be done for this client; where newer versions should work, look at the server's settings.",
    source="RFC 5246 appendix E",
)
def version_fallback(scene: Scene) -> Iterator[Hit]:
    """The server refused the client's first offer, and the client got through with another one."""
    for trace in scene.traces:
        refusal = _failed_offer(trace) or _version_alert(trace)
        other = _succeeds_later(scene, trace) if refusal is not None else None
        if refusal is not None and other is not None and other.tls is not None:
            yield Hit(
                f"{host_of(trace)} refused the first offer of {trace.client.address}, which came back with"
                f" {other.tls.version}",
                (refusal, other.opening),
                client=trace.client.address,
                server=trace.server.address,
                place=str(trace.server.port),
            )


def _is_with_cloud(scene: Scene, trace: Trace) -> bool:
    """The server's name, as the client or DNS calls it, or the client's name in SMTP, is one of Microsoft 365."""
    called = (trace.server_name, *scene.derived(names_by_address)[trace.server.address])
    greeted = (str(step.about("smtp").get("ehlo") or "") for step in trace.steps if step.protocol == "smtp")
    is_named = any(map(is_microsoft, called)) or any(map(is_microsoft, greeted))
    return is_named or is_exchange_online(trace.server.address)


def _version_alert(trace: Trace) -> Evidence | None:
    for side in (_SERVER, _CLIENT):
        alert = fatal_alert(trace, side)
        if alert is not None and alert.description == "protocol_version":
            return _alert(trace, alert)
    return None


@rule(
    "tls.protocol-version",
    Severity.ERROR,
    advice="Enable TLS 1.2 on the older side (SChannel, and strong cryptography for .NET); Microsoft 365 takes nothing"
    " older.",
    source="RFC 5246 section 7.2.2; TLS requirements of Microsoft 365",
)
def protocol_version(scene: Scene) -> Iterator[Hit]:
    """One side speaks only versions of TLS that the other does not take, or that Microsoft 365 no longer takes.

    An alert is an error; so is an old version with Microsoft 365. A client elsewhere that offers nothing newer than
    TLS 1.1 is a warning, and a note in captures from the time when that was usual (before October 2018). Silent where
    the client then got through with another version.
    """
    for trace in scene.traces:
        tls = trace.tls
        if tls is None:
            continue
        alert = _version_alert(trace)
        is_cloud = _is_with_cloud(scene, trace)
        is_old = bool(tls.offered_versions) and _OLD.issuperset(tls.offered_versions)
        severity = None
        if alert is not None:
            if _succeeds_later(scene, trace):
                continue
            summary = f"{host_of(trace)} and {trace.client.address} have no version of TLS in common"
        elif is_cloud and (tls.version in _OLD or is_old):
            summary = f"{trace.client.address} talks to {host_of(trace)} with less than TLS 1.2"
        elif is_old:
            summary = f"{trace.client.address} offers nothing newer than {tls.offered_versions[0]}"
            severity = Severity.INFO if trace.span.first_time_ns < _TLS_1_2_REQUIRED_NS else Severity.WARNING
        else:
            continue
        yield Hit(
            summary,
            (_hello(trace), alert) if alert is not None else (_hello(trace),),
            severity=severity,
            client=trace.client.address,
            server=trace.server.address,
            place=str(trace.server.port),
        )


@rule(
    "tls.unrecognized-name",
    Severity.WARNING,
    advice="Give the server a certificate binding for this name, or correct the name that the client uses.",
    source="RFC 6066 section 3",
)
def unrecognized_name(trace: Trace) -> Iterator[Hit]:
    """The server has no certificate for the name that the client asked for, and says so in an alert."""
    for alert in trace.tls.alerts if trace.tls is not None else ():
        if alert.description == "unrecognized_name":
            name = trace.server_name or "the name that was asked for"
            yield Hit(
                f"{trace.server} has no certificate for {name}", (_hello(trace), _alert(trace, alert)), place=name
            )
            return


@rule(
    "tls.client-cert-requested",
    Severity.WARNING,
    advice="Set client certificates to Ignore for the virtual directories of Exchange, unless they are wanted.",
    source="client certificate test of the Remote Connectivity Analyzer",
    confidence=Confidence.LIKELY,
)
def client_certificate_requested(trace: Trace) -> Iterator[Hit]:
    """The server asks for a client certificate on paths of Exchange, and the client has none.

    Outlook, ActiveSync and hybrid clients may fail then. Silent where the client sends one: it is meant so.
    """
    tls = trace.tls
    if tls is None or not tls.client_certificate_requested or tls.client_certificates:
        return
    is_exchange = any(step.service is not None for step in trace.steps)
    if is_exchange or any(name.startswith("autodiscover.") for name in trace.names):
        asked = next((each for each in tls.messages if each.name == "certificate_request"), None)
        frame = asked.span.first_frame if asked is not None else trace.span.first_frame
        summary = f"{host_of(trace)} asks {trace.client.address} for a client certificate, and gets none"
        yield Hit(summary, (trace.saw(frame, "CertificateRequest"),))


@rule(
    "tls.plain-http-on-443",
    Severity.ERROR,
    advice="Speak TLS to the TLS port: look for a balancer that offloads TLS and forwards to the wrong port.",
    source="RFC 9112 section 9.7",
    causes=("tcp.reset-mid-request",),
)
def plain_http_on_tls_port(trace: Trace) -> Iterator[Hit]:
    """HTTP without TLS on port 443, or TLS to a port that answers in plain HTTP."""
    first = next((step for step in trace.steps if step.protocol == "http" and step.is_clear), None)
    if trace.server.port == 443 and first is not None and first.index == 0 and first.verb != "CONNECT":  # noqa: PLR2004
        yield Hit(f"{trace.client.address} speaks plain HTTP to the TLS port of {trace.server}", first.evidence)
        return
    fault = trace.tls.fault if trace.tls is not None else None
    if fault is not None and fault.direction is _SERVER and fault.what.endswith("(plain HTTP)"):
        answer = trace.saw(fault.span.first_frame, "the server answers the ClientHello in plain HTTP")
        yield Hit(f"{trace.server} answers TLS in plain HTTP: no TLS is spoken on this port", (_hello(trace), answer))
