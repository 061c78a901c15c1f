"""The table of annotators: which module says what an HTTP exchange of which service meant.

An annotator is a function `annotate(request, response, annotations)` that adds plain values, free of secrets, under the
name of its protocol. `annotations["http"]` is there when it runs; either side may be missing, and `content` is None
where it was not kept. A module is imported when the first exchange of its kind comes.
"""

from __future__ import annotations

from functools import lru_cache
from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from tlsdecrypt.app.endpoint import AUTODISCOVER_POX, AUTODISCOVER_SOAP, EWS
from tlsdecrypt.app.xml import is_xml_type

if TYPE_CHECKING:
    from collections.abc import Callable

    from tlsdecrypt.app.exchange import Annotations
    from tlsdecrypt.app.http import HttpRequest, HttpResponse

    Annotator: TypeAlias = Callable[[HttpRequest | None, HttpResponse | None, Annotations], None]


class Binding(NamedTuple):
    """A module with a function `annotate`, and when it is asked.

    It is asked for each exchange of its `services`, and, where `is_for_xml`, for each that holds XML. The content of
    its `services` is kept for it where `reads_content`, whatever its type.
    """

    module: str
    services: frozenset[str] = frozenset()
    is_for_xml: bool = False
    reads_content: bool = False


_SOAP_SERVICES = frozenset({EWS, AUTODISCOVER_SOAP, AUTODISCOVER_POX, "mrsproxy", "ws-trust", "wsman"})

BINDINGS: tuple[Binding, ...] = (Binding("annotate_xml", _SOAP_SERVICES, is_for_xml=True),)


@lru_cache(maxsize=256)
def is_content_read(service: str | None, content_type: str | None) -> bool:
    """Whether an annotator reads the content of a message of this service and Content-Type (None: not told)."""
    if service is not None and any(each.reads_content and service in each.services for each in BINDINGS):
        return True
    return is_xml_type(content_type) if content_type else service in _SOAP_SERVICES


@lru_cache(maxsize=256)
def annotators_of(service: str | None, *, has_xml: bool) -> tuple[Annotator, ...]:
    """The annotators of an exchange, in the order of the table."""
    chosen = [each for each in BINDINGS if service in each.services or (each.is_for_xml and has_xml)]
    return tuple(import_module(f"tlsdecrypt.app.{each.module}").annotate for each in chosen)
