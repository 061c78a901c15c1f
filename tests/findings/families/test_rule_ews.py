"""Rules of Exchange Web Services: each fires on its code, and on nothing beside it."""

from __future__ import annotations

import pytest
from exchange_dialogues import EWS, asked, basic, ews_error, ews_fault, ews_success, ok, post, rules_in, soap
from packets import Scene, found, http_response, rules_of

from tlsdecrypt.findings.finding import Confidence, Severity

GET_FOLDER = soap(
    "<m:GetFolder><m:FolderIds><t:DistinguishedFolderId Id='inbox'><t:Mailbox><t:EmailAddress>blake@contoso.com"
    "</t:EmailAddress></t:Mailbox></t:DistinguishedFolderId></m:FolderIds></m:GetFolder>",
    "<t:RequestServerVersion Version='Exchange2016'/>",
)
CREATE_ITEM = soap(
    "<m:CreateItem MessageDisposition='SendAndSaveCopy'><m:Items><t:Message><t:From><t:Mailbox><t:EmailAddress>"
    "avery@adatum.com</t:EmailAddress></t:Mailbox></t:From></t:Message></m:Items></m:CreateItem>"
)
SUBSCRIBE = soap("<m:Subscribe><m:StreamingSubscriptionRequest/></m:Subscribe>")
AVERY = basic("avery@contoso.com")


def one(
    code: str, text: str = "", values: str = "", operation: str = "GetFolder", request: bytes = GET_FOLDER
) -> Scene:
    return asked((post(EWS, request, AVERY), ok(ews_error(operation, code, text, values))))


@pytest.mark.parametrize(
    ("code", "rule", "severity"),
    [
        ("ErrorSendAsDenied", "ews.error-send-as-denied", Severity.ERROR),
        ("ErrorAccessDenied", "ews.access-denied", Severity.ERROR),
        ("ErrorCreateItemAccessDenied", "ews.access-denied", Severity.ERROR),
        ("ErrorImpersonateUserDenied", "ews.impersonation-denied", Severity.ERROR),
        ("ErrorImpersonationDenied", "ews.impersonation-denied", Severity.ERROR),
        ("ErrorImpersonationFailed", "ews.impersonation-denied", Severity.ERROR),
        ("ErrorNonExistentMailbox", "ews.mailbox-not-found", Severity.ERROR),
        ("ErrorMailRecipientNotFound", "ews.mailbox-not-found", Severity.ERROR),
        ("ErrorMissingEmailAddress", "ews.mailbox-not-found", Severity.ERROR),
        ("ErrorItemNotFound", "ews.item-not-found", Severity.INFO),
        ("ErrorFolderNotFound", "ews.item-not-found", Severity.INFO),
        ("ErrorSyncFolderNotFound", "ews.item-not-found", Severity.INFO),
        ("ErrorServerBusy", "ews.server-busy", Severity.WARNING),
        ("ErrorExceededConnectionCount", "ews.connection-limit", Severity.WARNING),
        ("ErrorExceededFindCountLimit", "ews.find-limit", Severity.WARNING),
        ("ErrorExceededSubscriptionCount", "ews.subscription-limit", Severity.WARNING),
        ("ErrorSubscriptionNotFound", "ews.subscription-lost", Severity.INFO),
        ("ErrorInvalidSubscription", "ews.subscription-lost", Severity.INFO),
        ("ErrorExpiredSubscription", "ews.subscription-lost", Severity.INFO),
        ("ErrorReadEventsFailed", "ews.subscription-lost", Severity.INFO),
        ("ErrorMailboxMoveInProgress", "ews.mailbox-moved", Severity.WARNING),
        ("ErrorMailboxFailover", "ews.mailbox-moved", Severity.WARNING),
        ("ErrorMailboxStoreUnavailable", "ews.mailbox-moved", Severity.WARNING),
        ("ErrorInvalidServerVersion", "ews.version-mismatch", Severity.ERROR),
        ("ErrorInvalidSchemaVersionForMailboxVersion", "ews.version-mismatch", Severity.ERROR),
        ("ErrorWrongServerVersion", "ews.version-mismatch", Severity.ERROR),
        ("ErrorIncorrectSchemaVersion", "ews.version-mismatch", Severity.ERROR),
        ("ErrorSchemaValidation", "ews.schema-validation", Severity.ERROR),
        ("ErrorInvalidRequest", "ews.schema-validation", Severity.ERROR),
        ("ErrorPasswordExpired", "ews.password-expired", Severity.ERROR),
        ("ErrorPasswordChangeRequired", "ews.password-expired", Severity.ERROR),
        ("ErrorAccountDisabled", "ews.password-expired", Severity.ERROR),
        ("ErrorQuotaExceeded", "ews.quota", Severity.WARNING),
        ("ErrorMessageSizeExceeded", "ews.quota", Severity.WARNING),
        ("ErrorSubmissionQuotaExceeded", "ews.quota", Severity.WARNING),
        ("ErrorNoDestinationCASDueToKerberosRequirements", "ews.proxy-kerberos", Severity.ERROR),
        ("ErrorNoDestinationCASDueToSSLRequirements", "ews.proxy-kerberos", Severity.ERROR),
        ("ErrorNoRespondingCASInDestinationSite", "ews.proxy-kerberos", Severity.ERROR),
        ("ErrorInternalServerError", "ews.internal-error", Severity.ERROR),
        ("ErrorInternalServerTransientError", "ews.internal-error", Severity.ERROR),
        ("ErrorMailboxInfoTransientError", "ews.internal-error", Severity.ERROR),
        ("ErrorTimeoutExpired", "ews.timeout", Severity.WARNING),
        ("ErrorBatchProcessingStopped", "ews.timeout", Severity.WARNING),
        ("ErrorContentConversionFailed", "ews.error", Severity.ERROR),
        ("ErrorNameResolutionNoResults", "ews.error", Severity.INFO),
    ],
)
def test_rule_ews_code_has_one_finding(code: str, rule: str, severity: Severity) -> None:
    scene = one(code)
    assert rules_in(scene, "ews", "freebusy") == {rule}
    finding = found(scene, rule)
    assert finding is not None
    assert (finding.severity, finding.confidence) == (severity, Confidence.CERTAIN)
    assert any(code in each.what for each in finding.evidence)


