"""WS-Trust (1.3, 2005/02 and 2004/04): who asks which service for a token to show to whom, and what it answered.

The annotation `wstrust` has these keys, each only where it says something:

- `endpoint`: what follows `/services/trust/` in the path, in lower case (`13/usernamemixed`, `mex`), else the last
  segment (`extsts.srf`); `version`: `1.3`, `2005/02` or `2004/04`
- of the request: `request_type` (`Issue`), `token_type`, `key_type`, `applies_to`, `user` (of a UsernameToken),
  `has_on_behalf_of`, `has_act_as`
- of the answer: `response` (`RequestSecurityTokenResponse`, `...Collection`), `issued_type`, `created`, `expires`,
  `issued_for`, `assertion` (see `saml`)
- of a fault: `fault` (the innermost subcode, without prefix), `fault_codes` (all, from the outermost), `reason`,
  `codes` (`ID3242`, `MSIS3127`, `AADSTS50126` in reason and detail), `value`, `internal_code`, `internal_text`
  (psf:error of Microsoft's own STS)
- of mex: `services` (addresses that it names)
- `clock_skew_s`: as in `soap`
- `summary`: one line
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from tlsdecrypt.app.saml import assertion_facts
from tlsdecrypt.app.soap import parse_envelope
from tlsdecrypt.app.xml import (
    attribute,
    elements,
    find,
    find_all,
    is_xml_type,
    local_name,
    parse_xml,
    put,
    text_at,
    text_of,
)

if TYPE_CHECKING:
    from lxml.etree import _Element

    from tlsdecrypt.app.exchange import Annotations
    from tlsdecrypt.app.http import HttpRequest, HttpResponse
    from tlsdecrypt.app.soap import Envelope

MAX_CODES = 10
MAX_SERVICES = 40
SERVICES_SHOWN = 3  # in the summary

_REQUESTS = frozenset({"RequestSecurityToken", "RequestMultipleSecurityTokens", "RequestSecurityTokenCollection"})
_RESPONSES = frozenset({"RequestSecurityTokenResponse", "RequestSecurityTokenResponseCollection"})
_VERSIONS = (("ws-trust/200512", "1.3"), ("ws/2005/02/trust", "2005/02"), ("ws/2004/04/trust", "2004/04"))
_ENDPOINT = re.compile(r"/services/trust/(.{1,100})", re.IGNORECASE)
_LAST_SEGMENT = re.compile(r"/((?:extsts|rst2)\.srf)", re.IGNORECASE)
_CODE = re.compile(r"\b(?:ID\d{4}|MSIS\d{4}|AADSTS\d{4,8})\b")


def annotate(request: HttpRequest | None, response: HttpResponse | None, annotations: Annotations) -> None:
    """Add `wstrust` where either side speaks of tokens."""
    http, soap = annotations["http"], annotations.get("soap", {})
    endpoint = _endpoint(request.target if request is not None else "")
    if endpoint is None and not _is_trust(soap):
        return
    asked, answered = _root(request), _root(response)
    facts: dict[str, Any] = {}
    put(facts, endpoint=endpoint, user=soap.get("security_user"), clock_skew_s=soap.get("clock_skew_s"))
    _put_request(facts, parse_envelope(asked))
    envelope = parse_envelope(answered)
    _put_response(facts, envelope)
    if (envelope is None and answered is not None) or endpoint == "mex":
        _put_mex(facts, answered)
    if not facts:
        return
    status = f"HTTP {response.status}" if response is not None else "no answer seen"
    facts["summary"] = _summary(facts, status)
    annotations["wstrust"] = facts
    http.setdefault("service", "ws-trust")


def _endpoint(target: str) -> str | None:
    path = target.partition("?")[0][:512]
    found = _ENDPOINT.search(path) or _LAST_SEGMENT.search(path)
    return found[1].lower().rstrip("/") if found else None


def _is_trust(soap: dict[str, Any]) -> bool:
    """Whether the envelopes that `soap` tells of speak of tokens."""
    return (
        soap.get("request") in _REQUESTS
        or soap.get("response") in _RESPONSES
        or "/trust/RST/" in (soap.get("action") or "")
    )


def _root(message: HttpRequest | HttpResponse | None) -> _Element | None:
    if message is None or not message.content:
        return None
    content_type = message.field("content-type")
    return parse_xml(message.content, content_type)[0] if not content_type or is_xml_type(content_type) else None


def _put_request(facts: dict[str, Any], envelope: Envelope | None) -> None:
    content = envelope.content if envelope else None
    if content is None or local_name(content) not in _REQUESTS:
        return
    wanted = content if local_name(content) == "RequestSecurityToken" else next(elements(content), content)
    put(
        facts,
        version=_version(content),
        request_type=_last_segment(text_at(wanted, "RequestType")),
        token_type=text_at(wanted, "TokenType"),
        key_type=_last_segment(text_at(wanted, "KeyType")),
        applies_to=_applies_to(wanted),
        has_on_behalf_of=find(wanted, "OnBehalfOf") is not None or None,
        has_act_as=find(wanted, "ActAs") is not None or None,
    )


def _put_response(facts: dict[str, Any], envelope: Envelope | None) -> None:
    content = envelope.content if envelope else None
    if envelope is None or content is None:
        return
    if envelope.fault is not None:
        _put_fault(facts, content)
        return
    if local_name(content) not in _RESPONSES:
        return
    issued = content
    if local_name(content) != "RequestSecurityTokenResponse":
        issued = next(elements(content), content)
    facts["response"] = local_name(content)
    put(facts, **token_response_facts(issued))
    facts.setdefault("version", _version(content) or "1.3")


def token_response_facts(issued: _Element) -> dict[str, Any]:
    """What a RequestSecurityTokenResponse says of the token in it."""
    facts: dict[str, Any] = {}
    put(
        facts,
        issued_type=text_at(issued, "TokenType"),
        created=text_at(issued, "Lifetime", "Created"),
        expires=text_at(issued, "Lifetime", "Expires"),
        issued_for=_applies_to(issued),
        assertion=assertion_facts(find(issued, "RequestedSecurityToken")),
    )
    return facts


def _put_fault(facts: dict[str, Any], fault: _Element) -> None:
    """SOAP 1.2 nests subcodes: the innermost says most. Detail of Microsoft's own STS is psf:error."""
    codes: list[str] = []
    code = find(fault, "Code")
    while code is not None and len(codes) < MAX_CODES:
        codes.append((text_at(code, "Value") or "").rpartition(":")[2])
        code = find(code, "Subcode")
    if not codes:
        codes = [(text_at(fault, "faultcode") or "").rpartition(":")[2]]
    reason = text_at(fault, "Reason", "Text") or text_at(fault, "faultstring")
    detail = find(fault, "Detail")
    if detail is None:
        detail = find(fault, "detail")
    error = next(find_all(detail, "error"), None)
    internal = next(find_all(error, "internalerror"), None)
    said = f"{reason or ''} {text_of(detail) or ''}"
    put(
        facts,
        fault=next((each for each in reversed(codes) if each), None),
        fault_codes=[each for each in codes if each],
        reason=reason,
        codes=list(dict.fromkeys(_CODE.findall(said)))[:MAX_CODES],
        value=text_at(error, "value"),
        internal_code=text_at(internal, "code"),
        internal_text=text_at(internal, "text"),
    )


