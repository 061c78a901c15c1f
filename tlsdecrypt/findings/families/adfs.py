"""AD FS: metadata that does not come, sign-in that fails, certificates that end."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from tlsdecrypt.app.timestamps import parse_date_time
from tlsdecrypt.findings.addresses import is_address, is_internal, is_same_site
from tlsdecrypt.findings.exchange_answers import station_of, without_probes
from tlsdecrypt.findings.finding import Confidence, Severity
from tlsdecrypt.findings.logins import hit_at, host_of
from tlsdecrypt.findings.rule import Hit, rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tlsdecrypt.findings.scene import Scene, Step

SOON_DAYS = 30  # in which the end of a certificate is worth a warning

_DAY_S = 86_400
_UNAVAILABLE, _NOT_FOUND, _FIRST_SERVER_ERROR, _FIRST_ERROR, _FIRST_REDIRECT = 503, 404, 500, 400, 300
_CLOSED = frozenset({403, 404, 503})
_MEX, _SIGN_IN, _TRUST = "/adfs/services/trust/mex", "/adfs/ls", "/adfs/services/trust/"
_SORRY = re.compile(r"\bsorry\b|maintenance|wartung|try again later|sp\S{1,2}ter noch ?mal|back soon", re.IGNORECASE)
_UNREACHABLE = "federatedstsunreachable"
_WHERE_UNREACHABLE = ("error_text", "page_text", "x_autodiscovery_error", "x_ms_diagnostics")


@rule(
    "adfs.metadata-503",
    Severity.ERROR,
    advice="Start the AD FS service and see why it stopped (event log); set its recovery to restart after two minutes,"
    " look for another program on port 808, and for the URL reservation (netsh http show urlacl).",
    source="AD FS 2.0 troubleshooting; behaviour of http.sys",
    suppresses=("http.http-sys-503",),
)
def metadata_503(scene: Scene) -> Iterator[Hit]:
    """AD FS answers 503: with Server: Microsoft-HTTPAPI, http.sys has nobody who listens on that URL.

    An error only where no other URL of AD FS on that address answers, and http.sys itself speaks. A warning where a
    device says so (a note where its page asks for patience), and at a proxy of AD FS, whose metadata must be asked of
    the farm itself. Silent with Retry-After, where sign-in works but mex does not, and where mex works but one endpoint
    for tokens does not (rules of their own).
    """
    steps = [step for step in without_probes(scene.steps_by_service["ws-trust"]) if _is_adfs(step)]
    what_answers = _WhatAnswers(steps)
    for step in steps:
        if step.status != _UNAVAILABLE or "retry_after" in step.http or what_answers.tells_more_than(step):
            continue
        is_http_sys = "httpapi" in str(step.http.get("server", "")).lower()
        is_proxy = "x_ms_proxy" in step.http
        answers, farm = what_answers.here(step), what_answers.elsewhere(step)
        is_error = is_http_sys and not is_proxy and answers is None and farm is None
        works = answers or farm
        yield hit_at(
            step,
            _metadata_summary(step, is_http_sys=is_http_sys, is_proxy=is_proxy or farm is not None),
            *step.evidence,
            step.answered(f"Server: {step.http.get('server', 'not named')}"),
            *((works.answered(f"{works.path} answered {works.status}"),) if works else ()),
            severity=None if is_error else Severity.INFO if _is_sorry_page(step) else Severity.WARNING,
            confidence=None if is_http_sys else Confidence.LIKELY,
            place="/adfs" if is_error else None,  # one service is down, however many of its URLs are asked
        )


def _is_sorry_page(step: Step) -> bool:
    """Whether a device that knows of the failure asks for patience: a page for people, not of Windows."""
    is_microsoft = "microsoft" in str(step.http.get("server", "")).lower()
    return not is_microsoft and _SORRY.search(str(step.http.get("error_text", ""))) is not None


def _is_adfs(step: Step) -> bool:
    return step.protocol == "http" and step.path.startswith(("/adfs/", "/federationmetadata/"))


def _answers(step: Step) -> bool:
    return step.status is not None and step.status < _FIRST_SERVER_ERROR and step.status != _NOT_FOUND


class _WhatAnswers:
    """The first step that each server of AD FS answers, and those of sign-in and of metadata."""

    def __init__(self, steps: list[Step]) -> None:
        self._by_station: dict[tuple[str, str], Step] = {}
        self._by_host: dict[str, dict[tuple[str, str], Step]] = defaultdict(dict)
        self._working: set[tuple[tuple[str, str], str]] = set()
        for step in filter(_answers, steps):
            station = station_of(step)
            self._by_station.setdefault(station, step)
            self._by_host[host_of(step)].setdefault(station, step)
            if _works(step):
                self._working.add((station, _SIGN_IN if step.path.startswith(_SIGN_IN) else step.path))

    def here(self, step: Step) -> Step | None:
        """At the same server."""
        return self._by_station.get(station_of(step))

    def elsewhere(self, step: Step) -> Step | None:
        """At another server of the same name: one of its farm."""
        me = station_of(step)
        return next((each for station, each in self._by_host[host_of(step)].items() if station != me), None)

    def tells_more_than(self, step: Step) -> bool:
        """Whether one endpoint alone fails, in a way that has a rule of its own."""
        if step.path == _MEX and "x_ms_proxy" not in step.http:
            return (station_of(step), _SIGN_IN) in self._working
        is_for_tokens = step.path.startswith(_TRUST) and step.path != _MEX
        return is_for_tokens and (station_of(step), _MEX) in self._working


def _works(step: Step) -> bool:
    return step.status is not None and step.status < _FIRST_REDIRECT


def _metadata_summary(step: Step, *, is_http_sys: bool, is_proxy: bool) -> str:
    if is_proxy:
        return f"{step.path} of {host_of(step)} answers 503 at a proxy of AD FS: test the AD FS server itself"
    if not is_http_sys:
        return f"A device in front of {host_of(step)} answers {step.path} with 503"
    return (
        f"Nobody listens on {step.path} of {host_of(step)}: the AD FS service is stopped, or its URL reservation or"
        " endpoint is missing"
    )


@rule(
    "adfs.mex-port-conflict",
    Severity.WARNING,
    advice="Look for the program that holds net.tcp port 808 (netstat -ano), often Exchange on the same host, and give"
    " AD FS another port (Set-ADFSProperties -NetTcpPort).",
    source="AD FS, port 808",
    confidence=Confidence.LIKELY,
    suppresses=("adfs.metadata-503", "http.http-sys-503"),
)
def mex_port_conflict(scene: Scene) -> Iterator[Hit]:
    """Sign-in (/adfs/ls) works while metadata (mex) answers 503: its net.tcp port is probably taken.

    Silent at a proxy of AD FS, which answers so always, and with Retry-After.
    """
    steps = [step for step in without_probes(scene.steps_by_service["ws-trust"]) if _is_adfs(step)]
    works = {station_of(step): step for step in steps if step.path.startswith(_SIGN_IN) and _works(step)}
    for step in steps:
        sign_in = works.get(station_of(step))
        is_quiet = "x_ms_proxy" in step.http or "retry_after" in step.http
        if sign_in is not None and step.path == _MEX and step.status == _UNAVAILABLE and not is_quiet:
            yield hit_at(
                step,
                f"Metadata of {host_of(step)} answers 503 while sign-in works: its port 808 may be taken",
                *step.evidence,
                sign_in.answered(f"{sign_in.path} answered {sign_in.status}"),
            )


@rule(
    "adfs.passive-error",
    Severity.ERROR,
    advice="Look the code up in the event log of AD FS (AD FS Admin) by the activity id that the page shows.",
    source="Error pages of AD FS",
    services=("ws-trust",),
)
def passive_error(step: Step) -> Iterator[Hit]:
    """The sign-in page of AD FS tells of an error. A warning where it shows no code: often a wrong password."""
    signin = step.about("signin")
    codes, text = signin.get("error_codes"), signin.get("error_text")
    if signin.get("protocol") == "home-realm" or not (codes or text):
        return
    said = ", ".join(codes) if codes else text
    realm = f" for {signin['realm']}" if "realm" in signin else ""
    yield Hit(
        f"Sign-in at {host_of(step)}{realm} ends with an error: {said}",
        (*step.evidence, step.answered(text or said)),
        severity=None if codes else Severity.WARNING,
        confidence=None if codes else Confidence.LIKELY,
    )


@rule(
    "adfs.windowstransport-external",
    Severity.WARNING,
    advice="Disable windowstransport on the proxy (Disable-AdfsEndpoint ... -Proxy): from outside it allows to lock out"
    " accounts and to guess passwords.",
    source="Microsoft Entra documentation: WS-Trust endpoints for Windows must stay internal",
    confidence=Confidence.LIKELY,
    services=("ws-trust",),
)
def windowstransport_external(step: Step) -> Iterator[Hit]:
    """The endpoint for Windows logins can be reached from a public address, directly or by a proxy that names it.

    Silent for internal clients, for those in the server's own network (the /48 of a site for IPv6, where public
    addresses are used inside), and where the endpoint is closed.
    """
    client, server = _origin(step), step.trace.server.address
    is_open = step.status is not None and step.status not in _CLOSED and step.status < _FIRST_SERVER_ERROR
    if not (is_open and step.path.startswith(_TRUST) and step.path.endswith("/windowstransport")):
        return
    if not is_internal(client) and not is_same_site(client, server):
        yield Hit(f"{step.path} of {host_of(step)} is open to {client}, a public address", step.evidence)
    elif "x_ms_proxy" in step.http:
        passed_on = step.asked(f"X-MS-Proxy: {step.http['x_ms_proxy']}")
        yield Hit(f"{step.path} of {host_of(step)} is open to the outside by a proxy", (*step.evidence, passed_on))


def _origin(step: Step) -> str:
    """From where a request came first, as far as devices on its way say."""
    named = str(step.http.get("x_forwarded_for", "")).partition(",")[0].strip()
    return named if is_address(named) else step.trace.client.address


@rule(
    "adfs.federated-sts-unreachable",
    Severity.ERROR,
    advice="Make the STS of the organization reachable from the cloud: DNS, certificate, TLS version and firewall of"
    " its published name.",
    source="Fiddler extension for Office 365: FederatedSTSUnreachable",
    protocols=("http",),
    causes=("http.slow-response",),
)
def federated_sts_unreachable(step: Step) -> Iterator[Hit]:
    """The cloud says that it could not reach the STS to which the organization sends its logins."""
    if (step.status or 0) < _FIRST_ERROR and "page_text" not in step.http:
        return
    said = next((text for text in _said(step) if _UNREACHABLE in text.replace(" ", "").lower()), None)
    if said is not None:
        yield Hit(f"{host_of(step)} cannot reach the STS of the organization", (*step.evidence, step.answered(said)))


def _said(step: Step) -> Iterator[str]:
    yield from (str(step.http[name]) for name in _WHERE_UNREACHABLE if name in step.http)
    if "soap" in step.annotations:
        yield from (str(step.about("soap").get(name, "")) for name in ("fault_reason", "fault_detail"))


@rule(
    "adfs.signing-cert-expiring",
    Severity.WARNING,
    advice="Renew the token-signing certificate (Update-AdfsCertificate), and let every relying party, the cloud"
    " included, read the metadata again (Update-MsolFederatedDomain).",
    source="WS-Federation 1.2 section 3",
    services=("ws-trust",),
)
def signing_certificate_expiring(step: Step) -> Iterator[Hit]:
    """The metadata of an STS names a certificate for signing that ends within 30 days of the capture.

    An error where the last of them has expired; a note where another one that lasts longer is published already.
    """
    certificates = step.about("federation_metadata").get("certificates", ())
    ends = [
        (until - step.time_ns // 1_000_000_000, each)
        for each in certificates
        if each["use"] != "encryption" and (until := parse_date_time(each.get("not_after"))) is not None
    ]
    if not ends:
        return
    left, certificate = min(ends, key=lambda each: each[0])
    longest = max(each for each, _ in ends)
    if left >= SOON_DAYS * _DAY_S:
        return
    yield Hit(
        f"The token-signing certificate of {_entity(step)} {_when(left)}",
        (step.answered(f"{certificate.get('subject')}, until {certificate['not_after']}"),),
        severity=_certificate_severity(longest),
    )


def _entity(step: Step) -> Any:
    return step.about("federation_metadata").get("entity_id", host_of(step))


def _when(seconds: int) -> str:
    days = abs(seconds) // _DAY_S
    return f"expired {days} days before the capture" if seconds < 0 else f"ends in {days} days"


def _certificate_severity(longest: int) -> Severity | None:
    if longest < 0:
        return Severity.ERROR
    return Severity.INFO if longest >= SOON_DAYS * _DAY_S else None
