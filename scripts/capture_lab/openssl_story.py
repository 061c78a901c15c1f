"""openssl-* and forward-secret-*: OpenSSL's own server and client, one option of TLS after the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from capture_lab.exchange_story import exchange_server
from capture_lab.keys import CLIENT_SUBJECT, authority, issue

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from capture_lab.keys import ServerKey
    from capture_lab.network import Lab

HTTPS = 443
HOST = "mail.contoso.com"
PAGE_BYTES, BULK_BYTES = 3_000, 120_000
BULK_RECORD_BYTES = 4_096
ANY_CIPHER = "ALL:@SECLEVEL=0"  # OpenSSL 3 refuses TLS 1.0 and 1.1 above level 0
CBC = ("AES128-SHA", "AES256-SHA")
TLS12_SUITES = (*CBC, "AES128-SHA256", "AES256-SHA256", "AES128-GCM-SHA256", "AES256-GCM-SHA384")
FORWARD_SECRET_12 = ("ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-AES256-SHA384", "DHE-RSA-CHACHA20-POLY1305")
FORWARD_SECRET_13 = ("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256")
CONFIGURATION = """\
openssl_conf = default
[default]
ssl_conf = ssl
[ssl]
system_default = system
[system]
MinProtocol = None
"""


def make_pages(folder: Path) -> None:
    """What the servers of all stories serve: page.txt and bulk.txt in `folder`."""
    line = b"%06d what a browser would show\r\n"
    page = b"".join(line % number for number in range(BULK_BYTES // len(line % 0)))
    (folder / "page.txt").write_bytes(page[:PAGE_BYTES])
    (folder / "bulk.txt").write_bytes(page)


@dataclass(frozen=True)
class OpenSsl:
    """s_server and s_client between the namespaces; `scratch` holds the pages and what is made on the way."""

    lab: Lab
    key: ServerKey
    scratch: Path

    def prepare(self) -> None:
        """A configuration, and a client certificate by a CA of its own."""
        (self.scratch / "openssl.cnf").write_text(CONFIGURATION)
        authority(self.scratch)
        issue(self.scratch, "client", ["RSA", "-pkeyopt", "rsa_keygen_bits:2048"], CLIENT_SUBJECT)

    def _openssl(self, program: str) -> list[str | Path]:
        return ["env", "-C", self.scratch, f"OPENSSL_CONF={self.scratch / 'openssl.cnf'}", "openssl", program]

    def server(self, *options: str) -> list[str | Path]:
        """The command line of a server for the pages in `scratch`."""
        identity: list[str | Path] = [
            "-cert",
            self.key.certificates,
            "-key",
            self.key.private_key,
            "-cert_chain",
            self.key.ca,
        ]
        return [*self._openssl("s_server"), "-accept", str(HTTPS), *identity, "-cipher", ANY_CIPHER, "-WWW", *options]

    def client(self, *options: str) -> list[str | Path]:
        """The command line of a client."""
        target: list[str | Path] = ["-connect", f"{HOST}:{HTTPS}", "-servername", HOST, "-CAfile", self.key.ca]
        return [*self._openssl("s_client"), *target, *options]

    def fetch(self, *options: str, page: str = "page.txt") -> None:
        """One connection, one page."""
        request = f"GET /{page} HTTP/1.0\r\nHost: {HOST}\r\n\r\n".encode()
        self.lab.client.run([*self.client(*options), "-quiet"], stdin=request)

    def type(self, lines: Sequence[bytes], *options: str) -> None:
        """One connection with `lines` typed in, one after the other (`R` renegotiates), until the server ends it."""
        self.lab.client.type(self.client(*options), lines)

    def record(self, name: str, server: Sequence[str], *fetches: Sequence[str], page: str = "page.txt") -> Path:
        """One capture: a server with options, and one connection for each of `fetches`."""
        path = self.scratch / f"{name}.pcap"
        with self.lab.serving(self.server(*server), HTTPS), self.lab.recording(path):
            for options in fetches:
                self.fetch(*options, page=page)
        return path


def _suites(version: str, names: Sequence[str]) -> list[list[str]]:
    return [[version, "-cipher", f"{name}:@SECLEVEL=0"] for name in names]


def _record_renegotiation(peers: OpenSsl) -> Path:
    """Two requests on one connection, a handshake between them. The server is Python's, which keeps connections."""
    path = peers.scratch / "openssl-renegotiation.pcap"
    requests = [f"GET {target} HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode() for target in ("/ews/none.asmx", "/owa/")]
    with peers.lab.serving(exchange_server(peers.key), HTTPS), peers.lab.recording(path):
        peers.type([requests[0], b"R\n", requests[1]], *_suites("-tls1_2", ["AES128-SHA256"])[0])
    return path


def _record_resumption(peers: OpenSsl, name: str, *options: str) -> Path:
    """Two connections, the second of which resumes the session of the first."""
    session = str(peers.scratch / f"{name}.session")
    common = ["-tls1_2", "-cipher", "AES128-GCM-SHA256", *options]
    return peers.record(name, [], [*common, "-sess_out", session], [*common, "-sess_in", session])


def _record_rsa(peers: OpenSsl) -> list[Path]:
    """The captures that the server's key opens."""
    certificate = ["-tls1_2", "-cipher", "AES256-GCM-SHA384", "-cert", "client.pem", "-key", "client.key"]
    cbc_everywhere = [*_suites("-tls1", CBC[:1]), *_suites("-tls1_1", CBC[1:]), *_suites("-tls1_2", TLS12_SUITES[:4])]
    bulk = ["-tls1_2", "-cipher", "AES128-GCM-SHA256"]
    fragment = ["-max_send_frag", str(BULK_RECORD_BYTES)]
    return [
        peers.record("openssl-tls10", [], *_suites("-tls1", CBC)),
        peers.record("openssl-tls11", [], *_suites("-tls1_1", CBC)),
        peers.record("openssl-tls12", [], *_suites("-tls1_2", TLS12_SUITES)),
        peers.record("openssl-no-etm", ["-no_etm"], *cbc_everywhere),
        peers.record("openssl-client-certificate", ["-Verify", "1", "-CAfile", "ca.pem"], certificate),
        peers.record("openssl-bulk", fragment, bulk, page="bulk.txt"),
        _record_renegotiation(peers),
        _record_resumption(peers, "openssl-resumed-by-id", "-no_ticket"),
        _record_resumption(peers, "openssl-resumed-by-ticket"),
    ]


def _record_forward_secret(peers: OpenSsl) -> list[Path]:
    """The captures that only their key logs open; each log lies in the scratch folder under the capture's name."""
    versions = {
        "forward-secret-tls12": _suites("-tls1_2", FORWARD_SECRET_12),
        "forward-secret-tls13": [["-tls1_3", "-ciphersuites", name] for name in FORWARD_SECRET_13],
    }
    return [
        peers.record(name, [], *([*options, "-keylogfile", f"{name}.keylog"] for options in sessions))
        for name, sessions in versions.items()
    ]


def _record_any(peers: OpenSsl) -> Path:
    """One connection, recorded on all interfaces at once."""
    path = peers.scratch / "linux-cooked.pcap"
    with peers.lab.serving(peers.server(), HTTPS), peers.lab.recording(path, interface="any"):
        peers.fetch("-tls1_2", "-cipher", "AES128-GCM-SHA256")
    return path


def record_openssl(lab: Lab, key: ServerKey, scratch: Path) -> list[Path]:
    """All captures of this story, as pcaps in `scratch`."""
    peers = OpenSsl(lab, key, scratch)
    peers.prepare()
    return [*_record_rsa(peers), *_record_forward_secret(peers), _record_any(peers)]
