"""Clusters of Network Load Balancing, and two hosts with one address."""

from __future__ import annotations

import socket
import struct

import pytest
from packets import ACK, CLIENT, SYN, Scene, Segment, ethernet, found, mac, rules_of

from tlsdecrypt.findings.finding import Confidence, Severity

VIP, VIP_MAC = "10.4.2.15", "03:bf:0a:04:02:0f"
ROUTER, ROUTER_MAC = "10.4.2.1", "00:1b:2c:00:00:01"
NODE_MAC = "00:1b:2c:00:00:11"  # of the host that answers for the cluster
PEER, PEER_MAC = "10.4.2.30", "00:1b:2c:00:00:30"
NOBODY, BROADCAST = "00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff"


def arp(
    scene: Scene, operation: int, sender: tuple[str, str], target: tuple[str, str], after: float, source: str = ""
) -> None:
    body = struct.pack(">HHBBH", 1, 0x0800, 6, 4, operation)
    for hardware, address in (sender, target):
        body += mac(hardware) + socket.inet_aton(address)
    destination = BROADCAST if operation == 1 else target[0]
    scene.add(ethernet(body + bytes(18), 0x0806, source or sender[0], destination), after)


def asks(scene: Scene, after: float = 3, sender: str = ROUTER) -> None:
    arp(scene, 1, (ROUTER_MAC, sender), (NOBODY, VIP), after)


def tells(scene: Scene, hardware: str = VIP_MAC) -> None:
    arp(scene, 2, (hardware, VIP), (ROUTER_MAC, ROUTER), 0.001, source=NODE_MAC)


def talks(scene: Scene, source: tuple[str, str], target: tuple[str, str], port: int = 50_000) -> None:
    """A SYN, as any packet."""
    segment = Segment((source[1], port), (target[1], 443), 1000, 0, SYN, macs=(source[0], target[0]))
    scene.add(segment.frame(), 0.01)


def cluster(requests: int = 4, *, answered: bool = True, sender: str = ROUTER, reply_mac: str = VIP_MAC) -> Scene:
    """A router asks for the cluster again and again; hosts of the network reach it."""
    scene = Scene()
    talks(scene, (PEER_MAC, PEER), (NODE_MAC, "10.4.2.11"))
    for _ in range(requests):
        asks(scene, sender=sender)
        if answered:
            tells(scene, reply_mac)
    talks(scene, (PEER_MAC, PEER), (VIP_MAC, VIP))
    scene.silence(5)
    return scene


def test_l2_nlb_multicast_vip_decodes_the_address_of_the_seed() -> None:
    finding = found(cluster(1), "l2.nlb-multicast-vip")
    assert finding is not None
    assert (finding.severity, finding.confidence, finding.server) == (Severity.INFO, Confidence.CERTAIN, VIP)
    assert "its last four octets are 10.4.2.15" in finding.summary
    assert finding.evidence[0].what == f"{VIP} is at {VIP_MAC} (sent by {NODE_MAC})"


def test_l2_nlb_multicast_vip_knows_the_igmp_mode() -> None:
    finding = found(cluster(1, reply_mac="01:00:5e:7f:02:0f"), "l2.nlb-multicast-vip")
    assert finding is not None
    assert "last two octets are 2.15" in finding.summary


@pytest.mark.parametrize("reply_mac", [NODE_MAC, "02:bf:0a:04:02:0f", BROADCAST])
def test_l2_nlb_multicast_vip_is_silent_for_other_addresses(reply_mac: str) -> None:
    assert "l2.nlb-multicast-vip" not in rules_of(cluster(1, reply_mac=reply_mac))


def test_l2_nlb_multicast_arp_rejected_fires_where_the_router_never_uses_the_answer() -> None:
    finding = found(cluster(), "l2.nlb-multicast-arp-rejected")
    assert finding is not None
    assert (finding.severity, finding.confidence, finding.server) == (Severity.ERROR, Confidence.LIKELY, VIP)
    assert f"{ROUTER} ({ROUTER_MAC}) does not accept the multicast MAC {VIP_MAC} for {VIP}" in finding.summary
    assert [each.frame for each in finding.evidence] == [2, 3, 4, 5, 6, 7]


