"""Connections that do not come about: silence, refusal, and ports that are used again too soon (RFC 9293)."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from tlsdecrypt.findings.finding import Confidence, Evidence, Severity
from tlsdecrypt.findings.reachability import (
    TRIES,
    by_target,
    falls_back,
    has_accepted,
    is_one_sided,
    is_only_probed,
    is_refused,
    is_settled_candidate,
    is_unanswered,
    scanned_by,
    target_of,
)
from tlsdecrypt.findings.rule import Hit, rule
from tlsdecrypt.findings.scene import MAX_TRACES
from tlsdecrypt.flow import Direction
from tlsdecrypt.value import replace

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tlsdecrypt.findings.reachability import Target
    from tlsdecrypt.findings.scene import Scene, Trace

REUSED = 10  # four-tuples that are used again too soon
REUSED_NS = 240_000_000_000  # the time that a closed connection is remembered (RFC 9293 section 3.6.1)
MANY_PORTS = 50_000

_CLIENT, _SERVER = Direction
_SOON_NS = 600_000_000_000


@rule(
    "tcp.connect-timeout",
    Severity.ERROR,
    confidence=Confidence.LIKELY,
    advice="Check that the host is up, that routes lead there and back, and that no firewall drops the port.",
    source="RFC 9293 section 3.8.1",
    causes=("fed.getfederationinformation-failed", "fed.mfg-unreachable"),
)
def connect_timeout(scene: Scene) -> Iterator[Hit]:
    """Nothing answers: three SYNs or more to one port, no SYN-ACK, no reset, and the capture goes on for 3 s.

    Silent where frames of one direction only are in the capture (a peer talks to somebody who is never seen), and
    where the capture ends too soon. No more than `info` where Autodiscover tries a place and finds another, where the
    client comes through by the other version of IP, and for monitors that only look whether the port is open.
    """
    one_sided = {trace.server.address for trace in scene.traces if is_one_sided(trace)}
    if one_sided and not any(map(has_accepted, scene.traces)):
        return
    for target, traces in by_target(scene.traces).items():
        silent = [trace for trace in traces if is_unanswered(trace)]
        client, server, port = target
        tries = sorted(syn.time_ns for trace in silent if trace.tcp is not None for syn in trace.tcp.syns)
        if len(tries) < TRIES or server in one_sided or not scene.goes_on_after(tries[TRIES - 1]):
            continue
        answered = next((trace for trace in traces if has_accepted(trace)), None)
        summary = f"{server} port {port} does not answer {client}: SYNs come again and again without a reply"
        if answered is not None:
            summary += f", while it took another connection (frame {answered.span.first_frame})"
        is_minor = is_settled_candidate(scene, target) or falls_back(scene, silent[0]) or is_only_probed(scene, target)
        severity = Severity.INFO if is_minor else None
        for trace in silent:
            yield _at(target, Hit(summary, tuple(_tries(trace)), severity=severity))


@rule(
    "tcp.connect-refused",
    Severity.ERROR,
    advice="Start the service that should listen there, correct the port, or let the firewall pass it.",
    source="RFC 9293 section 3.10.7.1",
    causes=("fed.getfederationinformation-failed", "fed.mfg-unreachable"),
)
def connect_refused(scene: Scene) -> Iterator[Hit]:
    """A SYN is answered by a reset: nobody listens, or a device between says so (then its hop count differs).

    Silent for scans of many ports or hosts. A warning where the same place takes a connection soon after. No more than
    `info` where Autodiscover tries a place and finds another, where the other version of IP works, and for monitors
    that only look whether the port is open.
    """
    refused = [trace for trace in scene.traces if is_refused(trace)]
    scanners = scanned_by(refused)
    hops = _hops_by_server(scene)
    for target, traces in by_target(refused).items():
        client, server, port = target
        if client in scanners:
            continue
        summary = f"{server} refuses connections of {client} to port {port}{_told_apart(traces[0], hops)}"
        severity = Severity.WARNING if _accepts_soon(scene, traces[0]) else None
        if is_settled_candidate(scene, target) or falls_back(scene, traces[0]) or is_only_probed(scene, target):
            severity = Severity.INFO
        for trace in traces:
            yield _at(target, Hit(summary, tuple(_refusal(trace)), severity=severity))


@rule(
    "tcp.snat-port-exhaustion",
    Severity.WARNING,
    confidence=Confidence.LIKELY,
    advice="Give the device that translates addresses more of them (a SNAT pool, more self IPs), or let it keep the"
    " clients' addresses.",
    source="Seed post of 17 November 2011; RFC 9293 section 3.6.1",
    suppresses=("tcp.connect-timeout", "tcp.connect-refused"),
)
def snat_port_exhaustion(scene: Scene) -> Iterator[Hit]:
    """One address opens so many connections that its ports run out.

    Ten or more ports are used again within 240 s and get an acknowledgment without SYN, a reset or silence, while
    another address connects; or more than 50,000 ports are used within 240 s. Silent for scans of many ports.
    """
    for target, traces in by_target(scene.traces).items():
        client, server, port = target
        reused = list(_reused(traces))
        ports = {trace.client.port for trace in reused}
        if len(ports) >= REUSED and _others_connect(scene, target):
            summary = f"{client} uses its ports towards {server} port {port} again too soon: {len(ports)} of them"
            evidence = tuple(each for trace in reused[:3] for each in _failure(trace))
            yield _at(target, Hit(summary, evidence, connections=tuple(each.id for each in reused)))
        elif _has_used_all(scene, traces):
            summary = f"{client} uses more than {MANY_PORTS:,} ports towards {server} port {port} within four minutes"
            yield _at(target, Hit(summary, (traces[0].opening, traces[-1].opening)))


def _at(target: Target, hit: Hit) -> Hit:
    client, server, port = target
    return replace(hit, client=client, server=server, place=str(port))


def _tries(trace: Trace) -> Iterator[Evidence]:
    if trace.tcp is not None and trace.tcp.syns:
        first, last = trace.tcp.syns[0], trace.tcp.syns[-1]
        yield trace.saw(first.frame, f"SYN from {trace.client} to {trace.server}")
        if last != first:
            seconds = (last.time_ns - first.time_ns) / 1e9
            yield trace.saw(last.frame, f"SYN again, {seconds:.1f} s later ({trace.tcp.syn_count} in all), no answer")


def _refusal(trace: Trace) -> Iterator[Evidence]:
    tcp = trace.tcp
    if tcp is not None and tcp.reset is not None:
        yield trace.saw(tcp.syns[0].frame, f"SYN from {trace.client} to {trace.server}")
        hops = "" if tcp.reset.ttl is None else f" (TTL {tcp.reset.ttl})"
        yield trace.saw(tcp.reset.frame, f"RST from {trace.server}{hops}")


def _failure(trace: Trace) -> Iterator[Evidence]:
    tcp = trace.tcp
    if tcp is None:
        return
    yield trace.saw(tcp.syns[0].frame, f"SYN from {trace.client}, a port that was used before")
    if tcp.bare_ack is not None:
        yield trace.saw(tcp.bare_ack.frame, "answered by an ACK without SYN: the old connection is remembered")
    elif tcp.reset is not None:
        yield trace.saw(tcp.reset.frame, "answered by RST")


def _hops_by_server(scene: Scene) -> dict[str, set[int]]:
    """The TTLs with which data and SYN-ACKs of each server arrive."""
    found: dict[str, set[int]] = defaultdict(set)
    for trace in scene.traces:
        if trace.tcp is not None and has_accepted(trace):
            ttl = trace.tcp.side(_SERVER).ttl
            if ttl is not None:
                found[trace.server.address].add(ttl)
    return found


def _told_apart(trace: Trace, hops: dict[str, set[int]]) -> str:
    reset = trace.tcp.reset if trace.tcp is not None else None
    known = hops.get(trace.server.address)
    if reset is None or reset.ttl is None or not known or reset.ttl in known:
        return ""
    return f"; the reset comes from another device (TTL {reset.ttl}, the server's is {min(known)})"


def _accepts_soon(scene: Scene, trace: Trace) -> bool:
    return any(
        has_accepted(other)
        and target_of(other) == target_of(trace)
        and 0 < other.span.first_time_ns - trace.span.first_time_ns <= _SOON_NS
        for other in scene.by_pair[trace.pair]
    )


def _reused(traces: list[Trace]) -> Iterator[Trace]:
    """Connections that failed because their ports were used before."""
    last_ns: dict[int, int] = {}
    for trace in traces:
        tcp, port = trace.tcp, trace.client.port
        before = last_ns.get(port)
        last_ns[port] = trace.span.last_time_ns
        if tcp is None or not tcp.syns:
            continue
        is_again = before is not None and tcp.syns[0].time_ns - before <= REUSED_NS
        has_failed = tcp.bare_ack is not None or is_refused(trace) or is_unanswered(trace)
        if has_failed and (is_again or tcp.bare_ack is not None):
            yield trace


def _others_connect(scene: Scene, target: Target) -> bool:
    client, server, port = target
    return any(
        trace.server.port == port and trace.client.address != client and has_accepted(trace)
        for trace in scene.by_server[server]
    )


def _has_used_all(scene: Scene, traces: list[Trace]) -> bool:
    ports = {trace.client.port for trace in traces}
    forgotten = scene.forgotten if len(ports) > 0.9 * MAX_TRACES else 0
    span_ns = traces[-1].span.first_time_ns - traces[0].span.first_time_ns
    return len(ports) + forgotten > MANY_PORTS and span_ns <= REUSED_NS
