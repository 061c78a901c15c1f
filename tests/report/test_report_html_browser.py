"""The HTML report in a real browser: Chromium, headless."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from hostile_captures import hostile_pcap
from written import sample_analysis, written

from tlsdecrypt import Analysis, Options, analyze
from tlsdecrypt.findings.finding import Confidence, Evidence, Finding, Severity
from tlsdecrypt.report.html_writer import HtmlWriter
from tlsdecrypt.value import replace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page


@pytest.fixture(scope="module")
def browser(program: Callable[[str], str]) -> Iterator[Browser]:
    path = program("chromium")
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - takes half a second to load

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


class Visit:
    """A page that was opened, and all that it complained of."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.complaints: list[str] = []
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("dialog", lambda dialog: self.complaints.append(dialog.message))
        page.on("request", lambda request: self.complaints.append(request.url))

    def rows(self) -> list[str]:
        """The connections that the table shows, from above."""
        return self.page.locator("tbody tr:visible td:first-child").all_inner_texts()


@pytest.fixture
def visit(browser: Browser, tmp_path: Path) -> Iterator[Callable[..., Visit]]:
    contexts = []

    def open_report(analysis: Analysis, **how: Any) -> Visit:
        path = tmp_path / "report.html"
        path.write_bytes(written(HtmlWriter, analysis))
        contexts.append(browser.new_context(viewport={"width": 1280, "height": 900}, **how))
        visited = Visit(contexts[-1].new_page())
        visited.page.goto(path.as_uri())
        visited.complaints.remove(path.as_uri())
        return visited

    yield open_report
    for each in contexts:
        each.close()


@pytest.fixture
def found() -> Analysis:
    """The sample, with a finding on connection 13."""
    evidence = (Evidence(285, 13, "ErrorSendAsDenied"),)
    finding = Finding("ews.denied", Severity.ERROR, Confidence.CERTAIN, "s", "a", evidence, connections=(13,))
    return replace(sample_analysis(), findings=(finding,))


def test_the_page_opens_without_complaints_and_without_the_network(
    visit: Callable[..., Visit], found: Analysis
) -> None:
    visited = visit(found)
    assert len(visited.rows()) == 16
    visited.page.locator("#unfold").click()
    visited.page.locator(".exchange summary").first.click()
    assert visited.page.locator(".exchange pre.content").first.is_visible()
    assert visited.complaints == []


def test_the_filter_looks_at_hosts_and_at_what_was_said(visit: Callable[..., Visit], found: Analysis) -> None:
    visited = visit(found)
    box = visited.page.get_by_label("Filter")
    box.fill("oab.xml")
    assert visited.rows() == ["4", "5"]
    assert visited.page.locator("#shown").inner_text() == "2 of 16 shown"
    assert [each.get_attribute("id") for each in visited.page.locator(".conversation:visible").all()] == ["c4", "c5"]
    box.fill("CreateItem mail.contoso")
    assert "13" in visited.rows()
    box.fill("no such thing")
    assert visited.rows() == []
    box.fill("")
    assert len(visited.rows()) == 16


def test_verdicts_and_findings_filter_too(visit: Callable[..., Visit], found: Analysis) -> None:
    visited = visit(found)
    visited.page.get_by_label("Verdict").select_option("forward-secrecy")
    assert visited.rows() == ["8", "10"]
    visited.page.get_by_label("Verdict").select_option("")
    visited.page.get_by_label("with findings only").check()
    assert visited.rows() == ["13"]


def test_column_heads_sort_both_ways(visit: Callable[..., Visit], found: Analysis) -> None:
    visited = visit(found)
    head = visited.page.get_by_role("columnheader", name="Took")
    spans = {str(each.id): each.span.last_time_ns - each.span.first_time_ns for each in found.conversations}
    head.get_by_role("button").click()
    assert head.get_attribute("aria-sort") == "ascending"
    assert [spans[number] for number in visited.rows()] == sorted(spans.values())
    head.get_by_role("button").click()
    assert head.get_attribute("aria-sort") == "descending"
    assert [spans[number] for number in visited.rows()] == sorted(spans.values(), reverse=True)


def test_a_link_unfolds_its_connection(visit: Callable[..., Visit], found: Analysis) -> None:
    visited = visit(found)
    section = visited.page.locator("#c13")
    assert section.get_attribute("open") is None
    visited.page.locator("#findings a[href='#c13']").click()
    assert section.get_attribute("open") is not None
    assert section.locator("summary").first.is_visible()


def test_the_picture_can_be_widened(visit: Callable[..., Visit], found: Analysis) -> None:
    visited = visit(found)
    before = visited.page.locator("#chart").bounding_box()
    visited.page.locator("#zoom").fill("4")
    after = visited.page.locator("#chart").bounding_box()
    assert before is not None
    assert after is not None
    assert after["width"] == pytest.approx(4 * before["width"], rel=0.01)


