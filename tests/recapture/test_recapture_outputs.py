"""Decrypted captures and captures with secrets as files of a run: formats, choices, pipes, and what must not be."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from cli_runs import KEYS, PASSWORD, run
from rewriting import BROKEN, by_tshark
from sample_cases import ROOT

from tlsdecrypt import analyze, load_keys

if TYPE_CHECKING:
    from click.testing import Result

CAPTURES = ROOT / "captures"
EXCHANGE = CAPTURES / "exchange.pcapng"
PFX = ("--pfx", KEYS / "mail-password.pfx")


def written(path: Path, *options: str | Path, capture: Path = EXCHANGE) -> Result:
    result = run(capture, *PFX, "-o", path, *options, env={"TLSDECRYPT_PASSWORD": PASSWORD})
    assert result.exit_code == 0, result.output
    return result


def requests(path: Path, *keys: Any) -> list[tuple[str, str]]:
    return [
        (str(each.client), exchange.request.target)
        for each in analyze([str(path)], *keys).conversations
        for exchange in each.exchanges
        if exchange.request is not None
    ]


def test_pcap_holds_what_pcapng_holds_but_for_comments(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("a.pcapng", "a.pcap")]
    for path in paths:
        written(path)
    fields = ("-T", "fields", "-e", "frame.time_epoch", "-e", "ip.id", "-e", "tcp.seq_raw", "-e", "tcp.payload")
    assert by_tshark(paths[0], *fields) == by_tshark(paths[1], *fields)
    assert by_tshark(paths[1], "-Y", BROKEN) == []


def test_a_frame_that_was_made_anew_names_the_frames_that_it_came_from(tmp_path: Path) -> None:
    path = tmp_path / "a.pcapng"
    written(path)
    shown = ("-T", "fields", "-e", "tcp.srcport", "-e", "frame.comment")
    rows = by_tshark(path, "-Y", "http.request.method == GET and frame.comment", *shown)
    assert len(rows) > 5
    spans = {
        (str(each.client.port), f"from #{exchange.request.span.last_frame}")
        for each in analyze([str(EXCHANGE)], _keys()).conversations
        for exchange in each.exchanges
    }
    assert {(port, comment) for port, comment in rows} <= spans


def _keys() -> Any:
    return load_keys(pfx=[str(KEYS / "mail-password.pfx")], passwords=[PASSWORD])


def test_only_the_connections_that_are_chosen_are_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "a.pcapng"
    written(path, "--connection", "3")
    opened = {str(each.client) for each in analyze([str(EXCHANGE)], _keys()).conversations if each.id == 3}
    clear = {str(each.client) for each in analyze([str(EXCHANGE)]).conversations if each.tls is None}
    assert {client for client, _ in requests(path)} - clear == opened


def test_original_frames_stay_beside_where_it_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "a.pcapng"
    written(path, "--with-original", "--show-secrets")
    assert by_tshark(path, "-Y", BROKEN) == []
    with_keys, beside = requests(path, _keys()), requests(path)
    expected = requests(EXCHANGE, _keys())
    assert len(with_keys) == len(expected) + len(beside) - len(requests(EXCHANGE))
    fields = ("-T", "fields", "-e", "frame.time_epoch", "-e", "eth.src", "-e", "tcp.seq_raw", "-e", "tcp.payload")
    kept = by_tshark(path, "-Y", "!frame.comment", *fields)
    assert kept == by_tshark(EXCHANGE, *fields)


def test_a_capture_in_a_pipe_gives_the_same_file(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("file.pcapng", "pipe.pcapng")]
    written(paths[0])
    command = [sys.executable, "-m", "tlsdecrypt", "-", *map(str, PFX), "-o", str(paths[1])]
    environment = {**os.environ, "TLSDECRYPT_PASSWORD": PASSWORD, "TMPDIR": str(tmp_path)}
    with EXCHANGE.open("rb") as pipe, subprocess.Popen(["cat"], stdin=pipe, stdout=subprocess.PIPE) as cat:
        subprocess.run(command, stdin=cat.stdout, env=environment, check=True, capture_output=True)
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert sorted(each.name for each in tmp_path.iterdir()) == ["file.pcapng", "pipe.pcapng"]


def test_several_captures_become_one(tmp_path: Path) -> None:
    path = tmp_path / "a.pcapng"
    written(path, CAPTURES / "vlan.pcap", "--show-secrets")
    both = [str(EXCHANGE), str(CAPTURES / "vlan.pcap")]
    expected = [exchange for each in analyze(both, _keys()).conversations for exchange in each.exchanges]
    assert len(requests(path)) == len([each for each in expected if each.request is not None])
    assert by_tshark(path, "-Y", BROKEN) == []
    comments = {comment for (comment,) in by_tshark(path, "-Y", "vlan", "-T", "fields", "-e", "frame.comment")}
    assert any(comment.startswith("from vlan.pcap:") for comment in comments)


def test_frames_of_another_link_type_have_no_place_in_pcap(tmp_path: Path) -> None:
    path = tmp_path / "a.pcap"
    result = written(path, CAPTURES / "linux-cooked.pcap")
    assert "of another link type left out" in result.stderr
    whole = tmp_path / "a.pcapng"
    assert "left out" not in written(whole, CAPTURES / "linux-cooked.pcap").stderr
    assert len(requests(path)) < len(requests(whole))


def test_a_capture_with_secrets_opens_itself_and_only_what_was_chosen(tmp_path: Path) -> None:
    path, one = tmp_path / "all.dsb.pcapng", tmp_path / "one.dsb.pcapng"
    result = written(path)
    written(one, "--connection", "3")
    assert "will hold the secrets of sessions" in result.stderr
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    original = [each.application_data for each in analyze([str(EXCHANGE)], _keys()).conversations]
    assert [each.application_data for each in analyze([str(path)]).conversations] == original
    assert [each.id for each in analyze([str(one)]).conversations if each.is_decrypted] == [3]
    shown = ("-T", "fields", "-e", "frame.number", "-e", "http.request.uri")
    key = ("-o", f'uat:rsa_keys:"{KEYS / "mail-password.pfx"}","{PASSWORD}"')
    assert by_tshark(path, "-Y", "http.request", *shown) == by_tshark(EXCHANGE, *key, "-Y", "http.request", *shown)


def test_secrets_that_a_capture_brings_are_not_handed_on_unasked(tmp_path: Path) -> None:
    inside = CAPTURES / "forward-secret-tls13-secrets.pcapng"
    numbers = [each.id for each in analyze([str(inside)]).conversations if each.is_decrypted]
    path = tmp_path / "one.dsb.pcapng"
    assert run(inside, "-o", path, "--connection", str(numbers[0])).exit_code == 0
    assert [each.id for each in analyze([str(path)]).conversations if each.is_decrypted] == numbers[:1]
    decrypted = tmp_path / "a.pcapng"
    assert run(inside, "-o", decrypted).exit_code == 0
    assert b"CLIENT_TRAFFIC_SECRET" not in decrypted.read_bytes()


def test_all_formats_in_one_run(tmp_path: Path) -> None:
    names = ("a.pcapng", "a.pcap", "a.dsb.pcapng", "a.keylog", "a.json", "a.txt")
    options = [option for name in names[1:] for option in ("-o", tmp_path / name)]
    written(tmp_path / names[0], *options)
    assert sorted(each.name for each in tmp_path.iterdir()) == sorted(names)
    assert json.loads((tmp_path / "a.json").read_text())["summary"]["decrypted"] > 5


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
def test_a_full_disk_for_temporary_files_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        def __init__(self, *_given: object, **_named: object) -> None:
            self._file = Path("/dev/full").open("w+b", buffering=0)  # noqa: SIM115 - as the file that it stands for

        def __getattr__(self, name: str) -> Any:
            return getattr(self._file, name)

    monkeypatch.setattr("tempfile.TemporaryFile", Full)
    path = tmp_path / "a.pcapng"
    result = run(EXCHANGE, *PFX, "-o", path, env={"TLSDECRYPT_PASSWORD": PASSWORD})
    assert result.exit_code == 2
    why = "a temporary file cannot be written: No space"
    assert result.stderr.startswith(f"tlsdecrypt: {path} cannot be written: {why}")
    assert result.stderr.count("\n") == 1
    assert "Connection 16" in result.stdout
    assert list(tmp_path.iterdir()) == []


def test_a_capture_without_frames_becomes_one(tmp_path: Path) -> None:
    empty = tmp_path / "empty.pcap"
    empty.write_bytes((CAPTURES / "vlan.pcap").read_bytes()[:24])
    for name in ("a.pcapng", "a.pcap"):
        assert run(empty, "-o", tmp_path / name).exit_code == 0
        assert analyze([str(tmp_path / name)]).frames == 0
