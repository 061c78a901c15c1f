"""The table of annotators: which module says what an HTTP exchange of which service meant.

An annotator is a function `annotate(request, response, annotations)` that adds plain values, free of secrets, under the
name of its protocol. `annotations["http"]` is there when it runs; either side may be missing, and `content` is None
where it was not kept. A module is imported when the first exchange of its kind comes.

Content that goes on for hours (RPC over HTTP) is read as it comes: the module has a function
`content_reader(status, content_type)` (the status of an answer, None for a request) that gives a `ContentReader` (see
`http_body`), or None for content that is to be treated as any other; what it says at the end is `observed` of the
message.
"""

from __future__ import annotations

from functools import lru_cache
from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from tlsdecrypt.app.endpoint import AUTODISCOVER_POX, AUTODISCOVER_SOAP, EWS
from tlsdecrypt.app.xml import is_xml_type

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from tlsdecrypt.app.exchange import Annotations
    from tlsdecrypt.app.http import HttpRequest, HttpResponse
    from tlsdecrypt.app.http_body import ContentReader

    Annotator: TypeAlias = Callable[[HttpRequest | None, HttpResponse | None, Annotations], None]


class Binding(NamedTuple):
    """A module with a function `annotate`, and when it is asked.

    It is asked for each exchange of its `services`, and, where `is_for_xml`, for each that holds XML, where
    `is_for_pages` for each whose answer is a page that was read (see `page`). The content of its `services` is kept for
    it where `reads_content`, whatever its type; where `reads_as_it_comes`, the module is asked for a reader first.
    """

    module: str
    services: frozenset[str] = frozenset()
    is_for_xml: bool = False
    is_for_pages: bool = False
    reads_content: bool = False
    reads_as_it_comes: bool = False


_SOAP_SERVICES = frozenset({EWS, AUTODISCOVER_SOAP, AUTODISCOVER_POX, "mrsproxy", "ws-trust", "wsman"})

BINDINGS: tuple[Binding, ...] = (
    Binding("page", is_for_pages=True),
    Binding("annotate_xml", _SOAP_SERVICES, is_for_xml=True),
    Binding("autodiscover_json", frozenset({"autodiscover-v2"}), reads_content=True),
    Binding("mrs", frozenset({"mrsproxy"})),
    Binding("freebusy_legacy", frozenset({"legacy-free-busy"})),
    Binding("wstrust", frozenset({"ws-trust"}), is_for_xml=True),
    Binding("federation_metadata", frozenset({"ws-trust"})),
    Binding("adfs_signin", frozenset({"ws-trust"}), reads_content=True),
    Binding("adfs_signin", frozenset({"owa", "ecp"})),
    Binding("oauth", frozenset({"oauth", "ws-trust"}), reads_content=True),
    Binding("wsman", frozenset({"wsman"})),
    Binding("activesync", frozenset({"activesync"}), reads_content=True),
    Binding("mapi", frozenset({"mapi-http"}), reads_content=True),
    Binding("rpc_http", frozenset({"outlook-anywhere"}), reads_as_it_comes=True),
    Binding("oab", frozenset({"oab"})),
    Binding("owa", frozenset({"owa", "ecp", "tmg-forms"})),
)


@lru_cache(maxsize=256)
def is_content_read(service: str | None, content_type: str | None) -> bool:
    """Whether an annotator reads the content of a message of this service and Content-Type (None: not told)."""
    if service is not None and any(each.reads_content and service in each.services for each in BINDINGS):
        return True
    return is_xml_type(content_type) if content_type else service in _SOAP_SERVICES


@lru_cache(maxsize=256)
def _reading_module(service: str | None) -> ModuleType | None:
    """The module that reads content of this service as it comes."""
    names = (each.module for each in BINDINGS if each.reads_as_it_comes and service in each.services)
    name = next(names, None)
    return None if name is None else import_module(f"tlsdecrypt.app.{name}")


def content_reader_of(service: str | None, content_type: str | None, status: int | None) -> ContentReader | None:
    """A new reader for the content of a message that goes on, None where its content is as any other.

    `status` is that of an answer, None for a request.
    """
    if service is None or (module := _reading_module(service)) is None:
        return None
    reader: ContentReader | None = module.content_reader(status, content_type)
    return reader


@lru_cache(maxsize=256)
def annotators_of(service: str | None, *, has_xml: bool, has_page: bool) -> tuple[Annotator, ...]:
    """The annotators of an exchange, in the order of the table."""
    chosen = [
        each
        for each in BINDINGS
        if service in each.services or (each.is_for_xml and has_xml) or (each.is_for_pages and has_page)
    ]
    return tuple(import_module(f"tlsdecrypt.app.{each.module}").annotate for each in chosen)
