"""XML from strangers, through lxml: no entities, no network, no DTD, bounded; damage is named and survived."""

from __future__ import annotations

import codecs
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lxml.etree import XMLParser, _Element

MAX_TEXT = 500  # characters of one value that goes into an annotation
MAX_FAULTS = 3
MAX_PROLOG = 64 * 1024  # bytes in which declarations are sought where the parser gave up
MAX_DOCUMENTS = 1000  # that follow one another in one content; the rest is left unread
MAX_LONG_TEXT = 64 * 1024  # characters of one value in which something is sought

_UNREADABLE = "the XML cannot be read"
_DAMAGES = {
    "ERR_DOCUMENT_EMPTY": "there is no document",
    "ERR_DOCUMENT_END": "something follows the end of the document",
    "ERR_TAG_NAME_MISMATCH": "a tag is closed that was not opened",
    "ERR_TAG_NOT_FINISHED": "a tag is not closed",
}
_HOSTILE = "the XML declares entities, which is hostile: not read"

_CHARSET = re.compile(r"charset\s*=\s*\"?([A-Za-z0-9_.:-]{1,40})", re.IGNORECASE)
_BOMS = (codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_FIRST_TAG = re.compile(rb"<([A-Za-z_][\w.:-]{0,199})")
_WIDE_STARTS = {b"<\x00": "UTF-16LE", b"\x00<": "UTF-16BE"}


def is_xml_type(content_type: str | None) -> bool:
    """Whether a Content-Type says XML (RFC 7303)."""
    kind = (content_type or "").partition(";")[0].strip().lower()
    return kind in ("text/xml", "application/xml") or kind.endswith("+xml")


def parse_xml(data: bytes, content_type: str | None = None) -> tuple[_Element | None, list[str]]:
    """The root element, and what was wrong; None where nothing could be read, or where entities are declared.

    A byte order mark wins over the charset of the Content-Type, and that over the document's own declaration
    (RFC 7303 section 3).
    """
    from lxml import etree  # noqa: PLC0415  takes 20 ms to load, and many captures hold no XML

    if not data.strip(b" \t\r\n\x00"):
        return None, []
    parser = _parser(_charset(data, content_type))
    try:
        root = etree.fromstring(data.lstrip(b" \t\r\n"), parser)
    except (etree.XMLSyntaxError, ValueError):
        return None, [_HOSTILE if _has_entity_declaration(data) else _UNREADABLE]
    damages = list(parser.error_log)[:MAX_FAULTS]
    faults = [f"the XML is damaged at line {each.line}: {_damage(each.type_name)}" for each in damages]
    if root is None:
        return None, [_HOSTILE] if _has_entity_declaration(data) else faults or [_UNREADABLE]
    document_type = root.getroottree().docinfo.internalDTD
    if isinstance(document_type, etree.DTD) and document_type.entities():  # type: ignore[attr-defined]  # the stubs lack it
        return None, [_HOSTILE]
    if document_type is not None:
        faults.append("the XML has a DOCTYPE, which no Exchange protocol allows")
    return root, faults


def split_documents(data: bytes) -> list[bytes]:
    """The documents that follow one another in `data`, by the end tags of the first root; bytes behind the last too.

    Notifications of Exchange come so, one envelope after the other in one answer (MS-OXWSNTIF section 3.1.4.3).
    What holds one document, or is wide (UTF-16), stays whole.
    """
    first = _FIRST_TAG.search(data, 0, MAX_PROLOG)
    if first is None:
        return [data]
    ends = [match.end() for match in re.finditer(rb"</" + re.escape(first[1]) + rb"\s*>", data)][:MAX_DOCUMENTS]
    documents = [data[start:end] for start, end in zip([0, *ends], ends, strict=False)]
    rest = data[ends[-1] :] if ends else data
    if rest.strip() and len(documents) < MAX_DOCUMENTS:
        documents.append(rest)
    return documents


def _has_entity_declaration(data: bytes) -> bool:
    return b"<!ENTITY" in data[:MAX_PROLOG].replace(b"\x00", b"")


def _damage(type_name: str) -> str:
    """What libxml2 calls an error, for people; its messages quote the document, which may hold secrets."""
    return _DAMAGES.get(type_name) or type_name.removeprefix("ERR_").replace("_", " ").lower()


def _charset(data: bytes, content_type: str | None) -> str | None:
    """The charset of the Content-Type, where it counts."""
    match = _CHARSET.search(content_type or "")
    if data[:2] in _WIDE_STARTS:
        return _WIDE_STARTS[data[:2]]
    if match is None or data.startswith(_BOMS):
        return None
    return match[1]


def _parser(encoding: str | None) -> XMLParser:
    from lxml import etree  # noqa: PLC0415  see above

    try:
        return etree.XMLParser(
            encoding=encoding,
            resolve_entities=False,
            no_network=True,
            load_dtd=False,
            huge_tree=False,
            recover=True,
            remove_comments=True,
            remove_pis=True,
        )
    except LookupError:
        return _parser(None)


def local_name(element: _Element) -> str:
    """The name of an element without its namespace (namespaces differ in `http` and `https`)."""
    return element.tag.rpartition("}")[2]


def elements(parent: _Element | None) -> Iterator[_Element]:
    """The child elements, without what is none (entity references)."""
    if parent is not None:
        yield from (child for child in parent if isinstance(child.tag, str))


def find(parent: _Element | None, *names: str) -> _Element | None:
    """The first element along a path of local names."""
    return None if parent is None else parent.find("/".join("{*}" + name for name in names))


def find_all(parent: _Element | None, name: str) -> Iterator[_Element]:
    """All elements below `parent` with a local name, in document order."""
    if parent is not None:
        yield from parent.iter("{*}" + name)


def text_of(element: _Element | None) -> str | None:
    """All text inside an element, white space folded, at most `MAX_TEXT` characters; None where there is none."""
    if element is None:
        return None
    text = " ".join(_joined(element, 4 * MAX_TEXT).split())
    if not text:
        return None
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 3] + "..."


def long_text_of(element: _Element | None) -> str:
    """Text inside an element as it stands, at most about `MAX_LONG_TEXT` characters: to seek something in."""
    return "" if element is None else _joined(element, MAX_LONG_TEXT)[:MAX_LONG_TEXT]


def _joined(element: _Element, enough: int) -> str:
    """The pieces of text inside, until there are more than `enough` characters."""
    pieces: list[str] = []
    length = 0
    for piece in element.itertext(tag=None):
        pieces.append(str(piece))
        length += len(piece)
        if length > enough:
            break
    return "".join(pieces)


def text_at(parent: _Element | None, *names: str) -> str | None:
    """The text of the first element along a path of local names."""
    return text_of(find(parent, *names))


def attribute(element: _Element | None, name: str) -> str | None:
    """An attribute without a namespace."""
    if element is None:
        return None
    value = element.get(name)
    return value[:MAX_TEXT] if value else None


def put(facts: dict[str, object], **values: object) -> None:
    """Set those of `values` that say something: not None, and no empty list or dict."""
    facts.update((key, value) for key, value in values.items() if value is not None and value not in ([], {}))
