"""Findings about links, DNS, TCP and balancers on captures written from the description of each rule alone."""

from __future__ import annotations

import socket
import struct

import pytest
from dns_dialogues import lookup
from packets import (
    ACK,
    CLIENT,
    RST,
    SERVER,
    START,
    SYN,
    C,
    S,
    Scene,
    Segment,
    ethernet,
    found,
    http_request,
    http_response,
    mac,
    rules_of,
)
from tls_dialogues import public_identity, tls

from tlsdecrypt.findings.finding import Severity

DC, VIP, MEMBER = "10.4.2.11", "10.4.2.15", "10.4.2.77"
ASKED = (C(http_request("GET /owa/healthcheck.htm")), S(http_response("200 OK", ["Server: Microsoft-IIS/10.0"], b"OK")))
PING = http_request(
    "POST /Microsoft-Server-ActiveSync?Cmd=Ping&User=avery&DeviceId=A1&DeviceType=iPhone",
    ["MS-ASProtocolVersion: 14.1", "Content-Type: application/vnd.ms-sync.wbxml"],
    bytes.fromhex("03016a00000d450048033438300001"),
)


def test_dns_that_knows_the_domain_itself_leaves_a_place_for_autodiscover() -> None:
    for is_tried in (False, True):
        made = Scene()
        lookup(made, CLIENT, "contoso.com", "203.0.113.80")
        lookup(made, CLIENT, "autodiscover.contoso.com", rcode="NXDOMAIN")
        if is_tried:
            page = S(http_response("404 Not Found", ["Server: nginx"], b"<html/>"))
            asks = C(http_request("GET /autodiscover/autodiscover.xml", host="contoso.com"))
            made.dialogue([asks, page], server="203.0.113.80")
        made.silence(5)
        assert ("dns.nxdomain-autodiscover" in rules_of(made)) is is_tried


def test_a_dead_address_is_told_once_for_all_its_ports() -> None:
    made = Scene()
    lookup(made, MEMBER, "dc01.corp.contoso.com", DC, VIP)
    for port in (88, 389, 445):
        made.dialogue([C(b"x"), S(b"y")], port=port, client=MEMBER, server=DC)
        refused(made, (MEMBER, 50_300 + port), (VIP, port))
    made.silence(5)
    finding = found(made, "dns.multi-a-dead-address")
    assert finding is not None
    assert finding.count == 3
    assert "on ports 88, 389, 445" in finding.summary
    assert "tcp.connect-refused" not in rules_of(made)


def refused(made: Scene, client: tuple[str, int], server: tuple[str, int]) -> None:
    made.add(Segment(client, server, 1_000, 0, SYN).frame(), 0.01)
    made.add(Segment(server, client, 0, 1_001, RST | ACK).frame(), 0.001)


def test_polls_that_a_device_drops_when_idle_are_told_as_such_only() -> None:
    made = Scene()
    for count in range(4):
        port = 51_000 + count
        made.dialogue([C(PING)], end="open", client_port=port)
        last = Segment((SERVER, 80), (CLIENT, port), 5_001, 1_001 + len(PING), RST | ACK)
        made.add(last.frame(), 240 + count / 2)
    made.silence(5)
    findings = made.analysis().findings
    assert "tcp.idle-timeout" in {each.rule for each in findings}
    assert "tcp.reset-mid-request" not in {each.rule for each in findings}


def _tcp_over_ip6(source: tuple[str, int], target: tuple[str, int], flags: int, seq: int, ack: int) -> bytes:
    tcp = struct.pack(">HHIIBBHHH", source[1], target[1], seq, ack, 5 << 4, flags, 65535, 0, 0)
    addresses = b"".join(socket.inet_pton(socket.AF_INET6, each[0]) for each in (source, target))
    return ethernet(struct.pack(">IHBB", 0x60000000, len(tcp), 6, 64) + addresses + tcp, 0x86DD)


class BareScene(Scene):
    """Without link addresses, as captures of tunnels are: link type 101."""

    def pcap(self) -> bytes:
        header = struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 262144, 101)
        frames = ((time, frame[14:]) for time, frame in self.frames if frame[12:14] in (b"\x08\x00", b"\x86\xdd"))
        return header + b"".join(
            struct.pack("<IIII", START + int(time), int(time % 1 * 1e9), len(packet), len(packet)) + packet
            for time, packet in frames
        )


