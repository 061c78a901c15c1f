"""EWS, MAPI over HTTP and Outlook Anywhere: what is told once, what follows from what, what is not told at all."""

from __future__ import annotations

import ssl

import pytest
from autodiscover_dialogues import pox_request, pox_settings, protocol
from exchange_dialogues import EWS, FRONT_END, basic, ews_fault, ok, post, soap
from mapi_messages import CONNECT_REQUEST, CONNECT_RESPONSE, TARGET, done
from packets import C, S, Say, Scene, findings_of, http_request, http_response
from rpc_http_messages import CONN_A1, CONN_A3, CONN_B1, OPENED, in_head, out_head
from tls_dialogues import public_identity, tls

from tlsdecrypt.findings.finding import Finding, Severity

AVERY = basic("avery@contoso.com")
ONE_CHANNEL = "oa.only-one-channel"


def told(scene: Scene, silence: float = 60) -> dict[str, Finding]:
    """Errors and warnings."""
    scene.silence(silence)
    return {each.rule: each for each in findings_of(scene) if each.severity > Severity.INFO}


def ewsed(answer: bytes) -> Scene:
    scene = Scene()
    ask = post(EWS, soap("<m:GetFolder/>"), "User-Agent: python-requests/2.9", "Authorization: Negotiate YIIGsample")
    scene.dialogue([C(ask), S(answer)])
    return scene


def test_a_403_follows_from_the_access_policy_of_ews() -> None:
    found = told(ewsed(http_response("403 Forbidden", FRONT_END)))
    assert {rule: each.caused_by for rule, each in found.items()} == {
        "ews.blocked-user-agent": None,
        "http.forbidden-403": "ews.blocked-user-agent",
    }


def test_a_403_for_want_of_tls_says_nothing_of_the_access_policy() -> None:
    page = b"<html><body><h3>403.4 - Forbidden: SSL is required to view this resource.</h3></body></html>"
    answer = http_response("403 Forbidden", (*FRONT_END, "Content-Type: text/html"), page)
    assert set(told(ewsed(answer))) == {"http.forbidden-403"}


def test_no_access_follows_from_the_access_policy_that_the_text_names() -> None:
    found = told(ewsed(ok(ews_fault("ErrorAccessDenied", "EWSApplicationAccessPolicy"), status="500 Error")))
    assert {rule: each.caused_by for rule, each in found.items()} == {
        "ews.blocked-user-agent": None,
        "ews.access-denied": "ews.blocked-user-agent",
    }


def mapi(answer: bytes, server: str = "198.51.100.20", request_type: str = "Connect", asked: bytes = b"") -> Scene:
    fields = ("Content-Type: application/mapi-http", f"X-RequestType: {request_type}", AVERY)
    scene = Scene()
    request = http_request(f"POST {TARGET}", fields, asked or CONNECT_REQUEST)
    scene.dialogue(tls([C(request), S(answer)], public_identity("mail.contoso.com")), port=443, server=server)
    return scene


def test_mapi_that_is_switched_off_is_told_once_though_it_is_answered_403() -> None:
    scene = mapi(http_response("403 Forbidden", FRONT_END, b"<html>ProtocolDisabled</html>"))
    scene.silence(5)
    found = findings_of(scene, keys=public_identity("mail.contoso.com").store)
    assert {each.rule for each in found if each.severity > Severity.INFO} == {"mapi.endpoint-disabled"}


def test_a_lost_context_follows_from_a_balancer_without_affinity() -> None:
    fields = ("Content-Type: application/mapi-http", "X-ClientInfo: {2EF33C39-49C8-421C-B876-CDF7F2AC3AA0}:1", AVERY)
    session = ("X-RequestType: Execute", "Cookie: MapiContext=aaaaaaaaaaaaaaaa; MapiSequence=1")
    opens = ("X-ResponseCode: 0", "Set-Cookie: MapiContext=aaaaaaaaaaaaaaaa; path=/mapi/emsmdb", fields[0])
    connect = C(http_request(f"POST {TARGET}", (*fields, "X-RequestType: Connect"), CONNECT_REQUEST))
    execute = C(http_request(f"POST {TARGET}", (*fields, *session), bytes(20)))
    opened = S(http_response("200 OK", opens, done(CONNECT_RESPONSE)))
    served = S(http_response("200 OK", (fields[0], "X-ResponseCode: 0"), done(bytes(16))))
    lost = S(http_response("200 OK", ("Content-Type: text/html", "X-ResponseCode: 10"), b"lost"))
    scene = Scene()
    scene.dialogue([connect, opened, execute, served], server="192.0.2.1")
    scene.dialogue([execute, lost] * 2, server="192.0.2.2")
    assert told(scene)["mapi.context-lost"].caused_by == "lb.no-persistence"


@pytest.mark.parametrize("status", ["404 Not Found", "405 Method Not Allowed"])
def test_outlook_anywhere_towards_the_cloud_is_told_once(status: str) -> None:
    scene = Scene()
    head = out_head().replace(b"mail.contoso.com", b"outlook.office365.com")
    scene.dialogue([C(head + CONN_A1), S(http_response(status, ("Server: X",)))])
    assert set(told(scene)) == {"oa.retired-in-cloud"}


def channels(inward: str, outward: str) -> list[list[Say]]:
    """Two channels of which so little is seen that no cookie can be read."""
    return [[C(out_head(outward) + CONN_A1[:20]), S(OPENED + CONN_A3)], [C(in_head(inward) + CONN_B1[:20])]]


@pytest.mark.parametrize(
    ("inward", "outward", "is_split"),
    [
        ("EX01.contoso.local:6001", "EX02.contoso.local:6001", True),
        ("EX01.contoso.local:6001", "EX01.contoso.local:6001", False),
        ("EX01.contoso.local:6001", "EX02.contoso.local:6004", False),  # of two virtual connections, perhaps
    ],
)
def test_channels_without_a_cookie_lead_to_different_servers(inward: str, outward: str, *, is_split: bool) -> None:
    scene = Scene()
    for said in channels(inward, outward):
        scene.dialogue(said, end="open")
    assert (ONE_CHANNEL in told(scene)) is is_split


def test_a_channel_that_began_before_the_capture_may_be_the_partner() -> None:
    scene = Scene()
    scene.dialogue([C(out_head() + CONN_A1), S(OPENED + CONN_A3), S(CONN_A3)], end="open")
    del scene.frames[:6]  # up to the request
    scene.dialogue([C(in_head() + CONN_B1)], end="open")
    assert told(scene) == {}


def test_a_client_that_leaves_at_the_certificate_follows_from_the_principal_name() -> None:
    scene = Scene()
    scene.dialogue(
        [
            C(pox_request("avery@contoso.com")),
            S(pox_settings(protocol("EXPR", "mail.contoso.com", CertPrincipalName="msstd:mail.contoso.com"))),
        ]
    )
    other = public_identity("owa.contoso.com", ["owa.contoso.com", "mail.contoso.com"])
    old = (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1)
    hello = tls([], other, name=None, client=old, versions=old, ciphers="AES128-SHA")[:2]
    for _ in range(2):
        scene.dialogue(hello, port=443)
    found = told(scene)
    assert found["tls.client-rejected-cert"].caused_by == "oa.cert-principal-mismatch"
