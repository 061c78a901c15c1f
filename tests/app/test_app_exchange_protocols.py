"""EWS, free/busy, Autodiscover and SOAP: what was asked, what was answered, and the line that a person reads."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from http_feeding import span
from hypothesis import given
from hypothesis import strategies as st

from tlsdecrypt.app import ews_response
from tlsdecrypt.app.annotate import annotate_http
from tlsdecrypt.app.http import HttpRequest, HttpResponse

SAMPLES = Path(__file__).with_name("samples")
XML = ("Content-Type", "text/xml; charset=utf-8")
EWS, POX, SOAP = "/EWS/Exchange.asmx", "/autodiscover/autodiscover.xml", "/autodiscover/autodiscover.svc"


def sample(name: str) -> bytes:
    return (SAMPLES / f"{name}.xml").read_bytes()


def annotate(
    target: str, asked: bytes | None, answered: bytes | None, *fields: tuple[str, str], status: int = 200
) -> dict[str, Any]:
    request = HttpRequest("POST", target, "HTTP/1.1", (XML, *fields), span(1), content=asked)
    response = HttpResponse(status, "", "HTTP/1.1", (XML, ("X-FEServer", "CAS01")), span(2), content=answered)
    return annotate_http(request, response)


def basic(user: str) -> tuple[str, str]:
    return "Authorization", "Basic " + base64.b64encode(f"{user}:Tr0ub4dor&3-marker".encode()).decode()


def test_get_folder_is_told_in_one_line() -> None:
    found = annotate(EWS, sample("get_folder"), sample("get_folder_response"), basic("svc@contoso.com"))
    assert found["ews"] == {
        "operation": "GetFolder",
        "requested_server_version": "Exchange2010_SP2",
        "mailboxes": ["avery@contoso.com"],
        "folders": ["inbox"],
        "server_version": "14.2.247.5",
        "server_schema_version": "Exchange2010_SP2",
        "response_class": "Success",
        "response_code": "NoError",
        "response_count": 1,
        "responses": [{"class": "Success", "code": "NoError"}],
        "summary": "EWS GetFolder inbox of avery@contoso.com as svc@contoso.com -> "
        "Success NoError (Exchange2010_SP2 14.2.247)",
    }
    assert found["http"]["summary"] == "as svc@contoso.com (Basic), fe=CAS01"
    assert "Tr0ub4dor" not in repr(found)


def test_a_throttled_find_item_shows_how_long_to_wait() -> None:
    found = annotate(EWS, sample("find_item"), sample("server_busy"), status=500)
    facts = found["ews"]
    assert facts["operation"] == "FindItem"
    assert facts["impersonation"] == "blake@contoso.com"
    assert facts["folders"] == ["calendar"]
    assert (facts["traversal"], facts["max_entries"]) == ("Shallow", 500)
    assert (facts["response_class"], facts["response_code"], facts["is_fault"]) == ("Error", "ErrorServerBusy", True)
    assert facts["message_text"] == "The server cannot service this request right now. Try again later."
    assert facts["back_off_ms"] == 27504
    assert facts["summary"] == (
        "EWS FindItem calendar as blake@contoso.com -> Error ErrorServerBusy back off 27,504 ms"
    )
    assert found["soap"]["fault_code"] == "ErrorServerBusy"
    assert found["soap"]["version"] == "1.1"


def test_free_busy_answers_are_paired_with_the_mailboxes_by_their_order() -> None:
    found = annotate(f"{EWS}/WSSecurity", sample("get_user_availability"), sample("get_user_availability_response"))
    facts = found["ews"]
    assert facts["operation"] == "GetUserAvailability"
    assert facts["mailboxes"] == ["avery@contoso.com", "casey@contoso.com"]
    assert (facts["window_start"], facts["window_end"]) == ("2011-12-22T00:00:00", "2011-12-23T00:00:00")
    assert facts["response_code"] == "ErrorNoFreeBusyAccess"
    assert facts["message_text"] == "The caller does not have access to free/busy data."
    assert [(each["mailbox"], each["code"]) for each in facts["responses"]] == [
        ("avery@contoso.com", "NoError"),
        ("casey@contoso.com", "ErrorNoFreeBusyAccess"),
    ]
    assert (facts["response_count"], facts["error_count"]) == (2, 1)
    soap = found["soap"]
    assert soap["security"] == ["Timestamp", "EncryptedData"]
    assert (soap["security_created"], soap["security_expires"]) == ("2011-12-22T03:00:00Z", "2011-12-22T03:05:00Z")
    assert "c2FtcGxl" not in repr(found)


def test_send_as_denied_names_who_was_written_for_and_to() -> None:
    facts = annotate(EWS, sample("create_item"), sample("send_as_denied"))["ews"]
    assert facts["operation"] == "CreateItem"
    assert (facts["from"], facts["to"]) == ("avery@adatum.com", ["kim@fabrikam.com"])
    assert facts["message_disposition"] == "SendAndSaveCopy"
    assert "mailboxes" not in facts
    assert facts["response_code"] == "ErrorSendAsDenied"
    assert facts["descriptive_link_key"] == "0"


def test_counts_of_a_page_and_values_of_an_error_are_kept() -> None:
    answer = b"""<Envelope xmlns="http://schemas.xmlsoap.org/soap/envelope/"><Body><FindItemResponse
     xmlns="http://schemas.microsoft.com/exchange/services/2006/messages"><ResponseMessages>
     <FindItemResponseMessage ResponseClass="Warning"><ResponseCode>ErrorBatchProcessingStopped</ResponseCode>
     <MessageXml><Value Name="InnerErrorResponseCode">ErrorX</Value><LineNumber>7</LineNumber></MessageXml>
     <RootFolder TotalItemsInView="1234" IncludesLastItemInRange="false"/></FindItemResponseMessage>
     <FindItemResponseMessage ResponseClass="Success"><ResponseCode>NoError</ResponseCode></FindItemResponseMessage>
     </ResponseMessages></FindItemResponse></Body></Envelope>"""
    facts = annotate(EWS, None, answer)["ews"]
    assert facts["operation"] == "FindItem"
    assert facts["response_class"] == "Warning"
    first = facts["responses"][0]
    assert (first["total_items"], first["includes_last"]) == (1234, False)
    assert first["values"] == {"InnerErrorResponseCode": "ErrorX", "LineNumber": "7"}


@pytest.mark.parametrize(("target", "name"), [(EWS, "get_folder"), (POX, "pox_request"), (SOAP, "get_user_settings")])
def test_where_no_answer_can_be_read_the_status_says_how_it_ended(target: str, name: str) -> None:
    found = annotate(target, sample(name), None, status=401)
    assert found["autodiscover" if target != EWS else "ews"]["summary"].endswith(" -> HTTP 401")


def test_namespaces_with_https_are_the_same() -> None:
    answer = sample("get_folder_response").replace(b"http://schemas.m", b"https://schemas.m")
    assert annotate("/elsewhere", None, answer)["ews"]["response_code"] == "NoError"


def test_responses_are_bounded_and_still_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ews_response, "MAX_RESPONSES", 2)
    one = b'<m ResponseClass="Success"><ResponseCode>NoError</ResponseCode></m>'
    error = b'<m ResponseClass="Error"><ResponseCode>ErrorItemNotFound</ResponseCode></m>'
    facts = annotate(EWS, None, b"<Envelope><Body><X>" + one * 5 + error + b"</X></Body></Envelope>")["ews"]
    assert (facts["response_count"], len(facts["responses"])) == (6, 2)
    assert facts["response_code"] == "ErrorItemNotFound"
    assert [each["code"] for each in facts["responses"]] == ["NoError", "ErrorItemNotFound"]


def test_a_cut_answer_tells_what_stands_before_the_cut() -> None:
    whole = sample("get_folder_response")
    found = annotate(EWS, sample("get_folder"), whole[: whole.index(b"<t:DisplayName>")])
    assert found["ews"]["response_code"] == "NoError"
    assert found["xml"]["faults"][0].startswith("response: the XML is damaged at line")


def test_entities_in_a_request_are_named_as_hostile() -> None:
    found = annotate(EWS, b"<!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>", None)
    assert found["xml"]["faults"] == ["request: the XML declares entities, which is hostile: not read"]


def test_pox_settings_list_the_protocols_and_their_urls() -> None:
    facts = annotate(POX, sample("pox_request"), sample("pox_settings"), ("X-MapiHttpCapability", "1"))["autodiscover"]
    assert facts == {
        "kind": "pox",
        "email_address": "avery@contoso.com",
        "acceptable_response_schema": "http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a",
        "schema": "outlook",
        "mapi_http_capability": "1",
        "display_name": "Avery Doe",
        "autodiscover_smtp_address": "avery@contoso.com",
        "account_type": "email",
        "action": "settings",
        "protocols": [
            {
                "type": "EXPR",
                "server": "mail.contoso.com",
                "ssl": "On",
                "auth_package": "Basic",
                "cert_principal_name": "msstd:mail.contoso.com",
                "ews_url": "https://mail.contoso.com/ews/exchange.asmx",
            }
        ],
        "summary": "Autodiscover POX avery@contoso.com -> settings: EXPR mail.contoso.com",
    }


def test_pox_protocols_with_groups_are_flat() -> None:
    answer = b"""<Autodiscover><Response><Account><Action>settings</Action><Protocol Type="mapiHttp"><MailStore>
    <InternalUrl>https://in/mapi</InternalUrl><ExternalUrl>https://out/mapi</ExternalUrl></MailStore></Protocol>
    <Protocol><Type>WEB</Type><Internal>
    <OWAUrl AuthenticationMethod="Basic">https://in/owa</OWAUrl><Protocol><Type>EXCH</Type>
    <ASUrl>https://in/ews</ASUrl></Protocol></Internal></Protocol></Account></Response></Autodiscover>"""
    assert annotate(POX, None, answer)["autodiscover"]["protocols"] == [
        {
            "type": "mapiHttp",
            "mail_store_internal_url": "https://in/mapi",
            "mail_store_external_url": "https://out/mapi",
        },
        {
            "type": "WEB",
            "internal_owa_url": "https://in/owa",
            "internal_type": "EXCH",
            "internal_as_url": "https://in/ews",
        },
    ]


