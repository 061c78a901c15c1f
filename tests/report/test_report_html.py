"""The HTML report as a document: what it says, and that nothing captured is markup in it."""

from __future__ import annotations

import base64
import hashlib
import re
from typing import TYPE_CHECKING

import pytest
from hostile_captures import MARKUP, URL, hostile_pcap
from lxml import html
from sample_conversations import SECRET, START, conversation, request, response, session, span
from test_report_surroundings import SEEN
from written import analysis_of, sample_analysis, written

from tlsdecrypt import Analysis, Options, analyze
from tlsdecrypt.app.exchange import Exchange
from tlsdecrypt.conversation import DissectedField, DissectedMessage, ExpertNote
from tlsdecrypt.findings.finding import Confidence, Evidence, Finding, Severity
from tlsdecrypt.findings.story import Leg, Story
from tlsdecrypt.flow import Span
from tlsdecrypt.redact import Redactor
from tlsdecrypt.report import html_view, html_writer
from tlsdecrypt.report.html_page import _resource
from tlsdecrypt.report.html_writer import HtmlWriter
from tlsdecrypt.value import replace

if TYPE_CHECKING:
    from pathlib import Path

    from lxml.html import HtmlElement


def finding(rule: str = "ews.send-as-denied", severity: Severity = Severity.ERROR, **changed: object) -> Finding:
    """Evidence in frame 15 of connection 1, and in no frame of connection 4."""
    evidence = (Evidence(15, 1, f"{MARKUP} says the server"), Evidence(None, 4, "nothing came"))
    facts = {"summary": f"{rule} <b>happened</b>", "advice": "Grant the right.", "evidence": evidence}
    return Finding(rule, severity, Confidence.CERTAIN, connections=(1, 4), **(facts | changed))  # type: ignore[arg-type]


def parsed(analysis: Analysis, redactor: Redactor | None = None) -> HtmlElement:
    return html.fromstring(written(HtmlWriter, analysis, redactor).decode())


def words(element: HtmlElement) -> str:
    return " ".join(element.text_content().split())


@pytest.fixture
def hostile(tmp_path: Path) -> Analysis:
    (tmp_path / "hostile.pcap").write_bytes(hostile_pcap())
    return analyze([str(tmp_path / "hostile.pcap")], options=Options(keep_content=True))


def test_the_verdict_comes_first(analysis: Analysis) -> None:
    page = parsed(
        replace(analysis, findings=(finding(), finding("tls.old", Severity.WARNING), finding("x", Severity.INFO)))
    )
    assert words(page.find(".//h1")) == "1 error and 1 warning found"
    sentences = [words(each) for each in page.findall(".//header/ul/li")]
    assert sentences[:2] == ["ews.send-as-denied <b>happened</b>", "tls.old <b>happened</b>"]
    assert "6 connections, 5 with TLS; 2 of 5 TLS sessions could be opened." in sentences


def test_a_consequence_is_no_headline(analysis: Analysis) -> None:
    page = parsed(replace(analysis, findings=(finding("a"), finding("b", caused_by="a"))))
    told = [words(each) for each in page.findall(".//header/ul/li")]
    assert words(page.find(".//h1")) == "1 error found"
    assert told[0] == "A <b>happened</b>"
    assert not any(each.startswith("B ") for each in told)
    assert "a consequence of a" in words(page.get_element_by_id("findings"))


def test_a_capture_without_findings_says_so(empty_analysis: Analysis) -> None:
    page = parsed(empty_analysis)
    assert words(page.find(".//h1")) == "No fault was found"
    assert "Nothing that the rules know was seen." in words(page.get_element_by_id("findings"))
    assert page.find(".//table") is None


def test_frames_of_several_captures_are_named_by_file(analysis: Analysis) -> None:
    (first,) = analysis.captures
    captures = (replace(first, path="ring/a.pcap"), replace(first, path="ring/b.pcap", first_frame=15))
    page = parsed(replace(analysis, captures=captures, findings=(finding(),)))
    assert words(page.get_element_by_id("findings").findall(".//li")[0]).startswith("b.pcap:1 connection 1")
    assert "a.pcap:12-b.pcap:3" in words(page.get_element_by_id("c1"))


def test_evidence_names_frames_and_links_connections(analysis: Analysis) -> None:
    section = parsed(replace(analysis, findings=(finding(),))).get_element_by_id("findings")
    told = [words(each) for each in section.findall(".//li")]
    assert told == [f"#15 connection 1 {MARKUP} says the server", "connection 4 nothing came"]
    assert [each.get("href") for each in section.findall(".//li/a")] == ["#c1", "#c4"]


