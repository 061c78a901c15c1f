"""Which secrets may open a session up to TLS 1.2: candidates, the likeliest first, each still to be proved."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tlsdecrypt.tls import prf
from tlsdecrypt.tls.pre_master_secret import client_key_exchange, pre_master_secrets
from tlsdecrypt.tls.protection import make_protection
from tlsdecrypt.tls.secrets import FoundSecret
from tlsdecrypt.tls.session import KeySource

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tlsdecrypt.flow import Direction
    from tlsdecrypt.tls.negotiation import Negotiation
    from tlsdecrypt.tls.protection import RecordProtection
    from tlsdecrypt.tls.secrets import SecretStore

_KEYLOG_RSA_PREFIX = 8  # bytes of the encrypted pre_master_secret


def candidates(negotiation: Negotiation, store: SecretStore) -> Iterator[FoundSecret]:
    """Master secrets for a handshake of which both hellos were seen."""
    if store.has_keylog:
        yield from _from_key_log(negotiation, store)
    yield from _from_tickets(negotiation, store)
    if negotiation.is_resumed:
        yield from _from_earlier_session(negotiation, store)
        return
    for found in pre_master_secrets(negotiation, store):
        yield FoundSecret(_master_secret(negotiation, found.secret), found.origin)


def _from_key_log(negotiation: Negotiation, store: SecretStore) -> Iterator[FoundSecret]:
    hello, answer = negotiation.client_hello, negotiation.server_hello
    assert hello is not None
    assert answer is not None
    yield from store.keylog_secrets("CLIENT_RANDOM", hello.random)
    by_session_id = store.keylog_session(answer.session_id) if answer.session_id else None
    if by_session_id:
        yield FoundSecret(by_session_id[0], KeySource("key log", by_session_id[1]))
    pre_master = store.keylog_secrets("PMS_CLIENT_RANDOM", hello.random)
    exchange = client_key_exchange(negotiation)
    encrypted = exchange.encrypted_pre_master_secret if exchange else None
    by_prefix = store.keylog_rsa(encrypted[:_KEYLOG_RSA_PREFIX]) if encrypted else None
    if by_prefix:
        pre_master.append(FoundSecret(by_prefix[0], KeySource("key log", by_prefix[1])))
    for found in pre_master:
        yield FoundSecret(_master_secret(negotiation, found.secret), found.origin)


def _from_tickets(negotiation: Negotiation, store: SecretStore) -> Iterator[FoundSecret]:
    """From the tickets that go with this session: the one that it resumes by, and the one that the server gives."""
    hello = negotiation.client_hello
    presented = hello.session_ticket if hello is not None and negotiation.is_resumed else None
    for ticket in (presented, negotiation.ticket):
        found = store.secret_in_ticket(ticket) if ticket else None
        if found is not None:
            yield found


def _from_earlier_session(negotiation: Negotiation, store: SecretStore) -> Iterator[FoundSecret]:
    hello, answer = negotiation.client_hello, negotiation.server_hello
    assert hello is not None
    assert answer is not None
    for learned in (
        store.learned(ticket=hello.session_ticket) if hello.session_ticket else None,
        store.learned(session_id=answer.session_id) if answer.session_id else None,
    ):
        if learned:
            origin = KeySource("resumption", learned.origin.source, learned.origin.spki_sha256)
            yield FoundSecret(learned.master_secret, origin)


def _master_secret(negotiation: Negotiation, pre_master_secret: bytes) -> bytes:
    suite, version = negotiation.suite, negotiation.version
    hello, answer = negotiation.client_hello, negotiation.server_hello
    assert suite is not None
    assert version is not None
    assert hello is not None
    assert answer is not None
    if negotiation.has_extended_master_secret:
        session_hash = prf.transcript_hash(suite, version, negotiation.transcript.up_to_client_key_exchange())
        return prf.derive_extended_master_secret(suite, version, pre_master_secret, session_hash)
    return prf.derive_master_secret(suite, version, pre_master_secret, hello.random, answer.random)


def protection_of(negotiation: Negotiation, candidate: FoundSecret, direction: Direction) -> RecordProtection | None:
    """What protects one direction, if the candidate is right; None where the cipher suite is not supported."""
    suite, version = negotiation.suite, negotiation.version
    hello, answer = negotiation.client_hello, negotiation.server_hello
    assert suite is not None
    assert version is not None
    assert hello is not None
    assert answer is not None
    if not suite.is_supported:
        return None
    if negotiation.keys is None or negotiation.keys[0] is not candidate:
        keys = prf.derive_keys(suite, version, candidate.secret, hello.random, answer.random)
        negotiation.keys = candidate, keys
    return make_protection(
        suite,
        version,
        negotiation.keys[1][direction],
        encrypt_then_mac=negotiation.has_encrypt_then_mac,
        truncated_hmac=negotiation.has_truncated_hmac,
    )
