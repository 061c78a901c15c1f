"""Passwords in the content of requests: answers repeat them in error texts, so whoever shows those must know them."""

from __future__ import annotations

import json
import re
from html import unescape
from urllib.parse import unquote_plus

MAX_LOOKED_AT = 256 * 1024  # bytes of one content: logons are short
MAX_PASSWORDS = 20
MAX_NESTING = 3  # JSON in a string of JSON

_TYPES = ("application/x-www-form-urlencoded", "application/json")
_IN_FORM = re.compile(r"(?:\A|[&?])([^=&\s]{1,80}+)=([^&\s]{1,512})")
_IN_XML = re.compile(
    r"<(?:[\w.-]{1,40}:)?(?:\w{0,40}?password|binarysecuritytoken|binarysecret)(?:\s[^<>]{0,400})?>"
    r"(?:<!\[CDATA\[(.{1,512}?)\]\]>|([^<]{1,4096}))",
    re.IGNORECASE | re.DOTALL,
)
_IN_JSON = re.compile(r"\"([\w.-]{1,80})\"\s*:\s*(?=\"((?:[^\"\\]|\\.){1,512})\")")
_ESCAPED = re.compile(r"\\([\"\\/])")
_NAME = re.compile(r"pass|pwd|.*(?:passw|pwd)", re.IGNORECASE)


def may_hold_passwords(content_type: str | None) -> bool:
    """Whether the content of such a request is read for passwords alone; that of XML is read anyhow."""
    return (content_type or "").partition(";")[0].strip().lower() in _TYPES


def passwords_in(content: bytes) -> tuple[str, ...]:
    """The passwords of a form, of a UsernameToken (WS-Security) or any other element called so, and of JSON.

    Security tokens of WS-Security count as such.
    """
    head = content[:MAX_LOOKED_AT]
    text = head.decode("utf-16", "replace") if b"\0" in head[:4] else head.decode("utf-8", "replace")
    if text.lstrip("\ufeff \t\r\n").startswith("<"):
        found = [unchanged or unescape(escaped.strip()) for unchanged, escaped in _IN_XML.findall(text)]
    elif text.lstrip().startswith(("{", "[")):
        found = _in_json(text)
    else:
        found = [unquote_plus(value) for name, value in _IN_FORM.findall(text) if _NAME.match(unquote_plus(name))]
    return tuple(dict.fromkeys(each for each in found if each))[:MAX_PASSWORDS]


def _in_json(text: str) -> list[str]:
    """Of JSON, and of JSON in its strings: with each step inwards one level of escapes is undone."""
    found: list[str] = []
    for _ in range(MAX_NESTING):
        values = (_json_text(value) for name, value in _IN_JSON.findall(text) if _NAME.match(name))
        known = tuple(found[:MAX_PASSWORDS])  # a step further, what was whole before may end at a quotation mark in it
        found += [each for each in values if not any(one.startswith(each) for one in known)]
        if '\\"' not in text:
            break
        text = _ESCAPED.sub(r"\1", text)
    return found


def _json_text(escaped: str) -> str:
    """The text that stands between quotation marks in JSON; as it is where its escapes are wrong."""
    try:
        return str(json.loads(f'"{escaped}"', strict=False))
    except ValueError:
        return escaped
