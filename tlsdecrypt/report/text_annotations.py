"""Annotations as lines: what an exchange meant. Each protocol gives a `summary`; some hold more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tlsdecrypt.report.lines import line
from tlsdecrypt.report.visible import shorten

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tlsdecrypt.report.lines import Line, Style

MAX_TEXT = 400  # characters of one line
MAX_RESPONSES = 5  # failed parts of one answer that are told apart
MAX_SETTINGS = 30  # of one Autodiscover answer

_NO_ERROR = ("", "NoError", None)


def annotation_lines(annotations: dict[str, Any], level: int) -> Iterator[Line]:
    """The annotations of one exchange, in the order in which they were made; their values are masked already."""
    for name, facts in annotations.items():
        if not isinstance(facts, dict):
            continue
        summary = None if _TOLD_BY_OTHERS.get(name, set()) & annotations.keys() else facts.get("summary")
        if summary:
            yield line((shorten(summary, MAX_TEXT), _style(facts)), level=level)
        if name in _DETAILS:
            yield from _DETAILS[name](facts, level + 1 if summary else level)


def _style(facts: dict[str, Any]) -> Style:
    """Errors inside a successful HTTP answer are what people overlook."""
    is_error = facts.get("response_class") == "Error" or facts.get("error_code") not in _NO_ERROR
    return "bad" if is_error else "plain"


def _http(facts: dict[str, Any], level: int) -> Iterator[Line]:
    """Where the answer sends the client, and what the server says about a refusal."""
    for key, what in _HTTP_FIELDS.items():
        if facts.get(key):
            yield _setting(what, str(facts[key]), level)


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
    """What the client was given: protocols with their URLs, settings by name, or the trust of a federation."""
    for protocol in facts.get("protocols") or ():
        yield line(*_protocol_head(protocol), level=level)
        for name, value in protocol.items():
            if "url" in name:
                yield _setting(name, value, level + 1)
    for result in facts.get("results") or ():
        for name, value in list((result.get("settings") or {}).items())[:MAX_SETTINGS]:
            yield _setting(name, value, level)
        for error in (result.get("setting_errors") or ())[:MAX_RESPONSES]:
            failure = _failure(error.get("error_code"), error.get("message")) or ""
            yield line((shorten(f"{error.get('name')}: {failure}", MAX_TEXT), "caution"), level=level)
    for issuer in facts.get("token_issuers") or ():
        yield _setting("token issuer", f"{issuer.get('endpoint')} ({issuer.get('uri')})", level)


def _setting(name: str, value: str, level: int) -> Line:
    return line((f"{name} {shorten(value, MAX_TEXT)}", "faint"), level=level)


def _protocol_head(protocol: dict[str, Any]) -> list[str]:
    """`EXPR`, `mail.contoso.com`, `auth Basic`, `certificate msstd:mail.contoso.com`: what there is of it."""
    labels = (("type", ""), ("server", ""), ("auth_package", "auth "), ("cert_principal_name", "certificate "))
    return [f"{label}{protocol[key]}" for key, label in labels if protocol.get(key)]


_HTTP_FIELDS = {
    "location": "location",
    "retry_after": "retry after",
    "x_autodiscovery_error": "X-AutoDiscovery-Error",
    "x_ms_diagnostics": "x-ms-diagnostics",
}
_DETAILS = {"http": _http, "ews": _ews, "autodiscover": _autodiscover}
_TOLD_BY_OTHERS = {"soap": {"ews", "autodiscover", "mrs", "wstrust", "wsman"}}  # who say it again
