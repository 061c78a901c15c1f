"""SMTP sessions as a whole: dropped, slow to begin, typed by hand, made by a monitor, or all from one address."""

from __future__ import annotations

import re
from collections import defaultdict
from itertools import pairwise
from typing import TYPE_CHECKING

from tlsdecrypt.findings.finding import Confidence, Severity
from tlsdecrypt.findings.rule import Hit, rule
from tlsdecrypt.findings.smtp_dialogue import (
    REFUSED,
    SmtpDialogue,
    client_of,
    command_and_reply,
    dialogues,
    reply_text,
    server_of,
)
from tlsdecrypt.findings.smtp_monitors import period_of, periodic_probes
from tlsdecrypt.findings.tls_story import ended_by
from tlsdecrypt.flow import Direction

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tlsdecrypt.findings.scene import Scene, Step, Trace

_SECOND = 1_000_000_000
_SLOW_BANNER_NS = 5 * _SECOND
_MANY_NAMES = 5
_TYPED_COMMANDS = 2
_UNRECOGNISED = 500
_BYTES_OF_A_KEY = 2  # at most so many a segment where somebody types
_FEW_BYTES = 8  # too few to tell
_CLIENT, _SERVER = Direction

_CLOSES = re.compile(r"clos|bye|terminat|disconnect|too many|blocked", re.IGNORECASE)
_LAST_REPLIES = frozenset({221, 421, 554})


@rule(
    "smtp.server-drops",
    Severity.WARNING,
    confidence=Confidence.LIKELY,
    advice="Look at the log of the receive connector for this time, and at filters and firewalls between: a server that"
    " ends a session by itself says 421 first.",
    source="RFC 5321 section 3.8",
    causes=("tcp.reset-mid-request",),
)
def server_drops(scene: Scene) -> Iterator[Hit]:
    """The server's side ended the connection in the middle of the dialogue, without 221 or 421.

    Silent for monitors, after QUIT, after a reply that says that it closes, after a refusal where no reset follows,
    inside of TLS that stayed closed, and where bytes are missing.
    """
    monitors = {trace.id for series in periodic_probes(scene) for trace in series}
    for dialogue in dialogues(scene):
        trace = dialogue.trace
        if trace.id in monitors or ended_by(trace) is not _SERVER or trace.has_gaps or not trace.is_two_sided:
            continue
        last = dialogue.steps[-1]
        if _is_over(dialogue, last):
            continue
        reset = trace.tcp.reset if trace.tcp is not None else None
        how = "reset" if reset is not None and reset.sender is _SERVER else "closed"
        said = last.target or last.verb or "the greeting"
        outcome = "was not answered" if last.status is None else f"got {last.status}"
        frame = reset.frame if reset is not None and how == "reset" else trace.span.last_frame
        yield Hit(
            f"{server_of(last)} {how} the session with {client_of(last)} after {last.verb or 'the greeting'},"
            " without 421.",
            (last.asked(f"{said} {outcome}"), trace.saw(frame, f"the server {how} the connection")),
            client=trace.client.address,
            server=trace.server.address,
            place=str(trace.server.port),
        )


def _is_over(dialogue: SmtpDialogue, last: Step) -> bool:
    """Whether the end was to be expected, or what was said last is not known."""
    if dialogue.has_closed_tls or "QUIT" in dialogue.verbs or last.verb in ("STARTTLS", "X-ANONYMOUSTLS"):
        return True
    if last.status is None:
        return False
    is_refused = last.status >= REFUSED
    is_turned_away = is_refused and not last.verb  # by the greeting
    is_said = is_refused and _CLOSES.search(reply_text(last)) is not None
    is_orderly = dialogue.trace.tcp is not None and dialogue.trace.tcp.reset is None
    return last.status in _LAST_REPLIES or is_turned_away or is_said or (is_refused and is_orderly)


@rule(
    "smtp.banner-delay",
    Severity.WARNING,
    advice="Look at the name resolution of the server (reverse lookups of the client's address time out), at block"
    " lists that it asks, and at tarpitting.",
    source="RFC 5321 section 4.5.3.2.1",
)
def banner_delay(trace: Trace) -> Iterator[Hit]:
    """The server accepts the connection at once, and greets only after more than five seconds."""
    tcp = trace.tcp
    if trace.protocol != "smtp" or tcp is None or tcp.syn_ack is None:
        return
    greeting = SmtpDialogue(trace).greeting
    if greeting is None or not greeting.is_clear or greeting.index > 0:
        return
    delay = greeting.span.first_time_ns - tcp.syn_ack.time_ns
    if delay > _SLOW_BANNER_NS:
        summary = f"{server_of(greeting)} greets {trace.client.address} only after {delay / _SECOND:.1f} s."
        accepted = trace.saw(tcp.syn_ack.frame, "the connection is accepted")
        yield Hit(summary, (accepted, greeting.answered(reply_text(greeting))))


