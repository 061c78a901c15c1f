"""A server of many protocols that does no more than go over to TLS, then answers each line with its own.

Usage: starttls_peer.py CERTIFICATES PRIVATE_KEY

Each protocol has the port that IANA gave it. What goes before TLS is as in the protocol's standard.
"""

from __future__ import annotations

import socketserver
import ssl
import sys
import threading
from dataclasses import dataclass
from typing import IO, Any

HOST = "mail.contoso.com"
LDAP_STARTTLS_DONE = bytes.fromhex(
    "300c 020101"  # LDAPMessage, messageID 1
    "7807 0a0100 0400 0400"  # ExtendedResponse: success, no matched DN, no diagnostic message (RFC 4511 section 4.14)
)
MYSQL_GREETING = (
    b"\x0a8.0.36\x00\x01\x00\x00\x00"  # protocol 10, version, connection 1
    b"abcdefgh\x00\xff\xff\x21\x02\x00\xff\xdf\x15"  # scramble, capabilities (CLIENT_SSL among them), utf8, status
    + bytes(10)
    + b"ijklmnopqrst\x00mysql_native_password\x00"
)
XMPP_FEATURES = (
    "<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' "
    f"from='{HOST}' id='1' version='1.0'><stream:features>"
    "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls></stream:features>"
)
XMPP_PROCEED = "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"


@dataclass(frozen=True)
class Lines:
    """A protocol of lines: a greeting, an answer to each command, and the command behind which TLS begins."""

    greeting: str
    answers: dict[str, str]
    start: str
    verb: int = 0  # the place of the command in its line: IMAP has a tag in front

    def talk(self, reader: IO[bytes], writer: IO[bytes]) -> None:
        """Until TLS is to begin."""
        say(writer, self.greeting)
        for line in reader:
            words = line.decode().upper().split()
            verb = words[self.verb]
            answer = self.answers.get(verb, "")
            say(writer, answer.format(tag=words[0]))
            if verb == self.start:
                return


SMTP = Lines(
    f"220 {HOST} Microsoft ESMTP MAIL Service ready\r\n",
    {"EHLO": f"250-{HOST} Hello\r\n250-STARTTLS\r\n250 8BITMIME\r\n", "STARTTLS": "220 2.0.0 SMTP server ready\r\n"},
    "STARTTLS",
)
IMAP = Lines(
    "* OK The Microsoft Exchange IMAP4 service is ready.\r\n",
    {
        "CAPABILITY": "* CAPABILITY IMAP4rev1 STARTTLS\r\n{tag} OK CAPABILITY completed.\r\n",
        "STARTTLS": "{tag} OK Begin TLS negotiation now.\r\n",
    },
    "STARTTLS",
    verb=1,
)
POP3 = Lines(
    "+OK The Microsoft Exchange POP3 service is ready.\r\n",
    {"CAPA": "+OK\r\nSTLS\r\nUIDL\r\n.\r\n", "STLS": "+OK Begin TLS negotiation.\r\n"},
    "STLS",
)
FTP = Lines("220 Microsoft FTP Service\r\n", {"AUTH": "234 AUTH command ok. Expecting TLS Negotiation.\r\n"}, "AUTH")
LINES = {25: SMTP, 143: IMAP, 110: POP3, 21: FTP}


def say(writer: IO[bytes], text: str | bytes) -> None:
    """Write at once."""
    writer.write(text.encode() if isinstance(text, str) else text)
    writer.flush()


def talk_ldap(reader: IO[bytes], writer: IO[bytes]) -> None:
    """An ExtendedRequest for StartTLS, RFC 4511 section 4.14."""
    _, length = reader.read(2)
    reader.read(length)
    say(writer, LDAP_STARTTLS_DONE)


def talk_postgresql(reader: IO[bytes], writer: IO[bytes]) -> None:
    """An SSLRequest of eight bytes, and S for yes."""
    reader.read(8)
    say(writer, b"S")


def talk_mysql(reader: IO[bytes], writer: IO[bytes]) -> None:
    """A greeting, and an SSLRequest packet."""
    say(writer, len(MYSQL_GREETING).to_bytes(3, "little") + b"\x00" + MYSQL_GREETING)
    header = reader.read(4)
    reader.read(int.from_bytes(header[:3], "little"))


def talk_xmpp(reader: IO[bytes], writer: IO[bytes]) -> None:
    """A stream header, and <starttls/>, RFC 6120 section 5."""
    for end, answer in ((b"version='1.0'>", XMPP_FEATURES), (b"xmpp-tls'/>", XMPP_PROCEED)):
        heard = b""
        while not heard.endswith(end):
            heard += reader.read(1)
        say(writer, answer)


TALKS: dict[int, Any] = {389: talk_ldap, 5432: talk_postgresql, 3306: talk_mysql, 5222: talk_xmpp}
TALKS |= {port: lines.talk for port, lines in LINES.items()}


class Starter(socketserver.StreamRequestHandler):
    """Talks in the clear, then in TLS, where it repeats each line."""

    def handle(self) -> None:
        """One connection."""
        writer: Any = self.wfile
        TALKS[self.server.server_address[1]](self.connection.makefile("rb", buffering=0), writer)
        context: ssl.SSLContext = self.server.context  # type: ignore[attr-defined] # set by `main`
        with context.wrap_socket(self.connection, server_side=True) as secured:
            for line in secured.makefile("rb"):
                secured.sendall(line)
                if line.split()[-1:] in ([b"QUIT"], [b"LOGOUT"]):
                    break
            secured.unwrap()


def main() -> None:
    """Serve on all ports until the process is ended."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.options |= ssl.OP_IGNORE_UNEXPECTED_EOF
    context.load_cert_chain(*sys.argv[1:3])
    socketserver.ThreadingTCPServer.allow_reuse_address = True
    servers = [socketserver.ThreadingTCPServer((HOST, port), Starter) for port in TALKS]
    for server in servers:
        server.context = context  # type: ignore[attr-defined] # for `Starter.handle`
        server.daemon_threads = True
    for server in servers[1:]:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    servers[0].serve_forever()


if __name__ == "__main__":
    main()
