"""A stub that speaks SMTP as an Exchange server does to another: X-ANONYMOUSTLS, X-EXPS, XEXCH50, BDAT.

Usage: exchange_smtp_peer.py CERTIFICATES PRIVATE_KEY PORT

Its replies follow the capabilities and codes that Microsoft documents; NTLM is that of pyspnego.
"""

from __future__ import annotations

import base64
import os
import re
import socketserver
import ssl
import sys
import tempfile
from pathlib import Path

import spnego

HOST = "svr01.contoso.local"
ACCOUNT = "CONTOSO:EXC1$:not a secret of anybody"
BEFORE = ("SIZE 37748736", "PIPELINING", "DSN", "ENHANCEDSTATUSCODES", "STARTTLS", "X-ANONYMOUSTLS", "AUTH NTLM")
AFTER = ("SIZE 37748736", "PIPELINING", "DSN", "ENHANCEDSTATUSCODES", "AUTH NTLM LOGIN", "X-EXPS GSSAPI NTLM")
COMMON = ("8BITMIME", "BINARYMIME", "CHUNKING", "XEXCH50", "XRDST", "XSHADOW")
REPLIES = {
    "MAIL": "250 2.1.0 Sender OK",
    "RCPT": "250 2.1.5 Recipient OK",
    "RSET": "250 2.0.0 Resetting",
    "XSHADOW": "250 svr01.contoso.local",
}


class Session(socketserver.StreamRequestHandler):
    """One connection."""

    server: Server

    def handle(self) -> None:
        """Greet, and answer until QUIT."""
        self.say(f"220 {HOST} Microsoft ESMTP MAIL Service ready at Mon, 5 Jan 2026 09:00:00 +0000")
        self.is_covered = False
        while line := self.rfile.readline():  # of TLS, once it has begun
            words = line.decode().split()
            verb = words[0].upper()
            if verb == "QUIT":
                self.say("221 2.0.0 Service closing transmission channel")
                return
            self.answer(verb, words[1:])

    def answer(self, verb: str, words: list[str]) -> None:
        """One command."""
        if verb == "EHLO":
            offered = (*(AFTER if self.is_covered else BEFORE), *COMMON)
            lines = [f"{HOST} Hello [{self.client_address[0]}]", *offered]
            self.say("\r\n".join(f"250{'-' if each is not lines[-1] else ' '}{each}" for each in lines))
        elif verb in ("STARTTLS", "X-ANONYMOUSTLS"):
            self.say("220 2.0.0 SMTP server ready")
            self.cover()
        elif verb == "X-EXPS":
            self.authenticate()
        elif verb == "XEXCH50":
            self.say("354 Send binary data")
            self.rfile.read(int(words[0]))
            self.say("250 2.0.0 XEXCH50 OK")
        elif verb == "BDAT":
            content = self.rfile.read(int(words[0]))
            found = re.search(rb"(?im)^Message-ID: *(\S+)", content)
            name = found[1].decode() if found else "<none>"
            self.say(f"250 2.6.0 {name} [InternalId=42, Hostname={HOST}] Queued mail for delivery")
        else:
            self.say(REPLIES.get(verb, "500 5.3.3 Unrecognized command"))

    def authenticate(self) -> None:
        """NTLM, RFC 4954 with the verb of Exchange."""
        context = spnego.server(HOST, "SmtpSvc", protocol="ntlm", options=spnego.NegotiateOptions.use_ntlm)
        self.say("334 NTLM supported")
        token: bytes | None = None
        while not context.complete:
            token = context.step(base64.b64decode(self.rfile.readline()))
            if not context.complete and token is not None:
                self.say(f"334 {base64.b64encode(token).decode()}")
        self.say("235 2.7.0 Authentication successful")

    def cover(self) -> None:
        """Go over to TLS."""
        self.request = self.server.context.wrap_socket(self.request, server_side=True)
        self.rfile = self.request.makefile("rb")
        self.is_covered = True

    def say(self, text: str) -> None:
        """One reply."""
        self.request.sendall(text.encode() + b"\r\n")


class Server(socketserver.ThreadingTCPServer):
    """Listens everywhere."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, port: int, context: ssl.SSLContext) -> None:
        """`context` is for STARTTLS and its kin."""
        self.context = context
        super().__init__(("0.0.0.0", port), Session)  # noqa: S104 - in a namespace of its own


def main() -> None:
    """Serve until killed."""
    certificates, private_key, port = sys.argv[1:]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("AES128-GCM-SHA256")
    context.load_cert_chain(certificates, private_key)
    with tempfile.TemporaryDirectory() as folder:
        accounts = Path(folder) / "accounts"
        accounts.write_text(ACCOUNT + "\n")
        os.environ["NTLM_USER_FILE"] = str(accounts)
        Server(int(port), context).serve_forever()


if __name__ == "__main__":
    main()
