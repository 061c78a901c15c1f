"""Traffic of monitors: probes of Exchange itself, of connectivity tests and of load balancers (guard of all rules)."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tlsdecrypt.findings.scene import Step, Trace

MAX_AGENTS_REMEMBERED = 512  # names of programs; all exchanges of one bear the same, and the search is slow

_PROBE_AGENT = re.compile(
    r"probe|msexchmon|healthmanager|health.?check|nagios|check_http|haproxy|kemp|big-?ip|netscaler|zabbix|pingdom|prtg",
    re.IGNORECASE,
)
_HEALTH_PAGE = "/healthcheck.htm"  # which Exchange has for balancers, below each of its services
_PROBE_USER = re.compile(r"healthmailbox|extest_[0-9a-f]|extest[0-9a-f]{8}", re.IGNORECASE)


def is_probe(step: Step) -> bool:
    """Whether a monitor made this exchange."""
    http = step.http
    if not http:
        return bool(step.about("smtp").get("is_probe"))
    agent, user = http.get("user_agent"), http.get("user") or step.about("wstrust").get("user")
    if agent is None and user is None and step.path.endswith(_HEALTH_PAGE):
        return True
    return (
        "x_probetype" in http
        or (agent is not None and _is_probe_agent(agent))
        or (user is not None and _PROBE_USER.search(user) is not None)
    )


@lru_cache(maxsize=MAX_AGENTS_REMEMBERED)
def _is_probe_agent(agent: str) -> bool:
    return _PROBE_AGENT.search(agent) is not None


def is_monitor(trace: Trace) -> bool:
    """Whether all that was said on this connection is of monitors."""
    return bool(trace.steps) and all(map(is_probe, trace.steps))