def test_a_pox_error_has_its_code_message_time_and_id() -> None:
    facts = annotate(POX, sample("pox_request"), sample("pox_not_found"))["autodiscover"]
    assert (facts["error_code"], facts["message"]) == ("500", "The email address can't be found.")
    assert (facts["error_time"], facts["error_id"]) == ("09:14:02.1234567", "1054084152")
    assert facts["summary"] == ("Autodiscover POX avery@contoso.com -> error 500: The email address can't be found.")


def test_a_pox_redirect_has_its_address() -> None:
    facts = annotate(POX, sample("pox_request"), sample("pox_redirect"))["autodiscover"]
    assert (facts["action"], facts["redirect_address"]) == ("redirectAddr", "avery@contoso.mail.onmicrosoft.com")
    assert facts["summary"].endswith("-> redirect to avery@contoso.mail.onmicrosoft.com")


MOBILE = b"""<Autodiscover xmlns="http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006"><Response
 xmlns="http://schemas.microsoft.com/exchange/autodiscover/mobilesync/responseschema/2006"><User><DisplayName>Avery</DisplayName>
 </User><Action>%b</Action></Response></Autodiscover>"""


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        (b"<Redirect>avery@fabrikam.com</Redirect>", {"action": "redirect", "redirect_address": "avery@fabrikam.com"}),
        (
            b"<Settings><Server><Type>MobileSync</Type><Url>https://mail/eas</Url><Name>eas</Name></Server></Settings>",
            {
                "action": "settings",
                "protocols": [{"type": "MobileSync", "url": "https://mail/eas", "name": "eas"}],
            },
        ),
        (
            b"<Error><Status>1</Status><Message>The directory is down</Message><DebugData>MailUser</DebugData></Error>",
            {"action": "error", "status": "1", "message": "The directory is down", "debug_data": "MailUser"},
        ),
    ],
)
def test_the_activesync_schema_is_read(action: bytes, expected: dict[str, Any]) -> None:
    facts = annotate(POX, None, MOBILE % action)["autodiscover"]
    assert facts["schema"] == "mobilesync"
    assert {key: facts[key] for key in expected} == expected


