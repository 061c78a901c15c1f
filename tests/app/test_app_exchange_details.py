"""What rules need of EWS, SOAP, the MRS proxy, Autodiscover v2 and free/busy of public folders."""

from __future__ import annotations

import json
from typing import Any

import pytest
from http_feeding import span
from hypothesis import given
from hypothesis import strategies as st
from trust_messages import SECRET, assertion

from tlsdecrypt.app.annotate import annotate_http
from tlsdecrypt.app.http import HttpRequest, HttpResponse

XML = ("Content-Type", "text/xml; charset=utf-8")
EWS = "/EWS/Exchange.asmx"
S = 'xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"'


def annotate(
    target: str,
    asked: str | None,
    answered: str | bytes | None,
    *,
    status: int = 200,
    fields: tuple[tuple[str, str], ...] = (XML,),
    method: str = "POST",
) -> dict[str, Any]:
    content = answered.encode() if isinstance(answered, str) else answered
    request = HttpRequest(method, target, "HTTP/1.1", (XML,), span(1), content=asked.encode() if asked else None)
    response = HttpResponse(status, "", "HTTP/1.1", fields, span(2), content=content)
    return annotate_http(request, response)


def availability(addresses: list[str | None], responses: list[str]) -> dict[str, Any]:
    data = "".join(
        f"<t:MailboxData><t:Email>{f'<t:Address>{each}</t:Address>' if each else ''}</t:Email></t:MailboxData>"
        for each in addresses
    )
    asked = f"""<s:Envelope {S} xmlns:t="urn:t"><s:Body><GetUserAvailabilityRequest><MailboxDataArray>{data}
    </MailboxDataArray><FreeBusyViewOptions><t:RequestedView>Detailed</t:RequestedView></FreeBusyViewOptions>
    </GetUserAvailabilityRequest></s:Body></s:Envelope>"""
    answered = f"""<s:Envelope {S}><s:Body><GetUserAvailabilityResponse><FreeBusyResponseArray>{"".join(responses)}
    </FreeBusyResponseArray><SuggestionsResponse><ResponseMessage ResponseClass="Success"><ResponseCode>NoError
    </ResponseCode></ResponseMessage></SuggestionsResponse></GetUserAvailabilityResponse></s:Body></s:Envelope>"""
    facts: dict[str, Any] = annotate(EWS, asked, answered)["ews"]
    return facts


def free_busy(code: str, text: str = "", view: str = "") -> str:
    response_class = "Success" if code == "NoError" else "Error"
    return (
        f'<FreeBusyResponse><ResponseMessage ResponseClass="{response_class}"><MessageText>{text}</MessageText>'
        f"<ResponseCode>{code}</ResponseCode></ResponseMessage>{view}</FreeBusyResponse>"
    )


def test_a_mailbox_without_an_address_does_not_shift_the_pairs() -> None:
    facts = availability([None, "blake@contoso.com"], [free_busy("NoError"), free_busy("ErrorProxyRequestNotAllowed")])
    assert facts["requested_view"] == "Detailed"
    assert "mailbox" not in facts["responses"][0]
    assert facts["responses"][1]["mailbox"] == "blake@contoso.com"
    assert "mailbox" not in facts["responses"][2]  # of the suggestions


def test_the_view_and_the_number_of_entries_are_kept() -> None:
    events = "<CalendarEventArray><CalendarEvent/><CalendarEvent/></CalendarEventArray>"
    view = f"<FreeBusyView><FreeBusyViewType>Detailed</FreeBusyViewType>{events}</FreeBusyView>"
    facts = availability(["a@contoso.com"], [free_busy("NoError", view=view)])
    assert (facts["responses"][0]["view"], facts["responses"][0]["entries"]) == ("Detailed", 2)


def test_places_and_signs_are_found_at_the_end_of_a_long_text() -> None:
    text = (
        "Microsoft.Exchange.InfoWorker.Common.Availability.ProxyWebRequestProcessingException: "
        + "at somewhere; " * 100
        + "---> System.Net.WebException: The request failed with HTTP status 401: Unauthorized. LID: 43532 "
        "The request could not be processed in time. LID: 43404"
    )  # fmt: skip
    facts = availability(["a@contoso.com"], [free_busy("ErrorProxyRequestProcessingFailed", text)])
    [failed, _] = facts["responses"]
    assert failed["lids"] == [43532, 43404]
    assert failed["signs"] == ["not-in-time", "http-401"]
    assert len(failed["message_text"]) == 500


