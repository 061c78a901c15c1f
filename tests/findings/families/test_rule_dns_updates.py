"""Dynamic updates of DNS."""

from __future__ import annotations

import dns.update
import pytest
from packets import Scene, ethernet, found, rules_of

from tlsdecrypt.findings.finding import Severity

HOST, RESOLVER, VIP = "10.4.2.11", "10.4.2.53", "10.4.2.15"


def registers(address: str, *, mac: str = "03bf0a04020f", deletes: bool = False) -> Scene:
    """A cluster answers ARP; a host updates its record."""
    scene = Scene()
    reply = bytes.fromhex("0001080006040002" + mac) + bytes([10, 4, 2, 15]) + bytes.fromhex("020000000099")
    scene.add(ethernet(reply + bytes([10, 4, 2, 1]), 0x0806))
    update = dns.update.UpdateMessage("contoso.local")
    if deletes:
        update.delete("dc1", "A", address)
    else:
        update.add("dc1", 1200, "A", address)
    scene.udp((HOST, 50_000), (RESOLVER, 53), update.to_wire())
    return scene


def test_dns_update_registers_vip_fires_on_the_address_of_a_cluster() -> None:
    finding = found(registers(VIP), "dns.update-registers-vip")
    assert finding is not None
    assert (finding.severity, finding.client, finding.server) == (Severity.INFO, HOST, RESOLVER)
    assert finding.summary == f"{HOST} registers dc1.contoso.local at {VIP}, the address of a cluster"


@pytest.mark.parametrize(
    "scene",
    [registers(HOST), registers(VIP, mac="001b2c000011"), registers(VIP, deletes=True)],
    ids=["its own address", "no cluster", "a deletion"],
)
def test_dns_update_registers_vip_is_silent(scene: Scene) -> None:
    assert "dns.update-registers-vip" not in rules_of(scene)
