"""DNS that does not answer, or says that there is no such name (RFC 1035, RFC 2308, RFC 2782)."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from tlsdecrypt.findings.addresses import is_internal, is_microsoft, is_private_name
from tlsdecrypt.findings.finding import Confidence, Evidence, Severity
from tlsdecrypt.findings.lookups import Lookups, is_answered
from tlsdecrypt.findings.reachability import autodiscover_answers, dns_of, is_one_sided
from tlsdecrypt.findings.rule import Hit, rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tlsdecrypt.findings.lookups import Lookup
    from tlsdecrypt.findings.scene import Scene
    from tlsdecrypt.net.surroundings import DnsMessage

TRIES = 2  # queries without an answer before that means something

_PREFIX, _SERVICE = "autodiscover.", "_autodiscover._tcp."
_HTTPS = 443
_MICROSOFT = "Microsoft"
_FAILURES = {"SERVFAIL": "fails", "REFUSED": "refuses to answer"}


@rule(
    "dns.nxdomain-autodiscover",
    Severity.ERROR,
    advice="Enter the name in the zone that this resolver serves: a CNAME or an address for autodiscover, or an SRV"
    " record _autodiscover._tcp.",
    source="Microsoft: Resolve free/busy errors; Outlook Autodiscover order; seed post of 14 December 2011",
    causes=("fed.getfederationinformation-failed",),
)
def nxdomain_autodiscover(scene: Scene) -> Iterator[Hit]:
    """There is no name for Autodiscover: NXDOMAIN, and no other of its places works for that client.

    Silent where anybody is given an address for the name, where the SRV record exists, where the domain itself has an
    address that nobody in the capture tried, where Autodiscover gives the client an answer elsewhere, and for names
    that only a search list made. A warning where the client goes on to a place that stays encrypted (the root of the
    domain, or Microsoft 365): that one may work.
    """
    lookups = scene.derived(Lookups)
    for lookup in lookups.by_clients():
        name, domain = lookup.name, lookup.name.removeprefix(_PREFIX)
        answer = next((each for each in lookup.answers if each.rcode == "NXDOMAIN"), None)
        if answer is None or not name.startswith(_PREFIX) or "." not in domain:
            continue
        if lookups.has_found(name) or lookups.has_found(_SERVICE + domain) or lookups.is_search_suffix(name):
            continue
        if lookup.client in scene.derived(autodiscover_answers) or _may_be_at_root(scene, lookups, domain):
            continue
        is_open = _goes_on_elsewhere(scene, lookup.client, domain)
        summary = f"DNS has no {name} (resolver {answer.server.address}), and no other place of Autodiscover works"
        yield Hit(
            summary,
            (_told(answer),),
            severity=Severity.WARNING if is_open else None,
            confidence=Confidence.HINT if is_open else None,
            client=lookup.client,
            server=answer.server.address,
            place=name,
        )


def _may_be_at_root(scene: Scene, lookups: Lookups, domain: str) -> bool:
    """The domain itself has an address, and the capture does not show what is there."""
    found = lookups.addresses(domain)
    return bool(found) and not any(scene.by_server[address] for address in found)


def _goes_on_elsewhere(scene: Scene, client: str, domain: str) -> bool:
    """Whether the client opened TLS to the domain's root or to Microsoft, and nobody can say what it got."""
    return not {domain, _MICROSOFT}.isdisjoint(scene.derived(_closed_names).get(client, ()))


def _closed_names(scene: Scene) -> dict[str, set[str]]:
    """By client, the servers that said something inside TLS that stays closed; Microsoft's under one name."""
    found: dict[str, set[str]] = defaultdict(set)
    for trace in scene.traces:
        if trace.tls is not None and not trace.is_opened and trace.tls.application_records_undecrypted > 0:
            name = trace.server_name or ""
            found[trace.client.address].add(_MICROSOFT if is_microsoft(name) else name)
    return found


