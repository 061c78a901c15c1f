"""The published JSON Schema: every document of every sample holds to it, and it knows each name in them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from cli_runs import run, spawn
from jsonschema import Draft202012Validator
from sample_cases import CASES, name_of
from sample_cases import run as analyse
from sample_conversations import START
from test_report_surroundings import SEEN
from written import sample_analysis, written

from tlsdecrypt.findings.story import Leg, Story
from tlsdecrypt.redact import Redactor
from tlsdecrypt.report.json_writer import JsonLinesWriter, JsonWriter
from tlsdecrypt.report.schema import schema
from tlsdecrypt.report.stories_document import stories_document
from tlsdecrypt.report.surroundings_document import surroundings_document
from tlsdecrypt.value import replace

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tlsdecrypt import Analysis

SCHEMA = json.loads(schema())
SAMPLES = list({case["capture"]: case for case in CASES if not case["refused"]}.values())
OPEN = {"annotations", "verdicts"}  # objects whose names are words of captures, or described elsewhere


def validator(definition: str = "") -> Draft202012Validator:
    wanted = SCHEMA if not definition else {"$ref": f"#/$defs/{definition}", "$defs": SCHEMA["$defs"]}
    return Draft202012Validator(wanted)


def complaints(value: Any, definition: str = "") -> list[str]:
    return [f"{error.json_path}: {error.message[:300]}" for error in validator(definition).iter_errors(value)]


def alternatives(part: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """All schemas that may describe the value that `part` describes."""
    yield part
    if "$ref" in part:
        yield from alternatives(SCHEMA["$defs"][part["$ref"].rpartition("/")[2]])
    for name in ("allOf", "oneOf", "anyOf"):
        for each in part.get(name, ()):
            yield from alternatives(each)
    if "then" in part:
        yield from alternatives(part["then"])


def unknown_names(value: Any, parts: list[dict[str, Any]], path: str = "$") -> Iterator[str]:
    """The names in a document that the schema says nothing of."""
    every = [other for part in parts for other in alternatives(part)]
    if isinstance(value, list):
        items = [part["items"] for part in every if "items" in part]
        for each in value:
            yield from unknown_names(each, items, f"{path}[]")
    elif isinstance(value, dict) and path.rpartition(".")[2] not in OPEN:
        known = {name for part in every for name in part.get("properties", {})}
        is_open = any("additionalProperties" in part for part in every)
        for name, each in value.items():
            if name not in known and not is_open:
                yield f"{path}.{name}"
            described = [part["properties"][name] for part in every if name in part.get("properties", {})]
            yield from unknown_names(each, described, f"{path}.{name}") if described else ()


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(SCHEMA)


def test_the_command_prints_it() -> None:
    result = run("--schema")
    assert result.exit_code == 0
    assert json.loads(result.stdout) == SCHEMA
    assert spawn("--schema").stdout == schema()


@pytest.mark.parametrize("case", SAMPLES, ids=name_of)
def test_the_documents_of_each_sample_hold_to_it(case: dict[str, Any]) -> None:
    analysis = analyse(case)
    document = json.loads(written(JsonWriter, analysis, is_explained=True))
    assert complaints(document) == []
    assert list(unknown_names(document, [SCHEMA])) == []
    *connections, last = map(json.loads, written(JsonLinesWriter, analysis).splitlines())
    assert len(connections) == len(analysis.conversations)
    assert [told for each in connections for told in complaints(each, "connection")] == []
    assert complaints(last, "summary_line") == []


def test_documents_of_every_kind_of_conversation_hold_to_it(analysis: Analysis) -> None:
    document = json.loads(written(JsonWriter, analysis))
    assert complaints(document) == []
    assert list(unknown_names(document, [SCHEMA])) == []


def test_what_was_seen_beside_tcp_holds_to_it(analysis: Analysis) -> None:
    seen = surroundings_document(replace(analysis, surroundings=SEEN))
    assert all(seen[kind] for kind in ("dns", "arp", "icmp", "kerberos"))
    assert complaints(seen, "surroundings") == []
    assert list(unknown_names(seen, [SCHEMA["$defs"]["surroundings"]])) == []


def test_stories_hold_to_it() -> None:
    legs = (Leg(START, "asks", "404", "bad", 1, 12, 15), Leg(START, "asks", "nothing came", "unknown"))
    (told,) = stories_document([Story("autodiscover", "t", "192.0.2.10", "v", "goes on", legs)], Redactor())
    assert complaints(told, "story") == []
    assert list(unknown_names(told, [SCHEMA["$defs"]["story"]])) == []


def test_the_document_of_nothing_holds_to_it(empty_analysis: Analysis) -> None:
    assert complaints(json.loads(written(JsonWriter, empty_analysis))) == []


def test_names_may_be_added_anywhere() -> None:
    document = json.loads(written(JsonWriter, sample_analysis()))

    def widen(value: Any) -> Any:
        if isinstance(value, list):
            return [widen(each) for each in value]
        return (
            {name: widen(each) for name, each in value.items()} | {"novelty": 1} if isinstance(value, dict) else value
        )

    del document["summary"]["verdicts"]  # its names are the verdicts, a closed list
    assert {each.partition(":")[0] for each in complaints(widen(document))} == {"$.summary"}


def _sample() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(written(JsonWriter, sample_analysis()))
    return document


BROKEN = [
    ("connections.0.id", "1"),
    ("connections.0.client.port", 70_000),
    ("connections.0.start", "2026-11-24"),
    ("connections.0.verdict.code", "opened"),
    ("connections.0.tls.resumed", None),
    ("connections.0.application_data.client.sha256", "00"),
    ("connections.0.exchanges.0.request.fields", {"Host": "x"}),
    ("connections.0.exchanges.0.request.method", None),
    ("connections.0.exchanges.0.response.status", "200"),
    ("connections.0.exchanges.0.frames", [0]),
    ("findings.0.severity", 2),
    ("findings.0.evidence", None),
    ("summary.verdicts", {"opened": 1}),
    ("schema", "tlsdecrypt/2"),
    ("captures.0.frames", -1),
    ("keys.0.connections", 1),
]


@pytest.mark.parametrize(("path", "value"), BROKEN, ids=[path for path, _ in BROKEN])
def test_what_breaks_the_contract_is_found(path: str, value: Any) -> None:
    document: Any = _sample()
    assert complaints(document) == []
    *steps, name = path.split(".")
    place = document
    for step in steps:
        place = place[int(step)] if isinstance(place, list) else place[step]
    assert name in place
    place[name] = value
    assert complaints(document) != []
    del place[name]
    assert complaints(document) != []
