"""DNS answers that lead clients astray: dead addresses, inside and outside mixed, the cloud too early, wildcards."""

from __future__ import annotations

import re
from collections import defaultdict
from itertools import permutations, product
from typing import TYPE_CHECKING

from tlsdecrypt.findings.addresses import domain_of, is_internal, is_microsoft, subnet
from tlsdecrypt.findings.clusters import cluster_addresses
from tlsdecrypt.findings.finding import Confidence, Evidence, Severity
from tlsdecrypt.findings.lookups import Lookups
from tlsdecrypt.findings.reachability import (
    ADDRESS_TYPES,
    TRIES,
    addresses_in,
    dns_of,
    has_accepted,
    is_refused,
    is_unanswered,
)
from tlsdecrypt.findings.rule import Hit, rule

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tlsdecrypt.findings.scene import Scene, Step, Trace
    from tlsdecrypt.net.surroundings import DnsMessage, DnsRecord

SOON_NS = 600_000_000_000
TRIED_MAX, PORTS_MAX = 8, 1_000  # addresses of one name, and ports on them, that are compared
PORTS_TOLD = 8
COMPARED_MAX = 100  # connections, or answers, that are compared with as many others

_PREFIX = "autodiscover."
_CLOUD = re.compile(r"(?:^|\.)autodiscover(?:-s|-dod)?\.(?:outlook\.com|office365\.us|partner\.outlook\.cn)$")
_WEB_SERVER = re.compile(
    r"apache|nginx|litespeed|lighttpd|caddy|cloudflare|openresty|squarespace|pepyaka", re.IGNORECASE
)
_MAILBOX_SERVICES = (
    "ews",
    "mapi-http",
    "outlook-anywhere",
    "activesync",
    "autodiscover-pox",
    "autodiscover-soap",
    "owa",
)
_ORDINARY = ("www",)
_PROHIBITED = "prohibited"
_OK = 200


@rule(
    "dns.multi-a-dead-address",
    Severity.ERROR,
    confidence=Confidence.LIKELY,
    advice="Delete the record of the address that does not answer, and stop the host from registering it (the network"
    " card's dynamic registration, PublishAddresses of the DNS service).",
    source="Seed post of 13 December 2011",
    suppresses=("tcp.connect-timeout", "tcp.connect-refused"),
)
def multi_a_dead_address(scene: Scene) -> Iterator[Hit]:
    """A name has several addresses, and on one of them the port that the others serve is closed.

    Within ten minutes clients of one network (/24, of IPv6 /64) connect to one address, and are refused by another or
    get no answer to three SYNs. Silent where all are dead, where only one was tried, where the client itself broke
    off, and where a firewall forbids the address as a whole.
    """
    by_address: dict[tuple[str, int], list[Trace]] = defaultdict(list)
    for trace in scene.traces:
        by_address[trace.server.address, trace.server.port].append(trace)
    forbidden = _forbidden(scene)
    compared: set[tuple[str, ...]] = set()
    for answer in dns_of(scene):
        for name, addresses in _several_addresses(answer):
            tried = sorted(address for address in addresses if address in scene.by_server)[:TRIED_MAX]
            if len(tried) < 2 or (name, *tried) in compared:  # noqa: PLR2004 - one has no other
                continue
            compared.add((name, *tried))
            ports = {trace.server.port for address in tried for trace in scene.by_server[address]}
            closed: dict[str, list[tuple[Trace, Trace]]] = defaultdict(list)
            for port, (dead, alive) in product(sorted(ports)[:PORTS_MAX], permutations(tried, 2)):
                pair = None if dead in forbidden else _contrast(scene, by_address[dead, port], by_address[alive, port])
                if pair is not None:
                    closed[dead].append(pair)
            for pairs in closed.values():
                yield _dead(scene, answer, (name, addresses), pairs)


def _several_addresses(answer: DnsMessage) -> Iterator[tuple[str, list[str]]]:
    """Names for which an answer gives several addresses: what was asked for, or the hosts that an SRV record names."""
    by_name: dict[str, list[str]] = defaultdict(list)
    for record in (*answer.answers, *answer.additional) if answer.is_response else ():
        if record.type in ADDRESS_TYPES and record.data not in by_name[record.name]:
            by_name[record.name].append(record.data)
    aliases = {record.data for record in answer.answers if record.type == "CNAME"}
    for name, addresses in by_name.items():
        if len(addresses) > 1:
            yield answer.questions[0].name if name in aliases and answer.questions else name, addresses


