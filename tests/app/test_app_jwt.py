"""JSON Web Tokens show header and claims, never the signature."""

from __future__ import annotations

import base64
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tlsdecrypt.app.auth import parse_credentials
from tlsdecrypt.app.jwt import numeric_date, parse_jwt

# RFC 7519 section 3.1.
EXAMPLE = (
    "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9."
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ."
    "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
)


def jwt(claims: dict[str, Any], header: dict[str, Any] | None = None) -> str:
    parts = [header or {"typ": "JWT", "alg": "RS256", "x5t": "abc"}, claims]
    return (
        ".".join(base64.urlsafe_b64encode(json.dumps(each).encode()).decode().rstrip("=") for each in parts)
        + ".c2lnbmF0dXJl"
    )


def test_the_example_of_the_standard_is_read() -> None:
    token = parse_jwt(EXAMPLE)
    assert token is not None
    assert token.header == {"alg": "HS256", "typ": "JWT"}
    assert token.claims == {"iss": "joe", "exp": 1300819380}
    assert numeric_date(token.claims, "exp") == "2011-03-22T18:43:00Z"


def test_the_token_of_an_application_that_acts_for_a_user_shows_both() -> None:
    actor = jwt({"appid": "00000002-0000-0ff1-ce00-000000000000", "iss": "sts", "trustedfordelegation": "true"})
    outer = jwt(
        {"aud": "x/mail.contoso.com@contoso.com", "nameid": "s-1-5", "smtp": "avery@contoso.com", "actortoken": actor}
    )
    credentials = parse_credentials(f"Bearer {outer}")
    assert credentials.user == "avery@contoso.com"
    assert credentials.jwt is not None
    assert credentials.jwt.actor is not None
    assert credentials.jwt.actor.claims["appid"] == "00000002-0000-0ff1-ce00-000000000000"
    assert "c2lnbmF0dXJl" not in json.dumps(credentials.jwt.facts())


def test_a_user_in_the_context_of_a_server_is_found() -> None:
    token = parse_jwt(jwt({"aud": "a", "appctx": json.dumps({"smtp": "avery@contoso.com", "secret": "s"})}))
    assert token is not None
    assert token.user == "avery@contoso.com"


def test_a_proof_of_possession_shows_the_token_that_it_covers() -> None:
    inner = jwt({"aud": "https://mail.contoso.com", "upn": "avery@contoso.com"})
    credentials = parse_credentials(f"PoP {jwt({'at': inner, 'm': 'POST'})}")
    assert credentials.user == "avery@contoso.com"
    assert credentials.jwt is not None
    assert credentials.jwt.access is not None
    assert credentials.jwt.access.claims["aud"] == "https://mail.contoso.com"


def test_the_token_among_the_parameters_of_msauth_is_found() -> None:
    value = f'MSAuth1.0 actortoken="Bearer {jwt({"appid": "x", "aud": "y"})}", type="PFAT"'
    credentials = parse_credentials(value)
    assert credentials.mechanism == "JWT"
    assert dict(credentials.claims)["appid"] == "x"


def test_dates_that_are_none_are_none() -> None:
    values: list[Any] = [True, "x", 1e300, 10**30, -(10**18), None, []]
    for value in values:
        assert numeric_date({"exp": value}, "exp") is None
    assert numeric_date({"exp": "0"}, "exp") == "1970-01-01T00:00:00Z"


def test_claims_are_bounded_and_plain() -> None:
    token = parse_jwt(jwt({"aud": ["a"] * 1000, "upn": "x" * 10_000, "exp": 1.5, "iss": {"deep": {}}}))
    assert token is not None
    assert (len(token.claims["aud"]), len(token.claims["upn"]), token.claims["exp"]) == (10, 256, 1)
    assert "iss" not in token.claims


@given(
    st.dictionaries(
        st.sampled_from(["aud", "exp", "appctx", "actortoken", "at"]), st.text() | st.integers() | st.none()
    )
)
def test_no_claims_make_it_fail(claims: dict[str, Any]) -> None:
    token = parse_jwt(jwt(claims))
    assert token is not None
    token.facts()
    numeric_date(token.claims, "exp")
