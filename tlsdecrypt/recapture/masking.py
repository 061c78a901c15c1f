"""Secrets of one connection, overwritten where they stand in what was said on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tlsdecrypt.recapture.http_masking import HttpMasking
from tlsdecrypt.recapture.line_masking import mask_lines
from tlsdecrypt.recapture.mail_masking import mask_mail
from tlsdecrypt.redact.in_place import InPlaceMasker

if TYPE_CHECKING:
    from tlsdecrypt.conversation import Conversation
    from tlsdecrypt.recapture.stream_bytes import StreamBytes
    from tlsdecrypt.redact import Redactor


def mask_streams(conversation: Conversation, client: StreamBytes, server: StreamBytes, redactor: Redactor) -> None:
    """Mask both directions. HTTP/2 stays as it is: see `ARCHITECTURE.md`."""
    passwords = [password for each in conversation.exchanges for password in each.passwords]
    masker = InPlaceMasker(redactor, passwords)
    if (conversation.application_protocol or "").startswith("http/"):
        HttpMasking(masker).mask(client, server)
    elif (conversation.application_protocol or "") not in {"h2", "http2"}:
        mask_mail(conversation.application_protocol or "", client, server)
        mask_lines(client, server, masker)
