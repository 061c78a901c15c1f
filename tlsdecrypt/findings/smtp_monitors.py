"""Monitors of load balancers in SMTP: the same short session again and again, like a clock."""

from __future__ import annotations

import re
from collections import defaultdict
from itertools import pairwise
from typing import TYPE_CHECKING

from tlsdecrypt.findings.smtp_dialogue import (
    SmtpDialogue,
    is_same_domain,
    leaves_unauthenticated,
    speaks_on_smtp_port,
)
from tlsdecrypt.findings.tls_story import ended_by
from tlsdecrypt.flow import Direction

if TYPE_CHECKING:
    from tlsdecrypt.findings.scene import Scene, Trace

ENOUGH_SESSIONS = 3
SHORTEST_PERIOD_NS = 2_000_000_000
MOST_JITTER = 0.1  # of the period

# Host names of balancers and of monitoring, by their first label: lb01, f5-a, bigip, monitor.
_MONITOR_NAME = re.compile(
    r"(?:\A|[-_\d])(?:s?lb|f5|big-?ip|kemp|netscaler|haproxy|monitor(?:ing)?|probe|health-?check|nagios|zabbix|prtg"
    r"|icinga)(?:\Z|[-_\d])",
    re.IGNORECASE,
)
_SHORT_TALK = frozenset({"HELO", "EHLO", "NOOP", "RSET", "QUIT"})


def is_short_session(trace: Trace) -> bool:
    """Whether no more than HELO or EHLO was said, then QUIT, or the client closed or reset the connection."""
    if trace.tls is not None or (trace.protocol != "smtp" and not speaks_on_smtp_port(trace)):
        return False
    verbs = {step.verb for step in trace.steps if step.verb}
    if not verbs <= _SHORT_TALK:
        return False
    has_left = trace.tcp is not None and trace.tcp.syn_ack is not None and ended_by(trace) is Direction.CLIENT_TO_SERVER
    return "QUIT" in verbs or has_left


def _is_lost_exchange_server(trace: Trace) -> bool:
    """Whether it is no monitor but an Exchange server that tries again: the same domain, and X-EXPS is missing.

    Unless its very name is that of a balancer or monitor.
    """
    dialogue = SmtpDialogue(trace)
    if _MONITOR_NAME.search(dialogue.client_name.partition(".")[0]):
        return False
    return leaves_unauthenticated(dialogue) and is_same_domain(dialogue.client_name, dialogue.server_name)


def periodic_probes(scene: Scene) -> list[list[Trace]]:
    """The sessions of each monitor, in the order of time."""
    groups: dict[tuple[str, str, int], list[Trace]] = defaultdict(list)
    for trace in scene.traces:
        if is_short_session(trace) and not _is_lost_exchange_server(trace):
            groups[trace.client.address, trace.server.address, trace.server.port].append(trace)
    return [traces for traces in groups.values() if period_of(traces) is not None]


def period_of(traces: list[Trace]) -> float | None:
    """The period in nanoseconds of sessions that come like a clock; None for those that do not."""
    if len(traces) < ENOUGH_SESSIONS:
        return None
    times = [trace.span.first_time_ns for trace in traces]
    gaps = [later - earlier for earlier, later in pairwise(times)]
    mean = sum(gaps) / len(gaps)
    if mean < SHORTEST_PERIOD_NS or max(abs(gap - mean) for gap in gaps) >= MOST_JITTER * mean:
        return None
    return mean
