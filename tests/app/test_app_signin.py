"""Browsers that sign in: who wants a token for whom, and what the page says."""

from __future__ import annotations

import base64
import json
import zlib
from html import escape
from typing import Any
from urllib.parse import quote

import pytest
from app_exchanges import annotations_of
from hypothesis import given
from hypothesis import strategies as st
from trust_messages import SECRET, issued

from tlsdecrypt.app import adfs_signin
from tlsdecrypt.app.form_parameters import MAX_LENGTH

FORM = ["Content-Type: application/x-www-form-urlencoded"]
HTML = ["Content-Type: text/html; charset=utf-8"]
AUTHN_REQUEST = """<samlp:AuthnRequest ID="_7" Version="2.0" Destination="https://sts.contoso.com/adfs/ls/"
 AssertionConsumerServiceURL="https://app.contoso.com/acs" xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol">
<Issuer xmlns="urn:oasis:names:tc:SAML:2.0:assertion">https://app.contoso.com</Issuer></samlp:AuthnRequest>"""
RESPONSE = """<samlp:Response ID="_8" InResponseTo="_7" xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol">
<samlp:Status><samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Responder"><samlp:StatusCode
 Value="urn:oasis:names:tc:SAML:2.0:status:AuthnFailed"/></samlp:StatusCode></samlp:Status></samlp:Response>"""
REALM_XML = """<RealmInfo Success="true"><State>3</State><Login>avery@contoso.com</Login>
<NameSpaceType>Federated</NameSpaceType><DomainName>CONTOSO.COM</DomainName>
<AuthURL>https://sts.contoso.com/adfs/ls/?username=x</AuthURL><FederationBrandName>Contoso</FederationBrandName></RealmInfo>"""
REALM_JSON = """{"account_type":"Federated","domain_name":"CONTOSO.COM","federation_protocol":"WSTrust",
"federation_active_auth_url":"https://sts.contoso.com/adfs/ls/?a=b"}"""


def _signin(line: str, content: str = "", answer: str = "", fields: list[str] = FORM, **more: Any) -> dict[str, Any]:
    more.setdefault("answer_fields", HTML)
    annotations = annotations_of(line, fields, content, answer=answer, **more)
    assert SECRET not in json.dumps(annotations)
    found: dict[str, Any] = annotations["signin"]
    return found


def test_a_passive_request_names_the_relying_party() -> None:
    facts = _signin("GET /adfs/ls/?wa=wsignin1.0&wtrealm=urn%3afederation%3aMicrosoftOnline&wctx=abc")
    assert facts["protocol"] == "ws-federation"
    assert (facts["action"], facts["realm"]) == ("wsignin1.0", "urn:federation:MicrosoftOnline")


def test_a_login_form_names_the_user_and_not_the_password() -> None:
    facts = _signin(
        "POST /adfs/ls/?wa=wsignin1.0",
        f"UserName=avery%40contoso.com&Password={quote(SECRET)}&AuthMethod=FormsAuthentication",
    )
    assert facts["user"] == "avery@contoso.com"


def test_the_token_in_the_page_that_carries_it_on_is_read() -> None:
    page = f'<form><input type="hidden" name="wresult" value="{escape(issued())}" /></form>'
    facts = _signin("POST /adfs/ls/?wa=wsignin1.0", "UserName=a", page)
    assert facts["issued"]["assertion"]["audiences"] == ["urn:federation:MicrosoftOnline"]


@pytest.mark.parametrize("path", ["/owa/", "/ecp/default.aspx"])
def test_the_token_that_a_browser_brings_to_outlook_on_the_web_is_read(path: str) -> None:
    form = f"wa=wsignin1.0&wresult={quote(issued())}&wctx={quote(SECRET)}"
    facts = _signin(f"POST {path}", form, answer_fields=["Location: /owa/"])
    assert (facts["protocol"], facts["action"]) == ("ws-federation", "wsignin1.0")
    assert facts["issued"]["assertion"]["issuer"] == "http://sts.contoso.com/adfs/services/trust"
    assert facts["issued"]["assertion"]["not_on_or_after"] == "2026-01-01T01:00:00Z"


