"""LearnedSecrets: every secret that was masked once is found again elsewhere, whatever it was wrapped in.

Forms that are sought: plain, escaped for XML and JSON, percent-encoded (once, twice, either case, as in forms), and
UTF-16; each of plain and UTF-16 also in Base64 (both alphabets, three alignments) and in hexadecimal. White space does
not count, so folded lines are no hiding place.
"""

from __future__ import annotations

import base64
import json
import re
import sys
from html import escape
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus, unquote_plus

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MAX_SECRETS = 20_000
MAX_ENCODED = 512  # characters of a secret up to which all its forms are sought; beyond, its plain form
SHORTEST = 4
FEW_KEYS = 300  # up to so many it is faster to seek one after the other in a long text than to look at each place
KEY_LENGTHS = (8, 4)  # a form is found by its first characters, so that a text is read once for all secrets

_ENDINGS = re.compile("%[0-9A-F]{2}")
_UNSTABLE_HEAD = (0, 2, 3)  # Base64 characters that depend on what stands before, by the alignment


class LearnedSecrets:
    """Bounded: what comes after `MAX_SECRETS` secrets is masked in its own place only."""

    def __init__(self) -> None:
        """Nothing is known yet."""
        self._known: set[str] = set()
        self._shortest = sys.maxsize  # of all forms
        self._forms: tuple[dict[str, dict[str, str]], ...] = tuple({} for _ in KEY_LENGTHS)

    def __len__(self) -> int:
        """How many secrets are known."""
        return len(self._known)

    def learn(self, secret: str, mask: str) -> None:
        """From now on `secret` is replaced by `mask`."""
        if secret in self._known or len(secret) < SHORTEST or len(self._known) >= MAX_SECRETS:
            return
        self._known.add(secret)
        for form in set(_forms(secret)):
            squeezed = "".join(form.split())
            if len(squeezed) >= SHORTEST:
                self._shortest = min(self._shortest, len(squeezed))
            for length, table in zip(KEY_LENGTHS, self._forms, strict=True):
                if len(squeezed) >= length:
                    table.setdefault(squeezed[:length], {})[squeezed] = mask
                    break

    def replace(self, text: str) -> tuple[str, list[str]]:
        """`text` with the masks of all that was learned, and those masks in their order."""
        found = self.pieces(text)
        if not found:
            return text, []
        pieces, end = [], 0
        for start, stop, mask in found:
            pieces += [text[end:start], mask]
            end = stop
        return "".join([*pieces, text[end:]]), [mask for _, _, mask in found]

    def pieces(self, text: str) -> list[tuple[int, int, str]]:
        """Start, stop and mask of each form of what was learned in `text`, in their order."""
        if len(text) < self._shortest:  # a word is mostly shorter than any secret
            return []
        found = list(self._find("".join(text.split())))
        if not found:
            return []
        places = [at for at, character in enumerate(text) if not character.isspace()]
        return [(places[start], places[stop - 1] + 1, mask) for start, stop, mask in found]

    def _find(self, text: str) -> Iterator[tuple[int, int, str]]:
        """Start, stop and mask of each form in `text`, the longest first where several begin at one place."""
        tables = [(length, table) for length, table in zip(KEY_LENGTHS, self._forms, strict=True) if table]
        stop = 0
        for at in self._places(text, tables):
            if at < stop:
                continue
            for length, table in tables:
                candidates = table.get(text[at : at + length])
                if not candidates:
                    continue
                matching = [form for form in candidates if text.startswith(form, at)]
                if matching:
                    longest = max(matching, key=len)
                    stop = at + len(longest)
                    yield at, stop, candidates[longest]
                    break

    @staticmethod
    def _places(text: str, tables: list[tuple[int, dict[str, dict[str, str]]]]) -> Iterable[int]:
        """Where a form may begin. A few keys are sought one by one; of many, each place of the text is looked up."""
        places: set[int] = set()
        is_long = sum(len(table) for _, table in tables) <= min(FEW_KEYS, len(text))
        for length, table in tables:
            places.update(_sought(text, table) if is_long else _looked_up(text, length, table))
        return sorted(places)


def _sought(text: str, keys: Iterable[str]) -> Iterator[int]:
    for key in keys:
        at = text.find(key)
        while at >= 0:
            yield at
            at = text.find(key, at + 1)


def _looked_up(text: str, length: int, keys: dict[str, dict[str, str]]) -> Iterable[int]:
    pieces = [text[at : at + length] for at in range(len(text) - length + 1)]
    if keys.keys().isdisjoint(pieces):  # nearly always
        return ()
    return [at for at, piece in enumerate(pieces) if piece in keys]


def _forms(secret: str) -> Iterator[str]:
    """What `secret` may look like, itself and undone of percent-encoding."""
    yield secret
    variants = {secret, unquote_plus(secret), unquote_plus(unquote_plus(secret))}
    for variant in variants:
        if len(variant) >= SHORTEST:
            yield variant
            if len(variant) <= MAX_ENCODED:
                yield from escaped_forms(variant)
                for encoding in ("utf-8", "utf-16-le", "utf-16-be"):
                    yield from _encoded(variant.encode(encoding, "surrogatepass"))


def escaped_forms(secret: str) -> Iterator[str]:
    """What `secret` looks like where it is escaped: percent-encoded, in XML, in JSON."""
    """What `secret` looks like where it is escaped: percent-encoded, in XML, in JSON."""
    for percent in (
        quote(secret, safe="", errors="replace"),
        quote_plus(secret, errors="replace"),
        quote(secret, errors="replace"),
    ):
        lowered = _ENDINGS.sub(lambda match: match[0].lower(), percent)
        for once in (percent, lowered):
            yield once
            yield once.replace("%", "%25")
    in_xml = escape(secret, quote=False)
    yield in_xml
    yield in_xml.replace('"', "&quot;").replace("'", "&apos;")
    in_attribute = in_xml.replace("\n", "&#10;").replace("\r", "&#13;").replace("\t", "&#9;")
    yield in_attribute
    yield in_attribute.replace('"', "&quot;")
    for in_json in (json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]):
        yield in_json
        yield in_json.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e").replace("'", "\\u0027")
        yield in_json.replace("/", "\\/")


def _encoded(secret: bytes) -> Iterator[str]:
    """UTF-16 as text of one byte a character, hexadecimal, and the part of Base64 that is the same in any context."""
    yield secret.decode("latin-1")
    yield secret.hex()
    yield secret.hex().upper()
    for alignment, unstable in enumerate(_UNSTABLE_HEAD):
        text = base64.b64encode(bytes(alignment) + secret).decode().rstrip("=")
        spare = (alignment + len(secret)) % 3
        stable = text[unstable : len(text) - (1 if spare else 0)]
        if len(stable) >= SHORTEST:
            yield stable
            yield stable.replace("+", "-").replace("/", "_")
