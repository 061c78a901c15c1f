"""A conversation as plain values: the `connections` of the JSON document."""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING, Any

from tlsdecrypt.flow import DIRECTIONS
from tlsdecrypt.report.dissection_document import dissection_document
from tlsdecrypt.report.exchange_document import exchange_document
from tlsdecrypt.report.quantities import iso_times
from tlsdecrypt.report.tcp_document import opening_document, side_document

if TYPE_CHECKING:
    from tlsdecrypt.conversation import Conversation, Note, PlaintextDigest, StreamFacts, Unverified, UnverifiedPiece
    from tlsdecrypt.flow import Endpoint
    from tlsdecrypt.redact import Redactor
    from tlsdecrypt.tls.certificates import CertificateFacts
    from tlsdecrypt.tls.events import AlertSeen, HandshakeSeen, HeartbeatSeen
    from tlsdecrypt.tls.session import KeySource, TlsSession
    from tlsdecrypt.tls.verdict import Verdict


_SENDERS = tuple(direction.sender for direction in DIRECTIONS)


def connection_document(conversation: Conversation, redactor: Redactor) -> dict[str, Any]:
    """One element of `connections`. `tls` and `verdict` are null where there was no TLS."""
    span, tls = conversation.span, conversation.tls
    dissection = dissection_document(conversation.dissection, redactor) if conversation.dissection else None
    start, end = iso_times(span)
    return {
        "id": conversation.id,
        "client": _endpoint(conversation.client),
        "server": _endpoint(conversation.server),
        "process": conversation.process,
        "first_frame": span.first_frame,
        "last_frame": span.last_frame,
        "start": start,
        "end": end,
        "tcp": _tcp(conversation),
        "tls": _session(tls) if tls else None,
        "verdict": _verdict(tls.verdict) if tls else None,
        "application_protocol": conversation.application_protocol,
        "application_data": _both(conversation.application_data, _digest),
        "unverified": _unverified(conversation, redactor),
        "exchanges": [exchange_document(each, redactor, conversation.unverified) for each in conversation.exchanges],
        "notes": [_note(note, redactor) for note in conversation.notes],
        **({"dissection": dissection} if dissection else {}),
    }


def _tcp(conversation: Conversation) -> dict[str, Any]:
    told = {"syn_seen": conversation.has_syn, **opening_document(conversation)}
    for direction, sender in zip(DIRECTIONS, _SENDERS, strict=True):
        told[sender] = _stream(conversation.streams[direction]) | side_document(conversation, direction)
    return told


def _both(sides: tuple[Any, Any], describe: Any) -> dict[str, Any]:
    """One value for each side, by who sent; `sides` stand in the order of `Direction`."""
    return {"client": describe(sides[0]), "server": describe(sides[1])}


def _endpoint(endpoint: Endpoint) -> dict[str, Any]:
    return {"address": endpoint.address, "port": endpoint.port}


def _stream(facts: StreamFacts) -> dict[str, Any]:
    return {
        "segments": facts.segments,
        "length": facts.length,
        "gaps": facts.gaps,
        "missing": facts.missing,
        "repeated": facts.repeated,
        "conflicting": facts.conflicting,
        "out_of_order": facts.out_of_order,
        "end": facts.end,
    }


def _digest(digest: PlaintextDigest) -> dict[str, Any]:
    return {"length": digest.length, "sha256": digest.sha256}


def _unverified(conversation: Conversation, redactor: Redactor) -> dict[str, Any] | None:
    """Plaintext of damaged records; null where there is none.

    What a piece holds is shown with all secrets only: of a part of a message nobody can tell what is one.
    """
    client, server = conversation.unverified
    if not client.length and not server.length:
        return None

    def side(unverified: Unverified) -> dict[str, Any]:
        pieces = [_piece(each, is_shown=redactor.show_secrets) for each in unverified.pieces]
        return {"length": unverified.length, "pieces": pieces}

    return _both(conversation.unverified, side)


def _piece(piece: UnverifiedPiece, *, is_shown: bool) -> dict[str, Any]:
    """Behind how many bytes of application data the hole begins, and where in it the piece stands."""
    span = piece.span
    facts = {
        "frames": [span.first_frame, span.last_frame],
        "position": piece.position,
        "offset": piece.offset,
        "length": len(piece.content),
    }
    return {**facts, "base64": b64encode(piece.content).decode()} if is_shown else facts


