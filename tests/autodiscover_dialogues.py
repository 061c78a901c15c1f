"""Requests and answers of Autodiscover, written after [MS-OXDSCLI] and [MS-OXWSADISC]."""

from __future__ import annotations

from exchange_dialogues import ok, post, soap

POX = "/autodiscover/autodiscover.xml"
SVC = "/autodiscover/autodiscover.svc"
SCHEMA = "http://schemas.microsoft.com/exchange/autodiscover"
A = "xmlns:a='http://schemas.microsoft.com/exchange/2010/Autodiscover'"
AVERY = "avery@contoso.com"


def pox_question(address: str = AVERY) -> bytes:
    """The content of a POST."""
    return (
        f'<Autodiscover xmlns="{SCHEMA}/outlook/requestschema/2006"><Request><EMailAddress>{address}</EMailAddress>'
        f"<AcceptableResponseSchema>{SCHEMA}/outlook/responseschema/2006a</AcceptableResponseSchema></Request></Autodiscover>"
    ).encode()


def pox_request(address: str = AVERY, *fields: str, host: str = "autodiscover.contoso.com") -> bytes:
    """A POST."""
    return post(POX, pox_question(address), *fields, host=host)


def pox_response(inside: str) -> bytes:
    """The content of an answer."""
    return (
        f'<Autodiscover xmlns="{SCHEMA}/responseschema/2006"><Response xmlns="{SCHEMA}/outlook/responseschema/2006a">'
        f"{inside}</Response></Autodiscover>"
    ).encode()


def pox_error(code: int, text: str = "no") -> bytes:
    """An error inside of HTTP 200."""
    inside = f"<ErrorCode>{code}</ErrorCode><Message>{text}</Message><DebugData/>"
    return ok(pox_response(f"<Error Time='09:14:02.1' Id='1'>{inside}</Error>"))


def protocol(kind: str, server: str, **settings: str) -> str:
    """A Protocol element."""
    rest = "".join(f"<{name}>{value}</{name}>" for name, value in settings.items())
    return f"<Protocol><Type>{kind}</Type><Server>{server}</Server>{rest}</Protocol>"


def pox_settings(*protocols: str) -> bytes:
    """Settings."""
    return ok(
        pox_response(
            f"<Account><AccountType>email</AccountType><Action>settings</Action>{''.join(protocols)}</Account>"
        )
    )


EXCH = protocol("EXCH", "cas01.contoso.local", EwsUrl="https://cas01.contoso.local/ews/exchange.asmx")
EXPR = protocol("EXPR", "mail.contoso.com", SSL="On", EwsUrl="https://mail.contoso.com/ews/exchange.asmx")
GOOD = pox_settings(EXCH, EXPR)


def pox_redirect(address: str) -> bytes:
    """A redirect to another address."""
    return ok(pox_response(f"<Account><Action>redirectAddr</Action><RedirectAddr>{address}</RedirectAddr></Account>"))


def pox_redirect_url(url: str) -> bytes:
    """A redirect to another URL."""
    return ok(pox_response(f"<Account><Action>redirectUrl</Action><RedirectUrl>{url}</RedirectUrl></Account>"))


def soap_request(setting: str = "ExternalEwsUrl", address: str = AVERY, target: str = SVC, *fields: str) -> bytes:
    """GetUserSettings."""
    inside = (
        f"<a:GetUserSettingsRequestMessage {A}><a:Request><a:Users><a:User><a:Mailbox>{address}</a:Mailbox></a:User>"
        f"</a:Users><a:RequestedSettings><a:Setting>{setting}</a:Setting></a:RequestedSettings></a:Request>"
        f"</a:GetUserSettingsRequestMessage>"
    )
    return post(target, soap(inside), *fields, host="autodiscover.contoso.com")


def soap_response(user: str, code: str = "NoError") -> bytes:
    """Its answer, with what stands in the UserResponse."""
    return ok(
        soap(
            f"<a:GetUserSettingsResponseMessage {A}><a:Response><a:ErrorCode>{code}</a:ErrorCode><a:ErrorMessage/>"
            f"<a:UserResponses><a:UserResponse>{user}</a:UserResponse></a:UserResponses></a:Response>"
            f"</a:GetUserSettingsResponseMessage>"
        )
    )


def soap_settings(**settings: str) -> bytes:
    """Settings."""
    each = "".join(
        f"<a:UserSetting><a:Name>{name}</a:Name><a:Value>{value}</a:Value></a:UserSetting>"
        for name, value in settings.items()
    )
    return soap_response(f"<a:ErrorCode>NoError</a:ErrorCode><a:UserSettings>{each}</a:UserSettings>")


def soap_setting_error(name: str, code: str) -> bytes:
    """One setting is not given."""
    return soap_response(
        "<a:ErrorCode>NoError</a:ErrorCode><a:UserSettingErrors><a:UserSettingError>"
        f"<a:ErrorCode>{code}</a:ErrorCode><a:ErrorMessage>no</a:ErrorMessage><a:SettingName>{name}</a:SettingName>"
        "</a:UserSettingError></a:UserSettingErrors>"
    )


def federation_request(domain: str = "contoso.com", host: str = "autodiscover.contoso.com") -> bytes:
    """GetFederationInformation."""
    inside = (
        f"<a:GetFederationInformationRequestMessage {A}><a:Request><a:Domain>{domain}</a:Domain></a:Request>"
        "</a:GetFederationInformationRequestMessage>"
    )
    return post(SVC, soap(inside), "User-Agent: ASAutoDiscover/CrossForest/EmailDomain//14.02.0247.000", host=host)


def federation_response(code: str = "NoError") -> bytes:
    """Its answer."""
    return ok(
        soap(
            f"<a:GetFederationInformationResponseMessage {A}><a:Response><a:ErrorCode>{code}</a:ErrorCode>"
            "<a:ErrorMessage>no</a:ErrorMessage><a:Domains/></a:Response></a:GetFederationInformationResponseMessage>"
        )
    )
