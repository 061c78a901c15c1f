"""A conversation as lines: who, when, how it was protected, and all that was said on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tlsdecrypt.flow import Direction
from tlsdecrypt.report.lines import line
from tlsdecrypt.report.quantities import clock_time, counted, duration, size
from tlsdecrypt.report.tcp_document import describe_failure
from tlsdecrypt.report.text_dissection import dissection_lines
from tlsdecrypt.report.text_exchange import exchange_lines

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tlsdecrypt.conversation import Conversation, Note
    from tlsdecrypt.report.lines import Line, Part, Style
    from tlsdecrypt.report.text_view import TextView
    from tlsdecrypt.tls.certificates import CertificateFacts
    from tlsdecrypt.tls.events import AlertSeen, HeartbeatSeen
    from tlsdecrypt.tls.session import TlsSession

MAX_NOTES = 20  # holes and the like of one connection that are shown

_ROUTINE = (None, "close_notify")  # alerts that end a session as they should, or whose meaning is not known


def connection_lines(conversation: Conversation, view: TextView) -> Iterator[Line]:
    """One conversation that is over, an empty line behind it."""
    span = conversation.span
    yield from opening_lines(conversation, view, duration(span.last_time_ns - span.first_time_ns))
    if view.is_verbose:
        yield from _stream_lines(conversation)
    for exchange in conversation.exchanges:
        yield from exchange_lines(exchange, span.first_time_ns, view, conversation.unverified)
    yield from dissection_lines(conversation.dissection, view)
    yield from note_lines(conversation, view)
    yield line()


def opening_lines(conversation: Conversation, view: TextView, took: str | None = None) -> Iterator[Line]:
    """Who, when, and how it was protected. `took` is how long it lasted, where it is over."""
    span = conversation.span
    yield line(
        (f"Connection {conversation.id}", "heading"),
        (f"{conversation.client} -> {conversation.server}", "strong"),
        f"{clock_time(span.first_time_ns)} UTC",
        took,
        conversation.process and f"by {conversation.process}",
        (view.frames.range(span), "faint"),
    )
    if conversation.tls:
        yield from _session_lines(conversation.tls, view)
    else:
        yield line(_in_clear(conversation), level=1)


def note_lines(conversation: Conversation, view: TextView) -> Iterator[Line]:
    """Holes and the like."""
    yield from _unverified_lines(conversation)
    for note in conversation.notes[:MAX_NOTES]:
        yield _note_line(note, view)
    if len(conversation.notes) > MAX_NOTES:
        yield line((f"[and {counted(len(conversation.notes) - MAX_NOTES, 'more note')}]", "caution"), level=1)


def _unverified_lines(conversation: Conversation) -> Iterator[Line]:
    """What is known of damaged records; it is part of nothing above."""
    for direction in Direction:
        length = conversation.unverified[direction].length
        if length:
            told = f"{counted(length, 'byte')} of damaged records from the {direction.sender} decrypted too, unverified"
            yield line((f"[{told}]", "caution"), level=1)


def _in_clear(conversation: Conversation) -> str:
    failure = describe_failure(conversation)
    if failure is not None:
        return failure
    up, down = (size(facts.length) for facts in conversation.streams)
    return f"no TLS, {conversation.application_protocol or 'unknown protocol'}, {up} up, {down} down"


def _session_lines(tls: TlsSession, view: TextView) -> Iterator[Line]:
    """How it was protected, the verdict, and what went wrong in the handshake."""
    yield line(tls.version or "TLS of unknown version", tls.cipher_suite, tls.server_name, *_traits(tls), level=1)
    yield from verdict_lines(tls, view)
    for alert in tls.alerts:
        if alert.description in _ROUTINE and not view.is_verbose:
            continue
        yield line(_alert(alert), (view.frames.range(alert.span), "faint"), level=1)
    for heartbeat in tls.heartbeats:
        if heartbeat.is_overdrawn or view.is_verbose:
            yield line(_heartbeat(heartbeat), (view.frames.range(heartbeat.span), "faint"), level=1)
    if view.is_verbose:
        yield from _offer_lines(tls)
        yield from _certificate_lines("server", tls.server_certificates)
        yield from _certificate_lines("client", tls.client_certificates)
        yield from _handshake_lines(tls, view)


def _alert(alert: AlertSeen) -> Part:
    """`server sent a fatal alert: handshake_failure`; close_notify is how every session should end."""
    style: Style = "bad" if alert.level == "fatal" else "faint"
    if alert.description is None:
        return f"{alert.direction.sender} sent an encrypted alert", style
    return f"{alert.direction.sender} sent a {alert.level or 'hidden'} alert: {alert.description}", style


def _heartbeat(heartbeat: HeartbeatSeen) -> Part:
    """`client sent a heartbeat_request`, and how much too much it claims, as attacks do (CVE-2014-0160)."""
    said = f"{heartbeat.direction.sender} sent a {heartbeat.name or 'heartbeat that is none'}"
    if not heartbeat.is_overdrawn:
        return said, "faint"
    return (
        f"{said} that claims {heartbeat.claimed:,} bytes and has {heartbeat.carried:,}, as Heartbleed probes do",
        "bad",
    )


def _traits(tls: TlsSession) -> Iterator[Part]:
    """What is special about a session, in few words."""
    traits = (
        (tls.alpn, tls.alpn),
        (tls.started_by, f"after {tls.started_by}"),
        (tls.resumed, f"resumed by {tls.resumption}" if tls.resumption else "resumed"),
        (tls.handshakes > 1, f"{tls.handshakes} handshakes"),
        (tls.client_certificates, "client certificate"),
        (tls.inner_server_name, f"encrypted client hello for {tls.inner_server_name}"),
        (tls.compression not in {None, "", "null", "NULL"}, f"compressed with {tls.compression}"),
    )
    for is_so, words in traits:
        if is_so and words:
            yield words, "faint"


def verdict_lines(tls: TlsSession, view: TextView) -> Iterator[Line]:
    """Opened with what, or why not, and what would open it."""
    verdict, code = tls.verdict, tls.verdict.code.value
    if code == "decrypted" and tls.key:
        yield line((f"decrypted with {view.key_name(tls.key)}", "good"), level=1)
        return
    style: Style = "good" if code == "decrypted" else "caution" if code == "partly-decrypted" else "bad"
    yield line((f"{code}: {verdict.summary}", style), level=1)
    if verdict.remedy:
        yield line((f"remedy: {verdict.remedy}", "caution"), level=1)


def _offer_lines(tls: TlsSession) -> Iterator[Line]:
    """What tells this client program from others, and the limits of both sides."""
    offered = tls.fingerprint
    if offered is not None:
        for what, names in (("groups", offered.groups), ("signature algorithms", offered.signature_algorithms)):
            yield line((f"client offers {what}: {', '.join(names) or 'none'}", "faint"), level=1)
        yield line((f"client fingerprints: JA3 {offered.ja3}, JA4 {offered.ja4}", "faint"), level=1)
    if tls.retry_group is not None:
        yield line((f"server asked for another hello, with {tls.retry_group}", "faint"), level=1)
    if tls.secure_renegotiation is False:
        yield line(("server does not know secure renegotiation (RFC 5746)", "caution"), level=1)
    for issuer in tls.accepted_issuers:
        yield line((f"server takes client certificates of {issuer}", "faint"), level=1)
    if tls.max_fragment_length is not None:
        yield line((f"records of at most {tls.max_fragment_length:,} bytes agreed", "faint"), level=1)
    for direction, limit in zip(Direction, tls.record_size_limits, strict=True):
        if limit is not None:
            yield line((f"{direction.sender} takes records of at most {limit:,} bytes", "faint"), level=1)


def _certificate_lines(sender: str, certificates: tuple[CertificateFacts, ...]) -> Iterator[Line]:
    """The chain as sent; thumbprints as Windows shows them."""
    for facts in certificates:
        validity = f"valid {facts.not_before} to {facts.not_after}"
        names = f"for {', '.join(facts.names)}" if facts.names else None
        label: Part = (f"{sender} certificate", "faint")
        yield line(label, facts.fault or facts.subject, facts.key, validity, names, level=1)
        yield line((f"issued by {facts.issuer}, serial {facts.serial}", "faint"), level=2)
        yield line((f"SHA-1 thumbprint {facts.sha1_thumbprint}", "faint"), level=2)
        yield line((f"SPKI SHA-256 {facts.spki_sha256}", "faint"), level=2)


def _handshake_lines(tls: TlsSession, view: TextView) -> Iterator[Line]:
    """Every handshake message, in the order seen."""
    for message in tls.messages:
        told: Part = (f"handshake, {message.direction.sender}: {message.name}", "faint")
        yield line(told, (view.frames.range(message.span), "faint"), level=1)


def _stream_lines(conversation: Conversation) -> Iterator[Line]:
    """What TCP did, each way."""
    for direction in Direction:
        facts = conversation.streams[direction]
        parts = [f"{size(facts.length)} in {counted(facts.segments, 'segment')}"]
        troubles = ((facts.missing, "missing"), (facts.repeated, "repeated"), (facts.conflicting, "conflicting"))
        parts += [f"{counted(length, 'byte')} {what}" for length, what in troubles if length]
        parts += [f"{counted(facts.out_of_order, 'segment')} out of order"] if facts.out_of_order else []
        parts += [f"ended by {facts.end}"] if facts.end else []
        yield line((f"TCP from {direction.sender}: {', '.join(parts)}", "faint"), level=1)


def _note_line(note: Note, view: TextView) -> Line:
    """Holes and other things that a reader should know stand in brackets: they were not sent."""
    frames: Part | None = (view.frames.range(note.span), "faint") if note.span else None
    return line((f"[{view.value(note.what)}]", "caution"), frames, level=1)
