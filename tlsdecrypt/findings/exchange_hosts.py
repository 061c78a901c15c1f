"""Which hosts of a capture are Exchange servers, and what a client found out about a name before it connected."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING

from tlsdecrypt.findings.addresses import covers
from tlsdecrypt.findings.exchange_answers import has_failed, has_reached_iis
from tlsdecrypt.findings.finding import Evidence, quote
from tlsdecrypt.findings.reachability import (
    TRIES,
    addresses_in,
    dns_of,
    has_accepted,
    is_refused,
    is_unanswered,
)
from tlsdecrypt.findings.tls_story import client_gave_up, ended_by, has_said_something
from tlsdecrypt.flow import Direction

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tlsdecrypt.findings.scene import Scene, Trace
    from tlsdecrypt.net.surroundings import DnsMessage

_SMTP = 25
_SERVICES = frozenset(
    {
        "ews",
        "autodiscover-pox",
        "autodiscover-soap",
        "mapi-http",
        "outlook-anywhere",
        "activesync",
        "owa",
        "ecp",
        "oab",
        "mrsproxy",
        "wsman",
    }
)
_SERVER_AGENT = re.compile(r"asproxy/|asautodiscover/|exchange(?:online)?/|msexchange", re.IGNORECASE)
_USER_AGENT = re.compile(
    r"mozilla/|microsoft office|outlook|apple-|ios/|android|macoutlook|mac ?os|skype|teams|thunderbird|evolution",
    re.IGNORECASE,
)
_FAILURES = ("NXDOMAIN", "SERVFAIL", "REFUSED")


def is_exchange_host(scene: Scene, address: str) -> bool:
    """Whether a host shows itself as an Exchange server: it serves its protocols, asks as one, or moves mail."""
    serves = any(
        step.service in _SERVICES and has_reached_iis(step)
        for trace in scene.by_server.get(address, ())
        for step in trace.steps
    )
    return serves or any(
        _asks_as_server(trace) for trace in (*scene.by_client.get(address, ()), *_mail_to(scene, address))
    )


def is_client_host(scene: Scene, address: str) -> bool:
    """Whether somebody works at a host: a program of a user asks from it (a browser, Outlook, a telephone)."""
    return any(
        _USER_AGENT.match(step.http.get("user_agent", ""))
        for trace in scene.by_client.get(address, ())
        for step in trace.steps
    )


def _mail_to(scene: Scene, address: str) -> Iterator[Trace]:
    return (trace for trace in scene.by_server.get(address, ()) if trace.server.port == _SMTP)


def _asks_as_server(trace: Trace) -> bool:
    if trace.server.port == _SMTP:
        return any(step.protocol == "smtp" for step in trace.steps)
    return any(_SERVER_AGENT.search(step.http.get("user_agent", "")) for step in trace.steps)


def dns_by_client(scene: Scene) -> dict[str, list[DnsMessage]]:
    """DNS messages by the address of the client."""
    found: dict[str, list[DnsMessage]] = defaultdict(list)
    for message in dns_of(scene):
        found[message.client.address].append(message)
    return found


class Way:
    """How far one client came on its way to one name: DNS, then TCP, then TLS."""

    def __init__(self, scene: Scene, client: str, name: str, messages: Iterable[DnsMessage]) -> None:
        """`name` in lower case; `messages` of DNS are those of the client."""
        self._scene = scene
        self.name = name
        self._messages = [each for each in messages if any(asked.name == name for asked in each.questions)]
        self.addresses = list(dict.fromkeys(found for each in self._messages for found in addresses_in(each)))
        own = (trace for trace in scene.by_client.get(client, ()))
        self.traces = [each for each in own if name in each.names or each.server.address in self.addresses]

    def dns_failure(self) -> tuple[str, Evidence, str] | None:
        """What DNS said instead of an address, or that it said nothing; and the address of the resolver.

        None where the client gets there all the same: it knew the address from before, or a proxy leads there.
        """
        if self.addresses or not self._messages or any(map(_leads_on, self.traces)):
            return None
        answers = [each for each in self._messages if each.is_response]
        failed = next((each for each in answers if each.rcode in _FAILURES), None)
        if failed is not None:
            return failed.rcode, self._said(failed, failed.rcode), failed.server.address
        queries = [each for each in self._messages if not each.is_response]
        is_silent = len(queries) > 1 and self._scene.goes_on_after(queries[1].time_ns)
        if not answers and is_silent:
            return "no answer", self._said(queries[0], "no answer came"), queries[0].server.address
        if not answers:
            return None
        return "no address", self._said(answers[0], "no address"), answers[0].server.address

    def _said(self, message: DnsMessage, what: str) -> Evidence:
        kind = message.questions[0].type if message.questions else "?"
        resolver = message.server.address
        return Evidence(message.frame, None, quote(f"DNS {self.name} {kind}: {what} (resolver {resolver})"))

    def tcp_failure(self) -> tuple[Trace, Evidence] | None:
        """A connection that did not come about, where none did."""
        if any(has_accepted(each) for each in self.traces):
            return None
        silent = [each for each in self.traces if is_unanswered(each)]
        tries = sorted(syn.time_ns for each in silent if each.tcp is not None for syn in each.tcp.syns)
        is_proven = len(tries) >= TRIES and self._scene.goes_on_after(tries[TRIES - 1])
        for trace in self.traces:
            if is_refused(trace) and trace.tcp is not None and trace.tcp.reset is not None:
                return trace, trace.saw(trace.tcp.reset.frame, f"{trace.server} refuses the connection")
            if is_proven and trace in silent:
                return trace, trace.saw(trace.span.first_frame, f"SYN to {trace.server}, {len(tries)} seen, no answer")
        return None

    def tls_failure(self) -> tuple[Trace, Evidence] | None:
        """A handshake that the client broke off, where none was finished and used.

        Windows looks at the certificate when the handshake is over: where it lacks the name and the client leaves
        without a word, that is meant, too.
        """
        broken = [each for each in self.traces if client_gave_up(each) or self._is_left_unused(each)]
        others = [each for each in self.traces if each.tls is not None and each not in broken]
        if not broken or others:
            return None
        trace = broken[0]
        names = trace.certificate.alternative_names if trace.certificate is not None else ()
        shown = f"certificate of {self.name} names {', '.join(names[:6]) or 'nothing'}; the client goes away"
        return trace, trace.saw(trace.span.last_frame, shown)

    def _is_left_unused(self, trace: Trace) -> bool:
        certificate = trace.certificate
        if certificate is None:
            return False
        names = certificate.alternative_names or (certificate.common_name or "",)
        if any(covers(name, self.name) for name in names):
            return False
        return trace.has_syn and not has_said_something(trace) and ended_by(trace) is Direction.CLIENT_TO_SERVER


def _leads_on(trace: Trace) -> bool:
    """Whether the server, or the proxy that was asked for the way to it, took the client in."""
    asked = [step for step in trace.steps if step.verb == "CONNECT"]
    return any(not has_failed(step) for step in asked) if asked else has_accepted(trace)
