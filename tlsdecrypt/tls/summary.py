"""summarize(): what a TlsConnection saw, as a frozen TlsSession with its verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tlsdecrypt.flow import Direction
from tlsdecrypt.tls import verdict
from tlsdecrypt.tls.certificates import certificate_facts
from tlsdecrypt.tls.ciphersuites import cipher_suite
from tlsdecrypt.tls.opening import matching_keys
from tlsdecrypt.tls.registry import ProtocolVersion, is_grease
from tlsdecrypt.tls.session import TlsSession

if TYPE_CHECKING:
    from tlsdecrypt.tls.connection import TlsConnection
    from tlsdecrypt.tls.events import AlertSeen
    from tlsdecrypt.tls.handshake import ClientHello
    from tlsdecrypt.tls.negotiation import Negotiation
    from tlsdecrypt.tls.secrets import SecretStore
    from tlsdecrypt.tls.verdict import Verdict


def summarize(connection: TlsConnection, store: SecretStore) -> TlsSession:
    """The facts of the last handshake that got as far as a ServerHello, the counts, and the verdict."""
    negotiations = connection.dialogue.negotiations
    negotiation = next((each for each in reversed(negotiations) if each.server_hello), negotiations[0])
    first = negotiations[0]
    hello = negotiation.client_hello
    sides = connection.sides
    decrypted = sum(side.records_decrypted for side in sides)
    return TlsSession(
        version=_version_label(negotiation),
        cipher_suite=negotiation.suite.name if negotiation.suite else None,
        server_name=hello.server_name if hello else None,
        alpn=connection.alpn,
        offered_alpn=hello.alpn if hello else (),
        offered_versions=_offered_versions(hello) if hello else (),
        offered_cipher_suites=_offered_suites(hello) if hello else (),
        session_id=negotiation.server_hello.session_id.hex() or None if negotiation.server_hello else None,
        resumed=first.is_resumed and _got_past_hellos(connection),
        resumption=first.resumption if _got_past_hellos(connection) else None,
        extended_master_secret=negotiation.has_extended_master_secret,
        encrypt_then_mac=negotiation.has_encrypt_then_mac,
        compression="DEFLATE" if negotiation.is_compressed else None,
        key_exchange_group=negotiation.key_exchange_group,
        handshakes=sum(each.server_hello is not None for each in negotiations),
        client_certificate_requested=any(each.has_certificate_request for each in negotiations),
        server_certificates=tuple(map(certificate_facts, _last(negotiations, Direction.SERVER_TO_CLIENT))),
        client_certificates=tuple(map(certificate_facts, _last(negotiations, Direction.CLIENT_TO_SERVER))),
        alerts=tuple(connection.dialogue.alerts),
        messages=tuple(connection.dialogue.messages),
        client_hello_span=connection.dialogue.client_hello_span,
        key=connection.key if decrypted else None,
        verdict=judge(connection, negotiation, store),
        records_decrypted=decrypted,
        records_undecrypted=sum(side.records_undecrypted for side in sides),
        application_records_undecrypted=sum(side.application_records_undecrypted for side in sides),
    )


def judge(connection: TlsConnection, negotiation: Negotiation, store: SecretStore) -> Verdict:
    """Why the session is open or closed: the first reason that holds, the most particular first."""
    sides = connection.sides
    decrypted = sum(side.records_decrypted for side in sides)
    undecrypted = sum(side.records_undecrypted for side in sides)
    if decrypted:
        return _judge_open(connection, undecrypted)
    if not undecrypted:
        return _judge_unprotected(connection, negotiation)
    if negotiation.client_hello is None or negotiation.server_hello is None:
        return verdict.handshake_missing(_missing_hellos(negotiation))
    return _judge_closed(connection, negotiation, store)


def _judge_open(connection: TlsConnection, undecrypted: int) -> Verdict:
    source = connection.key.source if connection.key else "no key (the cipher suite does not encrypt)"
    has_hole = any(side.has_hole for side in connection.sides)
    if undecrypted == 0 and not has_hole and not connection.dialogue.faults:
        return verdict.decrypted(source)
    return verdict.partly_decrypted(source, undecrypted, has_hole=has_hole)


def _judge_unprotected(connection: TlsConnection, negotiation: Negotiation) -> Verdict:
    """Nothing protected was seen: the handshake failed, was cut, or is no TLS."""
    fatal = _fatal_alert(connection)
    if fatal is not None:
        return verdict.handshake_failed(fatal.direction.sender, fatal.description or "an unknown alert")
    if connection.dialogue.faults and negotiation.client_hello is None:
        return verdict.malformed(connection.dialogue.faults[0].what)
    if connection.closed_by is not None:
        return verdict.handshake_failed(connection.closed_by.sender, None)
    return verdict.truncated()


def _judge_closed(connection: TlsConnection, negotiation: Negotiation, store: SecretStore) -> Verdict:
    """Both hellos were seen, and protected records that nothing opened."""
    suite = negotiation.suite
    assert suite is not None
    if not suite.is_supported:
        return verdict.unsupported_suite(suite.name)
    if connection.has_refused_secret or (negotiation.is_tls13 and connection.key is not None):
        return verdict.wrong_key(connection.key.source if connection.key else None)
    if negotiation.is_resumed and not negotiation.is_tls13:
        return verdict.resumed_parent_missing(negotiation.resumption or "session_id")
    if store.has_keylog:
        return verdict.no_secret()
    if suite.is_forward_secret:
        has_key = bool(negotiation.server_certificates) and bool(matching_keys(negotiation, store))
        return verdict.forward_secrecy(suite.name, has_key=has_key)
    certificate = certificate_facts(negotiation.server_certificates[0]) if negotiation.server_certificates else None
    return verdict.no_key(certificate)
