"""Rules of Autodiscover: errors, redirects, and what is wrong with settings."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from autodiscover_dialogues import (
    EXCH,
    EXPR,
    GOOD,
    POX,
    federation_request,
    federation_response,
    pox_error,
    pox_question,
    pox_redirect,
    pox_redirect_url,
    pox_request,
    pox_response,
    pox_settings,
    protocol,
    soap_request,
    soap_response,
    soap_setting_error,
    soap_settings,
)
from exchange_dialogues import HTML, asked, dialogue, ok, post, rules_in
from packets import Scene, found, http_request, http_response

from tlsdecrypt.findings.finding import Severity

if TYPE_CHECKING:
    from collections.abc import Sequence

MOBILE = pox_response("<Action><Error><Status>1</Status><Message>The directory is down</Message></Error></Action>")


def v2(answer: dict[str, str]) -> tuple[bytes, bytes]:
    request = http_request("GET /autodiscover/autodiscover.json/v1.0/avery@contoso.com?Protocol=ActiveSync")
    return request, http_response("200 OK", ("Content-Type: application/json",), json.dumps(answer).encode())


@pytest.mark.parametrize(
    ("pair", "rule", "severity"),
    [
        ((pox_request(), pox_error(500)), "autodiscover.address-not-found", Severity.ERROR),
        (v2({"ErrorCode": "UserNotFound", "ErrorMessage": "x"}), "autodiscover.address-not-found", Severity.ERROR),
        ((pox_request(), pox_error(501)), "autodiscover.bad-address", Severity.ERROR),
        ((pox_request(), pox_error(602)), "autodiscover.bad-address", Severity.ERROR),
        ((pox_request(), pox_error(600)), "autodiscover.invalid-request", Severity.WARNING),
        ((http_request(f"GET {POX}"), pox_error(600)), "autodiscover.invalid-request", Severity.INFO),
        ((pox_request(), pox_error(601)), "autodiscover.no-provider", Severity.WARNING),
        (v2({"ErrorCode": "ProtocolNotSupported"}), "autodiscover.no-provider", Severity.WARNING),
        ((pox_request(), pox_error(603)), "autodiscover.server-error", Severity.ERROR),
        ((pox_request(), ok(MOBILE)), "autodiscover.server-error", Severity.ERROR),
        ((soap_request(), soap_response("", "InternalServerError")), "autodiscover.server-error", Severity.ERROR),
        (
            (soap_request(), soap_response("<a:ErrorCode>InvalidUser</a:ErrorCode>")),
            "autodiscover.soap-error",
            Severity.ERROR,
        ),
        (
            (soap_request(), soap_response("<a:ErrorCode>InvalidDomain</a:ErrorCode>")),
            "autodiscover.soap-error",
            Severity.ERROR,
        ),
        ((soap_request(), soap_response("", "ServerBusy")), "autodiscover.soap-error", Severity.WARNING),
        (
            (soap_request("CrossOrganizationSharingEnabled"), soap_setting_error("X", "SettingIsNotAvailable")),
            "autodiscover.soap-error",
            Severity.INFO,
        ),
    ],
)
def test_rule_autodiscover_error_has_one_finding(pair: tuple[bytes, bytes], rule: str, severity: Severity) -> None:
    scene = asked(pair)
    assert rules_in(scene, "autodiscover", "fed", "freebusy") == {rule}
    finding = found(scene, rule)
    assert finding is not None
    assert finding.severity is severity


@pytest.mark.parametrize(
    "pair",
    [
        (pox_request(), GOOD),
        (soap_request(), soap_settings(ExternalEwsUrl="https://mail.contoso.com/ews/exchange.asmx")),
        v2({"Protocol": "ActiveSync", "Url": "https://mail.contoso.com/Microsoft-Server-ActiveSync"}),
        (pox_request(), http_response("401 Unauthorized", ("WWW-Authenticate: Negotiate", HTML, "Server: nginx"))),
        (federation_request(), federation_response()),
    ],
)
def test_rule_autodiscover_is_silent_where_all_is_well(pair: tuple[bytes, bytes]) -> None:
    assert rules_in(asked(pair), "autodiscover", "fed", "freebusy") == set()


ERRORS = [
    pox_error(500),
    pox_error(501),
    pox_error(600),
    pox_error(601),
    pox_error(603),
    soap_response("", "InvalidUser"),
]


@pytest.mark.parametrize("error", ERRORS)
def test_rule_autodiscover_failed_candidate_is_a_note_where_a_later_one_succeeds(error: bytes) -> None:
    request = soap_request() if error is ERRORS[-1] else pox_request()
    scene = Scene()
    scene.dialogue(dialogue([(request, error)]))
    scene.dialogue(dialogue([(pox_request(), GOOD)]), server="198.51.100.21")
    scene.silence(5)
    assert {each.severity for each in scene.analysis().findings if each.rule.startswith("autodiscover")} == {
        Severity.INFO
    }


def test_rule_autodiscover_success_for_somebody_else_is_no_excuse() -> None:
    scene = asked((pox_request("avery@contoso.com"), pox_error(500)), (pox_request("blake@contoso.com"), GOOD))
    finding = found(scene, "autodiscover.address-not-found")
    assert finding is not None
    assert finding.severity is Severity.ERROR


def test_rule_autodiscover_the_same_error_for_many_users_is_told_once() -> None:
    scene = asked(*((pox_request(f"user{number}@contoso.com"), pox_error(603)) for number in range(5)))
    finding = found(scene, "autodiscover.server-error")
    assert finding is not None
    assert finding.count == 5


def test_rule_autodiscover_success_behind_a_redirect_counts() -> None:
    scene = asked(
        (pox_request(), pox_error(500)),
        (pox_request(), pox_redirect("avery@contoso.mail.onmicrosoft.com")),
        (pox_request("avery@contoso.mail.onmicrosoft.com"), GOOD),
    )
    finding = found(scene, "autodiscover.address-not-found")
    assert finding is not None
    assert finding.severity is Severity.INFO


def test_rule_autodiscover_test_accounts_are_left_out() -> None:
    assert rules_in(asked((pox_request("extest_1a2b3c4d5e6f@contoso.com"), pox_error(500))), "autodiscover") == set()


PAGE = b"<html><h1>It works!</h1></html>"


@pytest.mark.parametrize(
    ("status", "fields", "is_told"),
    [
        ("404 Not Found", ("Server: Apache/2.4", HTML), True),
        ("200 OK", ("Server: nginx/1.22", HTML), True),
        ("200 OK", ("Server: cloudflare", HTML), True),
        ("404 Not Found", ("Server: Microsoft-IIS/8.5", HTML), False),
        ("404 Not Found", ("Server: Apache", "X-FEServer: CAS01", HTML), False),
        ("404 Not Found", ("Server: Apache", "Content-Type: text/plain"), False),
        ("301 Moved", ("Server: Apache", "Location: https://www.contoso.com/", HTML), False),
        ("502 Bad Gateway", ("Server: nginx", HTML), False),
    ],
)
def test_rule_autodiscover_third_party_webserver(status: str, fields: Sequence[str], is_told: bool) -> None:  # noqa: FBT001
    scene = asked((pox_request(host="contoso.com"), http_response(status, fields, PAGE)))
    assert (found(scene, "autodiscover.third-party-webserver") is not None) is is_told


def test_rule_autodiscover_third_party_webserver_is_a_note_where_the_client_succeeds() -> None:
    scene = Scene()
    page = http_response("404 Not Found", ("Server: Apache", HTML), PAGE)
    scene.dialogue(dialogue([(pox_request(host="contoso.com"), page)]), server="198.51.100.80")
    scene.dialogue(dialogue([(pox_request(), GOOD)]))
    finding = found(scene, "autodiscover.third-party-webserver")
    assert finding is not None
    assert finding.severity is Severity.INFO


def test_rule_autodiscover_redirect_addr_is_a_note() -> None:
    scene = asked((pox_request(), pox_redirect("avery@contoso.mail.onmicrosoft.com")))
    assert rules_in(scene, "autodiscover") == {"autodiscover.redirect-addr"}
    finding = found(scene, "autodiscover.redirect-addr")
    assert finding is not None
    assert (finding.severity, finding.summary) == (
        Severity.INFO,
        "avery@contoso.com is sent on to avery@contoso.mail.onmicrosoft.com.",
    )


def test_rule_autodiscover_redirect_addr_same() -> None:
    scene = asked((pox_request(), pox_redirect("Avery@Contoso.com")))
    assert rules_in(scene, "autodiscover") == {"autodiscover.redirect-addr-same"}


@pytest.mark.parametrize(
    ("asked_for", "target", "is_told"),
    [
        ("avery@contoso.com", "avery@contoso.onmicrosoft.com", True),
        ("avery@contoso.com", "avery@contoso.mail.onmicrosoft.com", False),
        ("avery@contoso.onmicrosoft.com", "a.doe@contoso.onmicrosoft.com", False),
        ("avery@contoso.com", "avery@fabrikam.com", False),
    ],
)
def test_rule_autodiscover_redirect_addr_onmicrosoft(asked_for: str, target: str, is_told: bool) -> None:  # noqa: FBT001
    finding = found(asked((pox_request(asked_for), pox_redirect(target))), "autodiscover.redirect-addr-onmicrosoft")
    assert (finding is not None) is is_told


MOVED = http_response("302 Found", ("Location: http://mail.contoso.com/autodiscover/autodiscover.xml",))


@pytest.mark.parametrize(
    ("pair", "is_told"),
    [
        ((pox_request(), MOVED), True),
        ((http_request(f"GET {POX}"), MOVED), False),
        ((pox_request(), pox_redirect_url("http://mail.contoso.com/a.xml")), True),
        ((pox_request(), pox_redirect_url("https://mail.contoso.com/a.xml")), False),
    ],
)
def test_rule_autodiscover_redirect_url_not_https(pair: tuple[bytes, bytes], is_told: bool) -> None:  # noqa: FBT001
    assert (found(asked(pair), "autodiscover.redirect-url-not-https") is not None) is is_told


A, B, C = "avery@contoso.com", "avery@fabrikam.com", "avery@adatum.com"


@pytest.mark.parametrize(
    ("hops", "is_told"),
    [
        ([(A, B), (B, A)], True),
        ([(A, B), (B, C), (C, B)], True),
        ([(A, B), (A, B)], False),  # the client begins again, it does not follow
        ([(A, B), (B, C)], False),
        ([(A, B), (C, A)], False),  # two searches of one client
        ([(f"a{n}@x.de", f"a{n + 1}@x.de") for n in range(11)], True),
        ([(f"a{n}@x.de", f"a{n + 1}@x.de") for n in range(9)], False),
    ],
)
def test_rule_autodiscover_redirect_loop(hops: list[tuple[str, str]], is_told: bool) -> None:  # noqa: FBT001
    scene = asked(*((pox_request(address), pox_redirect(target)) for address, target in hops))
    finding = found(scene, "autodiscover.redirect-loop")
    assert (finding is not None) is is_told
    if finding is not None and len(hops) == 2:
        assert finding.summary == f"Autodiscover goes in a circle: {A} -> {B} -> {A}."


def test_rule_autodiscover_redirect_loop_of_urls() -> None:
    there = http_response("302 Found", ("Location: http://b.contoso.com/autodiscover/autodiscover.xml",))
    back = http_response("302 Found", ("Location: http://a.contoso.com/autodiscover/autodiscover.xml",))
    scene = asked((pox_request(host="a.contoso.com"), there), (pox_request(host="b.contoso.com"), back))
    assert found(scene, "autodiscover.redirect-loop") is not None


@pytest.mark.parametrize(("first", "is_told"), [("https", True), ("http", False)])
def test_rule_autodiscover_redirect_loop_behind_a_device_that_ends_tls(first: str, *, is_told: bool) -> None:
    hops = [(first, "b"), ("https", "a")]
    answers = [f"Location: {scheme}://{host}.contoso.com/autodiscover/autodiscover.xml" for scheme, host in hops]
    there, back = (http_response("302 Found", (each,)) for each in answers)
    scene = asked((pox_request(host="a.contoso.com"), there), (pox_request(host="b.contoso.com"), back))
    assert (found(scene, "autodiscover.redirect-loop") is not None) is is_told


NO_EWS = protocol("EXPR", "mail.contoso.com", SSL="On")
INSIDE, OUTSIDE = "10.1.1.50", "203.0.113.50"


@pytest.mark.parametrize(
    ("pair", "client", "is_told"),
    [
        ((pox_request(), pox_settings(EXCH, NO_EWS)), OUTSIDE, True),
        ((pox_request(), pox_settings(EXCH, NO_EWS)), INSIDE, False),
        ((pox_request(), pox_settings(NO_EWS)), INSIDE, True),
        ((pox_request(), pox_settings(EXCH)), OUTSIDE, False),
        ((pox_request(), GOOD), OUTSIDE, False),
        ((soap_request(), soap_setting_error("ExternalEwsUrl", "SettingIsNotAvailable")), OUTSIDE, True),
        ((soap_request(), soap_settings(InternalEwsUrl="https://cas01/ews")), OUTSIDE, True),
        ((soap_request(), soap_settings(InternalEwsUrl="https://cas01/ews")), INSIDE, False),
        ((soap_request("EwsSupportedSchemas"), soap_settings(EwsSupportedSchemas="x")), OUTSIDE, False),
        ((soap_request(), soap_settings(ExternalEwsUrl="https://mail.contoso.com/ews")), OUTSIDE, False),
    ],
)
def test_rule_autodiscover_external_ews_url_missing(pair: tuple[bytes, bytes], client: str, is_told: bool) -> None:  # noqa: FBT001
    scene = asked(pair, client=client)
    assert (found(scene, "autodiscover.external-ews-url-missing") is not None) is is_told
    assert found(scene, "autodiscover.soap-error") is None


@pytest.mark.parametrize(
    ("pair", "client", "severity"),
    [
        ((pox_request(), pox_settings(protocol("EXPR", "cas01.contoso.local", EwsUrl="x"))), OUTSIDE, Severity.ERROR),
        ((pox_request(), pox_settings(protocol("EXPR", "cas01", EwsUrl="x"))), OUTSIDE, Severity.ERROR),
        ((pox_request(), pox_settings(protocol("EXPR", "cas01.contoso.local", EwsUrl="x"))), INSIDE, Severity.INFO),
        ((pox_request(), GOOD), OUTSIDE, None),
        ((soap_request(), soap_settings(ExternalEwsUrl="https://cas01.contoso.local/ews")), OUTSIDE, Severity.ERROR),
        ((soap_request(), soap_settings(ExternalEwsUrl="https://mail.contoso.com/ews")), OUTSIDE, None),
    ],
)
def test_rule_autodiscover_internal_name_external_client(
    pair: tuple[bytes, bytes], client: str, severity: Severity | None
) -> None:
    finding = found(asked(pair, client=client), "autodiscover.internal-name-external-client")
    assert (finding.severity if finding else None) is severity


CAPABLE = "X-MapiHttpCapability: 1"
MAPI = (
    '<Protocol Type="mapiHttp" Version="1"><MailStore><ExternalUrl>https://m/mapi</ExternalUrl></MailStore></Protocol>'
)


@pytest.mark.parametrize(
    ("fields", "protocols", "is_told"),
    [
        ((CAPABLE,), (EXCH, EXPR), True),
        ((), (EXCH, EXPR), False),
        ((CAPABLE,), (EXPR, MAPI), False),
        ((CAPABLE,), (protocol("EXCH", "cas01", ServerVersion="738180DA"), EXPR), False),
        ((CAPABLE,), (protocol("EXCH", "cas01", ServerVersion="73C18841"), EXPR), True),
    ],
)
def test_rule_autodiscover_mapi_http_not_offered(
    fields: Sequence[str],
    protocols: Sequence[str],
    is_told: bool,  # noqa: FBT001
) -> None:
    request = post(POX, pox_question(), *fields)
    finding = found(asked((request, pox_settings(*protocols))), "autodiscover.mapi-http-not-offered")
    assert (finding is not None) is is_told
