"""Values in HTML beside the text that names them: cells of tables, lists of definitions, `<b>Password:</b> ...`.

A column is secret by its heading; in any other row the cell behind one that names a secret.
"""

from __future__ import annotations

import re
from html import unescape
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from tlsdecrypt.redact import names

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MAX_CELLS = 100_000  # of one content
LONGEST_LABEL = 60  # characters
MAX_WORDS = 3  # of a value beside a label; more are a sentence

_CELL = re.compile(r"<(/?table|tr|t[dh])(?:\s[^<>]*)?>", re.IGNORECASE)
_CELL_END = re.compile(r"</?(?:table|thead|tbody|tfoot|tr|t[dh])(?:\s[^<>]*)?>", re.IGNORECASE)
_MARKUP = re.compile(r"<[^<>]*>")
_LABEL = re.compile(r"(?:[\w.-]{1,40} ){0,2}[\w.-]{1,40}")
_DEEDS = frozenset({"change", "reset", "forgot", "forgotten", "lost", "show", "enter", "set", "your", "no", "invalid"})
_MAYBE_SECRET = ("pass", "pwd", "secret", "token", "credential", "key", "kennw")
_BESIDE = re.compile(  # what stands between a label and its value, and the value
    r"(?:[:=]\s*</?(?:b|strong|label|span|font|i|em|p|div|dt|code)(?:\s[^<>]*)?>|</dt\s*>\s*<dd(?:\s[^<>]*)?>)"
    r"(?:\s|&nbsp;|</?(?:b|strong|label|span|font|i|em|p|div|br|code|tt|pre|dd)(?:\s[^<>]*)?/?>)*+([^<>]{1,512}+)",
    re.IGNORECASE,
)
_LABEL_BEFORE = re.compile(r"(?:[>\s]|\A)((?:[\w.-]{1,40}[ ]){0,2}[\w.-]{1,40})\s*\Z")


class _Cell(NamedTuple):
    """A cell: where its inside stands, in which row of the whole text, and whether it is a `th`."""

    start: int
    stop: int
    row: int
    is_heading: bool


def labelled_values(text: str) -> list[tuple[int, int, str]]:
    """Where each secret value begins and ends, and its kind: in their order, none in another."""
    lowered = text.lower()  # takes less time than a search that knows both cases
    if not any(each in lowered for each in _MAYBE_SECRET):
        return []
    places = [*_in_tables(text), *_beside(text)]
    found: list[tuple[int, int, str]] = []
    for place in sorted(places):
        if not found or place[0] >= found[-1][1]:
            found.append(place)
    return found


def _kind(label: str) -> str | None:
    """The kind of secret that a label names, None for none."""
    label = " ".join(unescape(_MARKUP.sub(" ", label)).split()).rstrip(" :=*")
    if _LABEL.fullmatch(label) is None or label.partition(" ")[0].lower() in _DEEDS:
        return None
    return names.secret_kind(label) or names.secret_kind(label.replace(" ", "_"))


def _beside(text: str) -> Iterator[tuple[int, int, str]]:
    for match in _BESIDE.finditer(text):
        label = _LABEL_BEFORE.search(text[max(match.start() - LONGEST_LABEL, 0) : match.start()])
        kind = _kind(label[1]) if label else None
        if kind is not None and len(match[1].split()) <= MAX_WORDS:
            yield *match.span(1), kind


def _in_tables(text: str) -> Iterator[tuple[int, int, str]]:
    for table in _tables(text):
        rows: list[list[_Cell]] = []
        for cell in table:
            if not rows or rows[-1][0].row != cell.row:
                rows.append([])
            rows[-1].append(cell)
        yield from _of_table(text, rows)


def _tables(text: str) -> Iterator[list[_Cell]]:
    """The cells of each table; of one inside of another, those of the outer one end where it begins."""
    cells: list[_Cell] = []
    row = count = 0
    for match in _CELL.finditer(text):
        name = match[1].lower()
        if name == "tr":
            row += 1
        elif name.endswith("table"):
            if cells:
                yield cells
            cells = []
        else:
            end = _CELL_END.search(text, match.end())
            cells.append(_Cell(match.end(), end.start() if end else len(text), row, name == "th"))
            count += 1
            if count >= MAX_CELLS:
                break
    if cells:
        yield cells


def _of_table(text: str, rows: Sequence[list[_Cell]]) -> Iterator[tuple[int, int, str]]:
    first, *others = rows
    kinds = [_kind(text[cell.start : cell.stop]) for cell in first]
    if _is_heading(first, kinds, has_more=bool(others)):
        for row in others:
            for cell, kind in zip(row, kinds, strict=False):
                if kind is not None:
                    yield cell.start, cell.stop, kind
    else:
        others = list(rows)
    for row in others:
        for label, value in pairwise(row):
            kind = None if value.is_heading else _kind(text[label.start : label.stop])
            if kind is not None:
                yield value.start, value.stop, kind


def _is_heading(row: Sequence[_Cell], kinds: Sequence[str | None], *, has_more: bool) -> bool:
    """Whether a first row names columns: not where it is one name and its value."""
    if not has_more:
        return False
    return all(cell.is_heading for cell in row) or kinds[-1] is not None or len(row) > len(("name", "value"))