def test_a_fault_of_the_schema_has_line_and_violation() -> None:
    answer = f"""<s:Envelope {S}><s:Body><s:Fault><faultcode>a:ErrorSchemaValidation</faultcode><faultstring>The
    request failed schema validation.</faultstring><detail><e:ResponseCode xmlns:e="urn:e">ErrorSchemaValidation
    </e:ResponseCode><t:MessageXml xmlns:t="urn:t"><t:LineNumber>2</t:LineNumber><t:LinePosition>5</t:LinePosition>
    <t:Violation>The element is invalid.</t:Violation></t:MessageXml></detail></s:Fault></s:Body></s:Envelope>"""
    [response] = annotate(EWS, None, answer, status=500)["ews"]["responses"]
    assert response["values"] == {"LineNumber": "2", "LinePosition": "5", "Violation": "The element is invalid."}


def test_who_is_impersonated_and_by_which_kind_of_name() -> None:
    asked = f"""<s:Envelope {S}><s:Header><ExchangeImpersonation><ConnectingSID><PrincipalName>avery@contoso.com
    </PrincipalName></ConnectingSID></ExchangeImpersonation></s:Header><s:Body><GetItem><ItemIds><ItemId Id="a"/>
    <ItemId Id="b"/></ItemIds></GetItem></s:Body></s:Envelope>"""
    facts = annotate(EWS, asked, None)["ews"]
    assert (facts["impersonation"], facts["impersonation_by"]) == ("avery@contoso.com", "PrincipalName")
    assert facts["item_count"] == 2


def secured(created: str, expires: str) -> str:
    return f"""<s:Envelope {S}><s:Header><o:Security xmlns:o="urn:o"><u:Timestamp xmlns:u="urn:u"><u:Created>{created}
    </u:Created><u:Expires>{expires}</u:Expires></u:Timestamp><x:EncryptedData xmlns:x="urn:x">c2VjcmV0
    </x:EncryptedData></o:Security></s:Header><s:Body><GetUserAvailabilityRequest/></s:Body></s:Envelope>"""


@pytest.mark.parametrize(
    ("date", "skew", "is_expired"),
    [
        ("Thu, 22 Dec 2011 03:00:01 GMT", 1, None),
        ("Thu, 22 Dec 2011 03:10:00 GMT", 600, True),
        ("Thu, 22 Dec 2011 02:40:00 GMT", -1200, None),
        ("nonsense", None, None),
    ],
)
def test_the_clocks_of_both_sides_are_compared(date: str, skew: int | None, is_expired: bool | None) -> None:  # noqa: FBT001
    asked = secured("2011-12-22T03:00:00.123Z", "2011-12-22T03:05:00Z")
    soap = annotate(f"{EWS}/WSSecurity", asked, None, fields=(XML, ("Date", date)))["soap"]
    assert (soap.get("clock_skew_s"), soap.get("is_security_expired")) == (skew, is_expired)
    assert soap["has_encrypted_assertion"] is True


def test_an_assertion_in_the_clear_says_who_issued_it_for_whom_and_how_long() -> None:
    asked = secured("2011-12-22T03:00:00Z", "2011-12-22T03:05:00Z").replace(
        "</o:Security>", assertion() + "</o:Security>"
    )
    annotations = annotate(f"{EWS}/WSSecurity", asked, None)
    facts = annotations["soap"]["assertion"]
    assert facts["issuer"] == "http://sts.contoso.com/adfs/services/trust"
    assert facts["audiences"] == ["urn:federation:MicrosoftOnline"]
    assert (facts["not_before"], facts["not_on_or_after"]) == ("2026-01-01T00:00:00Z", "2026-01-01T01:00:00Z")
    assert SECRET not in str(annotations)
    assert "assertion" not in annotate(f"{EWS}/WSSecurity", secured("a", "b"), None)["soap"]


def test_an_mrs_operation_is_named_and_its_fault_quoted() -> None:
    asked = f"""<s:Envelope {S} xmlns:a="http://www.w3.org/2005/08/addressing"><s:Header><a:Action>
    http://tempuri.org/IMailboxReplicationProxyService/ExchangeVersionInformation</a:Action><a:MessageID>urn:uuid:1
    </a:MessageID></s:Header><s:Body/></s:Envelope>"""
    answer = f"""<s:Envelope {S}><s:Body><s:Fault><faultcode>s:Server</faultcode><faultstring>The limit
    MaxMRSConnections is reached.</faultstring></s:Fault></s:Body></s:Envelope>"""
    mrs = annotate("/EWS/mrsproxy.svc", asked, answer, status=500)["mrs"]
    assert (mrs["operation"], mrs["message_id"]) == ("ExchangeVersionInformation", "urn:uuid:1")
    assert mrs["is_too_busy"] is True
    assert mrs["summary"] == (
        "MRS proxy ExchangeVersionInformation -> Fault Server: The limit MaxMRSConnections is reached."
    )


