"""Stories as the HTML report tells them: a title with the verdict, then the legs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tlsdecrypt.flow import Span
from tlsdecrypt.report.quantities import duration

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tlsdecrypt.findings.story import Leg, Story
    from tlsdecrypt.redact import Redactor
    from tlsdecrypt.report.frame_names import FrameNames

MAX_STORIES = 200

_TONES = {"good": "good", "bad": "bad", "unknown": "caution"}


def story_views(stories: Sequence[Story], redactor: Redactor, frames: FrameNames) -> list[dict[str, Any]]:
    """What `html/page.html` shows of them."""
    return [_story_view(each, redactor, frames) for each in stories]


def _story_view(story: Story, redactor: Redactor, frames: FrameNames) -> dict[str, Any]:
    start_ns = min((leg.time_ns for leg in story.legs), default=0)
    return {
        "title": redactor.text(story.title),
        "verdict": redactor.text(story.verdict),
        "tone": _TONES.get(story.state, "plain"),
        "legs": [_leg_view(leg, start_ns, redactor, frames) for leg in story.legs],
        "left_out": story.left_out,
    }


def _leg_view(leg: Leg, start_ns: int, redactor: Redactor, frames: FrameNames) -> dict[str, Any]:
    first = leg.first_frame
    last = first if leg.last_frame is None else leg.last_frame
    return {
        "at": f"+{duration(leg.time_ns - start_ns)}",
        "what": redactor.text(leg.what),
        "outcome": redactor.text(leg.outcome),
        "tone": _TONES.get(leg.state, "plain"),
        "connection": leg.connection,
        "frames": frames.range(Span(first, last, 0, 0)) if first is not None and last is not None else "",
    }
