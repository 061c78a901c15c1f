"""Dynamic updates of DNS (RFC 2136) that put addresses where they do not belong."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tlsdecrypt.findings.clusters import cluster_addresses
from tlsdecrypt.findings.finding import Evidence, Severity
from tlsdecrypt.findings.reachability import ADDRESS_TYPES, dns_of
from tlsdecrypt.findings.rule import Hit, rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tlsdecrypt.findings.scene import Scene


@rule(
    "dns.update-registers-vip",
    Severity.INFO,
    advice="Where the cluster serves other ports than the host does, stop the host from registering that address (the"
    " network card's dynamic registration).",
    source="Seed post of 13 December 2011; RFC 2136 section 2.5",
)
def update_registers_vip(scene: Scene) -> Iterator[Hit]:
    """A host registers the address of a load-balancing cluster under its own name.

    Silent for addresses that are of no cluster, and for updates that delete.
    """
    clusters = scene.derived(cluster_addresses)
    for message in dns_of(scene):
        if message.opcode != "UPDATE" or message.is_response:
            continue
        for record in message.authority:
            is_added = record.ttl > 0  # what is deleted has none (RFC 2136 section 2.5.4)
            if is_added and record.type in ADDRESS_TYPES and record.data in clusters:
                summary = f"{message.client.address} registers {record.name} at {record.data}, the address of a cluster"
                seen = Evidence(message.frame, None, f"dynamic update: {record.name} {record.type} {record.data}")
                yield Hit(
                    summary,
                    (seen,),
                    client=message.client.address,
                    server=message.server.address,
                    place=f"{record.name} {record.data}",
                )
