"""TlsSession: everything that an observer learned of the TLS on one connection, frozen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tlsdecrypt.value import Hidden, Value, once, replace

if TYPE_CHECKING:
    from tlsdecrypt.flow import Span
    from tlsdecrypt.tls.certificates import CertificateFacts
    from tlsdecrypt.tls.events import AlertSeen, HandshakeSeen, HeartbeatSeen, Malformed
    from tlsdecrypt.tls.fingerprint import ClientFingerprint
    from tlsdecrypt.tls.verdict import Verdict


class KeySource(Value, frozen=True):
    """What opened a session.

    `kind` is `private key`, `key log`, `pre-shared key`, `resumption` ...; `source` the file's name.
    `spki_sha256` (hex) names the private key, None for other kinds.
    """

    kind: str
    source: str
    spki_sha256: str | None = None


class KeyLogSecret(Value, frozen=True):
    """A secret that opened records, as a line of a key log (RFC 9850) tells it: it opens this session and no other."""

    label: str
    client_random: Hidden[bytes]
    secret: Hidden[bytes]

    @property
    def line(self) -> bytes:
        """The line, with its end."""
        return f"{self.label} {self.client_random.hex()} {self.secret.hex()}\n".encode("ascii")


class TlsSession(Value, frozen=True):
    """Facts of the (last) handshake of a connection and of the records after it; None or empty where not seen.

    `encrypted_client_hello` (RFC 9849) is None where the client sent none, `not accepted` where the session has the
    secrets of the outer hello, so that it was refused or made up (GREASE), `accepted` where a key log shows that,
    else `offered`: nobody outside can tell. `inner_server_name` is the name inside, where a key log opens it.
    Names are those of the IANA registries. `server_certificates` stand in the order sent: the server's own first.
    `resumed_ticket` and `issued_ticket` are SHA-256 (hex) of the ticket that this session resumes by, and of the one
    that the server gave in it, up to TLS 1.2: they tell which sessions belong together.
    `secrets` are those that opened the session, of each handshake: a key log, never the key that was given.
    `max_fragment_length` (RFC 6066) is the one that was agreed on, `record_size_limits` (RFC 8449) are what client and
    server take, in bytes of plaintext; `fingerprint` is that of the first hello of the connection, `ja3s` that of the
    server's hello.
    `retry_group` is what the server asked for in a HelloRetryRequest, `secure_renegotiation` whether it knows RFC 5746
    (None in TLS 1.3, which has no renegotiation), `accepted_issuers` whose certificates it takes of clients.
    `started_by` says what carried TLS where clear text stood before it, as in `STARTTLS (smtp)`. `fault` is the first
    thing that was no TLS.
    """

    version: str | None
    cipher_suite: str | None
    server_name: str | None
    alpn: str | None
    offered_alpn: tuple[str, ...]
    offered_versions: tuple[str, ...]
    offered_cipher_suites: Hidden[tuple[str, ...]]
    session_id: str | None
    resumed: bool
    resumption: str | None
    extended_master_secret: bool
    encrypt_then_mac: bool
    compression: str | None
    key_exchange_group: str | None
    handshakes: int
    client_certificate_requested: bool
    server_certificates: Hidden[tuple[CertificateFacts, ...]]
    client_certificates: Hidden[tuple[CertificateFacts, ...]]
    alerts: tuple[AlertSeen, ...]
    messages: Hidden[tuple[HandshakeSeen, ...]]
    client_hello_span: Span | None
    key: KeySource | None
    verdict: Verdict
    records_decrypted: int
    records_undecrypted: int
    application_records_undecrypted: int
    started_by: str | None = None
    encrypted_client_hello: str | None = None
    inner_server_name: str | None = None
    resumed_ticket: str | None = None
    issued_ticket: str | None = None
    fault: Malformed | None = None
    heartbeats: Hidden[tuple[HeartbeatSeen, ...]] = ()
    fingerprint: ClientFingerprint | None = None
    ja3s: str | None = None
    retry_group: str | None = None
    secure_renegotiation: bool | None = None
    accepted_issuers: Hidden[tuple[str, ...]] = ()
    truncated_hmac: bool = False
    max_fragment_length: int | None = None
    record_size_limits: tuple[int | None, int | None] = (None, None)
    secrets: Hidden[tuple[KeyLogSecret, ...]] = ()

    def settled(self) -> TlsSession:
        """What is kept of many sessions: nothing that their own rules alone ask for; once, what is the same in most."""
        return replace(
            self,
            heartbeats=(),
            fingerprint=None,
            ja3s=None,
            accepted_issuers=(),
            secrets=(),
            server_certificates=once(self.server_certificates),
            key=once(self.key),
            verdict=once(self.verdict),
        )
