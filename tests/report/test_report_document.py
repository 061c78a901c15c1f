"""The JSON contract: all names, their types, and what the values mean."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from sample_conversations import SECRET, SPKI, START, conversation, session
from telling import written

from tlsdecrypt.report.connection_document import connection_document
from tlsdecrypt.report.document import document
from tlsdecrypt.report.json_writer import JsonLinesWriter, JsonWriter
from tlsdecrypt.report.writer import Manner

if TYPE_CHECKING:
    from tlsdecrypt.conversation import Analysis
    from tlsdecrypt.redact import Redactor

OPTIONAL_TEXT = (str, type(None))
CONTRACT: dict[str, dict[str, Any]] = {
    "": {
        "schema": str, "captures": list, "keys": list, "summary": dict, "connections": list, "findings": list,
        "notes": list,
    },
    "captures.0": {
        "path": str, "format": str, "frames": int, "first_frame": int, "tcp_frames": int, "other_frames": dict,
        "doubled_frames": int,
    },
    "keys.0": {"source": str, "kind": str, "subject": OPTIONAL_TEXT, "spki_sha256": OPTIONAL_TEXT, "connections": list},
    "summary": {
        "frames": int, "connections": int, "tls": int, "decrypted": int, "verdicts": dict, "other_frames": dict,
        "tcp_frames": int, "doubled_frames": int,
    },
    "connections.0": {
        "id": int, "client": dict, "server": dict, "first_frame": int, "last_frame": int, "start": str, "end": str,
        "tls": dict, "verdict": dict, "application_data": dict, "exchanges": list, "tcp": dict, "notes": list,
    },
    "connections.0.client": {"address": str, "port": int},
    "connections.0.tls": {
        "version": str, "cipher_suite": str, "server_name": str, "alpn": str, "resumed": bool, "key": dict,
        "certificates": list, "client_certificates": list, "alerts": list, "heartbeats": list, "offered": dict,
    },
    "connections.0.tls.key": {"kind": str, "source": str, "spki_sha256": str},
    "connections.0.tls.certificates.0": {"subject": str, "sha1_thumbprint": str, "names": list},
    "connections.0.verdict": {"code": str, "summary": str, "remedy": OPTIONAL_TEXT},
    "connections.0.application_data.client": {"length": int, "sha256": str},
    "connections.0.tcp.server": {"segments": int, "length": int, "gaps": int, "missing": int},
    "connections.0.exchanges.0": {
        "protocol": str, "request": dict, "response": dict, "frames": list, "duration_ms": float, "annotations": dict,
        "faults": list,
    },
    "connections.0.exchanges.0.request": {
        "method": str, "target": str, "host": str, "fields": list, "content_length": int, "frames": list, "start": str,
        "missing": int,
    },
    "connections.0.exchanges.0.response": {
        "status": int, "reason": str, "fields": list, "content_length": int, "frames": list, "start": str,
        "missing": int,
    },
    "connections.3.tls.alerts.0": {"sender": str, "level": str, "description": str, "frame": int},
}  # fmt: skip


@pytest.fixture
def told(analysis: Analysis, redactor: Redactor) -> Any:
    """The document, as a program reads it."""
    return json.loads(written(JsonWriter(Manner(redactor.for_document())), analysis))


def at(told: Any, path: str) -> Any:
    for step in path.split(".") if path else ():
        told = told[int(step) if step.isdigit() else step]
    return told


@pytest.mark.parametrize("path", CONTRACT)
def test_the_names_of_the_contract_are_there_with_their_types(told: Any, path: str) -> None:
    values = at(told, path)
    assert CONTRACT[path].keys() <= values.keys()
    wrong = {name: values[name] for name, kind in CONTRACT[path].items() if not isinstance(values[name], kind)}
    assert wrong == {}


def test_the_pieces_make_the_document_that_callers_get(told: Any, analysis: Analysis, redactor: Redactor) -> None:
    assert told == json.loads(json.dumps(document(analysis, redactor.for_document())))
    assert told["schema"] == "tlsdecrypt/1"


def test_a_document_without_connections_is_whole(redactor: Redactor, empty_analysis: Analysis) -> None:
    told = json.loads(written(JsonWriter(Manner(redactor.for_document())), empty_analysis))
    assert told["connections"] == []
    assert told["summary"]["verdicts"] == {}


def test_the_summary_counts_what_was_opened_wholly_or_partly(told: Any) -> None:
    assert told["summary"] == {
        "frames": 412,
        "connections": 6,
        "tls": 5,
        "decrypted": 2,
        "verdicts": {"decrypted": 1, "forward-secrecy": 2, "handshake-failed": 1, "partly-decrypted": 1},
        "other_frames": {"arp": 3, "udp": 12},
        "tcp_frames": 395,
        "doubled_frames": 2,
        "masked": {"cookie": 3, "token": 1},
        "pseudonyms": {},
    }


def test_a_connection_without_tls_has_no_verdict(told: Any) -> None:
    clear = told["connections"][4]
    assert (clear["tls"], clear["verdict"]) == (None, None)
    nothing = {"length": 0, "sha256": None}
    assert clear["application_data"] == {"client": nothing, "server": nothing}


def test_a_session_that_stayed_closed_has_no_key_but_a_remedy(told: Any) -> None:
    closed = told["connections"][1]
    assert closed["tls"]["key"] is None
    assert closed["verdict"]["remedy"] == "Give a key log."
    assert told["connections"][0]["tls"]["key"]["spki_sha256"] == SPKI


def test_the_frames_of_an_exchange_are_those_that_bound_its_messages(told: Any) -> None:
    exchange = told["connections"][0]["exchanges"][0]
    assert exchange["frames"] == [12, 13, 15, 17]
    assert (exchange["request"]["frames"], exchange["response"]["frames"]) == ([12, 13], [15, 17])
    assert told["connections"][5]["exchanges"][0]["frames"] == [61, 63]


def test_an_exchange_has_one_side_where_only_one_was_seen(told: Any) -> None:
    unanswered, orphan = told["connections"][0]["exchanges"][1], told["connections"][4]["exchanges"][0]
    assert (unanswered["response"], unanswered["duration_ms"], unanswered["frames"]) == (None, None, [18])
    assert (orphan["request"], orphan["duration_ms"], orphan["frames"]) == (None, None, [55])


def test_times_are_those_of_the_capture(told: Any) -> None:
    exchange = told["connections"][0]["exchanges"][0]
    assert exchange["duration_ms"] == 38.0
    assert exchange["request"]["start"] == "2026-11-24T02:30:50.235456789Z"
    assert told["captures"][0]["start"] == "2026-11-24T02:30:50.123456789Z"
    assert START % 10**9 == 123_456_789


def test_fields_are_pairs_in_the_order_sent(told: Any) -> None:
    names = [name for name, _ in told["connections"][0]["exchanges"][0]["request"]["fields"]]
    assert names == ["Host", "Cookie"]


def test_annotations_keep_their_shape(told: Any) -> None:
    ews = told["connections"][0]["exchanges"][0]["annotations"]["ews"]
    assert (ews["operation"], ews["response_code"]) == ("CreateItem", "ErrorSendAsDenied")
    assert ews["responses"][1] == {"class": "Success", "code": "NoError", "message_text": None}


def test_no_secret_of_a_message_is_in_the_document(analysis: Analysis, redactor: Redactor) -> None:
    assert SECRET.encode() not in written(JsonWriter(Manner(redactor.for_document())), analysis)


def test_json_lines_hold_a_connection_each_and_end_with_the_summary(
    told: Any, analysis: Analysis, redactor: Redactor
) -> None:
    lines = written(JsonLinesWriter(Manner(redactor.for_document())), analysis).splitlines(keepends=True)
    assert all(line.count(b"\n") == 1 and line.endswith(b"\n") for line in lines)
    *connections, last = map(json.loads, lines)
    assert connections == told["connections"]
    assert next(iter(last)) == "summary"
    assert last == {name: value for name, value in told.items() if name != "connections"}


def test_what_carried_tls_is_told(redactor: Redactor) -> None:
    carried = conversation(1, session(started_by="STARTTLS (smtp)"))
    assert connection_document(carried, redactor)["tls"]["started_by"] == "STARTTLS (smtp)"
    assert connection_document(conversation(1, session()), redactor)["tls"]["started_by"] is None