def test_other_forms_of_outlook_on_the_web_bring_no_token() -> None:
    assert "signin" not in annotations_of("POST /owa/ev.owa2", FORM, "ns=PendingRequest&wa=1")


def test_the_error_of_a_page_is_told() -> None:
    page = '<span id="errorText" for="">Activity ID: 1 Error details: MSIS7012: An error occurred &amp; so on</span>'
    facts = _signin("GET /adfs/ls/?wa=wsignin1.0&wtrealm=x", answer=page)
    assert facts["error_codes"] == ["MSIS7012"]
    assert facts["error_text"].endswith("An error occurred & so on")


def test_the_error_of_a_page_of_oauth_is_told_too() -> None:
    page = "<div id='errorMessage'>An error occurred. MSIS9605: The client is not allowed to access.</div>"
    facts = _signin("GET /adfs/oauth2/authorize/?response_type=code&client_id=1", answer=page)
    assert facts["error_codes"] == ["MSIS9605"]
    assert "error_codes" not in _signin("GET /adfs/oauth2/authorize?wa=x", answer="<form>Sign in</form>")


def test_a_saml_request_in_a_redirect_is_inflated() -> None:
    deflate = zlib.compressobj(wbits=-15)
    packed = deflate.compress(AUTHN_REQUEST.encode()) + deflate.flush()
    facts = _signin(
        f"GET /adfs/ls/?SAMLRequest={quote(base64.b64encode(packed).decode(), safe='')}&RelayState={SECRET}"
    )
    assert facts["saml"] == {
        "message": "AuthnRequest",
        "id": "_7",
        "issuer": "https://app.contoso.com",
        "destination": "https://sts.contoso.com/adfs/ls/",
        "consumer": "https://app.contoso.com/acs",
    }


def test_a_saml_response_in_a_form_has_its_status() -> None:
    text = quote(base64.b64encode(RESPONSE.encode()).decode(), safe="")
    facts = _signin("POST /adfs/ls/", f"SAMLResponse={text}")
    assert (facts["saml"]["status"], facts["saml"]["substatus"]) == ("Responder", "AuthnFailed")
    assert "AuthnFailed" in facts["summary"]


@pytest.mark.parametrize(
    ("line", "kind", "answer"),
    [
        (
            "GET /GetUserRealm.srf?login=avery%40contoso.com&xml=1",
            "text/xml",
            REALM_XML,
        ),
        (
            "GET /common/userrealm/avery@contoso.com?api-version=1.0",
            "application/json",
            REALM_JSON,
        ),
    ],
)
def test_the_home_realm_of_a_user_is_told(line: str, kind: str, answer: str) -> None:
    facts = _signin(line, answer=answer, fields=[], answer_fields=[f"Content-Type: {kind}"])
    assert (facts["account_type"], facts["domain"], facts["sts"]) == (
        "Federated", "CONTOSO.COM", "https://sts.contoso.com/adfs/ls/",
    )  # fmt: skip
    assert facts["user"] == "avery@contoso.com"


def test_a_deflated_bomb_is_bounded() -> None:
    deflate = zlib.compressobj(9, wbits=-15)
    packed = deflate.compress(b" " * 100_000_000) + deflate.flush()
    assert len(adfs_signin._inflate(packed)) == MAX_LENGTH
    facts = _signin(f"GET /adfs/ls/?SAMLRequest={quote(base64.b64encode(packed[:40_000]).decode(), safe='')}")
    assert facts["protocol"] == "saml"


@given(st.text(max_size=100), st.binary(max_size=60))
def test_tokens_that_are_none_tell_the_protocol_and_nobody(text: str, blob: bytes) -> None:
    token = base64.b64encode(blob).decode()
    asked = _signin(f"GET /adfs/ls/?SAMLRequest={quote(token, safe='')}", answer=f'<input name="wresult" value="{text}')
    posted = _signin("POST /adfs/ls/", f"SAMLResponse={quote(token, safe='')}&wresult={quote(text, safe='')}")
    realm = _signin("GET /GetUserRealm.srf", answer=text, answer_fields=[])
    for facts in (asked, posted, realm):
        assert "issuer" not in facts
    assert {asked["protocol"], posted["protocol"]} <= {"saml", "ws-federation"}
