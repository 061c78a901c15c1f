"""Secrets outside of their own places: URLs in texts, paths, joined cookies, and what answers repeat."""

from __future__ import annotations

import json
import zipfile
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from cli_runs import run
from http_samples import exchange_of
from packets import C, S, Scene, http_request, http_response
from test_redact_logins import NAMES, assert_hidden, both_ways, outputs

from tlsdecrypt.redact import Redactor
from tlsdecrypt.redact.names import is_secret_field
from tlsdecrypt.report.exchange_document import exchange_document, redacted_values

if TYPE_CHECKING:
    from pathlib import Path

    from packets import Say

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


WRITTEN = {
    "json, name and value": ("application/json", json.dumps([{"name": "password", "value": MARKER}])),
    "json in a form": ("application/x-www-form-urlencoded", f"d={quote(json.dumps({'password': MARKER}))}"),
    "markup in a form": ("application/x-www-form-urlencoded", f"d={quote(f'<a><Password>{MARKER}</Password></a>')}"),
    "markup in json": ("application/json", json.dumps({"sent": f"<a><Password>{MARKER}</Password></a>"})),
    "markup in markup": ("text/xml", f"<a>&lt;b:Password&gt;{MARKER}&lt;/b:Password&gt;</a>"),
    "graphql": ("application/json", json.dumps({"query": f'mutation {{ login(password: "{MARKER}") }}'})),
    "a setting": ("text/xml", f'<s><add key="Password" value="{MARKER}"/></s>'),
    "a page": ("text/html", f'<meta name="csrf-token" content="{MARKER}">'),
    "a property": ("text/xml", f"<Property><Name>Password</Name><Value>{MARKER}</Value></Property>"),
    "xml-rpc": ("text/xml", f"<member><name>password</name><value><string>{MARKER}</string></value></member>"),
    "an argument": ("text/plain", f"Set-Mailbox -Password '{MARKER}' -Force"),
    "sql": ("text/plain", f"CREATE USER kim PASSWORD '{MARKER}'"),
    "notes": ("text/xml", f"<t:Contact><t:Notes>{MARKER}</t:Notes></t:Contact>"),
    "a place": ("text/xml", f"<t:CalendarEventDetails><t:Location>{MARKER}</t:Location></t:CalendarEventDetails>"),
}


@pytest.mark.parametrize("place", WRITTEN)
def test_a_content_hides_the_secret_in_it(place: str, tmp_path: Path) -> None:
    kind, content = WRITTEN[place]
    assert_hidden(outputs(both_ways(kind, content.encode()), tmp_path), MARKER.encode())
    path = tmp_path / "a.pcapng"
    assert run(tmp_path / "scene.pcap", "-o", path).exit_code == 0
    assert_hidden(path.read_bytes(), MARKER.encode())


def test_json_in_a_query_hides_its_secret() -> None:
    assert MARKER not in Redactor().target(f"/?d={quote(json.dumps({'password': MARKER}))}")


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("application/json", '[{"name":"color","value":"red"}]'),
        ("text/xml", '<add key="Color" value="red"/>'),
        ("text/xml", "<Name>Color</Name><Value>red</Value>"),
        ("text/plain", "the password was changed, 'as always'"),
    ],
)
def test_a_content_without_a_secret_stays(kind: str, content: str) -> None:
    assert Redactor().content(content.encode(), kind) == content.encode()


@pytest.mark.parametrize(
    "name", ["AllowSimpleDevicePassword", "DevicePasswordEnabled", "PasswordExpirationDate", "HasPassword", "Secretary"]
)
def test_an_element_that_only_speaks_of_passwords_stays(name: str) -> None:
    text = f"<a><{name}>{MARKER}</{name}></a>".encode()
    assert Redactor().content(text, "text/xml") == text


def login(content: str) -> list[Say]:
    return [
        C(http_request("POST /login", ["Content-Type: application/x-www-form-urlencoded"], content.encode())),
        S(http_response("200 OK")),
    ]


@pytest.mark.parametrize("length", [0, 6_000])
def test_what_repeats_the_password_of_another_connection_is_hidden(length: int, tmp_path: Path) -> None:
    scene = Scene()
    scene.dialogue(login(f"user=kim&password={quote(MARKER)}"), port=80)
    scene.silence(1)
    content = f"see {MARKER}" + length * "."
    answer = http_response("200 OK", ["Content-Type: text/plain"], content.encode())
    scene.dialogue([C(http_request(f"GET /reset/{MARKER}/now", [f"X-Path: /x/{MARKER}"])), S(answer)], port=80)
    (tmp_path / "scene.pcap").write_bytes(scene.pcap())
    wanted = [*NAMES, "a.pcapng", "a.pcap"]
    options = [option for each in wanted for option in ("-o", tmp_path / each)]
    result = run(tmp_path / "scene.pcap", "--verbose", *options, "--objects", tmp_path / "objects")
    assert result.exit_code == 0
    archive = zipfile.ZipFile(tmp_path / "a.saz")
    files = [*(tmp_path / each for each in wanted), *(tmp_path / "objects").iterdir()]
    shown = {each.name: each.read_bytes() for each in files} | {each: archive.read(each) for each in archive.namelist()}
    shown["standard output"] = result.stdout_bytes
    assert [name for name, data in shown.items() if MARKER.encode() in data or MARKER in name] == []
    assert b"GET /reset/" in shown["a.pcapng"]
