"""The attachments of a mail message (RFC 2045, RFC 2183), by the standard library."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from email.message import EmailMessage

MAX_ATTACHMENTS = 100  # of one message
MAX_PARTS = 1_000  # of one message that are looked at


class Attachment(NamedTuple):
    """A part that has a name, or is meant to be kept; decoded."""

    name: str
    media_type: str
    data: bytes


def attachments(message: bytes) -> Iterator[Attachment]:
    """Those of a message, messages inside of it included; what is damaged beyond reading is left out."""
    from email import policy  # noqa: PLC0415 - loaded by those who keep mail
    from email.parser import BytesParser  # noqa: PLC0415 - the same

    try:
        parsed: EmailMessage = BytesParser(policy=policy.default).parsebytes(message)
        yield from _parts(parsed)
    except (ValueError, LookupError, AttributeError, IndexError, TypeError, KeyError, RecursionError):
        return  # the library raises nearly anything for headers of strangers


def _parts(message: EmailMessage) -> Iterator[Attachment]:
    found = 0
    for count, part in enumerate(message.walk()):
        if count >= MAX_PARTS or found >= MAX_ATTACHMENTS:
            return
        if part.is_multipart() and part.get_content_type() != "message/rfc822":
            continue
        name = part.get_filename() or ""
        is_kept = name or part.get_content_disposition() == "attachment" or part.get_content_type() == "message/rfc822"
        data = _data(part) if is_kept and count else None
        if data:
            found += 1
            yield Attachment(name, part.get_content_type(), data)


def _data(part: EmailMessage) -> bytes | None:
    if part.get_content_type() == "message/rfc822":
        inner = next(part.iter_parts(), None)
        return inner.as_bytes() if inner is not None else None
    data = part.get_payload(decode=True)
    return data if isinstance(data, bytes) else None
