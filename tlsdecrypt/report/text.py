"""The text report: what is wrong, each conversation, what it comes to. Colour and wrapping are the painter's matter."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tlsdecrypt.explanation import explain
from tlsdecrypt.report.masking import manifest_lines
from tlsdecrypt.report.text_explain import explain_lines
from tlsdecrypt.report.text_findings import finding_lines
from tlsdecrypt.report.text_stories import story_lines
from tlsdecrypt.report.text_summary import input_lines, session_count_lines, summary_lines
from tlsdecrypt.report.text_surroundings import surroundings_lines
from tlsdecrypt.report.text_view import TextView

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tlsdecrypt.conversation import Analysis
    from tlsdecrypt.findings.story import Story
    from tlsdecrypt.redact import Redactor
    from tlsdecrypt.report.lines import Line


def report_lines(analysis: Analysis, conversations: Iterable[Line], view: TextView) -> Iterator[Line]:
    """The whole report around the lines of its conversations; what it comes to stands at both ends."""
    yield from finding_lines(analysis.findings, view)
    yield from story_lines([each for each in analysis.stories if view.is_verbose or _is_worth_telling(each)], view)
    yield from conversations
    if view.is_verbose:
        yield from surroundings_lines(analysis, view.frames)
    yield from summary_lines(analysis)
    yield from manifest_lines(view.redactor)


def explained_lines(analysis: Analysis, redactor: Redactor, width: int) -> Iterator[Line]:
    """In place of the conversations: what there is of TLS, and what would open more of it."""
    yield from input_lines(analysis)
    yield from session_count_lines(analysis)
    yield from explain_lines(explain(analysis), TextView(redactor, width))


def _is_worth_telling(story: Story) -> bool:
    """What went wrong over several steps; of one step a finding says as much."""
    return story.state == "bad" and len(story.legs) > 1