def _contrast(scene: Scene, dead: list[Trace], alive: list[Trace]) -> tuple[Trace, Trace] | None:
    """A connection that failed at one address and one that another address took, close in time and network."""
    if any(map(has_accepted, dead)):
        return None
    failed = [trace for trace in dead if is_refused(trace) or _is_silent(scene, trace)]
    for one, other in product(failed[:COMPARED_MAX], [each for each in alive if has_accepted(each)][:COMPARED_MAX]):
        is_near = subnet(one.client.address) == subnet(other.client.address)
        if is_near and abs(one.span.first_time_ns - other.span.first_time_ns) <= SOON_NS:
            return one, other
    return None


def _is_silent(scene: Scene, trace: Trace) -> bool:
    if trace.tcp is None or not is_unanswered(trace) or trace.tcp.syn_count < TRIES:
        return False
    return scene.goes_on_after(trace.tcp.syns[TRIES - 1].time_ns)


def _forbidden(scene: Scene) -> set[str]:
    """Addresses that a filter forbids."""
    errors = scene.surroundings.icmp if scene.surroundings is not None else ()
    return {error.destination.address for error in errors if _PROHIBITED in error.words}


def _dead(scene: Scene, answer: DnsMessage, named: tuple[str, list[str]], pairs: list[tuple[Trace, Trace]]) -> Hit:
    (name, addresses), (failed, taken) = named, pairs[0]
    dead, alive = failed.server.address, taken.server.address
    ports = sorted({one.server.port for one, _ in pairs})
    port = f"port{'s' if len(ports) > 1 else ''} {', '.join(map(str, ports[:PORTS_TOLD]))}"
    open_ports = sorted({trace.server.port for trace in scene.by_server[dead] if has_accepted(trace)})
    summary = f"{name} is {alive}, which answers on {port}, and {dead}, which does not"
    if open_ports:
        summary += f"; {dead} was seen to answer on {', '.join(map(str, open_ports))} only"
    if dead in scene.derived(cluster_addresses):
        summary += f". {dead} is the address of a load-balancing cluster, registered in DNS by mistake"
    evidence = [Evidence(answer.frame, None, f"{name} has the addresses {', '.join(addresses)}")]
    if failed.tcp is not None and failed.tcp.syns:
        evidence.append(failed.saw(failed.tcp.syns[0].frame, f"SYN from {failed.client} to {failed.server}"))
        if failed.tcp.reset is not None:
            evidence.append(failed.saw(failed.tcp.reset.frame, "answered by RST"))
    if taken.tcp is not None and taken.tcp.syn_ack is not None:
        evidence.append(taken.saw(taken.tcp.syn_ack.frame, f"{taken.server} accepts {taken.client}"))
    closed = tuple(one.id for one, _ in pairs)
    return Hit(summary, tuple(evidence), client="", server=dead, place=name, connections=closed, count=len(ports))


@rule(
    "dns.split-brain-mismatch",
    Severity.WARNING,
    confidence=Confidence.LIKELY,
    advice="Let clients ask resolvers that agree: the internal ones only, or the same records in both zones.",
    source="Seed post of 14 December 2011",
)
def split_brain_mismatch(scene: Scene) -> Iterator[Hit]:
    """Two resolvers give clients inside different answers for one name: private addresses here, public ones there.

    Silent for names of Microsoft's cloud and for content delivery networks, and where clients outside ask outside, as
    split DNS means it.
    """
    views: dict[str, list[tuple[DnsMessage, set[bool]]]] = defaultdict(list)
    for lookup in scene.derived(Lookups).by_clients():
        for answer in lookup.answers:
            kinds = {is_internal(address) for address in addresses_in(answer)}
            if kinds and not any(is_microsoft(record.name) for record in answer.answers):
                views[lookup.name].append((answer, kinds))
    for name, answers in views.items():
        private = [answer for answer, kinds in answers if kinds == {True}][:COMPARED_MAX]
        public = [answer for answer, kinds in answers if kinds == {False}][:COMPARED_MAX]
        pair = next(((one, other) for one, other in product(private, public) if _disagree(one, other)), None)
        if pair is not None:
            where = " and ".join(f"{', '.join(addresses_in(each))} from {each.server.address}" for each in pair)
            seen = tuple(Evidence(each.frame, None, f"{name}: {', '.join(addresses_in(each))}") for each in pair)
            yield Hit(f"{name} has different addresses: {where}", seen, client="", server="", place=name)


def _disagree(one: DnsMessage, other: DnsMessage) -> bool:
    are_inside = is_internal(one.client.address) and is_internal(other.client.address)
    return one.server.address != other.server.address and (are_inside or one.client.address == other.client.address)


