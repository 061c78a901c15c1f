"""The laboratory's keys and certificates: what a server uses, and the forms in which a person would hand them over.

Each file is made by openssl. The private keys are test keys: they protect nothing and are published on purpose.
"""

from __future__ import annotations

import os
import shutil
import struct
from base64 import b64encode
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from capture_lab.network import run

if TYPE_CHECKING:
    from collections.abc import Sequence

PASSWORD = "tlsdecrypt"  # noqa: S105 - published in keys/README.md
PSK_IDENTITY, PSK = "outlook", "0f0e0d0c0b0a09080706050403020100"
PUBLIC_NAME = "public.contoso.com"  # what a hello shows that hides the name it wants
ECH_KEY = "ech.pem"
SUBJECT = "/C=US/O=Contoso/CN=mail.contoso.com"
CLIENT_SUBJECT = "/O=Contoso/CN=avery@contoso.com"
NAMES = "DNS:mail.contoso.com,DNS:autodiscover.contoso.com,DNS:mail6.contoso.com"
DAYS = 7300
TICKET_KEY_BYTES = (48, 80)  # of nginx's ssl_session_ticket_key: AES-128 and AES-256
KEY_FILES = {
    "mail.pfx": "RSA key and certificate of mail.contoso.com with the lab CA, as Windows names them; PBES2, AES-256,"
    " empty password",
    "mail-password.pfx": "the same, protected by a password",
    "mail.password": "the password of every file here that has one",
    "mail-legacy.pfx": "the same, as Windows wrote it for years: RC2-40 certificates, 3DES key, SHA-1 MAC",
    "mail-certificate-only.pfx": "the certificate without its private key: opens nothing",
    "mail.key.pem": "the mail key, PKCS #8, PEM",
    "mail.key.der": "the mail key, PKCS #8, DER",
    "mail.key.encrypted.pem": "the mail key, encrypted PKCS #8, PEM",
    "mail.key.pkcs1.pem": "the mail key, PKCS #1, PEM",
    "mail.key.pkcs1.der": "the mail key, PKCS #1, DER",
    "mail.crt.pem": "the certificate of mail.contoso.com and the lab CA that issued it, PEM",
    "lab-ca.pem": "the lab CA's certificate (its private key was thrown away)",
    "other.pfx": "another RSA key and certificate with the same subject: fits no capture",
    "nginx-ticket-key-48.key": "the session-ticket key of `captures/nginx-ticket-key-48.pcap`, 48 bytes",
    "nginx-ticket-key-80.key": "the session-ticket key of `captures/nginx-ticket-key-80.pcap`, 80 bytes",
    ECH_KEY: "the key of Encrypted Client Hello in `captures/go-encrypted-hello.pcap` and its configuration",
    "ec.pfx": "an EC P-256 key and certificate with the same subject: cannot open RSA key exchange",
}


@dataclass(frozen=True)
class ServerKey:
    """What a server of the laboratory is given."""

    certificates: Path
    private_key: Path
    ca: Path


def _new_key(path: Path, algorithm: Sequence[str]) -> None:
    run(["openssl", "genpkey", "-algorithm", *algorithm, "-out", str(path)])


def authority(folder: Path) -> None:
    """A CA in ca.key and ca.pem of `folder`."""
    _new_key(folder / "ca.key", ["RSA", "-pkeyopt", "rsa_keygen_bits:2048"])
    name = ["-subj", "/O=Contoso/CN=Contoso Lab CA", "-addext", "keyUsage=critical,keyCertSign,cRLSign"]
    request = ["openssl", "req", "-x509", "-new", "-key", str(folder / "ca.key"), "-days", str(DAYS), *name]
    run([*request, "-out", str(folder / "ca.pem")])


def issue(folder: Path, stem: str, algorithm: Sequence[str], subject: str = SUBJECT) -> None:
    """A new key and a certificate by the CA of `folder`: `stem`.key and `stem`.pem."""
    key, request, certificate = (folder / f"{stem}.{suffix}" for suffix in ("key", "csr", "pem"))
    _new_key(key, algorithm)
    run(["openssl", "req", "-new", "-key", str(key), "-subj", subject, "-out", str(request)])
    extensions = folder / f"{stem}.ext"
    extensions.write_text(f"subjectAltName={NAMES}\nextendedKeyUsage=serverAuth,clientAuth\n")
    sign = ["openssl", "x509", "-req", "-in", str(request), "-CA", str(folder / "ca.pem"), "-CAkey"]
    sign += [str(folder / "ca.key"), "-CAcreateserial", "-days", str(DAYS), "-extfile", str(extensions)]
    run([*sign, "-out", str(certificate)])


