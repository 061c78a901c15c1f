"""What stands in the clear before TLS, byte by byte as the standards have it: what is said of it, and the flights."""

from __future__ import annotations

from tlsdecrypt.flow import Direction

UP, DOWN = Direction.CLIENT_TO_SERVER, Direction.SERVER_TO_CLIENT

_SMTP = [
    (DOWN, b"220 mail.contoso.com Microsoft ESMTP MAIL Service ready\r\n"),
    (UP, b"EHLO client.example\r\n"),
    (DOWN, b"250-mail.contoso.com Hello [192.0.2.10]\r\n250-X-ANONYMOUSTLS\r\n250 STARTTLS\r\n"),
]
_LDAP_START_TLS = bytes.fromhex("301d 02 01 01 77 18 80 16") + b"1.3.6.1.4.1.1466.20037"
_LDAP_SUCCESS = bytes.fromhex("300c 02 01 01 78 07 0a 01 00 04 00 04 00")
_MYSQL_GREETING = (
    bytes.fromhex("4a 00 00 00 0a")
    + b"8.0.36\x00"
    + bytes.fromhex("08000000")  # thread
    + b"saltsalt\x00"
    + bytes.fromhex("ffff ff 0200 ffdf 15")  # capabilities, character set, status, capabilities, length of the salt
    + bytes(10)
    + b"saltsaltsalt\x00"
    + b"caching_sha2_password\x00"
)
_MYSQL_SSL_REQUEST = bytes.fromhex("20 00 00 01 05ae3f01 00000040 ff") + bytes(23)
_X224_REQUEST = (
    bytes.fromhex("03 00 00 2b 26 e0 0000 0000 00")
    + b"Cookie: mstshash=avery\r\n"
    + bytes.fromhex("01 00 0800 03000000")
)
_X224_CONFIRM = bytes.fromhex("03 00 00 13 0e d0 0000 1234 00 02 1f 0800 02000000")
_PROXY_V2 = (
    b"\r\n\r\n\x00\r\nQUIT\n"
    + bytes.fromhex("21 11 000c")
    + bytes([192, 0, 2, 99, 198, 51, 100, 20, 0xD4, 0x31, 1, 0xBB])
)

CARRIERS = {
    "smtp": ("STARTTLS (smtp)", [*_SMTP, (UP, b"STARTTLS\r\n"), (DOWN, b"220 2.0.0 SMTP server ready\r\n")]),
    "smtp between Exchange servers": (
        "X-ANONYMOUSTLS (smtp)",
        [*_SMTP, (UP, b"X-ANONYMOUSTLS\r\n"), (DOWN, b"220 2.0.0 SMTP server ready\r\n")],
    ),
    "imap": (
        "STARTTLS (imap)",
        [
            (DOWN, b"* OK The Microsoft Exchange IMAP4 service is ready.\r\n"),
            (UP, b"a1 CAPABILITY\r\n"),
            (DOWN, b"* CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED\r\na1 OK CAPABILITY completed.\r\n"),
            (UP, b"a2 STARTTLS\r\n"),
            (DOWN, b"a2 OK Begin TLS negotiation now.\r\n"),
        ],
    ),
    "pop3": (
        "STLS (pop3)",
        [(DOWN, b"+OK POP3 ready\r\n"), (UP, b"STLS\r\n"), (DOWN, b"+OK Begin TLS negotiation.\r\n")],
    ),
    "ftp": (
        "AUTH TLS (ftp)",
        [(DOWN, b"220 Microsoft FTP Service\r\n"), (UP, b"AUTH TLS\r\n"), (DOWN, b"234 AUTH command ok.\r\n")],
    ),
    "nntp": (
        "STARTTLS (nntp)",
        [(DOWN, b"200 news\r\n"), (UP, b"STARTTLS\r\n"), (DOWN, b"382 Continue with TLS negotiation\r\n")],
    ),
    "sieve": (
        "STARTTLS (sieve)",
        [(DOWN, b'"SIEVE" "fileinto"\r\n"STARTTLS"\r\nOK\r\n'), (UP, b"STARTTLS\r\n"), (DOWN, b'OK "Begin TLS."\r\n')],
    ),
    "ldap": ("StartTLS (ldap)", [(UP, _LDAP_START_TLS), (DOWN, _LDAP_SUCCESS)]),
    "xmpp": (
        "STARTTLS (xmpp)",
        [
            (UP, b"<?xml version='1.0'?><stream:stream to='example.com' xmlns='jabber:client' version='1.0'>"),
            (DOWN, b"<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:features>"),
            (UP, b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"),
            (DOWN, b"<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"),
        ],
    ),
    "postgresql": ("SSLRequest (postgresql)", [(UP, bytes.fromhex("00000008 04d2162f")), (DOWN, b"S")]),
    "mysql": ("SSLRequest (mysql)", [(DOWN, _MYSQL_GREETING), (UP, _MYSQL_SSL_REQUEST)]),
    "rdp": ("X.224 (rdp)", [(UP, _X224_REQUEST), (DOWN, _X224_CONFIRM)]),
    "http connect": (
        "CONNECT (http)",
        [
            (UP, b"CONNECT mail.contoso.com:443 HTTP/1.1\r\nHost: mail.contoso.com:443\r\n\r\n"),
            (DOWN, b"HTTP/1.1 200 Connection established\r\n\r\n"),
        ],
    ),
    "http upgrade": (
        "Upgrade: TLS (http)",
        [
            (UP, b"OPTIONS * HTTP/1.1\r\nHost: printer\r\nUpgrade: TLS/1.0\r\nConnection: Upgrade\r\n\r\n"),
            (DOWN, b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: TLS/1.0, HTTP/1.1\r\nConnection: Upgrade\r\n\r\n"),
        ],
    ),
    "socks4": (
        "CONNECT (socks4)",
        [(UP, bytes.fromhex("04 01 01bb c6336414") + b"avery\x00"), (DOWN, bytes.fromhex("00 5a 0000 00000000"))],
    ),
    "socks5": (
        "CONNECT (socks5)",
        [
            (UP, bytes.fromhex("05 01 00")),
            (DOWN, bytes.fromhex("05 00")),
            (UP, bytes.fromhex("05 01 00 03 10") + b"mail.contoso.com" + bytes.fromhex("01bb")),
            (DOWN, bytes.fromhex("05 00 00 01 00000000 0000")),
        ],
    ),
    "proxy v1": ("PROXY protocol v1", [(UP, b"PROXY TCP4 192.0.2.99 198.51.100.20 54321 443\r\n")]),
    "proxy v2": ("PROXY protocol v2", [(UP, _PROXY_V2)]),
    "proxy v1 before smtp": (
        "STARTTLS (smtp)",
        [
            (UP, b"PROXY TCP4 192.0.2.99 198.51.100.20 54321 25\r\n"),
            *_SMTP,
            (UP, b"STARTTLS\r\n"),
            (DOWN, b"220 2.0.0 SMTP server ready\r\n"),
        ],
    ),
}