@pytest.mark.parametrize("response_class", ["Success", "Warning"])
def test_rule_ews_is_silent_where_nothing_failed(response_class: str) -> None:
    answer = ews_error("GetFolder", "NoError", response_class=response_class)
    assert rules_in(asked((post(EWS, GET_FOLDER, AVERY), ok(answer))), "ews") == set()


def test_rule_ews_send_as_denied_names_both_addresses() -> None:
    finding = found(
        one("ErrorSendAsDenied", "no right", operation="CreateItem", request=CREATE_ITEM), "ews.error-send-as-denied"
    )
    assert finding is not None
    assert finding.summary.startswith("avery@contoso.com may not send as avery@adatum.com. Perhaps")
    assert "Tr0ub4dor" not in repr(finding)


def test_rule_ews_send_as_denied_says_nothing_of_second_addresses_in_the_own_domain() -> None:
    request = CREATE_ITEM.replace(b"avery@adatum.com", b"sales@contoso.com")
    finding = found(one("ErrorSendAsDenied", operation="CreateItem", request=request), "ews.error-send-as-denied")
    assert finding is not None
    assert finding.summary == "avery@contoso.com may not send as sales@contoso.com."


def test_rule_ews_access_denied_is_a_note_where_the_same_succeeds_later() -> None:
    again = (post(EWS, GET_FOLDER, AVERY), ok(ews_success("GetFolder")))
    scene = asked((post(EWS, GET_FOLDER, AVERY), ok(ews_error("GetFolder", "ErrorAccessDenied"))), again)
    finding = found(scene, "ews.access-denied")
    assert finding is not None
    assert finding.severity is Severity.INFO


def test_rule_ews_impersonation_denied_names_whom() -> None:
    who = "<t:ConnectingSID><t:PrimarySmtpAddress>kim@contoso.com</t:PrimarySmtpAddress></t:ConnectingSID>"
    acting = f"<t:ExchangeImpersonation>{who}</t:ExchangeImpersonation>"
    request = soap("<m:FindItem/>", acting)
    scene = asked((post(EWS, request, AVERY), ok(ews_fault("ErrorImpersonateUserDenied"), status="500 Error")))
    finding = found(scene, "ews.impersonation-denied")
    assert finding is not None
    assert finding.summary.startswith("avery@contoso.com may not act for kim@contoso.com")
    assert rules_in(scene, "ews") == {"ews.impersonation-denied"}


def test_rule_ews_server_busy_says_how_long_to_wait_and_hides_the_general_rule() -> None:
    fault = ews_fault("ErrorServerBusy", "Try again later.", '<t:Value Name="BackOffMilliseconds">27504</t:Value>')
    scene = asked((post(EWS, GET_FOLDER, AVERY), ok(fault, "Retry-After: 28", status="503 Service Unavailable")))
    finding = found(scene, "ews.server-busy")
    assert finding is not None
    assert finding.summary == "avery@contoso.com is throttled and shall wait for 27,504 ms."
    assert "http.throttled" not in rules_of(scene)


def test_rule_ews_server_busy_is_found_inside_of_an_internal_error() -> None:
    values = '<t:Value Name="InnerErrorResponseCode">ErrorServerBusy</t:Value>'
    assert rules_in(one("ErrorInternalServerError", values=values), "ews") == {"ews.server-busy"}


