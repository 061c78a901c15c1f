"""What a healthy Exchange front end says beside `exchange_answers`: notifications, free/busy, federation, moves.

Shapes after [MS-OXWSNTIF], [MS-OXWOOF], [MS-OXWAVLS] and [MS-OXWSADISC].
"""

from __future__ import annotations

from capture_lab.exchange_answers import AUTODISCOVER, MESSAGES, SOAP, TYPES, VERSION

SUBSCRIPTION = "JQBtYngwMS5jb250b3NvLmNvbRAAAABzYW1wbGU="
SUCCESS = 'ResponseClass="Success"><m:ResponseCode>NoError</m:ResponseCode>'


def _envelope(body: str) -> str:
    return (
        f'<?xml version="1.0" encoding="utf-8"?><s:Envelope xmlns:s="{SOAP}"><s:Header>{VERSION}</s:Header>'
        f'<s:Body xmlns:m="{MESSAGES}" xmlns:t="{TYPES}">{body}</s:Body></s:Envelope>'
    )


def _response(operation: str, inner: str) -> str:
    message = f"<m:{operation}ResponseMessage {SUCCESS}{inner}</m:{operation}ResponseMessage>"
    return _envelope(
        f"<m:{operation}Response><m:ResponseMessages>{message}</m:ResponseMessages></m:{operation}Response>"
    )


def subscribe() -> str:
    """Subscribe: an id, which is a key to the notifications."""
    return _response("Subscribe", f"<m:SubscriptionId>{SUBSCRIPTION}</m:SubscriptionId>")


def unsubscribe() -> str:
    """Unsubscribe."""
    return _response("Unsubscribe", "")


def streaming_events() -> list[str]:
    """GetStreamingEvents: one envelope after the other, until the server closes the connection."""
    event = (
        f"<m:Notifications><m:Notification><t:SubscriptionId>{SUBSCRIPTION}</t:SubscriptionId>"
        "<t:PreviousWatermark>AQ==</t:PreviousWatermark><t:MoreEvents>false</t:MoreEvents>"
        "<t:NewMailEvent><t:Watermark>AQ==</t:Watermark><t:TimeStamp>2024-05-13T08:00:00Z</t:TimeStamp>"
        '<t:ItemId Id="AAMkADsampleitem9000==" ChangeKey="CQAAABYAAAC"/>'
        '<t:ParentFolderId Id="AAMkADsamplefolder==" ChangeKey="AQAAAA=="/></t:NewMailEvent>'
        "</m:Notification></m:Notifications>"
    )
    status = "<m:ConnectionStatus>{}</m:ConnectionStatus>"
    parts = (status.format("OK"), event, event, status.format("Closed"))
    return [_response("GetStreamingEvents", part) for part in parts]


def oof_settings() -> str:
    """GetUserOofSettings: nobody is away."""
    reply = "<t:{0}Reply><t:Message/></t:{0}Reply>"
    return _envelope(
        f"<m:GetUserOofSettingsResponse><m:ResponseMessage {SUCCESS}</m:ResponseMessage><t:OofSettings>"
        "<t:OofState>Disabled</t:OofState><t:ExternalAudience>All</t:ExternalAudience><t:Duration>"
        "<t:StartTime>2024-05-13T00:00:00</t:StartTime><t:EndTime>2024-05-14T00:00:00</t:EndTime></t:Duration>"
        f"{reply.format('Internal')}{reply.format('External')}</t:OofSettings>"
        "<m:AllowExternalOof>All</m:AllowExternalOof></m:GetUserOofSettingsResponse>"
    )


def availability(count: int) -> str:
    """GetUserAvailability: every mailbox is shown."""
    one = (
        f"<m:FreeBusyResponse><m:ResponseMessage {SUCCESS}</m:ResponseMessage><m:FreeBusyView>"
        "<t:FreeBusyViewType>FreeBusyMerged</t:FreeBusyViewType><t:MergedFreeBusy>00220000</t:MergedFreeBusy>"
        "</m:FreeBusyView></m:FreeBusyResponse>"
    )
    array = f"<m:FreeBusyResponseArray>{one * count}</m:FreeBusyResponseArray>"
    return _envelope(f"<m:GetUserAvailabilityResponse>{array}</m:GetUserAvailabilityResponse>")


def federation_information() -> str:
    """GetFederationInformation: domains, and who issues tokens."""
    return (
        f'<?xml version="1.0" encoding="utf-8"?><s:Envelope xmlns:s="{SOAP}"><s:Body>'
        f'<GetFederationInformationResponseMessage xmlns="{AUTODISCOVER}"><Response><ErrorCode>NoError</ErrorCode>'
        "<ErrorMessage/><ApplicationUri>FYDIBOHF25SPDLT.contoso.com</ApplicationUri><Domains>"
        "<Domain>contoso.com</Domain><Domain>mail.contoso.com</Domain></Domains><TokenIssuers><TokenIssuer>"
        "<Endpoint>https://login.example.com/extSTS.srf</Endpoint><Uri>urn:federation:Example</Uri></TokenIssuer>"
        "</TokenIssuers></Response></GetFederationInformationResponseMessage></s:Body></s:Envelope>"
    )


def mrs_version() -> str:
    """The MRS proxy says which version it has, over SOAP 1.2."""
    return (
        '<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" '
        'xmlns:a="http://www.w3.org/2005/08/addressing"><s:Header><a:Action s:mustUnderstand="1">http://tempuri.org/'
        "IMailboxReplicationProxyService/ExchangeVersionInformationResponse</a:Action></s:Header><s:Body>"
        '<ExchangeVersionInformationResponse xmlns="http://tempuri.org/"/></s:Body></s:Envelope>'
    )
