"""One stream of HTTP/2 (RFC 9113 sections 5.1 and 8.1): a request, its answer, and how both end."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tlsdecrypt.app.endpoint import classify
from tlsdecrypt.app.http import first_field
from tlsdecrypt.app.http1_reader import Message
from tlsdecrypt.app.http_body import UntilCloseBody
from tlsdecrypt.app.http_exchange import Said
from tlsdecrypt.app.http_head import RequestLine, StatusLine

if TYPE_CHECKING:
    from tlsdecrypt.app.http import Fields
    from tlsdecrypt.app.http2_fields import Section
    from tlsdecrypt.app.http_body import ContentSink

VERSION = "HTTP/2"
MAX_INTERIM = 100  # status codes 1xx of one stream that are remembered
MAX_FAULTS = 20  # of one message

_STATUS = re.compile(r"[1-9][0-9][0-9]")
_LENGTH = re.compile(r"[0-9]{1,19}")
_SWITCHING = 101  # has no meaning in HTTP/2 (section 8.6)


class Http2Stream:
    """A request and its answer while they are read; `is_over`: nothing more comes, whatever is missing."""

    __slots__ = ("answer", "faults", "has_gap", "interim", "is_over", "request", "service")

    def __init__(self) -> None:
        """Nothing was said yet."""
        self.request: Message | None = None
        self.answer: Message | None = None
        self.service: str | None = None
        self.interim: tuple[int, ...] = ()
        self.faults: tuple[str, ...] = ()
        self.is_over = False
        self.has_gap = [False, False]  # by direction: frames of this stream may have been missed

    @property
    def is_complete(self) -> bool:
        """Whether both sides have said all; who asks for what was not captured must know that by `is_over`."""
        sides = (self.request, self.answer)
        return self.is_over or all(message is not None and message.is_complete for message in sides)

    def begin_request(self, section: Section) -> Message:
        """The fields of a request."""
        line, fields = _request_line(section)
        self.request = _message(line, fields, section)
        self.service = classify(line.method, line.target)
        if not line.method and not section.unknown and not section.faults:
            self.request.faults.append("it has no :method")
        return self.request

    def begin_answer(self, section: Section) -> Message | None:
        """The fields of an answer; None where it is an interim one."""
        value = section.pseudo.get(":status", "")
        status = int(value) if _STATUS.fullmatch(value) else 0
        if status // 100 == 1 and status != _SWITCHING and not section.is_end_stream:
            if len(self.interim) < MAX_INTERIM:
                self.interim += (status,)
            return None
        self.answer = _message(StatusLine(VERSION, status, ""), section.fields, section)
        if not status and not section.unknown and not section.faults:
            self.answer.faults.append("it has no valid :status")
        return self.answer

    def said(self) -> Said:
        """All of it, for the value of the exchange."""
        return Said(self.request, self.answer, self.interim, self.faults)

    def add_fault(self, fault: str) -> None:
        """Once."""
        if fault not in self.faults and len(self.faults) < MAX_FAULTS:
            self.faults += (fault,)


def sink_of(message: Message | None) -> ContentSink | None:
    """Where the content of a message goes, None where it has none or is complete."""
    return None if message is None or message.body is None or message.is_complete else message.body.sink


def complete(message: Message, *, has_gap: bool) -> None:
    """END_STREAM was seen: the content is as long as it says, unless part of it lies in a gap."""
    message.is_complete = True
    wanted = first_field(message.fields, "content-length")
    if message.body is None or wanted is None or _LENGTH.fullmatch(wanted) is None:
        return
    sink = message.body.sink
    if has_gap and sink.length < int(wanted):
        sink.skip(int(wanted) - sink.length)
    elif sink.length != int(wanted):
        message.faults.append(f"the content has {sink.length:,} bytes and Content-Length says {int(wanted):,}")


def take_trailers(message: Message, section: Section) -> None:
    """Fields after the content (section 8.1)."""
    if message.body is not None:
        message.body.trailers = section.fields
    message.last = section.last
    message.faults += [each for each in section.faults if each not in message.faults][:MAX_FAULTS]


def _message(line: RequestLine | StatusLine, fields: Fields, section: Section) -> Message:
    message = Message(line, fields, list(section.faults), section.first)
    message.last = section.last
    if section.is_end_stream or section.promised is not None:
        message.is_complete = True
    else:
        message.body = UntilCloseBody()
    return message


def _request_line(section: Section) -> tuple[RequestLine, Fields]:
    """Method and target as HTTP/1.1 would have them, and the fields with Host first (sections 8.3.1 and 8.5).

    The target of an extended CONNECT (RFC 8441) is the URI that is asked.
    """
    pseudo = section.pseudo
    method, target = pseudo.get(":method", ""), pseudo.get(":path", "")
    authority, fields = pseudo.get(":authority"), section.fields
    if ":protocol" in pseudo:
        target = f"{pseudo.get(':scheme', 'https')}://{authority or ''}{target}"
    elif method == "CONNECT":
        target = authority or target
    if authority and first_field(fields, "host") is None:
        fields = (("host", authority), *fields)
    return RequestLine(method, target, VERSION), fields
