"""A browser that is given the HAR file in place of the network gets the answers that were captured."""

from __future__ import annotations

import base64
import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from written import sample_analysis, written

from tlsdecrypt.report.har_writer import HarWriter

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_FETCH = """async ([url, method, body, type]) => {
    const headers = type === null ? {} : {"Content-Type": type};
    const answer = await fetch(url, {method, body, headers});
    return [answer.status, Array.from(new Uint8Array(await answer.arrayBuffer()))];
}"""


def _asked(entry: dict[str, Any]) -> tuple[str, str, str | None, str | None]:
    """By which the browser finds an entry."""
    request = entry["request"]
    fields = {each["name"].lower(): each["value"] for each in request["headers"]}
    body = request["postData"]["text"] if "postData" in request else None
    return request["url"], request["method"], body, fields.get("content-type")


def _content(entry: dict[str, Any]) -> bytes:
    content = entry["response"]["content"]
    text = content.get("text", "")
    return base64.b64decode(text) if content.get("encoding") == "base64" else text.encode()


def test_a_browser_answers_from_it(tmp_path: Path, program: Callable[[str], str]) -> None:
    chromium = program("chromium")
    sync_api = pytest.importorskip("playwright.sync_api")
    path = tmp_path / "said.har"
    path.write_bytes(written(HarWriter, sample_analysis()))
    entries = json.loads(path.read_text())["log"]["entries"]
    times = Counter(map(_asked, entries))
    once = [each for each in entries if times[_asked(each)] == 1 and each["response"]["status"] // 100 != 3]
    assert len(once) >= 12
    with sync_api.sync_playwright() as driver:
        # pages of one host may read another's answers
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-web-security"])
        context = browser.new_context()
        context.route_from_har(path, not_found="abort")
        page = context.new_page()
        for entry in once:
            status, content = page.evaluate(_FETCH, list(_asked(entry)))
            assert status == entry["response"]["status"], _asked(entry)
            assert bytes(content) == _content(entry), _asked(entry)
        browser.close()
