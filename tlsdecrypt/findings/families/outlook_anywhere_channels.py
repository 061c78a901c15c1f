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
    offers_mapi_http,
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
_FIRST_SETUP = frozenset({"CONN/A1", "CONN/B1"})
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

    Channels belong together by the cookie of their virtual connection, where it can be read; else the only two of a
    client within that time do, where they lead to the same port. Two that came to proxies at different addresses
    count where the proxies did not join them. Silent where the capture begins or ends too close by, where a channel was
    refused (other rules tell why), where another channel of the client lacks its partner too, and where connections of
    the client to that server could not be opened: the partner may be one of these.
    """
    channels: dict[str, dict[str, Step]] = defaultdict(dict)
    for step in calls(scene):
        cookie = _cookie(step)
        is_open = is_channel(step) or step.status == 200 or _is_begun(step)  # noqa: PLR2004  OK
        if step.verb in RPC_VERBS and is_open and "is_echo" not in facts_of(step):
            channels[cookie or f"without {step.trace.id} {step.index}"][facts_of(step)["channel"]] = step
    alone = [step for pair in channels.values() if len(pair) == 1 for step in pair.values()]
    for step in alone:
        channel = str(facts_of(step)["channel"])
        if _is_alone(scene, step) and not any(_may_be_partner(other, step) for other in alone):
            yield hit_at(
                step,
                f"{step.trace.client.address} opened the {channel.upper()} channel to {target_of(step)}, and no"
                f" {_OTHER[channel].upper()} channel came",
                *step.evidence,
                place="one channel",
            )
    for pair in channels.values():
        if len(pair) > 1 and (_is_targeted_apart(pair) or _is_split(scene, pair)):
            yield _astray(pair["in"], pair["out"])
    yield from _lonely_pairs([step for step in alone if not _cookie(step)])


def _lonely_pairs(alone: list[Step]) -> Iterator[Hit]:
    """Clients that opened two channels without a readable cookie, IN and OUT, to different servers."""
    by_client: dict[str, list[Step]] = defaultdict(list)
    for step in alone:
        by_client[step.trace.client.address].append(step)
    for steps in by_client.values():
        if len(steps) == 2 and _may_be_partner(*steps):  # noqa: PLR2004  a pair
            inward, outward = sorted(steps, key=lambda step: str(facts_of(step)["channel"]))
            ports = {facts_of(step).get("target_port") for step in steps}
            if len(ports) == 1 and target_of(inward).lower() != target_of(outward).lower():
                yield _astray(inward, outward)


def _is_begun(step: Step) -> bool:
    """Whether a channel carries something that is no whole PDU yet, and nobody refused it."""
    return step.status is None and step.request_length > 0


def _cookie(step: Step) -> str | None:
    """What names the virtual connection of a channel."""
    cookie: str | None = facts_of(step).get("client", {}).get("virtual_connection")
    return cookie


def _is_targeted_apart(pair: dict[str, Step]) -> bool:
    return target_of(pair["in"]).lower() != target_of(pair["out"]).lower()


def _is_split(scene: Scene, pair: dict[str, Step]) -> bool:
    """Whether two proxies have one channel each, and none of them the other one: no CONN/C2, no PDU of a call."""
    traces = pair["in"].trace, pair["out"].trace
    if traces[0].server.address == traces[1].server.address or any(each.has_gaps for each in traces):
        return False
    begun = max(each.time_ns for each in pair.values())
    if scene.end_ns is None or scene.end_ns - begun < PARTNER_NS:
        return False
    said = facts_of(pair["out"]).get("server", {})
    return "CONN/C2" not in said.get("rts", ()) and said.get("kinds", {}).keys() <= {"rts"}


def _astray(inward: Step, outward: Step) -> Hit:
    ways = [
        f"{channel} to {target_of(step)} by {step.trace.server.address}"
        for channel, step in (("IN", inward), ("OUT", outward))
    ]
    return hit_at(
        inward,
        f"The channels of {inward.trace.client.address} lead to different servers: {', '.join(ways)}",
        inward.asked(inward.target),
        outward.asked(outward.target),
        place="different servers",
    )


def _is_alone(scene: Scene, step: Step) -> bool:
    """Whether the capture shows that no partner came, as far as it can."""
    begun = step.time_ns
    setup = facts_of(step).get("client", {}).get("rts")
    if setup and not _FIRST_SETUP.intersection(setup):  # it replaces a channel whose partner may be older than this
        return False
    is_whole = step.trace.has_syn and step.trace.is_two_sided and not step.trace.has_gaps
    if not is_whole or scene.end_ns is None or scene.end_ns - begun < PARTNER_NS:
        return False
    for trace in scene.by_pair[step.trace.pair]:
        is_near = abs(trace.span.first_time_ns - begun) <= PARTNER_NS
        is_unread = (trace.tls is not None and not trace.is_opened) or not trace.has_syn or trace.has_gaps
        if is_near and (is_unread or any(_may_be_partner(each, step) for each in trace.steps if not is_channel(each))):
            return False
    return True


def _may_be_partner(other: Step, step: Step) -> bool:
    """Whether a request is for the other channel of the same client, at about the same time."""
    is_other = facts_of(other).get("channel") == _OTHER.get(str(facts_of(step)["channel"]))
    is_same_client = other.trace.client.address == step.trace.client.address
    return is_other and is_same_client and abs(other.time_ns - step.time_ns) <= PARTNER_NS


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

    Silent where that host serves MAPI over HTTP, or Autodiscover offers it to the client, for that may be all that
    shall be served; and where the client opens a channel there later. A note where a browser or a scanner asks.
    """
    missing = [step for step in calls(scene) if step.status == _NOT_FOUND]
    if not missing:
        return
    serving = {host_of(step) for step in scene.steps_by_service["mapi-http"] if (step.status or 0) == 200}  # noqa: PLR2004  OK
    opened = {_door(step): step.time_ns for step in calls(scene) if is_channel(step)}  # the last of each
    told = {step.trace.client.address for step in scene.steps_by_service["autodiscover-pox"] if offers_mapi_http(step)}
    for step in missing:
        is_served = host_of(step) in serving or opened.get(_door(step), 0) > step.time_ns
        if not is_served and step.trace.client.address not in told:
            yield hit_at(
                step,
                f"{host_of(step)} has no RPC proxy at {step.path}",
                severity=None if step.verb.startswith("RPC_") else Severity.INFO,
            )


def _door(step: Step) -> tuple[str, str]:
    return step.trace.client.address, host_of(step)


@rule(
    "oa.auth-mismatch",
    Severity.ERROR,
    advice="Let Set-OutlookAnywhere (ExternalClientAuthenticationMethod, InternalClientAuthenticationMethod) and"
    " IISAuthenticationMethods of the virtual directory name the same scheme.",
    source="[MS-OXDSCLI] section 2.2.4.1.1.2.6 (AuthPackage); RFC 9110 section 11.6.1",
    causes=("http.auth-loop", "http.auth-scheme-not-offered"),
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
