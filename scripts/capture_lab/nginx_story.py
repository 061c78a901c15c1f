"""nginx-*: nginx with session-ticket keys in files, 0-RTT, and the PROXY protocol in front of TLS."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from capture_lab.keys import ServerKey
    from capture_lab.network import Lab

HTTPS = 443
HOST = "mail.contoso.com"
REQUEST = b"GET /page.txt HTTP/1.0\r\nHost: mail.contoso.com\r\n\r\n"
CONFIGURATION = """\
daemon off;
user root;
pid {scratch}/nginx.pid;
error_log stderr;
events {{}}
http {{
    access_log off;
    keepalive_timeout {keep_alive};
    client_body_temp_path {scratch}/nginx-1; proxy_temp_path {scratch}/nginx-2; fastcgi_temp_path {scratch}/nginx-3;
    uwsgi_temp_path {scratch}/nginx-4; scgi_temp_path {scratch}/nginx-5;
    server {{
        listen {port} ssl{listen};
        root {scratch};
        ssl_certificate {certificates};
        ssl_certificate_key {private_key};
        ssl_ciphers ALL:@SECLEVEL=0;
        ssl_protocols TLSv1.2 TLSv1.3;
        {directives}
    }}
}}
"""


@dataclass(frozen=True)
class Nginx:
    """nginx and its clients between the namespaces; the page and the configuration lie in `scratch`."""

    lab: Lab
    key: ServerKey
    scratch: Path

    def server(self, directives: str = "", listen: str = "", keep_alive: int = 0) -> list[str | Path]:
        """The command line of a server for the pages in `scratch`, whose connections stay for `keep_alive` seconds."""
        values = {"scratch": self.scratch, "port": HTTPS, "listen": listen, "directives": directives}
        values["keep_alive"] = keep_alive
        identity = {"certificates": self.key.certificates, "private_key": self.key.private_key}
        configuration = self.scratch / "nginx.conf"
        configuration.write_text(CONFIGURATION.format(**values, **identity))
        return ["nginx", "-e", "stderr", "-p", self.scratch, "-c", configuration]

    def fetch(self, path: Path, *options: str | Path, request: bytes = REQUEST) -> None:
        """One connection of OpenSSL's client (curl takes no tickets); its secrets go to the key log of `path`."""
        client = ["openssl", "s_client", "-connect", f"{HOST}:{HTTPS}", "-servername", HOST, "-quiet"]
        client += ["-keylogfile", str(path.with_suffix(".keylog"))]
        self.lab.client.run([*client, *options], stdin=request)

    def record_ticket_key(self, name: str, cipher: str) -> Path:
        """A full handshake and one resumed by ticket, TLS 1.2, the tickets under the key in keys/`name`.key."""
        path, session = self.scratch / f"{name}.pcap", self.scratch / f"{name}.session"
        ticket_key = self.key.private_key.with_name(f"{name}.key")
        with self.lab.serving(self.server(f"ssl_session_ticket_key {ticket_key};"), HTTPS), self.lab.recording(path):
            for use in ("-sess_out", "-sess_in"):
                self.fetch(path, "-tls1_2", "-cipher", cipher, use, session)
        return path

    def record_early_data(self) -> Path:
        """A second connection that sends its request before the handshake is over."""
        path, session = self.scratch / "nginx-early-data.pcap", self.scratch / "nginx.session"
        early = self.scratch / "nginx-request.txt"
        early.write_bytes(REQUEST)
        with self.lab.serving(self.server("ssl_early_data on;"), HTTPS), self.lab.recording(path):
            self.fetch(path, "-tls1_3", "-sess_out", session)
            self.fetch(path, "-tls1_3", "-sess_in", session, "-early_data", early, request=b"")
        return path

    def record_proxy_protocol(self) -> Path:
        """What a load balancer in front of nginx would send: the line of the PROXY protocol, then TLS; by curl."""
        path = self.scratch / "nginx-proxy-protocol.pcap"
        client = ["curl", "-sS", "--cacert", self.key.ca, "-o", "/dev/null", "--haproxy-protocol", "--tlsv1.2"]
        client += ["--tls-max", "1.2", "--ciphers", "AES128-GCM-SHA256", f"https://{HOST}/page.txt"]
        with self.lab.serving(self.server(listen=" proxy_protocol"), HTTPS), self.lab.recording(path):
            self.lab.client.run(client)
        return path


def record_nginx(lab: Lab, key: ServerKey, scratch: Path) -> list[Path]:
    """All captures of this story, as pcaps in `scratch`; the key logs lie beside them under the same names."""
    peers = Nginx(lab, key, scratch)
    return [
        peers.record_ticket_key("nginx-ticket-key-48", "ECDHE-RSA-AES128-GCM-SHA256"),
        peers.record_ticket_key("nginx-ticket-key-80", "ECDHE-RSA-AES256-SHA384"),
        peers.record_proxy_protocol(),
        peers.record_early_data(),
    ]
