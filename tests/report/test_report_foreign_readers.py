"""HAR and SAZ files in the hands of strangers: readers of PyPI and npm find in them what tshark finds on the wire."""

from __future__ import annotations

import json
import os
import subprocess
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from cli_runs import KEYS, PASSWORD
from hostile_captures import hostile_pcap
from sample_cases import CASES, ROOT, keys_of
from written import EXCHANGE, sample_analysis, written

from tlsdecrypt import Options, analyze
from tlsdecrypt.report.har_writer import HarWriter
from tlsdecrypt.report.saz_writer import SazWriter

if TYPE_CHECKING:
    from collections.abc import Callable

    from tlsdecrypt import Analysis

READERS = ROOT / ".venv" / "node" / "node_modules"  # scripts/second_readers installs them
SAMPLES = (
    "exchange.pcapng", "nginx-http2.pcap", "damaged.pcap", "one-way.pcap", "middle.pcap", "mobile-healthy.pcap",
    "logins-healthy.pcap", "openssl-bulk.pcap", "relayed.pcap", "forward-secret-tls13.pcap",
)  # fmt: skip

_VALIDATE = """
const {har} = require("har-validator"), fs = require("fs");
Promise.all(process.argv.slice(1).map(path => har(JSON.parse(fs.readFileSync(path, "utf8"))).then(
    read => [path, read.log.entries.length], fault => [path, JSON.stringify(fault.errors)]
))).then(all => console.log(JSON.stringify(all)));
"""
_UNPACK = """
require("saz2js")(process.argv[1], {}, (fault, sessions) => console.log(JSON.stringify(fault || sessions)));
"""


@pytest.fixture(scope="module")
def node(program: Callable[[str], str]) -> Callable[..., Any]:
    """Runs a script that needs one of the `READERS`, with arguments; what it prints is JSON."""
    path = program("node")

    def run(reader: str, script: str, *arguments: Path) -> Any:
        if not (READERS / reader).is_dir():
            reason = f"{reader} is not installed: run scripts/second_readers"
            pytest.fail(reason) if os.environ.get("CI") == "true" else pytest.skip(reason)
        command = [path, "-e", script, *map(str, arguments)]
        done = subprocess.run(
            command, capture_output=True, check=True, timeout=60, env={**os.environ, "NODE_PATH": str(READERS)}
        )
        return json.loads(done.stdout)

    return run


@lru_cache(maxsize=1)
def requests_by_tshark(tshark: str) -> list[tuple[str, str]]:
    """Method and URI of each request of the sample, in the order of frames, as tshark decrypts it."""
    key = ("-o", f'uat:rsa_keys:"{KEYS / "mail-password.pfx"}","{PASSWORD}"')
    fields = ("-T", "fields", "-e", "http.request.method", "-e", "http.request.uri")
    command = [tshark, "-r", str(EXCHANGE), *key, "-Y", "http.request", *fields]
    lines = subprocess.run(command, capture_output=True, check=True, text=True).stdout.splitlines()
    return [(method, uri) for method, uri in (line.split("\t") for line in lines)]


def analysis_of(name: str) -> Analysis:
    case = next(each for each in CASES if Path(each["capture"]).name == name and not each["refused"])
    return analyze([str(ROOT / case["capture"])], keys_of(case), Options(keep_content=True))


def test_the_validator_of_npm_accepts_every_document(tmp_path: Path, node: Callable[..., Any]) -> None:
    (tmp_path / "hostile.pcap").write_bytes(hostile_pcap())
    analyses = {name: analysis_of(name) for name in SAMPLES}
    analyses["hostile"] = analyze([str(tmp_path / "hostile.pcap")], options=Options(keep_content=True))
    entries = {}
    for name, analysis in analyses.items():
        path = tmp_path / f"{name}.har"
        path.write_bytes(written(HarWriter, analysis))
        exchanges = [exchange for each in analysis.conversations for exchange in each.exchanges]
        entries[str(path)] = sum(exchange.protocol.startswith("http") for exchange in exchanges)
    assert dict(node("har-validator", _VALIDATE, *map(Path, entries))) == entries
    assert sum(entries.values()) > 40


def test_the_validator_of_npm_tells_a_document_that_is_none(tmp_path: Path, node: Callable[..., Any]) -> None:
    document = json.loads(written(HarWriter, sample_analysis()))
    del document["log"]["entries"][3]["response"]["content"]["size"]
    path = tmp_path / "broken.har"
    path.write_text(json.dumps(document))
    ((_, told),) = node("har-validator", _VALIDATE, path)
    assert "size" in told


def test_haralyzer_reads_the_requests_that_tshark_finds(tshark: str) -> None:
    haralyzer = pytest.importorskip("haralyzer")
    parser = haralyzer.HarParser(json.loads(written(HarWriter, sample_analysis())))
    read = [(each.request.method, each.request.url.partition(".com")[2]) for each in parser.pages[0].entries]
    assert sorted(read) == sorted(requests_by_tshark(tshark))
    assert all(each.response.status and each.time >= 0 and each.startTime for each in parser.pages[0].entries)


def test_saz2js_reads_the_requests_that_tshark_finds(tmp_path: Path, tshark: str, node: Callable[..., Any]) -> None:
    path = tmp_path / "said.saz"
    path.write_bytes(written(SazWriter, sample_analysis()))
    sessions = node("saz2js", _UNPACK, path)
    assert list(sessions) == [str(number) for number in range(1, 28)]
    read = [(each["request"]["method"], each["request"]["url"].partition(".com")[2]) for each in sessions.values()]
    assert sorted(read) == sorted(requests_by_tshark(tshark))
    for number, each in sessions.items():
        assert each["meta"]["Session"]["_attributes"]["SID"] == number
        assert each["meta"]["Session"]["SessionTimers"]["_attributes"]["ClientBeginRequest"].startswith("2026-11-24T04")
        assert len(each["response"]["content"].encode()) == int(each["response"]["headers"].get("Content-Length", 0))