def _pfx(folder: Path, stem: str, target: Path, *options: str, password: str = PASSWORD) -> None:
    files = ["-inkey", f"{folder}/{stem}.key", "-in", f"{folder}/{stem}.pem", "-certfile", f"{folder}/ca.pem"]
    windows = ["-name", "Contoso mail", "-CSP", "Microsoft Software Key Storage Provider", "-LMK"]
    run(
        [
            "openssl",
            "pkcs12",
            "-export",
            *files,
            *windows,
            *options,
            "-passout",
            f"pass:{password}",
            "-out",
            str(target),
        ]
    )


def _key_forms(source: Path, keys: Path) -> None:
    """The mail key in the forms that openssl, IIS exports and appliances hand over."""
    convert = ["openssl", "pkey", "-in", str(source)]
    run([*convert, "-out", str(keys / "mail.key.pem")])
    run([*convert, "-outform", "DER", "-out", str(keys / "mail.key.der")])
    run([*convert, "-aes256", "-passout", f"pass:{PASSWORD}", "-out", str(keys / "mail.key.encrypted.pem")])
    run([*convert, "-traditional", "-out", str(keys / "mail.key.pkcs1.pem")])
    rsa = ["openssl", "rsa", "-in", str(source), "-traditional", "-outform", "DER"]
    run([*rsa, "-out", str(keys / "mail.key.pkcs1.der")])


def _pfx_forms(folder: Path, keys: Path) -> None:
    _pfx(folder, "mail", keys / "mail.pfx", password="")
    _pfx(folder, "mail", keys / "mail-password.pfx")
    legacy = ("-legacy", "-certpbe", "PBE-SHA1-RC2-40", "-keypbe", "PBE-SHA1-3DES", "-macalg", "sha1")
    _pfx(folder, "mail", keys / "mail-legacy.pfx", *legacy)
    _pfx(folder, "mail", keys / "mail-certificate-only.pfx", "-nokeys")
    _pfx(folder, "other", keys / "other.pfx")
    _pfx(folder, "ec", keys / "ec.pfx")


def ech_configurations(key: X25519PrivateKey) -> bytes:
    """An ECHConfigList with one configuration, RFC 9849 section 4."""
    share = key.public_key().public_bytes_raw()
    start = struct.pack(">BHH", 1, 0x0020, len(share)) + share  # configuration 1, DHKEM(X25519, HKDF-SHA256)
    suites = struct.pack(">HHH", 4, 1, 1)  # one: HKDF-SHA256, AES-128-GCM
    contents = start + suites + bytes([100, len(PUBLIC_NAME)]) + PUBLIC_NAME.encode() + bytes(2)  # no extensions
    configuration = struct.pack(">HH", 0xFE0D, len(contents)) + contents
    return struct.pack(">H", len(configuration)) + configuration


def _ech_key() -> str:
    """A new key and its configurations in one file, RFC 9934."""
    key = X25519PrivateKey.generate()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    configurations = b64encode(ech_configurations(key)).decode()
    return f"{private}-----BEGIN ECHCONFIG-----\n{configurations}\n-----END ECHCONFIG-----\n"


def make_keys(keys: Path) -> ServerKey:
    """The server's key; all of KEY_FILES are made unless they exist (the committed captures need the old ones)."""
    if not (keys / "mail.pfx").exists():
        with TemporaryDirectory() as name:
            folder = Path(name)
            authority(folder)
            issue(folder, "mail", ["RSA", "-pkeyopt", "rsa_keygen_bits:2048"])
            issue(folder, "other", ["RSA", "-pkeyopt", "rsa_keygen_bits:2048"])
            issue(folder, "ec", ["EC", "-pkeyopt", "ec_paramgen_curve:P-256"])
            _key_forms(folder / "mail.key", keys)
            _pfx_forms(folder, keys)
            chain = (folder / "mail.pem").read_text() + (folder / "ca.pem").read_text()
            (keys / "mail.crt.pem").write_text(chain)
            shutil.copy(folder / "ca.pem", keys / "lab-ca.pem")
            (keys / "mail.password").write_text(f"{PASSWORD}\n")
    if not (keys / ECH_KEY).exists():
        (keys / ECH_KEY).write_text(_ech_key())
    for length in TICKET_KEY_BYTES:
        path = keys / f"nginx-ticket-key-{length}.key"
        if not path.exists():
            path.write_bytes(os.urandom(length))
    return ServerKey(keys / "mail.crt.pem", keys / "mail.key.pem", keys / "lab-ca.pem")
