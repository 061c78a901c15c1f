"""Connections that do not come about."""

from __future__ import annotations

import socket
import struct
from typing import TYPE_CHECKING

import dns.message
import dns.rrset
import pytest
from packets import (
    ACK,
    CLIENT,
    RST,
    SERVER,
    SYN,
    C,
    S,
    Scene,
    Segment,
    ethernet,
    found,
    http_request,
    http_response,
    rules_of,
)
from tls_dialogues import public_identity, tls

from tlsdecrypt.findings.finding import Severity

if TYPE_CHECKING:
    from packets import Say

HELLO = [C(http_request("GET /owa/")), S(http_response("200 OK"))]


def syn(
    scene: Scene, after: float, port: int = 50_000, server: str = SERVER, to: int = 443, client: str = CLIENT
) -> None:
    scene.add(Segment((client, port), (server, to), 1000, 0, SYN).frame(), after)


def answer(scene: Scene, flags: int, port: int = 50_000, server: str = SERVER, to: int = 443, ttl: int = 64) -> None:
    scene.add(Segment((server, to), (CLIENT, port), 0, 1001, flags, ttl=ttl).frame())


def silent(last: float = 4.0) -> Scene:
    scene = Scene()
    for after in (0, 1, 2):
        syn(scene, after)
    scene.silence(last)
    return scene


def refused() -> Scene:
    scene = Scene()
    syn(scene, 0)
    answer(scene, RST | ACK)
    scene.silence(4)
    return scene


def asks(scene: Scene, name: str, *addresses: str) -> None:
    query = dns.message.make_query(name, "A")
    response = dns.message.make_response(query)
    response.answer += [dns.rrset.from_text(f"{name}.", 60, "IN", "A", *addresses)]
    scene.udp((CLIENT, 40_000), ("192.0.2.53", 53), query.to_wire())
    scene.udp(("192.0.2.53", 53), (CLIENT, 40_000), response.to_wire())


def autodiscover(scene: Scene, server: str) -> None:
    content = (
        b'<Autodiscover xmlns="http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006"><Response '
        b'xmlns="http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a"><Account>'
        b"<AccountType>email</AccountType><Action>settings</Action></Account></Response></Autodiscover>"
    )
    request = http_request("POST /autodiscover/autodiscover.xml", host="autodiscover.contoso.com")
    scene.dialogue([C(request), S(http_response("200 OK", ("Content-Type: text/xml",), content))], server=server)


def test_tcp_connect_timeout_fires_on_three_syns_without_an_answer() -> None:
    finding = found(silent(), "tcp.connect-timeout")
    assert finding is not None
    assert (finding.severity, finding.client, finding.server) == (Severity.ERROR, CLIENT, SERVER)
    assert f"{SERVER} port 443 does not answer {CLIENT}" in finding.summary
    assert [each.frame for each in finding.evidence] == [1, 3]


def test_tcp_connect_timeout_is_silent_where_the_capture_ends_too_soon() -> None:
    assert "tcp.connect-timeout" not in rules_of(silent(last=2))


def test_tcp_connect_timeout_is_silent_after_two_syns() -> None:
    scene = Scene()
    syn(scene, 0)
    syn(scene, 1)
    scene.silence(9)
    assert "tcp.connect-timeout" not in rules_of(scene)


def test_tcp_connect_timeout_is_silent_where_only_one_direction_was_captured() -> None:
    scene = silent()
    whole = Scene()
    whole.dialogue(HELLO, port=443)
    scene.frames += [(5 + time, frame) for time, frame in whole.frames if frame[:6] == bytes.fromhex("020000000002")]
    assert "tcp.connect-timeout" not in rules_of(scene)


@pytest.mark.parametrize("server", [SERVER, "198.51.100.99"])
def test_tcp_connect_timeout_is_silent_where_acknowledgments_show_that_answers_were_not_captured(server: str) -> None:
    scene = silent()
    for flags in (SYN, ACK):
        scene.add(Segment((CLIENT, 50_007), (server, 443), 1000 + (flags == ACK), 7, flags).frame())
    scene.silence(4)
    assert "tcp.connect-timeout" not in rules_of(scene)


