"""An exchange as plain values: the `exchanges` of the JSON document."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from tlsdecrypt.conversation import NOTHING_UNVERIFIED
from tlsdecrypt.report.hole_document import known_of_hole
from tlsdecrypt.report.mail_document import mail_command, mail_reply, smtp_reply
from tlsdecrypt.report.quantities import MILLISECOND, iso_times
from tlsdecrypt.report.rpc_document import rpc_message
from tlsdecrypt.report.websocket_document import websocket_message

if TYPE_CHECKING:
    from collections.abc import Callable

    from tlsdecrypt.app.exchange import Exchange
    from tlsdecrypt.conversation import Unverified
    from tlsdecrypt.flow import Span
    from tlsdecrypt.redact import Redactor


def exchange_document(
    exchange: Exchange, redactor: Redactor, unverified: tuple[Unverified, Unverified] = NOTHING_UNVERIFIED
) -> dict[str, Any]:
    """One element of `exchanges`; `request` and `response` are null where they were not seen.

    `unverified` is the conversation's: what fills holes of this exchange is counted.

    `frames` holds the distinct frames that bound the two messages, sorted. The messages come first, so that the
    redactor knows their secrets before it meets free text that may quote them.
    """
    for password in exchange.passwords:
        redactor.learn(password)
    request = _message(exchange.request, redactor, unverified[0])
    response = _message(exchange.response, redactor, unverified[1])
    said = [each for each in (request, response) if each]
    duration_ns = exchange.duration_ns
    return {
        "protocol": exchange.protocol,
        "request": request,
        "response": response,
        "frames": sorted({frame for each in said for frame in each["frames"]}),
        "start": said[0]["start"],
        "duration_ms": None if duration_ns is None else duration_ns / MILLISECOND,
        "annotations": redacted_values(exchange.annotations, redactor),
        "faults": [redactor.text(fault) for fault in exchange.faults],
    }


def redacted_values(value: Any, redactor: Redactor) -> Any:
    """Plain values with every text in them masked, by its name or by what it looks like; the shape stays."""
    if isinstance(value, str):
        return redactor.text(value)
    if isinstance(value, dict):
        return {
            key: redactor.named(key, each) if isinstance(each, str) else redacted_values(each, redactor)
            for key, each in value.items()
        }
    if isinstance(value, list | tuple):
        return [redacted_values(each, redactor) for each in value]
    return value


def _message(message: Any, redactor: Redactor, unverified: Unverified) -> dict[str, Any] | None:
    """One side of an exchange, whatever its protocol, with `frames` [first, last], `start` and `end`."""
    if message is None:
        return None
    span: Span = message.span
    told = _describer(message.__class__)(message, redactor)
    told["frames"] = [span.first_frame, span.last_frame]
    told["start"], told["end"] = iso_times(span)
    if "fields" in told and "missing" in told and (known := known_of_hole(message, unverified)):
        told["unverified"] = known
    return told


@cache
def _describer(kind: type) -> Callable[[Any, Redactor], dict[str, Any]]:
    """How to describe a kind of message, told by what it has: a method or a verb, a status, a code or a result."""
    return next(describe for name, describe in _DESCRIBERS.items() if hasattr(kind, name))


def _http_request(request: Any, redactor: Redactor) -> dict[str, Any]:
    return {
        "method": request.method,
        "target": redactor.target(request.target),
        "host": request.host,
        "version": request.version,
        **_http_content(request, redactor),
    }


def _http_response(response: Any, redactor: Redactor) -> dict[str, Any]:
    return {
        "status": response.status,
        "reason": redactor.text(response.reason),
        "version": response.version,
        "interim": list(response.interim),
        **_http_content(response, redactor),
    }


def _http_content(message: Any, redactor: Redactor) -> dict[str, Any]:
    """What requests and responses share; lengths are bytes."""
    return {
        "fields": redactor.fields(message.fields),
        "trailers": redactor.fields(message.trailers),
        "content_length": message.content_length,
        "missing": message.missing,
    }


_DESCRIBERS: dict[str, Callable[[Any, Redactor], dict[str, Any]]] = {
    "method": _http_request,
    "status": _http_response,
    "stub_length": rpc_message,
    "opcode": websocket_message,
    "verb": mail_command,
    "code": smtp_reply,
    "result": mail_reply,
}
