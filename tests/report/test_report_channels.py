"""Channels of RPC over HTTP in the text: open is no fault."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cli_runs import run
from packets import C, Scene, http_request
from rpc_http_messages import BIND, CONN_B1, in_head

if TYPE_CHECKING:
    from pathlib import Path


def told(said: bytes, folder: Path) -> str:
    made = Scene()
    made.dialogue([C(said)])
    (folder / "a.pcap").write_bytes(made.pcap())
    return run(folder / "a.pcap", "--quiet").stdout


def test_a_channel_that_is_open_is_not_told_as_unanswered(tmp_path: Path) -> None:
    text = told(in_head() + CONN_B1 + BIND, tmp_path)
    assert "RPC_IN_DATA /rpc/rpcproxy.dll" in text
    assert "  open  " in text
    assert "-> open, bound to EMSMDB" in text
    assert "no answer seen" not in text
    assert "fault:" not in text


def test_a_request_without_an_answer_is(tmp_path: Path) -> None:
    assert "no answer seen" in told(http_request("RPC_OUT_DATA /rpc/rpcproxy.dll?EX01:6001"), tmp_path)
    assert "no answer seen" in told(http_request("GET /owa/"), tmp_path)