def test_an_mrs_operation_in_binary_is_named_by_its_content_type() -> None:
    fields = (("Content-Type", 'application/soap+msbin1; action="http://tempuri.org/I/Mailbox_Connect"'),)
    request = HttpRequest("POST", "/EWS/mrsproxy.svc", "HTTP/1.1", fields, span(1), content_length=700)
    mrs = annotate_http(request, HttpResponse(404, "", "HTTP/1.1", (), span(2)))["mrs"]
    assert mrs == {
        "operation": "Mailbox_Connect",
        "encoding": "binary",
        "request_length": 700,
        "response_length": 0,
        "summary": "MRS proxy Mailbox_Connect -> HTTP 404",
    }


JSON = (("Content-Type", "application/json"),)


@pytest.mark.parametrize(
    ("target", "answer", "expected", "summary"),
    [
        (
            "/autodiscover/autodiscover.json/v1.0/avery%40contoso.com?Protocol=ActiveSync",
            {"Protocol": "ActiveSync", "Url": "https://mail.contoso.com/Microsoft-Server-ActiveSync"},
            {"protocol": "ActiveSync", "url": "https://mail.contoso.com/Microsoft-Server-ActiveSync"},
            "Autodiscover v2 avery@contoso.com -> ActiveSync https://mail.contoso.com/Microsoft-Server-ActiveSync",
        ),
        (
            "/autodiscover/autodiscover.json?Email=avery@contoso.com&Protocol=Ews&RedirectCount=1",
            {"ErrorCode": "UserNotFound", "ErrorMessage": "The user is not there."},
            {"protocol": "Ews", "error_code": "UserNotFound", "redirect_count": "1"},
            "Autodiscover v2 avery@contoso.com -> error UserNotFound: The user is not there.",
        ),
    ],
)
def test_autodiscover_v2_is_read(target: str, answer: dict[str, str], expected: dict[str, str], summary: str) -> None:
    facts = annotate(target, None, json.dumps(answer), fields=JSON, method="GET")["autodiscover"]
    assert (facts["kind"], facts["email_address"]) == ("v2", "avery@contoso.com")
    assert {key: facts[key] for key in expected} == expected
    assert facts["summary"] == summary


@given(st.binary(max_size=50), st.text(max_size=30))
def test_nothing_makes_autodiscover_v2_or_legacy_free_busy_fail(data: bytes, text: str) -> None:
    for found in (
        annotate(f"/autodiscover/autodiscover.json?{text}", None, data, fields=JSON, method="GET"),
        annotate(f"/public/?cmd=freebusy&{text}", None, data, method="GET"),
        annotate("/public/?cmd=freebusy", None, b"<response><item><fbdata>" + data, method="GET"),
    ):
        assert json.loads(json.dumps(found)) == found


def test_free_busy_of_public_folders_tells_whom_and_how_many_are_known() -> None:
    answer = """<a:response xmlns:a="WM"><a:recipients><a:item><a:email type="SMTP">avery@contoso.com</a:email>
    <a:fbdata>0022</a:fbdata></a:item><a:item><a:fbdata>4444</a:fbdata></a:item></a:recipients></a:response>"""
    window = "start=2011-12-22T00:00:00&end=2011-12-23T00:00:00&interval=30"
    target = f"/public/?cmd=freebusy&{window}&u=SMTP:avery@contoso.com&u=SMTP:b@x.de"
    facts = annotate(target, None, answer, method="GET")["freebusy"]
    assert facts["mailboxes"] == ["avery@contoso.com", "b@x.de"]
    assert (facts["window_start"], facts["interval_minutes"]) == ("2011-12-22T00:00:00", "30")
    assert (facts["known"], facts["unknown"]) == (1, 1)
    assert facts["summary"] == "Free/busy of public folders of avery@contoso.com, b@x.de -> 1 known, 1 unknown"


def test_the_folder_of_free_busy_is_known_and_other_folders_are_not() -> None:
    organization = "EX:_xF8FF_o=x_xF8FF_ou=EXTERNAL%20(FYDIBOHF25SPDLT)"
    folder = f"/public/NON_IPM_SUBTREE/SCHEDULE%2B%20FREE%20BUSY/{organization}/USER-a.EML"
    assert annotate(folder, None, None, method="PROPFIND")["freebusy"]["is_external_organization"] is True
    assert "freebusy" not in annotate("/public/Team/Inbox", None, None, method="GET")
