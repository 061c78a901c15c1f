"""A conversation as the plain values that the HTML report shows of it: all text masked, nothing escaped yet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tlsdecrypt.report.connection_document import connection_document
from tlsdecrypt.report.exchange_document import exchange_document
from tlsdecrypt.report.hole_document import told_of_hole
from tlsdecrypt.report.pretty import pretty_text
from tlsdecrypt.report.quantities import clock_time, duration, size
from tlsdecrypt.report.shown_content import shown_content
from tlsdecrypt.report.text_annotations import annotation_lines
from tlsdecrypt.report.text_exchange import NO_ANSWER, answer_of, asked_of
from tlsdecrypt.report.text_mail import mail_lines
from tlsdecrypt.report.visible import shorten
from tlsdecrypt.value import replace

if TYPE_CHECKING:
    from tlsdecrypt.app.exchange import Exchange
    from tlsdecrypt.conversation import Conversation, Unverified
    from tlsdecrypt.flow import Span
    from tlsdecrypt.redact import Redactor
    from tlsdecrypt.tls.session import TlsSession

MAX_CONTENT = 32 * 1024  # bytes of one content that the report shows
MAX_MESSAGES = 40  # handshake messages of one connection that are listed
MAX_NOTES = 50
MAX_EXCHANGES = 5_000  # of one connection that are told
MAX_BARS = 200  # exchanges of one connection in the picture
MAX_REASON = 400  # characters of a reason phrase, and of what a dissector says
MAX_FIELDS = 100  # of a dissected message
MAX_TITLE = 80  # characters of a request that the picture tells

_ENDS_OF_HANDSHAKE = ("client_hello", "finished")


def connection_view(conversation: Conversation, redactor: Redactor) -> dict[str, Any]:
    """What the report shows of a connection when it is unfolded."""
    bare = connection_document(replace(conversation, exchanges=()), redactor)
    span = conversation.span
    return {
        "id": conversation.id,
        "title": f"{conversation.client} \N{RIGHTWARDS ARROW} {conversation.server}",
        "start": f"{clock_time(span.first_time_ns)} UTC",
        "took": duration(span.last_time_ns - span.first_time_ns),
        "frames": _frames(span),
        "facts": [[label, value] for label, value in _facts(bare) if value],
        "verdict": bare["verdict"],
        "tone": _verdict_tone(conversation.tls),
        "notes": [[note["what"], note["frames"]] for note in bare["notes"][:MAX_NOTES]],
        "exchanges": [
            exchange_view(exchange, span.first_time_ns, redactor, conversation.unverified)
            for exchange in conversation.exchanges[:MAX_EXCHANGES]
        ],
        "more": max(len(conversation.exchanges) - MAX_EXCHANGES, 0),
        "dissected": [_dissected(each) for each in bare.get("dissection", ())],
    }


def row_view(conversation: Conversation, connection: dict[str, Any], redactor: Redactor) -> dict[str, Any]:
    """What the table and the picture show of a connection (see `connection_view`): small, for there may be many."""
    span, tls = conversation.span, conversation.tls
    up, down = (facts.length for facts in conversation.streams)
    said = connection["exchanges"]
    bars = zip(conversation.exchanges[:MAX_BARS], said, strict=False)
    return {
        "id": conversation.id,
        "client": str(conversation.client),
        "server": str(conversation.server),
        "name": redactor.text((tls and tls.server_name) or _first_host(conversation) or ""),
        "protection": (tls.version or "TLS") if tls else "none",
        "verdict": tls.verdict.code.value if tls else "no TLS",
        "tone": connection["tone"],
        "start_ns": span.first_time_ns,
        "end_ns": span.last_time_ns,
        "handshake": _handshake(tls),
        "exchanges": [
            [
                exchange.span.first_time_ns,
                exchange.span.last_time_ns,
                told["tone"],
                f"{told['asked'][:MAX_TITLE]} {told['answer']}",
            ]
            for exchange, told in bars
        ],
        "count": len(conversation.exchanges),
        "failed": sum(told["tone"] == "bad" for told in said),
        "up": up,
        "down": down,
    }


def exchange_view(
    exchange: Exchange, start_ns: int, redactor: Redactor, unverified: tuple[Unverified, Unverified]
) -> dict[str, Any]:
    """What the report shows of an exchange; `start_ns` is when its connection began."""
    told = exchange_document(exchange, redactor, unverified)
    answer, tone = answer_of(told, MAX_REASON)
    length_ns = exchange.duration_ns
    return {
        "at": f"+{(exchange.span.first_time_ns - start_ns) / 1e9:.3f} s",
        "asked": asked_of(told),
        "answer": answer,
        "tone": tone,
        "took": duration(length_ns) if length_ns is not None else "",
        "frames": _frames(exchange.span),
        "means": [
            [each.level, [list(part) for part in each.parts]] for each in annotation_lines(told["annotations"], 0)
        ],
        "faults": [fault for fault in told["faults"] if fault != NO_ANSWER],
        "sides": [
            _side(name, told[name], getattr(exchange, name), redactor) for name in ("request", "response") if told[name]
        ],
    }


def _dissected(told: dict[str, Any]) -> dict[str, Any]:
    """One message as Wireshark's dissectors told it (see `dissection_document`)."""
    severities = {each["severity"] for each in told["expert"]}
    return {
        "protocol": told["protocol"],
        "info": shorten(told["info"], MAX_REASON),
        "tone": "bad" if "error" in severities else "caution" if "warning" in severities else "plain",
        "frames": told["frames"],
        "fields": [[name, shorten(value, MAX_REASON)] for name, value in told["fields"][:MAX_FIELDS]],
        "notes": [f"Wireshark, {each['severity']}: {shorten(each['message'], MAX_REASON)}" for each in told["expert"]],
    }


