"""What may be shown of contents: forms, JSON, XML, HTML, tables and their multiparts by the names in them.

Content that is damaged or cut is masked as far as it can be read, rather too much than too little.
"""

from __future__ import annotations

import codecs
import json
import re
from html import unescape
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import unquote_plus

from tlsdecrypt.redact import names
from tlsdecrypt.redact.binary import is_binary_secret, star_binary
from tlsdecrypt.redact.labelled_values import labelled_values
from tlsdecrypt.redact.tables import secret_cells

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MAX_MULTIPART_DEPTH = 4

_CHARSET = re.compile(r"charset\s*=\s*\"?([A-Za-z0-9_.:-]{1,40})", re.IGNORECASE)
_DECLARED = re.compile(rb"<\?xml[^>]{0,200}encoding\s*=\s*[\"']([A-Za-z0-9_.:-]{1,40})")
_BOUNDARY = re.compile(r"boundary\s*=\s*(?:\"([^\"]{1,200})\"|([^\s;]{1,200}))", re.IGNORECASE)
_PART_NAME = re.compile(r"[;\s]name\s*=\s*(?:\"([^\"]*)\"|([^\s;]+))", re.IGNORECASE)
_PART_TYPE = re.compile(r"^content-type\s*:\s*([^\r\n]*)", re.IGNORECASE | re.MULTILINE)
_TAG = re.compile(r"<((?:[\w.-]+:)?([\w.-]+))((?:\s[^<>]*)?)>")
_NAMED_TAG = re.compile(r"<([\w:.-]{1,64}+)(\s[^<>]*?\b(?:value|content)\s*=[^<>]*+)>", re.IGNORECASE)
_ATTRIBUTE = re.compile(r"\b(name|key|value|content)\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s>]+))", re.IGNORECASE)
_NAMED_VALUE = re.compile(  # <name>password</name><value>...</value>
    r"<((?:[\w-]+:)?(?:name|key))>\s*([\w .-]{1,64})</\1>\s*<((?:[\w-]+:)?value)(?:\s[^<>]*)?>", re.IGNORECASE
)
_ESCAPED = re.compile(
    r"&lt;(?:[\w-]+:)?(?:\w{0,40}passw(?:or)?d|binarysecuritytoken)(?:\s[^&<>]*)?&gt;((?:[^<>&]|&(?!lt;)){1,4096}+)&lt;/",
    re.IGNORECASE,
)
_JSON_PAIR = re.compile(r"(\"([\w.-]{1,64})\"\s*:\s*)(\"(?:[^\"\\]|\\.)*+\"?|[^\s,}\]]+)")
_MASK = re.compile(r"<(masked:[^<>]*)>")
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (b"<\x00", "utf-16-le"),
    (b"\x00<", "utf-16-be"),
)


class Masker(Protocol):
    """What contents need of a Redactor."""

    def value(self, kind: str, secret: str) -> str:
        """The mask of one secret."""

    def parameters(self, query: str) -> str:
        """`name=value&...` with masks."""

    def text(self, text: str) -> str:
        """Free text with masks."""

    def coded(self, text: str) -> str:
        """Text with masks in place of Base64 that holds secrets."""


def mask_content(data: bytes, content_type: str | None, masker: Masker, depth: int = MAX_MULTIPART_DEPTH) -> bytes:
    """`data` with masks, in its own encoding."""
    kind = (content_type or "").partition(";")[0].strip().lower()
    if is_binary_secret(content_type, data):
        return star_binary(data, content_type)
    if kind.startswith("multipart/") and depth > 0:
        boundary = _BOUNDARY.search(content_type or "")
        if boundary:
            return _mask_multipart(data, (boundary[1] or boundary[2]).encode("latin-1", "replace"), masker, depth)
    encoding = content_encoding(data, content_type)
    text = data.decode(encoding, "surrogateescape" if encoding == "utf-8" else "replace")
    masked = masker.text(_mask_by_kind(text, kind, masker))
    if text.lstrip("\ufeff \t\r\n").startswith("<"):
        masked = _MASK.sub(r"[\1]", masked)  # markup stays well-formed
    return data if masked == text else masked.encode(encoding, "surrogateescape" if encoding == "utf-8" else "replace")


def content_encoding(data: bytes, content_type: str | None) -> str:
    """The encoding of text content; ISO 8859-1, which loses nothing, for what is no text."""
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            return encoding
    named = _CHARSET.search(content_type or "")
    declared = _DECLARED.match(data)
    for name in (named and named[1], declared and declared[1].decode("ascii"), "utf-8"):
        try:
            if name and data.decode(name):
                return codecs.lookup(name).name
        except (LookupError, ValueError):
            continue
    return "latin-1"


def _mask_by_kind(text: str, kind: str, masker: Masker) -> str:
    start = text.lstrip()[:1]
    if kind == "application/x-www-form-urlencoded":
        return masker.parameters(text)
    if kind.endswith(("/json", "+json")) or (not kind and start in ("{", "[")):
        return _mask_json(text, masker)
    if kind.endswith(("/xml", "+xml", "/html")) or start == "<":
        return _mask_markup(text, masker)
    return _mask_places(text, secret_cells(text, kind), masker)


def _mask_json(text: str, masker: Masker) -> str:
    """Values of secret names, at any depth; where it cannot be parsed, by what looks like a name and a value."""
    try:
        document = json.loads(text)
        masked = _mask_value(document, masker)
    except (ValueError, RecursionError):
        return _JSON_PAIR.sub(lambda match: _mask_pair(match, masker), text)
    return text if masked == document else json.dumps(masked, ensure_ascii=False, separators=(",", ":"))


