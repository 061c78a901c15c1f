"""Content as a person reads it: XML and JSON indented, forms a parameter a line, all else as it is."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tlsdecrypt.report.shown_content import ShownContent

MAX_PRETTY = 1 << 20  # characters; what is longer is shown as it was sent
MAX_DEPTH = 40  # levels of JSON that move to the right
MAX_GROWTH = 8  # how often as long the laid out text may be: brackets alone could fill any disk with blanks

_JSON_TOKEN = re.compile(r"\"(?:[^\"\\]|\\.)*+\"?|[{}\[\],:]|[^\s{}\[\],:\"]++", re.DOTALL)
_OPENS = ("{", "[")
_DECLARATION = re.compile(r"\s*<\?xml[^>]{0,200}\?>")


def pretty_text(content: ShownContent) -> str | None:
    """The text of `content`, laid out; what does not parse (cut, hostile) as it is; None where it is no text."""
    text = content.text
    if text is None or len(text) > MAX_PRETTY:
        return text
    start = text.lstrip("\ufeff \t\r\n")[:1]
    laid_out: str | None = None
    if content.kind == "application/x-www-form-urlencoded":
        laid_out = text.replace("&", "\n&")
    elif content.kind.endswith(("/json", "+json")) or start in ("{", "["):
        laid_out = _pretty_json(text)
    elif start == "<" and not content.kind.endswith("/html"):
        laid_out = _pretty_xml(text)
    is_good = laid_out is not None and len(laid_out) <= MAX_GROWTH * len(text) + MAX_DEPTH
    return laid_out if is_good else text


def _pretty_json(text: str) -> str:
    """Laid out by its tokens, so that doubled names, long numbers and what was cut stay as they were sent."""
    pieces: list[str] = []
    depth, before = 0, ""
    for word in _JSON_TOKEN.findall(text):
        closes = word in ("}", "]")
        depth -= closes and depth > 0
        if (before in _OPENS and not closes) or before == "," or (closes and before not in _OPENS):
            pieces.append("\n" + "  " * min(depth, MAX_DEPTH))
        pieces.append(": " if word == ":" else word)
        depth += word in _OPENS
        before = word
    return "".join(pieces)


def _pretty_xml(text: str) -> str | None:
    """No entity is resolved, nothing is fetched; libxml2 bounds the depth."""
    from lxml import etree  # noqa: PLC0415 - takes 20 ms to load, and many captures hold no XML

    text = text.lstrip("\ufeff")
    declaration = _DECLARATION.match(text)
    body = text[declaration.end() :] if declaration else text
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        root = etree.fromstring(body.strip().encode("utf-8"), parser)
    except (etree.XMLSyntaxError, ValueError):
        return None
    tree = root.getroottree()
    if tree.docinfo.internalDTD is not None:
        return None
    etree.indent(tree)
    laid_out = etree.tostring(tree, encoding="unicode")
    return f"{declaration[0].strip()}\n{laid_out}" if declaration else laid_out