def test_findings_mark_their_connections_and_exchanges(analysis: Analysis) -> None:
    page = parsed(replace(analysis, findings=(finding(),)))
    exchanges = page.get_element_by_id("c1").findall("details")
    assert ["ews.send-as-denied" in words(each.find("summary")) for each in exchanges] == [True, False]
    rows = {row.get("data-id"): words(row[-1]) for row in page.findall(".//tbody/tr")}
    assert {number for number, rules in rows.items() if rules == "ews.send-as-denied"} == {"1", "4"}


def test_stories_are_told_leg_by_leg(monkeypatch: pytest.MonkeyPatch) -> None:
    leg = Leg(START, f"asks {MARKUP}", "404 Not Found", "bad", connection=1, first_frame=12, last_frame=15)
    story = Story(
        "autodiscover", "The search of avery", "192.0.2.10", "nothing was found", "bad", (leg, leg), left_out=3
    )
    analysis = analysis_of([conversation(1, session())])
    page = parsed(replace(analysis, stories=(story,)))
    section = page.get_element_by_id("stories")
    assert words(section.find(".//h3")) == "The search of avery nothing was found"
    assert [words(each) for each in section.findall(".//li")] == [
        f"+0.0 ms asks {MARKUP} 404 Not Found connection 1 #12-#15"
    ] * 2
    assert "3 more steps are left out." in words(section)
    monkeypatch.setattr(html_writer, "MAX_STORIES", 1)
    section = parsed(replace(analysis, stories=(story, story, story))).get_element_by_id("stories")
    assert "2 more stories are left out" in words(section)


def test_what_was_seen_beside_the_connections_is_told(analysis: Analysis) -> None:
    section = parsed(replace(analysis, surroundings=SEEN)).get_element_by_id("beside")
    titles = [words(each) for each in section.iter("summary")]
    assert [title.rpartition(" ")[0] for title in titles] == ["DNS", "ICMP errors", "ARP", "Kerberos errors"]
    assert len(section.findall(".//li")) == sum(int(title.rpartition(" ")[2]) for title in titles)
    assert re.match(r"#\d+ \S+ asks \S+ for", words(section.find(".//li")))


def test_why_sessions_stayed_closed_is_told_with_the_remedy(analysis: Analysis) -> None:
    section = words(parsed(analysis).get_element_by_id("closed"))
    assert "forward-secrecy connections 2-3 The suite has forward secrecy. Remedy: Give a key log." in section
    assert "handshake-failed connection 4" in section


def test_every_connection_of_the_sample_is_in_the_table_and_in_the_text() -> None:
    page = parsed(sample_analysis())
    assert [row.get("data-id") for row in page.findall(".//tbody/tr")] == [str(number) for number in range(1, 17)]
    assert len([each for each in page.iter("details") if each.get("class") == "exchange"]) == 27
    assert page.get_element_by_id("chart") is not None


def test_contents_are_laid_out() -> None:
    shown = [each.text_content() for each in parsed(sample_analysis()).iter("pre")]
    assert any("<soap:Body>\n    <" in text or "Body>\n    <" in text for text in shown)


def test_no_secret_is_on_the_page(analysis: Analysis) -> None:
    assert SECRET.encode() not in written(HtmlWriter, analysis)
    assert SECRET.encode() in written(HtmlWriter, analysis, Redactor(show_secrets=True))
    assert b"not-a-real-password" not in written(HtmlWriter, sample_analysis())


def test_the_page_says_whether_it_is_masked(analysis: Analysis) -> None:
    inputs = words(parsed(analysis).get_element_by_id("inputs"))
    assert re.search(r"Masked: .*\d cookies.*\d tokens?; equal marks stand for equal values", inputs)
    shown = words(parsed(analysis, Redactor(show_secrets=True)).get_element_by_id("inputs"))
    assert "Nothing is masked" in shown


def test_captured_markup_is_text(hostile: Analysis) -> None:
    page = parsed(replace(hostile, findings=(finding(),)))
    assert len(list(page.iter("script"))) == 1
    assert [each.tag for each in page.iter("img", "iframe", "b", "object", "embed", "base", "link")] == []
    attributes = [name for each in page.iter() if isinstance(each.tag, str) for name in each.attrib]
    assert [name for name in attributes if name.startswith("on") or name in ("style", "src", "srcdoc")] == []
    hrefs = {each.get("href") for each in page.iter("a")}
    assert [href for href in hrefs if not re.fullmatch(r"#[a-z]+\d*", href)] == []


def test_captured_markup_is_shown_as_it_was_sent(hostile: Analysis) -> None:
    page = parsed(hostile)
    names = [words(row[1]) for row in page.findall(".//tbody/tr")]
    assert names == [MARKUP, URL]
    said = words(page.get_element_by_id("said"))
    assert f"GET /{URL}?q={URL}" in said
    assert f"500 {MARKUP}" in said
    assert r"\u202e\x1b[31m" in said


