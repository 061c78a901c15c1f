"""What comes in place of the answer that a program waits for, and when: login pages, redirects, delays."""

from __future__ import annotations

import re
from collections import defaultdict
from itertools import pairwise
from typing import TYPE_CHECKING

from tlsdecrypt.app.endpoint import ASKED_BY_PROGRAMS
from tlsdecrypt.findings.exchange_answers import answers_html, is_login_page
from tlsdecrypt.findings.finding import Confidence, Severity
from tlsdecrypt.findings.http_proxies import is_web_server, server_of
from tlsdecrypt.findings.monitors import is_probe
from tlsdecrypt.findings.rule import Hit, rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tlsdecrypt.findings.scene import Scene, Step

SEVERAL_USERS = 3  # that come from one address
MANY_REDIRECTS = 5
TOO_MANY_REDIRECTS = 10  # of a sign-in, whose parameters change each time
PROMPT_NS = 10_000_000_000  # in which a client follows a redirect
SLOW_NS, VERY_SLOW_NS = 10_000_000_000, 60_000_000_000

_AUTODISCOVER = frozenset({"autodiscover-pox", "autodiscover-soap", "autodiscover-v2"})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_LOGIN_TEXT = re.compile(r"\b(?:sign|log)[ -]?(?:in|on)\b|\bpassword\b|\bpasswort\b|\banmeld(?:e|ung)", re.IGNORECASE)


def _is_browser(step: Step) -> bool:
    return step.verb in ("GET", "HEAD") and "mozilla" in str(step.http.get("user_agent", "")).lower()


def _expects_protocol(step: Step) -> bool:
    """Whether a program asked, and would not know what to do with a page."""
    return step.service in ASKED_BY_PROGRAMS and not _is_browser(step) and "/wssecurity" not in step.path


@rule(
    "http.redirect-to-login",
    Severity.ERROR,
    advice="Take forms and single sign-on off the paths that programs use (EWS, Autodiscover, MAPI, ActiveSync): let"
    " Exchange authenticate itself there.",
    source="pre-authentication of published Exchange services",
    services=tuple(sorted(ASKED_BY_PROGRAMS)),
    suppresses=("http.html-instead-of-xml",),
    spares_candidates=True,
)
def redirect_to_login(step: Step) -> Iterator[Hit]:
    """A program that asks a service of Exchange is sent to a login page for people, by a redirect or at once.

    Silent for Outlook on the web, for browsers, and for federated free/busy, which has a rule of its own.
    """
    if not _expects_protocol(step):
        return
    location = str(step.http.get("location", ""))
    if step.status in _REDIRECTS and location and is_login_page(location) and not _is_same_service(step, location):
        sent = step.answered(f"Location: {location}")
        yield Hit(f"{server_of(step)} sends {step.verb} {step.path} to a login page", (*step.evidence, sent))
    elif step.status == 200 and answers_html(step) and _asks_to_log_in(step):  # noqa: PLR2004
        page = step.answered(f"a page: {step.http.get('page_text', 'with a field for a password')}")
        yield Hit(f"{server_of(step)} answers {step.verb} {step.path} with a login page", (*step.evidence, page))


def _asks_to_log_in(step: Step) -> bool:
    """Whether the page has a field for a password, or speaks of a login."""
    return "asks_password" in step.http or _LOGIN_TEXT.search(str(step.http.get("page_text", ""))) is not None


def _is_same_service(step: Step, location: str) -> bool:
    return "/autodiscover/" in location.lower() and step.service in _AUTODISCOVER


@rule(
    "http.html-instead-of-xml",
    Severity.ERROR,
    advice="Look who answers there: a device in front, or a web server that has the name; let the path go to Exchange.",
    source="MS-OXDSCLI; MS-OXWSCDATA; MS-ASHTTP",
    protocols=("http",),
    spares_candidates=True,
)
def html_instead_of_xml(step: Step) -> Iterator[Hit]:
    """A program gets a page for people with status 200, in place of XML, WBXML or MAPI.

    Silent for failures that MAPI names in X-ResponseCode, whose text is HTML by design, and for web servers at
    candidates of Autodiscover, which have a rule of their own.
    """
    if step.status != 200 or not answers_html(step) or not _expects_protocol(step):  # noqa: PLR2004
        return
    is_stranger = step.service in _AUTODISCOVER and is_web_server(step)
    is_mapi = "response_code" in step.about("mapi") or step.service == "outlook-anywhere"
    if step.verb == "POST" and not is_stranger and not is_mapi:
        page = step.answered(f"Content-Type: {step.http.get('content_type')}: {step.http.get('page_text', '')}")
        summary = f"{server_of(step)} answers {step.verb} {step.path} with a page, not as the protocol wants"
        yield Hit(summary, (*step.evidence, page))


