"""Devices between client and server, and what they do not let through."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tlsdecrypt.findings.finding import Confidence, Severity
from tlsdecrypt.findings.http_proxies import is_block, server_of
from tlsdecrypt.findings.rule import Hit, rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tlsdecrypt.findings.finding import Evidence
    from tlsdecrypt.findings.scene import Scene, Step

SAME_SIZE_TIMES = 3  # uploads that break off at one size
LOGIN_LEGS = 3  # questions of a proxy after which a login is not on its way any more
LEAST_SIZE = 30_000  # bytes of an upload that a limit may concern

PROXY_LOGIN, PRECONDITION, TOO_LARGE, BAD_GATEWAY, GATEWAY_TIMEOUT = 407, 412, 413, 502, 504
_SAME = 0.05


@rule(
    "http.proxy-block",
    Severity.ERROR,
    advice="Allow the host in the web proxy, or let the client go around it; where it wants a login, give it one.",
    source="RFC 9110 sections 15.5.8 and 7.6.3",
    confidence=Confidence.LIKELY,
    suppresses=("http.502-504-gateway", "http.forbidden-403", "http.redirect-to-login"),
    is_for_failures=True,
    spares_candidates=True,
)
def proxy_block(scene: Scene) -> Iterator[Hit]:
    """A web proxy between client and server blocks the request, or wants a login that the client does not give.

    One 407 is a question: silent where the client then gets through, and where its answer to that may be missing from
    the capture.
    """
    for step in scene.steps:
        if step.protocol != "http":
            continue
        wants_login = step.status == PROXY_LOGIN and _is_left_outside(scene, step)
        if not (wants_login or is_block(step)):
            continue
        what = "wants a login first" if wants_login else "blocks it"
        goal = step.target if step.verb == "CONNECT" else server_of(step)
        via = step.http.get("via") or step.http.get("server") or step.http.get("proxy_authenticate") or "no name"
        yield Hit(
            f"a web proxy ({via}) stands before {goal} and {what}",
            (*step.evidence, *_page(step)),
            confidence=Confidence.CERTAIN if wants_login else None,
            client=step.trace.client.address,
            server=step.trace.server.address,
            place=step.host or step.target,
        )


def _page(step: Step) -> tuple[Evidence, ...]:
    text = step.http.get("error_text")
    return (step.answered(text),) if text else ()


def _is_left_outside(scene: Scene, step: Step) -> bool:
    """Whether the client never gets past the proxy: it is asked once more than NTLM needs, or says no more."""
    client = step.trace.client.address
    attempts = [
        other.status
        for other in scene.steps_by_service[step.service]
        if other.trace.client.address == client and other.host == step.host and other.time_ns >= step.time_ns
    ]
    if any(status not in (None, PROXY_LOGIN) for status in attempts):
        return False
    return scene.has_silence(step.trace) or attempts.count(PROXY_LOGIN) >= LOGIN_LEGS


@rule(
    "http.502-504-gateway",
    Severity.ERROR,
    advice="Look at the device that answered: whether it can reach the server behind it, and how long it waits.",
    source="RFC 9110 sections 15.6.3 and 15.6.5",
    protocols=("http",),
    spares_candidates=True,
)
def bad_gateway(step: Step) -> Iterator[Hit]:
    """A proxy or balancer got no answer, or a wrong one, from the server behind it."""
    if step.status in (BAD_GATEWAY, GATEWAY_TIMEOUT) and not is_block(step):
        who = step.http.get("via") or step.http.get("server") or str(step.trace.server)
        what = "no valid answer" if step.status == BAD_GATEWAY else "no answer in time"
        yield Hit(f"{who} got {what} from the server behind it for {step.verb} {step.path}", step.evidence)


@rule(
    "http.body-too-large",
    Severity.ERROR,
    advice="Raise the limit of the device or of IIS (requestFiltering, uploadReadAheadSize) for this path.",
    source="RFC 9110 section 15.5.14; sub-status 404.13 of IIS",
)
def body_too_large(scene: Scene) -> Iterator[Hit]:
    """A request is larger than the server, or a device before it, takes: 413, 404.13, or resets at one same size."""
    for step in scene.steps:
        if step.status == TOO_LARGE or step.http.get("sub_status") == "404.13":
            yield Hit(
                f"{server_of(step)} does not take a request of {step.request_length:,} bytes",
                (*step.evidence, step.asked(f"{step.request_length:,} bytes of content")),
                client=step.trace.client.address,
                server=step.trace.server.address,
                place=step.place,
            )
    yield from _resets_at_one_size(scene)


def _resets_at_one_size(scene: Scene) -> Iterator[Hit]:
    broken: dict[tuple[str, str], list[Step]] = {}
    for step in scene.steps:
        reset = step.trace.tcp.reset if step.trace.tcp is not None else None
        is_cut = step.status is None and step.request_length >= LEAST_SIZE
        if is_cut and reset is not None and reset.sender.sender == "server":
            broken.setdefault((step.trace.server.address, step.place), []).append(step)
    for (server, place), steps in broken.items():
        sizes = sorted(step.request_length for step in steps)
        if len(steps) >= SAME_SIZE_TIMES and sizes[-1] - sizes[0] <= _SAME * sizes[-1]:
            yield Hit(
                f"uploads to {place} break off at about {sizes[-1]:,} bytes: a limit on the way",
                tuple(step.asked(f"reset after {step.request_length:,} bytes") for step in steps[:3]),
                confidence=Confidence.LIKELY,
                client="",
                server=server,
                place=place,
            )


@rule(
    "http.412-cookies",
    Severity.WARNING,
    advice="Let the browser take cookies of both the on-premises and the cloud address, or sign in anew.",
    source="RFC 9110 section 15.5.13",
    protocols=("http",),
    is_for_failures=True,
)
def cookies_disabled(step: Step) -> Iterator[Hit]:
    """Outlook on the web, often in hybrid, stops since the browser sends no cookies."""
    says_so = "cookies are disabled" in str(step.http.get("error_text", "")).lower()
    if (step.status == PRECONDITION and step.service in ("owa", "ecp")) or says_so:
        yield Hit(f"{server_of(step)} misses the cookies of {step.trace.client.address}", step.evidence)
