"""choose_mail_decoder: SMTP, POP3 and IMAP told by the first bytes of either side, or by the port."""

from __future__ import annotations

import re
from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tlsdecrypt.app.decoder import Decoder

SMTP_PORTS: Final = frozenset({24, 25, 465, 475, 587, 717, 2525})  # 475 and 717 are transport services of Exchange
POP3_PORTS: Final = frozenset({110, 995})
IMAP_PORTS: Final = frozenset({143, 993})
FTP_PORTS: Final = frozenset({21, 990})  # where USER and PASS are not those of POP3

_SMTP, _POP3, _IMAP = ("smtp", "SmtpDecoder"), ("pop3", "Pop3Decoder"), ("imap", "ImapDecoder")
_BY_ALPN = {"smtp": _SMTP, "lmtp": _SMTP, "pop3": _POP3, "imap": _IMAP}
_STARTS = tuple(
    (re.compile(pattern, re.IGNORECASE), kind)
    for pattern, kind in (
        (rb"220[ -][^\r\n]*\b(?:E?SMTPS?|LMTP)\b|(?:EHLO|HELO|LHLO) \S", _SMTP),
        (rb"\+OK[ -][^\r\n]*POP3?\b|(?:CAPA|STLS)\r\n|APOP \S+ [0-9a-f]{32}\r\n|USER \S+\r\nPASS ", _POP3),
        (rb"\* (?:OK|PREAUTH|BYE)(?: \[CAPABILITY|[^\r\n]*\bIMAP)", _IMAP),
        (rb"[A-Za-z0-9.]{1,20} (?:CAPABILITY\r\n|LOGIN \S|AUTHENTICATE \S|ID \()", _IMAP),
    )
)
_BY_PORT = {
    **dict.fromkeys(SMTP_PORTS, _SMTP),
    **dict.fromkeys(POP3_PORTS, _POP3),
    **dict.fromkeys(IMAP_PORTS, _IMAP),
}
_NO_TEXT = re.compile(rb"[^\t\r\n -\xff]|\x7f")
_STARTS_OF_OTHERS = {
    _SMTP: re.compile(rb"\* |\+OK|-ERR|[A-Za-z0-9.]{1,20} (?:CAPABILITY|LOGIN|STARTTLS|ID)\b", re.IGNORECASE),
    _POP3: re.compile(rb"\* |220[ -]|(?:EHLO|HELO) ", re.IGNORECASE),
    _IMAP: re.compile(rb"\+OK|-ERR|220[ -]|(?:EHLO|HELO) ", re.IGNORECASE),
}


def choose_mail_decoder(
    alpn: str | None, first_bytes: bytes, port: int, *, keep_content: bool, is_covered: bool
) -> Decoder | None:
    """The decoder for what begins with `first_bytes` (of either side) towards a server's `port`; None for no mail.

    `is_covered`: all of it is inside TLS.
    """
    if port in FTP_PORTS:
        return None
    if alpn:
        kind = _BY_ALPN.get(alpn)
    else:
        kind = next((each for pattern, each in _STARTS if pattern.match(first_bytes)), None)
        if kind is None and not _NO_TEXT.search(first_bytes):
            kind = _BY_PORT.get(port)
            if kind is not None and _STARTS_OF_OTHERS[kind].match(first_bytes):
                kind = None
    if kind is None:
        return None
    module, name = kind
    decoder: Decoder = getattr(import_module(f"tlsdecrypt.app.{module}"), name)(
        keep_content=keep_content, is_covered=is_covered
    )
    return decoder
