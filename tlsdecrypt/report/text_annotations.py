"""Annotations as lines: what an exchange meant. Each protocol gives a `summary`; some hold more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tlsdecrypt.report.lines import line
from tlsdecrypt.report.visible import shorten

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tlsdecrypt.report.lines import Line

MAX_TEXT = 400  # characters of one line
MAX_RESPONSES = 5  # failed parts of one answer that are told apart

_NO_ERROR = ("", "NoError", None)


def annotation_lines(annotations: dict[str, Any], level: int) -> Iterator[Line]:
    """The annotations of one exchange, in the order in which they were made; their values are masked already."""
    for name, facts in annotations.items():
        if not isinstance(facts, dict):
            continue
        if summary := facts.get("summary"):
            yield line(shorten(str(summary), MAX_TEXT), level=level)
        if name in _DETAILS:
            yield from _DETAILS[name](facts, level + 1)


def _ews(facts: dict[str, Any], level: int) -> Iterator[Line]:
    """Each failed part of the answer, once: its code and what the server says about it."""
    failures = [_failure(each.get("code"), each.get("message_text")) for each in facts.get("responses") or ()]
    failures = failures or [_failure(facts.get("response_code"), facts.get("message_text"))]
    distinct = [text for text in dict.fromkeys(failures) if text]
    for text in distinct[:MAX_RESPONSES]:
        yield line((shorten(text, MAX_TEXT), "bad"), level=level)
    if len(distinct) > MAX_RESPONSES:
        yield line((f"and {len(distinct) - MAX_RESPONSES} other errors", "bad"), level=level)


def _failure(code: str | None, message: str | None) -> str | None:
    """`ErrorItemNotFound: The specified object was not found in the store.`, None for a success."""
    if code in _NO_ERROR:
        return None
    return f"{code}: {message}" if message else code


def _autodiscover(facts: dict[str, Any], level: int) -> Iterator[Line]:
    """The error, where the client is sent instead, and the protocols with their URLs."""
    if failure := _failure(facts.get("error_code"), facts.get("message")):
        yield line((shorten(failure, MAX_TEXT), "bad"), level=level)
    for key, what in (("redirect_address", "redirected to address"), ("redirect_url", "redirected to")):
        if facts.get(key):
            yield line((f"{what} {facts[key]}", "caution"), level=level)
    for protocol in facts.get("protocols") or ():
        yield line(*_protocol_head(protocol), level=level)
        for name, url in _urls(protocol):
            yield line((f"{name} {shorten(url, MAX_TEXT)}", "faint"), level=level + 1)


def _protocol_head(protocol: dict[str, Any]) -> list[str]:
    """`EXPR`, `mail.contoso.com`, `auth Basic`, `certificate msstd:mail.contoso.com`: what there is of it."""
    labels = (("type", ""), ("server", ""), ("auth_package", "auth "), ("cert_principal_name", "certificate "))
    return [f"{label}{protocol[key]}" for key, label in labels if protocol.get(key)]


def _urls(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Every URL in a protocol, with the names that lead to it."""
    match value:
        case dict():
            for key, each in value.items():
                yield from _urls(each, f"{name}.{key}" if name else str(key))
        case list():
            for each in value:
                yield from _urls(each, name)
        case str() if "://" in value:
            yield name, value


_DETAILS = {"ews": _ews, "autodiscover": _autodiscover}
