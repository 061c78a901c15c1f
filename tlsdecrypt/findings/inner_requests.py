"""InnerRequests: what a server asks others while a question to it waits for its answer."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from typing import TYPE_CHECKING

from tlsdecrypt.findings.exchange_answers import station_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tlsdecrypt.findings.scene import Scene, Step, Trace

SERVICES = frozenset({"ews", "autodiscover-soap", "autodiscover-pox", "ws-trust", "oauth", "legacy-free-busy"})


class InnerRequests:
    """An index by the asking host and the time, made for the hosts that are asked about."""

    def __init__(self, scene: Scene) -> None:
        """Nothing is looked at before it is asked for."""
        self._scene = scene
        self._steps: dict[str, tuple[list[int], list[Step]]] = {}
        self._traces: dict[str, tuple[list[int], list[Trace]]] = {}
        self._by_mailbox: dict[str, tuple[list[int], list[Step]]] | None = None

    def behind(self, step: Step) -> Sequence[Step]:
        """The requests that the asked server makes while `step` waits, in the order of time."""
        host = step.trace.server.address
        if host not in self._steps:
            own = (each for trace in self._scene.by_client.get(host, ()) for each in trace.steps)
            steps = sorted((each for each in own if each.service in SERVICES), key=lambda each: each.time_ns)
            self._steps[host] = [each.time_ns for each in steps], steps
        times, steps = self._steps[host]
        first, last = _window(times, step)
        return [each for each in steps[first:last] if each is not step]

    def connections_behind(self, step: Step) -> Sequence[Trace]:
        """The connections that it opens meanwhile, and of which no request can be read."""
        host = step.trace.server.address
        if host not in self._traces:
            own = [each for each in self._scene.by_client.get(host, ()) if not each.steps]
            traces = sorted(own, key=lambda each: each.span.first_time_ns)
            self._traces[host] = [each.span.first_time_ns for each in traces], traces
        times, traces = self._traces[host]
        first, last = _window(times, step)
        return traces[first:last]

    def about(self, step: Step, mailbox: str) -> Sequence[Step]:
        """Requests of others, to other servers, for the same mailbox while `step` waits.

        Behind translation of addresses and proxies, the asked server is not known by its address.
        """
        mailbox = mailbox.lower()
        if self._by_mailbox is None:
            self._by_mailbox = _by_mailbox(self._scene)
        times, steps = self._by_mailbox.get(mailbox, ([], []))
        first, last = _window(times, step)
        me, asked = step.trace.client.address, station_of(step)
        return [each for each in steps[first:last] if each.trace.client.address != me and station_of(each) != asked]


def _by_mailbox(scene: Scene) -> dict[str, tuple[list[int], list[Step]]]:
    """What asks for free/busy, or where it is served, by the mailbox that it is for; each with the times."""
    found: dict[str, list[Step]] = defaultdict(list)
    for service in ("ews", "autodiscover-soap", "autodiscover-pox"):
        for step in scene.steps_by_service.get(service, ()):
            names = step.about("ews").get("mailboxes") or [step.about("autodiscover").get("email_address")]
            for name in {str(each).lower() for each in names if each}:
                found[name].append(step)
    ordered = {name: sorted(steps, key=lambda each: each.time_ns) for name, steps in found.items()}
    return {name: ([each.time_ns for each in steps], steps) for name, steps in ordered.items()}


def _window(times: list[int], step: Step) -> tuple[int, int]:
    span = step.span
    return bisect_left(times, span.first_time_ns), bisect_right(times, span.last_time_ns)
