"""summarize(): what a TlsConnection saw, as a frozen TlsSession with its verdict."""

from __future__ import annotations

from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING, Final, TypeVar

from tlsdecrypt.tls.certificates import certificate_facts
from tlsdecrypt.tls.ciphersuites import cipher_suite
from tlsdecrypt.tls.distinguished_name import describe_name
from tlsdecrypt.tls.fingerprint import MOST_NAMED, client_fingerprint, ja3s
from tlsdecrypt.tls.judgement import is_seen_to_resume, judge
from tlsdecrypt.tls.registry import ProtocolVersion, is_grease
from tlsdecrypt.tls.session import TlsSession

if TYPE_CHECKING:
    from tlsdecrypt.tls.certificates import CertificateFacts
    from tlsdecrypt.tls.connection import TlsConnection
    from tlsdecrypt.tls.events import AlertSeen, HandshakeSeen, HeartbeatSeen
    from tlsdecrypt.tls.handshake import ClientHello
    from tlsdecrypt.tls.negotiation import Negotiation
    from tlsdecrypt.tls.secrets import SecretStore

_SeenT = TypeVar("_SeenT", "AlertSeen", "HandshakeSeen", "HeartbeatSeen")

MAX_CACHED_LABELS: Final = 64  # versions; real ones are a dozen
MAX_CACHED_OFFERS: Final = 64  # lists of cipher suites and of versions: a client offers the same each time
LONGEST_CACHED_OFFER: Final = 512  # suites; there are not more in the registry


def summarize(connection: TlsConnection, store: SecretStore, *, started_by: str | None = None) -> TlsSession:
    """The facts of the last handshake that got as far as a ServerHello, the counts, and the verdict.

    `started_by` says what carried TLS, which the connection itself does not know.
    """
    negotiations = connection.dialogue.negotiations
    negotiation = next((each for each in reversed(negotiations) if each.server_hello), negotiations[0])
    first, hello, answer = negotiations[0], negotiation.client_hello, negotiation.server_hello
    client, server = connection.sides
    decrypted = client.records_decrypted + server.records_decrypted
    is_resumed = _is_past_hellos(connection) and is_seen_to_resume(connection, first)
    inner = connection.secrets.inner_hello if connection.secrets else None
    return TlsSession(
        version=_version_label(negotiation),
        cipher_suite=negotiation.suite.name if negotiation.suite else None,
        server_name=hello.server_name if hello else None,
        alpn=connection.alpn,
        offered_alpn=hello.alpn if hello else (),
        offered_versions=_offered_versions(hello) if hello else (),
        offered_cipher_suites=_offered_suites(hello.cipher_suites) if hello else (),
        session_id=answer.session_id.hex() or None if answer else None,
        resumed=is_resumed,
        resumption=first.resumption if is_resumed else None,
        extended_master_secret=negotiation.has_extended_master_secret,
        encrypt_then_mac=negotiation.has_encrypt_then_mac,
        compression="DEFLATE" if negotiation.is_compressed else None,
        key_exchange_group=negotiation.key_exchange_group,
        handshakes=sum(each.server_hello is not None for each in negotiations),
        client_certificate_requested=any(each.has_certificate_request for each in negotiations),
        server_certificates=_certificates(negotiations, of_client=False),
        client_certificates=_certificates(negotiations, of_client=True),
        alerts=_as_sent(connection.dialogue.alerts),
        messages=_as_sent(connection.dialogue.messages),
        heartbeats=_as_sent(connection.dialogue.heartbeats),
        fingerprint=client_fingerprint(first.first_hello) if first.first_hello else None,
        ja3s=ja3s(answer) if answer else None,
        retry_group=negotiation.retry_group,
        secure_renegotiation=_has_secure_renegotiation(negotiation),
        accepted_issuers=_accepted_issuers(negotiations),
        truncated_hmac=negotiation.has_truncated_hmac,
        max_fragment_length=negotiation.answered.max_fragment_length,
        record_size_limits=(
            hello.extensions.record_size_limit if hello else None,
            negotiation.answered.record_size_limit,
        ),
        client_hello_span=connection.dialogue.client_hello_span,
        key=connection.key if decrypted else None,
        verdict=judge(connection, negotiation, store),
        records_decrypted=decrypted,
        records_undecrypted=client.records_undecrypted + server.records_undecrypted,
        application_records_undecrypted=client.application_records_undecrypted + server.application_records_undecrypted,
        started_by=started_by,
        encrypted_client_hello=_encrypted_client_hello(connection, is_opened=decrypted > 0),
        inner_server_name=inner.server_name if inner else None,
        resumed_ticket=_resumed_ticket(first),
        issued_ticket=_hash(negotiation.ticket),
        secrets=connection.key_log,
        fault=connection.dialogue.faults[0] if connection.dialogue.faults else None,
    )


