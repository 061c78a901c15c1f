"""An annotator of the offline address book ([MS-OXOAB], [MS-OXWOAB]): the annotation `oab`.

Its keys, each only where it says something:

- `book`: the GUID in the path; `file`, `kind` (`manifest`, `full`, `difference`, `template`)
- of the manifest: `lists`, for each address list `{"name", "dn", "version", "full_size", "uncompressed_size",
  "sequence", "differences", "templates"}` (sizes are bytes), and `newest`, the highest sequence
- `range`: what part of a file was asked for; `faults`; `summary`: one line
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from tlsdecrypt.app.xml import attribute, elements, find_all, is_xml_type, local_name, parse_xml, put

if TYPE_CHECKING:
    from lxml.etree import _Element

    from tlsdecrypt.app.exchange import Annotations
    from tlsdecrypt.app.http import HttpRequest, HttpResponse

MAX_VALUE = 200  # characters
MAX_LISTS = 20

_PATH = re.compile(r"/oab/(?P<book>[^/?]{1,80})/(?P<file>[^/?]{1,200})\Z", re.IGNORECASE)
_GUID_FILE = re.compile(r".*-(data|binpatch|lng[0-9a-f]+|mac[0-9a-f]+)-\d+\.lzx\Z", re.IGNORECASE)
_KINDS = {"data": "full", "binpatch": "difference"}


def annotate(request: HttpRequest | None, response: HttpResponse | None, annotations: Annotations) -> None:
    """Add `oab`: which file of which book, and what the manifest lists."""
    facts: dict[str, Any] = {}
    faults: list[str] = []
    if request is not None:
        _put_request(facts, request)
    if response is not None and response.content and is_xml_type(response.field("content-type")):
        root, faults = parse_xml(response.content, response.field("content-type"))
        if root is not None and local_name(root) == "OAB":
            _put_manifest(facts, root)
    put(facts, faults=faults)
    facts["summary"] = _summary(facts, response)
    annotations["oab"] = facts


def _put_request(facts: dict[str, Any], request: HttpRequest) -> None:
    found = _PATH.search(request.target.partition("?")[0])
    if found is None:
        return
    name = found["file"]
    part = _GUID_FILE.fullmatch(name)
    kind = "manifest" if name.lower() == "oab.xml" else _KINDS.get(part[1].lower(), "template") if part else None
    span = request.field("range")
    put(facts, book=found["book"], file=name, kind=kind, range=span[:MAX_VALUE] if span else None)


def _put_manifest(facts: dict[str, Any], root: _Element) -> None:
    lists = [_list(each) for each in find_all(root, "OAL")]
    sequences = [each["sequence"] for each in lists if "sequence" in each]
    put(facts, kind="manifest", lists=lists[:MAX_LISTS], newest=max(sequences, default=None))


def _list(element: _Element) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    children = [(local_name(each), each) for each in elements(element)]
    full = next((each for name, each in children if name == "Full"), None)
    put(
        facts,
        name=_short(attribute(element, "name")),
        dn=_short(attribute(element, "dn")),
        version=_number(attribute(full, "ver")),
        full_size=_number(attribute(full, "size")),
        uncompressed_size=_number(attribute(full, "uncompressedsize")),
        sequence=_number(attribute(full, "seq")),
        differences=sum(name == "Diff" for name, _ in children) or None,
        templates=sum(name == "Template" for name, _ in children) or None,
    )
    return facts


def _short(value: str | None) -> str | None:
    return value[:MAX_VALUE] if value else None


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdigit() and len(text) < 16 else None  # noqa: PLR2004  more is no size


def _summary(facts: dict[str, Any], response: HttpResponse | None) -> str:
    what = f"{facts['kind']} " if "kind" in facts else ""
    parts = [f"offline address book {what}{facts.get('file', '')}".rstrip()]
    status = f"HTTP {response.status}" if response is not None else "no answer seen"
    lists = facts.get("lists")
    if not lists:
        return f"{parts[0]} -> {status}"
    told = [f"{each.get('name', 'a list')} (version {each.get('sequence', '?')})" for each in lists[:3]]
    return f"{parts[0]} -> {status}, {', '.join(told)}"
