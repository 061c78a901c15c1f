"""openssl-tls13-*: what TLS 1.3 can do beside a plain handshake, by OpenSSL 3 and 4."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from capture_lab.exchange_story import exchange_server
from capture_lab.keys import PSK, PSK_IDENTITY
from capture_lab.openssl_story import HOST, HTTPS, OpenSsl

if TYPE_CHECKING:
    from collections.abc import Sequence

    from capture_lab.keys import ServerKey
    from capture_lab.network import Lab

HYBRID_PEER = Path(__file__).parent / "hybrid_peer.py"
ONLY_TLS13 = ("-tls1_3",)
PSK_SUITE = "TLS_AES_128_GCM_SHA256"  # the hash that OpenSSL takes for a pre-shared key given in hexadecimal


def _record(peers: OpenSsl, name: str, server: Sequence[str], *fetches: Sequence[str]) -> Path:
    log = ["-keylogfile", f"{name}.keylog"]
    return peers.record(name, server, *([*ONLY_TLS13, *options, *log] for options in fetches))


def _record_key_update(peers: OpenSsl) -> Path:
    """Two requests; in between the client changes its keys, then asks the server (Python's) to do so as well."""
    name = "openssl-tls13-key-update"
    path = peers.scratch / f"{name}.pcap"
    requests = [f"GET {target} HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode() for target in ("/ews/none.asmx", "/owa/")]
    with peers.lab.serving(exchange_server(peers.key), HTTPS), peers.lab.recording(path):
        peers.type([requests[0], b"k\n", b"K\n", requests[1]], *ONLY_TLS13, "-keylogfile", f"{name}.keylog")
    return path


def _record_hybrid(peers: OpenSsl) -> Path:
    """Two requests to OpenSSL 4, key exchange X25519MLKEM768."""
    path = peers.scratch / "openssl-tls13-hybrid.pcap"
    server: list[str | Path] = [sys.executable, HYBRID_PEER, "server", peers.key.certificates, peers.key.private_key]
    client: list[str | Path] = [sys.executable, HYBRID_PEER, "client", peers.key.ca, path.with_suffix(".keylog")]
    with peers.lab.serving(server, HTTPS), peers.lab.recording(path):
        for target in ("/first", "/second"):
            peers.lab.client.run([*client, target])
    return path


def record_openssl_tls13(lab: Lab, key: ServerKey, scratch: Path) -> list[Path]:
    """All captures of this story, as pcaps in `scratch`; the key logs lie beside them under the same names."""
    peers = OpenSsl(lab, key, scratch)
    peers.prepare()
    psk = ["-psk_identity", PSK_IDENTITY, "-psk", PSK]
    retry = [["-groups", "X25519:P-384"], ["-groups", "P-256:P-384", "-sess_out", "retry.session"]]
    resumed = ["-groups", "P-256:P-384", "-sess_in", "retry.session"]
    return [
        _record(peers, "openssl-tls13-psk", psk, [*psk, "-ciphersuites", PSK_SUITE]),
        _record(peers, "openssl-tls13-retry", ["-groups", "P-384"], *retry, resumed),
        _record_key_update(peers),
        _record_hybrid(peers),
    ]
