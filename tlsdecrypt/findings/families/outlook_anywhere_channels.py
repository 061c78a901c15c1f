"""Outlook Anywhere: channels that find no partner, logins that do not fit, and proxies that are not there."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from tlsdecrypt.findings.finding import Confidence, Severity
from tlsdecrypt.findings.logins import UNAUTHORIZED, hit_at, host_of
from tlsdecrypt.findings.outlook_anywhere_calls import (
    RPC_VERBS,
    calls,
    facts_of,
    is_channel,
    outside_protocols,
    target_of,
)
from tlsdecrypt.findings.rule import rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tlsdecrypt.findings.rule import Hit
    from tlsdecrypt.findings.scene import Scene, Step

PARTNER_NS = 30_000_000_000  # within which the second channel has to come

_OTHER = {"in": "out", "out": "in"}
_NOT_FOUND = 404
_PACKAGES = {"basic": {"basic"}, "ntlm": {"ntlm"}, "negotiate": {"negotiate"}}


@rule(
    "oa.only-one-channel",
    Severity.ERROR,
    advice="Let the load balancer keep both channels of a client on one server (affinity by client address), and let"
    " every device in front pass both RPC_IN_DATA and RPC_OUT_DATA.",
    source="[MS-RPCH] section 3.2.2 (virtual connections)",
    confidence=Confidence.LIKELY,
)
def only_one_channel(scene: Scene) -> Iterator[Hit]:
    """Of the two channels of a virtual connection only one came within 30 seconds, or they lead to different servers.

    Channels belong together by the cookie of their virtual connection. Silent where the capture begins or ends too
    close by, where a channel was refused (other rules tell why), and where the client has connections to that server
    that could not be opened: the partner may be one of these.
    """
    channels: dict[str, list[Step]] = defaultdict(list)
    for step in calls(scene):
        cookie = facts_of(step).get("client", {}).get("virtual_connection")
        if cookie and step.verb in RPC_VERBS:
            channels[cookie].append(step)
    for steps in channels.values():
        opened = {facts_of(step)["channel"]: step for step in steps}
        if len(opened) == 1:
            [(channel, step)] = opened.items()
            if is_channel(step) and _is_alone(scene, step):
                yield hit_at(
                    step,
                    f"{step.trace.client.address} opened the {channel.upper()} channel to {target_of(step)}, and no"
                    f" {_OTHER[channel].upper()} channel came",
                    *step.evidence,
                    place="one channel",
                )
        elif target_of(opened["in"]).lower() != target_of(opened["out"]).lower():
            step = opened["in"]
            yield hit_at(
                step,
                f"The channels of {step.trace.client.address} lead to different servers: IN to"
                f" {target_of(opened['in'])}, OUT to {target_of(opened['out'])}",
                opened["in"].asked(opened["in"].target),
                opened["out"].asked(opened["out"].target),
                place="different servers",
            )


def _is_alone(scene: Scene, step: Step) -> bool:
    """Whether the capture shows that no partner came, as far as it can."""
    begun = step.time_ns
    if scene.start_ns is None or scene.end_ns is None or step.trace.has_gaps:
        return False
    if scene.end_ns - begun < PARTNER_NS or not step.trace.has_syn:
        return False
    for trace in scene.by_pair[step.trace.pair]:
        is_near = abs(trace.span.first_time_ns - begun) <= PARTNER_NS
        if trace is not step.trace and is_near and trace.tls is not None and not trace.is_opened:
            return False
        if is_near and any(_is_partner(each, step) for each in trace.steps):
            return False
    return True


def _is_partner(other: Step, step: Step) -> bool:
    """A request for the other channel that did not carry its cookie: refused, or its content was lost."""
    facts = facts_of(other)
    has_no_cookie = "virtual_connection" not in facts.get("client", {})
    return facts.get("channel") == _OTHER.get(facts_of(step)["channel"]) and has_no_cookie


@rule(
    "oa.404-rpcproxy",
    Severity.ERROR,
    advice="Install the Windows feature RPC over HTTP proxy and let Exchange make its virtual directory anew"
    " (Enable-OutlookAnywhere), or publish /rpc; or let clients use MAPI over HTTP.",
    source="RPC over HTTP proxy of Windows",
    confidence=Confidence.LIKELY,
    suppresses=("http.not-found-vdir",),
)
def rpcproxy_not_found(scene: Scene) -> Iterator[Hit]:
    """There is no RPC proxy under /rpc: 404.

    Silent where that host serves MAPI over HTTP, which may be all that it shall serve, or a channel opens there later.
    """
    serving = {host_of(step) for step in scene.steps_by_service["mapi-http"] if (step.status or 0) == 200}  # noqa: PLR2004  OK
    opened = {host_of(step) for step in calls(scene) if is_channel(step)}
    for step in calls(scene):
        if step.status == _NOT_FOUND and host_of(step) not in serving | opened:
            yield hit_at(step, f"{host_of(step)} has no RPC proxy at {step.path}")


@rule(
    "oa.auth-mismatch",
    Severity.ERROR,
    advice="Let Set-OutlookAnywhere (ExternalClientAuthenticationMethod, InternalClientAuthenticationMethod) and"
    " IISAuthenticationMethods of the virtual directory name the same scheme.",
    source="[MS-OXDSCLI] section 2.2.4.1.1.2.6 (AuthPackage); RFC 9110 section 11.6.1",
    suppresses=("http.auth-loop",),
)
def auth_mismatch(scene: Scene) -> Iterator[Hit]:
    """Autodiscover tells Outlook to log in by a scheme that the RPC proxy does not offer.

    Basic, Ntlm and Negotiate are compared. Silent where the client's channels open all the same.
    """
    opened = {step.trace.client.address for step in calls(scene) if is_channel(step)}
    refusals: dict[tuple[str, str], Step] = {}
    for step in calls(scene):
        if step.status == UNAUTHORIZED and step.http.get("challenges"):
            refusals.setdefault((step.trace.client.address, host_of(step)), step)
    for answer, protocol in outside_protocols(scene):
        client, server = answer.trace.client.address, str(protocol.get("server", "")).lower()
        refusal = refusals.get((client, server))
        wanted = _PACKAGES.get(str(protocol.get("auth_package", "")).lower())
        if refusal is None or wanted is None or client in opened:
            continue
        offered = {str(each).lower() for each in refusal.http["challenges"]}
        if not wanted & offered:
            yield hit_at(
                refusal,
                f"Outlook is told to log in to {server} with {protocol['auth_package']}, and the proxy offers"
                f" {', '.join(dict.fromkeys(refusal.http['challenges']))}",
                answer.answered(f"AuthPackage {protocol['auth_package']} of {protocol['type']} {server}"),
                refusal.answered(f"WWW-Authenticate: {', '.join(dict.fromkeys(refusal.http['challenges']))}"),
            )
