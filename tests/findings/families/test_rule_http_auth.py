"""The rules about logins over HTTP: each fires on its fault, and is silent on a near miss."""

from __future__ import annotations

import pytest
from login_dialogues import EXCHANGE, HOST, MARKER, WINDOWS, ask, b64, basic, ntlm, scene_of
from ntlm_peers import ntlm_login
from packets import C, S, Scene, found, http_request, http_response

from tlsdecrypt.findings.finding import Severity

BASIC_OFFER = [f'WWW-Authenticate: Basic realm="{HOST}"']


def test_auth_loop_counts_refused_passwords() -> None:
    finding = found(scene_of([*ask(basic(), offers=BASIC_OFFER) * 4]), "http.auth-loop")
    assert finding is not None
    assert (finding.severity, finding.count) == (Severity.ERROR, 1)
    assert "fails 4 times" in finding.summary
    assert "avery@contoso.com" in finding.summary
    assert MARKER not in repr(finding)


def test_auth_loop_counts_ntlm_over_connections() -> None:
    logins = [ntlm(ntlm_login()) for _ in range(3)]
    assert found(scene_of(*logins), "http.auth-loop") is not None


def test_auth_loop_is_silent_on_the_legs_of_one_login_and_on_two_refusals() -> None:
    tokens = ntlm_login()
    assert found(scene_of(ntlm(tokens), ntlm(tokens)), "http.auth-loop") is None
    assert found(scene_of([*ask() * 5]), "http.auth-loop") is None


def test_auth_loop_is_silent_where_the_client_gets_in_within_a_minute() -> None:
    failed = ask(basic(), offers=BASIC_OFFER) * 3
    soon = ask(basic(), "200 OK", [], after=30)
    late = ask(basic(), "200 OK", [], after=90)
    assert found(scene_of([*failed, *soon]), "http.auth-loop") is None
    assert found(scene_of([*failed, *late]), "http.auth-loop") is not None


def test_auth_loop_is_silent_for_monitors_and_for_users_that_fail_once_each() -> None:
    monitor = ask(basic("HealthMailbox1a2b@contoso.com"), offers=BASIC_OFFER) * 4
    assert found(scene_of([*monitor]), "http.auth-loop") is None
    each = [say for n in range(4) for say in ask(basic(f"user{n}@contoso.com"), offers=BASIC_OFFER)]
    assert found(scene_of(each), "http.auth-loop") is None


def test_auth_scheme_not_offered_names_both() -> None:
    finding = found(scene_of(ask(basic())), "http.auth-scheme-not-offered")
    assert finding is not None
    assert "does not accept Basic: it offers Negotiate, NTLM" in finding.summary


@pytest.mark.parametrize(
    "said",
    [
        ask(basic(), offers=[*WINDOWS, *BASIC_OFFER]),
        [*ask(basic()), *ntlm(ntlm_login(), "200 OK")],
        ask("Authorization: Bearer"),
        ask("Authorization: Bearer abcdefgh", answered=['x-ms-diagnostics: 2000001;reason="x"']),
        ask(),
    ],
)
def test_auth_scheme_not_offered_is_silent(said: list[object]) -> None:
    assert found(scene_of(said), "http.auth-scheme-not-offered") is None  # type: ignore[arg-type]


def test_no_auth_offered_where_nothing_is() -> None:
    assert found(scene_of(ask(offers=[])), "http.no-auth-offered") is not None
    assert found(scene_of(ask(offers=[], line="GET /owa/")), "http.no-auth-offered") is not None


@pytest.mark.parametrize(
    "said",
    [
        ask(),
        ask(offers=[], line="GET /api/orders"),
        [*ask(offers=[]), *ask(basic(), "200 OK", [])],
        ask(offers=[], answered=['x-ms-diagnostics: 2000003;reason="x"']),
        ask(offers=[], line="POST /contoso.com/oauth2/token"),
        ask(offers=[], line="POST /owa/service.svc?action=FindItem"),
    ],
)
def test_no_auth_offered_is_silent(said: list[object]) -> None:
    assert found(scene_of(said), "http.no-auth-offered") is None  # type: ignore[arg-type]


