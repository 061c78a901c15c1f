"""Faults of DCE/RPC in the clear ([MS-RPCE], [MS-DCOM])."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from tlsdecrypt.findings.finding import Confidence, Severity
from tlsdecrypt.findings.rule import Hit, rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tlsdecrypt.findings.scene import Scene

_ACCESS_DENIED = ("0x00000005", "0x80070005")
_ADMINISTRATION = frozenset({"IActivation", "IRemoteSCMActivator", "IMSAdminBaseW", "IMSAdminBase2W", "IMSAdminBase3W"})
_OF_OBJECTS = frozenset({None, "IRemUnknown", "IRemUnknown2"})  # whose calls reach any object that was activated


@rule(
    "dcerpc.access-denied",
    Severity.WARNING,
    confidence=Confidence.LIKELY,
    advice="Add Exchange Trusted Subsystem (or the account that asks) to the local Administrators of that server; the"
    " Exchange shell reads the IIS metabase by DCOM.",
    source="Seed post of 23 November 2011; [MS-RPCE] 2.2.2.9; HRESULT 0x80070005",
)
def access_denied(scene: Scene) -> Iterator[Hit]:
    """A server refuses DCOM activation, or access to the IIS metabase, with "access denied".

    The fault is readable although arguments are sealed. Silent for faults of other interfaces, for other codes (unknown
    interface, wrong operation: another version), and inside of RPC over HTTP.
    """
    bound: dict[tuple[str, str], set[str]] = defaultdict(set)
    for step in scene.steps:
        if step.protocol != "dcerpc":
            continue
        facts = step.about("dcerpc")
        bound[step.trace.pair] |= _ADMINISTRATION.intersection(facts.get("interfaces", ()))
        if facts.get("result") != "fault" or facts.get("status") not in _ACCESS_DENIED:
            continue
        interface = facts.get("interface")
        refused = sorted(bound[step.trace.pair]) if interface in _OF_OBJECTS else [interface]
        if _ADMINISTRATION.intersection(refused):
            client, server = step.trace.pair
            summary = f"{server} denies {client} access by DCOM ({', '.join(map(str, refused))})"
            seen = step.asked(step.target), step.answered(f"fault, status {facts['status']}: access denied")
            yield Hit(summary, seen, client=client, server=server, place=str(step.trace.server.port))