def _mask_pair(match: re.Match[str], masker: Masker) -> str:
    kind = names.secret_kind(match[2])
    return match[0] if kind is None else f'{match[1]}"{masker.value(kind, match[3].strip(chr(34)))}"'


def _mask_value(value: Any, masker: Masker) -> Any:
    if isinstance(value, dict):
        named = value.get("name") or value.get("key")
        if isinstance(named, str) and "value" in value:  # a list of headers or settings
            value = {**value, "value": _mask_member(named, value["value"], masker)}
        return {name: _mask_member(name, member, masker) for name, member in value.items()}
    if isinstance(value, list):
        return [_mask_value(each, masker) for each in value]
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):  # JSON in a string of JSON, as some programs log it
        return _mask_json(value, masker)
    if isinstance(value, str):
        return _mask_markup(value, masker) if value.lstrip()[:1] == "<" else masker.coded(value)
    return value


def _mask_member(name: str, member: Any, masker: Masker) -> Any:
    kind = names.secret_kind(name)
    if kind is None or member is None or isinstance(member, bool):
        return _mask_value(member, masker)
    return masker.value(kind, member if isinstance(member, str) else json.dumps(member))


def _mask_markup(text: str, masker: Masker) -> str:
    """Elements that hold secrets, with all that is inside them; hidden inputs of forms."""
    text = _mask_places(text, secret_elements(text), masker)
    text = _mask_places(text, _named_values(text), masker)
    text = _mask_places(text, labelled_values(text), masker)
    if "&lt;" in text:
        text = _mask_places(text, ((*match.span(1), names.PASSWORD) for match in _ESCAPED.finditer(text)), masker)
    return _NAMED_TAG.sub(lambda match: _mask_named_tag(match, masker), text)


def _mask_places(text: str, places: Iterable[tuple[int, int, str]], masker: Masker) -> str:
    """`text` with masks in some places: start, stop and kind of each."""
    pieces: list[str] = []
    end = 0
    for start, stop, kind in places:
        inside = text[start:stop]
        if inside.strip():
            pieces += [text[end:start], masker.value(kind, unescape(inside.strip()))]
            end = stop
    return "".join([*pieces, text[end:]])


def secret_elements(text: str) -> Iterator[tuple[int, int, str]]:
    """Where the inside of each secret element begins and ends (at the end of the text where it is not closed)."""
    at = 0
    while match := _TAG.search(text, at):
        at = match.end()
        kind = names.element_kind(match[2])
        if match[2].lower() == "body" and "BodyType" in match[3]:
            kind = names.PERSONAL
        elif kind is None and match[2] in names.SASL_ELEMENTS and names.SASL_ATTRIBUTE.search(match[3]):
            kind = names.TOKEN
        if kind is not None and not match[3].endswith("/"):
            stop = _end_of_element(text, match[1], at)
            yield at, stop, kind
            at = stop


def _end_of_element(text: str, name: str, start: int) -> int:
    """Where the end tag of the element stands whose content begins at `start`; some of its own name may be inside."""
    depth = 1
    for match in re.compile(rf"<(/?){re.escape(name)}(?:\s[^<>]*)?(/?)>").finditer(text, start):
        if not match[2]:
            depth += -1 if match[1] else 1
        if depth == 0:
            return match.start()
    return len(text)


def _named_values(text: str) -> Iterator[tuple[int, int, str]]:
    """Values beside elements that tell their names."""
    end = 0
    for match in _NAMED_VALUE.finditer(text):
        kind = names.secret_kind(match[2])
        if kind is not None and match.end() >= end:
            end = _end_of_element(text, match[3], match.end())
            yield match.end(), end, kind


def _mask_named_tag(match: re.Match[str], masker: Masker) -> str:
    """Hidden inputs of forms, settings, and what else has its name in one attribute and its value in another."""
    attributes = {each[1].lower(): each for each in _ATTRIBUTE.finditer(match[2])}
    name, value = attributes.get("name") or attributes.get("key"), attributes.get("value") or attributes.get("content")
    if name is None or value is None:
        return match[0]
    kind = names.secret_kind(_attribute_text(name), is_query=match[1].lower() == "input")
    secret = _attribute_text(value)
    if kind is None or not secret:
        return match[0]
    mask = masker.value(kind, unescape(secret))
    return f'<{match[1]}{match[2][: value.start()]}{value[1]}="{mask}"{match[2][value.end() :]}>'


def _attribute_text(match: re.Match[str]) -> str:
    return next((each for each in match.groups()[1:] if each is not None), "")


def _mask_multipart(data: bytes, boundary: bytes, masker: Masker, depth: int) -> bytes:
    """Each part by its own type; a form's part by its name (RFC 7578)."""
    delimiter = b"--" + boundary
    return delimiter.join(_mask_part(part, masker, depth) for part in data.split(delimiter))


def _mask_part(part: bytes, masker: Masker, depth: int) -> bytes:
    head, separator, body = part.partition(b"\r\n\r\n")
    if not separator:
        return part
    fields = head.decode("latin-1")
    found = _PART_NAME.search(fields)
    kind = names.secret_kind(unquote_plus(found[1] or found[2] or ""), is_query=True) if found else None
    if kind is not None and body.strip():
        inside = body.rstrip(b"\r\n")
        masked = masker.value(kind, inside.decode("utf-8", "replace")).encode()
        return head + separator + masked + body[len(inside) :]
    content_type = _PART_TYPE.search(fields)
    return head + separator + mask_content(body, content_type[1] if content_type else None, masker, depth - 1)
