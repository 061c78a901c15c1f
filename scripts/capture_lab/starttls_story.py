"""starttls.pcap and relayed.pcap: TLS that begins later, behind a talk in the clear or behind a proxy."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from capture_lab.exchange_story import exchange_server

if TYPE_CHECKING:
    from capture_lab.keys import ServerKey
    from capture_lab.network import Lab

HERE = Path(__file__).parent
HOST, HTTPS = "mail.contoso.com", 443
SMTP_PORT, CONNECT_PORT, SOCKS_PORT = 25, 3128, 1080
PROTOCOLS = {  # as OpenSSL's client names them -> port
    "smtp": 25,
    "imap": 143,
    "pop3": 110,
    "ftp": 21,
    "ldap": 389,
    "postgres": 5432,
    "mysql": 3306,
    "xmpp": 5222,
}
LINES = [b"what is said in TLS\n", b"QUIT\n"]


def _record_starttls(lab: Lab, key: ServerKey, scratch: Path) -> Path:
    """One connection of OpenSSL's client for each protocol."""
    path = scratch / "starttls.pcap"
    server: list[str | Path] = [sys.executable, HERE / "starttls_peer.py", key.certificates, key.private_key]
    suite = ["-tls1_2", "-cipher", "AES128-GCM-SHA256", "-quiet"]
    with lab.serving(server, SMTP_PORT), lab.recording(path):
        for protocol, port in PROTOCOLS.items():
            client = ["openssl", "s_client", "-connect", f"{HOST}:{port}", "-starttls", protocol, "-xmpphost", HOST]
            lab.client.type([*client, *suite], LINES)
    return path


def _record_relayed(lab: Lab, key: ServerKey, scratch: Path) -> Path:
    """Two requests of curl: through a proxy by CONNECT, and through SOCKS 5."""
    path = scratch / "relayed.pcap"
    common = ["curl", "-sS", "--cacert", key.ca, "--tls-max", "1.2", "--ciphers", "AES128-GCM-SHA256"]
    proxies = (f"http://{HOST}:{CONNECT_PORT}", f"socks5h://{HOST}:{SOCKS_PORT}")
    proxy: list[str | Path] = [sys.executable, HERE / "proxy_peer.py"]
    with lab.serving(exchange_server(key), HTTPS), lab.serving(proxy, CONNECT_PORT), lab.recording(path):
        for address in proxies:
            lab.client.run([*common, "-x", address, "-o", "/dev/null", f"https://{HOST}/owa/"])
    return path


def record_starttls(lab: Lab, key: ServerKey, scratch: Path) -> list[Path]:
    """All captures of this story, as pcaps in `scratch`."""
    return [_record_starttls(lab, key, scratch), _record_relayed(lab, key, scratch)]