def test_the_policy_allows_the_one_script_and_style_of_the_page_and_nothing_else(analysis: Analysis) -> None:
    page = parsed(analysis)
    policy = page.xpath("//meta[@http-equiv='Content-Security-Policy']/@content")[0]
    hashes = {
        name: base64.b64encode(hashlib.sha256((next(page.iter(name)).text or "").encode()).digest()).decode()
        for name in ("style", "script")
    }
    assert policy == (
        f"default-src 'none'; style-src 'sha256-{hashes['style']}'; script-src 'sha256-{hashes['script']}'; "
        "base-uri 'none'; form-action 'none'"
    )


def test_nothing_outside_of_the_page_is_asked_for() -> None:
    page = written(HtmlWriter, sample_analysis()).decode()
    assert re.findall(r"(?:src|href)=\"(?!#)|@import|url\(", page) == []


def test_a_page_that_would_be_too_large_leaves_out_what_findings_do_not_name(
    analysis: Analysis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(html_writer, "MAX_ROWS", 3)
    page = parsed(replace(analysis, findings=(finding(),)))
    assert [row.get("data-id") for row in page.findall(".//tbody/tr")] == ["1", "2", "4"]
    assert "3 more connections are left out" in words(page.get_element_by_id("connections"))


def test_findings_beyond_the_bound_are_counted(analysis: Analysis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(html_writer, "MAX_FINDINGS", 2)
    page = parsed(replace(analysis, findings=tuple(finding(f"rule.{number}") for number in range(1_005))))
    section = page.get_element_by_id("findings")
    assert len(section.findall("article")) == 2
    assert "1,003 more findings are left out" in words(section)
    assert words(page.find(".//h1")) == "1,005 errors found"


def test_a_connection_that_says_too_much_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    said = tuple(Exchange("http/1.1", request(f"/{number}", span(5, 5, 5, 5)), None) for number in range(9))
    monkeypatch.setattr(html_view, "MAX_EXCHANGES", 4)
    page = parsed(analysis_of([conversation(1, session(), exchanges=said)]))
    section = page.get_element_by_id("c1")
    assert len(section.findall("details")) == 4
    assert "5 more exchanges are left out here" in words(section)
    assert words(page.find(".//tbody/tr")[6]) == "9"


def test_exchanges_and_contents_beyond_the_bounds_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = response(200, "OK", span(6, 6, 6, 6), content=b"x" * 100, content_length=100)
    said = tuple(Exchange("http/1.1", request(f"/{number}", span(5, 5, 5, 5)), answer) for number in range(4))
    analysis = analysis_of([conversation(1, session(), exchanges=said)])
    monkeypatch.setattr(html_writer, "MAX_EXCHANGES", 3)
    monkeypatch.setattr(html_writer, "MAX_TEXT", 250)
    section = words(parsed(analysis).get_element_by_id("c1"))
    assert "1 more exchanges are left out here" in section
    assert section.count("x" * 100) == 2
    assert "left out: this page would be too large" in section


def _luminance(colour: str) -> float:
    """WCAG 2.2, relative luminance."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize("ground", ["paper", "panel"])
@pytest.mark.parametrize("ink", ["ink", "faint", "link", "good", "caution", "bad"])
def test_text_has_the_contrast_that_wcag_asks_for(scheme: int, ground: str, ink: str) -> None:
    blocks = re.findall(r":root \{(.*?)\}", _resource("style.css"), re.DOTALL)
    colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", blocks[scheme]))
    lighter, darker = sorted((_luminance(colours[ground]), _luminance(colours[ink])), reverse=True)
    assert (lighter + 0.05) / (darker + 0.05) >= 4.5


def test_what_dissectors_said_is_told_with_its_frames_and_without_secrets() -> None:
    secret = DissectedField("mqtt.passwd", SECRET, is_number=False)
    fields = (DissectedField("mqtt.retcode", "5", is_number=True), secret)
    odd = ExpertNote("error", f"{MARKUP} is no topic, nor is {SECRET}")
    message = DissectedMessage(Span(14, 15, 0, 0), "MQTT", f"Connect {MARKUP}", ("mqtt",), fields, (odd,))
    told = conversation(1, session(), dissection=(message,))
    page = parsed(analysis_of([told]))
    (shown,) = page.get_element_by_id("c1").find_class("exchange")
    assert words(shown.find("summary")).startswith(f"MQTT Connect {MARKUP} #14-#15 Wireshark, error: {MARKUP} is no")
    assert shown.find("summary").find_class("bad") != []
    assert words(shown.find("pre")).startswith("mqtt.retcode: 5 mqtt.passwd: <masked:password")
    assert SECRET not in page.text_content()
    assert page.findall(".//b") == []
