"""What the cloud and Exchange say of tokens in other forms than the usual ones."""

from __future__ import annotations

import json

import pytest
from login_dialogues import ask
from packets import C, S, Scene, http_request, http_response, rules_of

SOAP12 = "http://www.w3.org/2003/05/soap-envelope"
TRUST = "http://schemas.xmlsoap.org/ws/2005/02/trust"


def fault(code: str, reason: str, detail: str = "") -> bytes:
    """A fault of SOAP 1.2."""
    return (
        f'<s:Envelope xmlns:s="{SOAP12}"><s:Body><s:Fault><s:Code><s:Value>s:Sender</s:Value><s:Subcode>'
        f'<s:Value xmlns:t="{TRUST}">t:{code}</s:Value></s:Subcode></s:Code><s:Reason><s:Text>{reason}</s:Text>'
        f"</s:Reason>{detail}</s:Fault></s:Body></s:Envelope>"
    ).encode()


def asked(line: str, answer: bytes, status: str, kind: str = "application/soap+xml", content: bytes = b"<a/>") -> Scene:
    scene = Scene()
    fields = [f"Content-Type: {kind}"]
    scene.dialogue([C(http_request(line, fields, content)), S(http_response(status, fields, answer))])
    scene.silence(5)
    return scene


@pytest.mark.parametrize("code", ["AADSTS50076", "AADSTS50079"])
def test_a_second_factor_that_a_fault_inside_of_200_wants_is_told(code: str) -> None:
    scene = asked("POST /rst2.srf", fault("InvalidRequest", f"{code}: use another way"), "200 OK")
    assert rules_of(scene) == {"oauth.mfa-required"}


def test_a_second_factor_that_the_detail_of_a_fault_wants_is_told() -> None:
    detail = (
        "<s:Detail><d:error xmlns:d='urn:d'><d:internalerror><d:text>{}</d:text></d:internalerror></d:error></s:Detail>"
    )
    for text in ("AADSTS50076: a second factor", "you must use multi-factor authentication"):
        told = asked("POST /rst2.srf", fault("FailedAuthentication", "Failure", detail.format(text)), "200 OK")
        assert rules_of(told) == {"oauth.mfa-required"}
    other = asked("POST /rst2.srf", fault("FailedAuthentication", "Failure", detail.format("AADSTS50126")), "200 OK")
    assert rules_of(other) == {"wstrust.failed-authentication"}


def test_a_second_factor_that_a_page_wants_is_told() -> None:
    page = f"<html>{'<p>Sign in to your account.</p>' * 30}AADSTS{{}}: the user has to prove more</html>"
    for code, rules in ((50079, {"oauth.mfa-required"}), (50034, set())):
        answer = page.format(code).encode()
        assert rules_of(asked("POST /common/login", answer, "400 Bad Request", "text/html")) == rules


def test_other_faults_of_the_sts_want_no_second_factor() -> None:
    scene = asked("POST /rst2.srf", fault("InvalidRequest", "AADSTS50034: no such user"), "200 OK")
    assert rules_of(scene) == {"wstrust.request-failed"}


@pytest.mark.parametrize("path", ["/tokens/OAuth/2", "/contoso.com/tokens/OAuth/2"])
def test_the_token_service_of_access_control_is_one(path: str) -> None:
    answer = {
        "error": "invalid_client",
        "error_description": "AADSTS50012: the signature is not valid",
    }
    form = b"grant_type=client_credentials&client_id=1&client_assertion=x"
    scene = asked(f"POST {path}", json.dumps(answer).encode(), "400 Bad Request", "application/json", form)
    assert rules_of(scene) == {"oauth.client-assertion-key"}


def test_a_role_that_a_soap_fault_misses_is_told_by_its_own_rule() -> None:
    reason = "The application is missing a linked account for RBAC role"
    page = (
        '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><s:Fault><faultcode '
        'xmlns:a="http://schemas.microsoft.com/exchange/services/2006/types">a:ErrorAccessDenied</faultcode>'
        f"<faultstring>{reason}</faultstring></s:Fault></s:Body></s:Envelope>"
    ).encode()
    said = ask("Authorization: Bearer b3BhcXVl", "500 Error", ["X-FEServer: EX01", "Content-Type: text/xml"], page=page)
    scene = Scene()
    scene.dialogue(said)
    scene.silence(5)
    assert rules_of(scene) == {"oauth.rbac-missing"}


@pytest.mark.parametrize(("code", "rule"), [("2147942405", "wsman.access-denied"), ("2150859173", "wsman.fault")])
def test_access_that_is_denied_as_hresult_is_access_denied(code: str, rule: str) -> None:
    detail = (
        '<s:Detail><f:WSManFault xmlns:f="http://schemas.microsoft.com/wbem/wsman/1/wsmanfault" '
        f'Code="{code}"><f:Message>no</f:Message></f:WSManFault></s:Detail>'
    )
    assert rules_of(asked("POST /powershell", fault("Denied", "no", detail), "500 Error")) == {rule}