@rule(
    "dns.autodiscover-points-to-cloud",
    Severity.WARNING,
    confidence=Confidence.LIKELY,
    advice="As long as mailboxes are on-premises, let autodiscover of the domain point to the Exchange server there.",
    source="R. Milne: Office 365 Autodiscover lookup process",
)
def autodiscover_points_to_cloud(scene: Scene) -> Iterator[Hit]:
    """The Autodiscover name of a domain leads to Microsoft 365, while an Exchange server here serves its mailboxes.

    Silent where no server on-premises answers for mailboxes of the domain: then all may have moved.
    """
    for lookup in scene.derived(Lookups).by_clients():
        if not lookup.name.startswith(_PREFIX):
            continue
        domain = lookup.name.removeprefix(_PREFIX)
        for answer in lookup.answers:
            record = next(filter(_leads_to_cloud, answer.answers), None)
            step = scene.derived(_mailboxes_served).get(domain_of(domain)) if record is not None else None
            if record is None or step is None:
                continue
            summary = (
                f"{lookup.name} leads to Microsoft 365 ({record.data}), while {step.trace.server} serves mailboxes of"
                f" {domain}"
            )
            seen = Evidence(answer.frame, None, f"{record.name} {record.type} {record.data}")
            served = step.answered(f"{step.service} answered {step.status} on-premises")
            yield Hit(summary, (seen, served), client="", server=answer.server.address, place=lookup.name)


def _leads_to_cloud(record: DnsRecord) -> bool:
    return record.type == "CNAME" and _CLOUD.search(record.data) is not None


def _mailboxes_served(scene: Scene) -> dict[str, Step]:
    """By domain, a successful answer of an Exchange server on-premises about its mailboxes."""
    found: dict[str, Step] = {}
    for service in _MAILBOX_SERVICES:
        for step in scene.steps_by_service.get(service, ()):
            host = (step.host or step.trace.server_name or "").partition(":")[0]
            if step.status != _OK or is_microsoft(host) or _is_elsewhere(step):
                continue
            user = str(step.about("autodiscover").get("email_address") or step.http.get("user") or "")
            for name in (host, user.rpartition("@")[2] if "@" in user else ""):
                if name:
                    found.setdefault(domain_of(name), step)
    return found


def _is_elsewhere(step: Step) -> bool:
    """The answer says that the mailbox is not here: a redirect, or an error."""
    facts = step.about("autodiscover")
    names = ("redirect_address", "redirect_url", "error_code")
    return any(facts.get(name) not in (None, "", "0", "NoError") for name in names) or (
        step.about("ews").get("response_class") == "Error"
    )


@rule(
    "dns.wildcard-autodiscover",
    Severity.WARNING,
    confidence=Confidence.LIKELY,
    advice="Give autodiscover of the domain a record of its own, or let the web server answer 404 for its path.",
    source="Office365FiddlerExtension (ApacheAutodiscover); Outlook Autodiscover order",
)
def wildcard_autodiscover(scene: Scene) -> Iterator[Hit]:
    """A wildcard record sends Autodiscover to a web server: other names of the domain have the same address.

    The server says that it is none of Microsoft's (Apache, nginx ...). Silent where Exchange answers there, and where
    only the domain itself or its www share the address.
    """
    lookups = scene.derived(Lookups)
    looked_at: set[tuple[str, str]] = set()
    for step in _asked_of_web_servers(scene):
        name = (step.host or "").partition(":")[0].lower()
        domain = name.removeprefix(_PREFIX)
        address = step.trace.server.address
        if (name, address) in looked_at:
            continue
        looked_at.add((name, address))
        others = [
            each
            for each in lookups.below(domain)
            if each != name and each.removesuffix(f".{domain}") not in _ORDINARY and address in lookups.addresses(each)
        ]
        if address in lookups.addresses(name) and others:
            server = step.http.get("server", "")
            summary = f"{name} leads to a web server ({server}, {address}), as {others[0]} does: a wildcard record"
            yield Hit(
                summary, (*_records(lookups, (name, others[0])), *step.evidence), client="", server=address, place=name
            )


def _asked_of_web_servers(scene: Scene) -> Iterator[Step]:
    for service in ("autodiscover-pox", "autodiscover-soap", "autodiscover-v2"):
        for step in scene.steps_by_service.get(service, ()):
            is_web = _WEB_SERVER.search(str(step.http.get("server", ""))) is not None
            if is_web and not step.is_from_exchange and (step.host or "").lower().startswith(_PREFIX):
                yield step


def _records(lookups: Lookups, names: Iterable[str]) -> Iterator[Evidence]:
    for name in names:
        for lookup in lookups.of(name)[:1]:
            for answer in lookup.answers[:1]:
                yield Evidence(answer.frame, None, f"{name}: {', '.join(addresses_in(answer))}")
