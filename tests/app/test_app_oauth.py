"""OAuth: who asks for which token, and why it is refused; secrets are not told."""

from __future__ import annotations

import base64
import json
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from app_exchanges import annotations_of
from hypothesis import given
from hypothesis import strategies as st

from tlsdecrypt.app.oauth import parse_diagnostics

SECRET = "Tr0ub4dor-marker!"
FORM = ["Content-Type: application/x-www-form-urlencoded"]
JSON = ["Content-Type: application/json; charset=utf-8"]


def _jwt(claims: dict[str, Any]) -> str:
    parts = ({"alg": "RS256", "x5t": "abc"}, claims)
    coded = (base64.urlsafe_b64encode(json.dumps(each).encode()).decode().rstrip("=") for each in parts)
    return f"{'.'.join(coded)}.{base64.urlsafe_b64encode(SECRET.encode()).decode().rstrip('=')}"


def _oauth(line: str, content: str = "", **answer: Any) -> dict[str, Any]:
    answer.setdefault("answer_fields", JSON)
    annotations = annotations_of(line, FORM, content, **answer)
    assert SECRET not in json.dumps(annotations)
    assert base64.urlsafe_b64encode(SECRET.encode()).decode().rstrip("=") not in json.dumps(annotations)
    found: dict[str, Any] = annotations["oauth"]
    return found


@pytest.mark.parametrize(
    "path", ["/contoso.com/oauth2/token", "/tokens/OAuth/2", "/adfs/oauth2/token", "/t/oauth2/v2.0/token"]
)
def test_a_token_request_is_told_without_its_secrets(path: str) -> None:
    form = {
        "grant_type": "client_credentials", "client_id": "00000002-0000-0ff1-ce00-000000000000",
        "resource": "https://outlook.office365.com", "client_secret": SECRET, "code": SECRET,
        "client_assertion": _jwt({"iss": "00000002@contoso.com", "aud": "https://login.example"}),
    }  # fmt: skip
    token = _jwt({"aud": "https://outlook.office365.com", "appid": "x"})
    answer = {
        "token_type": "Bearer",
        "expires_in": "3599",
        "resource": "r",
        "access_token": token,
        "refresh_token": SECRET,
    }
    facts = _oauth(f"POST {path}", urlencode(form), answer=json.dumps(answer))
    assert (facts["grant_type"], facts["client_id"]) == ("client_credentials", form["client_id"])
    assert facts["has_client_secret"] is True
    assert facts["assertion"]["iss"] == "00000002@contoso.com"
    assert (facts["issued"], facts["expires_in"]) == (["access", "refresh"], "3599")
    assert facts["access"]["aud"] == "https://outlook.office365.com"


def test_a_refusal_has_its_codes() -> None:
    answer = {
        "error": "invalid_client", "error_codes": [50012], "correlation_id": "c",
        "error_description": "AADSTS50012: Client assertion contains an invalid signature.\r\nTrace ID: t",
    }  # fmt: skip
    facts = _oauth("POST /contoso.com/oauth2/token", "grant_type=password", status="401 No", answer=json.dumps(answer))
    assert (facts["error"], facts["error_codes"], facts["aadsts"]) == ("invalid_client", [50012], ["AADSTS50012"])
    assert facts["tenant"] == "contoso.com"
    assert facts["summary"] == "OAuth password -> invalid_client AADSTS50012"


def test_an_authorization_request_is_told() -> None:
    facts = _oauth(
        f"GET /common/oauth2/authorize?response_type=code&client_id=c&login_hint=avery%40contoso.com&state={SECRET}"
    )
    assert (facts["response_type"], facts["username"]) == ("code", "avery@contoso.com")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (
            '2000003;reason="The hostname component of the audience claim is wrong.";error_category="invalid_resource"',
            ("2000003", "The hostname component of the audience claim is wrong.", "invalid_resource"),
        ),
        ('2000001; reason="a \\" b"; error_type=invalid_token', ("2000001", 'a \\" b', "invalid_token")),
        ("4000000", ("4000000", None, None)),
    ],
)
def test_the_diagnostics_of_exchange_are_read(value: str, expected: tuple[str | None, ...]) -> None:
    facts = parse_diagnostics(value)
    assert (facts.get("id"), facts.get("reason"), facts.get("error_category")) == expected


def test_diagnostics_are_told_in_any_service() -> None:
    field = '2000002;reason="expired";error_category="token_expired"'
    annotations = annotations_of(
        "POST /EWS/Exchange.asmx", status="401 No", answer_fields=[f"x-ms-diagnostics: {field}"]
    )
    assert annotations["oauth"]["diagnostics"] == {
        "id": "2000002", "reason": "expired", "error_category": "token_expired",
    }  # fmt: skip


@given(st.text(max_size=200))
def test_any_text_is_told_as_it_came_or_not_at_all(text: str) -> None:
    assert all(value in text for value in parse_diagnostics(text).values())
    assert "error" not in _oauth("POST /a/oauth2/token", quote(text), answer="no JSON: " + text)
    refused = json.dumps({"error": text, "error_codes": [text]})
    facts = _oauth("POST /a/oauth2/token", "grant_type=" + quote(text), answer=refused)
    assert facts.get("grant_type", text) == text
    assert facts.get("error", text) == text
