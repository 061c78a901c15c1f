"""SAML assertions and messages: who states, for whom, how long; attribute names without values (SAML 1.1, 2.0)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tlsdecrypt.app.xml import attribute, find, find_all, local_name, put, text_at, text_of

if TYPE_CHECKING:
    from lxml.etree import _Element

MAX_AUDIENCES = 10
MAX_ATTRIBUTES = 50

_STATUS_PREFIX = "urn:oasis:names:tc:SAML:2.0:status:"


def assertion_facts(parent: _Element | None) -> dict[str, Any]:
    """The first assertion in or below an element; empty where there is none.

    Keys: `version`, `issuer`, `audiences`, `not_before`, `not_on_or_after`, `issued`, `name_format`, `method` (how the
    user proved who he is), `attributes` (names), `signature` (algorithm), `is_encrypted`.
    """
    if parent is None:
        return {}
    assertion = next(find_all(parent, "Assertion"), None)
    if assertion is None:
        is_encrypted = any(local_name(each) in ("EncryptedAssertion", "EncryptedData") for each in _all(parent))
        return {"is_encrypted": True} if is_encrypted else {}
    conditions = find(assertion, "Conditions")
    audiences = [text for each in find_all(conditions, "Audience") if (text := text_of(each))]
    facts: dict[str, Any] = {"version": "1.1" if assertion.get("MajorVersion") == "1" else "2.0"}
    put(
        facts,
        issuer=text_at(assertion, "Issuer") or attribute(assertion, "Issuer"),
        audiences=audiences[:MAX_AUDIENCES],
        not_before=attribute(conditions, "NotBefore"),
        not_on_or_after=attribute(conditions, "NotOnOrAfter"),
        issued=attribute(assertion, "IssueInstant"),
        name_format=_name_format(assertion),
        method=_method(assertion),
        attributes=_attribute_names(assertion),
        signature=_signature_algorithm(assertion),
    )
    return facts


def saml_message_facts(root: _Element) -> dict[str, Any]:
    """A protocol message (SAML 2.0 core section 3): AuthnRequest, Response, LogoutRequest ...

    Keys: `message` (its name), `id`, `issuer`, `destination`, `consumer` (where to answer), `in_response_to`,
    `status` and `substatus` (without their prefix), `status_message`, `assertion`.
    """
    status = find(root, "Status")
    code = find(status, "StatusCode")
    facts: dict[str, Any] = {"message": local_name(root)}
    put(
        facts,
        id=attribute(root, "ID"),
        issuer=text_at(root, "Issuer"),
        destination=attribute(root, "Destination"),
        consumer=attribute(root, "AssertionConsumerServiceURL"),
        in_response_to=attribute(root, "InResponseTo"),
        status=_status(code),
        substatus=_status(find(code, "StatusCode")),
        status_message=text_at(status, "StatusMessage"),
        assertion=assertion_facts(root),
    )
    return facts


def is_saml_message(root: _Element | None) -> bool:
    """Whether the root element is one of the SAML protocol."""
    return root is not None and ":SAML:2.0:protocol" in root.tag


def _all(parent: _Element) -> list[_Element]:
    return [each for each in parent.iter() if isinstance(each.tag, str)]


def _status(code: _Element | None) -> str | None:
    value = attribute(code, "Value")
    return value.removeprefix(_STATUS_PREFIX) if value else None


def _name_format(assertion: _Element) -> str | None:
    name = next(find_all(assertion, "NameID"), None)
    if name is None:
        name = next(find_all(assertion, "NameIdentifier"), None)
    return attribute(name, "Format")


def _method(assertion: _Element) -> str | None:
    reference = next(find_all(assertion, "AuthnContextClassRef"), None)
    if reference is not None:
        return text_of(reference)
    return attribute(next(find_all(assertion, "AuthenticationStatement"), None), "AuthenticationMethod")


def _attribute_names(assertion: _Element) -> list[str]:
    names = [attribute(each, "Name") or attribute(each, "AttributeName") for each in find_all(assertion, "Attribute")]
    return list(dict.fromkeys(name for name in names if name))[:MAX_ATTRIBUTES]


def _signature_algorithm(assertion: _Element) -> str | None:
    method = find(assertion, "Signature", "SignedInfo", "SignatureMethod")
    value = attribute(method, "Algorithm")
    return value.rpartition("#")[2] if value else None
