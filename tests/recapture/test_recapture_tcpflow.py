"""tcpflow reads from a decrypted capture just what was said on each connection."""

from __future__ import annotations

import hashlib
import json
import subprocess
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

import pytest
from cli_runs import KEYS, PASSWORD, run
from sample_cases import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CAPTURES = ROOT / "captures"


def _spelled(endpoint: dict[str, Any]) -> str:
    """As tcpflow names an end of a flow: `192.000.002.010.48410`, `2001:db8::1.00443`."""
    address = ip_address(endpoint["address"])
    name = ".".join(f"{int(each):03}" for each in str(address).split(".")) if address.version == 4 else str(address)
    return f"{name}.{endpoint['port']:05}"


@pytest.mark.parametrize("suffix", ["pcap", "pcapng"])
@pytest.mark.parametrize("name", ["exchange.pcapng", "nginx-http2.pcap"])
def test_tcpflow_reads_what_the_document_tells(
    name: str, suffix: str, tmp_path: Path, program: Callable[[str], str]
) -> None:
    tcpflow = program("tcpflow")
    paths = [tmp_path / f"clear.{suffix}", tmp_path / "clear.json"]
    outputs = [option for each in paths for option in ("-o", each)]
    keys = ("--pfx", KEYS / "mail-password.pfx", "--keys", KEYS)
    result = run(CAPTURES / name, *keys, *outputs, "--show-secrets", env={"TLSDECRYPT_PASSWORD": PASSWORD})
    assert result.exit_code == 0, result.output
    flows = tmp_path / "flows"
    subprocess.run([tcpflow, "-q", "-r", str(paths[0]), "-o", str(flows)], capture_output=True, check=True)
    said = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in flows.iterdir()}
    count = 0
    for each in json.loads(paths[1].read_text())["connections"]:
        if not each["verdict"] or each["verdict"]["code"] != "decrypted":
            continue
        ends = {side: _spelled(each[side]) for side in ("client", "server")}
        for side, other in (("client", "server"), ("server", "client")):
            told = each["application_data"][side]["sha256"]
            assert said.get(f"{ends[side]}-{ends[other]}") == told, (each["id"], side)
            count += told is not None
    assert count > 0
