"""Line: a line of text for people, as parts that mean something; painters decide how that looks."""

from __future__ import annotations

from typing import Literal, TypeAlias

from tlsdecrypt.value import Value

Style: TypeAlias = Literal["plain", "heading", "strong", "good", "bad", "caution", "faint"]
Part: TypeAlias = tuple[str, Style]

INDENT = 4  # columns that one level of a report is moved to the right


class Line(Value, frozen=True):
    """The parts stand side by side, two blanks between them; `level` counts indents."""

    parts: tuple[Part, ...] = ()
    level: int = 0


def line(*parts: str | Part | None, level: int = 0) -> Line:
    """A line of parts; text alone is plain, and what is None or empty is left out."""
    whole: list[Part] = [(part, "plain") if isinstance(part, str) else part for part in parts if part]
    return Line(tuple(part for part in whole if part[0]), level)
