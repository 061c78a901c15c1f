"""Captured text made safe and short: what a stranger sent must neither drive a terminal nor fill it."""

from __future__ import annotations

import re

_MARK = "..."

# C1 controls and DEL as UTF-8. JSON writers leave them as they are, and some terminals obey them (0x9b is CSI).
_TERMINAL_CONTROLS = re.compile(rb"\x7f|\xc2([\x80-\x9f])")


def visible(text: str) -> str:
    r"""The text with each character that is not printable (ESC, bidirectional overrides, surrogates) as `\x1b`."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode("ascii") for each in text)


def shorten(text: str, width: int) -> str:
    """At most `width` characters: the middle goes, because both ends of a URL or an address tell most."""
    if len(text) <= width:
        return text
    kept = max(width - len(_MARK), 2)
    tail = kept // 3
    return f"{text[: kept - tail]}{_MARK}{text[len(text) - tail :]}"


def well_formed(text: str) -> str:
    """The text without lone surrogates (file names may hold them), so that it can be written as UTF-8."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def escape_controls(document: bytes) -> bytes:
    """A JSON document whose strings hold no raw DEL or C1 control; its meaning is the same."""
    if b"\x7f" not in document and b"\xc2" not in document:  # nearly always; ten times as fast as the search
        return document
    return _TERMINAL_CONTROLS.sub(lambda found: b"\\u00%02x" % found.group()[-1], document)
