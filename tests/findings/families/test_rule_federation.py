"""Rules of federation: the first layer that fails is the cause."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from autodiscover_dialogues import federation_request, federation_response, pox_request
from dns_dialogues import lookup
from exchange_dialogues import EWS, FRONT_END, HTML, asked, dialogue, rules_in, soap
from packets import ACK, RST, SYN, C, S, Scene, Segment, found, http_request, http_response
from tls_dialogues import identity, public_identity, tls

from tlsdecrypt.findings.finding import Confidence, Severity

if TYPE_CHECKING:
    from collections.abc import Sequence

RULE = "fed.getfederationinformation-failed"
EXCHANGE, PUBLIC, INSIDE, USER = "10.1.1.20", "203.0.113.80", "10.1.1.30", "10.1.1.99"
NAME = "autodiscover.fabrikam.com"


def show_exchange(scene: Scene, address: str = EXCHANGE) -> None:
    """A request that shows that a host is an Exchange server."""
    request = http_request(f"POST {EWS}", ("Content-Type: text/xml",), soap("<m:GetFolder/>"))
    scene.dialogue(
        [C(request), S(http_response("401 Unauthorized", (*FRONT_END, "WWW-Authenticate: NTLM")))], server=address
    )


def syns(scene: Scene, client: str, server: str, *, times: int = 3, is_refused: bool = False) -> None:
    """SYNs without an answer, or with a reset."""
    here, there = (client, 55_555), (server, 443)
    for _ in range(times):
        scene.add(Segment(here, there, 100, 0, SYN).frame(), 1.0)
        if is_refused:
            scene.add(Segment(there, here, 0, 101, RST | ACK).frame())


@pytest.mark.parametrize("code", ["NotFederated", "InvalidDomain", "InternalServerError"])
def test_rule_fed_soap_error_is_the_only_finding(code: str) -> None:
    scene = asked((federation_request("fabrikam.com"), federation_response(code)), client=EXCHANGE)
    assert rules_in(scene, "fed", "autodiscover", "freebusy") == {RULE}
    finding = found(scene, RULE)
    assert finding is not None
    assert (finding.severity, finding.confidence) == (Severity.ERROR, Confidence.CERTAIN)
    assert "fabrikam.com" in finding.summary
    assert code in finding.summary


@pytest.mark.parametrize(
    ("status", "fields", "why"),
    [
        ("405 Method Not Allowed", ("Server: Microsoft-IIS/7.5",), "handler mapping"),
        ("404 Not Found", ("Server: Microsoft-IIS/7.5",), "not there"),
        ("401 Unauthorized", ("WWW-Authenticate: Basic realm=gate",), "pre-authentication"),
        ("503 Service Unavailable", ("Server: Microsoft-HTTPAPI/2.0",), "stopped"),
        ("200 OK", (HTML,), "a page"),
    ],
)
def test_rule_fed_http_is_the_cause(status: str, fields: Sequence[str], why: str) -> None:
    finding = found(asked((federation_request(), http_response(status, fields, b"<html/>")), client=EXCHANGE), RULE)
    assert finding is not None
    assert why in finding.summary


def test_rule_fed_is_the_cause_of_the_web_server_that_answers() -> None:
    page = http_response("404 Not Found", ("Server: nginx", HTML), b"<html>404</html>")
    findings = asked((federation_request(), page), client=EXCHANGE).analysis().findings
    assert {each.rule for each in findings if each.caused_by is None and each.severity > Severity.INFO} == {RULE}
    assert {each.rule for each in findings if each.caused_by == RULE} == {"autodiscover.third-party-webserver"}


def test_rule_fed_is_the_cause_of_the_redirect_that_answers() -> None:
    away = http_response("302 Found", ("Location: http://www.fabrikam.com/start",))
    findings = asked((federation_request(), away), client=EXCHANGE).analysis().findings
    assert {each.rule for each in findings if each.caused_by is None and each.severity > Severity.INFO} == {RULE}


def test_rule_fed_is_silent_where_another_candidate_works() -> None:
    refused = (federation_request(host="contoso.com"), http_response("404 Not Found"))
    assert rules_in(asked(refused, (federation_request(), federation_response())), "fed") == set()


def test_rule_fed_an_answer_that_never_came_needs_silence() -> None:
    scene = Scene()
    scene.dialogue([C(federation_request())], end="open", client=EXCHANGE)
    assert found(scene, RULE) is None
    scene.silence(60)
    finding = found(scene, RULE)
    assert finding is not None
    assert "no answer comes" in finding.summary


def test_rule_fed_dns_is_the_cause_before_http() -> None:
    scene = Scene()
    lookup(scene, EXCHANGE, NAME, rcode="NXDOMAIN")
    request = federation_request("fabrikam.com", host="fabrikam.com")
    scene.dialogue(dialogue([(request, http_response("404 Not Found"))]), client=EXCHANGE, server=PUBLIC)
    scene.silence(5)
    finding = found(scene, RULE)
    assert finding is not None
    assert f"{NAME} does not resolve here (NXDOMAIN" in finding.summary
    assert finding.confidence is Confidence.CERTAIN


def test_rule_fed_soap_answer_counts_more_than_a_candidate_without_a_name() -> None:
    scene = Scene()
    lookup(scene, EXCHANGE, NAME, rcode="NXDOMAIN")
    request = federation_request("fabrikam.com", host="fabrikam.com")
    scene.dialogue(dialogue([(request, federation_response("NotFederated"))]), client=EXCHANGE, server=PUBLIC)
    scene.silence(5)
    finding = found(scene, RULE)
    assert finding is not None
    assert "NotFederated" in finding.summary


@pytest.mark.parametrize(
    ("rcode", "client", "is_told"),
    [("NXDOMAIN", EXCHANGE, True), ("SERVFAIL", EXCHANGE, True), ("NXDOMAIN", USER, False)],
)
def test_rule_fed_lookup_in_vain_is_a_hint_for_exchange_servers_only(rcode: str, client: str, is_told: bool) -> None:  # noqa: FBT001
    scene = Scene()
    show_exchange(scene)
    lookup(scene, client, NAME, rcode=rcode)
    scene.silence(5)
    finding = found(scene, RULE)
    assert (finding is not None) is is_told
    if finding is not None:
        assert finding.confidence is Confidence.HINT


def test_rule_fed_lookup_is_silent_where_one_type_of_record_exists() -> None:
    scene = Scene()
    show_exchange(scene)
    lookup(scene, EXCHANGE, NAME, kind="AAAA")
    lookup(scene, EXCHANGE, NAME, PUBLIC)
    scene.dialogue(
        [C(federation_request("fabrikam.com", host=NAME)), S(federation_response())], client=EXCHANGE, server=PUBLIC
    )
    scene.silence(5)
    assert found(scene, RULE) is None


@pytest.mark.parametrize(("server", "word"), [(PUBLIC, "internal address"), (INSIDE, "does not take the connection")])
@pytest.mark.parametrize("is_refused", [True, False])
def test_rule_fed_tcp_is_the_cause(server: str, word: str, is_refused: bool) -> None:  # noqa: FBT001
    scene = Scene()
    show_exchange(scene)
    lookup(scene, EXCHANGE, NAME, server)
    syns(scene, EXCHANGE, server, is_refused=is_refused, times=1 if is_refused else 3)
    scene.silence(10)
    finding = found(scene, RULE)
    assert finding is not None
    assert word in finding.summary
    assert ("internal address" in finding.summary) is (server == PUBLIC)


@pytest.mark.parametrize("times", [1, 3])
def test_rule_fed_syns_at_the_end_of_the_capture_say_nothing(times: int) -> None:
    scene = Scene()
    show_exchange(scene)
    lookup(scene, EXCHANGE, NAME, PUBLIC)
    syns(scene, EXCHANGE, PUBLIC, times=times)
    assert found(scene, RULE) is None


def test_rule_fed_tls_is_the_cause() -> None:
    wrong = public_identity("www.fabrikam.com", ["www.fabrikam.com"])
    scene = Scene()
    show_exchange(scene)
    lookup(scene, EXCHANGE, NAME, PUBLIC)
    said = tls((C(b"x"),), wrong, name=NAME, trusts=identity("CN=Somebody else"))
    scene.dialogue(said, client=EXCHANGE, server=PUBLIC, port=443)
    scene.silence(5)
    finding = found(scene, RULE)
    assert finding is not None
    assert f"the certificate of {NAME} is not accepted" in finding.summary
    assert "www.fabrikam.com" in finding.evidence[0].what


def test_rule_fed_tls_is_the_cause_where_no_lookup_was_captured() -> None:
    wrong = public_identity("www.fabrikam.com", ["www.fabrikam.com"])
    scene = Scene()
    show_exchange(scene)
    said = tls((C(b"x"),), wrong, name=NAME, trusts=identity("CN=Somebody else"))
    scene.dialogue(said, client=EXCHANGE, server=PUBLIC, port=443)
    scene.silence(5)
    finding = found(scene, RULE)
    assert finding is not None
    assert finding.confidence is Confidence.HINT


def test_rule_fed_tls_that_is_accepted_says_nothing() -> None:
    right = public_identity(NAME, [NAME])
    scene = Scene()
    show_exchange(scene)
    scene.dialogue(tls((C(b"hidden"), S(b"hidden")), right, name=NAME), client=EXCHANGE, server=PUBLIC, port=443)
    scene.silence(5)
    assert found(scene, RULE) is None


def test_rule_fed_outlook_that_looks_for_autodiscover_is_left_out() -> None:
    scene = Scene()
    lookup(scene, USER, NAME, rcode="NXDOMAIN")
    scene.dialogue(dialogue([(pox_request(), http_response("404 Not Found"))]), client=USER, server=PUBLIC)
    scene.silence(5)
    assert found(scene, RULE) is None


MFG = "fed.mfg-unreachable"


@pytest.mark.parametrize(
    ("name", "is_server", "severity"),
    [
        ("login.microsoftonline.com", True, Severity.ERROR),
        ("login.microsoftonline.com", False, Severity.INFO),
        ("domains.live.com", False, Severity.ERROR),
        ("nexus.microsoftonline-p.com", False, Severity.ERROR),
        ("www.contoso.com", True, None),
    ],
)
def test_rule_fed_mfg_unreachable_by_dns(name: str, is_server: bool, severity: Severity | None) -> None:  # noqa: FBT001
    scene = Scene()
    if is_server:
        show_exchange(scene)
    lookup(scene, EXCHANGE, name, rcode="SERVFAIL")
    scene.silence(5)
    finding = found(scene, MFG)
    assert (finding.severity if finding else None) is severity


@pytest.mark.parametrize(
    ("agent", "severity"),
    [("Microsoft Office/16.0 (Outlook)", Severity.INFO), ("ASProxy/CrossForest/EmailDomain//15.1", Severity.ERROR)],
)
def test_rule_fed_mfg_is_a_note_for_hosts_at_which_people_work(agent: str, severity: Severity) -> None:
    scene = Scene()
    question = http_request("POST /EWS/Exchange.asmx", (f"User-Agent: {agent}",), b"<x/>")
    scene.dialogue([C(question), S(http_response("200 OK"))], client=EXCHANGE, server=PUBLIC)
    lookup(scene, EXCHANGE, "domains.live.com", rcode="NXDOMAIN")
    scene.silence(5)
    finding = found(scene, MFG)
    assert finding is not None
    assert finding.severity is severity


def test_rule_fed_mfg_is_a_follower_of_a_resolver_that_fails() -> None:
    scene = Scene()
    show_exchange(scene)
    lookup(scene, EXCHANGE, "domains.live.com", rcode="SERVFAIL")
    scene.silence(5)
    finding = found(scene, MFG)
    assert finding is not None
    assert finding.caused_by == "dns.servfail"


@pytest.mark.parametrize("is_refused", [True, False])
def test_rule_fed_mfg_unreachable_by_tcp(is_refused: bool) -> None:  # noqa: FBT001
    scene = Scene()
    lookup(scene, EXCHANGE, "domains.live.com", PUBLIC)
    syns(scene, EXCHANGE, PUBLIC, is_refused=is_refused)
    scene.silence(10)
    assert found(scene, MFG) is not None


def test_rule_fed_mfg_is_silent_where_a_connection_comes_about() -> None:
    scene = Scene()
    lookup(scene, EXCHANGE, "domains.live.com", PUBLIC)
    scene.dialogue([C(b"\x16\x03\x01")], client=EXCHANGE, server=PUBLIC, port=443)
    scene.silence(10)
    assert found(scene, MFG) is None


@pytest.mark.parametrize(
    ("status", "is_told"), [("200 Connection established", False), ("403 Forbidden", True), (None, False)]
)
def test_rule_fed_mfg_by_dns_is_silent_where_a_proxy_leads_on(status: str | None, is_told: bool) -> None:  # noqa: FBT001
    scene = Scene()
    lookup(scene, EXCHANGE, "domains.live.com", rcode="NXDOMAIN")
    tunnel = http_request("CONNECT domains.live.com:443", host="domains.live.com:443")
    answer = [S(http_response(status))] if status is not None else []
    scene.dialogue([C(tunnel), *answer], client=EXCHANGE, server=INSIDE, port=8080)
    scene.silence(5)
    assert (found(scene, MFG) is not None) is is_told


@pytest.mark.parametrize("is_asked_for", [True, False])
def test_rule_fed_mfg_is_silent_where_the_address_was_known_from_before(is_asked_for: bool) -> None:  # noqa: FBT001
    """Only AAAA is looked up, which has no address; the connection to that of A names the host."""
    scene = Scene()
    lookup(scene, EXCHANGE, "domains.live.com", kind="AAAA")
    host = "domains.live.com" if is_asked_for else "www.contoso.com"
    scene.dialogue([C(http_request("GET /", host=host)), S(http_response("200 OK"))], client=EXCHANGE, server=PUBLIC)
    scene.silence(5)
    assert (found(scene, MFG) is None) is is_asked_for


@pytest.mark.parametrize(("times", "is_told"), [(5, False), (6, True)])
def test_rule_fed_mfg_needs_three_tries_and_three_seconds(times: int, is_told: bool) -> None:  # noqa: FBT001
    """One SYN a second; the tries may go on until the capture ends."""
    scene = Scene()
    lookup(scene, EXCHANGE, "domains.live.com", PUBLIC)
    syns(scene, EXCHANGE, PUBLIC, times=times)
    assert (found(scene, MFG) is not None) is is_told


def test_rule_fed_mfg_without_any_answer_of_dns() -> None:
    scene = Scene()
    for _ in range(2):
        lookup(scene, EXCHANGE, "domains.live.com", answered=False)
    assert found(scene, MFG) is None
    scene.silence(10)
    assert found(scene, MFG) is not None
