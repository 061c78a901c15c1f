"""Autodiscover in plain XML (POX): the Outlook schema and the ActiveSync one (MS-OXDSCLI, MS-ASCMD section 2.2.2.1).

The annotation `autodiscover` has these keys, each only where it says something; `autodiscover_soap` shares the first:

- `kind`: "pox", "soap" or "v2" (JSON); `email_address` asked for; `error_code`, `message`; `redirect_address`,
  `redirect_url`; `summary`: one line
- `schema`: "outlook" or "mobilesync"; `legacy_dn`; `acceptable_response_schema`; `mapi_http_capability`
- `display_name`, `autodiscover_smtp_address`, `user_legacy_dn`, `deployment_id`, `account_type`, `microsoft_online`
- `action`: what the server wants (settings, redirectAddr, redirectUrl; redirect and error of the ActiveSync schema)
- `error_time`, `error_id`, `debug_data`; `status` (ActiveSync)
- `protocols`: one dict each: `type`, `server`, `server_version` (hexadecimal), `server_build` ("15.1.2113"), `port`,
  `ssl`, `auth_package`, `cert_principal_name`, and URLs
  (`as_url`, `ews_url`, `oof_url`, `oab_url`, `ecp_url`, `um_url`, `mail_store_internal_url`, `mail_store_external_url`,
  `address_book_internal_url`, `internal_owa_url`, `external_owa_url`, ...)
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from tlsdecrypt.app.xml import attribute, elements, find, find_all, local_name, put, text_at, text_of

if TYPE_CHECKING:
    from lxml.etree import _Element

MAX_PROTOCOLS = 20

_SETTINGS = {
    "Type": "type",
    "Server": "server",
    "ServerVersion": "server_version",
    "ServerExclusiveConnect": "server_exclusive_connect",
    "Port": "port",
    "SSL": "ssl",
    "AuthPackage": "auth_package",
    "CertPrincipalName": "cert_principal_name",
    "LoginName": "login_name",
    "Url": "url",
    "Name": "name",
    "ASUrl": "as_url",
    "EwsUrl": "ews_url",
    "EmwsUrl": "emws_url",
    "SharingUrl": "sharing_url",
    "EcpUrl": "ecp_url",
    "OOFUrl": "oof_url",
    "UMUrl": "um_url",
    "OABUrl": "oab_url",
    "OWAUrl": "owa_url",
    "InternalUrl": "internal_url",
    "ExternalUrl": "external_url",
}
_VERSION = re.compile(r"[0-9A-Fa-f]{8}")
_KINDS = {"pox": "POX", "soap": "SOAP", "v2": "v2"}
_GROUPS = {"MailStore": "mail_store", "AddressBook": "address_book", "Internal": "internal", "External": "external"}


def is_autodiscover_pox(root: _Element | None) -> bool:
    """Whether the root element is one of POX Autodiscover, whatever its namespace."""
    return root is not None and local_name(root) == "Autodiscover"


def annotate_autodiscover_pox(
    request: _Element | None, response: _Element | None, mapi_http_capability: str | None, status: str
) -> dict[str, Any]:
    """The annotation of a POX exchange.

    `mapi_http_capability` is the X-MapiHttpCapability field of the request; `status` stands in for an answer that was
    not read.
    """
    facts: dict[str, Any] = {"kind": "pox"}
    _put_request(facts, find(request, "Request"))
    put(facts, mapi_http_capability=mapi_http_capability)
    answer = find(response, "Response")
    if answer is not None:
        _put_account(facts, answer)
        _put_mobile(facts, answer)
        _put_error(facts, next(find_all(answer, "Error"), None))
    facts["summary"] = summarize(facts, status)
    return facts


def _put_request(facts: dict[str, Any], request: _Element | None) -> None:
    schema = text_at(request, "AcceptableResponseSchema")
    put(
        facts,
        email_address=text_at(request, "EMailAddress"),
        legacy_dn=text_at(request, "LegacyDN"),
        acceptable_response_schema=schema,
        schema=("mobilesync" if "/mobilesync/" in schema else "outlook") if schema else None,
    )


def _put_account(facts: dict[str, Any], answer: _Element) -> None:
    user, account = find(answer, "User"), find(answer, "Account")
    protocols = [each for each in elements(account) if local_name(each) == "Protocol"]
    put(
        facts,
        display_name=text_at(user, "DisplayName"),
        autodiscover_smtp_address=text_at(user, "AutoDiscoverSMTPAddress"),
        user_legacy_dn=text_at(user, "LegacyDN"),
        deployment_id=text_at(user, "DeploymentId"),
        account_type=text_at(account, "AccountType"),
        action=text_at(account, "Action"),
        microsoft_online=text_at(account, "MicrosoftOnline"),
        redirect_address=text_at(account, "RedirectAddr"),
        redirect_url=text_at(account, "RedirectUrl"),
        protocols=[_protocol(each) for each in protocols[:MAX_PROTOCOLS]],
    )


def _protocol(element: _Element) -> dict[str, str]:
    facts: dict[str, str] = {}
    if kind := attribute(element, "Type"):
        facts["type"] = kind
    for child in elements(element):
        name = local_name(child)
        if name in _SETTINGS:
            _put_setting(facts, _SETTINGS[name], child)
        elif name in _GROUPS:
            _put_group(facts, _GROUPS[name], child)
    build = server_build(facts.get("server_version"))
    return {**facts, "server_build": build} if build else facts


def server_build(version: str | None) -> str | None:
    """`15.1.2113` of `73C18841`, None for anything else (MS-OXDSCLI section 2.2.4.1.1.2.6.43, ServerVersion)."""
    if version is None or _VERSION.fullmatch(version) is None:
        return None
    number = int(version, 16)
    return f"{number >> 22 & 0x3F}.{number >> 16 & 0x3F}.{number & 0x7FFF}"


def _put_group(facts: dict[str, str], prefix: str, group: _Element) -> None:
    """MailStore, and the Internal and External parts of the WEB protocol, which hold a Protocol of their own."""
    for child in group.iter():
        if isinstance(child.tag, str) and local_name(child) in _SETTINGS and len(child) == 0:
            _put_setting(facts, f"{prefix}_{_SETTINGS[local_name(child)]}", child)


def _put_setting(facts: dict[str, str], key: str, element: _Element) -> None:
    text = text_of(element)
    if text is not None:
        facts.setdefault(key, text)


def _put_mobile(facts: dict[str, Any], answer: _Element) -> None:
    """The answer in the ActiveSync schema: settings, a redirect to another address, or an error with a status."""
    action = find(answer, "Action")
    if action is None:
        return
    servers = [each for each in find_all(find(action, "Settings"), "Server") if len(each)]
    put(
        facts,
        schema="mobilesync",
        action=next((local_name(each).lower() for each in elements(action)), None),
        redirect_address=text_at(action, "Redirect"),
        status=text_at(action, "Error", "Status") or text_at(action, "Status"),
        protocols=[_protocol(each) for each in servers[:MAX_PROTOCOLS]],
    )


def _put_error(facts: dict[str, Any], error: _Element | None) -> None:
    put(
        facts,
        error_code=text_at(error, "ErrorCode"),
        message=text_at(error, "Message"),
        error_time=attribute(error, "Time"),
        error_id=attribute(error, "Id"),
        debug_data=text_at(error, "DebugData"),
    )


def summarize(facts: dict[str, Any], status: str) -> str:
    """One line for either kind; `status` where no answer was read."""
    asked = facts.get("email_address") or facts.get("domain") or facts.get("legacy_dn") or "request not read"
    operation = f" {facts['operation']}" if "operation" in facts else ""
    kind = _KINDS[facts["kind"]]
    return f"Autodiscover {kind}{operation} {asked} -> {_outcome(facts) or status}"


def _outcome(facts: dict[str, Any]) -> str | None:
    redirect = facts.get("redirect_address") or facts.get("redirect_url")
    if redirect:
        return f"redirect to {redirect}"
    code = facts.get("error_code") or facts.get("status")
    if code and code != "NoError":
        return f"error {code}: {facts['message']}" if "message" in facts else f"error {code}"
    if "protocols" in facts:
        kinds = [f"{each.get('type', '?')} {each.get('server') or each.get('url', '')}" for each in facts["protocols"]]
        return f"settings: {', '.join(each.strip() for each in kinds)}"
    if "url" in facts:
        return f"{facts.get('protocol', '')} {facts['url']}".lstrip()
    return code or facts.get("action")
