"""What the stub Exchange front end says: bodies for EWS and Autodiscover, in the shapes that Microsoft documents.

Sources: "EWS operations", "ResponseCode" and "Autodiscover web service reference" of learn.microsoft.com, and
[MS-OXDSCLI] for Autodiscover POX.
"""

from __future__ import annotations

SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
MESSAGES = "http://schemas.microsoft.com/exchange/services/2006/messages"
TYPES = "http://schemas.microsoft.com/exchange/services/2006/types"
ERRORS = "http://schemas.microsoft.com/exchange/services/2006/errors"
AUTODISCOVER = "http://schemas.microsoft.com/exchange/2010/Autodiscover"
EWS_URL = "https://mail.contoso.com/EWS/Exchange.asmx"
BUSY = "The server cannot service this request right now. Try again later."
BACK_OFF_MILLISECONDS = 700
SEND_AS_DENIED = (
    "The user account which was used to submit this request does not have the right to send mail on behalf of the "
    "specified sending account."
)
VERSION = (
    f'<h:ServerVersionInfo xmlns:h="{TYPES}" MajorVersion="15" MinorVersion="1" MajorBuildNumber="2507" '
    'MinorBuildNumber="6" Version="V2017_07_11"/>'
)


def _envelope(body: str, header: str = VERSION) -> str:
    return (
        f'<?xml version="1.0" encoding="utf-8"?><s:Envelope xmlns:s="{SOAP}"><s:Header>{header}</s:Header>'
        f"<s:Body>{body}</s:Body></s:Envelope>"
    )


def _ews(operation: str, inner: str, message: str = "", code: str = "NoError") -> str:
    """A response of one message: Success without `message`, else Error."""
    text = f"<m:MessageText>{message}</m:MessageText>" if message else ""
    key = "<m:DescriptiveLinkKey>0</m:DescriptiveLinkKey>" if message else ""
    name = f"m:{operation}Response"
    return _envelope(
        f'<{name} xmlns:m="{MESSAGES}" xmlns:t="{TYPES}"><m:ResponseMessages>'
        f'<{name}Message ResponseClass="{"Error" if message else "Success"}">{text}'
        f"<m:ResponseCode>{code}</m:ResponseCode>{key}{inner}</{name}Message></m:ResponseMessages></{name}>"
    )


def get_folder(folder: str) -> str:
    """GetFolder: the one folder that was asked for by its distinguished name."""
    kind = "CalendarFolder" if folder == "calendar" else "Folder"
    klass = "IPF.Appointment" if folder == "calendar" else "IPF.Note"
    return _ews(
        "GetFolder",
        f'<m:Folders><t:{kind}><t:FolderId Id="AAMkADsample{folder}==" ChangeKey="AQAAABYAAAC{folder}"/>'
        f'<t:ParentFolderId Id="AAMkADsampleroot==" ChangeKey="AQAAAA=="/><t:FolderClass>{klass}</t:FolderClass>'
        f"<t:DisplayName>{folder.title()}</t:DisplayName><t:TotalCount>42</t:TotalCount>"
        f"<t:ChildFolderCount>1</t:ChildFolderCount></t:{kind}></m:Folders>",
    )


def find_item(count: int) -> str:
    """FindItem: `count` messages, all of them."""
    items = "".join(
        f'<t:Message><t:ItemId Id="AAMkADsampleitem{number:04}==" ChangeKey="CQAAABYAAAC{number:04}"/>'
        f"<t:Subject>Quarterly figures, part {number}</t:Subject></t:Message>"
        for number in range(count)
    )
    return _ews(
        "FindItem",
        f'<m:RootFolder IndexedPagingOffset="{count}" TotalItemsInView="{count}" IncludesLastItemInRange="true">'
        f"<t:Items>{items}</t:Items></m:RootFolder>",
    )


def create_item_denied() -> str:
    """CreateItem: the sender may not send as that address."""
    return _ews("CreateItem", "<m:Items/>", SEND_AS_DENIED, "ErrorSendAsDenied")


def server_busy() -> str:
    """The fault (HTTP 500) of a throttled caller."""
    return _envelope(
        f'<s:Fault><faultcode xmlns:a="{TYPES}">a:ErrorServerBusy</faultcode>'
        f'<faultstring xml:lang="en-US">{BUSY}</faultstring><detail>'
        f'<e:ResponseCode xmlns:e="{ERRORS}">ErrorServerBusy</e:ResponseCode>'
        f'<e:Message xmlns:e="{ERRORS}">{BUSY}</e:Message><t:MessageXml xmlns:t="{TYPES}">'
        f'<t:Value Name="BackOffMilliseconds">{BACK_OFF_MILLISECONDS}</t:Value></t:MessageXml></detail></s:Fault>'
    )


def get_user_availability() -> str:
    """GetUserAvailability for two mailboxes: the first answers, the second refuses."""
    refused = "The caller does not have access to free/busy data."
    return _envelope(
        f'<m:GetUserAvailabilityResponse xmlns:m="{MESSAGES}" xmlns:t="{TYPES}"><m:FreeBusyResponseArray>'
        '<m:FreeBusyResponse><m:ResponseMessage ResponseClass="Success"><m:ResponseCode>NoError</m:ResponseCode>'
        "</m:ResponseMessage><m:FreeBusyView><t:FreeBusyViewType>MergedOnly</t:FreeBusyViewType>"
        f"<t:MergedFreeBusy>{'0' * 18}2222{'0' * 26}</t:MergedFreeBusy></m:FreeBusyView></m:FreeBusyResponse>"
        f'<m:FreeBusyResponse><m:ResponseMessage ResponseClass="Error"><m:MessageText>{refused}</m:MessageText>'
        "<m:ResponseCode>ErrorNoFreeBusyAccess</m:ResponseCode><m:DescriptiveLinkKey>0</m:DescriptiveLinkKey>"
        "</m:ResponseMessage></m:FreeBusyResponse></m:FreeBusyResponseArray></m:GetUserAvailabilityResponse>"
    )


