"""One HTTP exchange as a session of a Session Archive Zip, the files that Fiddler keeps: request, answer, metadata.

Requests and answers stand as they went over the wire, but masked, with contents decoded: the fields that told of a
coding are left out, and Content-Length says what is there. Times are those of frames.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from tlsdecrypt.report.exchange_document import exchange_document
from tlsdecrypt.report.exchange_url import exchange_url, is_inside_tls
from tlsdecrypt.report.har_timings import timings
from tlsdecrypt.report.quantities import SECOND
from tlsdecrypt.report.shown_content import shown_content
from tlsdecrypt.report.visible import visible

if TYPE_CHECKING:
    from tlsdecrypt.conversation import Conversation
    from tlsdecrypt.flow import Span
    from tlsdecrypt.redact import Redactor

MAX_CONTENT = 16 << 20  # bytes of one content, as much as is kept of it

_UNDONE = frozenset({"content-encoding", "transfer-encoding", "content-length", "trailer"})
_IS_HTTPS, _PIPES_REUSED, _IMPORTED = 0x1, 0x8 | 0x10, 0x400  # BitFlags of a session
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NO_TIME = "0001-01-01T00:00:00"


def saz_session(conversation: Conversation, index: int, redactor: Redactor) -> tuple[bytes, bytes, dict[str, Any]]:
    """The request and the answer of the exchange at `index`, and what `metadata` and the index need of it."""
    exchange = conversation.exchanges[index]
    told = exchange_document(exchange, redactor)
    url = exchange_url(conversation, index, redactor)
    request, response = told["request"], told["response"]
    method, version = (request["method"], request["version"]) if request else ("UNKNOWN", "HTTP/1.1")
    asked = _message(f"{method} {url} {version}", request, exchange.request, redactor)
    answered = b""
    if response:
        status = f"{response['version']} {response['status']} {response['reason']}"
        answered = _message(status, response, exchange.response, redactor)
    facts = {
        "url": url,
        "status": response["status"] if response else 0,
        "protocol": "HTTPS" if is_inside_tls(conversation, index) else "HTTP",
        "length": response["content_length"] if response else 0,
        "type": next(
            (value for name, value in (response or {}).get("fields", ()) if name.lower() == "content-type"), ""
        ),
        "bits": _bits(conversation, index),
        "timers": _timers(conversation, index),
        "flags": _flags(conversation, told),
    }
    return asked, answered, facts


def _message(start: str, told: dict[str, Any] | None, message: Any, redactor: Redactor) -> bytes:
    """Start line, fields and content."""
    content = shown_content(message, redactor, MAX_CONTENT) if message is not None else None
    data = content.data if content else b""
    fields = [(name, value) for name, value in (told or {}).get("fields", ()) if name.lower() not in _UNDONE]
    if data or (told and told["content_length"]):
        fields.append(("Content-Length", str(len(data))))
    lines = [start, *(f"{name}: {value}" for name, value in fields)]
    return "".join(f"{visible(each)}\r\n" for each in lines).encode("utf-8", "replace") + b"\r\n" + data


def _bits(conversation: Conversation, index: int) -> int:
    return _IMPORTED | (_IS_HTTPS if is_inside_tls(conversation, index) else 0) | (_PIPES_REUSED if index else 0)


def _timers(conversation: Conversation, index: int) -> dict[str, str]:
    """The attributes of `SessionTimers`; lengths are whole milliseconds."""
    exchange = conversation.exchanges[index]
    parts = timings(conversation, index)
    asked, done = _ends(exchange.request)
    answered, finished = _ends(exchange.response)
    connected = _time(conversation.span.first_time_ns)
    connect, ssl = max(parts["connect"], 0), max(parts["ssl"], 0)
    return {
        "ClientConnected": connected,
        "ClientBeginRequest": asked,
        "GotRequestHeaders": asked,
        "ClientDoneRequest": done,
        "GatewayTime": "0",
        "DNSTime": "0",
        "TCPConnectTime": str(round(connect - ssl)),
        "HTTPSHandshakeTime": str(round(ssl)),
        "ServerConnected": connected,
        "FiddlerBeginRequest": asked,
        "ServerGotRequest": done,
        "ServerBeginResponse": answered,
        "GotResponseHeaders": answered,
        "ServerDoneResponse": finished,
        "ClientBeginResponse": answered,
        "ClientDoneResponse": finished,
    }


def _ends(message: Any) -> tuple[str, str]:
    if message is None:
        return _NO_TIME, _NO_TIME
    span: Span = message.span
    return _time(span.first_time_ns), _time(span.last_time_ns)


def _time(time_ns: int) -> str:
    """As .NET writes it, in ticks of 100 nanoseconds."""
    seconds, rest = divmod(time_ns, SECOND)
    return f"{(_EPOCH + timedelta(seconds=seconds)):%Y-%m-%dT%H:%M:%S}.{rest // 100:07d}Z"


def _flags(conversation: Conversation, told: dict[str, Any]) -> dict[str, str]:
    """The `SessionFlags`: who talked to whom, and where it stands in the capture."""
    frames = told["frames"]
    where = f"frames {frames[0]}-{frames[-1]}" if frames else "no frames"
    comments = [f"connection {conversation.id}, {where}", *told["faults"]]
    comments += [f"the {side} was not seen" for side in ("request", "response") if told[side] is None]
    return {
        "x-clientip": conversation.client.address,
        "x-clientport": str(conversation.client.port),
        "x-hostip": conversation.server.address,
        "x-processinfo": conversation.process or "",
        "ui-comments": "; ".join(comments),
    }