def _chains(scene: Scene) -> Iterator[list[Step]]:
    """Redirects that one client follows, each request answered by the next redirect."""
    waiting: dict[str, list[Step]] = {}
    for step in scene.steps:
        if step.protocol != "http" or step.status is None:
            continue
        client = step.trace.client.address
        chain = waiting.get(client)
        is_next = chain is not None and _follows(chain[-1], step)
        if step.status in _REDIRECTS and step.http.get("location"):
            if is_next and chain is not None:
                chain.append(step)
            else:
                if chain is not None:
                    yield chain
                waiting[client] = [step]
        elif is_next and chain is not None:
            yield chain
            del waiting[client]
    yield from waiting.values()


def _follows(earlier: Step, step: Step) -> bool:
    if step.time_ns - earlier.time_ns > PROMPT_NS:
        return False
    location = str(earlier.http.get("location", "")).lower()
    path = re.sub(r"^https?://[^/]+", "", location).partition("?")[0] or "/"
    host = re.match(r"https?://([^/:]+)", location)
    asked = (step.host or "").rpartition(":")[0] or (step.host or "")
    return path == step.path and (host is None or host[1] == asked.lower())


def _is_loop(chain: list[Step], urls: list[str]) -> bool:
    """Whether redirects lead nowhere: a URL comes back unchanged, or there are too many.

    That a URL redirects to itself once, to see whether the client keeps cookies, is no loop.
    """
    targets = {url.partition("?")[0]: set[str]() for url in urls}
    for url in urls:
        targets[url.partition("?")[0]].add(url)
    if any(len(seen) > 1 for seen in targets.values()) and _is_sign_in(chain):
        return len(chain) >= TOO_MANY_REDIRECTS
    is_back = any(urls.count(url) > (2 if later == url else 1) for url, later in pairwise(urls))
    return is_back or (len(chain) >= MANY_REDIRECTS and not _is_sign_in(chain))


def _is_sign_in(chain: list[Step]) -> bool:
    return any(is_login_page(step.target) or is_login_page(str(step.http.get("location"))) for step in chain)


@rule(
    "http.redirect-loop",
    Severity.ERROR,
    advice="Look at the rules that redirect (HTTP to HTTPS, host to host, sign-in): one sends back what another sends"
    " away.",
    source="RFC 9110 section 15.4",
    suppresses=("http.redirect-to-login",),
    spares_candidates=True,
)
def redirect_loop(scene: Scene) -> Iterator[Hit]:
    """A client is redirected in a circle, or five times and more in a row.

    Silent for the redirects of a sign-in, whose parameters change, up to ten of them.
    """
    for chain in _chains(scene):
        urls = [f"{'http' if step.is_clear else 'https'}://{step.host}{step.target}" for step in chain]
        if _is_loop(chain, urls):
            shown = " -> ".join(url.partition("?")[0] for url in urls[:4])
            yield Hit(
                f"{chain[0].trace.client.address} is redirected in a circle: {shown}",
                tuple(
                    step.answered(f"{step.status} to {step.http.get('location')}") for step in chain[:MANY_REDIRECTS]
                ),
                client=chain[0].trace.client.address,
                server=chain[0].trace.server.address,
                place=chain[0].path,
            )
    for step in scene.steps:
        if "repeating redirects detected" in str(step.http.get("error_text", "")).lower():
            yield Hit(
                f"{server_of(step)} says that it redirects in a circle",
                (*step.evidence, step.answered("Repeating redirects detected")),
                client=step.trace.client.address,
                server=step.trace.server.address,
                place=step.path,
            )


