"""The command line and what the rules find: reports that begin with it, the exit status, the table of rules."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from cli_runs import assert_refused, run
from packets import C, S, Scene, http_request, http_response

from tlsdecrypt.findings.rule import all_rules

if TYPE_CHECKING:
    from pathlib import Path

ERROR = http_response("503 Service Unavailable", ["Server: Microsoft-HTTPAPI/2.0"])
WARNING = http_response("429 Too Many Requests", ["Retry-After: 5"])
SUCCESS = http_response("200 OK")
SECRET = "Tr0ub4dor3-marker"


@pytest.fixture
def faulty(tmp_path: Path) -> Path:
    """One error and one warning, between two clients and a server."""
    scene = Scene()
    scene.dialogue([C(http_request(f"POST /ews/exchange.asmx?access_token={SECRET}")), S(ERROR)])
    scene.dialogue([C(http_request("GET /owa/")), S(WARNING)], client="192.0.2.11")
    scene.silence(5)
    path = tmp_path / "faulty.pcap"
    path.write_bytes(scene.pcap())
    return path


@pytest.fixture
def healthy(tmp_path: Path) -> Path:
    """Nothing wrong."""
    scene = Scene()
    scene.dialogue([C(http_request("GET /owa/")), S(SUCCESS)])
    path = tmp_path / "healthy.pcap"
    path.write_bytes(scene.pcap())
    return path


def test_the_text_begins_with_the_findings_the_gravest_first(faulty: Path) -> None:
    lines = run(faulty).stdout.splitlines()
    assert lines[0] == "Findings  1 error, 1 warning"
    assert lines[1].startswith("    error  Nobody listens for /ews/exchange.asmx")
    assert any("do: Start the application pool" in line and line.endswith("http.http-sys-503") for line in lines[2:6])
    conversations = next(index for index, line in enumerate(lines) if line.startswith("Connection 1"))
    warning = next(index for index, line in enumerate(lines) if line.startswith("    warning"))
    assert 1 < warning < conversations


def test_the_text_of_a_healthy_capture_begins_with_its_first_connection(healthy: Path) -> None:
    assert run(healthy).stdout.startswith("Connection 1")


def test_findings_stand_in_the_document_with_their_frames_and_masked(faulty: Path) -> None:
    output = run(faulty, "--format", "json").stdout
    finding = next(each for each in json.loads(output)["findings"] if each["rule"] == "http.http-sys-503")
    assert finding["severity"] == "error"
    assert finding["confidence"] == "certain"
    assert finding["count"] == 1
    assert [(each["frame"], each["connection"]) for each in finding["evidence"]] == [(4, 1), (6, 1), (6, 1)]
    assert finding["advice"]
    assert SECRET not in output
    assert SECRET not in run(faulty).stdout


def test_findings_stand_in_the_last_line_of_json_lines(faulty: Path) -> None:
    last = json.loads(run(faulty, "--format", "jsonl").stdout.splitlines()[-1])
    assert {each["rule"] for each in last["findings"]} == {"http.http-sys-503", "http.throttled"}


def test_fail_on_makes_the_status_5(faulty: Path, healthy: Path, tmp_path: Path) -> None:
    assert run(faulty).exit_code == 0
    assert run(faulty, "--fail-on", "error").exit_code == 5
    assert run(faulty, "--fail-on", "warning").exit_code == 5
    assert run(healthy, "--fail-on", "warning").exit_code == 0
    mild = Scene()
    mild.dialogue([C(http_request("GET /owa/")), S(WARNING)])
    path = tmp_path / "mild.pcap"
    path.write_bytes(mild.pcap())
    assert run(path, "--fail-on", "error").exit_code == 0
    assert run(path, "--fail-on", "warning").exit_code == 5


def test_rules_prints_each_rule_in_a_line() -> None:
    result = run("--rules")
    assert result.exit_code == 0
    told = [line.split()[:3] for line in result.stdout.splitlines()]
    assert told == [[rule.id, rule.severity.label, rule.confidence.label] for rule in all_rules().values()]


def test_explain_rule_tells_meaning_advice_and_source() -> None:
    result = run("--explain-rule", "http.http-sys-503")
    assert result.exit_code == 0
    rule = all_rules()["http.http-sys-503"]
    words = " ".join(result.stdout.split())
    assert " ".join(rule.explanation.split()) in words
    assert " ".join(rule.advice.split()) in words
    assert " ".join(rule.source.split()) in words


def test_explain_rule_refuses_a_rule_that_is_none_and_names_its_kin() -> None:
    assert_refused(run("--explain-rule", "http.sys-503"), "http.sys-503", "http.http-sys-503", "--rules")
