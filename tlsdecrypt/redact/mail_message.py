"""What may be shown of a mail message (RFC 5322): who writes to whom, when and by which way; nothing of its content."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tlsdecrypt.redact import names

if TYPE_CHECKING:
    from tlsdecrypt.redact.redactor import Redactor

SHOWN_FIELDS = frozenset(
    {
        "bcc", "cc", "content-transfer-encoding", "content-type", "date", "from", "in-reply-to", "message-id",
        "mime-version", "received", "references", "reply-to", "return-path", "sender", "to", "x-originatororg",
    }
)  # fmt: skip

_END_OF_HEAD = re.compile(rb"\r?\n(?=\r?\n|\Z)")
_FIELD = re.compile(rb"^([!-9;-~]{1,100})[ \t]*:((?:.|\r?\n[ \t])*)", re.MULTILINE)


def mask_message(message: bytes, redactor: Redactor) -> bytes:
    """The message with masks in place of all that is personal; what is no field in its head is left out."""
    if redactor.show_secrets:
        return message
    end = _END_OF_HEAD.search(message)
    head, content = (message[: end.start()], message[end.start() :].strip()) if end else (message, b"")
    lines = [_masked_field(match[1], match[2], redactor) for match in _FIELD.finditer(head)]
    return b"".join(lines) + b"\r\n" + (_mask(content, redactor) + b"\r\n" if content else b"")


def _masked_field(name: bytes, value: bytes, redactor: Redactor) -> bytes:
    if name.decode("ascii").lower() in SHOWN_FIELDS:
        shown = redactor.text(value.decode("latin-1").strip()).encode("latin-1", "replace")
    else:
        shown = _mask(value.strip(), redactor)
    return name + b": " + shown + b"\r\n"


def _mask(data: bytes, redactor: Redactor) -> bytes:
    """Without a fingerprint: two letters may be long and alike, and a subject is short enough to be guessed."""
    redactor.counts[names.PERSONAL] += 1
    return f"<masked:{names.PERSONAL} len={len(data)}>".encode()
