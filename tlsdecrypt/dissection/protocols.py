"""Which dissector of Wireshark is asked, and on which port it expects its protocol in the clear.

First bytes tell more than ports. Where both tell nothing, the port stays and Wireshark decides.
"""

from __future__ import annotations

import re
from typing import NamedTuple


class Dissector(NamedTuple):
    """A dissector by its name in Wireshark, and the port by which it is chosen."""

    name: str
    port: int


_LDAP = Dissector("ldap", 389)
_TDS = Dissector("tds", 1433)
_RDP = Dissector("tpkt", 3389)
_MYSQL = Dissector("mysql", 3306)
_POSTGRESQL = Dissector("pgsql", 5432)
_FTP = Dissector("ftp", 21)
_XMPP = Dissector("xmpp", 5222)
_MQTT = Dissector("mqtt", 1883)
_AMQP = Dissector("amqp", 5672)
_IMAP = Dissector("imap", 143)
_POP = Dissector("pop", 110)
_SMTP = Dissector("smtp", 25)
_TELNET = Dissector("telnet", 23)
_IRC = Dissector("irc", 6667)
_NNTP = Dissector("nntp", 119)

DISSECTORS = (
    _LDAP, _TDS, _RDP, _MYSQL, _POSTGRESQL, _FTP, _XMPP, _MQTT, _AMQP, _IMAP, _POP, _SMTP, _TELNET, _IRC, _NNTP,
)  # fmt: skip

_BY_PORT = {
    389: _LDAP, 636: _LDAP, 3268: _LDAP, 3269: _LDAP, 1433: _TDS, 3389: _RDP, 3306: _MYSQL, 5432: _POSTGRESQL,
    21: _FTP, 990: _FTP, 5222: _XMPP, 5223: _XMPP, 5269: _XMPP, 1883: _MQTT, 8883: _MQTT, 5671: _AMQP, 5672: _AMQP,
    143: _IMAP, 993: _IMAP, 110: _POP, 995: _POP, 25: _SMTP, 465: _SMTP, 587: _SMTP, 23: _TELNET, 992: _TELNET,
    6667: _IRC, 6697: _IRC, 119: _NNTP, 563: _NNTP,
}  # fmt: skip

# What a client says first: LDAPMessage with a messageID of few bytes and a request (RFC 4511 section 4.1.1), CONNECT
# (MQTT 5.0 section 3.1), the protocol header (AMQP 0-9-1 section 4.2.2, AMQP 1.0 section 2.2), the stream of XMPP
# (RFC 6120 section 4.2), StartupMessage and SSLRequest (PostgreSQL, section 55.7), TPKT with a connection request of
# X.224 (RFC 1006 section 6), prelogin and login ([MS-TDS] section 2.2.3.1).
_FROM_CLIENT = (
    (re.compile(rb"AMQP[\x00-\x03]"), _AMQP),
    (re.compile(rb"\x10[\x00-\xff]{1,4}?\x00(?:\x04MQTT|\x06MQIsdp)", re.DOTALL), _MQTT),
    (re.compile(rb"\s*(?:<\?xml[^>]{0,80}\?>\s*)?<stream:stream"), _XMPP),
    (re.compile(rb"\x00\x00[\x00-\xff]{2}(?:\x00\x03\x00\x00|\x04\xd2\x16[\x2e-\x30])", re.DOTALL), _POSTGRESQL),
    (re.compile(rb"\x03\x00\x00[\x00-\xff].\xe0", re.DOTALL), _RDP),
    (re.compile(rb"[\x10\x12]\x01[\x00-\xff]{2}\x00\x00[\x00-\x01]\x00", re.DOTALL), _TDS),
    (
        re.compile(
            rb"\x30(?:[\x00-\x7f]|\x81.|\x82..|\x83...|\x84....)\x02[\x01-\x04]\x00*[\x01-\xff]{1,4}?"
            rb"[\x42\x4a\x60\x63\x66\x68\x6c\x6e\x77]",
            re.DOTALL,
        ),
        _LDAP,
    ),
)

# What a server says first: Protocol::HandshakeV10 (MySQL, Connection Phase), with the version as text.
_FROM_SERVER = ((re.compile(rb"[\x00-\xff]{3}\x00\x0a[0-9]+\.[0-9.]+[^\x00]{0,80}\x00", re.DOTALL), _MYSQL),)

LOOKED_AT = 256  # bytes of each side that tell a protocol


def choose_dissector(port: int, client: bytes, server: bytes) -> Dissector | None:
    """By the first bytes of both sides, else by the server's port; None where Wireshark has to find out."""
    for said, patterns in ((client, _FROM_CLIENT), (server, _FROM_SERVER)):
        for pattern, dissector in patterns:
            if pattern.match(said[:LOOKED_AT]):
                return dissector
    return _BY_PORT.get(port)
