"""Which PSK a session of TLS 1.3 uses: that of the identity that the server took, proved by its binder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tlsdecrypt.tls import key_schedule
from tlsdecrypt.tls.secrets import FoundSecret
from tlsdecrypt.tls.session import KeySource

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tlsdecrypt.tls.extensions import OfferedPsk, OfferedPsks
    from tlsdecrypt.tls.key_schedule import KeyScheduleLabels
    from tlsdecrypt.tls.negotiation import Negotiation
    from tlsdecrypt.tls.secrets import SecretStore


def selected_psk(negotiation: Negotiation) -> OfferedPsk | None:
    """The identity that the server took; None without PSK, or where the hellos do not tell."""
    offered, index = _offered(negotiation)
    return offered.identities[index] if offered is not None else None


def is_external(psk: OfferedPsk) -> bool:
    """Whether it is no ticket, as far as one can tell: only a ticket has an age (RFC 8446 section 4.2.11)."""
    return psk.obfuscated_ticket_age == 0


def find_psk(negotiation: Negotiation, store: SecretStore) -> tuple[FoundSecret | None, FoundSecret | None]:
    """The PSK whose binder verifies; and one that was meant for this identity and is not it."""
    refused = None
    for candidate, is_meant in _candidates(negotiation, store):
        if _is_bound(negotiation, candidate.secret):
            return candidate, None
        refused = candidate if is_meant else refused
    return None, refused


def _candidates(negotiation: Negotiation, store: SecretStore) -> Iterator[tuple[FoundSecret, bool]]:
    """Secrets, and whether each is meant for this identity: a PSK for any is not meant for a ticket."""
    psk = selected_psk(negotiation)
    if psk is None:
        return
    learned = store.learned(ticket=psk.identity)
    if learned is not None:
        origin = KeySource("resumption", learned.origin.source, learned.origin.spki_sha256)
        yield FoundSecret(learned.master_secret, origin), True
    in_ticket = store.secret_in_ticket(psk.identity)
    if in_ticket is not None:
        yield in_ticket, True
    for given in store.psks_for(psk.identity):
        is_meant = given.identity is not None or is_external(psk)
        yield FoundSecret(given.key, KeySource("pre-shared key", given.source)), is_meant


def _offered(negotiation: Negotiation) -> tuple[OfferedPsks | None, int]:
    """What the client offers, and the index that the server chose; None where there is no such thing."""
    hello, answer = negotiation.client_hello, negotiation.server_hello
    offered = hello.extensions.offered_psks if hello is not None else None
    index = answer.selected_psk if answer is not None else None
    if offered is None or index is None or index >= min(len(offered.identities), len(offered.binders)):
        return None, 0
    return offered, index


def _is_bound(negotiation: Negotiation, psk: bytes) -> bool:
    """Whether the binder of the selected identity was made with this PSK (RFC 8446 section 4.2.11.2)."""
    offered, index = _offered(negotiation)
    suite, version = negotiation.suite, negotiation.version
    if offered is None or suite is None or version is None:
        return False
    binders_length = 2 + sum(1 + len(binder) for binder in offered.binders)
    messages = negotiation.transcript.up_to_binders(binders_length, suite, version)
    if messages is None:
        return False
    labels, early = key_schedule.labels_of(version), key_schedule.early_secret(suite, psk)
    transcript, nothing = key_schedule.hash_of(suite, messages), key_schedule.hash_of(suite, b"")
    for label in _binder_labels(labels):
        binder_key = key_schedule.derive_secret(suite, early, label, nothing, labels.prefix)
        expected = key_schedule.finished_verify_data_13(suite, binder_key, transcript, labels.prefix)
        if expected == offered.binders[index]:
            return True
    return False


def _binder_labels(labels: KeyScheduleLabels) -> tuple[bytes, bytes]:
    """Both are tried: whether a PSK is that of a ticket is for the peers to know."""
    return labels.resumption_binder, labels.external_binder
