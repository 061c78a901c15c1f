"""Stories as lines: a title with the verdict, then the legs, numbered."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tlsdecrypt.flow import Span
from tlsdecrypt.report.lines import line
from tlsdecrypt.report.quantities import counted, duration

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tlsdecrypt.findings.story import Leg, State, Story
    from tlsdecrypt.report.lines import Line, Part, Style
    from tlsdecrypt.report.text_view import TextView

MAX_SHOWN = 50  # stories; the document holds all

_STYLES: dict[State, Style] = {"good": "good", "bad": "bad", "goes on": "plain", "unknown": "caution"}


def story_lines(stories: Iterable[Story], view: TextView) -> Iterator[Line]:
    """Nothing where there are no stories. All text of the capture is masked."""
    told = list(stories)
    if not told:
        return
    yield line(("Stories", "heading"))
    for story in told[:MAX_SHOWN]:
        yield line((view.value(story.title), "strong"), (view.value(story.verdict), _STYLES[story.state]), level=1)
        start_ns = min((leg.time_ns for leg in story.legs), default=0)
        for number, leg in enumerate(story.legs, 1):
            yield _leg_line(number, leg, start_ns, view)
        if story.left_out:
            yield line((f"and {counted(story.left_out, 'step')} more", "faint"), level=2)
    if len(told) > MAX_SHOWN:
        yield line((f"and {counted(len(told) - MAX_SHOWN, 'story', 'stories')} more", "faint"), level=1)
    yield line()


def _leg_line(number: int, leg: Leg, start_ns: int, view: TextView) -> Line:
    where: list[Part] = []
    if leg.connection is not None:
        where.append((f"connection {leg.connection}", "faint"))
    if leg.first_frame is not None:
        last = leg.first_frame if leg.last_frame is None else leg.last_frame
        where.append((view.frames.range(Span(leg.first_frame, last, leg.time_ns, leg.time_ns)), "faint"))
    offset = f"+{duration(leg.time_ns - start_ns)}"
    outcome: Part = (view.value(leg.outcome), _STYLES[leg.state])
    return line(f"{number}.", offset, view.value(leg.what), outcome, *where, level=2)
