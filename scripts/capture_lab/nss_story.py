"""nss-*: NSS's selfserv and tstclnt: what Firefox speaks, Encrypted Client Hello included."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from capture_lab.keys import PASSWORD, ech_configurations
from capture_lab.network import run

if TYPE_CHECKING:
    from pathlib import Path

    from capture_lab.keys import ServerKey
    from capture_lab.network import Lab

HTTPS = 443
HOST = "mail.contoso.com"
REQUEST = b"GET /page.txt HTTP/1.0\r\nHost: mail.contoso.com\r\n\r\n"
NICKNAME = "Contoso mail"
RSA_SUITES = ("009C", "009D", "003C", "002F", "000A")  # AES-GCM, AES-CBC with SHA-256 and SHA-1, 3DES
ONLY_TLS13 = ("-V", "tls1.3:tls1.3")


@dataclass(frozen=True)
class Nss:
    """selfserv and tstclnt between the namespaces; their key database lies in `scratch`."""

    lab: Lab
    key: ServerKey
    scratch: Path

    @property
    def database(self) -> str:
        """Where NSS finds keys and certificates."""
        return f"sql:{self.scratch / 'nss'}"

    def prepare(self) -> None:
        """The server's key and the lab CA in a database without a password."""
        (self.scratch / "nss").mkdir(exist_ok=True)
        run(["certutil", "-N", "-d", self.database, "--empty-password"])
        pfx = self.key.private_key.with_name("mail-password.pfx")
        run(["pk12util", "-i", str(pfx), "-d", self.database, "-W", PASSWORD])
        trust = ["certutil", "-A", "-d", self.database, "-n", "Contoso Lab CA", "-t", "C,,"]
        run([*trust, "-i", str(self.key.ca)])

    @property
    def server(self) -> list[str]:
        """The command line of selfserv; it prints line by line, as a person would see it."""
        return ["stdbuf", "-oL", "selfserv", "-n", NICKNAME, "-p", str(HTTPS), "-d", self.database]

    def openssl_server(self, *options: str) -> list[str | Path]:
        """The command line of OpenSSL's server for the pages in `scratch`."""
        identity = ["-cert", self.key.certificates, "-key", self.key.private_key, "-cert_chain", self.key.ca]
        return ["env", "-C", self.scratch, "openssl", "s_server", "-accept", str(HTTPS), *identity, "-WWW", *options]

    def ask(self, *options: str, check: bool = True) -> None:
        """One or more connections of tstclnt with a request each."""
        request = self.scratch / "request.txt"
        request.write_bytes(REQUEST)
        client = ["tstclnt", "-h", HOST, "-p", str(HTTPS), "-d", self.database, "-A", request]
        self.lab.client.run([*client, *options], check=check)

    def record_rsa(self) -> Path:
        """NSS on both sides, TLS 1.2 with RSA key exchange."""
        path = self.scratch / "nss-tls12-rsa.pcap"
        with self.lab.serving(self.server, HTTPS), self.lab.recording(path):
            for suite in RSA_SUITES:
                self.ask("-V", "tls1.2:tls1.2", "-c", f":{suite}")
        return path

    def record_client(self) -> Path:
        """NSS's client at OpenSSL's server, which writes the key log (Debian's NSS has none): TLS 1.3, one resumed."""
        path = self.scratch / "nss-client-tls13.pcap"
        server = self.openssl_server("-keylogfile", str(path.with_suffix(".keylog")))
        with self.lab.serving(server, HTTPS), self.lab.recording(path):
            self.ask(*ONLY_TLS13, "-I", "P384")
            self.ask(*ONLY_TLS13, "-u", "-L", "2")
        return path

    def record_server(self) -> Path:
        """OpenSSL's client, which writes the key log, at NSS's server: TLS 1.3, the second connection resumed."""
        path = self.scratch / "nss-server-tls13.pcap"
        session = str(self.scratch / "nss.session")
        client = ["openssl", "s_client", "-connect", f"{HOST}:{HTTPS}", "-servername", HOST, "-quiet", "-ign_eof"]
        client += ["-keylogfile", str(path.with_suffix(".keylog"))]
        with self.lab.serving([*self.server, *ONLY_TLS13, "-u"], HTTPS), self.lab.recording(path):
            self.lab.client.run([*client, "-sess_out", session], stdin=REQUEST)
            self.lab.client.run([*client, "-sess_in", session], stdin=REQUEST)
        return path

    def record_encrypted_hello(self) -> Path:
        """Two hellos to a server that knows nothing of it: one pretends to hide its name (GREASE), one hides it.

        The client of the second gives up, as it must not go on without the name that it wanted.
        """
        path = self.scratch / "nss-encrypted-hello.pcap"
        with self.lab.serving(self.openssl_server(), HTTPS), self.lab.recording(path):
            self.ask(*ONLY_TLS13, "-i", "64")
            self.ask(*ONLY_TLS13, "-N", _unknown_configurations(), check=False)
        return path


def _unknown_configurations() -> str:
    """In Base64, for a new key that nobody keeps."""
    return base64.b64encode(ech_configurations(X25519PrivateKey.generate())).decode()


def record_nss(lab: Lab, key: ServerKey, scratch: Path) -> list[Path]:
    """All captures of this story, as pcaps in `scratch`; the key logs lie beside them under the same names."""
    peers = Nss(lab, key, scratch)
    peers.prepare()
    return [peers.record_rsa(), peers.record_client(), peers.record_server(), peers.record_encrypted_hello()]