def _waits_on_purpose(step: Step) -> bool:
    """Requests that are answered when something happens: notifications, and channels that stay open."""
    if step.verb in ("CONNECT", "RPC_IN_DATA", "RPC_OUT_DATA", "RPC_ECHO_DATA") or step.status == 101:  # noqa: PLR2004
        return True
    if step.service == "activesync":
        return str(step.about("activesync").get("command")) in ("Ping", "Sync", "None")
    if step.service == "mapi-http":
        return step.about("mapi").get("request_type") in ("NotificationWait", None)
    if step.service == "wsman":
        return step.about("wsman").get("action") in ("Receive", None)  # None: its body is sealed
    if step.service == "ews":
        return step.about("ews").get("operation") in ("GetStreamingEvents", "GetEvents")
    is_channel = any(each in step.target.lower() for each in ("pendingrequest", "notification", "signalr", "ev.owa"))
    return step.service in ("owa", "ecp") and is_channel


@rule(
    "http.slow-response",
    Severity.WARNING,
    advice="Look at the load of the server that answered, and at its back end, at that time.",
    source="think time between request and answer",
    protocols=("http",),
)
def slow_response(step: Step) -> Iterator[Hit]:
    """The server took more than ten seconds to begin its answer (an error from a minute on).

    Silent for what waits on purpose: notifications, Ping and Sync of ActiveSync, Receive of PowerShell, channels of RPC
    and Outlook on the web.
    """
    think_ns = step.think_ns
    if think_ns is None or think_ns < SLOW_NS or step.trace.has_gaps or _waits_on_purpose(step):
        return
    if step.status in (502, 504):
        return
    operation = step.about("ews").get("operation") or step.path
    back_end = step.http.get("x_calculatedbetarget") or step.http.get("x_feserver") or server_of(step)
    yield Hit(
        f"{operation} took {think_ns / 1e9:.0f} s on {back_end}",
        step.evidence,
        severity=Severity.ERROR if think_ns >= VERY_SLOW_NS else None,
    )


@rule(
    "proxy.x-forwarded-for-missing",
    Severity.INFO,
    advice="Let the balancer add X-Forwarded-For, so that the logs of the servers name the clients.",
    source="RFC 7239; X-Forwarded-For",
    confidence=Confidence.LIKELY,
)
def forwarded_for_missing(scene: Scene) -> Iterator[Hit]:
    """A balancer passes requests on without saying for whom: the servers' logs show its address alone.

    Where the capture shows both legs: a host that serves clients, and asks the same services of a server behind. A hint
    where several users come from the only address that asks a server without TLS.
    """
    legs: dict[tuple[str, str], list[Step]] = defaultdict(list)
    for service in ASKED_BY_PROGRAMS | {"owa", "ecp"}:
        for step in scene.steps_by_service.get(service, ()):
            if step.is_clear or step.trace.client.address in scene.by_server:
                legs[step.trace.pair].append(step)
    for (balancer, server), steps in legs.items():
        if any("x_forwarded_for" in step.http for step in steps):
            continue
        is_seen = balancer in scene.by_server and _serves_others(scene, balancer, server)
        if is_seen or _gathers_users(scene, server, steps):
            yield Hit(
                f"{balancer} passes requests on to {server} without X-Forwarded-For",
                tuple(each for step in steps[:2] for each in step.evidence),
                confidence=None if is_seen else Confidence.HINT,
                client=balancer,
                server=server,
                place="",
            )


def _gathers_users(scene: Scene, server: str, steps: list[Step]) -> bool:
    """Whether the requests of several users come in clear from the only client that a server has."""
    asked = [step.http for step in steps if step.is_clear and not is_probe(step)]
    users = {str(http["user"]) for http in asked if "user" in http}
    programs = {str(http["user_agent"]) for http in asked if "user_agent" in http and "user" not in http}
    return (
        max(len(users), len(programs)) >= SEVERAL_USERS
        and len({trace.client.address for trace in scene.by_server[server]}) == 1
    )


def _serves_others(scene: Scene, balancer: str, server: str) -> bool:
    """Whether clients ask services of the host that is the client of the inner leg, through HTTP or TLS."""
    return any(
        trace.client.address not in (balancer, server)
        and (trace.tls is not None or any(step.service for step in trace.steps))
        for trace in scene.by_server[balancer]
    )
