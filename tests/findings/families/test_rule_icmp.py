"""What routers and hosts report."""

from __future__ import annotations

import struct

import dns.message
import pytest
from packets import ACK, CLIENT, RST, SERVER, SYN, C, S, Scene, Segment, ethernet, found, http_request, ipv4, rules_of

from tlsdecrypt.findings.finding import Severity

ROUTER = "192.0.2.1"


def icmp(scene: Scene, kind: int, code: int, quoted: bytes, mtu: int = 0, after: float = 0.01) -> None:
    body = struct.pack(">BBHHH", kind, code, 0, 0, mtu) + quoted[:28]
    scene.add(ethernet(ipv4(body, 1, ROUTER, CLIENT), 0x0800), after)


def quoted_tcp(port: int = 50_000, seq: int = 1000, to: int = 443) -> bytes:
    return ipv4(struct.pack(">HHI", port, to, seq), 6, CLIENT, SERVER)


def refused_by_router(kind: int, code: int, *, answered: bool = False) -> Scene:
    scene = Scene()
    for after in (0, 1, 2):
        scene.add(Segment((CLIENT, 50_000), (SERVER, 443), 1000, 0, SYN).frame(), after)
        icmp(scene, kind, code, quoted_tcp())
    if answered:
        scene.add(Segment((SERVER, 443), (CLIENT, 50_000), 5000, 1001, SYN | ACK).frame())
        scene.add(Segment((CLIENT, 50_000), (SERVER, 443), 1001, 5001, RST).frame())
    scene.silence(4)
    return scene


@pytest.mark.parametrize(
    ("code", "words"),
    [(1, "host unreachable"), (13, "communication administratively prohibited"), (0, "network unreachable")],
)
def test_icmp_unreachable_fires_on_a_connection_that_a_router_refuses(code: int, words: str) -> None:
    scene = refused_by_router(3, code)
    finding = found(scene, "icmp.unreachable")
    assert finding is not None
    assert finding.summary == f"{ROUTER} reports about {CLIENT} to {SERVER}:443: {words}"
    assert (finding.severity, finding.count, finding.server) == (Severity.ERROR, 3, SERVER)
    follower = found(scene, "tcp.connect-timeout")
    assert follower is not None
    assert follower.caused_by == "icmp.unreachable"


def test_icmp_unreachable_is_silent_where_the_connection_comes_about() -> None:
    assert "icmp.unreachable" not in rules_of(refused_by_router(3, 1, answered=True))


@pytest.mark.parametrize("goes_on", [True, False])
def test_icmp_unreachable_in_the_middle_fires_only_where_the_connection_dies(goes_on: bool) -> None:  # noqa: FBT001
    scene = Scene()
    port = scene.dialogue([C(http_request("GET /owa/"))], port=443, end="open")
    icmp(scene, 3, 1, quoted_tcp(port))
    if goes_on:
        scene.add(Segment((SERVER, 443), (CLIENT, port), 5001, 1100, ACK, b"HTTP/1.1 200 OK").frame(), 1)
    scene.silence(4)
    assert ("icmp.unreachable" in rules_of(scene)) is not goes_on


def test_icmp_unreachable_is_silent_about_other_errors() -> None:
    assert "icmp.unreachable" not in rules_of(refused_by_router(11, 0))


def too_large(*, is_ignored: bool) -> Scene:
    scene = Scene()
    port = scene.dialogue([C(http_request("GET /owa/"))], port=443, end="open")
    large = Segment((CLIENT, port), (SERVER, 443), 3000, 5001, ACK, b"x" * 1460)
    seq = 1001 + len(http_request("GET /owa/"))
    large = Segment((CLIENT, port), (SERVER, 443), seq, 5001, ACK, b"x" * 1460)
    scene.add(large.frame())
    icmp(scene, 3, 4, quoted_tcp(port, seq), 1400)
    if is_ignored:
        for after in (0.3, 0.6, 1.2):
            scene.add(large.frame(), after)
    else:
        scene.add(Segment((CLIENT, port), (SERVER, 443), seq, 5001, ACK, b"x" * 1300).frame(), 0.1)
        scene.add(Segment((CLIENT, port), (SERVER, 443), seq + 1300, 5001, ACK, b"x" * 160).frame(), 0.1)
        scene.add(Segment((SERVER, 443), (CLIENT, port), 5001, seq + 1460, ACK).frame(), 0.1)
    scene.silence(4)
    return scene


def test_icmp_unreachable_is_an_error_where_the_sender_ignores_the_mtu() -> None:
    finding = found(too_large(is_ignored=True), "icmp.unreachable")
    assert finding is not None
    assert finding.severity is Severity.ERROR
    assert "fragmentation needed, MTU 1400" in finding.summary
    assert "ignores the MTU" in finding.advice


def test_icmp_unreachable_is_information_where_the_sender_takes_the_hint() -> None:
    finding = found(too_large(is_ignored=False), "icmp.unreachable")
    assert finding is not None
    assert finding.severity is Severity.INFO


def test_what_is_sent_again_for_a_smaller_mtu_is_told_as_its_consequence() -> None:
    finding = found(too_large(is_ignored=False), "tcp.retransmissions")
    assert finding is None or finding.caused_by == "icmp.unreachable"
    finding = found(too_large(is_ignored=True), "tcp.retransmissions")
    assert finding is not None
    assert finding.caused_by == "icmp.unreachable"


@pytest.mark.parametrize(("code", "fires"), [(13, True), (3, False)])
def test_icmp_unreachable_about_dns_is_silent_for_closed_ports(code: int, fires: bool) -> None:  # noqa: FBT001
    scene = Scene()
    query = dns.message.make_query("mail.contoso.com", "A").to_wire()
    scene.udp((CLIENT, 40_000), (SERVER, 53), query)
    quoted = ipv4(struct.pack(">HHI", 40_000, 53, 0), 17, CLIENT, SERVER)
    icmp(scene, 3, code, quoted)
    scene.silence(4)
    assert ("icmp.unreachable" in rules_of(scene)) is fires


def test_icmp_unreachable_is_silent_about_connections_that_were_not_captured() -> None:
    scene = Scene()
    scene.dialogue([C("QUIT\r\n"), S("221 bye\r\n")], port=25)
    icmp(scene, 3, 1, quoted_tcp(50_999))
    scene.silence(4)
    assert "icmp.unreachable" not in rules_of(scene)