def _verdict(verdict: Verdict) -> dict[str, Any]:
    return {"code": verdict.code.value, "summary": verdict.summary, "remedy": verdict.remedy}


def _note(note: Note, redactor: Redactor) -> dict[str, Any]:
    span = note.span
    return {"what": redactor.text(note.what), "frames": [span.first_frame, span.last_frame] if span else None}


def _session(tls: TlsSession) -> dict[str, Any]:
    """The facts of the last handshake and of the records after it."""
    return {
        "version": tls.version,
        "cipher_suite": tls.cipher_suite,
        "server_name": tls.server_name,
        "started_by": tls.started_by,
        "encrypted_client_hello": tls.encrypted_client_hello,
        "inner_server_name": tls.inner_server_name,
        "alpn": tls.alpn,
        "resumed": tls.resumed,
        "resumption": tls.resumption,
        "session_id": tls.session_id,
        "key_exchange_group": tls.key_exchange_group,
        "extended_master_secret": tls.extended_master_secret,
        "encrypt_then_mac": tls.encrypt_then_mac,
        "truncated_hmac": tls.truncated_hmac,
        "max_fragment_length": tls.max_fragment_length,
        "record_size_limit": dict(zip(_SENDERS, tls.record_size_limits, strict=True)),
        "compression": tls.compression,
        "retry_group": tls.retry_group,
        "secure_renegotiation": tls.secure_renegotiation,
        "handshakes": tls.handshakes,
        "key": _key(tls.key) if tls.key else None,
        "offered": _offer(tls),
        "ja3s": tls.ja3s,
        "client_certificate_requested": tls.client_certificate_requested,
        "accepted_issuers": list(tls.accepted_issuers),
        "certificates": [_certificate(each) for each in tls.server_certificates],
        "client_certificates": [_certificate(each) for each in tls.client_certificates],
        "alerts": [_alert(each) for each in tls.alerts],
        "heartbeats": [_heartbeat(each) for each in tls.heartbeats],
        "messages": [_handshake_message(each) for each in tls.messages],
        "records": {
            "decrypted": tls.records_decrypted,
            "undecrypted": tls.records_undecrypted,
            "application_data_undecrypted": tls.application_records_undecrypted,
        },
    }


def _offer(tls: TlsSession) -> dict[str, Any]:
    """What the client said it can do."""
    fingerprint = tls.fingerprint
    return {
        "versions": list(tls.offered_versions),
        "cipher_suites": list(tls.offered_cipher_suites),
        "alpn": list(tls.offered_alpn),
        "groups": list(fingerprint.groups) if fingerprint else [],
        "signature_algorithms": list(fingerprint.signature_algorithms) if fingerprint else [],
        "extensions": list(fingerprint.extensions) if fingerprint else [],
        "ja3": fingerprint.ja3 if fingerprint else None,
        "ja4": fingerprint.ja4 if fingerprint else None,
    }


def _key(key: KeySource) -> dict[str, Any]:
    return {"kind": key.kind, "source": key.source, "spki_sha256": key.spki_sha256}


def _certificate(facts: CertificateFacts) -> dict[str, Any]:
    return {
        "subject": facts.subject,
        "issuer": facts.issuer,
        "serial": facts.serial,
        "sha1_thumbprint": facts.sha1_thumbprint,
        "sha256_thumbprint": facts.sha256_thumbprint,
        "spki_sha256": facts.spki_sha256,
        "not_before": facts.not_before,
        "not_after": facts.not_after,
        "names": list(facts.names),
        "key": facts.key,
        "signature": facts.signature,
        "fault": facts.fault,
    }


def _alert(alert: AlertSeen) -> dict[str, Any]:
    return {
        "sender": _SENDERS[alert.direction],
        "level": alert.level,
        "description": alert.description,
        "frame": alert.span.last_frame,
    }


def _heartbeat(heartbeat: HeartbeatSeen) -> dict[str, Any]:
    return {
        "sender": _SENDERS[heartbeat.direction],
        "name": heartbeat.name,
        "claimed_length": heartbeat.claimed,
        "carried_length": heartbeat.carried,
        "frame": heartbeat.span.last_frame,
    }


def _handshake_message(message: HandshakeSeen) -> dict[str, Any]:
    span = message.span
    return {"sender": _SENDERS[message.direction], "name": message.name, "frames": [span.first_frame, span.last_frame]}
