"""Programs that cannot decrypt read a decrypted capture as clear HTTP; the truth is what tshark decrypts itself."""

from __future__ import annotations

import re
import struct
import subprocess
from typing import TYPE_CHECKING

import pytest
import tiny_capture
from cli_runs import KEYS, PASSWORD, run
from sample_cases import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

EXCHANGE = ROOT / "captures" / "exchange.pcapng"
MICROSECONDS, NANOSECONDS = 0xA1B2C3D4, 0xA1B23C4D


@pytest.fixture(scope="module")
def clear(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The decrypted capture, as the oldest of these programs want it."""
    path = tmp_path_factory.mktemp("clear") / "clear.pcap"
    result = run(EXCHANGE, "--pfx", KEYS / "mail-password.pfx", "-o", path, env={"TLSDECRYPT_PASSWORD": PASSWORD})
    assert result.exit_code == 0, result.output
    return path


@pytest.fixture(scope="module")
def requests(tshark: str) -> list[tuple[str, str]]:
    """Method and target of each request over IPv4, in order, as tshark decrypts them in the original."""
    key = ("-o", f'uat:rsa_keys:"{KEYS / "mail-password.pfx"}","{PASSWORD}"')
    fields = ("-T", "fields", "-e", "http.request.method", "-e", "http.request.uri")
    rows = said(tshark, "-r", EXCHANGE, *key, "-Y", "http.request and ip", *fields).splitlines()
    assert len(rows) > 20
    return [(method, target) for method, target in (row.split("\t") for row in rows)]


def said(*command: object) -> str:
    """What a program says on standard output."""
    arguments = [str(each) for each in command]
    done = subprocess.run(arguments, capture_output=True, check=True, text=True, errors="replace", timeout=60)
    return done.stdout


def test_ngrep_finds_the_requests(clear: Path, requests: list[tuple[str, str]], program: Callable[[str], str]) -> None:
    text = said(program("ngrep"), "-q", "-I", clear, "-W", "byline", "^[A-Z_]+ /[^ ]* HTTP/1", "tcp and ip")
    assert sorted(re.findall(r"(?m)^([A-Z_]+) (\S+) HTTP/1\.1", text)) == sorted(requests)


def test_httpry_logs_the_requests_and_as_many_answers(
    clear: Path, requests: list[tuple[str, str]], program: Callable[[str], str]
) -> None:
    rows = [row.split("\t") for row in said(program("httpry"), "-r", clear, "tcp and ip").splitlines()]
    logged = [(row[4], row[6]) for row in rows if len(row) > 9 and row[3] == ">"]
    assert sorted(logged) == sorted(requests)
    assert len([row for row in rows if len(row) > 9 and row[3] == "<"]) == len(requests)


def test_ndpi_recognises_http_on_each_connection_that_was_opened(clear: Path, program: Callable[[str], str]) -> None:
    before, after = (_flows(said(program("ndpiReader"), "-i", each)) for each in (EXCHANGE, clear))
    assert (before["TLS"], before["HTTP"]) == (15, 1)
    assert (after["TLS"], after["HTTP"]) == (3, 13)  # three stay closed


def _flows(text: str) -> dict[str, int]:
    """How many of each protocol nDPI found."""
    return {name: int(count) for name, count in re.findall(r"(?m)^\t(\S+)\s+packets: .*flows: (\d+)", text)}


def _fine_pcap() -> bytes:
    """A capture whose times are finer than microseconds."""
    data = bytearray(tiny_capture.pcap())
    struct.pack_into("<I", data, 0, NANOSECONDS)
    at = 24
    while at < len(data):
        fraction, length = struct.unpack_from("<II", data, at + 4)
        struct.pack_into("<I", data, at + 4, fraction * 1000 + 7)
        at += 16 + length
    return bytes(data)


@pytest.mark.parametrize(("magic", "end"), [(MICROSECONDS, "000"), (NANOSECONDS, "007")])
def test_a_pcap_has_the_unit_of_time_that_its_captures_need(magic: int, end: str, tmp_path: Path, tshark: str) -> None:
    original, *paths = (tmp_path / name for name in ("original.pcap", "a.pcap", "a.pcapng"))
    original.write_bytes(tiny_capture.pcap() if magic == MICROSECONDS else _fine_pcap())
    assert run(original, "-o", paths[0], "-o", paths[1]).exit_code == 0
    assert struct.unpack("<I", paths[0].read_bytes()[:4])[0] == magic
    times = [said(tshark, "-r", each, "-T", "fields", "-e", "frame.time_epoch").split() for each in paths]
    assert times[0] == times[1]
    assert {each[-3:] for each in times[0]} == {end}
