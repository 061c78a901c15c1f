"""Messages of HTTP that were read, whatever the version, as the values of one exchange; and whose content is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from tlsdecrypt.app.annotators import content_reader_of, is_content_read
from tlsdecrypt.app.content import decode_content
from tlsdecrypt.app.exchange import Exchange
from tlsdecrypt.app.http import HttpRequest, HttpResponse, every_field, first_field
from tlsdecrypt.app.http_body import MAX_CONTENT_KEPT
from tlsdecrypt.app.http_head import RequestLine, StatusLine
from tlsdecrypt.app.page import is_page
from tlsdecrypt.app.passwords import may_hold_passwords, passwords_in
from tlsdecrypt.value import replace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tlsdecrypt.app.exchange import Annotations
    from tlsdecrypt.app.http1_reader import Message
    from tlsdecrypt.app.http_body import ContentSink

    Annotate: TypeAlias = Callable[[HttpRequest | None, HttpResponse | None], Annotations]


class Said(NamedTuple):
    """Both sides of an exchange as they were read, the 1xx status codes in between, and what is wrong with both."""

    request: Message | None
    answer: Message | None
    interim: tuple[int, ...]
    faults: tuple[str, ...]


def attend(message: Message, sink: ContentSink, service: str | None, *, is_content_kept: bool) -> None:
    """Let content be read by whom it concerns: the caller, an annotation, or the search for passwords."""
    content_type = first_field(message.fields, "content-type")
    if service is not None:
        status = None if isinstance(message.line, RequestLine) else message.line.status
        sink.reader = content_reader_of(service, content_type, status)
    is_read = sink.reader is None and is_content_read(service, content_type)
    if is_read or is_content_kept or _is_read_anyhow(service, message, content_type):
        sink.collect()


def make_exchange(protocol: str, said: Said, annotate: Annotate, *, is_content_kept: bool) -> Exchange:
    """The values of both messages, annotated; contents are left out where only the annotations asked for them."""
    faults = [*said.faults]
    request = _request(said.request, faults) if said.request else None
    response = _response(said.answer, said.interim, faults) if said.answer else None
    annotations = annotate(request, response)
    passwords = passwords_in(request.content) if request is not None and request.content else ()
    if not is_content_kept:
        if request is not None and request.content is not None:
            request = replace(request, content=None)
        if response is not None and response.content is not None:
            response = replace(response, content=None)
    return Exchange(protocol, request, response, annotations, tuple(faults), passwords)


def _is_read_anyhow(service: str | None, message: Message, content_type: str | None) -> bool:
    """Whether a content may hold passwords, or says what went wrong."""
    if isinstance(message.line, RequestLine):
        return may_hold_passwords(content_type)
    return is_page(service, message.line.status, content_type)


def _request(message: Message, faults: list[str]) -> HttpRequest:
    line = message.line
    if message.faults:
        faults += _named("request", message.faults)
    method, target, version = line if isinstance(line, RequestLine) else ("", "", "")
    if message.body is None:
        return HttpRequest(method, target, version, message.fields, message.span)
    sink = message.body.sink
    content = _content(message, sink, "request", faults)
    observed = sink.reader.facts() if sink.reader else None
    head = (method, target, version, message.fields, message.span)
    return HttpRequest(*head, sink.length, content, message.body.trailers, sink.missing, observed)


def _response(message: Message, interim: tuple[int, ...], faults: list[str]) -> HttpResponse:
    line = message.line
    if message.faults:
        faults += _named("response", message.faults)
    version, status, reason = line if isinstance(line, StatusLine) else ("", 0, "")
    if message.body is None:
        return HttpResponse(status, reason, version, message.fields, message.span, interim=interim)
    sink = message.body.sink
    return HttpResponse(
        status=status,
        reason=reason,
        version=version,
        fields=message.fields,
        span=message.span,
        content_length=sink.length,
        content=_content(message, sink, "response", faults),
        trailers=message.body.trailers,
        missing=sink.missing,
        interim=interim,
        observed=sink.reader.facts() if sink.reader else None,
    )


def _content(message: Message, sink: ContentSink, who: str, faults: list[str]) -> bytes | None:
    """The decoded content, None where it was not collected."""
    if sink.pieces is None:
        if sink.is_overflowed:
            faults.append(f"{who}: content beyond {MAX_CONTENT_KEPT:,} bytes is not kept")
        return None
    codings = every_field(message.fields, "content-encoding")
    codings += every_field(message.fields, "transfer-encoding")
    decoded, decoding_faults = decode_content(b"".join(sink.pieces), codings)
    faults += _named(who, decoding_faults)
    return decoded


def _named(who: str, faults: Iterable[str]) -> list[str]:
    return [f"{who}: {fault}" for fault in faults]