def test_soap_errors_of_a_user_are_found_below_a_response_without_error() -> None:
    facts = annotate(f"{SOAP}/WSSecurity", sample("get_user_settings"), sample("invalid_user"))["autodiscover"]
    assert facts == {
        "kind": "soap",
        "operation": "GetUserSettings",
        "token_auth": "wssecurity",
        "requested_server_version": "Exchange2010",
        "email_address": "avery@contoso.com",
        "mailboxes": ["avery@contoso.com"],
        "requested_settings": ["ExternalEwsUrl"],
        "response_error_code": "NoError",
        "results": [{"error_code": "InvalidUser", "message": "Invalid user.", "mailbox": "avery@contoso.com"}],
        "error_code": "InvalidUser",
        "message": "Invalid user.",
        "summary": "Autodiscover SOAP GetUserSettings avery@contoso.com -> error InvalidUser: Invalid user.",
    }


def user_response(inside: str) -> bytes:
    return f"""<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Header>
    <h:ServerVersionInfo xmlns:h="urn:h">
    <h:MajorVersion>15</h:MajorVersion><h:MinorVersion>1</h:MinorVersion></h:ServerVersionInfo></s:Header><s:Body>
    <GetUserSettingsResponseMessage xmlns="http://schemas.microsoft.com/exchange/2010/Autodiscover"><Response>
    <ErrorCode>NoError</ErrorCode><UserResponses><UserResponse>{inside}</UserResponse></UserResponses></Response>
    </GetUserSettingsResponseMessage></s:Body></s:Envelope>""".encode()