@pytest.mark.parametrize("kind", [Scene, BareScene], ids=["Ethernet", "no link addresses"])
def test_a_client_that_falls_back_to_the_other_version_of_ip_loses_nothing(kind: type[Scene]) -> None:
    made = kind()
    inside, outside = ("2001:db8::10", 50_700), ("2001:db8:1::20", 443)
    lookup(made, CLIENT, "mail.contoso.com", outside[0], kind="AAAA")
    lookup(made, CLIENT, "mail.contoso.com", SERVER)
    made.add(_tcp_over_ip6(inside, outside, SYN, 1_000, 0), 0.01)
    made.add(_tcp_over_ip6(outside, inside, RST | ACK, 0, 1_001), 0.01)
    shown = public_identity("mail.contoso.com")
    made.dialogue(tls(ASKED, shown), port=443)
    lookup(made, CLIENT, "mail.contoso.com", SERVER)
    findings = made.analysis(keys=shown.store).findings
    assert [each.rule for each in findings if each.severity > Severity.INFO] == []
    assert "tcp.connect-refused" in {each.rule for each in findings}


def _answers(made: Scene, asker: int, hardware: str) -> None:
    client = f"02:00:00:00:01:{asker:02x}", f"10.4.2.{asker}"
    for operation, sender, target in (
        (1, client, ("00:00:00:00:00:00", "10.4.2.30")),
        (2, (hardware, "10.4.2.30"), client),
    ):
        body = struct.pack(">HHBBH", 1, 0x0800, 6, 4, operation)
        body += b"".join(mac(each) + socket.inet_aton(address) for each, address in (sender, target))
        made.add(ethernet(body, 0x0806, sender[0], "ff:ff:ff:ff:ff:ff" if operation == 1 else target[0]), 1)


def test_teamed_cards_that_answer_each_host_with_one_address_are_no_conflict() -> None:
    cards = "00:50:56:00:00:0a", "00:50:56:00:00:0b"
    teamed, torn = Scene(), Scene()
    for turn in range(4):
        for asker in (1, 2):
            _answers(teamed, asker, cards[asker - 1])
        _answers(torn, 1, cards[turn % 2])
    for made in (teamed, torn):
        made.silence(5)
    assert "l2.duplicate-ip" not in rules_of(teamed)
    assert "l2.duplicate-ip" in rules_of(torn)


@pytest.mark.parametrize("is_modern", [False, True])
def test_a_cookie_of_the_back_end_that_goes_elsewhere_is_told_unless_exchange_needs_no_affinity(
    is_modern: bool,  # noqa: FBT001 - a case
) -> None:
    made = Scene()
    asks = http_request("POST /EWS/Exchange.asmx", ["Cookie: X-BackEndCookie=abc=u56Lnp2ejJqBm8"], b"<a/>")
    answer = http_response("200 OK", ["Content-Type: text/xml", *(["X-FEServer: EX01"] if is_modern else [])], b"<a/>")
    for server in ("10.4.2.20", "10.4.2.21"):
        made.dialogue([C(asks), S(answer)], server=server)
    made.silence(5)
    assert ("lb.no-persistence" in rules_of(made)) is not is_modern


def test_keep_alives_window_updates_and_a_reset_after_the_end_are_not_mentioned() -> None:
    shown = public_identity("mail.contoso.com")
    made = Scene()
    said = tls(ASKED, shown)
    port = made.dialogue(said, port=443, end="open")
    sent = {side: sum(len(each.data) for each in said if each.is_client is side) for side in (True, False)}
    here, there = (CLIENT, port), (SERVER, 443)
    for _ in range(10):
        made.add(Segment(here, there, 1_000 + sent[True], 5_001 + sent[False], ACK, b"\0").frame(), 45)
        made.add(Segment(there, here, 5_001 + sent[False], 1_001 + sent[True], ACK, window=32_000).frame(), 0.01)
        made.add(Segment(there, here, 5_001 + sent[False], 1_001 + sent[True], ACK).frame(), 0.01)
    made.add(Segment(here, there, 1_001 + sent[True], 5_001 + sent[False], RST | ACK, window=0).frame(), 0.1)
    made.silence(5)
    assert rules_of(made, keys=shown.store) == set()


def _announces(made: Scene, hardware: str, defends_against: str = "") -> None:
    body = struct.pack(">HHBBH", 1, 0x0800, 6, 4, 2 if defends_against else 1)
    here = socket.inet_aton("10.4.2.30")
    body += mac(hardware) + here + mac(defends_against or "00:00:00:00:00:00") + here
    made.add(ethernet(body, 0x0806, hardware, "ff:ff:ff:ff:ff:ff"), 1)


@pytest.mark.parametrize("kind", ["in turn", "defended", "failover"])
def test_two_hosts_that_claim_an_address_against_each_other_are_in_conflict(kind: str) -> None:
    one, other = "00:50:56:00:00:0a", "00:0c:29:00:00:0b"
    made = Scene()
    _announces(made, one)
    _announces(made, other, one if kind == "defended" else "")
    if kind == "in turn":
        _announces(made, one)
    made.silence(5)
    assert ("l2.duplicate-ip" in rules_of(made)) is (kind != "failover")
