"""summarize_ssl2(): what an Ssl2Connection saw, as a frozen TlsSession with its verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tlsdecrypt.tls import verdict
from tlsdecrypt.tls.certificates import certificate_facts
from tlsdecrypt.tls.ciphersuites import cipher_suite
from tlsdecrypt.tls.registry import ProtocolVersion
from tlsdecrypt.tls.session import TlsSession
from tlsdecrypt.tls.ssl2_messages import SSL2_VERSION, Ssl2MessageType

if TYPE_CHECKING:
    from tlsdecrypt.tls.certificates import CertificateFacts
    from tlsdecrypt.tls.secrets import SecretStore
    from tlsdecrypt.tls.ssl2_connection import Ssl2Connection
    from tlsdecrypt.tls.ssl2_messages import Ssl2ServerHello
    from tlsdecrypt.tls.verdict import Verdict


def summarize_ssl2(connection: Ssl2Connection, store: SecretStore) -> TlsSession:
    """The facts of the handshake, the counts, and the verdict. A session has no name in SSL 2.0 but its id."""
    hello, server, messages = connection.client_hello, connection.server_hello, connection.messages
    sides = connection.sides
    decrypted = sum(side.records_decrypted for side in sides)
    undecrypted = sum(side.records_undecrypted for side in sides)
    is_resumed = server is not None and server.is_session_hit
    names = [message.name for message in messages]
    hello_name = Ssl2MessageType.CLIENT_HELLO.name.lower()
    session_id = connection.session_id or (hello.session_id if hello and is_resumed else b"")
    return TlsSession(
        version=ProtocolVersion(SSL2_VERSION).label,
        cipher_suite=_suite_name(connection),
        server_name=None,
        alpn=None,
        offered_alpn=(),
        offered_versions=(ProtocolVersion(hello.version).label,) if hello else (),
        offered_cipher_suites=tuple(cipher_suite(kind).name for kind in hello.cipher_kinds) if hello else (),
        session_id=session_id.hex() or None,
        resumed=is_resumed,
        resumption="session_id" if is_resumed else None,
        extended_master_secret=False,
        encrypt_then_mac=False,
        compression=None,
        key_exchange_group=None,
        handshakes=int(server is not None),
        client_certificate_requested=Ssl2MessageType.REQUEST_CERTIFICATE.name.lower() in names,
        server_certificates=(certificate_facts(server.certificate),) if server and server.certificate else (),
        client_certificates=_client_certificates(connection),
        alerts=tuple(connection.alerts),
        messages=tuple(messages),
        client_hello_span=next((message.span for message in messages if message.name == hello_name), None),
        key=connection.session.origin if connection.session else None,
        verdict=_judge(connection, store),
        records_decrypted=decrypted,
        records_undecrypted=undecrypted,
        application_records_undecrypted=undecrypted,
    )


def _suite_name(connection: Ssl2Connection) -> str | None:
    """What the client chose; in a resumed session only who knows the earlier one knows it."""
    if connection.session is not None:
        return connection.session.suite.name
    return cipher_suite(connection.master_key.cipher_kind).name if connection.master_key else None


def _client_certificates(connection: Ssl2Connection) -> tuple[CertificateFacts, ...]:
    return (certificate_facts(connection.client_certificate),) if connection.client_certificate else ()


def _judge(connection: Ssl2Connection, store: SecretStore) -> Verdict:
    """Why the session is open or closed."""
    undecrypted = sum(side.records_undecrypted for side in connection.sides)
    if connection.session is not None:
        return _judge_open(connection, connection.session.origin.source, undecrypted)
    if not undecrypted:
        return _judge_unprotected(connection)
    if connection.client_hello is None or connection.server_hello is None:
        return verdict.handshake_missing()
    if connection.refused is not None:
        return verdict.wrong_key(connection.refused.source)
    return _judge_closed(connection, connection.server_hello, store)


def _judge_closed(connection: Ssl2Connection, server: Ssl2ServerHello, store: SecretStore) -> Verdict:
    """Both hellos were seen, and no secret was tried."""
    if server.is_session_hit:
        return verdict.resumed_parent_missing("session id")
    if connection.master_key is None:
        return verdict.truncated("the client's master key was not captured")
    suite = cipher_suite(connection.master_key.cipher_kind)
    if not suite.is_supported:
        return verdict.unsupported_suite(suite.name)
    certificate = certificate_facts(server.certificate) if server.certificate else None
    return verdict.no_key(certificate, has_keys=store.has_private_keys)


def _judge_open(connection: Ssl2Connection, source: str, undecrypted: int) -> Verdict:
    if any(side.has_hole for side in connection.sides):
        return verdict.partly_decrypted(source, undecrypted, "frames are missing from the capture")
    if undecrypted:
        return verdict.partly_decrypted(source, undecrypted, "they do not authenticate")
    if connection.faults:
        return verdict.partly_decrypted(source, 0, connection.faults[0].what)
    return verdict.decrypted(source)


def _judge_unprotected(connection: Ssl2Connection) -> Verdict:
    """Nothing protected was seen: the handshake failed, was cut off, or is no SSL 2.0."""
    fatal = next((alert for alert in connection.alerts if alert.level == "fatal"), None)
    if fatal is not None:
        return verdict.handshake_failed(fatal.description, fatal.direction.sender)
    if connection.faults and connection.server_hello is None:
        return verdict.malformed(connection.faults[0].what)
    return verdict.handshake_failed() if connection.is_closed_by_peer else verdict.truncated()
