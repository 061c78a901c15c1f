"""DNS answers that lead clients astray."""

from __future__ import annotations

import base64
import struct

import dns.message
import dns.rrset
import pytest
from dns_scenes import RESOLVER, addresses, look_up
from packets import (
    ACK,
    CLIENT,
    RST,
    SYN,
    C,
    S,
    Scene,
    Segment,
    ethernet,
    found,
    http_request,
    http_response,
    ipv4,
    rules_of,
)

from tlsdecrypt.findings.finding import Severity

ALIVE, DEAD = "10.1.1.1", "10.1.1.9"
NAME = "dc1.contoso.local"
HELLO = [C(http_request("GET /")), S(http_response("200 OK"))]


def syn(scene: Scene, server: str = DEAD, *, port: int = 389, client: str = CLIENT, after: float = 0.1) -> None:
    scene.add(Segment((client, 51_000), (server, port), 1000, 0, SYN).frame(), after)


def reset(scene: Scene, server: str = DEAD, *, port: int = 389, client: str = CLIENT, by_client: bool = False) -> None:
    if by_client:
        scene.add(Segment((client, 51_000), (server, port), 1001, 0, RST).frame())
    else:
        scene.add(Segment((server, port), (client, 51_000), 0, 1001, RST | ACK).frame())


def round_robin(
    *, answer: str = "reset", other_client: str = CLIENT, apart: float = 1, values: tuple[str, ...] = (ALIVE, DEAD)
) -> Scene:
    """A name with two addresses: one takes connections to the port, the other does not."""
    scene = Scene()
    look_up(scene, NAME, addresses(NAME, *values))
    scene.dialogue(HELLO, port=389, server=ALIVE, client=other_client)
    scene.dialogue(HELLO, port=443, server=DEAD)
    scene.now += apart
    syn(scene)
    if answer == "reset":
        reset(scene)
    elif answer == "abort":
        reset(scene, by_client=True)
    elif answer == "silence":
        syn(scene, after=1)
        syn(scene, after=2)
    elif answer == "prohibited":
        for after in (1, 2):
            quoted = ipv4(struct.pack(">HHI", 51_000, 389, 1000), 6, CLIENT, DEAD)
            scene.add(ethernet(ipv4(b"\x03\x0d" + bytes(6) + quoted, 1, "10.1.1.254", CLIENT), 0x0800))
            syn(scene, after=after)
    scene.silence(4)
    return scene


@pytest.mark.parametrize("answer", ["reset", "silence"])
def test_dns_multi_a_dead_address_fires(answer: str) -> None:
    scene = round_robin(answer=answer)
    finding = found(scene, "dns.multi-a-dead-address")
    assert finding is not None
    assert (finding.severity, finding.server, finding.place) == (Severity.ERROR, DEAD, NAME)
    assert f"{NAME} is {ALIVE}, which answers on port 389, and {DEAD}, which does not" in finding.summary
    assert f"{DEAD} was seen to answer on 443 only" in finding.summary
    assert finding.evidence[0].frame == 2
    assert not rules_of(scene) & {"tcp.connect-refused", "tcp.connect-timeout"}


def test_dns_multi_a_dead_address_knows_a_cluster() -> None:
    scene = round_robin()
    cluster = bytes.fromhex("0001080006040002") + bytes.fromhex("02bf0a010109") + bytes([10, 1, 1, 9])
    scene.add(ethernet(cluster + bytes(6) + bytes([10, 1, 1, 5]), 0x0806))
    finding = found(scene, "dns.multi-a-dead-address")
    assert finding is not None
    assert "address of a load-balancing cluster" in finding.summary


def test_dns_multi_a_dead_address_knows_hosts_that_an_srv_record_names() -> None:
    scene = Scene()
    service = "_ldap._tcp.contoso.local"
    query = dns.message.make_query(service, "SRV")
    response = dns.message.make_response(query)
    response.answer.append(dns.rrset.from_text(f"{service}.", 60, "IN", "SRV", f"0 100 389 {NAME}."))
    response.additional.append(dns.rrset.from_text(f"{NAME}.", 60, "IN", "A", ALIVE, DEAD))
    scene.udp((RESOLVER, 53), (CLIENT, 40_000), response.to_wire())
    scene.dialogue(HELLO, port=389, server=ALIVE)
    syn(scene)
    reset(scene)
    finding = found(scene, "dns.multi-a-dead-address")
    assert finding is not None
    assert finding.place == NAME


def dead_at_times() -> Scene:
    scene = round_robin()
    scene.dialogue(HELLO, port=389, server=DEAD)
    return scene


def both_dead() -> Scene:
    scene = Scene()
    look_up(scene, NAME, addresses(NAME, ALIVE, DEAD))
    for server in (ALIVE, DEAD):
        syn(scene, server)
        reset(scene, server)
    return scene


@pytest.mark.parametrize(
    "scene",
    [
        both_dead(),
        dead_at_times(),
        round_robin(answer="abort"),
        round_robin(answer="prohibited"),
        round_robin(other_client="203.0.113.7"),
        round_robin(apart=700),
        round_robin(values=(ALIVE,)),
    ],
    ids=[
        "both dead",
        "only at times",
        "the client aborted",
        "forbidden",
        "another network",
        "much later",
        "one address",
    ],
)
def test_dns_multi_a_dead_address_is_silent(scene: Scene) -> None:
    assert "dns.multi-a-dead-address" not in rules_of(scene)


def views(
    name: str = "mail.contoso.com", *, second: str = "203.0.113.5", client: str = "10.0.0.7", same: bool = False
) -> Scene:
    scene = Scene()
    look_up(scene, name, addresses(name, "10.0.0.25"), client="10.0.0.7")
    resolver = RESOLVER if same else "8.8.8.8"
    look_up(scene, name, addresses(name, second), client=client, resolver=resolver)
    return scene


