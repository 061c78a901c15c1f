"""The manifest of a document: what was masked in it, of which kind and how often, and which names were replaced."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tlsdecrypt.report.lines import line
from tlsdecrypt.report.quantities import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tlsdecrypt.redact import Redactor
    from tlsdecrypt.report.lines import Line

_MANY = {"address": "addresses", "personal": "personal texts", "mac": "MAC addresses"}
_NAMES = {"masked": "masked", "pseudonyms": "pseudonyms for"}
_ONE = {"personal": "personal text", "mac": "MAC address"}


def manifest(redactor: Redactor) -> dict[str, dict[str, int]]:
    """`masked` counts places by the kind of secret, `pseudonyms` the times that a name was replaced, by its kind."""
    return {"masked": _sorted(redactor.counts), "pseudonyms": _sorted(redactor.renamed)}


def manifest_lines(redactor: Redactor) -> Iterator[Line]:
    """The same for people, where there is something to tell."""
    told = manifest(redactor)
    if not any(told.values()):
        return
    yield line(("Masked", "heading"))
    if told["masked"]:
        yield line(_told(told["masked"]), ("equal marks stand for equal values", "faint"), level=1)
    if told["pseudonyms"]:
        yield line(f"pseudonyms for {_told(told['pseudonyms'])}", level=1)


def manifest_text(redactor: Redactor) -> str:
    """The same in one line, empty where there is nothing to tell."""
    told = manifest(redactor)
    parts = [f"{name} {_told(told[key])}" for key, name in _NAMES.items() if told[key]]
    return "; ".join(parts)


def _sorted(counts: dict[str, int]) -> dict[str, int]:
    return {kind: count for kind, count in sorted(counts.items()) if count}


def _told(counts: dict[str, int]) -> str:
    return ", ".join(counted(count, _ONE.get(kind, kind), _MANY.get(kind, "")) for kind, count in counts.items())
