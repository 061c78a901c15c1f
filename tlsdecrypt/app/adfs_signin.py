"""Sign-in in a browser: WS-Federation passive requests, SAML by redirect and post, home realm discovery.

The annotation `signin` has these keys, each only where it says something:

- `protocol` (`ws-federation`, `saml`, `home-realm`, `forms`), `action` (wa), `realm` (wtrealm: who shall get the
  token), `reply` (without query), `user` (of the form, or whose realm is asked for)
- `saml`: what a SAMLRequest or SAMLResponse says (see `saml`), `saml_binding` (`redirect`, `post`)
- `issued`: what a `wresult` says (see `wstrust.token_response_facts`)
- `error_codes` (`MSIS7012`), `error_text`: what the page tells the user
- of home realm discovery: `account_type` (`Federated`, `Managed`, `Unknown`), `domain`, `brand`, `sts` (where the
  domain's users sign in), `federation_protocol`
- `summary`: one line
"""

from __future__ import annotations

import json
import re
import zlib
from html import unescape
from typing import TYPE_CHECKING, Any

from tlsdecrypt.app.base64_text import decode_base64
from tlsdecrypt.app.form_parameters import MAX_LENGTH, form_of, query_of
from tlsdecrypt.app.saml import is_saml_message, saml_message_facts
from tlsdecrypt.app.wstrust import token_response_facts
from tlsdecrypt.app.xml import find_all, is_xml_type, local_name, parse_xml, put, text_of

if TYPE_CHECKING:
    from lxml.etree import _Element

    from tlsdecrypt.app.exchange import Annotations
    from tlsdecrypt.app.http import HttpRequest, HttpResponse

MAX_VALUE = 500  # characters
MAX_PAGE = 256 * 1024  # bytes of HTML in which errors and forms are sought
MAX_CODES = 10

_SIGN_IN = re.compile(r"/adfs/(?:ls|oauth2/authorize)(?:/|\Z)|/saml2(?:/|\Z)|/wsfed(?:/|\Z)", re.IGNORECASE)
_REALM = re.compile(r"/getuserrealm\.srf\Z|/userrealm(?:/([^/?]{1,320}))?\Z", re.IGNORECASE)
_ERROR_CODE = re.compile(r"\bMSIS\d{4}\b")
_ERROR_TEXT = re.compile(
    r"<(?:span|div|p|label)\b[^>]{0,200}\bid=[\"'](?:errorText|errorMessage|error)[\"'][^>]{0,200}>([^<]{1,1000})",
    re.IGNORECASE,
)
_HIDDEN = re.compile(
    r"<input\b([^<>]{0,300}?)\bname=[\"'](wresult|SAMLResponse)[\"'][^<>]{0,300}?value=([\"'])", re.IGNORECASE
)
_TOKENS = frozenset({"wresult", "samlresponse"})  # fields of forms that bring a token to whom it is for
_REALM_NAMES = {
    "namespacetype": "account_type", "account_type": "account_type", "domainname": "domain", "domain_name": "domain",
    "federationbrandname": "brand", "authurl": "sts", "federation_active_auth_url": "sts", "stsauthurl": "sts",
    "federation_metadata_url": "metadata", "federation_protocol": "federation_protocol",
    "federationprotocol": "federation_protocol", "login": "user",
}  # fmt: skip


def annotate(request: HttpRequest | None, response: HttpResponse | None, annotations: Annotations) -> None:
    """Add `signin` where the request is one of a browser that signs in, or asks where it shall, or brings a token."""
    path = request.target.partition("?")[0] if request is not None else ""
    facts: dict[str, Any] = {}
    realm = _REALM.search(path)
    if request is not None and realm:
        _put_realm(facts, request, response, realm[1])
    elif request is not None and _SIGN_IN.search(path):
        _put_request(facts, request)
        if response is not None and response.content:
            _put_page(facts, response.content)
    elif request is not None and request.method == "POST" and not _TOKENS.isdisjoint(form_of(request)):
        _put_request(facts, request)  # at a service that trusts the STS, as Outlook on the web may
    if facts:
        facts["summary"] = _summary(facts, response.status if response is not None else None)
        annotations["signin"] = facts


def _put_request(facts: dict[str, Any], request: HttpRequest) -> None:
    query, form = query_of(request), form_of(request)
    given = {**query, **form}
    if "wa" in given or "wtrealm" in given:
        facts["protocol"] = "ws-federation"
    for name in ("samlrequest", "samlresponse"):
        if name in given:
            _put_saml(facts, given[name], is_redirect=name in query)
    user = form.get("username") or form.get("ctl00$contentplaceholder1$usernametextbox")
    if user:
        facts.setdefault("protocol", "forms")
    put(
        facts,
        action=given["wa"][:MAX_VALUE] if given.get("wa") else None,
        realm=given["wtrealm"][:MAX_VALUE] if given.get("wtrealm") else None,
        reply=given["wreply"].partition("?")[0][:MAX_VALUE] if given.get("wreply") else None,
        user=user[:MAX_VALUE] if user else None,
    )
    if form.get("wresult"):
        _put_result(facts, form["wresult"])


