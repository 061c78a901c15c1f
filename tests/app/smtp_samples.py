"""Parts of SMTP dialogues, and what their tests ask."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from mail_feeding import dialogue, feed_in_every_cut

from tlsdecrypt.app.smtp import SmtpDecoder

if TYPE_CHECKING:
    from tlsdecrypt.app.exchange import Exchange

MARKER = "Tr0ub4dor3-marker"
BEARER = f"user=avery@contoso.com\x01auth=Bearer {MARKER}\x01\x01"
GREETING = (
    "S: 220 SVR01.contoso.local Microsoft ESMTP MAIL Service ready at Thu, 29 Dec 2011 14:10:24 +0800",
    "C: EHLO EXC1.contoso.local",
    "S: 250-SVR01.contoso.local Hello [192.0.2.21]",
    "S: 250-SIZE 31457280",
    "S: 250-PIPELINING",
    "S: 250-X-ANONYMOUSTLS",
    "S: 250-AUTH NTLM LOGIN",
    "S: 250-X-EXPS GSSAPI NTLM",
    "S: 250 CHUNKING",
)
ENVELOPE = (
    "C: MAIL FROM:<avery@contoso.com> SIZE=400 XOORG=contoso.com",
    "S: 250 2.1.0 Sender OK",
    "C: RCPT TO:<kim@fabrikam.com> NOTIFY=NEVER",
    "S: 250 2.1.5 Recipient OK",
)
MESSAGE = (
    "C: From: Avery <avery@contoso.com>",
    "C: To: Kim <kim@fabrikam.com>,",
    "C:  Lee <lee@fabrikam.com>",
    "C: Message-ID: <1@contoso.com>",
    "C: Received: from a by b",
    "C: Received: from c by d",
    f"C: Subject: {MARKER}",
    "C: ",
    "C: ..a line that begins with a dot",
    "C: QUIT",
)
QUEUED = "S: 250 2.6.0 <1@contoso.com> [InternalId=12345678] Queued mail for delivery"
GOODBYE = ("C: QUIT", "S: 221 2.0.0 Service closing transmission channel")


def smtp(*lines: str) -> list[Exchange]:
    return feed_in_every_cut(SmtpDecoder, dialogue(*lines))


def about(exchange: Exchange) -> dict[str, Any]:
    facts: dict[str, Any] = exchange.annotations["smtp"]
    return facts


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
