"""judge(): why a session is open or closed, by the first reason that holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tlsdecrypt.tls import verdict
from tlsdecrypt.tls.certificates import certificate_facts, share_a_name
from tlsdecrypt.tls.offered_psk import is_external, selected_psk
from tlsdecrypt.tls.pre_master_secret import client_key_exchange, matching_keys

if TYPE_CHECKING:
    from tlsdecrypt.tls.certificates import CertificateFacts
    from tlsdecrypt.tls.connection import TlsConnection
    from tlsdecrypt.tls.negotiation import Negotiation
    from tlsdecrypt.tls.secrets import PreSharedKey, SecretStore
    from tlsdecrypt.tls.verdict import Verdict


def judge(connection: TlsConnection, negotiation: Negotiation, store: SecretStore) -> Verdict:
    """Why the session is open or closed: the first reason that holds, the most particular first."""
    undecrypted = sum(side.records_undecrypted for side in connection.sides)
    if any(side.records_decrypted for side in connection.sides):
        return _judge_open(connection, undecrypted)
    if not undecrypted:
        return _judge_unprotected(connection)
    if negotiation.client_hello is None or negotiation.server_hello is None:
        return verdict.handshake_missing(_only_sender(connection))
    return _judge_closed(connection, negotiation, store)


def _judge_open(connection: TlsConnection, undecrypted: int) -> Verdict:
    source = connection.key.source if connection.key else "no key: the cipher suite does not encrypt"
    secrets = connection.secrets
    if undecrypted and secrets is not None and secrets.opens_only_early_data:
        reason = (
            "a pre-shared key opens the early data alone, what follows has a Diffie-Hellman secret too (psk_dhe_ke)"
        )
        return verdict.partly_decrypted(source, undecrypted, reason)
    if any(side.has_hole for side in connection.sides):
        reason = "frames are missing from the capture"
        if connection.longest_cut:
            reason = _cut(connection)
        return verdict.partly_decrypted(source, undecrypted, reason)
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
        return verdict.handshake_missing(_only_sender(connection))
    return verdict.handshake_failed() if connection.is_closed_by_peer else verdict.truncated()


def _judge_closed(connection: TlsConnection, negotiation: Negotiation, store: SecretStore) -> Verdict:
    """Both hellos were seen, and protected records that nothing opened."""
    suite = negotiation.suite
    assert suite is not None
    if not suite.is_supported:
        return verdict.unsupported_suite(suite.name)
    if connection.refused is not None:
        if connection.has_hole_in_handshake and negotiation.has_extended_master_secret and not store.has_keylog:
            return _truncated(connection)  # the master secret depends on every message: no key can open it
        return verdict.wrong_key(connection.refused.source)
    resumption = negotiation.resumption if is_seen_to_resume(connection, negotiation) else None
    if resumption is not None and not negotiation.is_tls13:
        return verdict.resumed_parent_missing(resumption.replace("_", " "))
    if store.has_keylog and negotiation.client_hello is not None:
        certificate = _certificate(negotiation) if suite.uses_rsa_key_exchange else None
        is_encrypted = negotiation.is_tls13 and negotiation.client_hello.extensions.has_encrypted_client_hello
        return verdict.no_secret(
            negotiation.client_hello.random, certificate=certificate, is_hello_encrypted=is_encrypted
        )
    return _judge_keyless(connection, negotiation, store)


def is_seen_to_resume(connection: TlsConnection, negotiation: Negotiation) -> bool:
    """Whether it resumes an earlier session, and is no full handshake of which the middle lies in a hole."""
    is_open = connection.has_hole_in_handshake and not negotiation.is_tls13 and not negotiation.has_echoed_session_id
    return negotiation.is_resumed and not is_open


def _judge_keyless(connection: TlsConnection, negotiation: Negotiation, store: SecretStore) -> Verdict:
    """A handshake that no secret was tried for."""
    suite = negotiation.suite
    assert suite is not None
    if negotiation.is_tls13:
        return _judge_tls13(connection, negotiation)
    if suite.key_exchange in ("PSK", "RSA_PSK") and not _pre_shared_keys(negotiation, store):
        exchange = client_key_exchange(negotiation)
        return verdict.no_pre_shared_key(exchange.psk_identity if exchange else None)
    has_key = bool(negotiation.server_certificates) and bool(matching_keys(negotiation, store))
    if negotiation.has_temporary_rsa_key:
        return verdict.temporary_key(suite.name, negotiation.key_exchange_group or "RSA")
    if suite.is_forward_secret:
        psks = _pre_shared_keys(negotiation, store) if suite.key_exchange.endswith("PSK") else []
        return verdict.forward_secrecy(suite.name, has_key=has_key, psk_source=psks[0].source if psks else None)
    is_exchange_lost = negotiation.client_key_exchange is None and connection.has_hole_in_handshake
    if is_exchange_lost or (any(side.has_hole for side in connection.sides) and has_key):
        return _truncated(connection)
    shown = _certificate(negotiation)
    return verdict.no_key(shown, has_keys=store.has_private_keys, namesake=_namesake(shown, store))


def _namesake(shown: CertificateFacts | None, store: SecretStore) -> CertificateFacts | None:
    """A certificate whose private key was given, that names the same host as the one that was `shown`."""
    given = (key.certificate for key in store.private_keys)
    return next((each for each in given if shown and each and share_a_name(shown, each)), None)


def _truncated(connection: TlsConnection) -> Verdict:
    reason = "a part of the handshake that the keys depend on was not captured"
    if connection.longest_cut:
        reason += f": {_cut(connection)}"
    return verdict.truncated(reason)


def _cut(connection: TlsConnection) -> str:
    return f"the snap length cut frames, and {connection.longest_cut:,} bytes would have been enough"


def _certificate(negotiation: Negotiation) -> CertificateFacts | None:
    """The server's own, if it was seen."""
    return certificate_facts(negotiation.server_certificates[0]) if negotiation.server_certificates else None


def _only_sender(connection: TlsConnection) -> str | None:
    """Whose bytes alone were captured, None where both sides were heard."""
    said = {message.direction for message in connection.dialogue.messages}
    heard = [
        side.direction
        for side in connection.sides
        if side.direction in said or side.records_undecrypted or side.records_decrypted
    ]
    return heard[0].sender if len(heard) == 1 else None


def _judge_tls13(connection: TlsConnection, negotiation: Negotiation) -> Verdict:
    """With a PSK alone (psk_ke) that PSK is what is missing; else the secret of a Diffie-Hellman exchange."""
    suite, psk = negotiation.suite, selected_psk(negotiation)
    assert suite is not None
    if psk is not None and negotiation.server_hello is not None and negotiation.server_hello.key_share is None:
        if is_external(psk):
            return verdict.no_pre_shared_key(psk.identity)
        return verdict.resumed_parent_missing("a ticket that holds a pre-shared key (psk_ke)")
    known = connection.secrets.psk if connection.secrets else None
    return verdict.forward_secrecy(suite.name, has_key=False, psk_source=known.origin.source if known else None)


def _pre_shared_keys(negotiation: Negotiation, store: SecretStore) -> list[PreSharedKey]:
    exchange = client_key_exchange(negotiation)
    return store.psks_for(exchange.psk_identity if exchange else None)
