"""Stories as plain values: `stories` of the JSON document."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tlsdecrypt.report.quantities import iso_time

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tlsdecrypt.findings.story import Leg, Story
    from tlsdecrypt.redact import Redactor


def stories_document(stories: Iterable[Story], redactor: Redactor) -> list[dict[str, Any]]:
    """Each with its legs in the order of time; all text of the capture is masked."""
    return [_story(each, redactor) for each in stories]


def _story(story: Story, redactor: Redactor) -> dict[str, Any]:
    return {
        "kind": story.kind,
        "title": redactor.text(story.title),
        "client": story.client,
        "state": story.state,
        "verdict": redactor.text(story.verdict),
        "connections": list(story.connections),
        "legs": [_leg(number, each, redactor) for number, each in enumerate(story.legs, 1)],
        "left_out": story.left_out,
    }


def _leg(number: int, leg: Leg, redactor: Redactor) -> dict[str, Any]:
    return {
        "number": number,
        "time": iso_time(leg.time_ns),
        "connection": leg.connection,
        "first_frame": leg.first_frame,
        "last_frame": leg.last_frame,
        "what": redactor.text(leg.what),
        "outcome": redactor.text(leg.outcome),
        "state": leg.state,
    }