def _as_sent(seen: list[_SeenT]) -> tuple[_SeenT, ...]:
    """In the order of the frames, whichever records of both directions waited for their keys, and for how long.

    Within a direction the order stays: a segment that was sent again fills a hole late.
    """
    if len(seen) <= 1:
        return tuple(seen)
    frames = [each.span.last_frame for each in seen]
    if frames == sorted(frames):
        return tuple(seen)
    latest, keys = [0, 0], []
    for each, frame in zip(seen, frames, strict=True):
        latest[each.direction] = max(latest[each.direction], frame)
        keys.append(latest[each.direction])
    order = sorted(range(len(seen)), key=keys.__getitem__)
    return tuple(seen[index] for index in order)


def _has_secure_renegotiation(negotiation: Negotiation) -> bool | None:
    if negotiation.server_hello is None or negotiation.is_tls13:
        return None
    return negotiation.answered.renegotiation_info is not None


def _accepted_issuers(negotiations: list[Negotiation]) -> tuple[str, ...]:
    """Of the last request for a certificate."""
    request = next((each.certificate_request for each in reversed(negotiations) if each.certificate_request), None)
    return tuple(map(describe_name, request.authorities)) if request else ()


def _resumed_ticket(negotiation: Negotiation) -> str | None:
    hello = negotiation.client_hello
    return _hash(hello.session_ticket) if hello and negotiation.resumption == "ticket" else None


def _hash(ticket: bytes | None) -> str | None:
    return sha256(ticket).hexdigest() if ticket else None


def _is_past_hellos(connection: TlsConnection) -> bool:
    """Whether something was seen after the hellos: before that, a full handshake looks like a resumed one."""
    return any(side.awaits_keys or side.epoch or side.records_undecrypted for side in connection.sides)


def _encrypted_client_hello(connection: TlsConnection, *, is_opened: bool) -> str | None:
    """A server that accepted it goes on with the secrets of the inner hello; what else opens a session refutes it."""
    negotiation = connection.dialogue.negotiations[0]
    hello = negotiation.client_hello
    if hello is None or not hello.extensions.has_encrypted_client_hello:
        return None
    if connection.secrets is not None and connection.secrets.goes_on_with_inner_hello:
        return "accepted"
    is_older = negotiation.version is not None and not negotiation.is_tls13
    return "not accepted" if is_older or is_opened else "offered"


def _version_label(negotiation: Negotiation) -> str | None:
    return _label(negotiation.version) if negotiation.version is not None else None


def _offered_versions(hello: ClientHello) -> tuple[str, ...]:
    return _labels(hello.supported_versions or (hello.legacy_version,))


@lru_cache(maxsize=MAX_CACHED_OFFERS)
def _labels(versions: tuple[int, ...]) -> tuple[str, ...]:
    return tuple(_label(version) for version in versions if not is_grease(version))


@lru_cache(maxsize=MAX_CACHED_LABELS)
def _label(version: int) -> str:
    return ProtocolVersion(version).label


def _offered_suites(codes: tuple[int, ...]) -> tuple[str, ...]:
    return _cached_names(codes) if len(codes) <= LONGEST_CACHED_OFFER else _names(codes)


def _names(codes: tuple[int, ...]) -> tuple[str, ...]:
    return tuple(cipher_suite(code).name for code in codes[:MOST_NAMED] if not is_grease(code))


_cached_names = lru_cache(maxsize=MAX_CACHED_OFFERS)(_names)


def _certificates(negotiations: list[Negotiation], *, of_client: bool) -> tuple[CertificateFacts, ...]:
    """The certificates of the last handshake that sent any: a resumed one sends none."""
    for negotiation in reversed(negotiations):
        sent = negotiation.client_certificates if of_client else negotiation.server_certificates
        if sent:
            return tuple(map(certificate_facts, sent))
    return ()