def test_tcp_connect_timeout_is_silent_where_a_late_answer_comes() -> None:
    scene = silent(1)
    answer(scene, SYN | ACK)
    scene.silence(4)
    assert "tcp.connect-timeout" not in rules_of(scene)


def test_tcp_connect_timeout_counts_connections_that_try_anew() -> None:
    scene = Scene()
    for port in (50_001, 50_002, 50_003):
        syn(scene, 1, port)
    scene.silence(4)
    finding = found(scene, "tcp.connect-timeout")
    assert finding is not None
    assert finding.count == 3


def test_tcp_connect_timeout_of_a_place_that_autodiscover_only_tries_is_information() -> None:
    scene = Scene()
    asks(scene, "contoso.com", "203.0.113.80")
    asks(scene, "autodiscover.contoso.com", SERVER)
    for after in (0, 1, 2):
        syn(scene, after, server="203.0.113.80")
    autodiscover(scene, SERVER)
    scene.silence(4)
    finding = found(scene, "tcp.connect-timeout")
    assert finding is not None
    assert finding.severity is Severity.INFO


def test_tcp_connect_refused_fires_on_a_reset_in_answer_to_a_syn() -> None:
    finding = found(refused(), "tcp.connect-refused")
    assert finding is not None
    assert (finding.severity, finding.place, finding.count) == (Severity.ERROR, "443", 1)
    assert [each.frame for each in finding.evidence] == [1, 2]


def test_tcp_connect_refused_tells_a_reset_of_another_device() -> None:
    scene = Scene()
    scene.dialogue(HELLO, port=80)
    syn(scene, 0)
    answer(scene, RST | ACK, ttl=61)
    finding = found(scene, "tcp.connect-refused")
    assert finding is not None
    assert "comes from another device (TTL 61, the server's is 64)" in finding.summary


def test_tcp_connect_refused_is_silent_where_the_client_resets() -> None:
    scene = Scene()
    scene.dialogue([], port=443, end="client-rst")
    assert "tcp.connect-refused" not in rules_of(scene)


def test_tcp_connect_refused_is_silent_for_a_scan() -> None:
    scene = Scene()
    for port in range(5):
        syn(scene, 0.1, to=1000 + port)
        answer(scene, RST | ACK, to=1000 + port)
    assert "tcp.connect-refused" not in rules_of(scene)


def test_tcp_connect_refused_is_a_warning_where_the_port_opens_soon() -> None:
    scene = Scene()
    syn(scene, 0)
    answer(scene, RST | ACK)
    scene.now += 20
    scene.dialogue(HELLO, port=443)
    finding = found(scene, "tcp.connect-refused")
    assert finding is not None
    assert finding.severity is Severity.WARNING


def test_tcp_connect_refused_of_a_place_that_autodiscover_only_tries_is_information() -> None:
    scene = Scene()
    asks(scene, "contoso.com", "203.0.113.80")
    asks(scene, "autodiscover.contoso.com", SERVER)
    syn(scene, 0, server="203.0.113.80")
    answer(scene, RST | ACK, server="203.0.113.80")
    autodiscover(scene, SERVER)
    finding = found(scene, "tcp.connect-refused")
    assert finding is not None
    assert finding.severity is Severity.INFO


def test_tcp_connect_refused_is_information_where_autodiscover_is_served_inside_tls_that_stays_closed() -> None:
    scene = Scene()
    asks(scene, "contoso.com", "203.0.113.80")
    syn(scene, 0, server="203.0.113.80")
    answer(scene, RST | ACK, server="203.0.113.80")
    request = http_request("POST /autodiscover/autodiscover.xml")
    name = "autodiscover.contoso.com"
    said = [C(request), S(http_response("200 OK")), C(request), S(http_response("200 OK"))]
    scene.dialogue(tls(said, public_identity(name), name=name), port=443)
    finding = found(scene, "tcp.connect-refused")
    assert finding is not None
    assert finding.severity is Severity.INFO


