"""The rules about WS-Trust: each fires on its fault, and is silent on a near miss."""

from __future__ import annotations

from typing import Any

import pytest
from packets import C, S, Scene, found, http_request, http_response, rules_of
from trust_messages import (
    SECRET,
    TRUST_13,
    XML,
    fault,
    microsoft_detail,
    token_request,
    token_response,
)

from tlsdecrypt.findings.finding import Confidence, Severity

STS = "sts.contoso.com"
DATE = "Date: Thu, 01 Jan 2026 00:00:03 GMT"
PATH = "POST /adfs/services/trust/2005/usernamemixed"


def trust(
    request: str | None = None,
    answer: str = "",
    status: str = "500 Internal Server Error",
    *,
    line: str = PATH,
    date: str = DATE,
) -> list[object]:
    asked = http_request(line, [XML], (token_request() if request is None else request).encode(), STS)
    return [C(asked), S(http_response(status, [XML, date], answer.encode()))]


def scene_of(*dialogues: list[object]) -> Scene:
    scene = Scene()
    for said in dialogues:
        scene.dialogue(said)  # type: ignore[arg-type]
    scene.silence(5)
    return scene


def test_failed_authentication_lists_both_causes_for_a_public_suffix() -> None:
    finding = found(scene_of(trust(answer=fault())), "wstrust.failed-authentication")
    assert finding is not None
    assert finding.severity is Severity.ERROR
    assert "either name or password is wrong, or the UPN suffix of the account is not contoso.com" in finding.summary
    assert SECRET not in repr(finding)
    assert any("AppliesTo: urn:federation:MicrosoftOnline" in each.what for each in finding.evidence)


def test_failed_authentication_of_a_test_account_is_none() -> None:
    """Test-FederationTrust and its like ask in the name of extest_...; who watches them knows."""
    assert (
        found(
            scene_of(trust(token_request("extest_0123456789abc@contoso.com"), fault())), "wstrust.failed-authentication"
        )
        is None
    )


def test_failed_authentication_names_a_private_suffix() -> None:
    finding = found(scene_of(trust(token_request("avery@contoso.lan"), fault())), "wstrust.failed-authentication")
    assert finding is not None
    assert "private UPN (contoso.lan)" in finding.summary


def test_failed_authentication_of_a_user_that_succeeds_soon_was_mistyped() -> None:
    scene = scene_of(trust(answer=fault()), trust(answer=token_response(), status="200 OK"))
    finding = found(scene, "wstrust.failed-authentication")
    assert finding is not None
    assert "mistyped" in finding.summary


@pytest.mark.parametrize("namespace", [TRUST_13, "http://schemas.xmlsoap.org/ws/2004/04/security/trust", "urn:any"])
def test_failed_authentication_is_known_in_every_namespace(namespace: str) -> None:
    assert found(scene_of(trust(answer=fault(namespace=namespace))), "wstrust.failed-authentication") is not None


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (fault("MessageExpired", "expired"), "500 Error"),
        (fault("InvalidScope", "ID3082: The request scope is not valid or is unsupported."), "500 Error"),
        ("", "503 Service Unavailable"),
        ("", "401 Unauthorized"),
        (token_response(), "200 OK"),
    ],
)
def test_failed_authentication_is_silent_for_other_faults(answer: str, status: str) -> None:
    assert found(scene_of(trust(answer=answer, status=status)), "wstrust.failed-authentication") is None


@pytest.mark.parametrize(
    ("code", "confidence"),
    [
        ("MessageExpired", Confidence.LIKELY),
        ("InvalidTimeRange", Confidence.LIKELY),
        ("InvalidSecurity", Confidence.HINT),  # the two header values agree
    ],
)
def test_clock_skew_where_the_fault_says_so(code: str, confidence: Confidence) -> None:
    scene = scene_of(trust(answer=fault(code, "expired")))
    finding = found(scene, "wstrust.clock-skew")
    assert finding is not None
    assert (finding.severity, finding.confidence) == (Severity.ERROR, confidence)
    assert rules_of(scene) == {"wstrust.clock-skew"}


def test_clock_skew_where_timestamp_and_date_are_far_apart() -> None:
    late = "Date: Thu, 01 Jan 2026 00:10:00 GMT"
    finding = found(scene_of(trust(answer=fault("InvalidSecurity", "no"), date=late)), "wstrust.clock-skew")
    assert finding is not None
    assert "differ by 10 minutes" in finding.summary
    fine = found(scene_of(trust(answer=token_response(), status="200 OK", date=late)), "wstrust.clock-skew")
    assert fine is not None
    assert fine.severity is Severity.WARNING


def test_clock_skew_is_silent_where_the_clocks_agree() -> None:
    assert found(scene_of(trust(answer=fault())), "wstrust.clock-skew") is None
    assert found(scene_of(trust(answer=token_response(), status="200 OK")), "wstrust.clock-skew") is None