def test_dns_split_brain_mismatch_fires() -> None:
    finding = found(views(), "dns.split-brain-mismatch")
    assert finding is not None
    assert finding.severity is Severity.WARNING
    assert f"10.0.0.25 from {RESOLVER} and 203.0.113.5 from 8.8.8.8" in finding.summary


@pytest.mark.parametrize(
    "scene",
    [views("autodiscover.outlook.com"), views(second="10.0.0.26"), views(client="198.51.100.77"), views(same=True)],
    ids=["Microsoft", "both private", "asked outside by a client outside", "one resolver"],
)
def test_dns_split_brain_mismatch_is_silent(scene: Scene) -> None:
    assert "dns.split-brain-mismatch" not in rules_of(scene)


AUTODISCOVER = "autodiscover.contoso.com"
BASIC = "Authorization: Basic " + base64.b64encode(b"anna@contoso.com:Tr0ub4dor&3").decode()


def hybrid(
    *, target: str = "autodiscover.outlook.com", serves: str | None = "mail.contoso.com", status: str = "200 OK"
) -> Scene:
    scene = Scene()
    records = [f"{AUTODISCOVER}. 60 IN CNAME {target}.", *addresses(target, "203.0.113.40")]
    look_up(scene, AUTODISCOVER, records)
    if serves:
        fields = ("Content-Type: text/xml", "X-FEServer: CAS01")
        scene.dialogue(
            [C(http_request("POST /EWS/Exchange.asmx", (), b"<a/>", serves)), S(http_response(status, fields, b"<b/>"))]
        )
    return scene


def moved(host: str, content: bytes) -> Scene:
    """A user of the domain is served, but not from a mailbox here."""
    scene = hybrid(serves=None)
    request = http_request("POST /autodiscover/autodiscover.xml", ("Content-Type: text/xml", BASIC), b"<a/>", host)
    scene.dialogue([C(request), S(http_response("200 OK", ("Content-Type: text/xml",), content))])
    return scene


def account(action: str) -> bytes:
    return (
        '<Autodiscover xmlns="http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006"><Response xmlns='
        f'"http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a"><Account>{action}</Account>'
        "</Response></Autodiscover>"
    ).encode()


SETTINGS = account("<AccountType>email</AccountType><Action>settings</Action>")
REDIRECT = account("<Action>redirectAddr</Action><RedirectAddr>anna@contoso.mail.onmicrosoft.com</RedirectAddr>")


def test_dns_autodiscover_points_to_cloud_knows_the_domain_by_the_user() -> None:
    assert "dns.autodiscover-points-to-cloud" in rules_of(moved("cas01.corp.example", SETTINGS))


def test_dns_autodiscover_points_to_cloud_fires_while_mailboxes_are_on_premises() -> None:
    finding = found(hybrid(), "dns.autodiscover-points-to-cloud")
    assert finding is not None
    assert (finding.severity, finding.place) == (Severity.WARNING, AUTODISCOVER)


@pytest.mark.parametrize(
    "scene",
    [
        hybrid(serves=None),
        hybrid(serves="outlook.office365.com"),
        hybrid(serves="mail.fabrikam.com"),
        hybrid(status="401 Unauthorized"),
        hybrid(target="mail.contoso.com"),
        moved("outlook.office365.com", SETTINGS),
        moved("mail.contoso.com", REDIRECT),
    ],
    ids=["nobody", "the cloud", "another domain", "not served", "on-premises", "served by the cloud", "moved"],
)
def test_dns_autodiscover_points_to_cloud_is_silent(scene: Scene) -> None:
    assert "dns.autodiscover-points-to-cloud" not in rules_of(scene)


WEB = "203.0.113.80"


def wildcard(*, server: str = "Apache/2.4", other: str = "x7.contoso.com", other_address: str = WEB) -> Scene:
    scene = Scene()
    look_up(scene, AUTODISCOVER, addresses(AUTODISCOVER, WEB))
    look_up(scene, other, addresses(other, other_address))
    request = http_request("POST /autodiscover/autodiscover.xml", ("Content-Type: text/xml",), b"<a/>", AUTODISCOVER)
    page = http_response("404 Not Found", ("Content-Type: text/html", f"Server: {server}"), b"<html>")
    scene.dialogue([C(request), S(page)], server=WEB)
    return scene


def test_dns_wildcard_autodiscover_fires_where_any_name_leads_to_a_web_server() -> None:
    finding = found(wildcard(), "dns.wildcard-autodiscover")
    assert finding is not None
    assert (finding.severity, finding.server) == (Severity.WARNING, WEB)
    assert "leads to a web server (Apache/2.4, 203.0.113.80), as x7.contoso.com does" in finding.summary


@pytest.mark.parametrize(
    "scene",
    [wildcard(server="Microsoft-IIS/8.5"), wildcard(other="www.contoso.com"), wildcard(other_address="203.0.113.81")],
    ids=["IIS", "only www", "another address"],
)
def test_dns_wildcard_autodiscover_is_silent(scene: Scene) -> None:
    assert "dns.wildcard-autodiscover" not in rules_of(scene)


def test_ordinary_lookups_give_no_finding_of_this_family() -> None:
    scene = Scene()
    look_up(scene, AUTODISCOVER, addresses(AUTODISCOVER, WEB))
    look_up(scene, AUTODISCOVER, kind="AAAA")
    look_up(scene, "wpad.contoso.com", code="NXDOMAIN")
    scene.silence(5)
    assert not {each for each in rules_of(scene) if each.startswith("dns.")}
