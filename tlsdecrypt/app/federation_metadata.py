"""FederationMetadata.xml: who an STS is, and how long its certificates last (WS-Federation 1.2 section 3).

The annotation `federation_metadata` has these keys, each only where it says something: `entity_id`, `valid_until`,
`roles` (kinds of descriptors), `certificates` (each with `use`, `subject`, `not_before`, `not_after` as ISO 8601 UTC,
`sha1_thumbprint`, or `fault`; the same one is told once), `endpoints`, and a `summary`.
"""

from __future__ import annotations

import hashlib
import warnings
from typing import TYPE_CHECKING, Any

from tlsdecrypt.app.base64_text import decode_base64
from tlsdecrypt.app.xml import attribute, elements, find_all, local_name, long_text_of, parse_xml, put, text_of

if TYPE_CHECKING:
    from lxml.etree import _Element

    from tlsdecrypt.app.exchange import Annotations
    from tlsdecrypt.app.http import HttpRequest, HttpResponse

MAX_CERTIFICATES = 20
MAX_ENDPOINTS = 40

_XSI_TYPE = "{http://www.w3.org/2001/XMLSchema-instance}type"


def annotate(request: HttpRequest | None, response: HttpResponse | None, annotations: Annotations) -> None:  # noqa: ARG001  the same for all annotators
    """Add `federation_metadata` where the answer is such a document."""
    if response is None or not response.content or b"EntityDescriptor" not in _narrow(response.content):
        return
    root, _ = parse_xml(response.content, response.field("content-type"))
    if root is None or local_name(root) != "EntityDescriptor":
        return
    facts: dict[str, Any] = {}
    put(
        facts,
        entity_id=attribute(root, "entityID"),
        valid_until=attribute(root, "validUntil"),
        roles=_roles(root),
        certificates=_certificates(root),
        endpoints=_endpoints(root),
    )
    facts["summary"] = _summary(facts)
    annotations["federation_metadata"] = facts


def _narrow(content: bytes) -> bytes:
    """The start of the document; UTF-16 reads as ASCII."""
    return content[:8192].replace(b"\0", b"")


def _roles(root: _Element) -> list[str]:
    kinds = (each.get(_XSI_TYPE) or local_name(each) for each in elements(root))
    return list(
        dict.fromkeys(each.rpartition(":")[2][:100] for each in kinds if each.endswith(("Descriptor", "Type")))
    )[:10]


def _certificates(root: _Element) -> list[dict[str, Any]]:
    found: dict[bytes, dict[str, Any]] = {}
    for descriptor in find_all(root, "KeyDescriptor"):
        use = attribute(descriptor, "use") or "any"
        for each in find_all(descriptor, "X509Certificate"):
            der = decode_base64(long_text_of(each))
            if len(found) < MAX_CERTIFICATES:
                found.setdefault(der, {"use": use, **_validity(der)})
    return list(found.values())


def _validity(der: bytes) -> dict[str, Any]:
    from cryptography import x509  # noqa: PLC0415  only this document needs it

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of odd certificates: no news here
        try:
            certificate = x509.load_der_x509_certificate(der)
            return {
                "subject": certificate.subject.rfc4514_string()[:200],
                "not_before": certificate.not_valid_before_utc.strftime("%Y-%m-%dT%H:%M:%SZ"),
                "not_after": certificate.not_valid_after_utc.strftime("%Y-%m-%dT%H:%M:%SZ"),
                "sha1_thumbprint": hashlib.sha1(der, usedforsecurity=False).hexdigest().upper(),
            }
        except Exception:  # noqa: BLE001 - hostile input: the library's faults are not all documented
            return {"fault": "the certificate cannot be read"}


def _endpoints(root: _Element) -> list[str]:
    addresses = [text_of(each) for each in find_all(root, "Address")]
    addresses += [attribute(each, "Location") for each in find_all(root, "SingleSignOnService")]
    return [each for each in dict.fromkeys(addresses) if each][:MAX_ENDPOINTS]


def _summary(facts: dict[str, Any]) -> str:
    signing = [each for each in facts.get("certificates", ()) if each["use"] != "encryption" and "not_after" in each]
    until = f", signing certificate until {min(each['not_after'] for each in signing)}" if signing else ""
    return f"federation metadata of {facts.get('entity_id', 'nobody')}{until}"
