"""The beginning of the text report: what is wrong, the most likely cause first, and what to do about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tlsdecrypt.findings.finding import Severity
from tlsdecrypt.flow import Span
from tlsdecrypt.report.lines import line
from tlsdecrypt.report.quantities import counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tlsdecrypt.findings.finding import Evidence, Finding
    from tlsdecrypt.report.lines import Line, Part, Style
    from tlsdecrypt.report.text_view import TextView

SHOWN_EVIDENCE = 4  # pieces of one finding; --verbose shows all
SHOWN_NOTES = 12  # notes (info) that are told; --verbose tells all

_STYLES: dict[Severity, Style] = {Severity.ERROR: "bad", Severity.WARNING: "caution", Severity.INFO: "faint"}
_DOUBTS = {0: "may be", 1: "likely", 2: None}


def finding_lines(findings: Sequence[Finding], view: TextView) -> Iterator[Line]:
    """All findings: faults with evidence and advice, followers below their cause, then notes; none where none is."""
    if not findings:
        return
    faults = [each for each in findings if each.severity > Severity.INFO and each.caused_by is None]
    followers = [each for each in findings if each.severity > Severity.INFO and each.caused_by is not None]
    notes = [each for each in findings if each.severity is Severity.INFO]
    yield line(("Findings", "heading"), _census(faults, followers, notes))
    for finding in faults:
        yield from _fault_lines(finding, view)
        for follower in followers:
            if follower.caused_by == finding.rule and _is_of(follower, finding):
                yield line(("follows", "faint"), (follower.rule, "faint"), view.value(follower.headline), level=2)
    yield from _note_lines(notes, view)
    yield line()


def _census(faults: list[Finding], followers: list[Finding], notes: list[Finding]) -> str:
    errors = sum(each.severity is Severity.ERROR for each in faults)
    parts = [
        counted(errors, "error") if errors else "",
        counted(len(faults) - errors, "warning") if len(faults) > errors else "",
        counted(len(followers), "follower") if followers else "",
        counted(len(notes), "note") if notes else "",
    ]
    return ", ".join(filter(None, parts))


def _fault_lines(finding: Finding, view: TextView) -> Iterator[Line]:
    style = _STYLES[finding.severity]
    doubt: Part | None = (doubtful, "faint") if (doubtful := _DOUBTS[finding.confidence]) else None
    times: Part | None = (f"{finding.count:,} times", "faint") if finding.count > 1 else None
    yield line((finding.severity.label, style), (view.value(finding.headline), "strong"), doubt, times, level=1)
    shown = finding.evidence if view.is_verbose else finding.evidence[:SHOWN_EVIDENCE]
    for evidence in shown:
        yield line((_place(evidence, view), "faint"), view.value(evidence.what), level=2)
    if len(finding.evidence) > len(shown):
        yield line((f"and {counted(len(finding.evidence) - len(shown), 'more piece')} of evidence", "faint"), level=2)
    yield line((f"do: {view.value(finding.advice)}", "good"), (finding.rule, "faint"), level=2)


def _is_of(follower: Finding, cause: Finding) -> bool:
    """Whether a follower is that of this cause: the same rule may have found several."""
    is_shared = not {*follower.connections}.isdisjoint(cause.connections)
    return is_shared or (cause.client in ("", follower.client) and cause.server in ("", follower.server))


def _place(evidence: Evidence, view: TextView) -> str:
    if evidence.frame is None:
        return "never seen"
    name = view.frames.range(Span(evidence.frame, evidence.frame, 0, 0))
    return name if evidence.connection is None else f"{name} (connection {evidence.connection})"


def _note_lines(notes: list[Finding], view: TextView) -> Iterator[Line]:
    shown = notes if view.is_verbose else notes[:SHOWN_NOTES]
    for finding in shown:
        times: Part | None = (f"{finding.count:,} times", "faint") if finding.count > 1 else None
        yield line(("note", "faint"), view.value(finding.headline), times, (finding.rule, "faint"), level=1)
    if len(notes) > len(shown):
        yield line((f"and {counted(len(notes) - len(shown), 'more note')}", "faint"), level=1)