def test_settings_and_setting_errors_are_listed() -> None:
    answer = user_response(
        "<ErrorCode>NoError</ErrorCode><UserSettingErrors><UserSettingError><ErrorCode>SettingIsNotAvailable</ErrorCode>"
        "<ErrorMessage>no</ErrorMessage><SettingName>ExternalEwsUrl</SettingName></UserSettingError></UserSettingErrors>"
        "<UserSettings><UserSetting><Name>InternalEwsUrl</Name><Value>https://in/ews</Value></UserSetting></UserSettings>"
    )
    facts = annotate(SOAP, sample("get_user_settings"), answer)["autodiscover"]
    assert facts["error_code"] == "SettingIsNotAvailable"
    assert facts["server_version"] == "15.1"
    [result] = facts["results"]
    assert result["settings"] == {"InternalEwsUrl": "https://in/ews"}
    assert result["setting_errors"] == [
        {"name": "ExternalEwsUrl", "error_code": "SettingIsNotAvailable", "message": "no"}
    ]


@pytest.mark.parametrize(
    ("code", "target", "key"),
    [
        ("RedirectAddress", "avery@contoso.mail.onmicrosoft.com", "redirect_address"),
        ("RedirectUrl", "https://autodiscover-s.outlook.com/autodiscover/autodiscover.svc", "redirect_url"),
    ],
)
def test_soap_redirects_are_told_apart(code: str, target: str, key: str) -> None:
    answer = user_response(f"<ErrorCode>{code}</ErrorCode><RedirectTarget>{target}</RedirectTarget>")
    facts = annotate(SOAP, sample("get_user_settings"), answer)["autodiscover"]
    assert facts[key] == target
    assert facts["summary"].endswith(f"redirect to {target}")


