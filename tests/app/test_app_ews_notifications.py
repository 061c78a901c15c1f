"""Notifications of EWS: several envelopes in one answer, which may go on for half an hour."""

from __future__ import annotations

from http_feeding import CLIENT, SERVER, run, span

from tlsdecrypt.app import xml
from tlsdecrypt.app.annotate import annotate_http
from tlsdecrypt.app.http import HttpRequest, HttpResponse

NAMESPACES = (
    'xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" '
    'xmlns:m="http://schemas.microsoft.com/exchange/services/2006/messages" '
    'xmlns:t="http://schemas.microsoft.com/exchange/services/2006/types"'
)
ASK = f"""<s:Envelope {NAMESPACES}><s:Body><m:GetStreamingEvents><m:SubscriptionIds>
<t:SubscriptionId>Tr0ub4dor-subscription</t:SubscriptionId></m:SubscriptionIds>
<m:ConnectionTimeout>30</m:ConnectionTimeout></m:GetStreamingEvents></s:Body></s:Envelope>""".encode()


def envelope(inside: str) -> bytes:
    """One envelope of an answer to GetStreamingEvents, as Exchange begins each (MS-OXWSNTIF section 3.1.4.3)."""
    return (
        f'<?xml version="1.0" encoding="utf-8"?><s:Envelope {NAMESPACES}><s:Body><m:GetStreamingEventsResponse>'
        f'<m:ResponseMessages><m:GetStreamingEventsResponseMessage ResponseClass="Success">'
        f"<m:ResponseCode>NoError</m:ResponseCode>{inside}</m:GetStreamingEventsResponseMessage></m:ResponseMessages>"
        f"</m:GetStreamingEventsResponse></s:Body></s:Envelope>"
    ).encode()


OPEN = envelope("<m:ConnectionStatus>OK</m:ConnectionStatus>")
CLOSED = envelope("<m:ConnectionStatus>Closed</m:ConnectionStatus>")
MAIL = envelope(
    "<m:Notifications><m:Notification><t:SubscriptionId>x</t:SubscriptionId><t:NewMailEvent><t:TimeStamp>t</t:TimeStamp>"
    "</t:NewMailEvent><t:CreatedEvent/></m:Notification></m:Notifications>"
)
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/xml; charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n"
POST = b"POST /EWS/Exchange.asmx HTTP/1.1\r\nHost: h\r\nContent-Type: text/xml\r\nContent-Length: %d\r\n\r\n" % len(ASK)


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def test_all_envelopes_of_a_stream_are_read() -> None:
    stream = b"".join(map(chunk, (OPEN, MAIL, MAIL, CLOSED)))
    [exchange] = run([(CLIENT, POST + ASK), (SERVER, HEAD + stream + b"0\r\n\r\n")])
    facts = exchange.annotations["ews"]
    assert facts["operation"] == "GetStreamingEvents"
    assert (facts["envelope_count"], facts["response_count"]) == (4, 4)
    assert facts["events"] == {"NewMail": 2, "Created": 2}
    assert facts["connection_status"] == "Closed"
    assert (facts["subscription_count"], facts["connection_timeout_minutes"]) == (1, 30)
    assert facts["summary"].endswith("-> Success NoError events: 2 NewMail, 2 Created connection Closed")
    assert "xml" not in exchange.annotations
    assert "Tr0ub4dor" not in repr(exchange.annotations)


def test_a_stream_that_outlasts_the_capture_tells_what_came() -> None:
    [exchange] = run([(CLIENT, POST + ASK), (SERVER, HEAD + chunk(OPEN)), (SERVER, chunk(MAIL)[:-20])])
    facts = exchange.annotations["ews"]
    assert facts["events"] == {"NewMail": 1, "Created": 1}
    assert facts["connection_status"] == "OK"
    assert exchange.faults


def test_lost_subscriptions_are_counted_and_not_named() -> None:
    answer = envelope("").replace(b'"Success"', b'"Error"').replace(b"NoError", b"ErrorInvalidSubscription")
    answer = answer.replace(
        b"</m:ResponseCode>",
        b"</m:ResponseCode><m:ErrorSubscriptionIds><t:SubscriptionId>Tr0ub4dor</t:SubscriptionId>"
        b"<t:SubscriptionId>b</t:SubscriptionId></m:ErrorSubscriptionIds>",
    )
    request = HttpRequest("POST", "/EWS/Exchange.asmx", "HTTP/1.1", (("Content-Type", "text/xml"),), span(1))
    response = HttpResponse(200, "", "HTTP/1.1", (("Content-Type", "text/xml"),), span(2), content=answer)
    facts = annotate_http(request, response)["ews"]
    assert (facts["lost_subscriptions"], facts["response_code"]) == (2, "ErrorInvalidSubscription")
    assert "Tr0ub4dor" not in repr(facts)


def test_a_subscription_tells_its_kind_and_its_events() -> None:
    asked = f"""<s:Envelope {NAMESPACES}><s:Body><m:Subscribe><m:PushSubscriptionRequest>
    <t:EventTypes><t:EventType>NewMailEvent</t:EventType><t:EventType>MovedEvent</t:EventType></t:EventTypes>
    <t:StatusFrequency>1</t:StatusFrequency><t:URL>https://app.contoso.com/in?token=Tr0ub4dor</t:URL>
    </m:PushSubscriptionRequest></m:Subscribe></s:Body></s:Envelope>""".encode()
    [exchange] = run([(CLIENT, POST.replace(b"%d" % len(ASK), b"%d" % len(asked)) + asked)])
    facts = exchange.annotations["ews"]
    assert facts["subscription"] == "push"
    assert facts["event_types"] == ["NewMailEvent", "MovedEvent"]
    assert facts["push_url"] == "https://app.contoso.com/in"


def test_documents_are_split_at_the_end_tag_of_the_root() -> None:
    assert xml.split_documents(b"<?xml version='1.0'?><a:b><a:b2/></a:b><a:b/></a:b >rest") == [
        b"<?xml version='1.0'?><a:b><a:b2/></a:b>",
        b"<a:b/></a:b >",
        b"rest",
    ]
    assert xml.split_documents(b"no markup") == [b"no markup"]
    assert len(xml.split_documents(b"<a></a>" * 2000)) == xml.MAX_DOCUMENTS
