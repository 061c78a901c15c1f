"""One HTTP exchange as an entry of a HAR 1.2 document; all text masked.

Beside the names of HAR there are `_frames` (those that bound the messages), `_connection` (its number in the other
outputs), `_request_start`, `_faults`, and `_error` where a side was not seen. Contents are decoded; their `size` is of
what stands in `text`, and where masking changed it, `_size_before_masking` is of what was sent.
"""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_plus

from tlsdecrypt.report.exchange_document import exchange_document
from tlsdecrypt.report.exchange_url import exchange_url
from tlsdecrypt.report.har_lookups import Wanted
from tlsdecrypt.report.har_timings import timings, total
from tlsdecrypt.report.quantities import MILLISECOND, iso_time
from tlsdecrypt.report.shown_content import shown_content

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tlsdecrypt.app.exchange import Exchange
    from tlsdecrypt.conversation import Conversation
    from tlsdecrypt.redact import Redactor
    from tlsdecrypt.report.shown_content import ShownContent

MAX_CONTENT = 1 << 20  # bytes of one content that an entry holds; a comment says where it was cut
NOT_KNOWN = -1  # of sizes, as HAR has it
NO_STATUS = 0  # what browsers write where no answer came


def har_entry(conversation: Conversation, index: int, redactor: Redactor) -> dict[str, Any]:
    """The entry of the exchange at `index`, but for its findings: these are known at the end of the run."""
    exchange = conversation.exchanges[index]
    told = exchange_document(exchange, redactor)
    parts = timings(conversation, index)
    start_ns = exchange.span.first_time_ns
    entry = {
        "startedDateTime": iso_time(start_ns - _nanoseconds(parts["connect"])),
        "time": total(parts),
        "request": _request(told["request"], exchange, exchange_url(conversation, index, redactor), redactor),
        "response": _response(told["response"], exchange, redactor),
        "cache": {},
        "timings": parts,
        "serverIPAddress": conversation.server.address,
        "connection": str(conversation.id),
        "_request_start": iso_time(start_ns),
        "_connection": conversation.id,
        "_frames": told["frames"],
        "_annotations": told["annotations"],
    }
    if told["faults"]:
        entry["_faults"] = told["faults"]
    missing = [side for side in ("request", "response") if told[side] is None]
    return entry | ({"_error": f"the {missing[0]} was not seen"} if missing else {})


def wanted_lookup(conversation: Conversation, index: int) -> Wanted | None:
    """What to seek in the DNS for the first exchange of a connection whose beginning was seen."""
    tcp, request = conversation.tcp, conversation.exchanges[index].request
    name = request.host if request is not None else None
    if index or tcp is None or not tcp.syns or not name:
        return None
    server = conversation.server
    return Wanted(
        conversation.client.address, name.removesuffix(f":{server.port}"), server.address, tcp.syns[0].time_ns
    )


def with_lookup(entry: dict[str, Any], asked_ns: int, took_ns: int) -> dict[str, Any]:
    """The entry with the time that its lookup took, before all other parts of it; `asked_ns` is when it was asked."""
    parts = entry["timings"] | {"dns": took_ns / MILLISECOND}
    start_ns = asked_ns - _nanoseconds(parts["connect"]) - took_ns
    return entry | {"startedDateTime": iso_time(start_ns), "time": total(parts), "timings": parts}


def _nanoseconds(part: float) -> int:
    """Of a part of the timings; none where it is not known."""
    return round(max(part, 0) * MILLISECOND)


def _request(told: dict[str, Any] | None, exchange: Exchange, url: str, redactor: Redactor) -> dict[str, Any]:
    told = told or {"method": "", "version": "", "fields": [], "trailers": [], "content_length": NOT_KNOWN}
    request: dict[str, Any] = {
        "method": told["method"],
        "url": url,
        "httpVersion": told["version"],
        "cookies": [pair for value in _values(told["fields"], "cookie") for pair in _cookies(value)],
        "headers": _pairs(told["fields"]),
        "queryString": _query(url),
        "headersSize": NOT_KNOWN,
        "bodySize": told["content_length"],
    }
    content = shown_content(exchange.request, redactor, MAX_CONTENT) if exchange.request else None
    if content is not None:
        post: dict[str, Any] = {"mimeType": content.media_type, "params": [], **_text(content.text, content.data)}
        if "encoding" in post:  # HAR 1.2 knows it for answers only
            post["_encoding"] = post.pop("encoding")
        if content.kind == "application/x-www-form-urlencoded" and content.text is not None:
            post["params"] = _parameters(content.text)
        request["postData"] = post | _cut(content.is_cut, content.length)
    return request