def test_l2_nlb_multicast_arp_rejected_fires_where_the_asking_station_routes_for_others() -> None:
    scene = Scene()
    for address in ("192.0.2.7", "198.51.100.9"):
        talks(scene, (ROUTER_MAC, address), (PEER_MAC, PEER))
    for _ in range(3):
        asks(scene)
        tells(scene)
    scene.silence(5)
    assert "l2.nlb-multicast-arp-rejected" in rules_of(scene)


def used() -> Scene:
    scene = cluster()
    talks(scene, (ROUTER_MAC, CLIENT), (VIP_MAC, VIP))
    scene.silence(5)
    return scene


def alone() -> Scene:
    """Nobody shows that the cluster can be reached, or that the station routes."""
    scene = Scene()
    for _ in range(4):
        asks(scene)
        tells(scene)
    scene.silence(5)
    return scene


@pytest.mark.parametrize(
    "scene",
    [
        used(),
        cluster(2),
        cluster(answered=False),
        cluster(sender="0.0.0.0"),
        cluster(sender=VIP),
        cluster(reply_mac=NODE_MAC),
        alone(),
    ],
    ids=["used", "two requests", "unanswered", "probes", "announcements", "a unicast address", "nobody else"],
)
def test_l2_nlb_multicast_arp_rejected_is_silent(scene: Scene) -> None:
    assert "l2.nlb-multicast-arp-rejected" not in rules_of(scene)


def test_l2_nlb_multicast_arp_rejected_is_a_hint_where_only_broadcasts_are_seen() -> None:
    scene = Scene()
    for _ in range(4):
        asks(scene)
        tells(scene)
    talks(scene, (PEER_MAC, PEER), (VIP_MAC, VIP))
    scene.silence(5)
    finding = found(scene, "l2.nlb-multicast-arp-rejected")
    assert finding is not None
    assert finding.confidence is Confidence.HINT


def test_l2_nlb_multicast_arp_rejected_explains_connections_that_time_out() -> None:
    scene = cluster()
    for after in (0, 1, 2):
        scene.add(Segment((CLIENT, 50_000), (VIP, 443), 1000, 0, SYN, macs=(PEER_MAC, NODE_MAC)).frame(), after)
    scene.silence(4)
    finding = found(scene, "tcp.connect-timeout")
    assert finding is not None
    assert finding.caused_by == "l2.nlb-multicast-arp-rejected"


UNICAST = "02:bf:0a:04:02:0f"
HOST, HOST_MAC = "10.4.2.50", "00:1b:2c:00:00:50"


def flooded(*, is_mirror: bool = False, is_member: bool = False) -> Scene:
    scene = Scene()
    talks(scene, (HOST_MAC, HOST), (PEER_MAC, PEER))
    talks(scene, (PEER_MAC, PEER), (HOST_MAC, HOST))
    talks(scene, (ROUTER_MAC, CLIENT), (HOST_MAC, HOST))
    if is_mirror:
        talks(scene, (ROUTER_MAC, CLIENT), (PEER_MAC, PEER))
    if is_member:
        talks(scene, (HOST_MAC, VIP), (ROUTER_MAC, CLIENT))
    talks(scene, (ROUTER_MAC, CLIENT), (UNICAST, VIP))
    return scene


def test_l2_nlb_unicast_flooding_fires_where_a_stranger_gets_the_frames() -> None:
    finding = found(flooded(), "l2.nlb-unicast-flooding")
    assert finding is not None
    assert (finding.severity, finding.server) == (Severity.INFO, VIP)
    assert finding.summary.endswith(f"where they do not belong: that of {HOST_MAC}")


@pytest.mark.parametrize("scene", [flooded(is_mirror=True), flooded(is_member=True)], ids=["mirror", "member"])
def test_l2_nlb_unicast_flooding_is_silent_where_the_frames_belong(scene: Scene) -> None:
    assert "l2.nlb-unicast-flooding" not in rules_of(scene)


FIRST, SECOND = "00:1b:2c:00:00:aa", "00:50:56:00:00:bb"


