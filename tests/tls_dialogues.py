"""TLS between two peers of OpenSSL in one process, with certificates made to measure, as dialogues for `packets`."""

from __future__ import annotations

import datetime as dt
import ssl
import tempfile
import warnings
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID
from packets import START, C, S, Say, Scene

from tlsdecrypt.tls.keyfiles import parse_key_file
from tlsdecrypt.tls.secrets import SecretStore

if TYPE_CHECKING:
    from collections.abc import Sequence

NOW = dt.datetime.fromtimestamp(START, dt.UTC)
DAY = dt.timedelta(days=1)


@dataclass(frozen=True)
class Identity:
    """A certificate with its key; `chain` is what is sent with it."""

    certificate: x509.Certificate
    key: rsa.RSAPrivateKey = field(repr=False)
    chain: tuple[x509.Certificate, ...] = ()

    @property
    def pem(self) -> bytes:
        """Key and certificates."""
        pem = serialization.Encoding.PEM
        private = self.key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        return private + b"".join(each.public_bytes(pem) for each in (self.certificate, *self.chain))

    @property
    def store(self) -> SecretStore:
        """A store with the private key."""
        store = SecretStore()
        store.add_private_keys(parse_key_file(self.pem, "server.pem", lambda: None))
        return store


@cache
def _key(name: str) -> rsa.RSAPrivateKey:  # noqa: ARG001 - one a name
    return rsa.generate_private_key(65537, 2048)


def _name(text: str) -> x509.Name:
    return (
        x509.Name.from_rfc4514_string(text)
        if "=" in text
        else x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])
    )


def identity(
    subject: str,
    names: Sequence[str] = (),
    *,
    issuer: Identity | None = None,
    days: tuple[float, float] = (-100, 265),
    is_chain_sent: bool = False,
    key: rsa.RSAPrivateKey | None = None,
) -> Identity:
    """A certificate of `subject` (a common name, or RFC 4514), valid for `days` around the start of the captures.

    Without `issuer` it signs itself. `key` is one of another certificate, else it has its own.
    """
    key = key or _key(subject)
    signer = key if issuer is None else issuer.key
    by = _name(subject) if issuer is None else issuer.certificate.subject
    builder = x509.CertificateBuilder(by, _name(subject), key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(NOW + days[0] * DAY).not_valid_after(NOW + days[1] * DAY)
    if issuer is None:
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    if names:
        builder = builder.add_extension(
            x509.SubjectAlternativeName([x509.DNSName(each) for each in names]), critical=False
        )
    chain = (issuer.certificate,) if issuer is not None and is_chain_sent else ()
    return Identity(builder.sign(signer, hashes.SHA256()), key, chain)


@cache
def public_authority() -> Identity:
    """What stands for a public certification authority."""
    return identity("CN=Example Public TLS CA G2,O=Example Trust Services,C=US")


def public_identity(subject: str, names: Sequence[str] = (), *, days: tuple[float, float] = (-100, 265)) -> Identity:
    """A certificate of a public authority, sent with its chain."""
    return identity(subject, names or (subject,), issuer=public_authority(), days=days, is_chain_sent=True)


def tls(
    said: Sequence[Say],
    server: Identity,
    *,
    name: str | None = "mail.contoso.com",
    ciphers: str = "AES128-GCM-SHA256",
    client: tuple[ssl.TLSVersion, ssl.TLSVersion] = (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_2),
    versions: tuple[ssl.TLSVersion, ssl.TLSVersion] = (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3),
    client_ciphers: str | None = None,
    trusts: Identity | None = None,
    asks_client: bool = False,
    client_identity: Identity | None = None,
) -> list[Say]:
    """The flights of a session in which `said` is said. It ends where the handshake fails.

    `trusts`: the client verifies against it. `asks_client`: the server asks for a certificate, and takes none as well.
    """
    with tempfile.TemporaryDirectory() as folder:
        sides = _sides(Path(folder), server, client_identity, trusts, name)
        for context, (low, high), suites in zip(
            sides, (client, versions), (client_ciphers or "ALL:@SECLEVEL=0", f"{ciphers}:@SECLEVEL=0"), strict=True
        ):
            context.set_ciphers(suites)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # old versions are the point
                context.minimum_version, context.maximum_version = low, high
        if asks_client:
            sides[1].verify_mode = ssl.CERT_OPTIONAL
            sides[1].load_verify_locations(
                cadata=(client_identity or server).certificate.public_bytes(serialization.Encoding.DER)
            )
        return _talk(sides, name, said)


def _sides(
    folder: Path, server: Identity, client: Identity | None, trusts: Identity | None, name: str | None
) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    contexts = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    for context, who in zip(contexts, (client, server), strict=True):
        if who is not None:
            (folder / "own.pem").write_bytes(who.pem)
            context.load_cert_chain(folder / "own.pem")
        context.options |= ssl.OP_NO_TICKET
    contexts[0].check_hostname = trusts is not None and name is not None
    contexts[0].verify_mode = ssl.CERT_NONE if trusts is None else ssl.CERT_REQUIRED
    if trusts is not None:
        contexts[0].load_verify_locations(cadata=trusts.certificate.public_bytes(serialization.Encoding.DER))
    return contexts


def _talk(contexts: tuple[ssl.SSLContext, ssl.SSLContext], name: str | None, said: Sequence[Say]) -> list[Say]:
    inputs, outputs = (ssl.MemoryBIO(), ssl.MemoryBIO()), (ssl.MemoryBIO(), ssl.MemoryBIO())
    peers = (
        contexts[0].wrap_bio(inputs[0], outputs[0], server_hostname=name),
        contexts[1].wrap_bio(inputs[1], outputs[1], server_side=True),
    )
    flights: list[Say] = []

    def carry(sender: int, after: float = 0.01) -> None:
        data = outputs[sender].read()
        if data:
            flights.append((S if sender else C)(data, after))
            inputs[1 - sender].write(data)

    for sender in (0, 1) * 3:
        try:
            peers[sender].do_handshake()
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError:
            carry(sender)
            return flights
        carry(sender)
    for each in said:
        sender = 0 if each.is_client else 1
        peers[sender].write(each.data)
        carry(sender, each.after)
        received = 0
        while received < len(each.data):
            received += len(peers[1 - sender].read(1 << 16))
    return flights


def scene(*dialogues: list[Say], **where: object) -> Scene:
    """Dialogues one after another, on port 443 where `where` names no other, and silence behind them."""
    made = Scene()
    for said in dialogues:
        made.dialogue(said, **{"port": 443, **where})  # type: ignore[arg-type]
    made.silence(5)
    return made
