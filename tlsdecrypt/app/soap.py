"""SOAP 1.1 and 1.2 envelopes, as far as every protocol over SOAP shares them.

The annotation `soap` has these keys, each only where it says something:

- `version`: "1.1" or "1.2"; `action`: wsa:Action of the request, else the SOAPAction field; `message_id`, `relates_to`,
  `to`: WS-Addressing; `request`, `response`: local name of the first element in the Body
- `fault_code`, `fault_subcode`, `fault_reason`, `fault_detail`: text of a Fault, without prefixes in the codes
- `security`: local names of what stands in wsse:Security of the request; `security_created`, `security_expires`: its
  wsu:Timestamp; `security_user`: the user name of a UsernameToken; `has_encrypted_assertion` (a federation
  token); `assertion`: what a SAML assertion says that stands there in the clear (see `saml`)
- `clock_skew_s`: by how many seconds the Date of the answer is later than Created of the request (negative: earlier);
  `is_security_expired`: that Date lies behind Expires
- `summary`: one line
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from tlsdecrypt.app.saml import assertion_facts
from tlsdecrypt.app.timestamps import parse_date_time, parse_http_date
from tlsdecrypt.app.xml import elements, find, find_all, local_name, put, text_at, text_of

if TYPE_CHECKING:
    from lxml.etree import _Element

MAX_SECURITY_TOKENS = 20

_VERSIONS = {
    "schemas.xmlsoap.org/soap/envelope/": "1.1",
    "www.w3.org/2003/05/soap-envelope": "1.2",
}


_ENCRYPTED = frozenset({"EncryptedData", "EncryptedAssertion"})


class Fault(NamedTuple):
    """A SOAP fault: code, first subcode, reason, and the detail element."""

    code: str | None
    subcode: str | None
    reason: str | None
    detail: _Element | None


class Envelope(NamedTuple):
    """The parts of an envelope; `content` is the first element of the Body."""

    version: str | None
    header: _Element | None
    body: _Element | None
    content: _Element | None
    fault: Fault | None


def parse_envelope(root: _Element | None) -> Envelope | None:
    """The envelope whose root element is given, None where it is none."""
    if root is None or local_name(root) != "Envelope":
        return None
    namespace = root.tag.rpartition("}")[0].partition("://")[2]
    body = find(root, "Body")
    content = next(elements(body), None)
    is_fault = content is not None and local_name(content) == "Fault"
    fault = _parse_fault(content) if content is not None and is_fault else None
    return Envelope(_VERSIONS.get(namespace), find(root, "Header"), body, content, fault)


def _parse_fault(fault: _Element) -> Fault:
    """SOAP 1.1 section 4.4, SOAP 1.2 part 1 section 5.4."""
    code = text_at(fault, "faultcode") or text_at(fault, "Code", "Value")
    subcode = text_at(fault, "Code", "Subcode", "Value")
    reason = text_at(fault, "faultstring") or text_at(fault, "Reason", "Text")
    detail = find(fault, "detail")
    return Fault(
        _unprefixed(code), _unprefixed(subcode), reason, detail if detail is not None else find(fault, "Detail")
    )


def _unprefixed(name: str | None) -> str | None:
    return name.rpartition(":")[2] if name else None


def annotate_soap(
    request: Envelope | None, response: Envelope | None, soap_action: str | None, status: str
) -> dict[str, Any]:
    """The annotation `soap`.

    `soap_action` is the field of the request; `status` stands in for an answer that was not read.
    """
    facts: dict[str, Any] = {}
    header = request.header if request else None
    put(
        facts,
        version=(request and request.version) or (response and response.version) or None,
        action=text_at(header, "Action") or (soap_action or "").strip('" ') or None,
        message_id=text_at(header, "MessageID"),
        relates_to=text_at(response.header if response else None, "RelatesTo"),
        to=text_at(header, "To"),
        request=_content_name(request),
        response=_content_name(response),
    )
    if response and response.fault:
        fault = response.fault
        detail = text_of(fault.detail)
        put(facts, fault_code=fault.code, fault_subcode=fault.subcode, fault_reason=fault.reason, fault_detail=detail)
    put_security(facts, find(header, "Security"))
    facts["summary"] = _summary(facts, status)
    return facts


def _content_name(envelope: Envelope | None) -> str | None:
    return local_name(envelope.content) if envelope and envelope.content is not None else None


def put_security(facts: dict[str, Any], security: _Element | None) -> None:
    """WS-Security: what kinds of tokens, and for how long; never a token."""
    user = next(find_all(security, "UsernameToken"), None)
    tokens = [local_name(each) for each in elements(security)][:MAX_SECURITY_TOKENS]
    put(
        facts,
        security=tokens,
        has_encrypted_assertion=not _ENCRYPTED.isdisjoint(tokens) or None,
        security_created=text_at(security, "Timestamp", "Created"),
        security_expires=text_at(security, "Timestamp", "Expires"),
        security_user=text_at(user, "Username"),
        assertion=assertion_facts(security) if "Assertion" in tokens else None,
    )


def put_clock_skew(facts: dict[str, Any], date: str | None) -> None:
    """Compare the Timestamp of WS-Security with the Date field of the answer: the clocks of both sides."""
    answered = parse_http_date(date)
    created = parse_date_time(facts.get("security_created"))
    expires = parse_date_time(facts.get("security_expires"))
    if answered is not None and created is not None:
        facts["clock_skew_s"] = answered - created
    if answered is not None and expires is not None and answered > expires:
        facts["is_security_expired"] = True


def _summary(facts: dict[str, Any], status: str) -> str:
    asked = facts.get("request") or facts.get("action", "").rpartition("/")[2] or "request not read"
    answered = facts.get("response", status)
    if "fault_reason" in facts or "fault_code" in facts:
        code = facts.get("fault_subcode") or facts.get("fault_code", "")
        answered = f"Fault {code}: {facts.get('fault_reason', '')}".rstrip(": ")
    version = f" {facts['version']}" if "version" in facts else ""
    return f"SOAP{version} {asked} -> {answered}"