def _after_pauses(steps: Sequence[Step]) -> list[Step]:
    """The commands that came a second or more after the answer to the one before: people think, programs do not."""
    return [
        later
        for earlier, later in pairwise(steps)
        if earlier.response_span is not None
        and later.request_span is not None
        and later.request_span.first_time_ns - earlier.response_span.last_time_ns >= _SECOND
    ]


@rule(
    "smtp.manual-session",
    Severity.INFO,
    confidence=Confidence.LIKELY,
    advice="Nothing: somebody tests by hand, and what goes wrong in the session is part of that.",
    source="RFC 5321: programs send whole lines",
    is_about_monitors=True,
)
def manual_session(trace: Trace) -> Iterator[Hit]:
    """Somebody types the session (telnet): characters come one by one, or slowly, with commands that do not exist."""
    if trace.protocol != "smtp":
        return
    dialogue = SmtpDialogue(trace)
    typed = [step for step in dialogue.steps if step.verb and "entry_ms" in step.about("smtp")]
    client = trace.streams[_CLIENT]
    wrongs = [step for step in dialogue.steps if step.status == _UNRECOGNISED]
    typed = typed or (_after_pauses(dialogue.steps) if len(wrongs) >= _TYPED_COMMANDS else [])
    wrong = next(iter(wrongs), None)
    is_piecemeal = client.length >= _FEW_BYTES and client.segments * _BYTES_OF_A_KEY >= client.length
    if not (is_piecemeal and typed) and not (len(typed) >= _TYPED_COMMANDS and wrong is not None):
        return
    first = typed[0]
    took = first.about("smtp").get("entry_ms")
    how = "after a pause" if took is None else f"typed in {took / 1000:.1f} s"
    evidence = [first.asked(f"{first.target}: {how}")]
    if wrong is not None:
        evidence += command_and_reply(wrong)
    yield Hit(f"Somebody at {client_of(first)} types to {server_of(first)} by hand.", tuple(evidence))


@rule(
    "smtp.monitor-probe",
    Severity.INFO,
    advice="Nothing: keep these sessions out of what is looked at.",
    source="load balancers test SMTP by HELO and QUIT in a fixed period",
    is_about_monitors=True,
)
def monitor_probe(scene: Scene) -> Iterator[Hit]:
    """A monitor, mostly of a load balancer, says HELO or EHLO and QUIT, or nothing, in a fixed period.

    At least three sessions without mail, at least two seconds apart, with less than a tenth of jitter.
    """
    for series in periodic_probes(scene):
        first = series[0]
        period = (period_of(series) or 0) / _SECOND
        yield Hit(
            f"{first.client.address} tests SMTP of {first.server} every {period:.0f} s ({len(series)} sessions).",
            tuple(trace.opening for trace in series[:3]),
            client=first.client.address,
            server=first.server.address,
            place=str(first.server.port),
            connections=tuple(trace.id for trace in series),
        )


@rule(
    "smtp.snat-hides-clients",
    Severity.WARNING,
    confidence=Confidence.LIKELY,
    advice="Keep the clients' addresses (no SNAT, with the balancer as the server's default gateway), or let the"
    " balancer decide who may relay and give those another SNAT address, or demand authentication.",
    source="receive connectors choose by the address of the client (RemoteIPRanges)",
)
def snat_hides_clients(scene: Scene) -> Iterator[Hit]:
    """Many clients come from one address, so that rules by address cannot tell them apart.

    At least five different names in EHLO or HELO. Silent for a gateway: all its messages came by other servers before.
    """
    groups: dict[tuple[str, str], list[SmtpDialogue]] = defaultdict(list)
    for dialogue in dialogues(scene):
        if dialogue.client_name:
            groups[dialogue.trace.pair].append(dialogue)
    for (client, server), sessions in groups.items():
        by_name: dict[str, SmtpDialogue] = {}
        for dialogue in sessions:
            by_name.setdefault(dialogue.client_name.lower(), dialogue)
        if len(by_name) < _MANY_NAMES or _is_gateway(sessions):
            continue
        shown = list(by_name.values())
        hellos = [step for dialogue in shown[:4] for step in dialogue.of("EHLO", "HELO")[:1]]
        yield Hit(
            f"{len(by_name)} different clients reach {shown[0].server_name or server} from {client} alone.",
            tuple(step.asked(step.target) for step in hellos),
            client=client,
            server=server,
            place="",
            connections=tuple(dialogue.trace.id for dialogue in sessions),
        )


def _is_gateway(sessions: list[SmtpDialogue]) -> bool:
    """Whether each message that was sent has come by another server before."""
    messages = [facts for each in sessions for step in each.steps if (facts := step.about("smtp").get("message"))]
    return bool(messages) and all(facts.get("received") for facts in messages)
