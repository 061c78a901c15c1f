"""The rule about the account of connectivity tests: it fires where the account is missing, and on nobody else."""

from __future__ import annotations

import pytest
from autodiscover_dialogues import pox_error, pox_request, pox_settings, protocol, soap_request, soap_response
from exchange_dialogues import basic, dialogue
from packets import Scene, found, http_request, http_response

from tlsdecrypt.findings.finding import Confidence, Severity

RULE = "probe.test-account-missing"
ACCOUNT = "extest_1a2b3c4d5e6f7@contoso.com"
UNAUTHORIZED = http_response("401 Unauthorized", ['WWW-Authenticate: Basic realm="x"', "X-FEServer: CAS01"])
LOGIN = http_request("GET /owa/", [basic(ACCOUNT)])
CAS_ERROR = http_response("404 Not Found", ["X-CasErrorCode: UserNotFound", "X-FEServer: CAS01"])


def scene(*pairs: tuple[bytes, bytes]) -> Scene:
    made = Scene()
    made.dialogue(dialogue(pairs))
    made.silence(5)
    return made


@pytest.mark.parametrize(
    "pair",
    [
        (LOGIN, UNAUTHORIZED),
        (LOGIN, CAS_ERROR),
        (pox_request(ACCOUNT), pox_error(500)),
        (soap_request(address=ACCOUNT), soap_response("<a:ErrorCode>InvalidUser</a:ErrorCode>")),
    ],
)
def test_a_missing_account_is_named(pair: tuple[bytes, bytes]) -> None:
    made = scene(pair)
    seen = found(made, RULE)
    assert seen is not None
    assert (seen.severity, seen.confidence) == (Severity.INFO, Confidence.HINT)
    assert "extest_1a2b3c4d5e6f7" in seen.summary
    assert {each.rule for each in made.analysis().findings if each.severity is not Severity.INFO} <= {
        "http.basic-without-tls"
    }


@pytest.mark.parametrize(
    "pairs",
    [
        [(LOGIN, UNAUTHORIZED), (LOGIN, http_response("200 OK"))],
        [(http_request("GET /owa/", [basic("avery@contoso.com")]), UNAUTHORIZED)],
        [(http_request("GET /owa/"), UNAUTHORIZED)],
        [(pox_request(), pox_error(500))],
        [(pox_request("extest_person@contoso.com"), pox_error(500))],
        [(pox_request(ACCOUNT), pox_settings(protocol("EXCH", "mail.contoso.com")))],
    ],
)
def test_it_is_silent_otherwise(pairs: list[tuple[bytes, bytes]]) -> None:
    assert found(scene(*pairs), RULE) is None
