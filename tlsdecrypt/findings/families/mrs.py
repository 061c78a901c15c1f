"""Mailbox moves through the proxy of the Mailbox Replication Service."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from tlsdecrypt.findings.exchange_answers import has_reached_iis, inner_legs, succeeds_later, without_probes
from tlsdecrypt.findings.finding import Confidence, Severity
from tlsdecrypt.findings.logins import Entries, is_refused
from tlsdecrypt.findings.rule import Hit, rule
from tlsdecrypt.flow import Direction

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tlsdecrypt.findings.finding import Evidence
    from tlsdecrypt.findings.scene import Scene, Step, Trace

CUTS = 3  # connections that must break before it is more than an accident

_SERVICE = "mrsproxy"
_PATH = "/ews/mrsproxy.svc"
_NOT_FOUND, _UNAUTHORIZED, _METHOD_NOT_ALLOWED = 404, 401, 405
_LIKELY_OFFLOAD = frozenset({403, 500})
_OFFLOAD_ADVICE = (
    "Publish /EWS/mrsproxy.svc with a rule of its own, before the general one, that encrypts again (SSL bridging) to "
    "port 443: the MRS proxy does not support SSL offloading."
)
_OTHER_ADVICE = (
    "In this order: enable the MRS proxy (Set-WebServicesVirtualDirectory -MRSProxyEnabled $true), publish the path "
    "/EWS/mrsproxy.svc, and let the device in front reach the server with TLS on 443."
)


@rule(
    "mrs.404-ssl-offload",
    Severity.ERROR,
    confidence=Confidence.LIKELY,
    advice=_OFFLOAD_ADVICE,
    source="Microsoft: Configuring SSL offloading in Exchange (MRSProxy is not supported)",
    suppresses=("http.not-found-vdir", "http.forbidden-403"),
)
def ssl_offload(scene: Scene) -> Iterator[Hit]:
    """The MRS proxy answers 404 because it is asked without TLS: it does not support SSL offloading.

    Certain for 404 on a connection in the clear, likely for 403 and 500 there. Inside TLS, 404 is likely where a device
    stands in front (Via, a server that is not IIS or says nothing of itself, an inner leg to port 80); else a warning
    that lists all causes. Only POSTs with SOAP count; others are notes. Silent for 405, for X-CasErrorCode, and where
    the path works later.
    """
    steps = [each for each in without_probes(scene.steps_by_service.get(_SERVICE, ())) if each.path == _PATH]
    refused = [each for each in steps if _may_be_offload(each) and not succeeds_later(scene, each)]
    outer = [each for each in refused if not each.is_clear]
    told: set[int] = set()
    for step in (each for each in refused if each.is_clear):
        behind = [each for each in outer if _passes_on(each, step)]
        told.update(id(each) for each in behind)
        yield _clear_hit(step, behind)
    for step in outer:
        if id(step) not in told:
            yield _covered_hit(scene, step)


def _may_be_offload(step: Step) -> bool:
    statuses = {_NOT_FOUND} | (_LIKELY_OFFLOAD if step.is_clear else frozenset())
    is_soap = step.http.get("content_type", "").lower().startswith("application/soap+")
    is_answer_of_mrs = is_soap or step.about("soap").get("response") == "Fault"
    return step.status in statuses and "x_caserrorcode" not in step.http and not is_answer_of_mrs


def _passes_on(outer: Step, inner: Step) -> bool:
    """Whether a device passes `outer` on as `inner`: from the address that was asked, or from another of its own."""
    is_meanwhile = outer.span.first_time_ns <= inner.time_ns <= outer.span.last_time_ns
    return is_meanwhile or outer.trace.server.address == inner.trace.client.address


def _is_soap(step: Step) -> bool:
    kind = step.http.get("request_content_type", "").lower()
    return step.verb == "POST" and any(word in kind for word in ("soap", "xml", "multipart/related"))


def _clear_hit(step: Step, outer: list[Step]) -> Hit:
    evidence = tuple(piece for each in (*outer[:1], step) for piece in (_line(each), _answer(each)))
    is_sure = step.status == _NOT_FOUND
    return _hit(
        step,
        f"The MRS proxy on {step.trace.server} answered {step.status}, asked without TLS by "
        f"{step.trace.client.address}. It does not support SSL offloading; it must be reached on 443 inside TLS.",
        evidence,
        confidence=Confidence.CERTAIN if is_sure else Confidence.LIKELY,
        connections=tuple(each.trace.id for each in outer),
    )


def _covered_hit(scene: Scene, step: Step) -> Hit:
    evidence = (_line(step), _answer(step))
    server = step.trace.server.address
    if _has_device_in_front(scene, step):
        summary = (
            f"The MRS proxy behind {server} answered 404. It does not support SSL offloading: the device in front "
        )
        return _hit(step, f"{summary}must reach the server with TLS on 443.", evidence)
    works = any(each.status in (200, 401) for each in _other_ews(scene, step))
    summary = (
        f"{server} answered 404 for {step.target}: the MRS proxy is disabled, the path is not published, or TLS ends "
    )
    confidence = None if works else Confidence.HINT
    summary += "in front of it (it does not support SSL offloading)."
    return _hit(step, summary, evidence, Severity.WARNING, confidence, advice=_OTHER_ADVICE)


def _has_device_in_front(scene: Scene, step: Step) -> bool:
    """Whether something between answered, or passes requests on in the clear."""
    http = step.http
    is_other_server = not http["server"].startswith("Microsoft") if "server" in http else not has_reached_iis(step)
    clear_legs = (each for each in inner_legs(scene, step.trace) if each.tls is None and each.steps)
    return "via" in http or is_other_server or any(clear_legs)


def _other_ews(scene: Scene, step: Step) -> Iterator[Step]:
    for other in scene.steps_by_service.get("ews", ()):
        if other.trace.server.address == step.trace.server.address:
            yield other


def _line(step: Step) -> Evidence:
    how = "in the clear" if step.is_clear else "inside TLS"
    return step.asked(f"{step.verb} {step.target} to {step.trace.server} {how}")


def _answer(step: Step) -> Evidence:
    sender = "".join(f", {name}: {step.http[name]}" for name in ("server", "via") if name in step.http)
    return step.answered(f"{step.status}{sender}")


def _hit(
    step: Step,
    summary: str,
    evidence: tuple[Evidence, ...],
    severity: Severity | None = None,
    confidence: Confidence | None = None,
    **more: object,
) -> Hit:
    """Requests that no MRS makes (a browser, a scanner) are notes."""
    client, server = step.trace.pair
    severity = severity if _is_soap(step) else Severity.INFO
    return Hit(
        summary,
        evidence,
        severity=severity,
        confidence=confidence,
        client=client,
        server=server,
        place=step.path,
        **more,  # type: ignore[arg-type]  # advice, connections
    )


@rule(
    "mrs.401-final",
    Severity.ERROR,
    advice="Check the migration account and its password, and the authentication of the EWS virtual directory (MRS "
    "needs Negotiate or NTLM); no device in front may authenticate.",
    source="Microsoft: Hybrid deployment prerequisites",
    causes=("http.auth-loop", "http.auth-scheme-not-offered", "mrs.basic-only-offered"),
)
def unauthorized_finally(scene: Scene) -> Iterator[Hit]:
    """The MRS proxy refuses a complete login.

    First legs of NTLM and Negotiate are none; silent where it works later.
    """
    entries = scene.derived(Entries)
    for step in without_probes(scene.steps_by_service.get(_SERVICE, ())):
        if step.verb == "POST" and is_refused(step) and entries.after(step) is None:
            scheme, offers = step.http.get("auth", "a login"), step.http.get("challenges", ())
            client, server = step.trace.pair
            yield Hit(
                f"The MRS proxy on {server} refuses {step.http.get('user', 'the account')} with {scheme}; it offers "
                f"{', '.join(dict.fromkeys(offers)) or 'nothing'}.",
                step.evidence,
                client=client,
                server=server,
                place=step.path,
            )


@rule(
    "mrs.basic-only-offered",
    Severity.ERROR,
    confidence=Confidence.LIKELY,
    advice="Enable Windows authentication on the EWS virtual directory, or stop the pre-authentication of the device "
    "in front: MRS logs in with Negotiate or NTLM.",
    source="Microsoft: Hybrid deployment prerequisites",
    causes=("http.auth-scheme-not-offered",),
)
def basic_only(scene: Scene) -> Iterator[Hit]:
    """Only Basic is offered for the MRS proxy. Silent where the client gets through with it."""
    for step in without_probes(scene.steps_by_service.get(_SERVICE, ())):
        offers = {each.lower() for each in step.http.get("challenges", ())}
        if step.verb == "POST" and step.status == _UNAUTHORIZED and offers == {"basic"}:
            if succeeds_later(scene, step):
                continue
            client, server = step.trace.pair
            said = step.answered("401, WWW-Authenticate: Basic")
            summary = f"{server} offers only Basic for the MRS proxy, which expects Negotiate or NTLM."
            yield Hit(summary, (*step.evidence[:1], said), client=client, server=server, place=step.path)


@rule(
    "mrs.connection-cut",
    Severity.WARNING,
    confidence=Confidence.LIKELY,
    advice="Look for flood protection, intrusion prevention or an idle timeout on the way, and exempt the migration.",
    source="Experience with mailbox moves through gateways",
    causes=("tcp.reset-mid-request", "http.body-too-large"),
)
def connection_cut(scene: Scene) -> Iterator[Hit]:
    """Connections of a mailbox move are cut while a request waits for its answer, three times or more."""
    cuts: dict[str, list[tuple[Trace, Step]]] = defaultdict(list)
    for step in scene.steps_by_service.get(_SERVICE, ()):
        is_last = step is step.trace.steps[-1]
        if is_last and step.verb == "POST" and step.status is None and _is_cut(scene, step.trace):
            cuts[step.trace.server.address].append((step.trace, step))
    for server, cases in cuts.items():
        if len(cases) < CUTS:
            continue
        clients = list(dict.fromkeys(trace.client.address for trace, _ in cases))
        who = clients[0] + (f" and {len(clients) - 1} others" if len(clients) > 1 else "")
        yield Hit(
            f"{len(cases)} connections of {who} to the MRS proxy on {server} were cut during a request.",
            tuple(piece for trace, step in cases[:3] for piece in (_line(step), _end(trace))),
            client=clients[0],
            server=server,
            place=_PATH,
            connections=tuple(trace.id for trace, _ in cases),
        )


def _is_cut(scene: Scene, trace: Trace) -> bool:
    """By a reset that is not the client's own, or by lasting silence."""
    reset = trace.tcp.reset if trace.tcp is not None else None
    if reset is not None:
        return reset.sender is Direction.SERVER_TO_CLIENT
    return trace.streams[Direction.CLIENT_TO_SERVER].end not in ("fin", "rst") and scene.has_silence(trace)


def _end(trace: Trace) -> Evidence:
    reset = trace.tcp.reset if trace.tcp is not None else None
    return trace.saw(reset.frame, "RST") if reset is not None else trace.saw(trace.span.last_frame, "then silence")


@rule(
    "mrs.too-busy",
    Severity.WARNING,
    advice="Move fewer mailboxes at once, or raise MaxMRSConnections in MSExchangeMailboxReplication.exe.config.",
    source="Microsoft: Hybrid performance best practices",
    services=(_SERVICE,),
)
def too_busy(step: Step) -> Iterator[Hit]:
    """The MRS proxy has as many connections as it may have."""
    facts = step.about("mrs")
    if facts.get("is_too_busy"):
        said = step.answered(f"{facts.get('fault_code', 'Fault')}: {facts.get('fault_reason', '')}")
        yield Hit(f"The MRS proxy on {step.trace.server.address} has too many connections.", (_line(step), said))
