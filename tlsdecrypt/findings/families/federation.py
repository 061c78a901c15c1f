"""Federation: an organization cannot find out about another, or does not reach the gateway."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from tlsdecrypt.findings.addresses import is_internal
from tlsdecrypt.findings.autodiscover_answers import FEDERATION, error_of
from tlsdecrypt.findings.exchange_answers import answers_html, without_probes
from tlsdecrypt.findings.exchange_hosts import Way, dns_by_client, is_client_host, is_exchange_host
from tlsdecrypt.findings.finding import Confidence, Severity
from tlsdecrypt.findings.rule import Hit, rule
from tlsdecrypt.findings.tls_story import has_said_something

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tlsdecrypt.findings.finding import Evidence
    from tlsdecrypt.findings.scene import Scene, Step
    from tlsdecrypt.net.surroundings import DnsMessage

MAX_NAMES = 200  # looked-up names of Autodiscover that are followed

_ADVICE = (
    "Let the name autodiscover.DOMAIN resolve on this server to an address that it reaches (internal zone or hosts "
    "file), with a certificate that names it, and publish autodiscover.svc without a login. SCP records play no "
    "part here."
)
_GATEWAY = ("login.microsoftonline.com", "nexus.microsoftonline-p.com", "domains.live.com")
_ONLY_FEDERATION = _GATEWAY[1:]
_PREFIX = "autodiscover."
_OK, _UNAUTHORIZED, _FORBIDDEN, _NOT_FOUND, _NOT_ALLOWED, _UNAVAILABLE = 200, 401, 403, 404, 405, 503
_REASONS = {
    _UNAUTHORIZED: "a login is demanded (pre-authentication)",
    _FORBIDDEN: "it is forbidden",
    _NOT_FOUND: "autodiscover.svc is not there: not published, or its handler mapping is missing",
    _NOT_ALLOWED: "the handler mapping of autodiscover.svc is missing",
    _UNAVAILABLE: "nobody serves it: an application pool or service is stopped",
}


@rule(
    "fed.getfederationinformation-failed",
    Severity.ERROR,
    confidence=Confidence.CERTAIN,
    advice=_ADVICE,
    source="GetFederationInformation operation (SOAP); Microsoft KB 2773628; Get-FederationInformation",
    suppresses=(
        "autodiscover.soap-error",
        "autodiscover.server-error",
        "freebusy.not-federated",
        "http.not-found-vdir",
    ),
    causes=("autodiscover.third-party-webserver", "autodiscover.redirect-url-not-https"),
)
def get_federation_information_failed(scene: Scene) -> Iterator[Hit]:
    """An organization gets no federation information of a domain; the first layer that fails is named as the cause.

    In this order: DNS, TCP, TLS, HTTP, the SOAP answer. Several candidates are tried, so nothing is said where one of
    them works. Certain where the request itself was read; a hint where only an Exchange server looks for
    autodiscover.DOMAIN in vain. Lookups of clients are left out.
    """
    asks: dict[tuple[str, str], list[Step]] = defaultdict(list)
    for step in without_probes(scene.steps_by_service.get("autodiscover-soap", ())):
        facts = step.about("autodiscover")
        if facts.get("operation") == FEDERATION:
            asks[step.trace.client.address, str(facts.get("domain", "")).lower()].append(step)
    for (client, domain), steps in asks.items():
        if not any(_has_worked(each) for each in steps):
            hit = _failed_request(scene, client, domain, steps)
            if hit is not None:
                yield hit
    yield from _lookups_in_vain(scene, set(asks))


def _has_worked(step: Step) -> bool:
    return step.status == _OK and error_of(step) is None and step.about("autodiscover").get("error_code") == "NoError"


def _failed_request(scene: Scene, client: str, domain: str, steps: list[Step]) -> Hit | None:
    last = steps[-1]
    said = next((each for each in reversed(steps) if error_of(each) is not None), None)
    evidence: tuple[Evidence, ...]
    if said is not None:
        facts = said.about("autodiscover")
        why = f"it answers {error_of(said)}: {facts.get('message', '')}".rstrip(": ")
        evidence = (said.asked(f"GetFederationInformation, Domain {domain}"), said.answered(why))
        return _hit(client, domain, said.trace.server.address, why, evidence)
    name = _PREFIX + domain
    below = _failure_below(Way(scene, client, name, dns_by_client(scene)[client])) if domain else None
    if below is not None:
        why, seen, server = below
        return _hit(client, domain, server, why, (*seen, last.asked(f"GetFederationInformation, Domain {domain}")))
    if last.status is None:
        if not scene.has_silence(last.trace):
            return None
        return _hit(client, domain, last.trace.server.address, "no answer comes", last.evidence)
    why = _REASONS.get(last.status) or ("a page comes instead of an answer" if answers_html(last) else "it is refused")
    sender = last.http.get("server", "no Server field")
    evidence = (last.asked(f"{last.verb} {last.target}"), last.answered(f"HTTP {last.status}, {sender}"))
    return _hit(client, domain, last.trace.server.address, f"HTTP {last.status}: {why}", evidence)


def _failure_below(way: Way) -> tuple[str, tuple[Evidence, ...], str] | None:
    """Why the name was not reached at all: cause, evidence, address of the server."""
    dns = way.dns_failure()
    if dns is not None:
        return f"{way.name} does not resolve here ({dns[0]}; split DNS?)", (dns[1],), dns[2]
    tcp = way.tcp_failure()
    if tcp is not None:
        trace, said = tcp
        server, client = trace.server.address, trace.client.address
        hairpin = " - inside, the name must give the internal address" if _is_hairpin(client, server) else ""
        return f"{way.name} is {server}, which does not take the connection{hairpin}", (said,), server
    tls = way.tls_failure()
    if tls is not None:
        trace, said = tls
        return f"the certificate of {way.name} is not accepted", (said,), trace.server.address
    return None


def _is_hairpin(client: str, server: str) -> bool:
    return is_internal(client) and not is_internal(server)


def _hit(
    client: str,
    domain: str,
    server: str,
    why: str,
    evidence: tuple[Evidence, ...],
    confidence: Confidence | None = None,
) -> Hit:
    return Hit(
        f"{client} gets no federation information of {domain or 'the other domain'}: {why}.",
        evidence,
        confidence=confidence,
        client=client,
        server=server,
        place=domain,
    )


def _lookups_in_vain(scene: Scene, asked: set[tuple[str, str]]) -> Iterator[Hit]:
    """Autodiscover names that an Exchange server looks for, and does not reach."""
    messages = dns_by_client(scene)
    wanted = _names_wanted(messages, lambda name: name.startswith(_PREFIX))
    asked_in_tls = ((trace.client.address, trace.server_name) for trace in scene.traces if trace.server_name)
    wanted |= {(client, name) for client, name in asked_in_tls if name.startswith(_PREFIX)}
    open_ones = [(client, name) for client, name in sorted(wanted) if (client, name.removeprefix(_PREFIX)) not in asked]
    servers = {client for client in {client for client, _ in open_ones} if is_exchange_host(scene, client)}
    for client, name in [each for each in open_ones if each[0] in servers][:MAX_NAMES]:
        domain = name.removeprefix(_PREFIX)
        below = _failure_below(Way(scene, client, name, messages[client]))
        if below is not None and not _gets_on_elsewhere(scene, client, domain):
            why, evidence, server = below
            yield _hit(client, domain, server, why, evidence, Confidence.HINT)


def _names_wanted(messages: dict[str, list[DnsMessage]], is_meant: Callable[[str], bool]) -> set[tuple[str, str]]:
    """Clients, and the names of a kind that they look up."""
    return {
        (client, question.name)
        for client, own in messages.items()
        for message in own
        for question in message.questions
        if is_meant(question.name)
    }


def _gets_on_elsewhere(scene: Scene, client: str, domain: str) -> bool:
    """Whether the same host reaches the domain itself with something that is encrypted or answers."""
    own = (trace for trace in scene.by_client.get(client, ()) if trace.steps or has_said_something(trace))
    return any(domain in trace.names for trace in own)


@rule(
    "fed.mfg-unreachable",
    Severity.ERROR,
    confidence=Confidence.LIKELY,
    advice="Let the Exchange servers reach the federation gateway: firewall, name resolution, or a proxy "
    "(Set-ExchangeServer -InternetWebProxy).",
    source="Microsoft: Resolve free/busy errors in hybrid",
)
def gateway_unreachable(scene: Scene) -> Iterator[Hit]:
    """A host does not reach Microsoft's federation gateway: its name does not resolve, or nothing takes the connection.

    An error where the host is an Exchange server, or asks for names that only federation needs and does nothing that
    clients do; else a note and a hint, for clients log in there too.
    """
    messages = dns_by_client(scene)
    wanted = _names_wanted(messages, lambda name: name in _GATEWAY)
    for client, name in sorted(wanted)[:MAX_NAMES]:
        way = Way(scene, client, name, messages[client])
        below = way.dns_failure()
        failed = None if below is not None else way.tcp_failure()
        if below is not None:
            why, evidence, server = f"its name does not resolve ({below[0]})", below[1], below[2]
        elif failed is not None:
            why, evidence = f"{failed[0].server} does not take the connection", failed[1]
            server = failed[0].server.address
        else:
            continue
        is_server = is_exchange_host(scene, client) or (name in _ONLY_FEDERATION and not is_client_host(scene, client))
        yield Hit(
            f"{client} does not reach the federation gateway ({name}): {why}.",
            (evidence,),
            severity=None if is_server else Severity.INFO,
            confidence=None if is_server else Confidence.HINT,
            client=client,
            server=server,
            place=name,
        )
