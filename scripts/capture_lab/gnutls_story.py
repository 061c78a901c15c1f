"""gnutls-*: GnuTLS's server and client: CCM, Camellia, pre-shared keys, SRP, small records, rekeying, 0-RTT."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from capture_lab.frames import connections, read_pcap, write_pcap
from capture_lab.keys import PSK, PSK_IDENTITY
from capture_lab.network import run

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from capture_lab.keys import ServerKey
    from capture_lab.network import Lab

HTTPS = 443
HOST = "mail.contoso.com"
REQUEST = b"GET / HTTP/1.0\r\nHost: mail.contoso.com\r\n\r\n"
SRP_USER, SRP_PASSWORD = "avery", "not-a-real-password"
SRP_GROUP = "3"  # 2048 bits, RFC 5054 appendix A
SERVES_TLS12 = (
    "NORMAL:+AES-128-CCM-8:+AES-256-CCM-8:+CAMELLIA-128-GCM:+CAMELLIA-256-GCM:+CAMELLIA-128-CBC:+CAMELLIA-256-CBC"
    ":+SHA256:+SHA384:+KX-ALL:+PSK:+DHE-PSK:+ECDHE-PSK:+RSA-PSK:+SRP:+SRP-RSA:+ANON-ECDH:+ANON-DH:+CTYPE-SRV-RAWPK"
    ":%ALLOW_SMALL_RECORDS"
)
SERVES_TLS13 = "NORMAL:+AES-128-CCM-8:+PSK:+DHE-PSK:+CTYPE-SRV-RAWPK:%ALLOW_SMALL_RECORDS"  # which SRP would forbid
TLS12 = "NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:-CIPHER-ALL:-MAC-ALL:"
TLS13 = "NORMAL:-VERS-ALL:+VERS-TLS1.3"
WITH_PSK = ("--pskusername", PSK_IDENTITY, "--pskkey", PSK)
WITH_SRP = ("--srpusername", SRP_USER, "--srppasswd", SRP_PASSWORD)
SMALL = ("--recordsize", "512")

# capture -> one priority string with other options for each connection, a page fetched on each
FETCHES: dict[str, tuple[tuple[str, ...], ...]] = {
    "gnutls-rsa": (
        (f"{TLS12}+RSA:+AES-128-CCM:+AEAD",),
        (f"{TLS12}+RSA:+AES-256-CCM-8:+AEAD",),
        (f"{TLS12}+RSA:+CAMELLIA-128-GCM:+AEAD",),
        (f"{TLS12}+RSA:+CAMELLIA-256-CBC:+SHA256",),
        (f"{TLS12}+RSA:+CAMELLIA-128-CBC:+SHA1:%NO_ETM",),
        (f"{TLS12}+RSA:+AES-256-CBC:+SHA1", *SMALL),
    ),
    "gnutls-no-ems": tuple(
        (f"{TLS12}+RSA:{suite}:%NO_SESSION_HASH",)
        for suite in ("+AES-256-CBC:+SHA256", "+AES-128-GCM:+AEAD", "+AES-256-GCM:+AEAD")
    ),
    "gnutls-raw-public-key": ((f"{TLS12}+RSA:+AES-128-GCM:+AEAD:-CTYPE-ALL:+CTYPE-SRV-RAWPK:+CTYPE-CLI-X509",),),
    "gnutls-forward-secret": (
        (f"{TLS12}+DHE-RSA:+AES-128-CCM:+AEAD",),
        (f"{TLS12}+DHE-RSA:+AES-256-CCM-8:+AEAD",),
        (f"{TLS12}+ECDHE-RSA:+CAMELLIA-256-GCM:+AEAD",),
        (f"{TLS12}+ECDHE-RSA:+CAMELLIA-256-CBC:+SHA384",),
        (f"{TLS12}+ECDHE-RSA:+CHACHA20-POLY1305:+AEAD", *SMALL),
        (f"{TLS12}+ANON-ECDH:+AES-128-CBC:+SHA1",),
        (f"{TLS12}+ANON-DH:+AES-128-GCM:+AEAD",),
    ),
    "gnutls-psk": tuple(
        (f"{TLS12}+PSK:{suite}", *WITH_PSK)
        for suite in ("+AES-128-GCM:+AEAD", "+AES-256-CCM-8:+AEAD", "+CHACHA20-POLY1305:+AEAD", "+AES-128-CBC:+SHA256")
    ),
    "gnutls-rsa-psk": tuple(
        (f"{TLS12}+RSA-PSK:{suite}", *WITH_PSK) for suite in ("+AES-128-GCM:+AEAD", "+AES-256-CBC:+SHA384")
    ),
    "gnutls-srp": (
        (f"{TLS12}+SRP:+AES-128-CBC:+SHA1", *WITH_SRP),
        (f"{TLS12}+SRP-RSA:+AES-256-CBC:+SHA1", *WITH_SRP),
    ),
    "gnutls-tls13": (
        (f"{TLS13}:-CIPHER-ALL:+AES-128-CCM:-GROUP-ALL:+GROUP-X25519",),
        (f"{TLS13}:-CIPHER-ALL:+AES-128-CCM-8:-GROUP-ALL:+GROUP-X448",),
        (f"{TLS13}:-CIPHER-ALL:+CHACHA20-POLY1305:-GROUP-ALL:+GROUP-FFDHE2048", *SMALL),
        (f"{TLS13}:-GROUP-ALL:+GROUP-SECP521R1",),
        (f"{TLS13}:-CTYPE-ALL:+CTYPE-SRV-RAWPK:+CTYPE-CLI-X509",),
    ),
    "gnutls-tls13-psk": ((f"{TLS13}:-KX-ALL:+PSK", *WITH_PSK),),
    "gnutls-tls13-dhe-psk": ((f"{TLS13}:-KX-ALL:+DHE-PSK", *WITH_PSK),),
}
POST_HANDSHAKE_SAID = (
    b"before\n**REAUTH**\nafter the certificate\n",  # the second line is an order to the server
    b"before\nSuccessfully executed command\nafter the certificate\n",
)
OPENSSL_EPHEMERAL_PSK = ("DHE-PSK-AES128-CCM8", "ECDHE-PSK-AES128-CBC-SHA256", "DHE-PSK-CHACHA20-POLY1305")


@dataclass(frozen=True)
class GnuTls:
    """gnutls-serv and gnutls-cli between the namespaces; `scratch` holds what is made on the way."""

    lab: Lab
    key: ServerKey
    scratch: Path

    def prepare(self) -> None:
        """Password files for pre-shared keys and SRP, and the server's public key alone."""
        (self.scratch / "psk.txt").write_text(f"{PSK_IDENTITY}:{PSK}\n")
        conf, users = self.scratch / "srp.conf", self.scratch / "srp.txt"
        run(["srptool", "--create-conf", str(conf)])
        enrol = ["srptool", "--passwd", str(users), "--passwd-conf", str(conf), "--username", SRP_USER]
        run([*enrol, "--index", SRP_GROUP], stdin=f"{SRP_PASSWORD}\n".encode())
        run(["openssl", "pkey", "-in", str(self.key.private_key), "-pubout", "-out", str(self.scratch / "raw.pem")])

    def server(self, *options: str, priority: str = SERVES_TLS13) -> list[str | Path]:
        """The command line of a server."""
        identity = ["--x509certfile", self.key.certificates, "--x509keyfile", self.key.private_key]
        identity += ["--rawpkfile", "raw.pem", "--rawpkkeyfile", self.key.private_key, "--x509cafile", self.key.ca]
        users = ["--pskpasswd", "psk.txt", "--pskhint", "contoso", "--srppasswd", "srp.txt"]
        command = ["env", "-C", self.scratch, "gnutls-serv", "--quiet", "--port", str(HTTPS)]
        command += ["--priority", priority]
        return [*command, *identity, *users, "--srppasswdconf", "srp.conf", *options]

    def type(self, key_log: str, priority: str, options: Sequence[str], lines: Sequence[bytes]) -> None:
        """One connection with `lines` typed in, until the server ends it or the lines are over."""
        names = ["--sni-hostname", HOST, "--verify-hostname", HOST, "--x509cafile", str(self.key.ca)]
        trust = ["--insecure"] if "RAWPK" in priority else []
        command = ["gnutls-cli", "-p", str(HTTPS), HOST, *names, *trust, "--priority", priority, *options]
        self.lab.client.type(command, lines, env={"SSLKEYLOGFILE": str(self.scratch / f"{key_log}.keylog")})

    def record_fetches(self, name: str) -> Path:
        """One of FETCHES."""
        path = self.scratch / f"{name}.pcap"
        priority = SERVES_TLS13 if FETCHES[name][0][0].startswith(TLS13) else SERVES_TLS12
        server = self.server("--http", "-a", priority=priority)
        with self.lab.serving(server, HTTPS), self.lab.recording(path):
            for wanted, *options in FETCHES[name]:
                self.type(name, wanted, options, [REQUEST])
        return path

    def record_ephemeral_psk(self) -> Path:
        """DHE_PSK and ECDHE_PSK with OpenSSL's client: that of GnuTLS 3.7 ends with a segmentation fault there."""
        name = "gnutls-ephemeral-psk"
        path = self.scratch / f"{name}.pcap"
        log = ["-keylogfile", str(self.scratch / f"{name}.keylog")]
        client = ["openssl", "s_client", "-connect", f"{HOST}:{HTTPS}", "-servername", HOST, "-quiet", "-tls1_2", *log]
        client += ["-psk_identity", PSK_IDENTITY, "-psk", PSK]
        server = self.server("--http", "-a", priority=SERVES_TLS12)
        with self.lab.serving(server, HTTPS), self.lab.recording(path):
            for cipher in OPENSSL_EPHEMERAL_PSK:
                self.lab.client.run([*client, "-cipher", f"{cipher}:@SECLEVEL=0"], stdin=REQUEST)
        return path

    def record_early_data(self) -> Path:
        """A connection that sends a line before the handshake is over, without its silent parent."""
        path = self.scratch / "gnutls-early-data.pcap"
        early = self.scratch / "early.txt"
        early.write_bytes(b"said before the handshake was over\n")
        options = ["--resume", "--waitresumption", "--earlydata", str(early)]
        server = self.server("--echo", "-a", "--earlydata", "--maxearlydata", "16384")
        with self.lab.serving(server, HTTPS), self.lab.recording(path):
            self.type(path.stem, TLS13, options, [b"said afterwards\n"])
        write_pcap(path, connections(read_pcap(path), HTTPS)[-1])
        return path

    def record_rekey(self) -> Path:
        """A connection to an echo on which both sides change keys, then the client alone."""
        path = self.scratch / "gnutls-rekey.pcap"
        lines = [b"before\n", b"^rekey^\n", b"both changed keys\n", b"^rekey1^\n", b"the client changed keys again\n"]
        with self.lab.serving(self.server("--echo", "-a"), HTTPS), self.lab.recording(path):
            self.type(path.stem, TLS13, ["--inline-commands"], lines)
        return path

    def record_post_handshake(self) -> Path:
        """A connection to an echo which asks for a certificate later. What is said stands in POST_HANDSHAKE_SAID."""
        path = self.scratch / "gnutls-post-handshake.pcap"
        certificate = ["--x509certfile", str(self.key.certificates), "--x509keyfile", str(self.key.private_key)]
        lines = [line + b"\n" for line in POST_HANDSHAKE_SAID[0].splitlines()]
        with self.lab.serving(self.server("--echo"), HTTPS), self.lab.recording(path):
            self.type(path.stem, TLS13, ["--post-handshake-auth", *certificate], lines)
        return path

    def record_renegotiation(self) -> Path:
        """A second handshake within the first connection, TLS 1.2 with RSA key exchange and without resumption."""
        path = self.scratch / "gnutls-renegotiation.pcap"
        priority = f"{TLS12}+RSA:+AES-256-CBC:+SHA1:+AES-128-GCM:+AEAD"
        with self.lab.serving(self.server("--echo", priority=SERVES_TLS12), HTTPS), self.lab.recording(path):
            self.type(path.stem, priority, ["--inline-commands"], [b"before\n", b"^renegotiate^\n", b"after\n"])
        return path


def record_gnutls(lab: Lab, key: ServerKey, scratch: Path) -> list[Path]:
    """All captures of this story, as pcaps in `scratch`; the key logs lie beside them under the same names."""
    peers = GnuTls(lab, key, scratch)
    peers.prepare()
    return [
        *(peers.record_fetches(name) for name in FETCHES),
        peers.record_ephemeral_psk(),
        peers.record_early_data(),
        peers.record_rekey(),
        peers.record_post_handshake(),
        peers.record_renegotiation(),
    ]