def claims(*macs: str, address: str = HOST, apart: float = 5, one_request: bool = False, announced: str = "") -> Scene:
    """Answers to requests for one address."""
    scene = Scene()
    for index, hardware in enumerate(macs):
        if announced == hardware:
            arp(scene, 1, (hardware, address), (NOBODY, address), apart / 2)
            announced = ""
        if index == 0 or not one_request:
            arp(scene, 1, (PEER_MAC, PEER), (NOBODY, address), apart)
        arp(scene, 2, (hardware, address), (PEER_MAC, PEER), 0.002)
    scene.silence(5)
    return scene


@pytest.mark.parametrize(
    ("scene", "confidence"),
    [
        (claims(FIRST, SECOND, one_request=True), Confidence.LIKELY),
        (claims(FIRST, SECOND, FIRST), Confidence.LIKELY),
        (claims(FIRST, SECOND), Confidence.HINT),
    ],
)
def test_l2_duplicate_ip_fires_on_two_hosts_that_answer(scene: Scene, confidence: Confidence) -> None:
    finding = found(scene, "l2.duplicate-ip")
    assert finding is not None
    assert (finding.severity, finding.confidence, finding.server) == (Severity.ERROR, confidence, HOST)
    assert f"{FIRST} and {SECOND}" in finding.summary


@pytest.mark.parametrize(
    "scene",
    [
        claims(FIRST, FIRST),
        claims(FIRST, SECOND, announced=SECOND),
        claims(FIRST, SECOND, apart=1, announced=SECOND),
        claims(FIRST, SECOND, apart=120),
        claims(FIRST, "00:00:5e:00:01:0a", one_request=True),
        claims(FIRST, "00:00:0c:07:ac:01", one_request=True),
        claims(FIRST, VIP_MAC, one_request=True),
        claims("02:01:0a:04:02:0f", "02:02:0a:04:02:0f", address=VIP, one_request=True),
    ],
    ids=["one host", "failover", "quick failover", "much later", "VRRP", "HSRP", "NLB multicast", "NLB masked"],
)
def test_l2_duplicate_ip_is_silent_for_addresses_that_move_or_are_shared(scene: Scene) -> None:
    assert "l2.duplicate-ip" not in rules_of(scene)


@pytest.mark.parametrize(
    ("apart", "silent_one", "is_told"),
    [(300, None, False), (300, 2, True), (5, None, True)],
    ids=["back", "not", "at once"],
)
def test_l2_duplicate_ip_is_silent_where_an_address_moves_and_comes_back(
    apart: float, silent_one: int | None, *, is_told: bool
) -> None:
    scene = Scene()
    for index, hardware in enumerate((FIRST, SECOND, FIRST)):
        if index != silent_one:
            arp(scene, 1, (hardware, HOST), (NOBODY, HOST), apart)
        arp(scene, 1, (PEER_MAC, PEER), (NOBODY, HOST), apart)
        arp(scene, 2, (hardware, HOST), (PEER_MAC, PEER), 0.002)
    scene.silence(5)
    assert ("l2.duplicate-ip" in rules_of(scene)) is is_told


def test_l2_duplicate_ip_is_silent_for_a_proxy_of_many_addresses() -> None:
    scene = Scene()
    for last in range(10, 16):
        arp(scene, 1, (PEER_MAC, PEER), (NOBODY, f"10.4.2.{last}"), 3)
        arp(scene, 2, (ROUTER_MAC, f"10.4.2.{last}"), (PEER_MAC, PEER), 0.001)
    arp(scene, 2, (FIRST, "10.4.2.15"), (PEER_MAC, PEER), 0.001)
    assert "l2.duplicate-ip" not in rules_of(scene)


def test_acknowledged_connections_of_one_network_give_no_finding_of_this_family() -> None:
    scene = Scene()
    arp(scene, 1, (PEER_MAC, PEER), (NOBODY, HOST), 0)
    arp(scene, 2, (HOST_MAC, HOST), (PEER_MAC, PEER), 0.001)
    for flags in (SYN, ACK):
        scene.add(Segment((PEER, 50_000), (HOST, 443), 1000, 0, flags, macs=(PEER_MAC, HOST_MAC)).frame())
    scene.silence(9)
    assert not {each for each in rules_of(scene) if each.startswith("l2.")}
