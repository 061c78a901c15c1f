"""What several rules ask of connections and DNS: whether a server answered, and under which names it was looked up."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from typing import TYPE_CHECKING, TypeAlias

from tlsdecrypt.findings.autodiscover_answers import redirect_of
from tlsdecrypt.flow import Direction

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tlsdecrypt.findings.scene import Scene, Step, Trace
    from tlsdecrypt.net.surroundings import DnsMessage

TRIES = 3  # SYNs that a client sends, at least, before its silence means something
AUTODISCOVER = frozenset({"autodiscover-pox", "autodiscover-soap", "autodiscover-v2"})
ADDRESS_TYPES = ("A", "AAAA")

_CLIENT, _SERVER = Direction
_PREFIX = "autodiscover."
_SERVICE = "_autodiscover._tcp."
_OK = 200
_FALLBACK_NS, _AT_ONCE_NS = 30_000_000_000, 2_000_000_000
_SEARCH_NS = 60_000_000_000  # within which the places of one search are tried
_COMPARED_MAX = 100
_CLOSING_RECORDS = 2  # alerts look like data in TLS 1.3
_LOOPBACK = {"::1", "127.0.0.1"}
_WEB_PORTS = (80, 443)
_SCANNED_PORTS, _SCANNED_SERVERS = 5, 10  # that refuse one client: it looks for what is open

Target: TypeAlias = "tuple[str, str, int]"  # client, server, port


def has_accepted(trace: Trace) -> bool:
    """The server took the connection."""
    tcp = trace.tcp
    return tcp is not None and (tcp.syn_ack is not None or tcp.side(_SERVER).first_payload is not None)


def is_refused(trace: Trace) -> bool:
    """A SYN was answered by a reset."""
    return trace.tcp is not None and trace.tcp.is_refused


def is_unanswered(trace: Trace) -> bool:
    """Nothing came back, and the client sent nothing but SYNs: it saw no answer either."""
    tcp, client, server = trace.tcp, *trace.streams
    if tcp is None or not tcp.syns or server.segments:
        return False
    side = tcp.side(_CLIENT)
    has_heard = tcp.side(_SERVER).is_lost  # it acknowledges what the capture does not hold
    return side.first_payload is None and side.fin is None and not has_heard and client.segments <= 2 * tcp.syn_count


def is_one_sided(trace: Trace) -> bool:
    """The client says more than SYN to a server of which no frame was captured: it does get answers."""
    client, server = trace.streams
    return not server.segments and client.segments > 0 and not is_unanswered(trace)


def target_of(trace: Trace) -> Target:
    """Who connects where."""
    return trace.client.address, trace.server.address, trace.server.port


def is_only_probed(scene: Scene, target: Target) -> bool:
    """A monitor asks again and again whether the port is open, and never says a word: three times at least."""
    client, server, port = target
    accepted = [each for each in scene.by_pair[client, server] if each.server.port == port and has_accepted(each)]
    silent = [each for each in accepted if each.tcp is not None and each.tcp.side(_CLIENT).first_payload is None]
    return len(silent) == len(accepted) >= TRIES


def by_target(traces: Iterable[Trace]) -> dict[Target, list[Trace]]:
    """Connections by who connects where, in the order given."""
    found: dict[Target, list[Trace]] = defaultdict(list)
    for trace in traces:
        found[target_of(trace)].append(trace)
    return found


def scanned_by(traces: Iterable[Trace]) -> set[str]:
    """Clients that were refused at so many places that they look for open ports."""
    refused = {target_of(trace) for trace in traces}
    ports: dict[tuple[str, str], int] = defaultdict(int)
    servers: dict[tuple[str, int], int] = defaultdict(int)
    for client, server, port in refused:
        ports[client, server] += 1
        servers[client, port] += 1
    scanners = {client for (client, _), count in ports.items() if count >= _SCANNED_PORTS}
    return scanners | {client for (client, _), count in servers.items() if count >= _SCANNED_SERVERS}


def dns_of(scene: Scene) -> tuple[DnsMessage, ...]:
    """The DNS messages of a scene."""
    return scene.surroundings.dns if scene.surroundings is not None else ()


def addresses_in(message: DnsMessage) -> list[str]:
    """The addresses that an answer gives, in its order."""
    return list(dict.fromkeys(each.data for each in message.answers if each.type in ADDRESS_TYPES))


def names_by_address(scene: Scene) -> dict[str, set[str]]:
    """Under which names each address was looked up: in DNS, by SNI, by Host."""
    found: dict[str, set[str]] = defaultdict(set)
    for message in dns_of(scene):
        for address in addresses_in(message):
            found[address] |= {question.name for question in message.questions}
    for trace in scene.traces:
        found[trace.server.address] |= trace.names
    return found


def autodiscover_answers(scene: Scene) -> dict[str, Step]:
    """By client, the first answer that gave it what Autodiscover is for."""
    found: dict[str, Step] = {}
    for service in AUTODISCOVER:
        for step in scene.steps_by_service.get(service, ()):
            if step.status == _OK and not _has_failed(step):
                found.setdefault(step.trace.client.address, step)
    return found


def _has_failed(step: Step) -> bool:
    facts = step.about("autodiscover")
    code = facts.get("error_code")
    return bool(code) and str(code) not in ("0", "NoError")


def autodiscover_clients(scene: Scene) -> set[str]:
    """Clients that were sent on to another host, or served by an Autodiscover host inside TLS that stays closed.

    Or that may have been, for all that the capture lost.
    """
    names = scene.derived(names_by_address)
    sent_on = {
        step.trace.client.address
        for service in AUTODISCOVER
        for step in scene.steps_by_service.get(service, ())
        if redirect_of(step)
    }
    return sent_on | {
        trace.client.address
        for trace in scene.traces
        if trace.tls is not None
        and any(map(_is_place, [trace.server_name] if trace.server_name else names[trace.server.address]))
        and (trace.tls.application_records_undecrypted > _CLOSING_RECORDS or trace.has_gaps)
    }


def autodiscover_addresses(scene: Scene) -> set[str]:
    """Where Autodiscover may be tried: addresses of `autodiscover.<domain>`, and of the domains themselves.

    The domains are also those whose record of Autodiscover was sought, found or not.
    """
    names = scene.derived(names_by_address)
    sought = {question.name.lower() for message in dns_of(scene) for question in message.questions}
    places = {name for several in (*names.values(), sought) for name in several if _is_place(name)}
    places |= {name.removeprefix(_PREFIX) for name in places}
    places |= {name.removeprefix(_SERVICE) for name in sought if name.startswith(_SERVICE)}
    return {address for address, several in names.items() if not places.isdisjoint(several)}


def is_settled_candidate(scene: Scene, target: Target) -> bool:
    """A place that Autodiscover only tries, and another one of its places gave the answer (guard 3)."""
    client, server, port = target
    has_answer = client in scene.derived(autodiscover_answers) or client in scene.derived(autodiscover_clients)
    if port not in _WEB_PORTS or not has_answer:
        return False
    return server in scene.derived(autodiscover_addresses) or _is_tried_before_the_answer(scene, target)


def _is_tried_before_the_answer(scene: Scene, target: Target) -> bool:
    """A place without a name in the capture, tried right before the client found its settings elsewhere."""
    client, server, _ = target
    answer = scene.derived(autodiscover_answers).get(client)
    if answer is None or scene.derived(names_by_address)[server]:
        return False
    tried = (trace.span.first_time_ns for trace in scene.by_pair[client, server])
    return all(0 <= answer.time_ns - time_ns <= _SEARCH_NS for time_ns in tried)


def _is_place(name: str) -> bool:
    return name.startswith(_PREFIX)


def accepted_by_port(scene: Scene) -> dict[int, list[Trace]]:
    """Connections that came about, by the server's port, in the order of time."""
    found: dict[int, list[Trace]] = defaultdict(list)
    for trace in scene.traces:
        if has_accepted(trace):
            found[trace.server.port].append(trace)
    return found


