"""Secrets outside of their own places: URLs in texts, paths, joined cookies, and what answers repeat."""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest
from http_samples import exchange_of

from tlsdecrypt.redact import Redactor
from tlsdecrypt.redact.names import is_secret_field
from tlsdecrypt.report.exchange_document import exchange_document, redacted_values

MARKER = "Tr0ub4dor-marker!"
JWT = "eyJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJ4IiwiaXNzIjoieSJ9.QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVo"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X-Original-Referrer", f"https://mail.contoso.com/?access_token={quote(MARKER)}"),
        ("SOAPAction", f'"http://contoso.com/action?token={quote(MARKER)}"'),
        ("x-ms-diagnostics", f'2000003;reason="The token={MARKER} is invalid.";error_category="invalid_token"'),
        ("Content-Disposition", f'attachment; filename="x?token={MARKER}"'),
        ("X-Next", f"https://a.example/?next={quote('https://b.example/?code=' + MARKER, safe='')}"),
        ("Set-Cookie", f"a=b; path=/, cadata={MARKER}; path=/"),
        ("Set-Cookie", f"a=b; Expires=Tue, 01 Jan 2030 00:00:00 GMT, cadata={MARKER}; Secure"),
        ("Set-Cookie", f"a=b; cadata={MARKER}"),
        ("WWW-Authenticate", f'Bearer realm="", access_token="{MARKER}"'),
        ("Ocp-Apim-Subscription-Key", MARKER),
        ("X-Auth", MARKER),
        ("X-Auth-Key", MARKER),
        ("Private-Key", MARKER),
        ("Api_Key", MARKER),
        ("X-CSRF", MARKER),
    ],
)
def test_a_field_hides_the_secret_in_it(name: str, value: str) -> None:
    [[_, shown]] = Redactor().fields([(name, value)])
    assert MARKER not in shown
    assert quote(MARKER) not in shown
    assert "<masked:" in shown


@pytest.mark.parametrize("name", ["author", "x-key", "authority", "x-authenticated-by", "sec-websocket-key"])
def test_fields_with_names_that_only_look_like_it_stay(name: str) -> None:
    assert not is_secret_field(name)


@pytest.mark.parametrize(
    "value",
    [
        "a=<masked>; Path=/owa; HttpOnly; SameSite=None; Partitioned",
        "a=<masked>; Expires=Tue, 01 Jan 2030 00:00:00 GMT; Max-Age=60; Domain=contoso.com",
    ],
)
def test_the_attributes_of_a_cookie_stay(value: str) -> None:
    [[_, shown]] = Redactor().fields([("Set-Cookie", value)])
    assert shown.partition(";")[2] == value.partition(";")[2]


def test_the_parameters_of_a_real_bearer_challenge_stay() -> None:
    challenge = (
        'Bearer client_id="00000002-0000-0ff1-ce00-000000000000", trusted_issuers="00000001-0000@x", '
        'token_types="app_asserted_user_v1 service_asserted_app_v1", authorization_uri="https://login.example/authorize"'
    )
    assert Redactor().fields([("WWW-Authenticate", challenge)]) == [["WWW-Authenticate", challenge]]


@pytest.mark.parametrize("target", [f"/a/{JWT}/b", f"/a;token={MARKER}/b", f"/(S({MARKER}))/default.aspx"])
def test_a_path_hides_the_secret_in_it(target: str) -> None:
    shown = Redactor().target(target)
    assert JWT not in shown
    assert MARKER not in shown


def test_a_value_is_hidden_by_the_name_that_an_annotation_gives_it() -> None:
    values = {"settings": {"UserPassword": MARKER, "ExternalEwsUrl": "https://mail.contoso.com/ews"}}
    shown = redacted_values(values, Redactor())
    assert shown["settings"]["UserPassword"].startswith("<masked:password")
    assert shown["settings"]["ExternalEwsUrl"] == "https://mail.contoso.com/ews"
    assert redacted_values({"x_ms_credential_service_federation": "a"}, Redactor()) == {
        "x_ms_credential_service_federation": "a"
    }


@pytest.mark.parametrize(
    ("content_type", "content"),
    [
        ("application/x-www-form-urlencoded", f"username=avery&password={quote(MARKER)}"),
        ("application/json", json.dumps({"user": "avery", "Password": MARKER})),
        ("application/json", json.dumps({"a": json.dumps({"b": json.dumps([{"pwd": MARKER}])}), "c": "{"})),
        ("text/xml", f"<e><Security><Password Type='x'>{MARKER}</Password></Security></e>"),
    ],
)
def test_what_an_answer_repeats_of_the_password_in_the_content_of_its_request_is_hidden(
    content_type: str, content: str
) -> None:
    exchange = exchange_of(content_type, content, f"X-Error: avery may not use {MARKER} here", f"Wrong: {MARKER}")
    assert MARKER not in json.dumps(exchange_document(exchange, Redactor()))
    assert MARKER in json.dumps(exchange_document(exchange, Redactor(show_secrets=True)))
    assert "passwords" not in repr(exchange)


@pytest.mark.parametrize(
    "name", ["Pwd", "userPassword", "passwd", "Secret", "client_secret", "a:AdminPwd", "CertificatePassphrase"]
)
def test_an_element_of_no_known_schema_hides_its_secret(name: str) -> None:
    said = Redactor().content(f"<a><{name} x='1'>{MARKER}</{name}><b>seen</b></a>".encode(), "text/xml")
    assert MARKER.encode() not in said
    assert b"<b>seen</b>" in said


def test_a_secret_in_json_in_a_string_of_json_is_hidden() -> None:
    inner = json.dumps([{"user": "avery", "Password": MARKER}])
    for text in (json.dumps({"log": inner}), json.dumps([json.dumps({"again": inner})])):
        said = Redactor().content(text.encode(), "application/json")
        assert MARKER.encode() not in said
        assert b"avery" in said
    assert Redactor().content(b'{"log":"[no json"}', "application/json") == b'{"log":"[no json"}'


@pytest.mark.parametrize(
    "name", ["AllowSimpleDevicePassword", "DevicePasswordEnabled", "PasswordExpirationDate", "HasPassword", "Secretary"]
)
def test_an_element_that_only_speaks_of_passwords_stays(name: str) -> None:
    text = f"<a><{name}>{MARKER}</{name}></a>".encode()
    assert Redactor().content(text, "text/xml") == text