def test_no_auth_offered_tells_more_than_that_mapi_refuses_a_login() -> None:
    refused = scene_of(ask(basic(), offers=[], line="POST /mapi/emsmdb/?MailboxId=1"))
    assert found(refused, "http.no-auth-offered") is not None
    assert found(refused, "mapi.auth-401") is None


def test_basic_without_tls_is_an_error() -> None:
    finding = found(scene_of(ask(basic(), "200 OK", [])), "http.basic-without-tls")
    assert finding is not None
    assert finding.severity is Severity.ERROR
    assert MARKER not in repr(finding)


def test_basic_without_tls_behind_a_device_is_a_warning() -> None:
    forwarded = scene_of(ask(basic(), "200 OK", [], asked=["X-Forwarded-For: 203.0.113.7"]))
    finding = found(forwarded, "http.basic-without-tls")
    assert finding is not None
    assert finding.severity is Severity.WARNING


def test_basic_without_tls_is_silent_without_a_password() -> None:
    assert found(scene_of(ntlm(ntlm_login(), "200 OK")), "http.basic-without-tls") is None
    assert found(scene_of(ask("Authorization: Basic ")), "http.basic-without-tls") is None


def test_header_too_large_blames_a_large_ticket() -> None:
    big = f"Authorization: Negotiate {b64(b'x' * 12_000)}"
    page = b"<h2>Bad Request - Request Too Long</h2><p>HTTP Error 400. The size of the request headers is too long.</p>"
    answer = ["Content-Type: text/html", "Server: Microsoft-HTTPAPI/2.0"]
    finding = found(scene_of(ask(big, "400 Bad Request", [], answered=answer, page=page)), "http.header-too-large")
    assert finding is not None
    assert "16,010 characters" in finding.summary
    assert found(scene_of(ask(big, "431 Request Header Fields Too Large", [])), "http.header-too-large") is not None


def test_header_too_large_is_silent_for_a_small_ticket_and_for_other_faults() -> None:
    small = f"Authorization: Negotiate {b64(b'x' * 900)}"
    big = f"Authorization: Negotiate {b64(b'x' * 12_000)}"
    assert found(scene_of(ask(small, "431 Too Large", [])), "http.header-too-large") is None
    assert found(scene_of(ask(big, "400 Bad Request", [])), "http.header-too-large") is None
    assert found(scene_of(ask(big, "200 OK", [])), "http.header-too-large") is None


def test_legacy_basic_to_cloud_is_told() -> None:
    said = ask(basic(), "401 Unauthorized", ["WWW-Authenticate: Bearer"], host="outlook.office365.com")
    assert found(scene_of([*said * 3]), "http.legacy-basic-to-cloud") is not None
    assert found(scene_of([*said * 3]), "http.auth-scheme-not-offered") is None


@pytest.mark.parametrize(
    "said",
    [
        ask(basic(), host="mail.contoso.com"),
        ask(basic(), "401 No", host="login.microsoftonline.com"),
        ask(basic(password="eyJhbGciOiJub25lIn0.eyJ4IjoxfQ.x"), host="outlook.office365.com"),
        ntlm(ntlm_login(), host="outlook.office365.com"),
    ],
)
def test_legacy_basic_to_cloud_is_silent(said: list[object]) -> None:
    assert found(scene_of(said), "http.legacy-basic-to-cloud") is None  # type: ignore[arg-type]


def test_a_healthy_login_is_no_finding() -> None:
    scene = Scene()
    tokens = ntlm_login()
    scene.dialogue(
        [
            *ask(),
            *ntlm(tokens, "200 OK"),
            C(http_request("GET /EWS/Services.wsdl")),
            S(http_response("200 OK", EXCHANGE)),
        ]
    )
    scene.silence(5)
    assert {each.rule for each in scene.analysis().findings if each.severity is not Severity.INFO} == set()