def _response(told: dict[str, Any] | None, exchange: Exchange, redactor: Redactor) -> dict[str, Any]:
    told = told or {"status": NO_STATUS, "reason": "", "version": "", "fields": [], "content_length": NOT_KNOWN}
    answer = exchange.response
    shown = shown_content(answer, redactor, MAX_CONTENT) if answer else None
    content: dict[str, Any] = {
        "size": max(told["content_length"], 0),
        "mimeType": (answer.field("content-type") if answer else None) or "",
    }
    if shown is not None:
        size = _size(shown, told["content_length"])
        content |= size | _text(shown.text, shown.data) | _cut(shown.is_cut, shown.length)
    elif content["size"]:
        content["comment"] = "the content was not kept"
    return {
        "status": told["status"],
        "statusText": told["reason"],
        "httpVersion": told["version"],
        "cookies": [_set_cookie(value) for value in _values(told["fields"], "set-cookie")],
        "headers": _pairs(told["fields"]),
        "content": content,
        "redirectURL": next(iter(_values(told["fields"], "location")), ""),
        "headersSize": NOT_KNOWN,
        "bodySize": told["content_length"],
    }


def _size(shown: ShownContent, sent_length: int) -> dict[str, Any]:
    """Length of the content that is told, in bytes of its own charset, and what its coding saved of that.

    `sent_length` is that of the body. Of a content that was cut nobody knows how long it would be masked.
    """
    size = shown.length if shown.is_cut else len(shown.data)
    told: dict[str, Any] = {"size": size}
    if shown.length != sent_length:
        told["compression"] = size - sent_length
    if size != shown.length:
        told |= {"_size_before_masking": shown.length, "comment": f"it had {shown.length:,} bytes before masking"}
    return told


def _text(text: str | None, data: bytes) -> dict[str, str]:
    return {"text": base64.b64encode(data).decode(), "encoding": "base64"} if text is None else {"text": text}


def _cut(is_cut: bool, length: int) -> dict[str, str]:  # noqa: FBT001 - a fact, not a choice
    return {"comment": f"only the beginning of {length:,} bytes is here"} if is_cut else {}


def _pairs(fields: Iterable[Iterable[str]]) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in fields]


def _values(fields: Iterable[Iterable[str]], wanted: str) -> list[str]:
    return [value for name, value in fields if name.lower() == wanted]


def _query(url: str) -> list[dict[str, str]]:
    return _parameters(url.partition("#")[0].partition("?")[2])


def _parameters(query: str) -> list[dict[str, str]]:
    """`name=value&...` as it was meant."""
    pairs = [each.partition("=") for each in query.split("&") if each]
    return [{"name": unquote_plus(name), "value": unquote_plus(value)} for name, _, value in pairs]


def _cookies(value: str) -> list[dict[str, str]]:
    """Of one Cookie field, RFC 6265 section 4.2.1."""
    pairs = [each.partition("=") for each in value.split(";") if each.strip()]
    return [{"name": name.strip(), "value": text.strip()} for name, _, text in pairs]


def _set_cookie(value: str) -> dict[str, Any]:
    """Of one Set-Cookie field, RFC 6265 section 4.1.1."""
    first, *attributes = value.split(";")
    name, _, text = first.partition("=")
    cookie: dict[str, Any] = {"name": name.strip(), "value": text.strip()}
    for attribute in attributes:
        key, _, said = attribute.partition("=")
        match key.strip().lower():
            case "path" | "domain" as known:
                cookie[known] = said.strip()
            case "expires":
                cookie["expires"] = _date(said.strip())
            case "httponly":
                cookie["httpOnly"] = True
            case "secure":
                cookie["secure"] = True
    return cookie


def _date(text: str) -> str | None:
    try:
        date: datetime = parsedate_to_datetime(text.replace("-", " "))
        return (date if date.tzinfo else date.replace(tzinfo=UTC)).isoformat()
    except (ValueError, TypeError, OverflowError):
        return None