def _side(name: str, told: dict[str, Any], message: Any, redactor: Redactor) -> dict[str, Any]:
    """One message: its fields or lines, and as much of its content as can be read."""
    fields = [*told.get("fields", ()), *told.get("trailers", ())]
    if not fields:
        fields = [["", "  ".join(text for text, _ in each.parts)] for each in mail_lines(told, "")]
    length = told.get("content_length", 0)
    side = {"name": name, "fields": fields, "size": size(length) if length else "", "text": None, "note": ""}
    content = shown_content(message, redactor, MAX_CONTENT) if "fields" in told else None
    if content is not None:
        side["text"] = pretty_text(content)
        if side["text"] is None:
            side["note"] = f"{content.length:,} bytes that are no text"
        elif content.is_cut:
            side["note"] = f"only the beginning of {content.length:,} bytes"
    elif length:
        side["note"] = "the content is not shown here"
    if told.get("missing"):
        side["note"] = f"{told['missing']:,} bytes were not captured{told_of_hole(told)}"
    return side


def _verdict_tone(tls: TlsSession | None) -> str:
    code = tls.verdict.code.value if tls else ""
    return {"decrypted": "good", "partly-decrypted": "caution", "": "plain"}.get(code, "bad")


def _handshake(tls: TlsSession | None) -> list[int] | None:
    """When the (first) handshake began, and when its last message was seen."""
    if tls is None or not tls.messages:
        return None
    times = [message.span.last_time_ns for message in tls.messages[:MAX_MESSAGES] if message.name in _ENDS_OF_HANDSHAKE]
    return [min(times), max(times[:3])] if times else None


def _first_host(conversation: Conversation) -> str | None:
    hosts = (getattr(exchange.request, "host", None) for exchange in conversation.exchanges)
    return next((host for host in hosts if host), None)


def _frames(span: Span) -> list[int]:
    return sorted((span.first_frame, span.last_frame))


def _facts(told: dict[str, Any]) -> list[tuple[str, Any]]:
    """What the JSON document says of a connection, in words."""
    tls = told["tls"] or {}
    certificate = next(iter(tls.get("certificates", ())), None)
    alerts = [f"{each['sender']}: {each['description'] or 'encrypted'}" for each in tls.get("alerts", ())]
    handshake = [f"{each['sender']} {each['name']}" for each in tls.get("messages", ())[:MAX_MESSAGES]]
    key = tls.get("key")
    return [
        ("Program", told["process"]),
        ("TLS", " ".join(filter(None, (tls.get("version"), tls.get("cipher_suite"))))),
        ("Server name", tls.get("server_name")),
        ("Inner server name", tls.get("inner_server_name")),
        ("Began after", tls.get("started_by")),
        ("ALPN", tls.get("alpn")),
        ("Resumed by", tls.get("resumption")),
        ("Opened with", f"{key['kind']} from {key['source']}" if key else None),
        ("Certificate", certificate and _certificate(certificate)),
        ("Alerts", ", ".join(alerts)),
        ("Handshake", ", ".join(handshake)),
        ("Protocol", told["application_protocol"]),
        ("Client sent", _stream(told["tcp"]["client"])),
        ("Server sent", _stream(told["tcp"]["server"])),
    ]


def _certificate(facts: dict[str, Any]) -> str:
    if facts["fault"]:
        return str(facts["fault"])
    parts = [facts["subject"], f"for {', '.join(facts['names'])}" if facts["names"] else ""]
    parts += [f"issued by {facts['issuer']}", f"valid {facts['not_before']} to {facts['not_after']}"]
    parts += [f"SHA-1 thumbprint {facts['sha1_thumbprint']}"]
    return "; ".join(part for part in parts if part)


def _stream(facts: dict[str, Any]) -> str:
    troubles = ("missing", "repeated", "conflicting")
    parts = [f"{size(facts['length'])} in {facts['segments']:,} segments"]
    parts += [f"{facts[name]:,} bytes {name}" for name in troubles if facts[name]]
    parts += [f"{facts['out_of_order']:,} out of order"] if facts["out_of_order"] else []
    parts += [f"ended by {facts['end']}"] if facts["end"] else []
    return ", ".join(parts)