def test_unknown_relying_party_names_whom_the_token_was_for() -> None:
    answer = fault("InvalidScope", "ID3082: The request scope is not valid or is unsupported.")
    scene = scene_of(trust(token_request(applies_to="https://crm.contoso.com/"), answer))
    finding = found(scene, "wstrust.unknown-relying-party")
    assert finding is not None
    assert "https://crm.contoso.com/" in finding.summary
    assert rules_of(scene) == {"wstrust.unknown-relying-party"}


def test_unknown_relying_party_is_silent_for_other_faults() -> None:
    assert found(scene_of(trust(answer=fault())), "wstrust.unknown-relying-party") is None


def test_request_failed_quotes_the_reason() -> None:
    finding = found(scene_of(trust(answer=fault("InvalidRequest", "MSIS3127: Wrong."))), "wstrust.request-failed")
    assert finding is not None
    assert "MSIS3127" in finding.summary


def test_request_failed_is_silent_where_the_fault_says_more() -> None:
    answer = fault("RequestFailed", "ID3082: no such scope", inner="InvalidScope")
    assert found(scene_of(trust(answer=answer)), "wstrust.request-failed") is None
    assert found(scene_of(trust(answer=fault())), "wstrust.request-failed") is None


def test_member_name_invalid_takes_the_place_of_the_general_rule() -> None:
    detail = microsoft_detail("0x80048821", "0x80041034", "The specified member name is either invalid or empty.")
    scene = scene_of(trust(answer=fault(detail=detail), line="POST /RST2.srf"))
    assert found(scene, "wstrust.member-name-invalid") is not None
    assert found(scene, "wstrust.failed-authentication") is None


def test_member_name_invalid_is_silent_for_other_values() -> None:
    detail = microsoft_detail("0x80048821", "0x80041012", "The entered and stored passwords do not match.")
    scene = scene_of(trust(answer=fault(detail=detail), line="POST /RST2.srf"))
    assert found(scene, "wstrust.member-name-invalid") is None


def test_password_state_is_told() -> None:
    detail = microsoft_detail("0x80048821", "0x80041012", "The entered and stored passwords do not match.")
    scene = scene_of(trust(answer=fault(detail=detail), line="POST /RST2.srf"))
    finding = found(scene, "wstrust.password-state")
    assert finding is not None
    assert "do not match" in finding.summary
    assert found(scene, "wstrust.failed-authentication") is None


def test_password_state_is_silent_without_such_a_text() -> None:
    assert found(scene_of(trust(answer=fault())), "wstrust.password-state") is None


def mex(status: str = "200 OK") -> list[object]:
    return [
        C(http_request("GET /adfs/services/trust/mex", host=STS)),
        S(http_response(status, ["Server: Microsoft-HTTPAPI/2.0"])),
    ]


@pytest.mark.parametrize("status", ["503 Service Unavailable", "404 Not Found"])
def test_endpoint_disabled_while_metadata_works(status: str) -> None:
    scene = scene_of(mex(), trust(status=status))
    assert found(scene, "wstrust.endpoint-disabled") is not None
    assert found(scene, "adfs.metadata-503") is None


@pytest.mark.parametrize(
    ("verb", "client", "is_told"),
    [("POST", "203.0.113.7", False), ("GET", "10.1.1.7", False), ("POST", "10.1.1.7", True)],
)
def test_endpoint_disabled_leaves_out_what_is_closed_on_purpose(verb: str, client: str, is_told: bool) -> None:  # noqa: FBT001
    """Windowstransport must not be open to the outside; who looks at it with a browser asks for no token."""
    scene = Scene()
    line = f"{verb} /adfs/services/trust/13/windowstransport"
    for said in (mex(), trust(status="404 Not Found", line=line)):
        scene.dialogue(said, client=client)  # type: ignore[arg-type]
    scene.silence(5)
    assert (found(scene, "wstrust.endpoint-disabled") is not None) is is_told


def test_endpoint_disabled_is_silent_for_metadata_of_another_sts_behind_the_same_proxy() -> None:
    def tunnel(host: str, said: list[Any]) -> list[Any]:
        return [C(http_request(f"CONNECT {host}:443", host=f"{host}:443")), S(http_response("200 OK")), *said]

    for host, is_told in (("other.example", False), (STS, True)):
        asked = [C(http_request("GET /adfs/services/trust/mex", host=host)), S(http_response("200 OK"))]
        scene = scene_of(tunnel(host, asked), tunnel(STS, trust(status="404 Not Found")))
        assert (found(scene, "wstrust.endpoint-disabled") is not None) is is_told


def test_endpoint_disabled_is_silent_without_metadata_that_works() -> None:
    assert found(scene_of(trust(status="503 No")), "wstrust.endpoint-disabled") is None
    assert found(scene_of(mex("503 No"), trust(status="503 No")), "wstrust.endpoint-disabled") is None
    assert found(scene_of(mex(), trust(answer=token_response(), status="200 OK")), "wstrust.endpoint-disabled") is None


def test_a_token_that_is_issued_is_no_finding() -> None:
    assert rules_of(scene_of(trust(answer=token_response(), status="200 OK"))) == set()
