"""Tables as text (RFC 4180, and its kin with semicolons, tabs or bars): columns that are secret by their names."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tlsdecrypt.redact import names

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_HEADING = 16 << 10  # characters of the row that names the columns

_TABLES = re.compile(r"(?:text|application)/(?:x-)?(?:csv|(?:comma|tab)-separated-values)|application/vnd\.ms-excel")
_MAYBE_TABLES = frozenset({"", "text/plain", "application/octet-stream"})
_SENTENCE = re.compile(r"[,;|][ ]")
_SEPARATOR = re.compile(r"[,;\t|]")
_LOOKS_SECRET = re.compile(r"pass|pwd|secret|token|credential|key", re.IGNORECASE)
_NAME = re.compile(r"[ ]*\"?[\w .:/()#-]{1,64}\"?[ ]*")
_LINE = re.compile(r"[^\r\n]*+")


def secret_cells(text: str, kind: str) -> Iterator[tuple[int, int, str]]:
    """Where each secret cell begins and ends, and the kind of secret; nothing where `text` is no table.

    `kind` is the media type. A list of nothing but names is the heading; Excel says before it what separates them.
    """
    is_table = _TABLES.fullmatch(kind) is not None
    if not is_table and kind not in _MAYBE_TABLES:
        return
    start = len(text) - len(text.lstrip("\ufeff \r\n"))
    if text.startswith(("sep=", "#TYPE"), start):
        start = text.find("\n", start, start + MAX_HEADING) + 1
    heading = _LINE.match(text, start, start + MAX_HEADING)
    if heading is None or _LOOKS_SECRET.search(heading[0]) is None:
        return
    separators = _SEPARATOR.findall(heading[0])
    if not separators or (not is_table and _SENTENCE.search(heading[0])):
        return
    separator = max(set(separators), key=separators.count)
    columns = heading[0].split(separator)
    if not all(_NAME.fullmatch(each) for each in columns if each):
        return
    kinds = [names.secret_kind(each.strip().strip('"')) for each in columns]
    if any(kinds):
        yield from _cells(text, heading.end(), separator, kinds)


def _cells(text: str, start: int, separator: str, kinds: list[str | None]) -> Iterator[tuple[int, int, str]]:
    """The secret ones; a cell in quotation marks may hold separators and ends of lines."""
    rest = rf"[^\r\n{re.escape(separator)}]*+"
    cell = re.compile(rf'"((?:[^"]|"")*+)"?{rest}|({rest})')
    column = len(kinds)  # behind the heading
    at = start
    while at < len(text):
        if text[at] in "\r\n":
            column, at = 0, at + 1
            continue
        if text[at] == separator:
            column, at = column + 1, at + 1
            continue
        found = cell.match(text, at)
        if found is None:  # it cannot be: the second form matches anything
            return
        group = 2 if found[1] is None else 1
        kind = kinds[column] if column < len(kinds) else None
        if kind is not None and found[group].strip():
            yield found.start(group), found.end(group), kind
        at = max(found.end(), at + 1)
