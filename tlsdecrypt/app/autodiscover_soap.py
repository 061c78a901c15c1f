"""Autodiscover over SOAP (MS-OXWSADISC): GetUserSettings, GetDomainSettings, GetFederationInformation.

The annotation `autodiscover` has, beside the keys that `autodiscover` names for both kinds:

- `operation`; `requested_server_version`; `server_version`; `token_auth`: what the path asks for (`wssecurity`,
  `wssecurity/symmetrickey`, `wssecurity/x509cert`)
- `mailboxes`, `domains`: all that were asked for; `domain`: the first; `requested_settings`
- `error_code`, `message`: the worst of the four levels (the first error from outside in, else NoError);
  `response_error_code`: that of the outermost level
- `results`, one dict for each user or domain: `mailbox` or `domain` (paired by index), `error_code`, `message`,
  `redirect_target`, `settings` {name: value}, `setting_errors` [{name, error_code, message}]
- `application_uri`, `federated_domains`, `token_issuers` [{endpoint, uri}] of GetFederationInformation
- `is_fault` where the error stood in a SOAP fault
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tlsdecrypt.app.autodiscover import summarize
from tlsdecrypt.app.xml import attribute, elements, find, find_all, local_name, put, text_at, text_of

if TYPE_CHECKING:
    from lxml.etree import _Element

    from tlsdecrypt.app.soap import Envelope

MAX_LISTED = 100
NAMESPACE = "schemas.microsoft.com/exchange/2010/autodiscover"

_NO_ERROR = "NoError"


def is_autodiscover_soap(envelope: Envelope | None) -> bool:
    """Whether the Body holds a message of Autodiscover, by its namespace (in `http` or `https`)."""
    return envelope is not None and envelope.content is not None and NAMESPACE in envelope.content.tag.lower()


def annotate_autodiscover_soap(
    request: Envelope | None, response: Envelope | None, path: str, status: str
) -> dict[str, Any]:
    """The annotation of a SOAP exchange.

    `path` is that of the request target; `status` stands in for an answer that was not read.
    """
    facts: dict[str, Any] = {"kind": "soap"}
    put(facts, operation=_operation(request) or _operation(response), token_auth=_token_auth(path))
    if request:
        _put_request(facts, request)
    if response and response.fault:
        fault = response.fault
        put(facts, is_fault=True, error_code=fault.subcode or fault.code, message=fault.reason)
    elif response and response.content is not None:
        _put_response(facts, response.content)
    if response:
        put(facts, server_version=_server_version(find(response.header, "ServerVersionInfo")))
    facts["summary"] = summarize(facts, status)
    return facts


def _operation(envelope: Envelope | None) -> str | None:
    """The last segment of wsa:Action, else the name of the Body's child, without what says request or answer."""
    if envelope is None:
        return None
    name = (text_at(envelope.header, "Action") or "").rpartition("/")[2]
    if not name and envelope.content is not None and not envelope.fault:
        name = local_name(envelope.content)
    for suffix in ("Message", "Request", "Response"):
        name = name.removesuffix(suffix)
    return name or None


def _token_auth(path: str) -> str | None:
    _, found, rest = path.lower().partition("/wssecurity")
    return f"wssecurity{rest}"[:40] if found else None


def _put_request(facts: dict[str, Any], envelope: Envelope) -> None:
    body = envelope.body
    mailboxes, domains = _texts(body, "Mailbox"), _texts(body, "Domain")
    put(
        facts,
        requested_server_version=text_at(envelope.header, "RequestedServerVersion"),
        email_address=mailboxes[0] if mailboxes else None,
        mailboxes=mailboxes,
        domain=domains[0] if domains else None,
        domains=domains,
        requested_settings=_texts(body, "Setting"),
    )


def _texts(parent: _Element | None, name: str) -> list[str]:
    return [text for each in find_all(parent, name) if (text := text_of(each))][:MAX_LISTED]


def _server_version(info: _Element | None) -> str | None:
    names = ("MajorVersion", "MinorVersion", "MajorBuildNumber", "MinorBuildNumber")
    numbers = [attribute(info, name) or text_at(info, name) for name in names]
    return ".".join(each for each in numbers if each) or None


def _put_response(facts: dict[str, Any], content: _Element) -> None:
    response = find(content, "Response")
    asked = facts.get("mailboxes") or facts.get("domains") or []
    kind = "mailbox" if "mailboxes" in facts else "domain"
    holders = [each for name in ("UserResponse", "DomainResponse") for each in find_all(response, name)]
    results = [_result(each) for each in holders[:MAX_LISTED]]
    for name, result in zip(asked, results, strict=False):
        result[kind] = name
    outer = text_at(response, "ErrorCode")
    put(facts, response_error_code=outer, results=results, federated_domains=_federated(response))
    put(
        facts,
        application_uri=text_at(response, "ApplicationUri"),
        token_issuers=[_issuer(each) for each in find_all(response, "TokenIssuer")][:MAX_LISTED],
    )
    _put_worst(facts, [{"error_code": outer, "message": text_at(response, "ErrorMessage")}, *results])
    _put_redirect(facts, results)


def _federated(response: _Element | None) -> list[str]:
    return _texts(find(response, "Domains"), "Domain")


def _issuer(element: _Element) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    put(facts, endpoint=text_at(element, "Endpoint"), uri=text_at(element, "Uri"))
    return facts


def _result(element: _Element) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    errors = [*find_all(element, "UserSettingError"), *find_all(element, "DomainSettingError")]
    put(
        facts,
        error_code=text_at(element, "ErrorCode"),
        message=text_at(element, "ErrorMessage"),
        redirect_target=text_at(element, "RedirectTarget"),
        settings=_settings(element),
        setting_errors=[_setting_error(each) for each in errors[:MAX_LISTED]],
    )
    return facts


def _settings(element: _Element) -> dict[str, str]:
    """Name and value of each setting; of one that has no Value (URLs, connections), all of its text."""
    settings: dict[str, str] = {}
    for each in [*find_all(element, "UserSetting"), *find_all(element, "DomainSetting")][:MAX_LISTED]:
        name = text_at(each, "Name")
        rest = [text for child in elements(each) if local_name(child) != "Name" and (text := text_of(child))]
        if name:
            settings[name] = " ".join(rest)
    return settings


def _setting_error(element: _Element) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    put(
        facts,
        name=text_at(element, "SettingName"),
        error_code=text_at(element, "ErrorCode"),
        message=text_at(element, "ErrorMessage"),
    )
    return facts


def _put_worst(facts: dict[str, Any], levels: list[dict[str, Any]]) -> None:
    """The first error from outside in: of the response, of a user or domain, of a setting."""
    inner = [error for each in levels for error in each.get("setting_errors", ())]
    worst = next((each for each in levels + inner if each.get("error_code") not in (None, _NO_ERROR)), levels[0])
    put(facts, error_code=worst.get("error_code"), message=worst.get("message"))


def _put_redirect(facts: dict[str, Any], results: list[dict[str, Any]]) -> None:
    for result in results:
        if "redirect_target" in result:
            is_url = "url" in result.get("error_code", "").lower()
            facts.setdefault("redirect_url" if is_url else "redirect_address", result["redirect_target"])