def test_federation_information_has_domains_and_issuers() -> None:
    answer = b"""<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>
    <GetFederationInformationResponseMessage xmlns="http://schemas.microsoft.com/exchange/2010/Autodiscover"><Response>
    <ErrorCode>NoError</ErrorCode><ApplicationUri>FYDIBOHF25SPDLT.contoso.com</ApplicationUri><Domains>
    <Domain>contoso.com</Domain><Domain>mail.contoso.com</Domain></Domains><TokenIssuers><TokenIssuer>
    <Endpoint>https://login.example/extSTS.srf</Endpoint>
    <Uri>urn:federation:MicrosoftOnline</Uri></TokenIssuer></TokenIssuers></Response>
    </GetFederationInformationResponseMessage></s:Body></s:Envelope>"""
    facts = annotate(SOAP, sample("get_federation_information"), answer)["autodiscover"]
    assert facts["domain"] == "contoso.com"
    assert facts["federated_domains"] == ["contoso.com", "mail.contoso.com"]
    assert facts["application_uri"] == "FYDIBOHF25SPDLT.contoso.com"
    assert facts["token_issuers"] == [
        {"endpoint": "https://login.example/extSTS.srf", "uri": "urn:federation:MicrosoftOnline"}
    ]


def test_not_federated_is_told() -> None:
    facts = annotate(SOAP, sample("get_federation_information"), sample("not_federated"))["autodiscover"]
    assert facts["operation"] == "GetFederationInformation"
    assert facts["error_code"] == facts["response_error_code"] == "NotFederated"
    assert facts["summary"] == (
        "Autodiscover SOAP GetFederationInformation contoso.com -> error NotFederated: "
        "The organization isn't federated."
    )


def test_a_soap_1_2_fault_has_subcode_and_reason() -> None:
    answer = b"""<e:Envelope xmlns:e="http://www.w3.org/2003/05/soap-envelope">
    <e:Body><e:Fault><e:Code><e:Value>e:Sender</e:Value>
    <e:Subcode><e:Value xmlns:w="urn:w">w:FailedAuthentication</e:Value></e:Subcode></e:Code>
    <e:Reason><e:Text xml:lang="en">No.
    </e:Text></e:Reason><e:Detail><x>why</x></e:Detail></e:Fault></e:Body></e:Envelope>"""
    soap = annotate("/any", None, answer)["soap"]
    assert soap == {
        "version": "1.2",
        "response": "Fault",
        "fault_code": "Sender",
        "fault_subcode": "FailedAuthentication",
        "fault_reason": "No.",
        "fault_detail": "why",
        "summary": "SOAP 1.2 request not read -> Fault FailedAuthentication: No.",
    }


def test_facts_of_the_front_end_are_kept_and_queries_are_not() -> None:
    response = HttpResponse(
        302, "Found", "HTTP/1.1",
        (("Location", "https://mail/owa/?code=Tr0ub4dor"), ("Server", "Microsoft-IIS/7.5"),
         ("Set-Cookie", "a=Tr0ub4dor; path=/"),
         ("WWW-Authenticate", "Negotiate"), ("WWW-Authenticate", 'Basic realm="x, y"'),
         ("X-MS-Credential-Service-Url", "u")),
        span(2),
    )  # fmt: skip
    http = annotate_http(None, response)["http"]
    assert http == {
        "location": "https://mail/owa/",
        "server": "Microsoft-IIS/7.5",
        "cookies_set": ["a"],
        "challenges": ["Negotiate", "Basic"],
        "x_ms_credential_service_url": "u",
        "summary": "challenged: Negotiate, Basic",
    }


@pytest.mark.parametrize("name", sorted(each.stem for each in SAMPLES.glob("*.xml")))
def test_no_cut_of_any_message_makes_it_fail(name: str) -> None:
    whole = sample(name)
    for length in range(0, len(whole), 7):
        for target in (EWS, SOAP):
            found = annotate(target, whole[:length], whole[:length])
            assert json.loads(json.dumps(found)) == found


@given(st.binary(max_size=60), st.sampled_from([EWS, POX, SOAP]))
def test_no_bytes_in_a_message_make_it_fail(data: bytes, target: str) -> None:
    whole = sample("invalid_user")
    found = annotate(target, whole[:200] + data + whole[200:], data)
    assert json.loads(json.dumps(found)) == found
