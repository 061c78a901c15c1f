"""An annotator of XML: the annotations `soap`, `ews`, `autodiscover` and `xml` of an exchange whose content is XML."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tlsdecrypt.app.autodiscover import annotate_autodiscover_pox, is_autodiscover_pox
from tlsdecrypt.app.autodiscover_soap import annotate_autodiscover_soap, is_autodiscover_soap
from tlsdecrypt.app.endpoint import AUTODISCOVER_POX, AUTODISCOVER_SOAP, EWS
from tlsdecrypt.app.ews import annotate_ews
from tlsdecrypt.app.soap import annotate_soap, parse_envelope
from tlsdecrypt.app.xml import is_xml_type, parse_xml

if TYPE_CHECKING:
    from lxml.etree import _Element

    from tlsdecrypt.app.exchange import Annotations
    from tlsdecrypt.app.http import HttpRequest, HttpResponse
    from tlsdecrypt.app.soap import Envelope

_EWS_NAMESPACE = "schemas.microsoft.com/exchange/services/2006/"


def annotate(request: HttpRequest | None, response: HttpResponse | None, annotations: Annotations) -> None:
    """Add what the XML of either side said; `annotations["http"]` tells who asks, and which service."""
    http = annotations["http"]
    faults: list[str] = []
    asked = _root(request, "request", faults)
    answered = _root(response, "response", faults)
    status = f"HTTP {response.status}" if response is not None else "no answer seen"
    service = http.get("service")
    if is_autodiscover_pox(asked) or is_autodiscover_pox(answered):
        capability = http.get("x_mapihttpcapability")
        annotations["autodiscover"] = annotate_autodiscover_pox(asked, answered, capability, status)
    elif service != AUTODISCOVER_POX:
        path = request.target.partition("?")[0] if request is not None else ""
        envelopes = (parse_envelope(asked), parse_envelope(answered))
        annotations.update(_annotate_envelopes(envelopes, http, path, status))
    if faults:
        annotations["xml"] = {"faults": faults, "summary": "; ".join(faults)}


def _root(message: HttpRequest | HttpResponse | None, who: str, faults: list[str]) -> _Element | None:
    if message is None or not message.content:
        return None
    content_type = message.field("content-type")
    if content_type and not is_xml_type(content_type):
        return None
    root, found = parse_xml(message.content, content_type)
    faults += [f"{who}: {fault}" for fault in found]
    return root


def _annotate_envelopes(
    envelopes: tuple[Envelope | None, Envelope | None], http: dict[str, Any], path: str, status: str
) -> Annotations:
    """SOAP, and what it carried."""
    asked, answered = envelopes
    if asked is None and answered is None:
        return {}
    annotations = {"soap": annotate_soap(asked, answered, http.get("soapaction"), status)}
    service = http.get("service")
    if service == AUTODISCOVER_SOAP or is_autodiscover_soap(asked) or is_autodiscover_soap(answered):
        annotations["autodiscover"] = annotate_autodiscover_soap(asked, answered, path, status)
    elif service == EWS or _is_ews(asked) or _is_ews(answered):
        ews = annotate_ews(asked, answered, http.get("user"), status)
        if ews:
            annotations["ews"] = ews
    return annotations


def _is_ews(envelope: Envelope | None) -> bool:
    return envelope is not None and envelope.content is not None and _EWS_NAMESPACE in envelope.content.tag
