"""An exchange as lines: what was asked, what was answered, how long it took, and what it means."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tlsdecrypt.conversation import NOTHING_UNVERIFIED
from tlsdecrypt.report.exchange_document import exchange_document
from tlsdecrypt.report.hole_document import told_of_hole
from tlsdecrypt.report.lines import INDENT, line
from tlsdecrypt.report.quantities import SECOND, counted, duration, size
from tlsdecrypt.report.rpc_document import is_rpc, rpc_answer, rpc_asked
from tlsdecrypt.report.text_annotations import annotation_lines
from tlsdecrypt.report.text_content import content_lines
from tlsdecrypt.report.text_mail import is_mail, mail_answer, mail_asked, mail_lines
from tlsdecrypt.report.visible import shorten
from tlsdecrypt.report.websocket_document import is_websocket, websocket_answer, websocket_asked

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tlsdecrypt.app.exchange import Exchange
    from tlsdecrypt.conversation import Unverified
    from tlsdecrypt.report.lines import Line, Part, Style
    from tlsdecrypt.report.text_view import TextView

NO_ANSWER = "no answer was seen"  # as decoders word it
MIN_TARGET = 24  # columns that a target keeps on the narrowest terminal

_FIRST_ERROR, _FIRST_REDIRECT = 400, 300  # HTTP status codes, RFC 9110 section 15


def exchange_lines(
    exchange: Exchange,
    start_ns: int,
    view: TextView,
    unverified: tuple[Unverified, Unverified] = NOTHING_UNVERIFIED,
) -> Iterator[Line]:
    """`start_ns` is when the connection began. All text comes from the redacted document."""
    told = exchange_document(exchange, view.redactor, unverified)
    offset = f"+{(exchange.span.first_time_ns - start_ns) / SECOND:.3f} s"
    answer = answer_of(told)
    facts = [*_sizes(told), *_took(exchange), view.frames.range(exchange.span)]
    room = view.width - INDENT - sum(len(each) + 2 for each in (offset, answer[0], *facts))
    yield line(
        offset,
        (shorten(asked_of(told), max(room, MIN_TARGET)), "strong"),
        answer,
        *((each, "faint") for each in facts),
        level=1,
    )
    yield from annotation_lines(told["annotations"], level=2)
    for fault in told["faults"]:
        if fault == NO_ANSWER:  # the first line says it
            continue
        yield line((f"fault: {shorten(fault, view.width)}", "caution"), level=2)
    yield from _missing(told)
    if view.is_verbose:
        lines_of = mail_lines if is_mail(told) else _fields
        for name, mark in (("request", ">"), ("response", "<")):
            yield from lines_of(told[name], mark)
            yield from content_lines(getattr(exchange, name), view.redactor, mark)


def asked_of(told: dict[str, Any]) -> str:
    """Method and target, or the command, of an exchange as `exchange_document` tells it."""
    if is_mail(told):
        return mail_asked(told)
    if is_rpc(told):
        return rpc_asked(told)
    if is_websocket(told):
        return websocket_asked(told)
    request = told["request"]
    return "(request not seen)" if request is None else f"{request['method']} {request['target']}"


def answer_of(told: dict[str, Any], width: int = MIN_TARGET) -> Part:
    """Status and reason (at most `width` columns of it), or the reply, and how good that is."""
    response = told["response"]
    if is_mail(told):
        return mail_answer(response)
    if is_rpc(told):
        return rpc_answer(told)
    if is_websocket(told):
        return websocket_answer(told)
    if response is None and told["annotations"].get("rpc_http", {}).get("is_channel"):
        return "open", "good"  # a channel of RPC over HTTP is answered on another connection
    if response is None:
        return "no answer seen", "bad"
    status = response["status"]
    style: Style = "bad" if status >= _FIRST_ERROR else "caution" if status >= _FIRST_REDIRECT else "good"
    return f"{status} {shorten(response['reason'], width)}".rstrip(), style


def _sizes(told: dict[str, Any]) -> list[str]:
    """Content in each direction, as it went over the wire; most commands of mail carry none."""
    sides = [(told[side], way) for side, way in (("request", "up"), ("response", "down")) if told[side]]
    if is_mail(told):
        sides = [(message, way) for message, way in sides if message.get("content_length")]
    sizes = [f"{size(message['content_length'])} {way}" for message, way in sides]
    return [", ".join(sizes)] if sizes else []


def _took(exchange: Exchange) -> list[str]:
    return [] if exchange.duration_ns is None else [duration(exchange.duration_ns)]


def _missing(told: dict[str, Any]) -> Iterator[Line]:
    for side in ("request", "response"):
        if told[side] and told[side]["missing"]:
            missing = f"{counted(told[side]['missing'], 'byte')} of the {side} not captured{told_of_hole(told[side])}"
            yield line((f"[{missing}]", "caution"), level=2)


def _fields(message: dict[str, Any] | None, mark: str) -> Iterator[Line]:
    """Every field as it was sent, secrets masked."""
    if message is None:
        return
    for name, value in (*message.get("fields", ()), *message.get("trailers", ())):
        yield line((f"{mark} {name}: {value}", "faint"), level=2)
