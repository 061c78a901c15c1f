"""An annotator of XML: the annotations `soap`, `ews`, `autodiscover` and `xml` of an exchange whose content is XML.

One answer may hold several envelopes, one after the other: `soap` tells of the first, `ews` of all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tlsdecrypt.app.autodiscover import annotate_autodiscover_pox, is_autodiscover_pox
from tlsdecrypt.app.autodiscover_soap import annotate_autodiscover_soap, is_autodiscover_soap
from tlsdecrypt.app.endpoint import AUTODISCOVER_POX, AUTODISCOVER_SOAP, EWS
from tlsdecrypt.app.ews import annotate_ews
from tlsdecrypt.app.soap import annotate_soap, parse_envelope, put_clock_skew
from tlsdecrypt.app.xml import MAX_FAULTS, is_xml_type, parse_xml, split_documents

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
    answers = _roots(response, http.get("service"), faults)
    answered = answers[0] if answers else None
    status = f"HTTP {response.status}" if response is not None else "no answer seen"
    service = http.get("service")
    if is_autodiscover_pox(asked) or is_autodiscover_pox(answered):
        capability = http.get("x_mapihttpcapability")
        annotations["autodiscover"] = annotate_autodiscover_pox(asked, answered, capability, status)
    elif service != AUTODISCOVER_POX:
        path = request.target.partition("?")[0] if request is not None else ""
        envelopes = [found for each in answers if (found := parse_envelope(each)) is not None]
        annotations.update(_annotate_envelopes(parse_envelope(asked), envelopes, http, (path, status)))
    if faults:
        annotations["xml"] = {"faults": faults, "summary": "; ".join(faults)}


def _root(message: HttpRequest | HttpResponse | None, who: str, faults: list[str]) -> _Element | None:
    if message is None or not message.content:
        return None
    content_type = message.field("content-type")
    if content_type and not is_xml_type(content_type):
        return None
    return _parse(message.content, content_type, who, faults)


def _parse(data: bytes, content_type: str | None, who: str, faults: list[str]) -> _Element | None:
    root, found = parse_xml(data, content_type)
    if len(faults) < MAX_FAULTS:
        faults += [f"{who}: {fault}" for fault in found]
    return root


def _roots(response: HttpResponse | None, service: str | None, faults: list[str]) -> list[_Element]:
    """The root elements of the answer; only EWS sends several, and where it does, each ends with the same tag."""
    content = response.content if response is not None and service == EWS else None
    documents = split_documents(content) if content else []
    if response is None or len(documents) <= 1:
        root = _root(response, "response", faults)
        return [] if root is None else [root]
    content_type = response.field("content-type")
    if content_type and not is_xml_type(content_type):
        return []
    parsed = [_parse(each, content_type, "response", faults) for each in documents]
    return [each for each in parsed if each is not None]


def _annotate_envelopes(
    asked: Envelope | None, answers: list[Envelope], http: dict[str, Any], path_and_status: tuple[str, str]
) -> Annotations:
    """SOAP, and what it carried; the status stands in for an answer that was not read."""
    answered = answers[0] if answers else None
    if asked is None and answered is None:
        return {}
    path, status = path_and_status
    soap = annotate_soap(asked, answered, http.get("soapaction"), status)
    put_clock_skew(soap, http.get("date"))
    annotations = {"soap": soap}
    service = http.get("service")
    if service == AUTODISCOVER_SOAP or is_autodiscover_soap(asked) or is_autodiscover_soap(answered):
        annotations["autodiscover"] = annotate_autodiscover_soap(asked, answered, path, status)
    elif service == EWS or _is_ews(asked) or _is_ews(answered):
        ews = annotate_ews(asked, answers, http.get("user"), status)
        if ews:
            annotations["ews"] = ews
    return annotations


def _is_ews(envelope: Envelope | None) -> bool:
    return envelope is not None and envelope.content is not None and _EWS_NAMESPACE in envelope.content.tag
