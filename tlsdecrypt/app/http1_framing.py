"""How long the content of an HTTP/1 message is (RFC 9112 section 6.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tlsdecrypt.app.http_body import ChunkedBody, LengthBody, UntilCloseBody

if TYPE_CHECKING:
    from tlsdecrypt.app.http1_reader import Message
    from tlsdecrypt.app.http_body import Body

MAX_LENGTH_DIGITS = 19

_CONTENT_LENGTH = len("content-length")  # most names differ from the two that matter in their length already
_TRANSFER_ENCODING = len("transfer-encoding")
_WITHOUT_CONTENT = frozenset({204, 304})
_SUCCESS = range(200, 300)
_SWITCHING_PROTOCOLS = 101


def frame_request(message: Message) -> Body | None:
    """The framing of a request's content, None where it has none; what is wrong goes to the message's faults."""
    is_framed, body = _framing_fields(message)
    return body if is_framed else None


def frame_response(method: str | None, status: int, message: Message) -> Body | None:
    """The framing of an answer to `method` (None: not seen)."""
    if method == "HEAD" or status in _WITHOUT_CONTENT or status == _SWITCHING_PROTOCOLS:
        return None
    if method == "CONNECT" and status in _SUCCESS:
        return None
    is_framed, body = _framing_fields(message)
    return body if is_framed else UntilCloseBody()


def _framing_fields(message: Message) -> tuple[bool, Body | None]:
    """Whether the fields say how long the content is, and the framing."""
    codings: list[str] = []
    lengths: list[str] = []
    for name, value in message.fields:
        length = len(name)
        if length == _CONTENT_LENGTH and name.lower() == "content-length":
            lengths += [each.strip() for each in value.split(",")]
        elif length == _TRANSFER_ENCODING and name.lower() == "transfer-encoding":
            codings += [each.strip().lower() for each in value.split(",") if each.strip()]
    if not codings and not lengths:
        return False, None
    if codings and codings != ["identity"]:
        if lengths:
            message.faults.append("both Transfer-Encoding and Content-Length (a way to smuggle requests)")
        if codings[-1] == "chunked":
            return True, ChunkedBody()
        message.faults.append("the last transfer coding is not chunked")
        return True, UntilCloseBody()
    content_length = _content_length(lengths, message.faults)
    return content_length is not None, LengthBody(content_length) if content_length is not None else None


def _content_length(values: list[str], faults: list[str]) -> int | None:
    """The length that the Content-Length values give, None where they give none."""
    if not values:
        return None
    if len(values) == 1 and values[0].isdecimal() and values[0].isascii() and len(values[0]) <= MAX_LENGTH_DIGITS:
        return int(values[0])
    if len(values) > 1:
        same = len(set(values)) == 1
        faults.append("Content-Length is repeated" if same else "Content-Length values contradict each other")
    valid = [each for each in values if each.isascii() and each.isdigit() and len(each) <= MAX_LENGTH_DIGITS]
    if not valid:
        faults.append("Content-Length is no valid number")
        return None
    return int(valid[0])
