"""What carried TLS: how the clear text around a connection's start reads, and what it asked for.

Each protocol has its own way to say that TLS begins; both sides' last words before it tell which it was.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tlsdecrypt.flow import Direction

MAX_KEPT: Final = 1 << 10  # bytes of clear text of each direction: the last ones

TDS: Final = "PRELOGIN (tds)"

_LDAP_START_TLS: Final = rb"1\.3\.6\.1\.4\.1\.1466\.20037"

# What the client's last words match, what the server's match, and what is said of it. The first that fits counts.
_CARRIERS: Final = tuple(
    (re.compile(client, re.IGNORECASE | re.DOTALL), re.compile(server, re.IGNORECASE | re.DOTALL), name)
    for client, server, name in (
        (rb"X-ANONYMOUSTLS *\r?\n\Z", rb"", "X-ANONYMOUSTLS (smtp)"),
        (rb"(?:\A|\n)STARTTLS *\r?\n\Z", rb"(?:\A|\n)382[ -][^\n]*\n\Z", "STARTTLS (nntp)"),
        (rb"(?:\A|\n)STARTTLS *\r?\n\Z", rb"(?:\A|\n)OK\b[^\n]*\n\Z", "STARTTLS (sieve)"),
        (rb"(?:\A|\n)STARTTLS *\r?\n\Z", rb"(?:\A|\n):\S+ 670 [^\n]*\n\Z", "STARTTLS (irc)"),
        (rb"(?:\A|\n)STARTTLS *\r?\n\Z", rb"", "STARTTLS (smtp)"),
        (rb"(?:\A|\n)[!-~]{1,32} STARTTLS *\r?\n\Z", rb"", "STARTTLS (imap)"),
        (rb"(?:\A|\n)STLS *\r?\n\Z", rb"", "STLS (pop3)"),
        (rb"(?:\A|\n)AUTH (?:TLS|SSL|TLS-[CP]) *\r?\n\Z", rb"", "AUTH TLS (ftp)"),
        (_LDAP_START_TLS, rb"", "StartTLS (ldap)"),
        (rb"<starttls\b[^<]*(?:/>|</starttls>)\s*\Z", rb"", "STARTTLS (xmpp)"),
        (rb"\x00\x00\x00\x08\x04\xd2\x16\x2f\Z", rb"S\Z", "SSLRequest (postgresql)"),
        (rb"\A\x20\x00\x00\x01.{32}\Z", rb"", "SSLRequest (mysql)"),
        (rb"\A\x03\x00..[\x06-\xff]\xe0\x00\x00", rb"", "X.224 (rdp)"),
        (rb"(?:\A|\n)CONNECT \S+ HTTP/1\.[01]\r?\n.*\r?\n\r?\n\Z", rb"", "CONNECT (http)"),
        (rb"\r?\nUpgrade: *TLS/1\.\d[^\n]*\n", rb"\AHTTP/1\.1 101|\nHTTP/1\.1 101", "Upgrade: TLS (http)"),
        (rb"\A\x04\x01.{6}[^\x00]*\x00(?:[^\x00]*\x00)?\Z", rb"", "CONNECT (socks4)"),
        (rb"\A\x05.*\x05\x01\x00[\x01\x03\x04].+\Z", rb"\A\x05", "CONNECT (socks5)"),
    )
)


class ClearText:
    """The last words of both sides before TLS began."""

    def __init__(self) -> None:
        """Nothing was said yet."""
        self._last = (bytearray(), bytearray())

    def add(self, direction: Direction, data: bytes) -> None:
        """The next clear bytes of one direction."""
        kept = self._last[direction]
        kept += data[-MAX_KEPT:]
        del kept[:-MAX_KEPT]

    def describe_carrier(self) -> str | None:
        """`STARTTLS (smtp)` and the like; None where TLS was the first thing said, `clear text` for the unknown."""
        client, server = self._last
        if not client and not server:
            return None
        for client_words, server_words, name in _CARRIERS:
            if client_words.search(client) and server_words.search(server):
                return name
        return "clear text"
