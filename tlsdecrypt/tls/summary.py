"""summarize(): what a TlsConnection saw, as a frozen TlsSession with its verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tlsdecrypt.tls import verdict
from tlsdecrypt.tls.certificates import certificate_facts
from tlsdecrypt.tls.ciphersuites import cipher_suite
from tlsdecrypt.tls.pre_master_secret import matching_keys
from tlsdecrypt.tls.registry import ProtocolVersion, is_grease
from tlsdecrypt.tls.session import TlsSession

if TYPE_CHECKING:
    from tlsdecrypt.tls.certificates import CertificateFacts
    from tlsdecrypt.tls.connection import TlsConnection
    from tlsdecrypt.tls.handshake import ClientHello
    from tlsdecrypt.tls.negotiation import Negotiation
    from tlsdecrypt.tls.secrets import SecretStore
    from tlsdecrypt.tls.verdict import Verdict


def summarize(connection: TlsConnection, store: SecretStore) -> TlsSession:
    """The facts of the last handshake that got as far as a ServerHello, the counts, and the verdict."""
    negotiations = connection.dialogue.negotiations
    negotiation = next((each for each in reversed(negotiations) if each.server_hello), negotiations[0])
    first, hello, sides = negotiations[0], negotiation.client_hello, connection.sides
    decrypted = sum(side.records_decrypted for side in sides)
    is_past_hellos = _is_past_hellos(connection)
    return TlsSession(
        version=_version_label(negotiation),
        cipher_suite=negotiation.suite.name if negotiation.suite else None,
        server_name=hello.server_name if hello else None,
        alpn=connection.alpn,
        offered_alpn=hello.alpn if hello else (),
        offered_versions=_offered_versions(hello) if hello else (),
        offered_cipher_suites=_offered_suites(hello) if hello else (),
        session_id=negotiation.server_hello.session_id.hex() or None if negotiation.server_hello else None,
        resumed=first.is_resumed and is_past_hellos,
        resumption=first.resumption if is_past_hellos else None,
        extended_master_secret=negotiation.has_extended_master_secret,
        encrypt_then_mac=negotiation.has_encrypt_then_mac,
        compression="DEFLATE" if negotiation.is_compressed else None,
        key_exchange_group=negotiation.key_exchange_group,
        handshakes=sum(each.server_hello is not None for each in negotiations),
        client_certificate_requested=any(each.has_certificate_request for each in negotiations),
        server_certificates=_certificates(negotiations, of_client=False),
        client_certificates=_certificates(negotiations, of_client=True),
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
    undecrypted = sum(side.records_undecrypted for side in connection.sides)
    if any(side.records_decrypted for side in connection.sides):
        return _judge_open(connection, undecrypted)
    if not undecrypted:
        return _judge_unprotected(connection)
    if negotiation.client_hello is None or negotiation.server_hello is None:
        return verdict.handshake_missing()
    return _judge_closed(connection, negotiation, store)


def _judge_open(connection: TlsConnection, undecrypted: int) -> Verdict:
    source = connection.key.source if connection.key else "no key: the cipher suite does not encrypt"
    if any(side.has_hole for side in connection.sides):
        return verdict.partly_decrypted(source, undecrypted, "frames are missing from the capture")
    if undecrypted:
        closed = [side.direction.sender for side in connection.sides if not side.records_decrypted]
        reason = f"no secret of the {closed[0]}'s direction" if closed else "they do not authenticate"
        return verdict.partly_decrypted(source, undecrypted, reason)
    if connection.dialogue.faults:
        return verdict.partly_decrypted(source, 0, connection.dialogue.faults[0].what)
    return verdict.decrypted(source)


def _judge_unprotected(connection: TlsConnection) -> Verdict:
    """Nothing protected was seen: the handshake failed, was cut off, or is no TLS."""
    dialogue = connection.dialogue
    fatal = next((alert for alert in dialogue.alerts if alert.level == "fatal"), None)
    if fatal is not None:
        return verdict.handshake_failed(fatal.description, fatal.direction.sender)
    if dialogue.faults and not dialogue.negotiations[0].server_hello:
        return verdict.malformed(dialogue.faults[0].what)
    if not dialogue.messages:
        return verdict.handshake_missing()
    return verdict.handshake_failed() if connection.is_closed_by_peer else verdict.truncated()


def _judge_closed(connection: TlsConnection, negotiation: Negotiation, store: SecretStore) -> Verdict:
    """Both hellos were seen, and protected records that nothing opened."""
    suite = negotiation.suite
    assert suite is not None
    if not suite.is_supported:
        return verdict.unsupported_suite(suite.name)
    if connection.refused is not None:
        return verdict.wrong_key(connection.refused.source)
    if negotiation.resumption is not None and not negotiation.is_tls13:
        return verdict.resumed_parent_missing(negotiation.resumption.replace("_", " "))
    if store.has_keylog and negotiation.client_hello is not None:
        return verdict.no_secret(negotiation.client_hello.random)
    return _judge_keyless(connection, negotiation, store)


def _judge_keyless(connection: TlsConnection, negotiation: Negotiation, store: SecretStore) -> Verdict:
    """A full handshake that no secret was tried for."""
    suite = negotiation.suite
    assert suite is not None
    has_key = bool(negotiation.server_certificates) and bool(matching_keys(negotiation, store))
    if suite.is_forward_secret:
        return verdict.forward_secrecy(suite.name, has_key=has_key)
    if any(side.has_hole for side in connection.sides) and has_key:
        return verdict.truncated("a part of the handshake that the keys depend on was not captured")
    certificate = certificate_facts(negotiation.server_certificates[0]) if negotiation.server_certificates else None
    return verdict.no_key(certificate, has_keys=store.has_private_keys)


def _is_past_hellos(connection: TlsConnection) -> bool:
    """Whether something was seen after the hellos: before that, a full handshake looks like a resumed one."""
    return any(side.awaits_keys or side.epoch or side.records_undecrypted for side in connection.sides)


def _version_label(negotiation: Negotiation) -> str | None:
    return ProtocolVersion(negotiation.version).label if negotiation.version is not None else None


def _offered_versions(hello: ClientHello) -> tuple[str, ...]:
    offered = hello.supported_versions or (hello.legacy_version,)
    return tuple(ProtocolVersion(version).label for version in offered if not is_grease(version))


def _offered_suites(hello: ClientHello) -> tuple[str, ...]:
    return tuple(cipher_suite(code).name for code in hello.cipher_suites if not is_grease(code))


def _certificates(negotiations: list[Negotiation], *, of_client: bool) -> tuple[CertificateFacts, ...]:
    """The certificates of the last handshake that sent any: a resumed one sends none."""
    for negotiation in reversed(negotiations):
        sent = negotiation.client_certificates if of_client else negotiation.server_certificates
        if sent:
            return tuple(map(certificate_facts, sent))
    return ()