def test_rule_ews_internal_error_with_an_inner_code_that_nobody_knows() -> None:
    values = '<t:Value Name="InnerErrorResponseCode">ErrorStrange</t:Value>'
    assert rules_in(one("ErrorInternalServerError", values=values), "ews") == {"ews.internal-error"}


def test_rule_ews_internal_error_is_told_of_a_bare_500() -> None:
    scene = asked((post(EWS, GET_FOLDER), http_response("500 Internal Server Error", ("X-FEServer: CAS01",))))
    finding = found(scene, "ews.internal-error")
    assert finding is not None
    assert "front end CAS01" in finding.summary


def test_rule_ews_internal_error_quotes_a_fault_without_a_code_of_exchange() -> None:
    fault = soap(
        "<s:Fault><faultcode>a:InternalServiceFault</faultcode><faultstring>Out of memory.</faultstring></s:Fault>"
    )
    finding = found(asked((post(EWS, GET_FOLDER), ok(fault, status="500 Error"))), "ews.internal-error")
    assert finding is not None
    assert "and says: Out of memory" in finding.summary


def test_rule_ews_version_mismatch_is_a_note_where_a_lower_version_succeeds() -> None:
    lower = GET_FOLDER.replace(b"Exchange2016", b"Exchange2010")
    refused = (post(EWS, GET_FOLDER, AVERY), ok(ews_fault("ErrorInvalidServerVersion"), status="500 Error"))
    scene = asked(refused, (post(EWS, lower, AVERY), ok(ews_success("GetFolder"))))
    finding = found(scene, "ews.version-mismatch")
    assert finding is not None
    assert finding.severity is Severity.INFO
    assert finding.summary.startswith("The client asks for Exchange2016")


def test_rule_ews_schema_validation_quotes_line_and_violation() -> None:
    values = "<t:LineNumber>2</t:LineNumber><t:Violation>The element is invalid</t:Violation>"
    scene = asked((post(EWS, GET_FOLDER), ok(ews_fault("ErrorSchemaValidation", values=values), status="500 Error")))
    finding = found(scene, "ews.schema-validation")
    assert finding is not None
    assert "line 2: The element is invalid" in finding.summary


def test_rule_ews_error_tells_each_code_once() -> None:
    answers = [(post(EWS, GET_FOLDER), ok(ews_error("GetFolder", code))) for code in ("ErrorA", "ErrorB", "ErrorA")]
    findings = [each for each in asked(*answers).analysis().findings if each.rule == "ews.error"]
    assert sorted(each.count for each in findings) == [1, 2]


def test_rule_ews_finds_the_user_of_an_earlier_leg() -> None:
    first = (post(EWS, GET_FOLDER, AVERY), ok(ews_success("GetFolder")))
    scene = asked(first, (post(EWS, CREATE_ITEM), ok(ews_error("CreateItem", "ErrorSendAsDenied"))))
    finding = found(scene, "ews.error-send-as-denied")
    assert finding is not None
    assert finding.summary.startswith("avery@contoso.com may not")


@pytest.mark.parametrize(
    ("fields", "agent", "is_told"),
    [
        (("X-CasErrorCode: AccessDenied",), "CoolCalendar/1.0", True),
        (("X-FEServer: CAS01",), "python-requests/2.31", True),
        (("X-FEServer: CAS01",), "Microsoft Office/16.0 (Outlook)", False),
        (("Server: BigIP",), "CoolCalendar/1.0", False),
    ],
)
def test_rule_ews_blocked_user_agent(fields: tuple[str, ...], agent: str, is_told: bool) -> None:  # noqa: FBT001
    scene = asked((post(EWS, GET_FOLDER, f"User-Agent: {agent}"), http_response("403 Forbidden", fields)))
    assert (found(scene, "ews.blocked-user-agent") is not None) is is_told


@pytest.mark.parametrize(
    ("text", "is_told"), [("Blocked by the EWSApplicationAccessPolicy.", True), ("Not now.", False)]
)
def test_rule_ews_blocked_user_agent_by_the_text_that_names_the_policy(text: str, *, is_told: bool) -> None:
    refused = http_response("403 Forbidden", ("X-FEServer: CAS01", "Content-Type: text/plain"), text.encode())
    scene = asked((post(EWS, GET_FOLDER, "User-Agent: MacOutlook/16.80"), refused))
    assert (found(scene, "ews.blocked-user-agent") is not None) is is_told


def test_rule_ews_of_a_monitor_is_a_note() -> None:
    request = post(EWS, GET_FOLDER, basic("HealthMailbox6a1f@contoso.com"))
    finding = found(asked((request, ok(ews_error("GetFolder", "ErrorAccessDenied")))), "ews.access-denied")
    assert finding is not None
    assert finding.severity is Severity.INFO
