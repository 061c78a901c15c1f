"""What rules ask of RPC over HTTP: its channels, where they lead, and whether a client got through."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tlsdecrypt.findings.exchange_answers import without_probes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tlsdecrypt.findings.scene import Scene, Step

SERVICE = ("outlook-anywhere",)
RPC_VERBS = frozenset({"RPC_IN_DATA", "RPC_OUT_DATA"})
MAILBOX_PORTS = frozenset({6001, 6002, 6004})

_OUTSIDE = ("expr", "exhttp")


def facts_of(step: Step) -> dict[str, Any]:
    """The annotation `rpc_http`."""
    return step.about("rpc_http")


def calls(scene: Scene) -> list[Step]:
    """The requests of clients, without those of monitors, in the order of time."""
    return without_probes(scene.steps_by_service["outlook-anywhere"])


def is_channel(step: Step) -> bool:
    """Whether a request opened a channel: it carries PDUs, and nobody refused it."""
    facts = facts_of(step)
    return bool(facts.get("is_channel")) and (step.status is None or step.status < 300)  # noqa: PLR2004  no redirect, no error


def target_of(step: Step) -> str:
    """Where a channel leads to: `EXMBX01.contoso.local:6001`."""
    facts = facts_of(step)
    server = facts.get("target_server")
    return f"{server}:{facts['target_port']}" if server else "an unknown server"


def outside_protocols(scene: Scene) -> Iterator[tuple[Step, dict[str, Any]]]:
    """What Autodiscover answers say of Outlook Anywhere: the answer, and each protocol EXPR or EXHTTP in it."""
    for step in scene.steps_by_service["autodiscover-pox"]:
        for protocol in step.about("autodiscover").get("protocols", ()):
            if str(protocol.get("type", "")).lower() in _OUTSIDE and protocol.get("server"):
                yield step, protocol


def offers_mapi_http(step: Step) -> bool:
    """Whether an Autodiscover answer offers MAPI over HTTP."""
    protocols = step.about("autodiscover").get("protocols", ())
    return any(str(each.get("type", "")).lower() == "mapihttp" for each in protocols)
