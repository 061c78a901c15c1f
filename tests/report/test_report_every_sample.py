"""Every document can be made of every sample capture, whatever protocols it holds."""

from __future__ import annotations

import io
import json
import zipfile
from typing import TYPE_CHECKING, Any

import pytest
from lxml import html
from sample_cases import CASES, name_of, run
from written import written

from tlsdecrypt.report.exchange_url import is_http
from tlsdecrypt.report.har_writer import HarWriter
from tlsdecrypt.report.html_writer import HtmlWriter
from tlsdecrypt.report.object_folder import ObjectFolder
from tlsdecrypt.report.saz_writer import SazWriter
from tlsdecrypt.report.text_writer import TextWriter
from tlsdecrypt.report.writer import Manner

if TYPE_CHECKING:
    from pathlib import Path

    from tlsdecrypt.redact import Redactor

SAMPLES = list({case["capture"]: case for case in CASES if not case["refused"]}.values())


@pytest.mark.parametrize("case", SAMPLES, ids=name_of)
def test_all_documents_hold_all_connections_and_exchanges(
    case: dict[str, Any], redactor: Redactor, tmp_path: Path
) -> None:
    analysis = run(case)
    exchanges = [exchange for each in analysis.conversations for exchange in each.exchanges]
    over_http = [exchange for exchange in exchanges if is_http(exchange)]
    page = html.fromstring(written(HtmlWriter, analysis, redactor).decode())
    assert len(page.findall(".//tbody/tr")) == len(analysis.conversations)
    assert len([each for each in page.iter("details") if each.get("class") == "exchange"]) == len(exchanges)
    assert len(json.loads(written(HarWriter, analysis, redactor))["log"]["entries"]) == len(over_http)
    archive = zipfile.ZipFile(io.BytesIO(written(SazWriter, analysis, redactor)))
    assert len(archive.namelist()) == 3 * len(over_http) + 2
    text = written(TextWriter, analysis, redactor, is_verbose=True).decode()
    assert text.count("\nConnection ") + text.startswith("Connection ") == len(analysis.conversations)
    folder = ObjectFolder(str(tmp_path / "objects"), Manner(redactor))
    for each in analysis.conversations:
        folder.take(each)
    folder.finish(analysis)
    assert (tmp_path / "objects" / "index.json").exists()
