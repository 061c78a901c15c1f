"""Places that Autodiscover only tries: failures are notes where the same client gets its settings elsewhere."""

from __future__ import annotations

import pytest
from autodiscover_dialogues import AVERY, EXPR, GOOD, POX, pox_error, pox_request, pox_settings
from dns_dialogues import lookup
from exchange_dialogues import EWS, HTML, basic, ews_success, ok, post
from packets import ACK, RST, SYN, C, S, Scene, Segment, findings_of, found, http_request, http_response

from tlsdecrypt.findings.finding import Severity

OUTLOOK = "User-Agent: Microsoft Office/16.0 (Microsoft Outlook 16.0.17328; Pro)"
IPV4, IPV6 = ("192.0.2.10", "198.51.100.20"), ("2001:db8::10", "2001:db8:100::20")
ASKED = C(pox_request(AVERY, OUTLOOK))
REFUSED = http_response("401 Unauthorized", ["WWW-Authenticate: Basic", "Server: Microsoft-IIS/10.0"])
LOGIN = (C(pox_request(AVERY, OUTLOOK, basic("avery"))), S(REFUSED))
NGINX, HTTP_SYS = "Server: nginx/1.24.0", "Server: Microsoft-HTTPAPI/2.0"
FAILURES = {
    "autodiscover.address-not-found": [ASKED, S(pox_error(500))],
    "autodiscover.third-party-webserver": [ASKED, S(http_response("404 Not Found", [NGINX, HTML], b"<html/>"))],
    "http.http-sys-503": [ASKED, S(http_response("503 Service Unavailable", [HTTP_SYS, HTML], b"<html/>"))],
    "http.502-504-gateway": [ASKED, S(http_response("502 Bad Gateway", [NGINX, HTML], b"<html/>"))],
    "http.auth-loop": [*LOGIN, *LOGIN, *LOGIN],
    "tcp.reset-mid-request": [ASKED],
}


def search(rule: str, *, first: tuple[str, str] = IPV6, then: tuple[str, str] = IPV4, request: bytes = b"") -> Scene:
    """A place that fails, and one that gives settings."""
    scene = Scene()
    end = "server-rst" if rule == "tcp.reset-mid-request" else "fin"
    scene.dialogue(FAILURES[rule], client=first[0], server=first[1], end=end)
    scene.silence(2)
    scene.dialogue([C(request) if request else ASKED, S(GOOD)], client=then[0], server=then[1])
    scene.silence(5)
    return scene


@pytest.mark.parametrize("rule", FAILURES)
def test_a_search_that_succeeds_by_the_other_version_of_ip_is_no_fault(rule: str) -> None:
    for first, then in ((IPV6, IPV4), (IPV4, IPV6)):
        finding = found(search(rule, first=first, then=then), rule)
        assert finding is not None
        assert finding.severity is Severity.INFO


@pytest.mark.parametrize("rule", ["http.http-sys-503", "http.502-504-gateway", "tcp.reset-mid-request"])
def test_whatever_fails_at_a_candidate_is_a_note_where_the_client_succeeds_elsewhere(rule: str) -> None:
    elsewhere = (IPV4[0], "198.51.100.77")
    finding = found(search(rule, first=IPV4, then=elsewhere), rule)
    assert finding is not None
    assert finding.severity is Severity.INFO


@pytest.mark.parametrize(("then", "severity"), [(AVERY, Severity.INFO), ("blake@contoso.com", Severity.ERROR)])
def test_a_search_that_succeeds_on_the_very_connection_is_no_fault_unless_it_is_another_one(
    then: str, severity: Severity
) -> None:
    scene = Scene()
    failed = FAILURES["http.502-504-gateway"]
    scene.dialogue([*failed, C(pox_request(then, OUTLOOK)), S(GOOD)])
    scene.silence(5)
    finding = found(scene, "http.502-504-gateway")
    assert finding is not None
    assert finding.severity is severity


@pytest.mark.parametrize("rule", FAILURES)
def test_success_of_another_user_or_program_spares_nobody(rule: str) -> None:
    for request in (pox_request("blake@contoso.com", OUTLOOK), pox_request(AVERY, "User-Agent: iPhone")):
        finding = found(search(rule, request=request), rule)
        assert finding is not None
        assert finding.severity > Severity.INFO


