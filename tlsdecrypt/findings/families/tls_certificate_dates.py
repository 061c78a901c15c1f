"""Dates of server certificates (RFC 5280 section 4.1.2.5)."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING

from tlsdecrypt.findings.addresses import domain_of
from tlsdecrypt.findings.finding import Severity
from tlsdecrypt.findings.rule import Hit, rule
from tlsdecrypt.findings.tls_story import CERTIFICATE_FOLLOWERS, certificate_fault, host_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tlsdecrypt.findings.scene import Scene, Trace
    from tlsdecrypt.tls.certificates import CertificateFacts

SOON_DAYS = 30
ENOUGH_HOSTS, ENOUGH_DOMAINS = 3, 2  # so many whose certificates are all out of date: the clock is wrong, not they

MAX_DATES_REMEMBERED = 1_000
_BEFORE_TLS_NS = 788_918_400_000_000_000  # 1995: captures without times, and clocks that were never set
_DAY_NS = 86_400_000_000_000


@lru_cache(maxsize=MAX_DATES_REMEMBERED)
def _ns(moment: str) -> int:
    """The same few certificates are shown by all connections."""
    return int(datetime.strptime(moment, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC).timestamp()) * 1_000_000_000


def _is_out_of_date(trace: Trace, certificate: CertificateFacts) -> bool:
    return not _ns(certificate.not_before) <= trace.span.first_time_ns <= _ns(certificate.not_after)


def _shown(scene: Scene) -> list[tuple[list[Trace], CertificateFacts]]:
    return [(traces, shown) for traces in scene.shown if (shown := traces[0].certificate) is not None]


def _clock_is_wrong(scene: Scene) -> bool:
    """All certificates of several hosts, that do not belong to one domain, are out of date; or it is before TLS."""
    if scene.start_ns is not None and scene.start_ns < _BEFORE_TLS_NS:
        return True
    shown = _shown(scene)
    owners = {certificate.sha1_thumbprint: domain_of(host_of(traces[0])) for traces, certificate in shown}
    is_enough = len(set(owners.values())) >= ENOUGH_DOMAINS or len(owners) >= ENOUGH_HOSTS
    return len(owners) >= ENOUGH_DOMAINS and is_enough and all(_is_out_of_date(at[0], each) for at, each in shown)


def _dated(scene: Scene) -> list[tuple[list[Trace], CertificateFacts]]:
    """The certificates whose dates can be trusted to be compared, with the connections that showed them."""
    return [] if _clock_is_wrong(scene) else _shown(scene)


@rule(
    "tls.cert-expired",
    Severity.ERROR,
    advice="Renew the certificate, and bind the new one to every service (IIS, SMTP) and load balancer that showed it.",
    source="RFC 5280 section 4.1.2.5",
    causes=CERTIFICATE_FOLLOWERS,
)
def expired(scene: Scene) -> Iterator[Hit]:
    """The server's certificate had expired when the connection was made.

    The capture's own time counts, not today's. Silent where the certificates of all hosts are out of date: then the
    clock of the capture is wrong.
    """
    for traces, certificate in _dated(scene):
        trace = traces[0]
        late_ns = trace.span.first_time_ns - _ns(certificate.not_after)
        if late_ns > 0:
            days = late_ns // _DAY_NS
            ago = f"{days:,} day{'' if days == 1 else 's'}" if days else "less than a day"
            yield certificate_fault(
                traces, certificate, f"the certificate of {host_of(trace)} expired {ago} before the capture"
            )


@rule(
    "tls.cert-not-yet-valid",
    Severity.ERROR,
    advice="Check the clocks of server and client; if they are right, bind the certificate that is valid now.",
    source="RFC 5280 section 4.1.2.5",
    causes=CERTIFICATE_FOLLOWERS,
)
def not_yet_valid(scene: Scene) -> Iterator[Hit]:
    """The server's certificate was valid only from a later date on. Silent where the capture's clock is wrong."""
    for traces, certificate in _dated(scene):
        trace = traces[0]
        if trace.span.first_time_ns < _ns(certificate.not_before):
            start = certificate.not_before[:10]
            yield certificate_fault(
                traces, certificate, f"the certificate of {host_of(trace)} is valid only from {start} on"
            )


@rule(
    "tls.cert-expiring",
    Severity.WARNING,
    advice="Renew the certificate now, and bind the new one to every service that shows the old one.",
    source="RFC 5280 section 4.1.2.5",
)
def expiring(scene: Scene) -> Iterator[Hit]:
    """The server's certificate was valid for less than thirty days more when the connection was made."""
    for traces, certificate in _dated(scene):
        trace = traces[0]
        left_ns = _ns(certificate.not_after) - trace.span.first_time_ns
        if 0 <= left_ns < SOON_DAYS * _DAY_NS and not _is_out_of_date(trace, certificate):
            days = left_ns // _DAY_NS
            yield certificate_fault(
                traces, certificate, f"the certificate of {host_of(trace)} expires {days} days after the capture"
            )
