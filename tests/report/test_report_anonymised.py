"""--anonymise reaches the documents that people hand on: no user, host or address of the capture is in them."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING

import pytest
from cli_runs import run
from written import ROOT

if TYPE_CHECKING:
    from pathlib import Path

NAMES = (b"contoso", b"avery", b"blake", b"casey", b"cas01", b"192.0.2.", b"198.51.100.", b"fabrikam", b"kim@")


@pytest.mark.parametrize("capture", ["exchange.pcapng", "mail.pcap"])
def test_no_name_of_the_capture_is_in_what_is_handed_on(tmp_path: Path, capture: str) -> None:
    outputs = [word for suffix in ("html", "har", "saz") for word in ("-o", tmp_path / f"r.{suffix}")]
    how = ("--pfx", ROOT / "keys" / "mail.pfx", "--anonymise", "--quiet", *outputs, "--objects", tmp_path / "objects")
    assert run(ROOT / "captures" / capture, *how).exit_code == 0
    with zipfile.ZipFile(tmp_path / "r.saz") as archive:
        documents = {name: archive.read(name) for name in archive.namelist()}
    documents |= {name: (tmp_path / name).read_bytes() for name in ("r.html", "r.har")}
    documents |= {path.name: path.read_bytes() for path in (tmp_path / "objects").iterdir()}
    found = [(name, each) for name, data in documents.items() for each in NAMES if each in data.lower()]
    assert found == []
