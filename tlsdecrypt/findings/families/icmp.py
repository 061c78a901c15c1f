"""Errors that routers and hosts report about connections (RFC 792, RFC 4443)."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from tlsdecrypt.findings.finding import Evidence, Severity
from tlsdecrypt.findings.reachability import dns_of, has_accepted
from tlsdecrypt.findings.rule import Hit, rule
from tlsdecrypt.flow import Direction

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tlsdecrypt.findings.scene import Scene, Trace
    from tlsdecrypt.flow import Endpoint
    from tlsdecrypt.net.surroundings import IcmpError

_UNREACHABLE_V4, _UNREACHABLE_V6, _TOO_BIG_V6 = 3, 1, 2
_PORT_UNREACHABLE = {(4, 3), (6, 4)}  # version and code
_FRAGMENTATION_NEEDED = 4
_IGNORED = 2  # repeats of a large segment after a router said that it is too large
_DNS_PORT = 53

_ADVICE_BY_WORD = {
    "prohibited": "A filter forbids it: let the firewall or the access list of that router pass the connection.",
    "policy": "A filter forbids it: let the firewall or the access list of that router pass the connection.",
    "host": "The router gets no answer to ARP for that host: check that it is up, and its address and VLAN.",
    "address": "The router finds no neighbour with that address: check that the host is up, and its VLAN.",
    "fragmentation": "The sender ignores the MTU that the router reports: let ICMP reach it, or lower its MTU.",
    "packet": "The sender ignores the MTU that the router reports: let ICMP reach it, or lower its MTU.",
}


@rule(
    "icmp.unreachable",
    Severity.ERROR,
    advice="Check the routes towards that address, and the filters of the router that reports it.",
    source="RFC 792; RFC 1812 section 5.2.7.1; RFC 4443 section 3",
    causes=("tcp.connect-timeout", "tcp.retransmissions"),
)
def unreachable(scene: Scene) -> Iterator[Hit]:
    """A router or host says that packets of a connection, or of a DNS query, cannot be delivered, and why.

    Silent where the connection came about all the same, about other protocols, and for "port unreachable" to DNS over
    UDP, which comes from clients that asked two servers. "Fragmentation needed" is told as an error only where the
    sender ignores it, else as `info`.
    """
    errors = [error for error in scene.surroundings.icmp if _is_told(error)] if scene.surroundings is not None else []
    by_ends: dict[tuple[Endpoint, Endpoint], list[Trace]] = defaultdict(list)
    for trace in scene.traces if errors else ():
        by_ends[trace.client, trace.server].append(trace)
    for error in errors:
        if error.protocol == "tcp":
            yield from _about_connection(error, by_ends)
        elif error.protocol == "udp" and error.destination.port == _DNS_PORT:
            yield from _about_query(error, scene)


def _is_told(error: IcmpError) -> bool:
    if _is_too_large(error):
        return True
    return error.type == (_UNREACHABLE_V4 if error.version == 4 else _UNREACHABLE_V6)  # noqa: PLR2004 - IP version 4


def _is_too_large(error: IcmpError) -> bool:
    number = error.version, error.type
    return number == (6, _TOO_BIG_V6) or (number == (4, _UNREACHABLE_V4) and error.code == _FRAGMENTATION_NEEDED)


def _about_connection(error: IcmpError, by_ends: dict[tuple[Endpoint, Endpoint], list[Trace]]) -> Iterator[Hit]:
    direction = Direction.CLIENT_TO_SERVER
    traces = by_ends.get((error.source, error.destination), [])
    if not traces:
        direction = Direction.SERVER_TO_CLIENT
        traces = by_ends.get((error.destination, error.source), [])
    trace = next((each for each in traces if each.span.last_time_ns >= error.time_ns), traces[-1] if traces else None)
    if trace is None:
        return
    if _is_too_large(error):
        severity = None if _is_ignored(trace, direction) else Severity.INFO
    elif has_accepted(trace) and _goes_on(trace, direction.other, error.time_ns):
        return
    else:
        severity = None
    yield _hit(error, trace.client.address, trace.server, severity, trace.id)


def _goes_on(trace: Trace, direction: Direction, time_ns: int) -> bool:
    """The side that the router speaks of is heard after all, later than the error."""
    tcp = trace.tcp
    if tcp is None:
        return True
    side = tcp.side(direction)
    seen = (side.last_payload, side.fin, tcp.syn_ack if direction is Direction.SERVER_TO_CLIENT else None)
    return any(each is not None and each.time_ns > time_ns for each in seen)


def _is_ignored(trace: Trace, direction: Direction) -> bool:
    side = trace.tcp.side(direction) if trace.tcp is not None else None
    return side is not None and side.most_repeats >= _IGNORED and (side.unacknowledged or 0) > 0


def _about_query(error: IcmpError, scene: Scene) -> Iterator[Hit]:
    """A query that a router could not deliver; answered ones, and closed ports of clients, are no fault."""
    if (error.version, error.code) in _PORT_UNREACHABLE:
        return
    ends = error.source, error.destination
    if scene.derived(_answered_queries).get(ends) is False:
        yield _hit(error, error.source.address, error.destination, None, None)


def _answered_queries(scene: Scene) -> dict[tuple[Endpoint, Endpoint], bool]:
    """By client and resolver: whether an answer came."""
    found: dict[tuple[Endpoint, Endpoint], bool] = {}
    for message in dns_of(scene):
        ends = message.client, message.server
        found[ends] = found.get(ends, False) or message.is_response
    return found


def _hit(error: IcmpError, client: str, server: Endpoint, severity: Severity | None, connection: int | None) -> Hit:
    mtu = f", MTU {error.mtu}" if error.mtu else ""
    what = f"ICMP from {error.router}: {error.words} (type {error.type} code {error.code}{mtu})"
    summary = f"{error.router} reports about {client} to {server}: {error.words}{mtu}"
    advice = next((text for word, text in _ADVICE_BY_WORD.items() if word in error.words), None)
    return Hit(
        summary,
        (Evidence(error.frame, connection, what),),
        severity=severity,
        advice=advice,
        client=client,
        server=server.address,
        place=f"{server.port} {error.words}",
    )
