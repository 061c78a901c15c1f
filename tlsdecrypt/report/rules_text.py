"""The rules that findings come from, as text: all of them in a table, or one with its explanation."""

from __future__ import annotations

import textwrap
from difflib import get_close_matches
from typing import TYPE_CHECKING

from tlsdecrypt.errors import InputError
from tlsdecrypt.findings.rule import all_rules

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tlsdecrypt.findings.rule import Rule

WIDTH = 100  # columns of an explanation
MOST_ALIKE = 3  # ids that a wrong one is answered with

_SUBJECTS = {"step": "each exchange", "trace": "each connection", "scene": "all connections together"}


def rules_table() -> Iterator[str]:
    """One line a rule: id, severity, confidence, title."""
    rules = all_rules().values()
    longest = max(len(rule.id) for rule in rules)
    for rule in rules:
        yield f"{rule.id:{longest}}  {rule.severity.label:7}  {rule.confidence.label:7}  {rule.title}"


def explained_rule(rule_id: str) -> Iterator[str]:
    """What one rule means, on what evidence it speaks, when it stays silent, and where it comes from.

    Raises InputError where there is no such rule, with the ids that are alike.
    """
    rule = all_rules().get(rule_id)
    if rule is None:
        raise InputError(f"there is no rule {rule_id}{_alike(rule_id)} --rules lists all of them")
    yield f"{rule.id}  {rule.severity.label}, {rule.confidence.label}"
    yield ""
    for paragraph in rule.explanation.split("\n\n"):
        yield from textwrap.wrap(" ".join(paragraph.split()), WIDTH)
        yield ""
    yield from _facts(rule)


def _facts(rule: Rule) -> Iterator[str]:
    facts = (
        ("do", rule.advice),
        ("source", rule.source),
        ("looks at", _SUBJECTS[rule.scope]),
        ("of", ", ".join(sorted(rule.services or rule.protocols))),
        ("explains", ", ".join(rule.causes)),
        ("instead of", ", ".join(rule.suppresses)),
    )
    for name, value in facts:
        if value:
            yield from textwrap.wrap(f"{name}: {value}", WIDTH, subsequent_indent="    ")


def _alike(rule_id: str) -> str:
    alike = get_close_matches(rule_id.lower(), all_rules(), n=MOST_ALIKE, cutoff=0.4)
    return f"; did you mean {' or '.join(alike)}?" if alike else ";"
