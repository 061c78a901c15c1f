"""What the status of an HTTP answer means in front of Exchange, and who gave it (RFC 9110 section 15)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tlsdecrypt.findings.exchange_answers import has_reached_iis, has_succeeded, succeeds_later
from tlsdecrypt.findings.finding import Confidence, Severity
from tlsdecrypt.findings.http_proxies import is_block, is_web_server, server_of
from tlsdecrypt.findings.rule import Hit, rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tlsdecrypt.findings.scene import Scene, Step

_AUTODISCOVER = frozenset({"autodiscover-pox", "autodiscover-soap", "autodiscover-v2"})
_FORBIDDEN_BY = {
    "403.4": "TLS is required here, and the request came without",
    "403.6": "the address of the client is not allowed",
    "403.7": "a client certificate is required",
    "403.13": "the client's certificate was revoked",
    "403.16": "the client's certificate is not trusted",
    "403.17": "the client's certificate has expired, or is not valid yet",
    "403.1": "running programs is not allowed there",
    "403.14": "listing the folder is not allowed",
    "403.18": "the request cannot be run in this application pool",
}
_SERVICE = re.compile(r"\.svc(?:/|$)")

FORBIDDEN, NOT_FOUND, NOT_ALLOWED, TOO_MANY, UNAVAILABLE = 403, 404, 405, 429, 503


@rule(
    "http.forbidden-403",
    Severity.ERROR,
    advice="Look at the reason that is given: require or stop requiring TLS or client certificates on the virtual"
    " directory, allow the address, or give the user the right.",
    source="RFC 9110 section 15.5.4; sub-status codes of IIS",
    protocols=("http",),
    is_for_failures=True,
    spares_candidates=True,
)
def forbidden(step: Step) -> Iterator[Hit]:
    """Exchange, or the IIS in front of it, forbids a request: the sub-status or X-CasErrorCode tells why.

    Silent for ActiveSync, the MRS proxy and Outlook Anywhere, whose own rules know more, and where a proxy blocks.
    """
    if step.status != FORBIDDEN or step.service in (None, "activesync", "mrsproxy", "outlook-anywhere"):
        return
    http = step.http
    is_iis = has_reached_iis(step) or "microsoft-iis" in str(http.get("server", "")).lower()
    if not (is_iis or "sub_status" in http or "x_caserrorcode" in http) or is_block(step):
        return
    code = http.get("sub_status")
    given = (http.get(each) for each in ("x_caserrorcode", "x_ms_diagnostics", "error_text"))
    reason = _FORBIDDEN_BY.get(str(code)) or next(filter(None, given), "no reason is given")
    said = f"403{f' (sub-status {code})' if code else ''}: {reason}"
    yield Hit(f"{server_of(step)} forbids {step.verb} {step.path}: {reason}", (*step.evidence, step.answered(said)))


@rule(
    "http.svc-handler-missing",
    Severity.ERROR,
    advice="Register the handlers of Windows Communication Foundation with IIS again (ServiceModelReg -r), or make the"
    " virtual directory anew.",
    source="KB 2773628",
    confidence=Confidence.LIKELY,
    suppresses=("http.not-found-vdir", "mrs.404-ssl-offload"),
    causes=("fed.getfederationinformation-failed",),
    spares_candidates=True,
)
def handler_missing(scene: Scene) -> Iterator[Hit]:
    """IIS does not know what to do with *.svc: 405 to a POST, or sub-status 404.3.

    Certain where *.asmx of the same host works. Silent for GET, which browsers send, where *.asmx fails alike, and
    where a web server answers that is not IIS.
    """
    for step in scene.steps:
        is_unknown = step.status == NOT_ALLOWED or step.http.get("sub_status") == "404.3"
        if step.protocol != "http" or not is_unknown or step.verb != "POST" or not _SERVICE.search(step.path):
            continue
        if is_web_server(step):
            continue
        pages = [
            other
            for other in scene.steps_by_service["ews"]
            if ".asmx" in other.path and other.trace.server.address == step.trace.server.address
        ]
        if pages and all(other.status == step.status for other in pages):
            continue
        works = next((other for other in pages if has_succeeded(other) or other.status == 401), None)  # noqa: PLR2004
        allowed = f", it allows {step.http['allow']}" if "allow" in step.http else ""
        yield Hit(
            f"{server_of(step)} has no handler for {step.path}: it answers POST with {step.status}{allowed}",
            (*step.evidence, *((works.asked(f"{works.verb} {works.path} works"),) if works else ())),
            confidence=Confidence.CERTAIN if works else None,
            client=step.trace.client.address,
            server=step.trace.server.address,
            place=step.place,
        )


@rule(
    "http.not-found-vdir",
    Severity.ERROR,
    advice="Publish the path on the device in front, or make the virtual directory on the server; check the host name.",
    source="RFC 9110 section 15.5.5",
    spares_candidates=True,
)
def path_not_found(scene: Scene) -> Iterator[Hit]:
    """The path of an Exchange service is not there: not published, no virtual directory, or the wrong host.

    Only for the POSTs of a protocol (or GET below /oab). Silent with X-CasErrorCode, which is about a user, where the
    path works later, where another file of an address book is there, and for the MRS proxy and Outlook Anywhere, whose
    own rules know more. One candidate of several of Autodiscover is only a note where another one succeeds.
    """
    books = {step.trace.server.address for step in scene.steps_by_service["oab"] if has_succeeded(step)}
    for step in scene.steps:
        if not _is_missing_path(step) or succeeds_later(scene, step):
            continue
        if step.service == "oab" and step.trace.server.address in books:
            continue
        is_candidate = step.service in _AUTODISCOVER and _another_candidate_succeeds(scene, step)
        yield Hit(
            f"{server_of(step)} does not know {step.path}: 404 to {step.verb}",
            (*step.evidence, step.answered(f"server: {step.http.get('server', 'not named')}")),
            severity=Severity.INFO if is_candidate else None,
            client=step.trace.client.address,
            server=step.trace.server.address,
            place=step.path,
        )


def _is_missing_path(step: Step) -> bool:
    if step.status != NOT_FOUND or "x_caserrorcode" in step.http or step.http.get("sub_status") in ("404.3", "404.13"):
        return False
    is_protocol = step.verb == "POST" or (step.service == "oab" and step.verb == "GET")
    others = (None, "mrsproxy", "outlook-anywhere", "owa", "ecp", "oauth", "tmg-forms", "ws-trust", "legacy-free-busy")
    return is_protocol and step.service not in others


def _another_candidate_succeeds(scene: Scene, step: Step) -> bool:
    client = step.trace.client.address
    return any(
        other.trace.client.address == client and other.time_ns > step.time_ns and has_succeeded(other)
        for service in _AUTODISCOVER
        for other in scene.steps_by_service[service]
    )


@rule(
    "http.http-sys-503",
    Severity.ERROR,
    advice="Start the application pool (Test-ServiceHealth tells which services are down), and look into the event log"
    " for why it stopped.",
    source="RFC 9110 section 15.6.4",
    protocols=("http",),
    causes=("fed.getfederationinformation-failed",),
    is_for_failures=True,
    spares_candidates=True,
)
def no_application_pool(step: Step) -> Iterator[Hit]:
    """http.sys answers 503 itself: no process listens for the path, since its application pool is stopped.

    Told by the Server field Microsoft-HTTPAPI. Silent with Retry-After: then the client is throttled. AD FS has a rule
    of its own.
    """
    http = step.http
    is_http_sys = "microsoft-httpapi" in http.get("server", "").lower() and "retry_after" not in http
    if step.status == UNAVAILABLE and is_http_sys and step.service not in (None, "ws-trust") and not _is_adfs(step):
        yield Hit(
            f"nobody listens for {step.path} on {server_of(step)}: its application pool is stopped",
            (*step.evidence, step.answered(f"Server: {step.http['server']}")),
        )


def _is_adfs(step: Step) -> bool:
    return step.path.startswith(("/adfs/", "/federationmetadata/"))


@rule(
    "http.backend-503",
    Severity.ERROR,
    advice="Look at the back end: Get-ServerComponentState for components that are inactive, and whether the mailbox"
    " database is mounted.",
    source="response fields of Exchange front ends",
    protocols=("http",),
    is_for_failures=True,
    spares_candidates=True,
)
def back_end_unavailable(step: Step) -> Iterator[Hit]:
    """An Exchange front end answers 503: it could not use the back end of the mailbox.

    Silent with Retry-After: then the client is throttled.
    """
    http = step.http
    if step.status == UNAVAILABLE and "x_feserver" in http and "retry_after" not in http:
        back_end = next(
            (http[each] for each in ("x_calculatedbetarget", "x_beserver", "x_targetbeserver") if each in http), None
        )
        target = f"back end {back_end}" if back_end else "the back end"
        yield Hit(
            f"front end {http['x_feserver']} could not use {target} for {step.path}",
            (
                *step.evidence,
                step.answered(f"503, X-FEServer: {http['x_feserver']}, back end: {back_end or 'not named'}"),
            ),
        )


@rule(
    "http.throttled",
    Severity.WARNING,
    advice="Wait as long as the server says; where it comes often, look at the throttling policy and at the client.",
    source="RFC 6585 section 4; RFC 9110 section 10.2.3",
    protocols=("http",),
    is_for_failures=True,
)
def throttled(step: Step) -> Iterator[Hit]:
    """The server asks the client to come back later: 429 or 503 with Retry-After."""
    wait = step.http.get("retry_after")
    reason = step.http.get("x_ms_asthrottle")
    if step.status in (TOO_MANY, UNAVAILABLE) and (wait or reason or step.status == TOO_MANY):
        until = f", to come back in {wait}{' s' if str(wait).isdigit() else ''}" if wait else ""
        why = f" ({reason})" if reason else ""
        yield Hit(
            f"{server_of(step)} throttles {step.trace.client.address}{why}{until}",
            (*step.evidence, step.answered(f"{step.status}, Retry-After: {wait or 'none'}")),
        )
