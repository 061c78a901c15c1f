"""tlslite-ng as server or client, for what OpenSSL does not speak.

That is SSL 3.0, RC4, 3DES, SSLv2-format hellos and, as Debian builds it, compressed certificates.

Usage: tlslite_peer.py server CERTIFICATES PRIVATE_KEY
       tlslite_peer.py client VERSION CIPHER MAC PATH [ssl2-hello]
       tlslite_peer.py compressed ALGORITHM CIPHER PATH KEY_LOG

VERSION is 0 (SSL 3.0) to 3 (TLS 1.2); CIPHER and MAC have tlslite's names (rc4, 3des, aes128; md5, sha). `compressed`
is a client of TLS 1.3 that takes the certificate compressed by ALGORITHM (zlib, brotli, zstd).
"""

from __future__ import annotations

import socket
import sys
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tlslite.tlsconnection
from tlslite.api import HandshakeSettings, TLSConnection, X509CertChain, parsePEMKey
from tlslite.integration.tlssocketservermixin import TLSSocketServerMixIn
from tlslite.messages import ClientHello, RecordHeader2

if TYPE_CHECKING:
    from collections.abc import Iterator

HOST, PORT = "mail.contoso.com", 443
TLS13_CIPHERS = ["aes128gcm", "aes256gcm", "chacha20-poly1305"]
LABELS = {  # of RFC 8446 section 7.1 -> of a key log
    b"c hs traffic": "CLIENT_HANDSHAKE_TRAFFIC_SECRET",
    b"s hs traffic": "SERVER_HANDSHAKE_TRAFFIC_SECRET",
    b"c ap traffic": "CLIENT_TRAFFIC_SECRET_0",
    b"s ap traffic": "SERVER_TRAFFIC_SECRET_0",
}
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
        accepted.cipherNames = ["rc4", "3des", "aes128", "aes256", *TLS13_CIPHERS]
        accepted.macNames = ["md5", "sha", "aead"]
        accepted.keyExchangeNames = ["rsa", "ecdhe_rsa"]
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


class LoggedConnection(TLSConnection):  # type: ignore[misc] # tlslite-ng has no types
    """A client of TLS 1.3 that keeps what a key log holds: tlslite-ng writes none itself."""

    def _sendMsg(self, msg: Any, *arguments: Any, **options: Any) -> Iterator[Any]:  # noqa: N802 - tlslite's name
        """Send, and keep the client's random."""
        if isinstance(msg, ClientHello):
            self.client_random = bytes(msg.random).hex()
        yield from super()._sendMsg(msg, *arguments, **options)

    @contextmanager
    def key_log(self, path: str) -> Iterator[None]:
        """What this connection derives within the block is appended to `path`."""
        derive, lines = tlslite.tlsconnection.derive_secret, []

        def derive_and_keep(secret: Any, label: bytearray, *arguments: Any) -> bytearray:
            derived: bytearray = derive(secret, label, *arguments)
            if name := LABELS.get(bytes(label)):
                lines.append(f"{name} {self.client_random} {derived.hex()}\n")
            return derived

        tlslite.tlsconnection.derive_secret = derive_and_keep
        yield
        tlslite.tlsconnection.derive_secret = derive
        with Path(path).open("a") as file:
            file.writelines(lines)


def serve(certificates: str, private_key: str) -> None:
    """Serve until the process is ended."""
    listener = Listener((HOST, PORT), Page)
    listener.chain = X509CertChain()
    listener.chain.parsePemList(Path(certificates).read_text())
    listener.private_key = parsePEMKey(Path(private_key).read_text(), private=True)
    listener.serve_forever()


def connect(kind: type[TLSConnection]) -> TLSConnection:
    """A connection of one kind, before its handshake."""
    return kind(socket.create_connection((HOST, PORT), timeout=10))


def ask(connection: TLSConnection, path: str) -> None:
    """One request; the answer must be what the server says."""
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
    answer = b""
    while piece := connection.recv(1 << 14):
        answer += piece
    connection.close()
    if not answer.endswith(CONTENT):
        sys.exit(f"the answer is not what was sent: {answer[:80]!r}")


def be_client(version: str, cipher: str, mac: str, path: str, hello: str = "") -> None:
    """Up to TLS 1.2."""
    connection = connect(OldHello if hello else TLSConnection)
    chosen = settings(int(version), cipher, mac)
    connection.handshakeClientCert(settings=chosen, serverName=None if hello else HOST)
    ask(connection, path)


def be_compressed(algorithm: str, cipher: str, path: str, key_log: str) -> None:
    """TLS 1.3 with a compressed certificate, RFC 8879."""
    connection = connect(LoggedConnection)
    chosen = settings(4, cipher, "aead")
    chosen.keyExchangeNames = ["ecdhe_rsa"]
    chosen.certificate_compression_receive = [algorithm]
    with connection.key_log(key_log):
        connection.handshakeClientCert(settings=chosen, serverName=HOST)
    ask(connection, path)


def main() -> None:
    """Play the role that was asked for."""
    role, *arguments = sys.argv[1:]
    {"server": serve, "client": be_client, "compressed": be_compressed}[role](*arguments)


if __name__ == "__main__":
    main()