def test_everything_can_be_reached_by_keyboard(visit: Callable[..., Visit], found: Analysis) -> None:
    visited = visit(found)
    visited.page.keyboard.press("Tab")
    assert visited.page.evaluate("document.activeElement.textContent") == "Skip to the findings"
    reached = set()
    for _ in range(80):
        visited.page.keyboard.press("Tab")
        reached.add(visited.page.evaluate("document.activeElement.id || document.activeElement.tagName"))
    assert {"filter", "verdict", "only", "zoom", "BUTTON", "SUMMARY", "A"} <= reached


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_that_shuts_people_out(visit: Callable[..., Visit], found: Analysis, scheme: str) -> None:
    visited = visit(found, color_scheme=scheme, bypass_csp=True)  # axe is no script of the page
    visited.page.locator("#unfold").click()
    visited.page.locator(".exchange summary").first.click()
    results = Axe().run(visited.page)
    assert results.violations_count == 0, results.generate_report()


def test_dark_and_light_follow_the_reader(visit: Callable[..., Visit], found: Analysis) -> None:
    grounds = {
        scheme: visit(found, color_scheme=scheme).page.evaluate(
            "getComputedStyle(document.documentElement).backgroundColor"
        )
        for scheme in ("light", "dark")
    }
    assert grounds == {"light": "rgb(255, 255, 255)", "dark": "rgb(17, 21, 26)"}


def test_without_scripts_all_can_be_read(visit: Callable[..., Visit], found: Analysis) -> None:
    visited = visit(found, java_script_enabled=False)
    assert visited.page.locator(".filter").is_hidden()
    section = visited.page.locator("#c4")
    section.locator("summary").first.click()
    section.locator(".exchange summary").first.click()
    assert "GET /oab/6f4dd1f4/oab.xml" in section.inner_text()


def test_it_prints_in_black_on_white_without_what_needs_a_hand(visit: Callable[..., Visit], found: Analysis) -> None:
    visited = visit(found, color_scheme="dark")
    visited.page.emulate_media(media="print", color_scheme="dark")
    assert visited.page.locator("form.filter").is_hidden()
    assert visited.page.evaluate("getComputedStyle(document.documentElement).backgroundColor") == "rgb(255, 255, 255)"
    assert visited.page.evaluate("getComputedStyle(document.querySelector('.scroll')).maxHeight") == "none"
    assert visited.page.pdf().startswith(b"%PDF-")


def test_evidence_that_is_folded_is_printed_all_the_same(visit: Callable[..., Visit], found: Analysis) -> None:
    (finding,) = found.findings
    visited = visit(replace(found, findings=(finding,) * 5))
    assert visited.page.locator("#findings details[open]").count() == 3
    visited.page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert visited.page.locator("#findings details[open]").count() == 5
    visited.page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert visited.page.locator("#findings details[open]").count() == 3


def test_what_a_stranger_sent_does_not_run(visit: Callable[..., Visit], tmp_path: Path) -> None:
    (tmp_path / "hostile.pcap").write_bytes(hostile_pcap())
    visited = visit(analyze([str(tmp_path / "hostile.pcap")], options=Options(keep_content=True)))
    visited.page.locator("#unfold").click()
    for each in visited.page.locator(".exchange > summary").all():
        each.click()
    visited.page.wait_for_timeout(100)
    assert visited.complaints == []
    assert visited.page.locator("body img").count() == 0


def test_the_policy_stops_what_slips_through(visit: Callable[..., Visit], found: Analysis) -> None:
    visited = visit(found)
    visited.page.evaluate(
        """() => { const script = document.createElement('script'); script.textContent = 'window.pwned = 1';
        document.body.append(script); const image = document.createElement('img'); image.src = 'https://192.0.2.1/x';
        document.body.append(image); }"""
    )
    visited.page.wait_for_timeout(100)
    assert visited.page.evaluate("window.pwned") is None
    assert len([each for each in visited.complaints if re.search("Content Security Policy", each)]) == 2


def test_five_thousand_exchanges_can_be_used(visit: Callable[..., Visit]) -> None:
    talkative = max(sample_analysis().conversations, key=lambda each: len(each.exchanges))
    said = talkative.exchanges[:5]
    many = tuple(replace(talkative, id=number, exchanges=said) for number in range(1, 1001))
    visited = visit(replace(sample_analysis(), conversations=many))
    assert visited.page.locator(".exchange").count() == 5_000
    visited.page.get_by_label("Filter").fill("ews exchange.asmx")
    assert len(visited.rows()) == 1_000
    visited.page.get_by_label("Filter").fill("nothing of that kind")
    assert visited.rows() == []
    assert visited.complaints == []
