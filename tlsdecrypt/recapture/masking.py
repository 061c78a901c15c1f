"""Secrets of one connection, overwritten where they stand in what was said on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tlsdecrypt.recapture.binary_logins import mask_binds, mask_socks
from tlsdecrypt.recapture.first_logins import mask_first_logins
from tlsdecrypt.recapture.http_masking import HttpMasking, holds_requests
from tlsdecrypt.recapture.line_masking import mask_lines
from tlsdecrypt.recapture.mail_masking import mask_mail
from tlsdecrypt.redact.in_place import InPlaceMasker
from tlsdecrypt.redact.renamer import Renamer

if TYPE_CHECKING:
    from tlsdecrypt.conversation import Conversation
    from tlsdecrypt.recapture.stream_bytes import StreamBytes
    from tlsdecrypt.redact import Redactor
    from tlsdecrypt.redact.pseudonyms import Pseudonyms

_HTTP2 = b"PRI * HTTP/2.0\r\n"  # how a client begins (RFC 9113 section 3.4)


def mask_streams(
    conversation: Conversation,
    client: StreamBytes,
    server: StreamBytes,
    redactor: Redactor,
    pseudonyms: Pseudonyms | None = None,
) -> None:
    """Mask both directions, and put pseudonyms in place of names where they are given."""
    passwords = [password for each in conversation.exchanges for password in each.passwords]
    masker = InPlaceMasker(redactor, passwords) if pseudonyms is None else Renamer(redactor, passwords, pseudonyms)
    mask_socks(client)
    if conversation.application_protocol == "http/2" or client.read(0, len(_HTTP2)) == _HTTP2:
        from tlsdecrypt.recapture.http2_masking import Http2Masking  # noqa: PLC0415 - it loads HPACK

        Http2Masking(masker).mask(client, server)
    elif (conversation.application_protocol or "").startswith("http/") and conversation.exchanges:
        if any(each.protocol == "websocket" for each in conversation.exchanges):
            from tlsdecrypt.recapture.websocket_masking import mask_websocket  # noqa: PLC0415 - rarely needed

            mask_websocket(client, server, masker)
        HttpMasking(masker).mask(client, server)
    else:
        mask_binds(client)
        mask_first_logins(client)
        mask_mail(conversation.application_protocol or "", client, server)
        mask_lines(client, server, masker)
        if not conversation.application_protocol and holds_requests(client):  # behind something else
            HttpMasking(masker).mask(client, server)