def _put_saml(facts: dict[str, Any], text: str, *, is_redirect: bool) -> None:
    """SAML 2.0 bindings sections 3.4.4.1 (redirect: deflated) and 3.5.4 (post)."""
    facts["protocol"] = "saml"
    facts["saml_binding"] = "redirect" if is_redirect else "post"
    data = decode_base64(text, MAX_LENGTH)
    if is_redirect:
        data = _inflate(data)
    root, _ = parse_xml(data) if data else (None, [])
    if root is not None and is_saml_message(root):
        facts["saml"] = saml_message_facts(root)


def _inflate(data: bytes) -> bytes:
    try:
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(data, MAX_LENGTH)
    except zlib.error:
        return b""


def _put_result(facts: dict[str, Any], xml: str) -> None:
    """A `wresult`: RequestSecurityTokenResponse, or a collection of such."""
    root, _ = parse_xml(xml[:MAX_LENGTH].encode(), "text/xml; charset=utf-8")
    issued = next(find_all(root, "RequestSecurityTokenResponse"), None)
    if issued is not None:
        put(facts, issued=token_response_facts(issued))


def _put_page(facts: dict[str, Any], content: bytes) -> None:
    """The error that a page shows, or the form that carries the token on."""
    page = content[:MAX_PAGE].decode("utf-8", "replace")
    codes = list(dict.fromkeys(_ERROR_CODE.findall(page)))[:MAX_CODES]
    said = _ERROR_TEXT.search(page)
    text = " ".join(unescape(said[1]).split())[:MAX_VALUE] if said else ""
    put(facts, error_codes=codes, error_text=text or None)
    for hidden in _HIDDEN.finditer(page):
        value = unescape(page[hidden.end() : page.find(hidden[3], hidden.end())])
        if hidden[2].lower() == "wresult":
            _put_result(facts, value)
        else:
            _put_saml(facts, value, is_redirect=False)


def _put_realm(
    facts: dict[str, Any], request: HttpRequest, response: HttpResponse | None, user_in_path: str | None
) -> None:
    facts["protocol"] = "home-realm"
    given = {**query_of(request), **form_of(request)}
    user = given.get("login") or given.get("user") or user_in_path
    put(facts, user=user[:MAX_VALUE] if user else None)
    for name, value in _realm_values(response) if response is not None and response.content else ():
        told = _REALM_NAMES.get(name.lower())
        if told and value:
            facts.setdefault(told, (value.partition("?")[0] if told == "sts" else value)[:MAX_VALUE])


def _realm_values(response: HttpResponse) -> list[tuple[str, str]]:
    content = response.content or b""
    if content.lstrip()[:1] == b"{":
        try:
            document = json.loads(content[:MAX_PAGE])
        except (ValueError, RecursionError):
            return []
        return [(name, value) for name, value in document.items() if isinstance(value, str)]
    kind = response.field("content-type")
    if kind and not is_xml_type(kind):
        return []
    root, _ = parse_xml(content[:MAX_PAGE], kind)
    return [] if root is None else [(local_name(each), text_of(each) or "") for each in _leaves(root)]


def _leaves(root: _Element) -> list[_Element]:
    return [each for each in root.iter() if isinstance(each.tag, str) and not len(each)][:100]


def _summary(facts: dict[str, Any], status: int | None) -> str:
    protocol = facts.get("protocol", "page")
    if protocol == "home-realm":
        where = f" at {facts['sts']}" if "sts" in facts else ""
        return f"home realm of {facts.get('user', '?')}: {facts.get('account_type', 'not told')}{where}"
    parts = [f"sign-in ({protocol})"]
    parts += [f"to {facts['realm']}"] if "realm" in facts else []
    parts += [f"as {facts['user']}"] if "user" in facts else []
    parts += [_saml_summary(facts["saml"])] if "saml" in facts else []
    assertion = facts.get("issued", {}).get("assertion", {})
    parts += [f"token of {assertion['issuer']}"] if "issuer" in assertion else []
    error = ", ".join(facts.get("error_codes", ())) or facts.get("error_text", "")
    outcome = f"error {error}" if error else f"HTTP {status}" if status is not None else "no answer seen"
    return f"{' '.join(parts)} -> {outcome}"


def _saml_summary(message: dict[str, Any]) -> str:
    issuer = f" of {message['issuer']}" if "issuer" in message else ""
    status = f" ({message.get('substatus') or message['status']})" if "status" in message else ""
    return f"{message['message']}{issuer}{status}"