def test_tcp_connect_refused_is_information_where_the_other_version_of_ip_works() -> None:
    scene = Scene()
    query = dns.message.make_query("mail.contoso.com", "ANY")
    response = dns.message.make_response(query)
    response.answer += [
        dns.rrset.from_text("mail.contoso.com.", 60, "IN", "AAAA", "2001:db8::20"),
        dns.rrset.from_text("mail.contoso.com.", 60, "IN", "A", SERVER),
    ]
    scene.udp(("192.0.2.53", 53), (CLIENT, 40_000), response.to_wire())
    for flags, back in ((SYN, False), (RST | ACK, True)):
        segment = (
            Segment((SERVER, 443), (CLIENT, 50_000), 0, 1001, flags)
            if back
            else Segment((CLIENT, 50_000), (SERVER, 443), 1000, 0, flags)
        )
        addresses = [socket.inet_pton(socket.AF_INET6, each) for each in ("2001:db8::10", "2001:db8::20")]
        tcp = segment.frame()[34:]
        header = struct.pack(">IHBB", 6 << 28, len(tcp), 6, 64) + b"".join(reversed(addresses) if back else addresses)
        scene.add(ethernet(header + tcp, 0x86DD))
    scene.dialogue(HELLO, port=443)
    finding = found(scene, "tcp.connect-refused")
    assert finding is not None
    assert (finding.server, finding.severity) == ("2001:db8::20", Severity.INFO)


def exhausted(count: int, *, has_others: bool, apart: float = 30.0) -> Scene:
    """Ports that are used again after `apart` seconds, and are answered as a server does that remembers them."""
    scene = Scene()
    for port in range(60_001, 60_001 + count):
        scene.dialogue(HELLO, port=443, client_port=port)
    scene.now += apart
    for port in range(60_001, 60_001 + count):
        scene.add(Segment((CLIENT, port), (SERVER, 443), 900_000, 0, SYN).frame())
        scene.add(Segment((SERVER, 443), (CLIENT, port), 5100, 1200, ACK).frame())
        scene.add(Segment((CLIENT, port), (SERVER, 443), 1200, 0, RST).frame())
    if has_others:
        scene.dialogue(HELLO, port=443, client="192.0.2.99")
    scene.silence(4)
    return scene


def test_tcp_snat_port_exhaustion_fires_on_ports_that_are_used_again_too_soon() -> None:
    finding = found(exhausted(12, has_others=True), "tcp.snat-port-exhaustion")
    assert finding is not None
    assert (finding.severity, finding.client, finding.place) == (Severity.WARNING, CLIENT, "443")
    assert "12 of them" in finding.summary
    assert "ACK without SYN" in finding.evidence[1].what


def test_tcp_snat_port_exhaustion_is_silent_for_a_few_ports() -> None:
    assert "tcp.snat-port-exhaustion" not in rules_of(exhausted(9, has_others=True))


def test_tcp_snat_port_exhaustion_is_silent_where_nobody_else_connects() -> None:
    assert "tcp.snat-port-exhaustion" not in rules_of(exhausted(12, has_others=False))


def test_tcp_snat_port_exhaustion_is_silent_where_ports_are_used_again_and_accepted() -> None:
    scene = Scene()
    for _ in range(2):
        for port in range(60_001, 60_013):
            scene.dialogue(HELLO, port=443, client_port=port)
        scene.now += 100
    scene.dialogue(HELLO, port=443, client="192.0.2.99")
    assert "tcp.snat-port-exhaustion" not in rules_of(scene)


def test_tcp_snat_port_exhaustion_explains_refused_connections() -> None:
    scene = exhausted(12, has_others=True)
    for port in range(60_001, 60_013):
        syn(scene, 5, port)
        answer(scene, RST | ACK, port)
    rules = rules_of(scene)
    assert "tcp.snat-port-exhaustion" in rules
    assert "tcp.connect-refused" not in rules


@pytest.mark.parametrize(
    ("said", "count", "severity"),
    [([], 3, Severity.INFO), ([], 2, Severity.WARNING), (HELLO, 3, Severity.WARNING)],
    ids=["a monitor", "too few", "a client"],
)
def test_tcp_connect_refused_to_a_monitor_that_only_looks_is_a_note(
    said: list[Say], count: int, severity: Severity
) -> None:
    scene = Scene()
    syn(scene, 0)
    answer(scene, RST | ACK)
    for _ in range(count):
        scene.now += 5
        scene.dialogue(said, port=443, end="client-rst")
    scene.silence(4)
    finding = found(scene, "tcp.connect-refused")
    assert finding is not None
    assert finding.severity is severity
