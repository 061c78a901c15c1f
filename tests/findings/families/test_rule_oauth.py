"""The rules about OAuth: each fires on its fault, and is silent on a near miss."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import pytest
from exchange_dialogues import EWS, asked, availability, ews_fault, free_busy, ok, post, rules_in
from login_dialogues import ask, scene_of
from packets import START, C, S, Scene, found, http_request, http_response, rules_of

from tlsdecrypt.findings.detective import Detective
from tlsdecrypt.findings.finding import Confidence, Severity
from tlsdecrypt.value import replace

if TYPE_CHECKING:
    from packets import Say

APPLICATION = "00000002-0000-0ff1-ce00-000000000000"
BEARER = [
    f'WWW-Authenticate: Bearer client_id="{APPLICATION}", trusted_issuers="x@*", authorization_uri="https://login.example/a"'
]
MARKER = "Tr0ub4dor-marker!"


def jwt(**claims: Any) -> str:
    claims = {
        "aud": f"{APPLICATION}/mail.contoso.com@contoso.com",
        "exp": START + 3600,
        "upn": "avery@contoso.com",
        **claims,
    }
    parts = ({"alg": "RS256", "x5t": "key-1"}, claims)
    coded = (base64.urlsafe_b64encode(json.dumps(each).encode()).decode().rstrip("=") for each in parts)
    return f"Authorization: Bearer {'.'.join(coded)}.{base64.urlsafe_b64encode(MARKER.encode()).decode().rstrip('=')}"


def diagnostics(number: int, reason: str, category: str) -> str:
    return f'x-ms-diagnostics: {number};reason="{reason}";error_category="{category}"'


def refused(
    number: int = 2000004, reason: str = "Wrong tenant.", category: str = "invalid_tenant", **claims: Any
) -> list[Say]:
    return ask(jwt(**claims), offers=BEARER, answered=[diagnostics(number, reason, category)])


ACCEPTED = ask(jwt(), "200 OK", [])
QUESTION = ask("Authorization: Bearer", offers=BEARER, answered=[diagnostics(2000001, "No token.", "invalid_token")])


def test_x_ms_diagnostics_quotes_the_reason() -> None:
    scene = scene_of(refused())
    finding = found(scene, "oauth.x-ms-diagnostics")
    assert finding is not None
    assert (finding.severity, finding.confidence) == (Severity.ERROR, Confidence.CERTAIN)
    assert "2000004 invalid_tenant): Wrong tenant." in finding.summary
    assert MARKER not in repr(finding)
    assert {each.rule for each in scene.analysis().findings if each.severity is Severity.ERROR} == {
        "oauth.x-ms-diagnostics"
    }


@pytest.mark.parametrize(
    ("login", "is_told"),
    [
        ("NTLM TlRMTVNTUAABAAAAB4IIogAAAAAAAAAAAAAAAAAAAAAGAbEdAAAADw==", False),  # the first of its messages
        ("Bearer", False),
        ("Basic YTpi", True),
        ("Bearer b3BhcXVl", True),
    ],
)
def test_x_ms_diagnostics_is_silent_for_the_legs_of_a_login(login: str, is_told: bool) -> None:  # noqa: FBT001
    said = ask(f"Authorization: {login}", offers=BEARER, answered=[diagnostics(4000000, "No.", "oauth_not_available")])
    assert (found(scene_of(said), "oauth.x-ms-diagnostics") is not None) is is_told


def test_x_ms_diagnostics_is_silent_for_a_question_and_for_what_has_its_own_rule() -> None:
    assert rules_of(scene_of([*QUESTION, *ACCEPTED])) == set()
    assert found(scene_of(refused(2000000, "no", "invalid_signature")), "oauth.x-ms-diagnostics") is None
    assert found(scene_of(ACCEPTED), "oauth.x-ms-diagnostics") is None


HOST_NAME = (2000003, "The hostname component of the audience claim value is invalid.", "invalid_resource")


def test_audience_ssl_offload_on_a_leg_in_clear() -> None:
    finding = found(scene_of(refused(*HOST_NAME)), "oauth.audience-ssl-offload")
    assert finding is not None
    assert finding.confidence is Confidence.CERTAIN


@pytest.mark.parametrize(("reason", "is_told"), [(HOST_NAME[1], True), ("The audience is wrong.", False)])
def test_audience_ssl_offload_inside_tls_needs_the_reason(reason: str, is_told: bool) -> None:  # noqa: FBT001
    """The leg in clear is not always captured: the device in front of Exchange is where TLS can be read."""
    detective = Detective()
    for conversation in scene_of(refused(2000003, reason, "invalid_resource")).analysis().conversations:
        detective.take(replace(conversation, clear_exchanges=0))
    told = {each.rule: each for each in detective.finish()}
    assert ("oauth.audience-ssl-offload" in told) is is_told
    assert ("oauth.x-ms-diagnostics" in told) is not is_told


def test_audience_ssl_offload_is_silent_for_a_foreign_audience_and_other_reasons() -> None:
    foreign = scene_of(refused(*HOST_NAME, aud="https://owa.contoso.com"))
    assert found(foreign, "oauth.audience-ssl-offload") is None
    assert found(scene_of(refused()), "oauth.audience-ssl-offload") is None


@pytest.mark.parametrize(
    ("rule", "number", "reason", "category"),
    [
        (
            "oauth.ambiguous-user",
            2000005,
            "The user specified by the user-context in the token is ambiguous.",
            "invalid_user",
        ),
        (
            "oauth.user-missing",
            2000005,
            "The user specified by the user-context in the token does not exist.",
            "invalid_user",
        ),
        ("oauth.signature", 2000000, "The token has invalid signature.", "invalid_signature"),
        ("oauth.rbac-missing", 2000006, "The application is missing a linked account for RBAC role.", "invalid_client"),
    ],
)
def test_a_reason_with_a_rule_of_its_own_is_told_by_it(rule: str, number: int, reason: str, category: str) -> None:
    scene = scene_of(refused(number, reason, category))
    finding = found(scene, rule)
    assert finding is not None
    assert found(scene, "oauth.x-ms-diagnostics") is None
    assert found(scene_of(refused()), rule) is None


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        ("oauth.ambiguous-user", "The user specified by the user-context in the token is ambiguous."),
        ("oauth.ambiguous-user", "inner exception LID: 43532"),
        ("oauth.user-missing", "The user specified by the user-context in the token does not exist."),
        ("oauth.signature", '2000000;reason="The token has an invalid signature.";error_category="invalid_signature"'),
        ("oauth.rbac-missing", "The application is missing a linked account for RBAC role"),
        ("oauth.audience-ssl-offload", "The hostname component of the audience claim value is invalid"),
    ],
)
def test_what_the_other_organization_says_of_the_token_explains_free_busy_that_fails(rule: str, text: str) -> None:
    answer = ok(free_busy(("NoError", ""), ("ErrorProxyRequestProcessingFailed", f"Proxy web request failed. {text}")))
    findings = asked((post(EWS, availability("avery@contoso.com", "blake@fabrikam.com")), answer)).analysis().findings
    told = {each.rule: each.caused_by for each in findings if each.severity is Severity.ERROR}
    assert told == {rule: None, "freebusy.proxy-failed": rule}


def test_what_a_fault_says_of_the_token_is_said_by_the_server_itself() -> None:
    text = "The user specified by the user-context in the token does not exist."
    answer = ok(ews_fault("ErrorAccessDenied", text), status="500 Error")
    findings = asked((post(EWS, availability("blake@fabrikam.com")), answer)).analysis().findings
    told = {each.rule: each for each in findings}
    assert told["oauth.user-missing"].summary.startswith("mail.contoso.com does not know")
    assert told["ews.access-denied"].caused_by == "oauth.user-missing"


@pytest.mark.parametrize("text", ["The recipient is ambiguous.", "The mailbox does not exist.", "A token was sent."])
def test_other_texts_of_free_busy_say_nothing_of_the_token(text: str) -> None:
    answer = ok(free_busy(("ErrorProxyRequestProcessingFailed", text)))
    assert rules_in(asked((post(EWS, availability("blake@fabrikam.com")), answer)), "oauth", "freebusy") == {
        "freebusy.proxy-failed"
    }


def test_what_is_quoted_for_a_mailbox_that_was_shown_is_no_finding() -> None:
    answer = ok(free_busy(("NoError", "The application is missing a linked account for RBAC role")))
    assert rules_in(asked((post(EWS, availability("blake@fabrikam.com")), answer)), "oauth", "freebusy") == set()


def test_token_expired_is_a_warning_and_takes_the_place_of_the_general_rule() -> None:
    scene = scene_of(refused(2000001, "The token is invalid.", "invalid_token", exp=START - 600))
    finding = found(scene, "oauth.token-expired")
    assert finding is not None
    assert (finding.severity, "2025-12-31T23:50:00Z" in finding.summary) == (Severity.WARNING, True)
    assert found(scene, "oauth.x-ms-diagnostics") is None


def test_token_expired_is_a_note_where_a_new_token_follows_and_silent_where_it_is_taken() -> None:
    old = refused(2000002, "Expired.", "token_expired", exp=START - 600)
    finding = found(scene_of([*old, *ACCEPTED]), "oauth.token-expired")
    assert finding is not None
    assert finding.severity is Severity.INFO
    assert found(scene_of(ask(jwt(exp=START - 600), "200 OK", [])), "oauth.token-expired") is None
    assert found(scene_of(refused()), "oauth.token-expired") is None


def test_wrong_audience_names_both_hosts_and_takes_the_place_of_the_general_rule() -> None:
    scene = scene_of(refused(2000003, "Wrong.", "invalid_resource", aud="https://owa.contoso.com/"))
    finding = found(scene, "oauth.wrong-audience")
    assert finding is not None
    assert finding.summary == "The token for mail.contoso.com was issued for owa.contoso.com"
    assert found(scene, "oauth.x-ms-diagnostics") is None


@pytest.mark.parametrize(
    "said",
    [
        refused(aud=f"{APPLICATION}/mail.contoso.com@contoso.com"),
        refused(aud=APPLICATION),
        refused(aud="https://mail.contoso.com/"),
        refused(2000005, "No such user.", "invalid_user", aud="https://owa.contoso.com"),
        ask(jwt(aud="https://owa.contoso.com"), "200 OK", []),
    ],
)
def test_wrong_audience_is_silent(said: list[Say]) -> None:
    assert found(scene_of(said), "oauth.wrong-audience") is None


@pytest.mark.parametrize(
    ("audiences", "is_told"),
    [
        (["https://owa.contoso.com", "https://eas.contoso.com"], True),
        (["https://owa.contoso.com", "https://mail.contoso.com/"], False),
        (["https://owa.contoso.com", APPLICATION], False),
        ([], False),
        (7, False),
    ],
)
def test_wrong_audience_looks_at_all_of_several(audiences: object, is_told: bool) -> None:  # noqa: FBT001
    scene = scene_of(refused(2000003, "no", "invalid_resource", aud=audiences))
    assert (found(scene, "oauth.wrong-audience") is not None) is is_told


@pytest.mark.parametrize(("seconds", "is_told"), [(-60, True), (3600, False)])
def test_token_expired_looks_at_the_token_of_the_actor_too(seconds: int, is_told: bool) -> None:  # noqa: FBT001
    """A server that asks in the name of a user sends its own token inside."""
    own = jwt(exp=START + seconds).removeprefix("Authorization: Bearer ")
    scene = scene_of(ask(jwt(actortoken=own), offers=BEARER))
    assert (found(scene, "oauth.token-expired") is not None) is is_told


def test_bearer_not_offered_to_a_client_that_asks_for_it() -> None:
    finding = found(scene_of(ask("Authorization: Bearer")), "oauth.bearer-not-offered")
    assert finding is not None
    assert "it offers Negotiate, NTLM" in finding.summary
    without_uri = ask("Authorization: Bearer", offers=['WWW-Authenticate: Bearer realm=""'])
    assert found(scene_of(without_uri), "oauth.bearer-not-offered") is not None


def test_bearer_not_offered_is_silent_where_it_is_or_where_nobody_asks() -> None:
    assert found(scene_of(QUESTION), "oauth.bearer-not-offered") is None
    assert found(scene_of(ask()), "oauth.bearer-not-offered") is None


def token_endpoint(answer: dict[str, Any], status: str = "400 Bad Request", form: str = "grant_type=password") -> Scene:
    fields = ["Content-Type: application/x-www-form-urlencoded"]
    asked = http_request("POST /contoso.com/oauth2/token", fields, form.encode(), "login.example")
    scene = Scene()
    scene.dialogue(
        [C(asked), S(http_response(status, ["Content-Type: application/json"], json.dumps(answer).encode()))]
    )
    scene.silence(5)
    return scene


def test_client_assertion_key_is_named_by_its_code() -> None:
    answer = {"error": "invalid_client", "error_description": "AADSTS50012: Client assertion has an invalid signature."}
    assert found(token_endpoint(answer, "401 Unauthorized"), "oauth.client-assertion-key") is not None
    assert (
        found(token_endpoint({"error": "invalid_grant", "error_codes": [50126]}), "oauth.client-assertion-key") is None
    )
    alone = {"error": "invalid_grant", "error_description": "AADSTS70002: Error validating credentials."}
    assert found(token_endpoint(alone), "oauth.client-assertion-key") is None
    wrong = {
        "error": "invalid_grant",
        "error_description": "AADSTS70002: Error validating. AADSTS50126: Wrong password.",
    }
    assert found(token_endpoint(wrong, form="client_assertion=x"), "oauth.client-assertion-key") is None
    assertion = f"client_assertion={jwt().rpartition(' ')[2]}"
    assert found(token_endpoint(alone, form=assertion), "oauth.client-assertion-key") is not None


@pytest.mark.parametrize("code", [50076, 50079])
def test_mfa_required_is_named_by_its_code(code: int) -> None:
    answer = {"error": "interaction_required", "error_codes": [code], "error_description": f"AADSTS{code}: MFA."}
    assert found(token_endpoint(answer), "oauth.mfa-required") is not None


def test_mfa_required_is_told_by_text_or_status_and_silent_otherwise() -> None:
    page = b"Due to a configuration change you must use multi-factor authentication."
    said = ask("Authorization: Basic YTpi", "456 Blocked", [], answered=["Content-Type: text/plain"], page=page)
    assert found(scene_of(said), "oauth.mfa-required") is not None
    assert found(token_endpoint({"error": "invalid_grant", "error_codes": [50126]}), "oauth.mfa-required") is None
    device = ask("Authorization: Basic YTpi", "456 Blocked", [], line="POST /Microsoft-Server-ActiveSync?Cmd=Sync")
    assert found(scene_of(device), "oauth.mfa-required") is None


def test_mfa_required_takes_the_place_of_the_diagnostics_that_say_so() -> None:
    told = rules_of(scene_of(refused(2000008, "AADSTS50076: a second factor is needed", "invalid_grant")))
    assert {each for each in told if each.startswith("oauth.")} == {"oauth.mfa-required"}


def test_a_token_that_is_given_is_no_finding() -> None:
    assert rules_of(token_endpoint({"token_type": "Bearer", "access_token": MARKER}, "200 OK")) <= {
        "http.basic-without-tls"
    }
