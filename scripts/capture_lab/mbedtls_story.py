"""mbedtls-truncated: Mbed TLS 2.28 on both sides, the last stack that speaks truncated_hmac (mbedtls_peer.c)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from capture_lab.network import run

if TYPE_CHECKING:
    from capture_lab.keys import ServerKey
    from capture_lab.network import Lab

SOURCE = Path(__file__).with_name("mbedtls_peer.c")
HTTPS = 443
HOST = "mail.contoso.com"
REQUEST = "GET /short.txt HTTP/1.0\r\nHost: mail.contoso.com\r\n\r\n"
CONTENT = "ten bytes.\n" * 120
ANSWER = f"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {len(CONTENT)}\r\n\r\n{CONTENT}"
MBEDTLS_SAID = (REQUEST.encode(), ANSWER.encode())
ASKED = (
    ("TLS-RSA-WITH-AES-128-CBC-SHA", "truncated-hmac"),  # and encrypt_then_mac
    ("TLS-RSA-WITH-AES-128-CBC-SHA", "truncated-hmac", "no-etm"),
    ("TLS-RSA-WITH-AES-256-CBC-SHA", "truncated-hmac", "no-etm", "tls1.0"),
    ("TLS-RSA-WITH-CAMELLIA-256-CBC-SHA256", "truncated-hmac", "no-etm", "short-records"),
    ("TLS-RSA-WITH-AES-128-CCM-8", "truncated-hmac", "short-records"),  # of no meaning to it: it has no HMAC
)


def record_mbedtls(lab: Lab, key: ServerKey, scratch: Path) -> list[Path]:
    """One connection for each of ASKED."""
    path, program = scratch / "mbedtls-truncated.pcap", scratch / "mbedtls_peer"
    run(["cc", "-o", str(program), str(SOURCE), "-lmbedtls", "-lmbedx509", "-lmbedcrypto"])
    server = [str(program), "serve", str(key.certificates), str(key.private_key), REQUEST, ANSWER]
    with lab.serving(server, HTTPS), lab.recording(path):
        for options in ASKED:
            lab.client.run([str(program), "ask", HOST, REQUEST, *options])
    return [path]
