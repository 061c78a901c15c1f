"""The JSON document (`tlsdecrypt/1`) and its form by lines: a contract. Names are fixed; more may be added.

Where it was asked for (`--explain`), the document and the last line have `explain` too, see explain_document.py.

The document is written connection by connection, one a line, so that its size never is a matter of memory.
JSON Lines hold one connection object a line, and at the end one line `{"summary": {...}, "captures": [...],
"keys": [...], "findings": [...], "notes": [...], "errors": [...]}`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tlsdecrypt.report.connection_document import connection_document
from tlsdecrypt.report.explain_document import explain_document
from tlsdecrypt.report.findings_document import finding_document
from tlsdecrypt.report.json_bytes import json_bytes
from tlsdecrypt.report.masking import manifest
from tlsdecrypt.report.quantities import iso_time
from tlsdecrypt.report.stories_document import stories_document
from tlsdecrypt.report.surroundings_document import surroundings_document

if TYPE_CHECKING:
    from tlsdecrypt.conversation import Analysis, CaptureFacts, Conversation, KeyFacts
    from tlsdecrypt.redact import Redactor

SCHEMA = "tlsdecrypt/1"


def document(analysis: Analysis, redactor: Redactor) -> dict[str, Any]:
    """The whole document as one value: for callers that want it in memory."""
    connections = [connection_document(each, redactor) for each in analysis.conversations]
    tail = _tail(analysis, redactor)
    return {**_head(analysis, redactor), "connections": connections, **tail}


def document_around(analysis: Analysis, redactor: Redactor, *, is_explained: bool = False) -> tuple[bytes, bytes]:
    """The same document as JSON, but for its connections: what stands before the first of them, and behind the last.

    Each connection is `connection_bytes`, one a line, with a comma between two of them.
    """
    tail = _tail(analysis, redactor) | _explained(analysis, redactor, is_explained=is_explained)
    return json_bytes(_head(analysis, redactor))[:-1] + b',"connections":[', b"\n]," + json_bytes(tail)[1:] + b"\n"


def connection_bytes(conversation: Conversation, redactor: Redactor) -> bytes:
    """One of its connections as JSON, without a line end."""
    return json_bytes(connection_document(conversation, redactor))


def summary_line(analysis: Analysis, redactor: Redactor, *, is_explained: bool = False) -> bytes:
    """The last line of JSON Lines: everything but the connections."""
    tail = _tail(analysis, redactor) | _explained(analysis, redactor, is_explained=is_explained)
    head = _head(analysis, redactor)
    return json_bytes({"summary": head.pop("summary"), **head, **tail}) + b"\n"


def _head(analysis: Analysis, redactor: Redactor) -> dict[str, Any]:
    """To be made last: the summary counts what was masked in all the rest."""
    return {
        "schema": SCHEMA,
        "captures": [_capture(each) for each in analysis.captures],
        "keys": [_key(each) for each in analysis.keys],
        "summary": _summary(analysis) | manifest(redactor),
    }


def _explained(analysis: Analysis, redactor: Redactor, *, is_explained: bool) -> dict[str, Any]:
    if not is_explained:
        return {}
    from tlsdecrypt.explanation import explain  # noqa: PLC0415 - few runs need it

    return {"explain": explain_document(explain(analysis), redactor)}


def _tail(analysis: Analysis, redactor: Redactor) -> dict[str, Any]:
    """`errors` names the captures that could not be read."""
    return {
        "surroundings": surroundings_document(analysis),
        "stories": stories_document(analysis.stories, redactor),
        "findings": [finding_document(each, redactor) for each in analysis.findings],
        "notes": list(analysis.notes),
        "errors": list(analysis.errors),
    }


def _summary(analysis: Analysis) -> dict[str, Any]:
    """`decrypted` counts what was opened, wholly or partly. `frames` is the sum of the three counts of frames."""
    verdicts = analysis.verdicts
    return {
        "frames": analysis.frames,
        "connections": len(analysis.conversations),
        "tls": sum(verdicts.values()),
        "decrypted": sum(each.is_decrypted for each in analysis.conversations),
        "verdicts": verdicts,
        "tcp_frames": analysis.tcp_frames,
        "other_frames": dict(analysis.other_frames),
        "doubled_frames": analysis.doubled_frames,
    }


def _capture(facts: CaptureFacts) -> dict[str, Any]:
    """`size` is bytes of the file; `secrets` counts the key logs found inside.

    Frame `n` of the document is frame `n - first_frame + 1` of the capture with the highest `first_frame` up to `n`,
    as Wireshark numbers it. `frames` is the sum of `tcp_frames`, `other_frames` and `doubled_frames`.
    """
    return {
        "path": facts.path,
        "format": facts.format,
        "frames": facts.frames,
        "first_frame": facts.first_frame,
        "tcp_frames": facts.tcp_frames,
        "other_frames": dict(facts.other_frames),
        "doubled_frames": facts.doubled_frames,
        "size": facts.size,
        "start": None if facts.start_ns is None else iso_time(facts.start_ns),
        "end": None if facts.end_ns is None else iso_time(facts.end_ns),
        "secrets": facts.secrets,
        "notes": list(facts.notes),
    }


def _key(facts: KeyFacts) -> dict[str, Any]:
    return {
        "source": facts.source,
        "kind": facts.kind,
        "subject": facts.subject,
        "spki_sha256": facts.spki_sha256,
        "connections": list(facts.connections),
        "notes": list(facts.notes),
    }