@rule(
    "dns.servfail",
    Severity.ERROR,
    advice="Look at the resolver: its forwarders, its way to the internet, the delegation of the zone, and whether this"
    " client may ask it.",
    source="RFC 1035 section 4.1.1; RFC 2136 section 2.2",
    causes=("fed.getfederationinformation-failed", "fed.mfg-unreachable"),
)
def servfail(scene: Scene) -> Iterator[Hit]:
    """A resolver fails, refuses, or does not answer at all, and no other gives the client an answer for that name.

    No answer: two tries or more, and the capture goes on for 3 s. Silent for reverse lookups, and where one of several
    tries, resolvers or types of record is answered. No answer means nothing in a capture of one direction.
    """
    lookups = scene.derived(Lookups)
    heard = {each.server.address for each in dns_of(scene) if each.is_response}
    is_whole = not any(map(is_one_sided, scene.traces))
    for lookup in lookups.by_clients():
        same = [other for other in lookups.of(lookup.name) if other.client == lookup.client]
        is_served = any(other.is_found or (other.type == lookup.type and other.is_settled) for other in same)
        if lookup.name.endswith(".arpa") or is_served:
            continue
        failed = next((each for each in lookup.answers if each.rcode in _FAILURES), None)
        if failed is not None:
            summary = f"The resolver {failed.server.address} {_FAILURES[failed.rcode]} ({failed.rcode}): {lookup.name}"
            yield _about(lookup, failed, Hit(summary, (_told(failed),)))
        elif not lookup.answers and (is_whole or any(each.server.address in heard for each in lookup.queries)):
            yield from _silence(scene, lookup)


def _silence(scene: Scene, lookup: Lookup) -> Iterator[Hit]:
    queries = [each for each in lookup.queries if not is_answered(each, lookup.answers)]
    if len(queries) < TRIES or not scene.goes_on_after(queries[-1].time_ns):
        return
    first = queries[0]
    summary = f"The resolver {first.server.address} does not answer {lookup.client}: {lookup.name}"
    tries = tuple(Evidence(each.frame, None, f"asks for {each.questions[0].name}") for each in queries[:3])
    yield _about(lookup, first, Hit(summary, tries, confidence=Confidence.LIKELY))


def _about(lookup: Lookup, message: DnsMessage, hit: Hit) -> Hit:
    return Hit(
        hit.summary,
        hit.evidence,
        confidence=hit.confidence,
        client=lookup.client,
        server=message.server.address,
        place=lookup.name,
    )


@rule(
    "dns.srv-target-mismatch",
    Severity.WARNING,
    advice="Let the SRV record name a host that has an address, and port 443.",
    source="RFC 2782; Microsoft: Outlook Autodiscover order",
)
def srv_target_mismatch(scene: Scene) -> Iterator[Hit]:
    """The SRV record of Autodiscover names a host without an address, or another port than 443.

    Silent for the target ".", which says that there is no such service.
    """
    lookups = scene.derived(Lookups)
    for lookup in lookups.by_clients():
        if lookup.type != "SRV" or not lookup.name.startswith(_SERVICE):
            continue
        for answer in lookup.answers:
            for record in answer.answers:
                fault = _fault_of(record.data, lookups) if record.type == "SRV" else None
                if fault is not None:
                    summary = f"The SRV record {lookup.name} leads nowhere: {fault}"
                    seen = Evidence(answer.frame, None, f"{record.name} SRV {record.data}")
                    yield Hit(summary, (seen,), client="", server=answer.server.address, place=lookup.name)


def _fault_of(data: str, lookups: Lookups) -> str | None:
    parts = data.split()
    if len(parts) != 4 or not parts[2].isdigit():  # noqa: PLR2004 - priority, weight, port, target; the last is not "."
        return None
    port, target = int(parts[2]), parts[3]
    asked = [lookup for lookup in lookups.of(target) if lookup.type in ("A", "AAAA")]
    if asked and not lookups.addresses(target) and all(lookup.is_settled for lookup in asked):
        return f"its target {target} has no address"
    return f"it names port {port} of {target}, and clients use 443 only" if port != _HTTPS else None


@rule(
    "dns.nxdomain-private-tld",
    Severity.INFO,
    advice="Let clients ask a resolver that knows the internal name, or remove the name from their settings.",
    source="Seed post of 23 December 2011; RFC 6762 appendix G",
)
def nxdomain_private_tld(scene: Scene) -> Iterator[Hit]:
    """An internal name is asked for outside: NXDOMAIN from a public resolver for a name below .local or alike."""
    lookups = scene.derived(Lookups)
    for lookup in lookups.by_clients():
        if "." not in lookup.name or not is_private_name(lookup.name):
            continue
        for answer in lookup.answers:
            if answer.rcode == "NXDOMAIN" and not is_internal(answer.server.address):
                summary = f"The internal name {lookup.name} is asked for outside, at {answer.server.address}"
                yield Hit(
                    summary, (_told(answer),), client=lookup.client, server=answer.server.address, place=lookup.name
                )


def _told(answer: DnsMessage) -> Evidence:
    question = answer.questions[0]
    return Evidence(
        answer.frame, None, f"{answer.server.address} answers {answer.rcode} for {question.name} {question.type}"
    )
