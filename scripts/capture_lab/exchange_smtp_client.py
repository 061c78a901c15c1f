"""Sends one message as an Exchange server does to another, with Python's smtplib and pyspnego.

Usage: exchange_smtp_client.py HOST PORT
"""

from __future__ import annotations

import base64
import smtplib
import ssl
import sys

import spnego

NAME, PASSWORD = "exc1.contoso.local", "not a secret of anybody"
SENDER, RECIPIENT = "avery@contoso.local", "kim@contoso.local"
BLOB = bytes(range(64))
REFUSED = 400  # reply codes from here on say no
MESSAGE = (
    f"Received: from {NAME} (192.0.2.21) by svr01.contoso.local\r\nFrom: Avery <{SENDER}>\r\nTo: Kim <{RECIPIENT}>\r\n"
    "Subject: the plan\r\nMessage-ID: <plan@contoso.local>\r\nMIME-Version: 1.0\r\n\r\nSee you at noon.\r\n"
)


def cover(session: smtplib.SMTP) -> None:
    """X-ANONYMOUSTLS: the certificate is not verified, as its name says."""
    session.docmd("X-ANONYMOUSTLS")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("AES128-GCM-SHA256")
    assert session.sock is not None
    session.sock = context.wrap_socket(session.sock)
    session.file = None
    session.ehlo(NAME)


def authenticate(session: smtplib.SMTP) -> None:
    """X-EXPS NTLM."""
    options = spnego.NegotiateOptions.use_ntlm
    client = spnego.client("CONTOSO\\EXC1$", PASSWORD, "svr01", "SmtpSvc", protocol="ntlm", options=options)
    session.docmd("X-EXPS", "NTLM")
    reply = b""
    while not client.complete:
        token = client.step(base64.b64decode(reply) if reply else None)
        code, reply = session.docmd(base64.b64encode(token or b"").decode())
        if code >= REFUSED:
            raise SystemExit(f"refused: {code} {reply!r}")


def main() -> None:
    """One session."""
    host, port = sys.argv[1:]
    session = smtplib.SMTP(host, int(port), local_hostname=NAME)
    session.ehlo(NAME)
    cover(session)
    authenticate(session)
    session.mail(SENDER, [f"SIZE={len(MESSAGE)}", "XOORG=contoso.local"])
    session.rcpt(RECIPIENT)
    session.docmd("XEXCH50", f"{len(BLOB)} 2")
    session.send(BLOB)
    session.getreply()
    session.send(f"BDAT {len(MESSAGE)} LAST\r\n{MESSAGE}".encode())
    print(session.getreply())
    session.quit()


if __name__ == "__main__":
    main()