def _put_mex(facts: dict[str, Any], root: _Element | None) -> None:
    """The addresses that metadata (WSDL) names."""
    if root is None:
        return
    addresses = [attribute(each, "location") for each in find_all(root, "address")]
    addresses += [text_of(each) for each in find_all(root, "Address")]
    named = [each for each in dict.fromkeys(addresses) if each and "://" in each and "anonymous" not in each]
    put(facts, services=named[:MAX_SERVICES])


def _version(content: _Element) -> str | None:
    namespace = content.tag.rpartition("}")[0]
    return next((version for part, version in _VERSIONS if part in namespace), None)


def _applies_to(parent: _Element) -> str | None:
    scope = find(parent, "AppliesTo")
    return text_of(next(find_all(scope, "Address"), None)) or text_of(scope)


def _last_segment(uri: str | None) -> str | None:
    return uri.rstrip("/").rpartition("/")[2] if uri else None


def _summary(facts: dict[str, Any], status: str) -> str:
    what = f"WS-Trust {facts.get('endpoint') or facts.get('request_type', '')}".rstrip()
    who = f" for {facts['user']}" if "user" in facts else ""
    where = f" to {facts['applies_to']}" if "applies_to" in facts else ""
    return f"{what}{who}{where} -> {_answer(facts, status)}"


def _answer(facts: dict[str, Any], status: str) -> str:
    if "fault" in facts:
        return f"Fault {facts['fault']}: {facts.get('reason', '')}".rstrip(": ")
    if "services" in facts:
        return f"metadata of {', '.join(facts['services'][:SERVICES_SHOWN])}"
    if "response" not in facts:
        return status
    assertion = facts.get("assertion", {})
    issuer = f" by {assertion['issuer']}" if "issuer" in assertion else ""
    until = facts.get("expires") or assertion.get("not_on_or_after")
    return f"token issued{issuer}" + (f" until {until}" if until else "")
