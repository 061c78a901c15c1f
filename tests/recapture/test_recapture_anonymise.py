"""With --anonymise no output of a run names anybody, and all of them use the same pseudonyms."""

from __future__ import annotations

import base64
import json
import zipfile
from typing import TYPE_CHECKING

import pytest
from cli_runs import KEYS, PASSWORD, assert_refused, run
from packets import C, S, Scene, http_request, http_response
from rewriting import BROKEN, by_tshark
from sample_cases import ROOT

from tlsdecrypt import analyze

if TYPE_CHECKING:
    from pathlib import Path

EXCHANGE = ROOT / "captures" / "exchange.pcapng"
NAMES = ("contoso", "avery", "blake", "casey", "192.0.2.", "198.51.100.", "fabrikam", "CAS01", "MBX01", "02:00:c0")
PFX = ("--pfx", KEYS / "mail-password.pfx", "--anonymise")
DOCUMENTS = ("a.pcapng", "a.pcap", "a.json", "a.jsonl", "a.txt", "a.har", "a.html", "a.saz")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made: Path = tmp_path_factory.mktemp("anonymised")
    options = [option for name in DOCUMENTS for option in ("-o", made / name)]
    extra = ("--verbose", "--objects", made / "objects")
    result = run(EXCHANGE, *PFX, *options, *extra, env={"TLSDECRYPT_PASSWORD": PASSWORD})
    assert result.exit_code == 0, result.output
    (made / "stdout.txt").write_text(result.stdout)
    return made


def all_of(path: Path) -> bytes:
    if path.suffix == ".saz":
        with zipfile.ZipFile(path) as archive:
            return b"\n".join(archive.read(name) for name in archive.namelist())
    if path.is_dir():
        return b"\n".join(each.name.encode() + each.read_bytes() for each in path.iterdir() if each.is_file())
    return path.read_bytes()


@pytest.mark.parametrize("name", [*DOCUMENTS, "objects", "stdout.txt"])
def test_no_output_names_anybody(name: str, folder: Path) -> None:
    text = all_of(folder / name).lower()
    assert len(text) > 1_000
    assert [each for each in NAMES if each.lower().encode() in text] == []


def test_addresses_in_the_capture_are_those_of_the_documents(folder: Path) -> None:
    told = json.loads((folder / "a.json").read_text())
    clients = {(each["client"]["address"], each["client"]["port"]) for each in told["connections"]}
    decrypted = analyze([str(folder / "a.pcapng")])
    assert {tuple(each.client) for each in decrypted.conversations} <= clients
    assert len(decrypted.conversations) > 10
    assert by_tshark(folder / "a.pcapng", "-Y", BROKEN) == []


def test_the_documents_and_the_capture_agree_on_hosts(folder: Path) -> None:
    told = json.loads((folder / "a.json").read_text())
    hosts = {each["request"]["host"] for one in told["connections"] for each in one["exchanges"] if each["request"]}
    rows = by_tshark(folder / "a.pcapng", "-Y", "http.host", "-T", "fields", "-e", "http.host")
    assert {host for (host,) in rows} <= hosts
    assert len(rows) > 20


def test_only_what_could_be_read_is_in_the_capture(folder: Path) -> None:
    decrypted = analyze([str(folder / "a.pcapng")])
    assert decrypted.other_frames == {}
    assert [each for each in decrypted.conversations if each.tls is not None] == []


def test_the_manifest_counts_names(folder: Path) -> None:
    summary = json.loads((folder / "a.json").read_text())["summary"]
    assert summary["pseudonyms"]["address"] > 10
    assert summary["pseudonyms"]["user"] > 5
    assert "pseudonyms for" in (folder / "stdout.txt").read_text()


@pytest.mark.parametrize("name", ["a.keylog", "a.dsb.pcapng"])
def test_what_opens_the_original_is_refused(name: str, tmp_path: Path) -> None:
    assert_refused(run(EXCHANGE, *PFX, "-o", tmp_path / name, env={"TLSDECRYPT_PASSWORD": PASSWORD}), "--anonymise")


def test_no_output_names_anybody_in_base64(tmp_path: Path) -> None:
    coded = base64.b64encode(b"kim.avery@contoso.com of CONTOSO on 198.51.100.7").decode()
    wide = base64.b64encode("kim.avery at contoso".encode("utf-16-le")).decode()
    content = json.dumps({"user": "kim.avery@contoso.com", "data": coded, "wide": wide}).encode()
    fields = ["Content-Type: application/json", f"X-Context: {coded}"]
    scene = Scene()
    scene.dialogue([C(http_request(f"POST /{coded}", fields, content)), S(http_response("200 OK", fields, content))])
    (tmp_path / "scene.pcap").write_bytes(scene.pcap())
    options = [option for name in DOCUMENTS for option in ("-o", tmp_path / name)]
    result = run(tmp_path / "scene.pcap", "--anonymise", "--verbose", *options, "--objects", tmp_path / "objects")
    assert result.exit_code == 0, result.output
    for name in (*DOCUMENTS, "objects"):
        said = all_of(tmp_path / name)
        assert [form for form in (coded[:16], wide[:16], coded[20:36]) if form.encode() in said] == []
    captured = all_of(tmp_path / "a.pcapng")
    assert captured.count(b'"data": "') == 2
