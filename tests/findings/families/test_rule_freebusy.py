"""Rules of free/busy across organizations."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from autodiscover_dialogues import federation_request, federation_response
from exchange_dialogues import (
    EWS,
    HTML,
    XML,
    asked,
    availability,
    basic,
    ews_fault,
    free_busy,
    ok,
    post,
    rules_in,
    soap,
)
from packets import ACK, RST, SYN, C, S, Scene, Segment, found, http_request, http_response

from tlsdecrypt.findings.finding import Confidence, Severity

if TYPE_CHECKING:
    from collections.abc import Sequence

WSS = f"{EWS}/WSSecurity"
AGENT = "User-Agent: ASProxy/CrossForest/EmailDomain//14.02.0247.000"
ASK = availability("avery@contoso.com", "blake@fabrikam.com")
WSU = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd"
TOKEN = (
    f"<o:Security xmlns:o='urn:wsse'><u:Timestamp xmlns:u='{WSU}'><u:Created>2026-01-01T00:00:00Z</u:Created>"
    "<u:Expires>2026-01-01T00:05:00Z</u:Expires></u:Timestamp>"
    "<x:EncryptedData xmlns:x='urn:xenc'>c2VjcmV0</x:EncryptedData></o:Security>"
)
FEDERATED = soap(
    "<m:GetUserAvailabilityRequest><m:MailboxDataArray><t:MailboxData><t:Email><t:Address>avery@contoso.com</t:Address>"
    "</t:Email></t:MailboxData></m:MailboxDataArray></m:GetUserAvailabilityRequest>",
    TOKEN,
)


PROXY = "ErrorProxyRequestProcessingFailed"


def answered(*parts: tuple[str, str]) -> Scene:
    return asked((post(EWS, ASK, basic("kim@contoso.com")), ok(free_busy(*parts))))


@pytest.mark.parametrize(
    ("code", "text", "rule", "severity"),
    [
        ("ErrorNoFreeBusyAccess", "", "freebusy.no-access", Severity.ERROR),
        ("ErrorX", "inner (LID: 47652)", "freebusy.no-access", Severity.ERROR),
        ("ErrorInvalidOrganizationRelationshipForFreeBusy", "", "freebusy.org-relationship", Severity.ERROR),
        (
            "ErrorY",
            "Configuration information for forest/domain fabrikam.com could not be found in Active Directory.",
            "freebusy.org-relationship",
            Severity.ERROR,
        ),
        ("ErrorOrganizationNotFederated", "", "freebusy.not-federated", Severity.ERROR),
        ("ErrorInvalidFederatedOrganizationId", "", "freebusy.not-federated", Severity.ERROR),
        ("ErrorProxyRequestProcessingFailed", "Unable to connect", "freebusy.proxy-failed", Severity.ERROR),
        ("ErrorProxyRequestNotAllowed", "", "freebusy.proxy-failed", Severity.ERROR),
        ("ErrorAutoDiscoverFailed", "", "freebusy.autodiscover-failed", Severity.ERROR),
        ("ErrorAddressSpaceNotFound", "", "freebusy.autodiscover-failed", Severity.ERROR),
        ("ErrorAvailabilityConfigNotFound", "", "freebusy.autodiscover-failed", Severity.ERROR),
        ("ErrorTimeoutExpired", "", "freebusy.timeout", Severity.INFO),
        ("ErrorZ", "Request could not be processed in time.", "freebusy.timeout", Severity.INFO),
        ("ErrorResultSetTooBig", "", "freebusy.too-many-entries", Severity.WARNING),
        ("ErrorFreeBusyDLLimitReached", "", "freebusy.dl-limit", Severity.WARNING),
        (
            "ErrorProxyRequestNotAllowed",
            "CrossOrganizationProxyNotAllowedForExternalOrganization LID: 39660",
            "freebusy.cross-org-not-allowed",
            Severity.WARNING,
        ),
    ],
)
def test_rule_freebusy_code_has_one_finding(code: str, text: str, rule: str, severity: Severity) -> None:
    scene = answered(("NoError", ""), (code, text))
    found_rules = rules_in(scene, "freebusy", "ews") - {"ews.error"}
    assert found_rules == {rule}
    finding = found(scene, rule)
    assert finding is not None
    assert finding.severity is severity
    assert "blake@fabrikam.com" in finding.summary or "fabrikam.com" in finding.summary or rule == "freebusy.dl-limit"


def test_rule_freebusy_is_silent_where_all_is_shown() -> None:
    assert rules_in(answered(("NoError", ""), ("NoError", "")), "freebusy", "ews") == set()


def test_rule_freebusy_no_access_is_a_warning_where_others_of_the_domain_are_shown() -> None:
    request = availability("avery@contoso.com", "casey@contoso.com")
    scene = asked((post(EWS, request), ok(free_busy(("NoError", ""), ("ErrorNoFreeBusyAccess", "no access")))))
    finding = found(scene, "freebusy.no-access")
    assert finding is not None
    assert finding.severity is Severity.WARNING
    assert "casey@contoso.com" in finding.summary
    assert finding.evidence[0].what.endswith("GetUserAvailability of casey@contoso.com")


def test_rule_freebusy_dl_limit_in_a_fault() -> None:
    scene = asked((post(EWS, ASK), ok(ews_fault("ErrorMailboxDataArrayTooBig"), status="500 Error")))
    assert rules_in(scene, "freebusy", "ews") == {"freebusy.dl-limit"}


def test_rule_freebusy_timeout_is_a_warning_when_it_comes_again() -> None:
    one = (post(EWS, ASK), ok(free_busy(("NoError", ""), ("ErrorTimeoutExpired", ""))))
    finding = found(asked(one, one), "freebusy.timeout")
    assert finding is not None
    assert (finding.severity, finding.count) == (Severity.WARNING, 2)


NOT_IN_TIME = "Request could not be processed in time. LID: 43404"


@pytest.mark.parametrize("code", ["ErrorProxyRequestProcessingFailed", "ErrorAutoDiscoverFailed"])
@pytest.mark.parametrize("times", [1, 3])
def test_rule_freebusy_timeout_is_the_cause_of_what_the_server_makes_of_it(code: str, times: int) -> None:
    one = (post(EWS, ASK), ok(free_busy(("NoError", ""), (code, NOT_IN_TIME))))
    told = {each.rule: each.caused_by for each in asked(*[one] * times).analysis().findings}
    assert told.pop("freebusy.timeout") is None
    assert list(told.values()) == ["freebusy.timeout"]


def test_rule_freebusy_tells_each_mailbox_of_one_answer_for_itself() -> None:
    request = availability("avery@contoso.com", "blake@fabrikam.com", "casey@tailspin.example")
    parts = ("ErrorNoFreeBusyAccess", ""), ("ErrorProxyRequestProcessingFailed", NOT_IN_TIME), (PROXY, "HTTP 403")
    findings = asked((post(EWS, request), ok(free_busy(*parts)))).analysis().findings
    told = {each.rule: each for each in findings if each.rule.startswith("freebusy.")}
    assert set(told) == {"freebusy.no-access", "freebusy.timeout", "freebusy.proxy-failed"}
    assert "casey@tailspin.example" in told["freebusy.proxy-failed"].summary
    assert all(each.caused_by is None for each in told.values())


def test_rule_freebusy_proxy_failed_gives_way_to_the_failure_behind() -> None:
    """The first server asks the second while the client waits; that request fails before our eyes."""
    scene = Scene()
    scene.dialogue(
        [C(post(WSS, FEDERATED, AGENT)), S(http_response("401 Unauthorized", ("WWW-Authenticate: Basic realm=x",)))],
        client="198.51.100.20",
        server="203.0.113.30",
    )
    inner_end = scene.now
    scene.now = 0.0
    failed = free_busy(("NoError", ""), ("ErrorProxyRequestProcessingFailed", "401"))
    scene.dialogue([C(post(EWS, ASK), after=0.0001), S(ok(failed), after=inner_end + 1)])
    scene.silence(5)
    assert rules_in(scene, "freebusy") == {"freebusy.preauth-blocks-wssecurity"}


@pytest.mark.parametrize(
    ("mailbox", "server", "is_told"),
    [
        ("Blake@Fabrikam.com", "203.0.113.30", False),
        ("casey@tailspin.example", "203.0.113.30", True),  # somebody else's question
        ("blake@fabrikam.com", "198.51.100.20", True),  # asked of the same server by another user
    ],
)
def test_rule_freebusy_proxy_failed_gives_way_to_the_same_question_behind_translated_addresses(
    mailbox: str,
    server: str,
    is_told: bool,  # noqa: FBT001
) -> None:
    scene = Scene(now=1.0)
    refused = http_response("401 Unauthorized", ("WWW-Authenticate: Basic realm=x",))
    question = FEDERATED.replace(b"avery@contoso.com", mailbox.encode())
    scene.dialogue([C(post(WSS, question, AGENT)), S(refused)], client="192.0.2.77", server=server)
    inner_end = scene.now
    scene.now = 0.0
    failed = free_busy(("NoError", ""), (PROXY, "401"))
    asked = availability("avery@contoso.com", "BLAKE@fabrikam.com")
    scene.dialogue([C(post(EWS, asked), after=0.0001), S(ok(failed), after=inner_end + 1)])
    scene.silence(5)
    assert ("freebusy.proxy-failed" in rules_in(scene, "freebusy")) is is_told


@pytest.mark.parametrize(("port", "cause"), [(443, "tcp.connect-refused"), (389, None)])
def test_rule_freebusy_proxy_failed_follows_a_connection_that_fails_meanwhile(port: int, cause: str | None) -> None:
    scene = Scene(now=1.0)
    for _ in range(3):
        here, there = ("198.51.100.20", 50_100), ("203.0.113.30", port)
        scene.add(Segment(here, there, 100, 0, SYN).frame())
        scene.add(Segment(there, here, 0, 101, RST | ACK).frame(), 0.5)
    inner_end = scene.now
    scene.now = 0.0
    failed = free_busy(("NoError", ""), (PROXY, "Unable to connect to the remote server"))
    scene.dialogue([C(post(EWS, ASK), after=0.0001), S(ok(failed), after=inner_end + 15)])
    scene.silence(5)
    told = {each.rule: each.caused_by for each in scene.analysis().findings}
    assert told["freebusy.proxy-failed"] == cause
    assert told["http.slow-response"] == "freebusy.proxy-failed"


def test_rule_freebusy_timeout_is_why_the_answer_was_slow() -> None:
    for code, cause in (("ErrorTimeoutExpired", "freebusy.timeout"), ("NoError", None)):
        scene = Scene()
        scene.dialogue([C(post(EWS, ASK)), S(ok(free_busy(("NoError", ""), (code, ""))), after=25)])
        scene.silence(5)
        told = {each.rule: each.caused_by for each in scene.analysis().findings}
        assert told["http.slow-response"] == cause


def test_rule_freebusy_proxy_failed_is_told_where_what_is_seen_behind_went_well() -> None:
    scene = Scene()
    scene.dialogue([C(federation_request()), S(federation_response())], client="198.51.100.20", server="203.0.113.30")
    inner_end = scene.now
    scene.now = 0.0
    failed = free_busy(("NoError", ""), ("ErrorProxyRequestProcessingFailed", "401"))
    scene.dialogue([C(post(EWS, ASK), after=0.0001), S(ok(failed), after=inner_end + 1)])
    scene.silence(5)
    assert rules_in(scene, "freebusy") == {"freebusy.proxy-failed"}


GATES: list[tuple[str, tuple[str, ...]]] = [
    ("401 Unauthorized", ('WWW-Authenticate: Basic realm="gate"', "Via: 1.1 TMG01")),
    ("302 Moved Temporarily", ("Location: https://mail.contoso.com/CookieAuth.dll?GetLogon?curl=Z2F", "Server: TMG")),
    ("200 OK", (HTML,)),
]


@pytest.mark.parametrize(("status", "fields"), GATES)
@pytest.mark.parametrize("target", [WSS, "/autodiscover/autodiscover.svc/WSSecurity"])
def test_rule_freebusy_preauth_blocks_wssecurity(target: str, status: str, fields: Sequence[str]) -> None:
    finding = found(
        asked((post(target, FEDERATED, AGENT), http_response(status, fields, b"<html/>"))),
        "freebusy.preauth-blocks-wssecurity",
    )
    assert finding is not None
    assert (finding.severity, finding.confidence) == (Severity.ERROR, Confidence.LIKELY)
    assert "EncryptedData" in finding.evidence[0].what
    assert target in finding.summary


def test_rule_freebusy_preauth_is_certain_where_the_inner_leg_lacks_the_request() -> None:
    scene = Scene()
    gate = "198.51.100.20"
    scene.dialogue([C(post(WSS, FEDERATED, AGENT)), S(http_response(*GATES[0]))], server=gate)
    scene.dialogue([C(http_request("GET /owa/")), S(http_response("200 OK"))], client=gate, server="10.1.1.20")
    scene.silence(5)
    finding = found(scene, "freebusy.preauth-blocks-wssecurity")
    assert finding is not None
    assert finding.confidence is Confidence.CERTAIN


NO_PREAUTH: list[tuple[bytes, str, tuple[str, ...]]] = [
    (post(EWS, ASK), *GATES[0]),
    (post(WSS, FEDERATED, AGENT, "Authorization: Bearer eyJhbGciOiJub25lIn0.e30."), *GATES[0]),
    (http_request(f"GET {WSS}"), *GATES[2]),
    (post(WSS, FEDERATED), "401 Unauthorized", (*GATES[0][1], "X-FEServer: CAS01")),
    (post(WSS, FEDERATED), "401 Unauthorized", (*GATES[0][1], "X-Powered-By: ASP.NET")),
    (post(WSS, FEDERATED), "401 Unauthorized", (*GATES[0][1], "X-AspNet-Version: 2.0.50727")),
    (post(WSS, FEDERATED), "401 Unauthorized", ()),
    (post(WSS, FEDERATED), "503 Service Unavailable", ()),
]


@pytest.mark.parametrize(("request_bytes", "status", "fields"), NO_PREAUTH)
def test_rule_freebusy_preauth_near_misses(request_bytes: bytes, status: str, fields: Sequence[str]) -> None:
    assert found(asked((request_bytes, http_response(status, fields))), "freebusy.preauth-blocks-wssecurity") is None


def test_rule_freebusy_preauth_says_all_of_a_redirect_on_the_leg_in_clear() -> None:
    target = "/autodiscover/autodiscover.svc/WSSecurity"
    form = http_response("302 Found", ("Location: /CookieAuth.dll?GetLogon?curl=x", "Server: TMG"))
    assert rules_in(asked((post(target, FEDERATED), form)), "freebusy", "autodiscover") == {
        "freebusy.preauth-blocks-wssecurity"
    }


def test_rule_freebusy_preauth_is_silent_where_the_client_gets_through_later() -> None:
    first = (post(WSS, FEDERATED), http_response(*GATES[0]))
    scene = asked(first, (post(WSS, FEDERATED), ok(free_busy(("NoError", "")))))
    assert rules_in(scene, "freebusy") == set()


VERIFYING = (
    "<s:Fault><faultcode>s:Client</faultcode><faultstring>An error occurred when verifying security for the message."
    "</faultstring></s:Fault>"
)
PROCESSING = VERIFYING.replace("verifying security for the message", "processing the security tokens in the message")


@pytest.mark.parametrize("fault", [VERIFYING, PROCESSING])
def test_rule_freebusy_wssecurity_rejected(fault: str) -> None:
    scene = asked((post(WSS, FEDERATED, AGENT), ok(soap(fault), status="500 Internal Server Error")))
    finding = found(scene, "freebusy.wssecurity-rejected")
    assert finding is not None
    assert (finding.severity, finding.confidence) == (Severity.ERROR, Confidence.CERTAIN)
    assert rules_in(scene, "ews", "freebusy") == {"freebusy.wssecurity-rejected"}


def test_rule_freebusy_wssecurity_rejected_by_a_401_of_exchange() -> None:
    scene = asked((post(WSS, FEDERATED), http_response("401 Unauthorized", ("X-FEServer: CAS01",))))
    assert rules_in(scene, "freebusy") == {"freebusy.wssecurity-rejected"}


def test_rule_freebusy_wssecurity_rejected_leaves_a_token_in_authorization_to_oauth() -> None:
    fields = ("X-FEServer: CAS01", 'x-ms-diagnostics: 2000001;reason="no";error_category="invalid_token"')
    token = post(WSS, FEDERATED, "Authorization: Bearer eyJhbGciOiJub25lIn0.e30.")
    assert rules_in(asked((token, http_response("401 Unauthorized", fields))), "freebusy") == set()


@pytest.mark.parametrize("target", [EWS, WSS])
def test_rule_freebusy_wssecurity_rejected_is_silent_for_other_faults(target: str) -> None:
    other = VERIFYING.replace("verifying security for the message", "doing something else")
    fault = VERIFYING if target == EWS else other
    assert (
        found(asked((post(target, FEDERATED), ok(soap(fault), status="500 E"))), "freebusy.wssecurity-rejected") is None
    )


@pytest.mark.parametrize(
    ("date", "minutes"),
    [
        ("Thu, 01 Jan 2026 00:20:00 GMT", 20),
        ("Wed, 31 Dec 2025 23:50:00 GMT", 10),
        ("Thu, 01 Jan 2026 00:04:00 GMT", None),
        ("nonsense", None),
    ],
)
def test_rule_freebusy_clock_skew(date: str, minutes: int | None) -> None:
    scene = asked((post(WSS, FEDERATED), ok(soap(VERIFYING), f"Date: {date}", status="500 E")))
    finding = found(scene, "freebusy.clock-skew")
    assert (finding is None) is (minutes is None)
    if finding is not None:
        assert f"{minutes} minutes" in finding.summary
        assert rules_in(scene, "freebusy") == {"freebusy.clock-skew"}


def test_rule_freebusy_clock_skew_takes_off_the_time_of_the_answer() -> None:
    scene = Scene()
    scene.dialogue(
        [C(post(WSS, FEDERATED)), S(ok(free_busy(("NoError", "")), "Date: Thu, 01 Jan 2026 00:06:00 GMT"), after=300)]
    )
    scene.silence(5)
    assert rules_in(scene, "freebusy") == set()


def test_rule_freebusy_object_moved() -> None:
    moved = http_response("302 Found", ("Location: https://mail2.contoso.com/EWS/Exchange.asmx/WSSecurity", XML))
    assert rules_in(asked((post(WSS, FEDERATED), moved)), "freebusy") == {"freebusy.object-moved"}


def test_rule_freebusy_object_moved_is_silent_for_other_paths() -> None:
    moved = http_response("302 Found", ("Location: https://mail2.contoso.com/EWS/Exchange.asmx",))
    assert rules_in(asked((post(EWS, ASK), moved)), "freebusy") == set()


def test_rule_freebusy_legacy_public_folder() -> None:
    request = http_request("GET /public/?cmd=freebusy&u=SMTP:avery@contoso.com")
    finding = found(asked((request, http_response("200 OK", (XML,), b"<response/>"))), "freebusy.legacy-public-folder")
    assert finding is not None
    assert finding.severity is Severity.INFO
    assert rules_in(asked((http_request("GET /public/Team/"), http_response("200 OK"))), "freebusy") == set()


def settings(code: str) -> bytes:
    return soap(
        "<a:GetUserSettingsResponseMessage xmlns:a='http://schemas.microsoft.com/exchange/2010/Autodiscover'><a:Response>"
        f"<a:ErrorCode>{code}</a:ErrorCode><a:ErrorMessage/></a:Response></a:GetUserSettingsResponseMessage>"
    )


@pytest.mark.parametrize(("code", "is_told"), [("NotFederated", True), ("NoError", False)])
def test_rule_freebusy_not_federated_by_autodiscover(code: str, is_told: bool) -> None:  # noqa: FBT001
    question = settings(code).replace(b"ResponseMessage", b"RequestMessage")
    scene = asked((post("/autodiscover/autodiscover.svc", question), ok(settings(code))))
    assert (rules_in(scene, "freebusy", "autodiscover") == {"freebusy.not-federated"}) is is_told


def test_rule_autodiscover_401_federated_needs_more_than_one() -> None:
    target = "/autodiscover/autodiscover.svc/WSSecurity"
    one = (post(target, FEDERATED), http_response("401 Unauthorized", (*GATES[0][1], "X-Powered-By: ASP.NET")))
    assert found(asked(one, one), "autodiscover.401-federated") is not None
    assert rules_in(asked(one), "autodiscover", "freebusy") == set()
