"""tlslite-*.pcap: SSL 3.0, RC4 and 3DES, a ClientHello in the format of SSL 2.0, and compressed certificates."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from capture_lab.keys import ServerKey
    from capture_lab.network import Lab

PEER = Path(__file__).parent / "tlslite_peer.py"
HTTPS = 443
CIPHERS = (("rc4", "md5"), ("rc4", "sha"), ("3des", "sha"), ("aes128", "sha"), ("aes256", "sha"))
CAPTURES: dict[str, list[tuple[str, ...]]] = {
    "tlslite-ssl30": [("0", *each) for each in CIPHERS],
    "tlslite-tls10": [("1", *each) for each in CIPHERS[:3]],
    "tlslite-tls12-rc4-3des": [("3", *each) for each in CIPHERS[:3]],
    "tlslite-ssl2-hello": [("0", "rc4", "sha", "ssl2-hello"), ("1", "aes128", "sha", "ssl2-hello")],
}
COMPRESSED = {"zlib": "aes128gcm", "brotli": "aes256gcm", "zstd": "chacha20-poly1305"}  # algorithm -> cipher


def _server(key: ServerKey) -> list[str | Path]:
    return [sys.executable, PEER, "server", key.certificates, key.private_key]


def record_tlslite_tls13(lab: Lab, key: ServerKey, scratch: Path) -> list[Path]:
    """One capture of TLS 1.3, the certificate compressed in each way that RFC 8879 knows; its path, alone."""
    path = scratch / "tlslite-tls13-compressed.pcap"
    with lab.serving(_server(key), HTTPS), lab.recording(path):
        for algorithm, cipher in COMPRESSED.items():
            chosen = [algorithm, cipher, f"/{algorithm}", path.with_suffix(".keylog")]
            lab.client.run([sys.executable, PEER, "compressed", *chosen])
    return [path]


def record_tlslite(lab: Lab, key: ServerKey, scratch: Path) -> list[Path]:
    """Record CAPTURES, one connection an entry, into pcaps in `scratch`; their paths."""
    paths = []
    for name, sessions in CAPTURES.items():
        path = scratch / f"{name}.pcap"
        paths.append(path)
        with lab.serving(_server(key), HTTPS), lab.recording(path):
            for version, cipher, mac, *rest in sessions:
                target = f"/{cipher}-{mac}"
                lab.client.run([sys.executable, PEER, "client", version, cipher, mac, target, *rest])
    return paths