def falls_back(scene: Scene, trace: Trace) -> bool:
    """The same host reached the same name and port soon, by the other version of IP: nothing is lost (RFC 8305).

    Where no name of the address was captured, the same station that turns to the other version at once counts.
    """
    mine, names = trace.server.address, scene.derived(names_by_address)
    accepted = scene.derived(accepted_by_port)[trace.server.port]
    begin = bisect_left(accepted, trace.span.first_time_ns, key=lambda each: each.span.first_time_ns)
    for other in accepted[begin : begin + _COMPARED_MAX]:
        address = other.server.address
        is_soon = other.span.first_time_ns - trace.span.first_time_ns <= _FALLBACK_NS
        if not is_soon or (":" in address) == (":" in mine):
            continue
        is_one = _is_one_station(trace, other) or _was_told(scene, (trace, other), mine)
        if {mine, address} == _LOOPBACK or (is_one and names[mine] & names[address]):
            return True
        if not names[mine] and _is_at_once(trace, other) and _is_host(scene, trace, other):
            return True
    return False


def _is_at_once(trace: Trace, other: Trace) -> bool:
    """As soon after as clients try the other version of IP (RFC 8305 section 8: two seconds at most)."""
    return other.span.first_time_ns - trace.span.first_time_ns <= _AT_ONCE_NS


def _is_host(scene: Scene, trace: Trace, other: Trace) -> bool:
    """Both come from one address on the link, behind which no more hosts stand."""
    macs = {each.tcp.side(_CLIENT).mac if each.tcp is not None else None for each in (trace, other)}
    mac = macs.pop()
    return not macs and mac is not None and len(scene.derived(ipv4_by_station)[mac]) == 1


def ipv4_by_station(scene: Scene) -> dict[str, set[str]]:
    """Which IPv4 addresses stand behind each address on the link: a router's has many."""
    found: dict[str, set[str]] = defaultdict(set)
    for trace in scene.traces:
        for end, way in ((trace.client, _CLIENT), (trace.server, _SERVER)):
            mac = trace.tcp.side(way).mac if trace.tcp is not None else None
            if mac is not None and ":" not in end.address:
                found[mac].add(end.address)
    return found


def _is_one_station(trace: Trace, other: Trace) -> bool:
    """Both come from one address on the link, or the capture holds no such addresses."""
    return len({each.tcp.side(_CLIENT).mac if each.tcp is not None else None for each in (trace, other)}) == 1


def _was_told(scene: Scene, traces: tuple[Trace, Trace], address: str) -> bool:
    """DNS gave that address to one of two clients: the one that then used it may be the same host."""
    told = scene.derived(clients_by_address)[address]
    return any(trace.client.address in told for trace in traces)


def clients_by_address(scene: Scene) -> dict[str, set[str]]:
    """To whom DNS gave each address."""
    found: dict[str, set[str]] = defaultdict(set)
    for message in dns_of(scene):
        for address in addresses_in(message) if message.is_response else ():
            found[address].add(message.client.address)
    return found
