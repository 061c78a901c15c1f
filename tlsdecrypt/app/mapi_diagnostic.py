"""The text that comes in place of an answer of MAPI over HTTP: its start, and what it says wherever it stands.

Failures are told to people, as HTML or plain text ([MS-OXCMAPIHTTP] section 2.2.2.2); the reason may come late, behind
headings of IIS or of a device.
"""

from __future__ import annotations

import codecs
import re
from html import unescape
from typing import NamedTuple

MAX_DIAGNOSTIC = 200  # characters that are kept
MAX_DIAGNOSTIC_READ = 32 * 1024  # bytes

_MARKUP = re.compile(r"<(?:style|script)\b.{0,4000}?</(?:style|script)>|<[^<>]*>|\s+", re.IGNORECASE | re.DOTALL)
_CHARSET = re.compile(r"charset\s*=\s*\"?([A-Za-z0-9_.:-]{1,40})", re.IGNORECASE)
_BEGINNINGS = {  # byte order marks, and markup of UTF-16 without one
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
    b"<\0": "utf-16-le",
    b"\0<": "utf-16-be",
}
_SIGNS = {
    "protocol disabled": re.compile(
        r"protocol\s?disabled|protocol is disabled|MAPI over HTTP is disabled", re.IGNORECASE
    ),
    "client access rule": re.compile(r"client access rule", re.IGNORECASE),
    "culture not supported": re.compile(r"culture is not supported", re.IGNORECASE),
}


class Diagnostic(NamedTuple):
    """The start of the text without markup, with what stands about the first sign where that comes later; the signs."""

    text: str
    signs: tuple[str, ...]


def read_diagnostic(content: bytes, content_type: str | None) -> Diagnostic | None:
    """What a text says; None for what is no text."""
    text = _decode(content[:MAX_DIAGNOSTIC_READ], content_type)
    if "\0" in text:
        return None
    plain = " ".join(unescape(_MARKUP.sub(" ", text)).split())
    found = {name: match for name, sign in _SIGNS.items() if (match := sign.search(plain))}
    if not plain:
        return None
    shown = plain[:MAX_DIAGNOSTIC]
    first = min(found.values(), key=lambda match: match.start(), default=None)
    if first is not None and first.end() > MAX_DIAGNOSTIC:
        shown = f"{plain[:60]} ... {plain[max(first.start() - 40, 0) : first.start() + 60]}"
    return Diagnostic(shown, tuple(found))


def _decode(content: bytes, content_type: str | None) -> str:
    """A byte order mark wins over the charset of the Content-Type."""
    told = _CHARSET.search(content_type or "")
    encoding = _BEGINNINGS.get(content[:2]) or (told[1] if told else "utf-8")
    try:
        return content.decode(encoding, "replace").lstrip("\ufeff")
    except (LookupError, ValueError):  # no encoding of text, or one that cannot pass over damage
        return content.decode("utf-8", "replace")
