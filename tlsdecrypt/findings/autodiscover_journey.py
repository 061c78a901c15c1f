"""The journey of a client that looks for its settings: every place that it tries, in the order of time.

Names that it looks up, connections that fail, TLS that stays encrypted, requests, redirects: the legs of one search, as
far as the capture shows them. A search ends where nothing of it follows for a minute, or where the client has its
settings and asks for somebody else.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tlsdecrypt.findings.autodiscover_answers import (
    SERVICES,
    address_of,
    error_of,
    has_settings,
    host_in,
    redirect_of,
    url_of,
)
from tlsdecrypt.findings.monitors import is_probe
from tlsdecrypt.findings.reachability import addresses_in, dns_of, is_refused, is_unanswered
from tlsdecrypt.findings.story import MAX_LEGS, MAX_STORIES, Leg, Story
from tlsdecrypt.findings.tls_story import client_gave_up, fatal_alert, has_said_something
from tlsdecrypt.flow import Direction
from tlsdecrypt.value import Value

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tlsdecrypt.findings.scene import Scene, Step, Trace
    from tlsdecrypt.findings.story import State
    from tlsdecrypt.net.surroundings import DnsMessage

PAUSE_NS = 60_000_000_000  # after which a new search begins

_PREFIXES = ("autodiscover.", "autodiscover-s.")
_SRV = "_autodiscover._tcp."
_WEB_PORTS = frozenset({80, 443})
_DNS, _TCP, _TLS, _HTTP, _LOGIN, _APPLICATION = range(6)  # layers, the lowest first
_UNAUTHORIZED, _FIRST_ERROR = 401, 400
_CLIENT, _SERVER = Direction


class _Try(Value, frozen=True):
    """A leg with what decides where the story goes: its layer, until when it lasted, and whom it is for."""

    leg: Leg
    layer: int
    end_ns: int
    subject: str = ""


@dataclass(slots=True)
class _Places:
    """What one client may try: host names, and the addresses that they have for it."""

    hosts: set[str] = field(default_factory=set)
    addresses: dict[str, str] = field(default_factory=dict)  # address: the first name that led to it

    def is_of_search(self, name: str) -> bool:
        return name.startswith((*_PREFIXES, _SRV)) or name in self.hosts

    def add_domains(self) -> None:
        """The domain itself is a candidate, too."""
        prefix = _PREFIXES[0]
        self.hosts |= {host.removeprefix(prefix) for host in self.hosts if host.startswith(prefix)}

    def add_addresses(self, messages: Iterable[DnsMessage]) -> None:
        for message in messages:
            name = message.questions[0].name if message.questions else ""
            if name and self.is_of_search(name):
                for address in addresses_in(message):
                    self.addresses.setdefault(address, name)


def autodiscover_journeys(scene: Scene) -> Iterator[Story]:
    """One story for each search, at most `MAX_STORIES`, those that began first."""
    messages: dict[str, list[DnsMessage]] = defaultdict(list)
    for message in dns_of(scene):
        messages[message.client.address].append(message)
    stories: list[Story] = []
    for client, places in _places_by_client(scene, messages).items():
        found = [*_lookups(messages[client], places), *_connections(scene, client, places)]
        tries = sorted(found, key=lambda each: each.leg.time_ns)
        stories += [_story(client, part) for part in _searches(tries)]
    yield from sorted(stories, key=lambda story: story.legs[0].time_ns)[:MAX_STORIES]


def _places_by_client(scene: Scene, messages: dict[str, list[DnsMessage]]) -> dict[str, _Places]:
    """Clients that look for Autodiscover, and where: by what they ask, look up, and name in TLS."""
    found: dict[str, _Places] = defaultdict(_Places)
    for service in SERVICES:
        for step in scene.steps_by_service.get(service, ()):
            if not is_probe(step):
                hosts = (host_in(url_of(step)), host_in(redirect_of(step) or ""))
                found[step.trace.client.address].hosts.update(host for host in hosts if host)
    for trace in scene.traces:
        name = trace.server_name
        if name is not None and name.startswith(_PREFIXES):
            found[trace.client.address].hosts.add(name)
    for client, own in messages.items():
        for message, name in [(each, question.name) for each in own for question in each.questions]:
            if name.startswith((*_PREFIXES, _SRV)):
                _learn(found[client], name, message)
    for client, places in found.items():
        places.add_domains()
        places.add_addresses(messages.get(client, ()))
    return found


def _learn(places: _Places, name: str, message: DnsMessage) -> None:
    """A name that is looked up, and the host that an SRV record names."""
    if not name.startswith(_SRV):
        places.hosts.add(name)
    for record in message.answers:
        if record.type == "SRV":
            places.hosts.add(record.data.rpartition(" ")[2].rstrip(".").lower())


def _lookups(messages: Iterable[DnsMessage], places: _Places) -> Iterator[_Try]:
    """One leg for each name: its queries and answers that follow one another."""
    groups: dict[str, list[DnsMessage]] = {}
    for message in messages:
        name = message.questions[0].name if message.questions else ""
        if not places.is_of_search(name):
            continue
        group = groups.get(name)
        if group and message.time_ns - group[-1].time_ns > PAUSE_NS:
            yield _lookup(name, group)
            group = None
        if group is None:
            group = groups[name] = []
        group.append(message)
    for name, group in groups.items():
        yield _lookup(name, group)


def _lookup(name: str, messages: list[DnsMessage]) -> _Try:
    answers = [each for each in messages if each.is_response]
    records = [f"{each.type} {each.data}" for message in answers for each in message.answers]
    told = ", ".join(dict.fromkeys(records)) or ", ".join(dict.fromkeys(_rcode(each) for each in answers))
    state: State = "goes on" if records else "bad"
    kinds = "/".join(dict.fromkeys(question.type for each in messages for question in each.questions))
    first, last = messages[0], messages[-1]
    leg = Leg(first.time_ns, f"DNS {name} {kinds}", told or "no answer", state, None, first.frame, last.frame)
    return _Try(leg, _DNS, last.time_ns)


def _rcode(message: DnsMessage) -> str:
    return "no such record" if message.rcode == "NOERROR" else message.rcode


def _connections(scene: Scene, client: str, places: _Places) -> Iterator[_Try]:
    for trace in scene.by_client.get(client, ()):
        steps = [step for step in trace.steps if _is_of_journey(step)]
        yield from map(_request, steps)
        if not steps and trace.server.port in _WEB_PORTS:
            name = trace.server_name or places.addresses.get(trace.server.address)
            if name is not None and places.is_of_search(name) and not trace.steps:
                yield _silent_connection(trace, name)


def _is_of_journey(step: Step) -> bool:
    is_asked = step.service in SERVICES or (step.protocol == "http" and step.path.startswith("/autodiscover/"))
    return is_asked and not is_probe(step)


def _silent_connection(trace: Trace, name: str) -> _Try:
    """A connection of which nothing could be read: it failed, or stays encrypted."""
    layer, outcome, state = _end_of(trace)
    scheme = "TLS" if layer >= _TLS else "connect to"
    what = f"{scheme} {name} ({trace.server})"
    span = trace.span
    leg = Leg(span.first_time_ns, what, outcome, state, trace.id, span.first_frame, span.last_frame)
    return _Try(leg, layer, span.last_time_ns)


def _end_of(trace: Trace) -> tuple[int, str, State]:
    if is_unanswered(trace) or is_refused(trace):
        return _TCP, "refused" if is_refused(trace) else "no answer", "bad"
    alert = fatal_alert(trace, _CLIENT) or fatal_alert(trace, _SERVER)
    if alert is not None:
        who = "client" if alert.direction is _CLIENT else "server"
        return _TLS, f"the {who} breaks off: {alert.description}", "bad"
    if client_gave_up(trace):
        return _TLS, "the client goes away after the certificate", "bad"
    if trace.tls is None or not has_said_something(trace):
        return (_TCP if trace.tls is None else _TLS), "nothing was said", "unknown"
    return _HTTP, "stays encrypted: nobody can tell", "unknown"


def _request(step: Step) -> _Try:
    layer, outcome, state = _outcome_of(step)
    whom = address_of(step)
    what = f"{step.verb} {url_of(step)}{f' for {whom}' if whom else ''}"
    span = step.span
    leg = Leg(span.first_time_ns, what, outcome, state, step.trace.id, span.first_frame, span.last_frame)
    return _Try(leg, layer, span.last_time_ns, (whom or "").lower())


def _outcome_of(step: Step) -> tuple[int, str, State]:
    error, redirect = error_of(step), redirect_of(step)
    if step.status is None:
        return _HTTP, "no answer", "bad"
    if redirect is not None:
        return _APPLICATION, f"redirect to {redirect}", "goes on"
    if error is not None:
        message = step.about("autodiscover").get("message", "")
        return _APPLICATION, f"error {error}: {message}".rstrip(": "), "bad"
    if has_settings(step):
        return _APPLICATION, "settings", "good"
    if step.status == _UNAUTHORIZED:
        is_final = step.about("auth").get("is_complete")
        offers = ", ".join(dict.fromkeys(step.http.get("challenges", ()))) or "nothing"
        return (
            (_LOGIN, f"401, login refused; offers {offers}", "bad")
            if is_final
            else (_LOGIN, f"401, offers {offers}", "goes on")
        )
    server = f" ({step.http['server']})" if "server" in step.http else ""
    state: State = "bad" if step.status >= _FIRST_ERROR else "unknown"
    return _HTTP, f"HTTP {step.status}{server}", state


def _searches(tries: list[_Try]) -> Iterator[list[_Try]]:
    """Cut where nothing follows for long, or where the settings are there and somebody else is asked for."""
    part: list[_Try] = []
    end_ns, subject = 0, ""
    for each in tries:
        is_done = any(done.leg.state == "good" for done in part) and each.subject not in ("", subject)
        if part and (each.leg.time_ns - end_ns > PAUSE_NS or is_done):
            yield part
            part, end_ns, subject = [], 0, ""
        part.append(each)
        end_ns = max(end_ns, each.end_ns)
        subject = each.subject or subject
    if part:
        yield part


def _story(client: str, tries: list[_Try]) -> Story:
    legs = tuple(each.leg for each in tries[:MAX_LEGS])
    subject = next((each.subject for each in tries if each.subject), None) or legs[0].what.removeprefix("DNS ")
    verdict, state = _verdict(tries)
    title = f"Autodiscover of {client} for {subject}"
    return Story("autodiscover", title, client, verdict, state, legs, max(0, len(tries) - MAX_LEGS))


def _verdict(tries: list[_Try]) -> tuple[str, State]:
    """Settings, or what stopped the search: of all failures that of the lowest layer first."""
    good = next((each for each in tries if each.leg.state == "good"), None)
    if good is not None:
        return f"settings from {good.leg.what.split()[1]}", "good"
    hidden = next((each for each in reversed(tries) if each.leg.state == "unknown" and each.layer == _HTTP), None)
    if hidden is not None:
        return f"it goes on where it stays encrypted: {hidden.leg.what}", "unknown"
    failures = sorted((each for each in tries if each.leg.state == "bad"), key=lambda each: each.layer)
    if failures:
        leg = failures[0].leg
        return f"no settings; the first layer that fails: {leg.what}: {leg.outcome}", "bad"
    return "no settings were seen", "unknown"