def get_server_time_zones() -> str:
    """GetServerTimeZones: UTC, which has one period and no transition but the first."""
    period = '<t:Period Bias="P0D" Name="Standard" Id="std"/>'
    to_period = '<t:To Kind="Period">std</t:To>'
    return _ews(
        "GetServerTimeZones",
        '<m:TimeZoneDefinitions><t:TimeZoneDefinition Name="(UTC) Coordinated Universal Time" Id="UTC">'
        f'<t:Periods>{period}</t:Periods><t:TransitionsGroups><t:TransitionsGroup Id="0"><t:Transition>{to_period}'
        "</t:Transition></t:TransitionsGroup></t:TransitionsGroups><t:Transitions><t:Transition>"
        '<t:To Kind="Group">0</t:To></t:Transition></t:Transitions></t:TimeZoneDefinition></m:TimeZoneDefinitions>',
    )


def get_user_settings(address: str) -> str:
    """Autodiscover SOAP GetUserSettings: where the mailbox is served."""
    settings = {
        "AutoDiscoverSMTPAddress": address,
        "ExternalEwsUrl": EWS_URL,
        "ExternalEwsVersion": "15.01.2507.000",
        "EwsSupportedSchemas": "Exchange2007, Exchange2010, Exchange2013, Exchange2016",
        "UserDisplayName": "Avery Doe",
    }
    listed = "".join(
        f'<UserSetting i:type="StringSetting"><Name>{name}</Name><Value>{value}</Value></UserSetting>'
        for name, value in settings.items()
    )
    header = (
        f'<w:Action s:mustUnderstand="1" xmlns:w="http://www.w3.org/2005/08/addressing">{AUTODISCOVER}/Autodiscover/'
        "GetUserSettingsResponse</w:Action>"
        f'<h:ServerVersionInfo xmlns:h="{AUTODISCOVER}"><h:MajorVersion>15</h:MajorVersion><h:MinorVersion>1'
        "</h:MinorVersion><h:MajorBuildNumber>2507</h:MajorBuildNumber><h:MinorBuildNumber>6</h:MinorBuildNumber>"
        "<h:Version>Exchange2015</h:Version></h:ServerVersionInfo>"
    )
    no_error = "<ErrorCode>NoError</ErrorCode><ErrorMessage/>"
    return _envelope(
        f'<GetUserSettingsResponseMessage xmlns="{AUTODISCOVER}" xmlns:i="http://www.w3.org/2001/XMLSchema-instance">'
        f"<Response>{no_error}<UserResponses><UserResponse>{no_error}<RedirectTarget/><UserSettingErrors/>"
        f"<UserSettings>{listed}</UserSettings></UserResponse></UserResponses></Response>"
        "</GetUserSettingsResponseMessage>",
        header,
    )


def _pox(response: str) -> str:
    schema = "http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006"
    return f'<?xml version="1.0" encoding="utf-8"?>\r\n<Autodiscover xmlns="{schema}">{response}</Autodiscover>'


def _pox_account(inner: str, user: str = "") -> str:
    schema = "http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a"
    return _pox(f'<Response xmlns="{schema}">{user}<Account>{inner}</Account></Response>')


def pox_settings(address: str) -> str:
    """Autodiscover POX: settings for an inner (EXCH), an outer (EXPR) and a web protocol."""
    user = (
        f"<User><DisplayName>Avery Doe</DisplayName><AutoDiscoverSMTPAddress>{address}</AutoDiscoverSMTPAddress>"
        "<LegacyDN>/o=Contoso/ou=Exchange Administrative Group (FYDIBOHF23SPDLT)/cn=Recipients/cn=avery</LegacyDN>"
        "<DeploymentId>6f4dd1f4-0000-4000-8000-000000000001</DeploymentId></User>"
    )
    urls = (
        f"<ASUrl>{EWS_URL}</ASUrl><EwsUrl>{EWS_URL}</EwsUrl><OOFUrl>{EWS_URL}</OOFUrl>"
        "<OABUrl>https://mail.contoso.com/OAB/6f4dd1f4/</OABUrl>"
    )
    return _pox_account(
        "<AccountType>email</AccountType><Action>settings</Action><MicrosoftOnline>False</MicrosoftOnline>"
        "<Protocol><Type>EXCH</Type><Server>7d1a6f2e-0b7c-4c1e-9a52-3f2a1f5b8d10@contoso.com</Server>"
        f"<AuthPackage>Anonymous</AuthPackage>{urls}</Protocol>"
        "<Protocol><Type>EXPR</Type><Server>mail.contoso.com</Server><SSL>On</SSL><AuthPackage>Basic</AuthPackage>"
        f"<CertPrincipalName>msstd:mail.contoso.com</CertPrincipalName>{urls}</Protocol>"
        '<Protocol><Type>WEB</Type><External><OWAUrl AuthenticationMethod="Fba">https://mail.contoso.com/owa/</OWAUrl>'
        "</External></Protocol>",
        user,
    )


def pox_redirect() -> str:
    """Autodiscover POX: ask again with an address that lives elsewhere."""
    return _pox_account("<Action>redirectAddr</Action><RedirectAddr>blake@contoso.mail.onmicrosoft.com</RedirectAddr>")


def pox_error() -> str:
    """Autodiscover POX: nobody has that address."""
    return _pox(
        '<Response><Error Time="09:14:02.1234567" Id="1054084152"><ErrorCode>500</ErrorCode>'
        "<Message>The email address can't be found.</Message><DebugData/></Error></Response>"
    )