def test_what_fails_beside_a_search_is_told_even_where_the_search_succeeds() -> None:
    scene = Scene()
    gone = S(http_response("503 Service Unavailable", [HTTP_SYS, HTML], b"<html/>"))
    scene.dialogue([ASKED, gone, C(post(EWS, b"<a/>", OUTLOOK)), gone])
    scene.dialogue([ASKED, S(pox_settings(EXPR)), C(post(EWS, b"<a/>", OUTLOOK)), S(ok(ews_success("GetFolder")))])
    scene.silence(5)
    told = [each for each in findings_of(scene) if each.rule == "http.http-sys-503"]
    assert {each.severity for each in told} == {Severity.ERROR}
    assert {each.place.lower() for each in told} >= {f"post {EWS.lower()}"}


@pytest.mark.parametrize(
    ("pause", "is_named", "severity"),
    [(1, False, Severity.INFO), (90, False, Severity.ERROR), (1, True, Severity.ERROR)],
)
def test_a_refused_place_without_a_name_is_a_note_right_before_the_settings_are_found(
    pause: float, severity: Severity, *, is_named: bool
) -> None:
    scene = Scene()
    client, server = IPV4[0], "203.0.113.80"
    if is_named:
        lookup(scene, client, "www.fabrikam.com", server)
    scene.add(Segment((client, 50_900), (server, 443), 1_000, 0, SYN).frame(), 0.01)
    scene.add(Segment((server, 443), (client, 50_900), 0, 1_001, RST | ACK).frame(), 0.001)
    scene.now += pause
    scene.dialogue([ASKED, S(GOOD)])
    scene.silence(5)
    finding = found(scene, "tcp.connect-refused")
    assert finding is not None
    assert finding.severity is severity


@pytest.mark.parametrize("is_sent_on", [True, False])
def test_refused_places_are_notes_where_autodiscover_is_sent_on_to_what_stays_closed(*, is_sent_on: bool) -> None:
    scene = Scene()
    client, server = IPV4
    lookup(scene, client, "autodiscover.fabrikam.com", server)
    scene.add(Segment((client, 50_900), (server, 443), 1_000, 0, SYN).frame(), 0.01)
    scene.add(Segment((server, 443), (client, 50_900), 0, 1_001, RST | ACK).frame(), 0.001)
    status = "302 Found" if is_sent_on else "404 Not Found"
    target = "Location: https://autodiscover.contoso.com/autodiscover/autodiscover.xml"
    asked = http_request(f"GET {POX}", [OUTLOOK], host="autodiscover.fabrikam.com")
    scene.dialogue([C(asked), S(http_response(status, [target] if is_sent_on else []))])
    scene.silence(5)
    finding = found(scene, "tcp.connect-refused")
    assert finding is not None
    assert finding.severity is (Severity.INFO if is_sent_on else Severity.ERROR)


@pytest.mark.parametrize(
    ("pause", "neighbours", "severity"),
    [(0.3, (), Severity.INFO), (9, (), Severity.ERROR), (0.3, ("192.0.2.11", "192.0.2.12"), Severity.ERROR)],
    ids=["at once", "later", "a router"],
)
def test_a_station_that_turns_to_the_other_version_of_ip_at_once_loses_nothing_without_dns(
    pause: float, neighbours: tuple[str, ...], severity: Severity
) -> None:
    scene = Scene()
    (here, there), said = IPV6, [C(b"hello"), S(b"hello")]
    scene.add(Segment((here, 50_900), (there, 8443), 1_000, 0, SYN).frame(), 0.01)
    scene.add(Segment((there, 8443), (here, 50_900), 0, 1_001, RST | ACK).frame(), 0.001)
    scene.now += pause
    for client in (IPV4[0], *neighbours):
        scene.dialogue(said, client=client, port=8443)
    scene.silence(5)
    finding = found(scene, "tcp.connect-refused")
    assert finding is not None
    assert finding.severity is severity
