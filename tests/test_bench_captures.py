"""The captures of the benchmark hold what they say: a second program finds every message and no fault."""

from __future__ import annotations

import hashlib
import json
import subprocess
from typing import TYPE_CHECKING

import pytest
from bench_lab import loss
from bench_lab.captures import answer_of, make_capture, request_of
from bench_lab.credentials import PASSWORD, credentials_in
from bench_lab.recipes import Recipe

import tlsdecrypt

if TYPE_CHECKING:
    from pathlib import Path

RECIPES = [
    Recipe("side-by-side", 3, 2, 50_001),
    Recipe("cbc", 2, 1, 20_000, suite="cbc"),
    Recipe("tls13", 2, 1, 20_000, suite="tls13"),
    Recipe("short", 5, 2, 850, shared_link=False),
]


def ask(tshark: str, capture: Path, *options: str) -> list[str]:
    checks = ["-o", "ip.check_checksum:TRUE", "-o", "tcp.check_checksum:TRUE"]
    command = [tshark, "-r", str(capture), *checks, *options, "-T", "fields", "-e", "frame.number"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda each: each.name)
def test_tshark_decrypts_every_message_and_finds_no_fault(recipe: Recipe, tmp_path: Path, tshark: str) -> None:
    make_capture(tmp_path, recipe)
    capture, key = tmp_path / f"{recipe.name}.pcap", credentials_in(tmp_path / "keys").key
    by_key = ["-o", f'uat:rsa_keys:"{key}",""']
    by_log = ["-o", f"tls.keylog_file:{tmp_path / recipe.name}.keylog"]
    secret = by_log if recipe.needs_key_log else by_key
    assert len(ask(tshark, capture, *secret, "-Y", "http")) == recipe.messages
    faults = "ip.checksum.status == 0 || tcp.checksum.status == 0 || tcp.analysis.flags || _ws.malformed"
    assert ask(tshark, capture, "-Y", faults) == []
    frames = json.loads(capture.with_suffix(".json").read_text())["frames"]
    assert len(ask(tshark, capture)) == frames


def test_a_capture_is_in_the_order_of_its_times(tmp_path: Path, tshark: str) -> None:
    make_capture(tmp_path, RECIPES[0])
    assert ask(tshark, tmp_path / "side-by-side.pcap", "-Y", "frame.time_delta < 0") == []


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda each: each.name)
def test_tlsdecrypt_gives_every_byte_that_the_peers_said(recipe: Recipe, tmp_path: Path) -> None:
    make_capture(tmp_path, recipe)
    pfx, key_log = credentials_in(tmp_path / "keys").pfx, tmp_path / f"{recipe.name}.keylog"
    by_log = recipe.needs_key_log
    keys = tlsdecrypt.load_keys(keylogs=[key_log]) if by_log else tlsdecrypt.load_keys(pfx=[pfx], passwords=[PASSWORD])
    found = tlsdecrypt.analyze([str(tmp_path / f"{recipe.name}.pcap")], keys).conversations
    requests = b"".join(request_of(recipe, index) for index in range(recipe.exchanges))
    said = tuple(hashlib.sha256(each).hexdigest() for each in (requests, answer_of(recipe) * recipe.exchanges))
    assert [tuple(side.sha256 for side in each.application_data) for each in found] == [said] * recipe.connections
    assert sum(len(each.exchanges) for each in found) * 2 == recipe.messages


def test_connections_that_stay_open_never_end(tmp_path: Path, tshark: str) -> None:
    recipe = Recipe("open", 7, 1, 200, suite=None, shared_link=False, stays_open=True)
    make_capture(tmp_path, recipe)
    capture = tmp_path / "open.pcap"
    assert len(ask(tshark, capture, "-Y", "http")) == recipe.messages
    assert ask(tshark, capture, "-Y", "tcp.flags.fin == 1 || tcp.flags.reset == 1") == []
    found = tlsdecrypt.analyze([str(capture)]).conversations
    assert [each.streams[0].end for each in found] == ["end of capture"] * 7


def test_segments_that_come_late_are_still_all_there(tmp_path: Path, tshark: str) -> None:
    recipe = Recipe("late", 2, 2, 200_000, reordered=0.2)
    make_capture(tmp_path, recipe)
    capture = tmp_path / "late.pcap"
    assert ask(tshark, capture, "-Y", "tcp.analysis.out_of_order || tcp.analysis.lost_segment")
    keys = tlsdecrypt.load_keys(pfx=[credentials_in(tmp_path / "keys").pfx], passwords=[PASSWORD])
    found = tlsdecrypt.analyze([str(capture)], keys).conversations
    said = hashlib.sha256(answer_of(recipe) * recipe.exchanges).hexdigest()
    assert [each.application_data[1].sha256 for each in found] == [said] * 2


def test_segments_that_are_lost_are_holes(tmp_path: Path) -> None:
    recipe = Recipe("lossy", 2, 2, 200_000, lost=0.05)
    make_capture(tmp_path, recipe)
    keys = tlsdecrypt.load_keys(pfx=[credentials_in(tmp_path / "keys").pfx], passwords=[PASSWORD])
    found = tlsdecrypt.analyze([str(tmp_path / "lossy.pcap")], keys).conversations
    lost = sum(stream.missing for each in found for stream in each.streams)
    assert 0.03 < lost / (2 * 2 * 200_000) < 0.07


@pytest.mark.parametrize("family", list(loss.FAMILIES))
@pytest.mark.parametrize("rate", [0, 0.05])
def test_of_a_damaged_transfer_every_whole_record_is_counted_and_read(
    family: str, rate: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loss, "TRANSFER", Recipe("loss", 2, 1, 200_000))
    transfer = loss.make_transfer(tmp_path, family)
    whole, total = loss.damaged(transfer, rate)
    proved, unproved = loss.by_tlsdecrypt(transfer.job)
    assert total == 2 * sum(map(len, (request_of(loss.TRANSFER, 0), answer_of(loss.TRANSFER))))
    assert proved == whole
    assert (whole < total) == (rate > 0) == (unproved > 0)
