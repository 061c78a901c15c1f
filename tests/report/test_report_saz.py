"""Session archives: Fiddler's layout, what each file holds, and that equal runs give equal bytes."""

from __future__ import annotations

import email
import io
import re
import zipfile
from typing import TYPE_CHECKING

import pytest
from hostile_captures import MARKUP, hostile_pcap
from lxml import etree, html
from sample_conversations import SECRET, conversation, request, response, session, span
from written import analysis_of, sample_analysis, written

from tlsdecrypt import Analysis, Options, analyze
from tlsdecrypt.app.exchange import Exchange
from tlsdecrypt.findings.finding import Confidence, Evidence, Finding, Severity
from tlsdecrypt.report.saz_writer import SazWriter
from tlsdecrypt.value import replace

if TYPE_CHECKING:
    from pathlib import Path


def archive(analysis: Analysis) -> dict[str, bytes]:
    """All files of the archive, by name, in their order; their checksums are right."""
    with zipfile.ZipFile(io.BytesIO(written(SazWriter, analysis))) as opened:
        assert opened.testzip() is None
        return {name: opened.read(name) for name in opened.namelist()}


def one(exchange: Exchange) -> dict[str, bytes]:
    return archive(analysis_of([conversation(1, session(), exchanges=(exchange,))]))


def parsed(message: bytes) -> tuple[str, email.message.Message, bytes]:
    """Start line, fields and content, by the standard library."""
    head, _, content = message.partition(b"\r\n\r\n")
    start, _, fields = head.partition(b"\r\n")
    return start.decode(), email.message_from_bytes(fields + b"\r\n\r\n"), content


def test_each_exchange_has_three_files_and_a_row() -> None:
    files = archive(sample_analysis())
    names = list(files)
    assert names[0] == "[Content_Types].xml"
    assert names[-1] == "_index.htm"
    assert names[1:-1] == [f"raw/{number}_{kind}" for number in range(1, 28) for kind in ("c.txt", "s.txt", "m.xml")]
    rows = html.fromstring(files["_index.htm"]).findall(".//tbody/tr")
    links = [each.get("href").replace("\\", "/") for row in rows for each in row.findall(".//a")]
    assert links == names[1:-1]


def test_messages_are_those_of_the_wire_with_decoded_content() -> None:
    files = archive(sample_analysis())
    expected = sorted(
        (each for talk in sample_analysis().conversations for each in talk.exchanges),
        key=lambda exchange: exchange.span.first_time_ns,
    )
    for number, exchange in enumerate(expected, 1):
        start, fields, content = parsed(files[f"raw/{number}_s.txt"])
        assert start == f"HTTP/1.1 {exchange.response.status} {exchange.response.reason}"
        assert fields["Content-Encoding"] is None
        assert int(fields.get("Content-Length", "0")) == len(content)
        assert parsed(files[f"raw/{number}_c.txt"])[0].startswith(f"{exchange.request.method} http")


def test_metadata_tells_times_and_ends() -> None:
    said = Exchange("http/1.1", request("/owa/", span(12, 13, 112, 115)), response(200, "OK", span(15, 17, 149, 150)))
    root = etree.fromstring(one(said)["raw/1_m.xml"])
    assert (root.tag, root.get("SID"), root.get("BitFlags")) == ("Session", "1", "401")
    timers = root.find("SessionTimers").attrib
    assert timers["ClientBeginRequest"] == "2026-11-24T02:30:50.2354567Z"
    assert timers["ServerDoneResponse"] == "2026-11-24T02:30:50.2734567Z"
    flags = {each.get("N"): each.get("V") for each in root.iter("SessionFlag")}
    assert flags["x-clientip"] == "192.0.2.10"
    assert flags["ui-comments"] == "connection 1, frames 12-17"


def test_what_was_not_seen_is_said() -> None:
    files = one(Exchange("http/1.1", request("/", span(5, 5, 5, 5)), None))
    assert files["raw/1_s.txt"] == b""
    assert b"the response was not seen" in files["raw/1_m.xml"]
    files = one(Exchange("http/1.1", None, response(302, "Found", span(5, 5, 5, 5))))
    assert files["raw/1_c.txt"] == b"UNKNOWN https://mail.contoso.com/ HTTP/1.1\r\n\r\n"


def test_findings_are_comments() -> None:
    said = Exchange("http/1.1", request("/", span(5, 5, 5, 5)), None)
    finding = Finding("http.silent", Severity.ERROR, Confidence.CERTAIN, "s", "a", (Evidence(5, 1, "w"),))
    analysis = replace(analysis_of([conversation(1, session(), exchanges=(said,))]), findings=(finding,))
    assert b"; http.silent" in archive(analysis)["raw/1_m.xml"]


def test_no_secret_is_inside(analysis: Analysis) -> None:
    every = b"".join(archive(analysis).values())
    assert SECRET.encode() not in every
    assert b"masked:cookie" in every


def test_equal_runs_give_equal_archives() -> None:
    assert written(SazWriter, sample_analysis()) == written(SazWriter, sample_analysis())


@pytest.mark.parametrize("kind", ["c.txt", "s.txt"])
def test_a_stranger_adds_no_line_to_a_message(kind: str) -> None:
    asked = request("/\r\nX-Evil: 1", span(5, 5, 5, 5), fields=(("Host", "mail\r\nX-Evil: 2"),))
    answer = response(200, "OK\r\nX-Evil: 3", span(6, 6, 6, 6), fields=(("Server\n", "x\nX-Evil: 4"),))
    assert re.findall(rb"(?m)^X-Evil", one(Exchange("http/1.1", asked, answer))[f"raw/1_{kind}"]) == []


def test_captured_markup_is_text_in_the_index_and_in_metadata(tmp_path: Path) -> None:
    (tmp_path / "hostile.pcap").write_bytes(hostile_pcap())
    files = archive(analyze([str(tmp_path / "hostile.pcap")], options=Options(keep_content=True)))
    page = html.fromstring(files["_index.htm"])
    assert list(page.iter("script", "img", "b")) == []
    assert MARKUP in page.text_content()
    assert etree.fromstring(files["raw/1_m.xml"]).tag == "Session"
