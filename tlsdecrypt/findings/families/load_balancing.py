"""Load balancers that send parts of one session to different servers."""

from __future__ import annotations

from collections import defaultdict, deque
from typing import TYPE_CHECKING

from tlsdecrypt.findings.exchange_answers import is_login_page
from tlsdecrypt.findings.finding import Confidence, Severity
from tlsdecrypt.findings.rule import Hit, rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tlsdecrypt.findings.finding import Evidence
    from tlsdecrypt.findings.scene import Scene, Step

LEGS_NS = 60_000_000_000  # between the challenge and its answer
STEPS_MAX = 500  # of one session that are looked at
CHALLENGES_MAX = 200  # among which the one that was answered elsewhere is looked for

_AUTHENTICATE, _UNAUTHORIZED, _LOGIN_TIMEOUT = 3, 401, 440
_REDIRECTS = (302, 303, 307)
_NEEDS_NO_AFFINITY = ("x_feserver", "x_beserver")  # Exchange 2013 and later say who they are
_LOST_CONTEXT = (6, 10, 13)  # [MS-OXCMAPIHTTP] 2.2.3.3.3: invalid context cookie, context not found, missing cookie


@rule(
    "lb.no-persistence",
    Severity.WARNING,
    confidence=Confidence.LIKELY,
    advice="Let the load balancer keep a client on one server (affinity by cookie or by source address), and a"
    " connection of the client on one connection to the server.",
    source="[MS-NLMP] 1.3.1; Microsoft: Maintain affinity between a group of subscriptions and the Mailbox server",
    causes=("mapi.context-lost", "mapi.auth-401", "mrs.401-final", "wsman.access-denied"),
)
def no_persistence(scene: Scene) -> Iterator[Hit]:
    """Parts of one session go to different servers.

    The answer to an NTLM challenge comes on another connection than the challenge and is refused; or the cookie of a
    session goes to another server than before (a hint where that one serves it). Silent for Exchange 2013 and later,
    as long as the other server serves the session: it needs no affinity.
    """
    yield from _broken_logins(scene)
    yield from _moved_sessions(scene)


def _broken_logins(scene: Scene) -> Iterator[Hit]:
    challenged: deque[Step] = deque(maxlen=CHALLENGES_MAX)
    for step in scene.steps:
        facts = step.about("auth")
        if "challenge" in facts:
            challenged.append(step)
        is_last_leg = facts.get("ntlm", {}).get("type") == _AUTHENTICATE
        if not is_last_leg or step.status != _UNAUTHORIZED or not step.trace.has_syn or step.trace.has_gaps:
            continue
        if any("challenge" in other.about("auth") for other in step.trace.steps if other.index < step.index):
            continue
        first = next((each for each in reversed(challenged) if _is_other_leg(each, step)), None)
        if first is not None:
            summary = (
                f"The login of {step.trace.client.address} is torn apart: the challenge came on connection"
                f" {first.trace.id} ({first.trace.server}), its answer went to {step.trace.server} on another"
            )
            evidence = (first.answered("401 with the NTLM challenge"), *step.evidence)
            yield _hit(step, summary, evidence, is_sure=True)


def _is_other_leg(challenged: Step, step: Step) -> bool:
    """A challenge on another connection, to the same host, that nothing answered there."""
    is_recent = 0 <= step.time_ns - challenged.time_ns <= LEGS_NS
    if challenged.trace is step.trace or not is_recent or challenged.host != step.host:
        return False
    later = (each for each in challenged.trace.steps if each.index > challenged.index)
    return not any(each.about("auth").get("ntlm", {}).get("type") == _AUTHENTICATE for each in later)


def _moved_sessions(scene: Scene) -> Iterator[Hit]:
    seen: dict[tuple[str, str], list[Step]] = defaultdict(list)
    for step in scene.steps:
        for session in step.http.get("sessions", ()):
            seen[step.trace.client.address, session].append(step)
    for (_, session), several in seen.items():
        steps = several[:STEPS_MAX]
        first = steps[0]
        moved = [step for step in steps if step.trace.server.address != first.trace.server.address]
        moved = [step for step in moved if not any(_encloses(other, step) for other in steps)]
        if not moved or first.status is None:
            continue
        lost = next((step for step in moved if _has_lost(step) and not _has_lost(first)), None)
        is_modern = any(name in step.http for step in steps for name in _NEEDS_NO_AFFINITY)
        if lost is None and is_modern:
            continue
        step = lost or moved[0]
        name = session.partition("#")[0]
        summary = (
            f"The session {name} of {step.trace.client.address} went to {first.trace.server.address}, then to"
            f" {step.trace.server.address}{', which does not know it' if lost else ''}"
        )
        yield _hit(step, summary, (*first.evidence, *step.evidence), is_sure=lost is not None)


def _encloses(outer: Step, inner: Step) -> bool:
    """Both are one request, before and behind a device that keeps the client's address."""
    is_elsewhere = outer.trace.server.address != inner.trace.server.address
    is_around = outer.span.first_time_ns <= inner.span.first_time_ns <= outer.span.last_time_ns
    return is_elsewhere and outer.target == inner.target and is_around


def _has_lost(step: Step) -> bool:
    """The server does not know the session: it demands a new login, or says so.

    Not by the challenge with which each new connection begins.
    """
    if step.about("mapi").get("response_code") in _LOST_CONTEXT:
        return True
    if step.status in _REDIRECTS:
        return is_login_page(str(step.http.get("location", "")))
    is_first_leg = bool(step.http.get("challenges")) and not step.about("auth").get("is_complete")
    return step.status == _LOGIN_TIMEOUT or (step.status == _UNAUTHORIZED and not is_first_leg)


def _hit(step: Step, summary: str, evidence: tuple[Evidence, ...], *, is_sure: bool) -> Hit:
    return Hit(
        summary,
        evidence,
        confidence=None if is_sure else Confidence.HINT,
        client=step.trace.client.address,
        server=step.trace.server.address,
        place=step.path,
    )
