"""Addresses of clusters of Network Load Balancing, told by their MAC addresses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tlsdecrypt.flow import Direction

if TYPE_CHECKING:
    from tlsdecrypt.findings.scene import Scene

# Unicast, multicast and IGMP mode; what follows is the address, or its last two octets.
NLB_UNICAST, NLB_MULTICAST, NLB_IGMP = "02:bf:", "03:bf:", "01:00:5e:7f:"


def is_cluster_mac(mac: str | None) -> bool:
    """Whether a MAC address is that of a cluster."""
    return mac is not None and mac.startswith((NLB_UNICAST, NLB_MULTICAST, NLB_IGMP))


def cluster_addresses(scene: Scene) -> set[str]:
    """The IP addresses that ARP, frames or connections show at such a MAC address."""
    found = {
        trace.server.address
        for trace in scene.traces
        if trace.tcp is not None and is_cluster_mac(trace.tcp.side(Direction.SERVER_TO_CLIENT).mac)
    }
    if scene.surroundings is not None:
        found |= {
            each.sender_ip for each in scene.surroundings.arp if each.is_reply and is_cluster_mac(each.sender_mac)
        }
        found |= {each.destination_ip for each in scene.surroundings.talks if is_cluster_mac(each.destination_mac)}
    return found
