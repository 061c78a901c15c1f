"""Free/busy with a federation token in the SOAP header: who stops it, and why the server does not accept it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tlsdecrypt.findings.exchange_answers import (
    answers_html,
    has_reached_iis,
    has_succeeded,
    inner_legs,
    is_login_page,
    succeeds_later,
    without_probes,
)
from tlsdecrypt.findings.finding import Confidence, Severity
from tlsdecrypt.findings.rule import Hit, rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tlsdecrypt.findings.finding import Evidence
    from tlsdecrypt.findings.scene import Scene, Step

MAX_SKEW_S = 300  # what Kerberos and the federation gateway allow
DAY_S = 86_400

_SERVICES = ("ews", "autodiscover-soap")
_UNAUTHORIZED = 401
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_REJECTED = re.compile(
    r"error occurred when (?:verifying security for the message|processing the security tokens)", re.IGNORECASE
)
_REJECTIONS = frozenset({"InvalidSecurity", "InvalidSecurityToken", "FailedCheck", "FailedAuthentication"})


def is_federated(step: Step) -> bool:
    """Whether a request carries its credential in the SOAP header: POST to a path of WS-Security."""
    return step.verb == "POST" and (step.path.endswith("/wssecurity") or "/wssecurity/" in step.path)


@rule(
    "freebusy.preauth-blocks-wssecurity",
    Severity.ERROR,
    confidence=Confidence.LIKELY,
    advice="Publish /EWS/* and /Autodiscover/* without pre-authentication ('No authentication', and clients may "
    "authenticate directly): these endpoints do not support it.",
    source="Microsoft: Hybrid deployment prerequisites (endpoints and pre-authentication); Resolve free/busy errors",
    suppresses=(
        "http.redirect-to-login",
        "http.html-instead-of-xml",
        "http.no-auth-offered",
        "freebusy.object-moved",
        "autodiscover.redirect-url-not-https",
    ),
)
def preauth_blocks_wssecurity(scene: Scene) -> Iterator[Hit]:
    """A device in front of Exchange demands a login where the token of federated free/busy stands in the SOAP header.

    It answers a POST without Authorization with 401 and a scheme, a redirect to a login page, or a page. Certain where
    the inner leg was captured too and the request does not show up there. Silent where a field shows that the request
    reached Exchange or IIS with ASP.NET, for requests with an Authorization field, and where the same client gets
    through on this path later.
    """
    for step in _federated_steps(scene):
        demanded = _demand(step)
        if demanded is None or "auth" in step.http or _has_reached_exchange(step) or succeeds_later(scene, step):
            continue
        inner = inner_legs(scene, step.trace)
        is_stopped = bool(inner) and not any(is_federated(each) for trace in inner for each in trace.steps)
        agent = step.http.get("user_agent", "no User-Agent")
        tokens = ", ".join(step.about("soap").get("security", ())) or "not read"
        client, server = step.trace.pair
        yield Hit(
            f"A device in front of Exchange ({server}) demands a login on {step.target.partition('?')[0]}. The token "
            "of federated free/busy stands in the SOAP header, so any pre-authentication breaks it: cloud users see "
            "hash marks for users on premises; the other direction works.",
            (step.asked(f"POST {step.target}, {agent}, no Authorization; wsse:Security: {tokens}"), demanded),
            confidence=Confidence.CERTAIN if is_stopped else None,
            client=client,
            server=server,
            place=step.place,
        )


def _federated_steps(scene: Scene) -> Iterator[Step]:
    for service in _SERVICES:
        yield from filter(is_federated, without_probes(scene.steps_by_service.get(service, ())))


def _has_reached_exchange(step: Step) -> bool:
    return has_reached_iis(step) or "x_ms_diagnostics" in step.http


def _is_refused_by_exchange(step: Step) -> bool:
    is_signed = step.is_from_exchange or "x_ms_diagnostics" in step.http
    return step.status == _UNAUTHORIZED and is_signed and not step.http.get("auth", "").lower().startswith("bearer")


def _demand(step: Step) -> Evidence | None:
    """What shows that somebody wants people to log in."""
    http = step.http
    challenges, location = http.get("challenges"), http.get("location", "")
    sender = "; ".join(f"{name}: {http[name]}" for name in ("server", "via") if name in http)
    if step.status == _UNAUTHORIZED and challenges:
        return step.answered(f"401, WWW-Authenticate: {', '.join(dict.fromkeys(challenges))}; {sender}")
    if step.status in _REDIRECTS and is_login_page(location):
        return step.answered(f"{step.status}, Location: {location}; {sender}")
    if step.status == 200 and answers_html(step):  # noqa: PLR2004 - OK
        return step.answered(f"200, a page ({http.get('content_type')}); {sender}")
    return None


@rule(
    "freebusy.wssecurity-rejected",
    Severity.ERROR,
    advice="Refresh the federation metadata (Get-FederationTrust | Set-FederationTrust -RefreshMetadata, twice), "
    "switch WSSecurity of the virtual directory off and on, and check the clock and the federation certificate.",
    source="Microsoft: Resolve free/busy errors in hybrid; WS-Security 1.1 section 12",
    suppresses=("ews.internal-error", "ews.error", "autodiscover.soap-error"),
)
def wssecurity_rejected(scene: Scene) -> Iterator[Hit]:
    """Exchange itself does not accept the token of a federated request: a SOAP fault says so, or its own 401.

    A 401 counts where a field shows that Exchange sent it, and where no other token was sent in Authorization: that
    one is what Exchange refused then (rules of OAuth). Silent where the same client gets through later.
    """
    for step in _federated_steps(scene):
        soap = step.about("soap")
        reason, code = soap.get("fault_reason", ""), soap.get("fault_subcode") or soap.get("fault_code", "Fault")
        client, server = step.trace.pair
        if _REJECTED.search(reason) or code in _REJECTIONS:
            said = step.answered(f"HTTP {step.status}, {code}: {reason}")
            summary = f"Exchange ({server}) rejects the security token on {step.path}: {reason or code}"
            confidence = Confidence.CERTAIN
        elif _is_refused_by_exchange(step):
            said = step.answered(f"401: {step.http.get('x_ms_diagnostics', 'without a reason')}")
            summary = f"Exchange ({step.http.get('x_feserver', server)}) refuses the token on {step.path}."
            confidence = Confidence.LIKELY
        else:
            continue
        if not succeeds_later(scene, step):
            evidence = (*step.evidence[:1], said)
            yield Hit(summary, evidence, confidence=confidence, client=client, server=server, place=step.place)


@rule(
    "freebusy.clock-skew",
    Severity.ERROR,
    advice="Correct the clock of the server (and of the domain controller that it follows): tokens of a federation are "
    "valid for minutes.",
    source="Microsoft: Troubleshoot free/busy issues in Exchange hybrid; WS-Security 1.1 section 10",
    services=_SERVICES,
    suppresses=("freebusy.wssecurity-rejected",),
)
def clock_skew(step: Step) -> Iterator[Hit]:
    """The clocks of both organizations differ by more than five minutes.

    Two values of the messages are compared, Created of the request and Date of the answer; the clock of the capture
    plays no part. The time that the answer took is taken off. Silent where the request was served within the time that
    it is valid for, since some servers use a Timestamp for several requests; and where it is off by days and no fault
    comes, for then nobody looked at it.
    """
    soap = step.about("soap")
    skew = soap.get("clock_skew_s")
    if skew is None or not soap.get("security") or _is_taken(step, skew):
        return
    took = (step.think_ns or 0) // 1_000_000_000
    off = skew - min(max(skew, 0), took)
    if abs(off) > MAX_SKEW_S:
        minutes = round(abs(off) / 60)
        server, client = step.trace.server.address, step.trace.client.address
        ahead, behind = (server, client) if off > 0 else (client, server)
        asked = step.asked(
            f"wsu:Timestamp Created {soap.get('security_created')} Expires {soap.get('security_expires')}"
        )
        summary = (
            f"The clock of {ahead} is {minutes} minutes ahead of that of {behind}: federation tokens are not valid."
        )
        yield Hit(summary, (asked, step.answered(f"Date: {step.http.get('date')}")))


def _is_taken(step: Step, skew: int) -> bool:
    soap = step.about("soap")
    is_valid = skew > 0 and "security_expires" in soap and not soap.get("is_security_expired")
    is_rejected = soap.get("response") == "Fault"
    return not is_rejected and (abs(skew) > DAY_S or (is_valid and has_succeeded(step)))


@rule(
    "freebusy.object-moved",
    Severity.ERROR,
    confidence=Confidence.LIKELY,
    advice="Correct TargetSharingEpr (or ExternalUrl of the EWS virtual directory): it must name the URL that answers "
    "itself.",
    source="Microsoft: Resolve free/busy errors in hybrid ('Object moved')",
    services=_SERVICES,
)
def object_moved(step: Step) -> Iterator[Hit]:
    """The URL for free/busy of the other organization redirects, which servers do not follow.

    Silent for redirects to a login page, which have a rule of their own.
    """
    location = step.http.get("location", "")
    if is_federated(step) and step.status in _REDIRECTS and not is_login_page(location):
        summary = f"{step.host or step.trace.server.address} redirects free/busy to {location or 'elsewhere'}."
        yield Hit(summary, (*step.evidence[:1], step.answered(f"{step.status}, Location: {location}")))
        return
    for each in step.about("ews").get("responses", ()):
        if "object-moved" in each.get("signs", ()):
            said = step.answered(each.get("message_text", "Object moved"))
            yield Hit("The other organization answered a request for free/busy with a redirect.", (said,))
            return


@rule(
    "autodiscover.401-federated",
    Severity.ERROR,
    confidence=Confidence.HINT,
    advice="Enable WSSecurity on the Autodiscover virtual directory, and look whether a device or an IIS setting asks "
    "for a login on this path.",
    source="Microsoft: Resolve free/busy errors in hybrid",
)
def autodiscover_401_federated(scene: Scene) -> Iterator[Hit]:
    """IIS answers 401 to federated Autodiscover, again and again, and says no more of itself.

    A device in front is told by `freebusy.preauth-blocks-wssecurity`, a refusal of Exchange by
    `freebusy.wssecurity-rejected`; one 401 alone means nothing.
    """
    for step in filter(is_federated, without_probes(scene.steps_by_service.get("autodiscover-soap", ()))):
        is_iis_alone = has_reached_iis(step) and not step.is_from_exchange and "x_ms_diagnostics" not in step.http
        again = (each for each in scene.later(step) if each.path == step.path and each.status == _UNAUTHORIZED)
        if step.status == _UNAUTHORIZED and is_iis_alone and any(again) and not succeeds_later(scene, step):
            client, server = step.trace.pair
            summary = f"{server} answers 401 to federated Autodiscover on {step.path}."
            yield Hit(summary, step.evidence, client=client, server=server, place=step.place)
