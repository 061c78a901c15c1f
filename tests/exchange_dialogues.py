"""HTTP dialogues of an Exchange world, as bytes, with bodies written after the protocol documents."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from packets import C, S, Scene, http_request, http_response, rules_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from packets import Say

ENVELOPE = (
    'xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" '
    'xmlns:m="http://schemas.microsoft.com/exchange/services/2006/messages" '
    'xmlns:t="http://schemas.microsoft.com/exchange/services/2006/types" '
    'xmlns:e="http://schemas.microsoft.com/exchange/services/2006/errors"'
)
XML = "Content-Type: text/xml; charset=utf-8"
HTML = "Content-Type: text/html; charset=utf-8"
FRONT_END = ("Server: Microsoft-IIS/8.5", "X-FEServer: CAS01", "request-id: 6a1f", "X-Powered-By: ASP.NET")
EWS = "/EWS/Exchange.asmx"


def basic(user: str) -> str:
    """An Authorization field."""
    return "Authorization: Basic " + base64.b64encode(f"{user}:Tr0ub4dor&3-marker".encode()).decode()


def soap(inside: str, header: str = "") -> bytes:
    """An envelope of SOAP 1.1."""
    head = f"<s:Header>{header}</s:Header>" if header else ""
    return f"<s:Envelope {ENVELOPE}>{head}<s:Body>{inside}</s:Body></s:Envelope>".encode()


def post(target: str, content: bytes, *fields: str, host: str = "mail.contoso.com") -> bytes:
    """A request."""
    return http_request(f"POST {target}", (XML, *fields), content, host)


def ok(content: bytes, *fields: str, status: str = "200 OK") -> bytes:
    """An answer of Exchange."""
    return http_response(status, (XML, *FRONT_END, *fields), content)


def ews_error(
    operation: str, code: str, text: str = "", message_xml: str = "", *, response_class: str = "Error"
) -> bytes:
    """The answer to an operation, with one failed part."""
    values = f"<m:MessageXml>{message_xml}</m:MessageXml>" if message_xml else ""
    return soap(
        f"<m:{operation}Response><m:ResponseMessages><m:{operation}ResponseMessage ResponseClass='{response_class}'>"
        f"<m:MessageText>{text}</m:MessageText><m:ResponseCode>{code}</m:ResponseCode>"
        f"<m:DescriptiveLinkKey>0</m:DescriptiveLinkKey>{values}</m:{operation}ResponseMessage>"
        f"</m:ResponseMessages></m:{operation}Response>"
    )


def ews_success(operation: str) -> bytes:
    """The answer to an operation that went well."""
    return ews_error(operation, "NoError", response_class="Success")


def ews_fault(code: str, text: str = "", values: str = "") -> bytes:
    """A SOAP fault as Exchange sends it with HTTP 500."""
    return soap(
        f"<s:Fault><faultcode>a:{code}</faultcode><faultstring>{text}</faultstring><detail>"
        f"<e:ResponseCode>{code}</e:ResponseCode><e:Message>{text}</e:Message>"
        f"<t:MessageXml>{values}</t:MessageXml></detail></s:Fault>"
    )


def availability(*addresses: str) -> bytes:
    """A question for free/busy."""
    data = "".join(
        f"<t:MailboxData><t:Email><t:Address>{each}</t:Address></t:Email></t:MailboxData>" for each in addresses
    )
    return soap(
        f"<m:GetUserAvailabilityRequest><m:MailboxDataArray>{data}</m:MailboxDataArray></m:GetUserAvailabilityRequest>"
    )


def free_busy(*parts: tuple[str, str]) -> bytes:
    """Its answer: code and text for each mailbox."""
    each = "".join(
        f"<m:FreeBusyResponse><m:ResponseMessage ResponseClass='{'Success' if code == 'NoError' else 'Error'}'>"
        f"<m:MessageText>{text}</m:MessageText><m:ResponseCode>{code}</m:ResponseCode></m:ResponseMessage>"
        f"</m:FreeBusyResponse>"
        for code, text in parts
    )
    return soap(
        f"<m:GetUserAvailabilityResponse><m:FreeBusyResponseArray>{each}</m:FreeBusyResponseArray></m:GetUserAvailabilityResponse>"
    )


def scene_of(*said: Say, **options: Any) -> Scene:
    """One connection, and silence."""
    scene = Scene()
    scene.dialogue(said, **options)
    scene.silence(5)
    return scene


def asked(*pairs: tuple[bytes, bytes | None], **options: Any) -> Scene:
    """One connection: requests, each with its answer."""
    return scene_of(*dialogue(pairs), **options)


def dialogue(pairs: Iterable[tuple[bytes, bytes | None]]) -> list[Say]:
    """Requests, each with its answer."""
    said: list[Say] = []
    for request, response in pairs:
        said.append(C(request))
        if response is not None:
            said.append(S(response))
    return said


def rules_in(scene: Scene, *families: str) -> set[str]:
    """The rules of some families that found something."""
    return {each for each in rules_of(scene) if each.partition(".")[0] in families}
