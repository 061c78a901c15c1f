"""tlslite-ng as server or client, for what OpenSSL no longer speaks: SSL 3.0, RC4, 3DES, and SSLv2-format hellos.

Usage: tlslite_peer.py server CERTIFICATES PRIVATE_KEY
       tlslite_peer.py client VERSION CIPHER MAC PATH [ssl2-hello]

VERSION is 0 (SSL 3.0) to 3 (TLS 1.2); CIPHER and MAC have tlslite's names (rc4, 3des, aes128; md5, sha).
"""

from __future__ import annotations

import socket
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tlslite.api import HandshakeSettings, TLSConnection, X509CertChain, parsePEMKey
from tlslite.integration.tlssocketservermixin import TLSSocketServerMixIn
from tlslite.messages import ClientHello, RecordHeader2

if TYPE_CHECKING:
    from collections.abc import Iterator

HOST, PORT = "mail.contoso.com", 443
CONTENT = b"".join(b"line %04d of what tlslite-ng serves\r\n" % number for number in range(60))


def settings(version: int, cipher: str, mac: str) -> HandshakeSettings:
    """One version, one cipher, RSA key exchange."""
    chosen = HandshakeSettings()
    chosen.minVersion = chosen.maxVersion = (3, version)
    chosen.cipherNames = [cipher]
    chosen.macNames = [mac]
    chosen.keyExchangeNames = ["rsa"]
    return chosen


class Page(BaseHTTPRequestHandler):
    """The same page for every path."""

    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 16

    def log_message(self, *_: Any) -> None:
        """Nothing is logged."""

    def do_GET(self) -> None:
        """One answer of about two thousand bytes, and the end of the connection."""
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(CONTENT)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(CONTENT)


class Listener(TLSSocketServerMixIn, ThreadingHTTPServer):  # type: ignore[misc] # tlslite-ng has no types
    """A server that takes every old version and cipher."""

    chain: X509CertChain
    private_key: Any

    def handshake(self, tlsConnection: TLSConnection) -> bool:  # noqa: N803 - the name in tlslite-ng
        """Shake hands with whatever the client offers."""
        accepted = HandshakeSettings()
        accepted.minVersion = (3, 0)
        accepted.cipherNames = ["rc4", "3des", "aes128", "aes256"]
        accepted.macNames = ["md5", "sha"]
        accepted.keyExchangeNames = ["rsa"]
        tlsConnection.handshakeServer(certChain=self.chain, privateKey=self.private_key, settings=accepted)
        return True


class OldHello(TLSConnection):  # type: ignore[misc] # tlslite-ng has no types
    """A client whose ClientHello has the format of SSL 2.0 (RFC 5246 appendix E.2)."""

    def _sendMsg(self, msg: Any, *arguments: Any, **options: Any) -> Iterator[Any]:  # noqa: N802 - tlslite's name
        """Send the hello in the old format; everything else as it comes."""
        if not isinstance(msg, ClientHello):
            yield from super()._sendMsg(msg, *arguments, **options)
            return
        msg.ssl2, msg.extensions = True, None
        hello = msg.write()
        self._handshake_hash.update(hello)
        self.sock.sendall(RecordHeader2().create(len(hello)).write() + hello)


def serve(certificates: str, private_key: str) -> None:
    """Serve until the process is ended."""
    listener = Listener((HOST, PORT), Page)
    listener.chain = X509CertChain()
    listener.chain.parsePemList(Path(certificates).read_text())
    listener.private_key = parsePEMKey(Path(private_key).read_text(), private=True)
    listener.serve_forever()


def ask(chosen: HandshakeSettings, path: str, kind: type[TLSConnection]) -> bytes:
    """One request; everything that came back."""
    connection = kind(socket.create_connection((HOST, PORT), timeout=10))
    connection.handshakeClientCert(settings=chosen, serverName=None if kind is OldHello else HOST)
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
    answer = b""
    while piece := connection.recv(1 << 14):
        answer += piece
    connection.close()
    return answer


def main() -> None:
    """Play the role that was asked for."""
    role, *arguments = sys.argv[1:]
    if role == "server":
        serve(*arguments)
        return
    version, cipher, mac, path, *rest = arguments
    answer = ask(settings(int(version), cipher, mac), path, OldHello if rest else TLSConnection)
    if not answer.endswith(CONTENT):
        sys.exit(f"the answer is not what was sent: {answer[:80]!r}")


if __name__ == "__main__":
    main()
