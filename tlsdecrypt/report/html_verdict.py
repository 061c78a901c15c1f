"""What the HTML report says first: the verdict, the findings, and why sessions stayed closed."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from tlsdecrypt.flow import Span
from tlsdecrypt.report.findings_document import finding_document
from tlsdecrypt.report.quantities import clock_time, counted, duration, which_connections

if TYPE_CHECKING:
    from tlsdecrypt.conversation import Analysis
    from tlsdecrypt.redact import Redactor
    from tlsdecrypt.report.frame_names import FrameNames
    from tlsdecrypt.tls.verdict import Verdict

MAX_TOLD = 5  # findings that the verdict names
MAX_OPEN = 3  # findings whose evidence is unfolded from the start
MAX_REASONS = 50  # verdicts that read differently

_TONES = {"error": "bad", "warning": "caution", "info": "plain"}
_NOUNS = {"error": "error", "warning": "warning"}


def finding_views(analysis: Analysis, redactor: Redactor, frames: FrameNames) -> list[dict[str, Any]]:
    """The findings in their order, frames by their names."""
    views = [finding_document(each, redactor) for each in analysis.findings]
    for place, view in enumerate(views):
        view["tone"] = _TONES[view["severity"]]
        view["is_open"] = place < MAX_OPEN
        for evidence in view["evidence"]:
            frame = evidence["frame"]
            evidence["frame"] = None if frame is None else frames.range(Span(frame, frame, 0, 0))
    return views


def verdict_view(analysis: Analysis, findings: list[dict[str, Any]], exchanges: tuple[int, int]) -> dict[str, Any]:
    """A headline, a few sentences, and how bad it is; `exchanges` counts all of them and those that failed."""
    causes = [each for each in findings if each["severity"] in _NOUNS and each["caused_by"] is None]
    counts = {severity: sum(each["severity"] == severity for each in causes) for severity in _NOUNS}
    told = [counted(counts[severity], noun) for severity, noun in _NOUNS.items() if counts[severity]]
    headline = f"{' and '.join(told)} found" if told else "No fault was found"
    tone = "bad" if counts["error"] else "caution" if counts["warning"] else "good"
    sentences = [each["summary"] for each in causes[:MAX_TOLD]]
    if len(causes) > MAX_TOLD:
        sentences.append(f"... and {counted(len(causes) - MAX_TOLD, 'more finding')}, below.")
    return {"headline": headline, "tone": tone, "sentences": [*sentences, *_counts(analysis, exchanges)]}


def _counts(analysis: Analysis, exchanges: tuple[int, int]) -> list[str]:
    sessions = analysis.tls_conversations
    opened = sum(each.is_decrypted for each in sessions)
    said = f"{counted(len(analysis.conversations), 'connection')}, {len(sessions):,} with TLS"
    if sessions:
        said += f"; {opened:,} of {len(sessions):,} TLS sessions could be opened"
    count, failed = exchanges
    answers = f"{counted(count, 'exchange')}, {failed:,} of them failed or without an answer" if count else ""
    return [f"{sentence}." for sentence in (said, answers) if sentence]


def closed_views(analysis: Analysis, redactor: Redactor) -> list[dict[str, Any]]:
    """Why sessions were not wholly opened, the most frequent reason first."""
    numbers: dict[Verdict, list[int]] = defaultdict(list)
    for each in analysis.tls_conversations:
        if each.tls is not None and each.tls.verdict.code.value != "decrypted":
            numbers[each.tls.verdict].append(each.id)
    reasons = sorted(numbers.items(), key=lambda item: -len(item[1]))
    return [
        {
            "code": verdict.code.value,
            "tone": "caution" if verdict.code.value == "partly-decrypted" else "bad",
            "which": which_connections(ids),
            "summary": redactor.text(verdict.summary),
            "remedy": verdict.remedy,
        }
        for verdict, ids in reasons[:MAX_REASONS]
    ]


def period(analysis: Analysis) -> str:
    """When the captures begin, and how long they last."""
    starts = [each.start_ns for each in analysis.captures if each.start_ns is not None]
    ends = [each.end_ns for each in analysis.captures if each.end_ns is not None]
    if not starts or not ends:
        return "no time is known"
    return f"{clock_time(min(starts))} UTC, {duration(max(ends) - min(starts))}"
