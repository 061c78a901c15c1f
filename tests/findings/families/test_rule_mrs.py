"""Rules of the MRS proxy."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from exchange_dialogues import XML, asked, basic, dialogue, rules_in, soap
from packets import C, S, Scene, findings_of, found, http_request, http_response
from tls_dialogues import public_identity, tls

from tlsdecrypt.findings.finding import Confidence, Severity

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tlsdecrypt.findings.finding import Finding

PATH = "/EWS/mrsproxy.svc"
RULE = "mrs.404-ssl-offload"
SOAP = "Content-Type: application/soap+xml; charset=utf-8"
IIS = "Server: Microsoft-IIS/8.5"
POST = http_request(f"POST {PATH}", (SOAP, "Expect: 100-continue"), b"<a/>")
NOT_FOUND = http_response("404 Not Found", (IIS, "Content-Type: text/html"), b"<html/>")
GATE, INSIDE = "198.51.100.20", "192.168.2.20"
MAIL = public_identity("mail.contoso.com", ["mail.contoso.com"])


def covered(*pairs: tuple[bytes, bytes | None], scene: Scene | None = None) -> Finding | None:
    """What is told of a dialogue inside TLS, beside what `scene` holds."""
    made = scene or Scene()
    made.dialogue(tls(tuple(dialogue(pairs)), MAIL), port=443)
    made.silence(5)
    return found(made, RULE, keys=MAIL.store)


@pytest.mark.parametrize(
    ("status", "confidence"),
    [("404 Not Found", Confidence.CERTAIN), ("403 Forbidden", Confidence.LIKELY), ("500 Error", Confidence.LIKELY)],
)
def test_rule_mrs_ssl_offload_in_the_clear(status: str, confidence: Confidence) -> None:
    scene = asked((POST, http_response(status, (IIS,))))
    finding = found(scene, RULE)
    assert finding is not None
    assert (finding.severity, finding.confidence) == (Severity.ERROR, confidence)
    assert rules_in(scene, "mrs") == {RULE}


@pytest.mark.parametrize(
    "response",
    [
        http_response("405 Method Not Allowed", (IIS,)),
        http_response("401 Unauthorized", (IIS, "WWW-Authenticate: Negotiate")),
        http_response("404 Not Found", (IIS, "X-CasErrorCode: UserNotFound")),
        http_response("200 OK", (SOAP,), soap("<r/>")),
        http_response("500 Error", ("Content-Type: application/soap+msbin1",), b"V\x02\x0b\x01s\x04"),
        http_response("500 Error", (XML,), soap("<s:Fault><faultstring>A fault of MRS itself</faultstring></s:Fault>")),
    ],
)
def test_rule_mrs_ssl_offload_near_misses(response: bytes) -> None:
    assert found(asked((POST, response)), RULE) is None


def test_rule_mrs_ssl_offload_of_a_browser_is_a_note() -> None:
    finding = found(asked((http_request(f"GET {PATH}"), NOT_FOUND)), RULE)
    assert finding is not None
    assert finding.severity is Severity.INFO


def test_rule_mrs_ssl_offload_shows_both_legs_as_one() -> None:
    scene = Scene()
    scene.dialogue([C(POST), S(NOT_FOUND)], client=GATE, server=INSIDE)
    finding = covered((POST, NOT_FOUND), scene=scene)
    assert finding is not None
    assert finding.confidence is Confidence.CERTAIN
    assert finding.count == 1
    assert len({each.connection for each in finding.evidence}) == 2


def test_rule_mrs_ssl_offload_shows_both_legs_as_one_where_the_device_has_two_addresses() -> None:
    made = Scene()
    outer = tls(tuple(dialogue([(POST, NOT_FOUND)])), MAIL)
    *before, answer = outer
    made.dialogue([*before, replace(answer, after=1.0)], port=443)
    made.now = 0.5
    made.dialogue([C(POST), S(NOT_FOUND)], client="10.9.9.1", server=INSIDE)
    made.silence(5)
    finding = found(made, RULE, keys=MAIL.store)
    assert finding is not None
    assert finding.confidence is Confidence.CERTAIN
    assert len({each.connection for each in finding.evidence}) == 2


@pytest.mark.parametrize("field", ["Via: 1.1 TMG01", "Server: BigIP"])
def test_rule_mrs_ssl_offload_inside_tls_behind_a_device(field: str) -> None:
    finding = covered((POST, http_response("404 Not Found", (field,))))
    assert finding is not None
    assert (finding.severity, finding.confidence) == (Severity.ERROR, Confidence.LIKELY)


def test_rule_mrs_ssl_offload_inside_tls_beside_a_clear_inner_leg() -> None:
    scene = Scene()
    other = http_request("GET /owa/", ())
    scene.dialogue([C(other), S(http_response("200 OK"))], client=GATE, server=INSIDE)
    finding = covered((POST, NOT_FOUND), scene=scene)
    assert finding is not None
    assert finding.severity is Severity.ERROR


def test_rule_mrs_ssl_offload_without_a_device_lists_all_causes() -> None:
    ews = (
        http_request("POST /EWS/Exchange.asmx", (XML,), soap("<m:GetFolder/>")),
        http_response("401 Unauthorized", (IIS,)),
    )
    finding = covered((POST, NOT_FOUND), ews)
    assert finding is not None
    assert (finding.severity, finding.confidence) == (Severity.WARNING, Confidence.LIKELY)
    assert "MRSProxyEnabled" in finding.advice
    assert covered((POST, http_response("403 Forbidden", (IIS,)))) is None


def test_rule_mrs_ssl_offload_is_silent_where_the_path_works_later() -> None:
    assert found(asked((POST, NOT_FOUND), (POST, http_response("200 OK", (SOAP,)))), RULE) is None


def ntlm(kind: int) -> str:
    token = b"NTLMSSP\0" + kind.to_bytes(4, "little") + bytes(60)
    return "Authorization: NTLM " + base64.b64encode(token).decode()


REFUSED = http_response("401 Unauthorized", (IIS, "WWW-Authenticate: Negotiate", "WWW-Authenticate: NTLM"))


def request(*fields: str) -> bytes:
    return http_request(f"POST {PATH}", (SOAP, *fields), b"<a/>")


@pytest.mark.parametrize(
    ("fields", "is_told"),
    [((basic("migration@contoso.com"),), True), ((ntlm(3),), True), ((ntlm(1),), False), ((), False)],
)
def test_rule_mrs_401_final(fields: Sequence[str], is_told: bool) -> None:  # noqa: FBT001
    finding = found(asked((request(*fields), REFUSED)), "mrs.401-final")
    assert (finding is not None) is is_told
    if finding is not None and "Basic" in fields[0]:
        assert "migration@contoso.com" in finding.summary


def test_rule_mrs_401_final_explains_the_loop() -> None:
    wrong = http_response("401 Unauthorized", (IIS, "WWW-Authenticate: Basic realm=x"))
    loop = found(asked(*[(request(basic("a")), wrong)] * 3), "http.auth-loop")
    assert loop is not None
    assert loop.caused_by == "mrs.401-final"


def test_rule_mrs_401_final_is_silent_where_it_works_later() -> None:
    again = (request(basic("b")), http_response("200 OK", (SOAP,)))
    assert found(asked((request(basic("b")), REFUSED), again), "mrs.401-final") is None
    assert found(asked((request(basic("a")), REFUSED), again), "mrs.401-final") is not None


@pytest.mark.parametrize(
    ("offers", "is_told"), [(("Basic realm=x",), True), (("Basic realm=x", "NTLM"), False), ((), False)]
)
def test_rule_mrs_basic_only_offered(offers: Sequence[str], is_told: bool) -> None:  # noqa: FBT001
    fields = [f"WWW-Authenticate: {each}" for each in offers]
    scene = asked((request(), http_response("401 Unauthorized", fields)))
    assert (found(scene, "mrs.basic-only-offered") is not None) is is_told


def test_rule_mrs_basic_only_has_one_cause_with_what_follows() -> None:
    basic_only = http_response("401 Unauthorized", ("WWW-Authenticate: Basic realm=x",))
    refused = asked((request(basic("a")), basic_only))
    follower, cause = (found(refused, each) for each in ("mrs.basic-only-offered", "mrs.401-final"))
    assert follower is not None
    assert cause is not None
    assert (follower.caused_by, cause.caused_by) == ("mrs.401-final", None)
    asks_ntlm = found(asked((request(ntlm(1)), basic_only)), "http.auth-scheme-not-offered")
    assert asks_ntlm is not None
    assert asks_ntlm.caused_by == "mrs.basic-only-offered"


def test_rule_mrs_basic_only_is_silent_where_the_client_gets_through() -> None:
    first = (request(), http_response("401 Unauthorized", ("WWW-Authenticate: Basic realm=x",)))
    scene = asked(first, (request(basic("a")), http_response("200 OK", (SOAP,))))
    assert found(scene, "mrs.basic-only-offered") is None


@pytest.mark.parametrize(
    ("times", "end", "is_told"), [(3, "server-rst", True), (2, "server-rst", False), (3, "client-rst", False)]
)
def test_rule_mrs_connection_cut(times: int, end: str, is_told: bool) -> None:  # noqa: FBT001
    scene = Scene()
    for _ in range(times):
        scene.dialogue([C(POST)], end=end)
    scene.silence(5)
    assert (found(scene, "mrs.connection-cut") is not None) is is_told


def test_rule_mrs_connection_cut_explains_uploads_that_break_off_at_one_size() -> None:
    scene = Scene()
    for _ in range(3):
        scene.dialogue([C(http_request(f"POST {PATH}", (SOAP,), b"x" * 200_000))], end="server-rst")
    scene.silence(5)
    large = found(scene, "http.body-too-large")
    assert large is not None
    assert large.caused_by == "mrs.connection-cut"


def test_rule_mrs_connection_cut_of_several_clients_is_one() -> None:
    scene = Scene()
    for number in range(3):
        scene.dialogue([C(POST)], end="server-rst", client=f"40.97.12.{number}")
    scene.silence(5)
    finding = found(scene, "mrs.connection-cut")
    assert finding is not None
    assert "3 connections of 40.97.12.0 and 2 others" in finding.summary
    followers = [each.caused_by for each in findings_of(scene) if each.rule == "tcp.reset-mid-request"]
    assert followers == ["mrs.connection-cut"] * 3


def test_rule_mrs_connection_cut_by_silence() -> None:
    scene = Scene()
    for _ in range(3):
        scene.dialogue([C(POST)], end="open")
    assert found(scene, "mrs.connection-cut") is None
    scene.silence(60)
    assert found(scene, "mrs.connection-cut") is not None


@pytest.mark.parametrize(
    ("text", "is_told"), [("The limit MaxMRSConnections is reached.", True), ("Access denied.", False)]
)
def test_rule_mrs_too_busy(text: str, is_told: bool) -> None:  # noqa: FBT001
    fault = soap(f"<s:Fault><faultcode>s:Server</faultcode><faultstring>{text}</faultstring></s:Fault>")
    scene = asked((POST, http_response("500 Error", (XML,), fault)))
    assert (found(scene, "mrs.too-busy") is not None) is is_told
