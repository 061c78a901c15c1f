"""Which secrets may open a session up to TLS 1.2: candidates, the likeliest first, each still to be proved."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tlsdecrypt.errors import ParseError
from tlsdecrypt.tls import prf
from tlsdecrypt.tls.certificates import certificate_facts
from tlsdecrypt.tls.key_exchange import parse_encrypted_pre_master_secret
from tlsdecrypt.tls.negotiation import Candidate
from tlsdecrypt.tls.protection import make_protection
from tlsdecrypt.tls.session import KeySource

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tlsdecrypt.flow import Direction
    from tlsdecrypt.tls.negotiation import Negotiation
    from tlsdecrypt.tls.protection import RecordProtection
    from tlsdecrypt.tls.private_key import PrivateKey
    from tlsdecrypt.tls.secrets import SecretStore

PRE_MASTER_SECRET_LENGTH = 48


def candidates(negotiation: Negotiation, store: SecretStore) -> Iterator[Candidate]:
    """Master secrets for a handshake of which both hellos were seen."""
    yield from _from_key_log(negotiation, store)
    if negotiation.is_resumed:
        yield from _from_earlier_session(negotiation, store)
    else:
        yield from _from_private_keys(negotiation, store)


def _from_key_log(negotiation: Negotiation, store: SecretStore) -> Iterator[Candidate]:
    hello, answer = negotiation.client_hello, negotiation.server_hello
    assert hello is not None
    assert answer is not None
    for found in (
        store.keylog_secret("CLIENT_RANDOM", hello.random),
        store.keylog_session(answer.session_id) if answer.session_id else None,
    ):
        if found:
            yield Candidate(found[0], KeySource("key log", found[1]))
    encrypted = _encrypted_pre_master_secret(negotiation)
    for found in (
        store.keylog_secret("PMS_CLIENT_RANDOM", hello.random),
        store.keylog_rsa(encrypted[:8]) if encrypted else None,
    ):
        if found:
            yield Candidate(_master_secret(negotiation, found[0]), KeySource("key log", found[1]))


def _from_earlier_session(negotiation: Negotiation, store: SecretStore) -> Iterator[Candidate]:
    hello, answer = negotiation.client_hello, negotiation.server_hello
    assert hello is not None
    assert answer is not None
    for learned in (
        store.learned(ticket=hello.session_ticket) if hello.session_ticket else None,
        store.learned(session_id=answer.session_id) if answer.session_id else None,
    ):
        if learned:
            origin = KeySource("resumption", learned.origin.source, learned.origin.spki_sha256)
            yield Candidate(learned.master_secret, origin)


def _from_private_keys(negotiation: Negotiation, store: SecretStore) -> Iterator[Candidate]:
    encrypted = _encrypted_pre_master_secret(negotiation)
    if encrypted is None:
        return
    decrypted = negotiation.pre_master_secrets
    for key in matching_keys(negotiation, store):
        if key.spki_sha256 not in decrypted:
            decrypted[key.spki_sha256] = key.decrypt_pre_master_secret(encrypted)
        pre_master_secret = decrypted[key.spki_sha256]
        if pre_master_secret is not None and len(pre_master_secret) == PRE_MASTER_SECRET_LENGTH:
            origin = KeySource("private key", key.source, key.spki_sha256)
            yield Candidate(_master_secret(negotiation, pre_master_secret), origin)


def _encrypted_pre_master_secret(negotiation: Negotiation) -> bytes | None:
    suite, version = negotiation.suite, negotiation.version
    body = negotiation.client_key_exchange
    if suite is None or version is None or body is None or not suite.uses_rsa_key_exchange:
        return None
    try:
        return parse_encrypted_pre_master_secret(body, version)
    except ParseError:
        return None


def matching_keys(negotiation: Negotiation, store: SecretStore) -> list[PrivateKey]:
    """The private keys that fit the server's certificate; all RSA keys where the certificate was not seen."""
    if not negotiation.server_certificates:
        return store.rsa_keys
    key = store.key_for_spki(certificate_facts(negotiation.server_certificates[0]).spki_sha256)
    return [key] if key is not None else []


def _master_secret(negotiation: Negotiation, pre_master_secret: bytes) -> bytes:
    suite, version = negotiation.suite, negotiation.version
    hello, answer = negotiation.client_hello, negotiation.server_hello
    assert suite is not None
    assert version is not None
    assert hello is not None
    assert answer is not None
    if negotiation.has_extended_master_secret:
        session_hash = prf.transcript_hash(suite, version, negotiation.session_hash_input())
        return prf.derive_extended_master_secret(suite, version, pre_master_secret, session_hash)
    return prf.derive_master_secret(suite, version, pre_master_secret, hello.random, answer.random)


def protection_of(negotiation: Negotiation, candidate: Candidate, direction: Direction) -> RecordProtection | None:
    """What protects one direction, if the candidate is right; None where the cipher suite is not supported."""
    suite, version = negotiation.suite, negotiation.version
    hello, answer = negotiation.client_hello, negotiation.server_hello
    assert suite is not None
    assert version is not None
    assert hello is not None
    assert answer is not None
    if not suite.is_supported:
        return None
    keys = prf.derive_keys(suite, version, candidate.master_secret, hello.random, answer.random)
    return make_protection(
        suite,
        version,
        keys[direction],
        encrypt_then_mac=negotiation.has_encrypt_then_mac,
        truncated_hmac=negotiation.has_truncated_hmac,
    )
