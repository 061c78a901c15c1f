"""Outlook Anywhere (RPC over HTTP): what one answer says of itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tlsdecrypt.findings.exchange_answers import has_reached_iis
from tlsdecrypt.findings.finding import Confidence, Severity
from tlsdecrypt.findings.logins import hit_at
from tlsdecrypt.findings.outlook_anywhere_calls import MAILBOX_PORTS, RPC_VERBS, SERVICE, calls, facts_of, target_of
from tlsdecrypt.findings.reachability import is_refused, scanned_by
from tlsdecrypt.findings.rule import Hit, rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tlsdecrypt.findings.scene import Scene, Step

_RPCH = "[MS-RPCH] section 2.1.2.1"
_DEVICE_ANSWERS = frozenset({400, 403, 405, 501})
_NOT_REACHED = frozenset({"6ba", "6bf", "6d9", "2efd"})
_VERSION_FAULTS = frozenset({"0x1c010002", "0x1c010003"})  # a client that asks for more than an older server has
_CLOUD = ("outlook.office365.com", "outlook.office.com")


@rule(
    "oa.rpc-error",
    Severity.ERROR,
    advice="6ba: the server behind does not answer; 5: access denied, look at ValidPorts and at the account. Check the"
    " services of Exchange on that server, and its name as the proxy resolves it.",
    source=_RPCH,
    services=SERVICE,
    suppresses=("http.backend-503", "http.http-sys-503", "http.throttled"),
)
def rpc_error(step: Step) -> Iterator[Hit]:
    """The RPC proxy could not serve the channel, and says by which error of Windows: `503 RPC Error: 6ba`."""
    facts = facts_of(step)
    if "rpc_error" in facts:
        yield Hit(
            f"The RPC proxy {step.host} cannot serve {target_of(step)}: error {facts['rpc_error']},"
            f" {facts['rpc_error_meaning']}",
            (*step.evidence, step.answered(f"{step.status} RPC Error: {facts['rpc_error']}")),
        )


@rule(
    "oa.backend-port-closed",
    Severity.ERROR,
    advice="Check on that server that the service of this port runs (6001 store, 6002 referral, 6004 address book),"
    " that it listens on the address that the proxy uses (IPv6!), and ValidPorts of the proxy.",
    source=f"{_RPCH}; ports of Exchange behind the RPC proxy",
    confidence=Confidence.LIKELY,
    suppresses=("tcp.connect-refused",),
    causes=("oa.rpc-error",),
)
def backend_port_closed(scene: Scene) -> Iterator[Hit]:
    """The store, the referral service or the address book cannot be reached behind the proxy (ports 6001, 6002, 6004).

    Either the proxy says so (RPC error 6ba, 6bf or 6d9), or its connection to the port is seen to be refused. Silent
    for scans of many ports or hosts.
    """
    refused = [trace for trace in scene.traces if trace.server.port in MAILBOX_PORTS and is_refused(trace)]
    scanners = scanned_by(each for each in scene.traces if is_refused(each)) if refused else set()
    for trace in refused:
        client, server = trace.pair
        if client not in scanners:
            summary = f"{server} refuses connections to port {trace.server.port}"
            yield Hit(summary, (trace.opening,), client=client, server=server, place=str(trace.server.port))
    for step in calls(scene):
        facts = facts_of(step)
        if facts.get("rpc_error") in _NOT_REACHED and facts.get("target_port") in MAILBOX_PORTS:
            yield hit_at(
                step,
                f"The RPC proxy does not reach the {facts['endpoint']} at {target_of(step)}",
                *step.evidence,
                step.answered(f"{step.status} RPC Error: {facts['rpc_error']}"),
                place=target_of(step),
            )


@rule(
    "oa.verb-blocked",
    Severity.ERROR,
    advice="Let the firewall or proxy in front pass the methods RPC_IN_DATA and RPC_OUT_DATA, with contents of 1 GB.",
    source=_RPCH,
    confidence=Confidence.LIKELY,
    services=SERVICE,
    suppresses=("http.forbidden-403", "http.proxy-block"),
)
def verb_blocked(step: Step) -> Iterator[Hit]:
    """A device in front of Exchange refuses the methods of RPC over HTTP with 400, 403, 405 or 501.

    Silent where a field shows that IIS answered.
    """
    server = step.http.get("server", "").lower()
    is_of_iis = has_reached_iis(step) or "microsoft-iis" in server
    if (
        step.verb in RPC_VERBS
        and step.status in _DEVICE_ANSWERS
        and not is_of_iis
        and "rpc_error" not in facts_of(step)
    ):
        by = f" ({step.http['server']})" if server else ""
        yield Hit(f"A device in front of {step.host}{by} refuses {step.verb} with {step.status}", step.evidence)


@rule(
    "oa.rpc-fault",
    Severity.ERROR,
    advice="Look up the status; 5 means access denied, and a refused bind that the server does not offer this interface"
    " or this kind of authentication.",
    source="[MS-RPCE] section 2.2.2; C706 chapter 12",
    services=SERVICE,
)
def rpc_fault(step: Step) -> Iterator[Hit]:
    """A call or a bind inside of the channel failed: a fault, bind_nak, or refused contexts.

    Faults by which a newer client learns that the server is older are notes.
    """
    for side in ("client", "server"):
        said = facts_of(step).get(side, {})
        for fault in said.get("faults", ()):
            is_of_version = fault["status"] in _VERSION_FAULTS
            yield Hit(
                f"A call to {target_of(step)} failed: {fault['meaning']}",
                (step.asked(step.verb), step.answered(f"fault {fault['status']}: {fault['meaning']}")),
                severity=Severity.INFO if is_of_version else None,
            )
        for reason in said.get("refused", ()):
            evidence = (step.asked(step.verb), step.answered(f"bind refused: {reason}"))
            yield Hit(f"{target_of(step)} refuses to be bound: {reason}", evidence)


@rule(
    "oa.retired-in-cloud",
    Severity.ERROR,
    advice="Update Outlook (2013 with its updates at least), so that it uses MAPI over HTTP; remove registry settings"
    " that switch MAPI over HTTP off (MapiHttpDisabled).",
    source="End of RPC over HTTP in Exchange Online, October 2017",
    services=SERVICE,
    suppresses=("oa.404-rpcproxy", "oa.verb-blocked", "http.not-found-vdir"),
)
def retired_in_cloud(step: Step) -> Iterator[Hit]:
    """The client asks Exchange Online for RPC over HTTP, which it does not serve any more."""
    host = (step.host or "").partition(":")[0].lower()
    if host in _CLOUD:
        client = step.trace.client.address
        yield Hit(f"{client} uses Outlook Anywhere towards {host}, which ended in 2017", step.evidence)
