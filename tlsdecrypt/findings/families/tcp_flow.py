"""Connections that suffer: cut while a request waits, dropped when idle, loss, a full receiver, packets too large."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from tlsdecrypt.findings.finding import Confidence, Severity
from tlsdecrypt.findings.rule import Hit, rule
from tlsdecrypt.findings.tls_story import ended_by
from tlsdecrypt.flow import DIRECTIONS, Direction

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tlsdecrypt.findings.scene import Scene, Step, Trace
    from tlsdecrypt.net.tcp_facts import SideFacts

IDLE_MIN_NS, IDLE_MAX_NS = 20_000_000_000, 900_000_000_000
LONG_IDLE_NS = 300_000_000_000  # after so long a silence a reset is no answer to the request
IDLE_TIMES, IDLE_TOLERANCE = 3, 0.05
LOSS_SHARE, LOSS_MIN, REPEATS_OF_ONE = 0.02, 2, 3
ZERO_WINDOW_NS = 1_000_000_000
LARGE_SEGMENT = 1360  # bytes of payload: with its headers a packet of 1400
BLACKHOLE_REPEATS = 2

_CLIENT, _SERVER = Direction
_LONG_LIVED = frozenset({"mapi-http", "activesync", "outlook-anywhere"})
_SECOND = 1_000_000_000


@rule(
    "tcp.reset-mid-request",
    Severity.ERROR,
    advice="Look in the log of the server, and of each device on the way, for what closed the connection at that time.",
    source="RFC 9293 section 3.5.2; Microsoft: Resolve free/busy errors (connection forcibly closed)",
    spares_candidates=True,
)
def reset_mid_request(scene: Scene) -> Iterator[Hit]:
    """The server's side resets the connection while a request waits for its answer.

    Where the reset took another number of hops than the server's segments, a device between sent it. Silent where the
    client ended first, where the server had ended before the request came, where nothing moved for more than five
    minutes before or a device drops what is idle (`tcp.idle-timeout`), and where bytes of the server are missing in the
    capture, or bytes of the request that the server may have answered.
    """
    idle = {trace.id for _, _, alike in scene.derived(_idle_groups) for _, trace in alike}
    for trace in scene.traces:
        if trace.id not in idle:
            yield from _reset_while_waiting(trace)


def _reset_while_waiting(trace: Trace) -> Iterator[Hit]:
    tcp = trace.tcp
    step = trace.steps[-1] if trace.steps else None
    if tcp is None or tcp.reset is None or tcp.reset.sender is not _SERVER or step is None or not _is_waiting(step):
        return
    server = tcp.side(_SERVER)
    if server.fin is not None and server.fin.time_ns <= step.time_ns:
        return
    if trace.streams[_CLIENT].gaps and server.last_payload is not None and server.last_payload.time_ns > step.time_ns:
        return  # what follows may be its answer
    if ended_by(trace) is _CLIENT or server.is_lost or trace.streams[_SERVER].gaps or _idle_ns(trace) > LONG_IDLE_NS:
        return
    asked = step.asked(f"{step.verb} {step.target}" if step.protocol == "http" else step.verb)
    summary = f"{trace.server} resets the connection while {step.verb} {step.path or step.target} waits for its answer"
    from_elsewhere = None not in (server.ttl, tcp.reset.ttl) and server.ttl != tcp.reset.ttl
    hops = f" (TTL {tcp.reset.ttl}; the server's segments: {server.ttl})" if from_elsewhere else ""
    if from_elsewhere:
        summary += f"; a device between sent the reset{hops}"
    seen = asked, trace.saw(tcp.reset.frame, f"RST from {trace.server}{hops}")
    yield Hit(summary, seen, client=trace.client.address, server=trace.server.address, place=str(trace.server.port))


@rule(
    "tcp.idle-timeout",
    Severity.WARNING,
    confidence=Confidence.LIKELY,
    advice="Raise the idle timeout of the firewall or load balancer above the interval of notifications (30 minutes for"
    " Direct Push).",
    source="Microsoft: Direct Push needs long-lived connections",
)
def idle_timeout(scene: Scene) -> Iterator[Hit]:
    """A device drops idle connections of MAPI, ActiveSync or Outlook Anywhere, always after the same time.

    Three connections or more end after the same silence (within 5 %, at most 900 s): by a reset, or by the server's
    FIN while a request waits. Silent where that silence is the heartbeat interval that the client asked for.
    """
    for (server, port), usual, alike in scene.derived(_idle_groups):
        seconds = round(usual / _SECOND)
        summary = f"A device drops connections to {server} port {port} that are idle for {seconds} s"
        for idle_ns, trace in alike:
            seen = trace.saw(trace.span.last_frame, f"ended after {idle_ns / _SECOND:.1f} s without data")
            yield Hit(summary, (seen,), client="", server=server, place=str(port))


def _idle_groups(scene: Scene) -> list[tuple[tuple[str, int], float, list[tuple[int, Trace]]]]:
    """Servers that lose connections always after the same silence (ns), and these connections with theirs."""
    ended: dict[tuple[str, int], list[tuple[int, Trace]]] = defaultdict(list)
    for trace in scene.traces:
        idle_ns = _dropped_after(trace)
        if idle_ns is not None:
            ended[trace.server.address, trace.server.port].append((idle_ns, trace))
    found = []
    for place, cases in ended.items():
        if len(cases) < IDLE_TIMES:
            continue
        usual = _median(idle_ns for idle_ns, _ in cases)
        alike = [(idle_ns, trace) for idle_ns, trace in cases if abs(idle_ns - usual) <= IDLE_TOLERANCE * usual]
        if len(alike) >= IDLE_TIMES and not _is_heartbeat(usual, [trace for _, trace in alike]):
            found.append((place, usual, alike))
    return found


def _median(times_ns: Iterable[int]) -> float:
    from statistics import median  # noqa: PLC0415 - start-up time of runs without idle connections

    return median(times_ns)


@rule(
    "tcp.retransmissions",
    Severity.WARNING,
    confidence=Confidence.LIKELY,
    advice="Look for a duplex mismatch, a full link or a device that drops packets on the way.",
    source="RFC 9293 section 3.8.1",
)
def retransmissions(trace: Trace) -> Iterator[Hit]:
    """Packets are lost: more than 2 % of a side's segments were sent again, or one of them more than three times.

    Silent where the peer acknowledged bytes that the capture does not hold: then the capture lost them. Frames that
    were captured twice do not count, nor keep-alives and probes of a full receiver.
    """
    if trace.tcp is None:
        return
    for direction in DIRECTIONS:
        side, stream = trace.tcp.side(direction), trace.streams[direction]
        again = side.repeats + side.filled
        if again < LOSS_MIN:
            continue
        is_share = again > LOSS_SHARE * stream.segments
        if (
            side.is_lost
            or side.largest_repeat <= 1 < side.repeats
            or not (is_share or side.most_repeats > REPEATS_OF_ONE)
        ):
            continue
        summary = f"Packets from the {direction.sender} are lost: {again} of {stream.segments} segments were sent again"
        if side.most_repeats > 1:
            summary += f", one of them {side.most_repeats} times"
        frame = side.repeated.frame if side.repeated is not None else trace.span.first_frame
        seen = trace.saw(frame, f"sent again by the {direction.sender}")
        yield Hit(summary, (seen,), place=f"{trace.server.port} {direction.sender}")


@rule(
    "tcp.zero-window",
    Severity.WARNING,
    advice="Look at the load of the receiver: the program there does not take what has arrived.",
    source="RFC 9293 section 3.8.6.1",
)
def zero_window(trace: Trace) -> Iterator[Hit]:
    """A receiver takes nothing for more than a second: it, and not the network, is the bottleneck.

    Silent where the peer had ended before, and has nothing more to send.
    """
    if trace.tcp is None:
        return
    for direction in DIRECTIONS:
        full = trace.tcp.side(direction).zero_window
        peer_fin = trace.tcp.side(direction.other).fin
        is_over = full is not None and peer_fin is not None and peer_fin.time_ns <= full.time_ns
        if full is not None and full.duration_ns > ZERO_WINDOW_NS and not is_over:
            end = trace.client if direction is _CLIENT else trace.server
            seconds = full.duration_ns / _SECOND
            summary = (
                f"The {direction.sender} {end.address} takes nothing more for {seconds:.1f} s: it is the bottleneck"
            )
            place = f"{trace.server.port} {direction.sender}"
            yield Hit(summary, (trace.saw(full.frame, f"zero window from the {direction.sender}"),), place=place)


@rule(
    "icmp.pmtu-blackhole",
    Severity.WARNING,
    confidence=Confidence.LIKELY,
    advice="Let ICMP type 3 code 4 (of IPv6: type 2) pass, or lower the MTU or the MSS on the tunnel.",
    source="RFC 2923 section 2.1; RFC 4821",
    suppresses=("tcp.retransmissions",),
)
def pmtu_blackhole(scene: Scene) -> Iterator[Hit]:
    """Large packets vanish and small ones pass, and no router says why: the path takes less than the sender believes.

    Segments with 1360 bytes or more are sent again and never acknowledged, while the handshake and small segments
    went through. Silent where a router reports the MTU, and where the peer acknowledged them after all.
    """
    reported = _reported_too_large(scene)
    for trace in scene.traces:
        if trace.tcp is None or not trace.is_two_sided or (trace.client, trace.server) in reported:
            continue
        for direction in DIRECTIONS:
            side = trace.tcp.side(direction)
            if not _is_swallowed(side) or not _small_ones_pass(trace, direction):
                continue
            summary = (
                f"Large packets from the {direction.sender} do not arrive at the other side of {trace.client} to"
                f" {trace.server}: {side.largest_repeat} bytes were sent {side.most_repeats + 1} times in vain"
            )
            frame = side.repeated.frame if side.repeated is not None else None
            seen = trace.saw(frame, f"a segment of up to {side.largest_repeat} bytes, sent again")
            is_sure = trace.streams[direction].length > (side.unacknowledged or 0)
            yield Hit(
                summary,
                (seen,),
                confidence=None if is_sure else Confidence.HINT,
                client=trace.client.address,
                server=trace.server.address,
                place=direction.sender,
            )


def _is_waiting(step: Step) -> bool:
    return step.request_span is not None and step.status is None and step.protocol in ("http", "smtp")


def _last_payload_ns(trace: Trace) -> int | None:
    sides = trace.tcp.sides if trace.tcp is not None else ()
    return max((side.last_payload.time_ns for side in sides if side.last_payload is not None), default=None)


def _idle_ns(trace: Trace) -> int:
    """How long nothing was carried before the reset."""
    last = _last_payload_ns(trace)
    if last is None or trace.tcp is None or trace.tcp.reset is None:
        return 0
    return trace.tcp.reset.time_ns - last


def _dropped_after(trace: Trace) -> int | None:
    """The silence after which an idle connection of a long-lived service was dropped; None where it was not."""
    tcp, last = trace.tcp, _last_payload_ns(trace)
    if tcp is None or last is None or not any(step.service in _LONG_LIVED for step in trace.steps):
        return None
    fin = tcp.side(_SERVER).fin
    if tcp.reset is not None and tcp.side(_CLIENT).fin is None and fin is None:
        end_ns = tcp.reset.time_ns
    elif fin is not None and ended_by(trace) is _SERVER and trace.steps[-1].status is None:
        end_ns = fin.time_ns
    else:
        return None
    return end_ns - last if IDLE_MIN_NS <= end_ns - last <= IDLE_MAX_NS else None


def _is_heartbeat(idle_ns: float, traces: list[Trace]) -> bool:
    """The server was asked to wait that long."""
    for trace in traces:
        heartbeat = trace.steps[-1].about("activesync").get("heartbeat_s")
        if isinstance(heartbeat, int) and abs(heartbeat * _SECOND - idle_ns) <= IDLE_TOLERANCE * idle_ns:
            return True
    return False


def _is_swallowed(side: SideFacts) -> bool:
    """Large segments came again, and what was sent is still unacknowledged at the end."""
    is_again = side.most_repeats >= BLACKHOLE_REPEATS and side.repeated_length >= LARGE_SEGMENT
    return is_again and (side.unacknowledged or 0) >= LARGE_SEGMENT and not side.is_lost


def _small_ones_pass(trace: Trace, direction: Direction) -> bool:
    if trace.tcp is None:
        return False
    mine, peer = trace.tcp.side(direction), trace.tcp.side(direction.other)
    is_heard = trace.streams[direction].length > (mine.unacknowledged or 0) or trace.tcp.syn_ack is not None
    return is_heard and (peer.first_payload is not None or trace.tcp.syn_ack is not None)


def _reported_too_large(scene: Scene) -> set[tuple[object, object]]:
    """Ends of connections about which a router said that a packet was too large."""
    found: set[tuple[object, object]] = set()
    for error in scene.surroundings.icmp if scene.surroundings is not None else ():
        if error.mtu is not None or (error.version, error.type, error.code) == (4, 3, 4):
            found |= {(error.source, error.destination), (error.destination, error.source)}
    return found
