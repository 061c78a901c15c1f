"""What several rules ask of a TLS connection: who gave up when, and what kind of traffic it carries."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tlsdecrypt.findings.finding import Evidence, quote
from tlsdecrypt.findings.rule import Hit
from tlsdecrypt.flow import Direction

if TYPE_CHECKING:
    from tlsdecrypt.findings.scene import Trace
    from tlsdecrypt.tls.certificates import CertificateFacts
    from tlsdecrypt.tls.events import AlertSeen

SMTP_PORTS = frozenset({25, 465, 587, 2525})

CERTIFICATE_FOLLOWERS = ("tls.client-rejected-cert", "fed.getfederationinformation-failed")  # of such a fault

_CLIENT, _SERVER = Direction
_HYBRID_AGENTS = ("asproxy/crossforest", "asautodiscover/crossforest")


def host_of(trace: Trace) -> str:
    """What to call the server: the name that the client used, else its address."""
    return trace.server_name or next(iter(sorted(trace.names)), str(trace.server))


def hello_frame(trace: Trace) -> int:
    """The frame of the ClientHello, of the connection's first frame where it was not seen."""
    hello = trace.tls.client_hello_span if trace.tls is not None else None
    return hello.first_frame if hello else trace.span.first_frame


def certificate_fault(traces: list[Trace], certificate: CertificateFacts, summary: str, *more: Evidence) -> Hit:
    """A fault of a certificate is one fault, whichever client sees it; `traces` are the connections that showed it."""
    return Hit(
        summary,
        (certificate_evidence(traces[0], certificate), *more),
        client="",
        server=traces[0].server.address,
        place=certificate.sha1_thumbprint,
        connections=tuple(each.id for each in traces),
        count=len(traces),
    )


def certificate_evidence(trace: Trace, certificate: CertificateFacts) -> Evidence:
    """Which certificate was shown: subject, names, issuer, serial, validity."""
    what = (
        f"{certificate.subject} (names {', '.join(certificate.alternative_names[:4]) or 'none'}; issuer"
        f" {certificate.issuer}; {certificate.not_before[:10]} to {certificate.not_after[:10]})"
    )
    return Evidence(_certificate_frame(trace), trace.id, quote(what))


def _certificate_frame(trace: Trace) -> int:
    if trace.tls is not None:
        for message in trace.tls.messages:
            if message.name == "certificate" and message.direction is _SERVER:
                return message.span.last_frame
        if trace.tls.client_hello_span is not None:
            return trace.tls.client_hello_span.last_frame
    return trace.span.first_frame


def has_said_something(trace: Trace) -> bool:
    """Whether application data went over the connection, opened or not."""
    tls = trace.tls
    return tls is not None and (any(trace.application_lengths) or tls.application_records_undecrypted > 0)


def fatal_alert(trace: Trace, sender: Direction) -> AlertSeen | None:
    """The alert with which one side broke off, before anything was said; None where it sent none that is readable."""
    if trace.tls is None or has_said_something(trace):
        return None
    quiet = ("close_notify", "user_canceled", "no_renegotiation", None)
    alerts = (each for each in trace.tls.alerts if each.direction is sender and each.level != "warning")
    return next((each for each in alerts if each.description not in quiet), None)


def client_gave_up(trace: Trace) -> bool:
    """Whether the client broke off after it had seen the server's certificate: by an alert, or by going away."""
    if trace.tls is None or has_said_something(trace):
        return False
    return fatal_alert(trace, _CLIENT) is not None or left_after_certificate(trace)


def left_after_certificate(trace: Trace) -> bool:
    """Whether the client closed the connection right after the Certificate, without another handshake message."""
    tls = trace.tls
    if tls is None or not tls.server_certificates or tls.resumed or has_said_something(trace):
        return False
    said_later = any(each.direction is _CLIENT and each.name != "client_hello" for each in tls.messages)
    has_keys = tls.records_decrypted or tls.records_undecrypted
    is_quiet = not said_later and not has_keys and not tls.alerts and not trace.has_gaps
    return is_quiet and not _sends_in_vain(trace) and ended_by(trace) is _CLIENT


def _sends_in_vain(trace: Trace) -> bool:
    """The server sent again what the client never acknowledged: its certificate may not have arrived."""
    side = trace.tcp.side(_SERVER) if trace.tcp is not None else None
    return side is not None and side.repeats > 0 and side.unacknowledged != 0


def ended_by(trace: Trace) -> Direction | None:
    """Who was the first to end the connection, None where nobody did or it was not seen."""
    tcp = trace.tcp
    if tcp is None:
        return None
    ends = [(fin.time_ns, fin.frame, way) for way in Direction if (fin := tcp.side(way).fin) is not None]
    if tcp.reset is not None:
        ends.append((tcp.reset.time_ns, tcp.reset.frame, tcp.reset.sender))
    return min(ends)[2] if ends else None


def speaks_smtp(trace: Trace) -> bool:
    """Whether it carries mail between servers."""
    return trace.server.port in SMTP_PORTS or any(step.protocol == "smtp" for step in trace.steps)


def shows_hybrid(trace: Trace) -> bool:
    """Whether another organisation's Exchange, or the cloud, talks here: free/busy, federation, mailbox moves."""
    for step in trace.steps:
        agent = str(step.http.get("user_agent", "")).lower()
        if agent.startswith(_HYBRID_AGENTS) or "/wssecurity" in step.path or step.service == "mrsproxy":
            return True
    return False
