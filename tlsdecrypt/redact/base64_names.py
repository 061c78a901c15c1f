"""Names inside Base64 (Basic credentials, tokens, claims of a JWT): decoded, renamed, and encoded again.

Pseudonyms are as long as names, and so is the Base64 of what holds them: all that stands around stays. Where it begins
in a longer word (a path, say) is not known, so each of the four places is tried. What is folded is read over the ends
of its lines. Base64 that was percent-encoded may get shorter or longer by its `+` and `/`; it is overwritten then.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

SHORTEST = 8  # characters: of six bytes
MAX_ALIGNED = 64 << 10  # characters of one word, beyond which it is taken to begin where it seems to
ALPHABETS = (b"+/", b"-_")

_ALPHABET = r"[A-Za-z0-9+/_-]"
_SPAN = re.compile(rf"(?:{_ALPHABET}|%2[BbFf]){{6,}}+(?:\r?\n[ \t]?{_ALPHABET}{{4,}}+)*+(?:=|%3[Dd]){{0,2}}")
_BREAK = re.compile(r"\r?\n[ \t]?")
_PERCENT = re.compile(r"%(2[BbFf]|3[Dd])")


def renamed_base64(text: str, rename: Callable[[bytes], bytes]) -> str:
    """`text` in which `rename`, which keeps lengths, was applied to what is Base64."""
    return _SPAN.sub(lambda match: _renamed_span(match[0], rename), text)


def _renamed_span(span: str, rename: Callable[[bytes], bytes]) -> str:
    if len(span) < SHORTEST:
        return span
    if "%" in span:
        plain = _PERCENT.sub(lambda match: chr(int(match[1], 16)), span)
        renamed = _renamed_word(plain, rename)
        return span if renamed == plain else _percent_again(renamed, span)
    if "\n" not in span:
        return _renamed_word(span, rename)
    lines, breaks = _BREAK.split(span), _BREAK.findall(span)
    whole = "".join(lines)
    renamed = _renamed_word(whole, rename)
    if renamed == whole:
        return span
    pieces, at = [], 0
    for line, end in zip(lines, [*breaks, ""], strict=True):
        pieces += [renamed[at : at + len(line)], end]
        at += len(line)
    return "".join(pieces)


def _renamed_word(word: str, rename: Callable[[bytes], bytes]) -> str:
    """Of the first place where something was renamed."""
    bare = word.rstrip("=")
    marks = ALPHABETS["-" in bare or "_" in bare]
    standard = bare.translate(_STANDARD)
    for start in range(4 if len(bare) <= MAX_ALIGNED else 1):
        length = (len(bare) - start) // 4 * 4 if (len(bare) - start) % 4 == 1 else len(bare) - start
        coded = standard[start : start + length]
        try:
            data = base64.b64decode(coded + "=" * (-length % 4))
        except (binascii.Error, ValueError):
            continue
        renamed = rename(data)
        if renamed != data and len(renamed) == len(data):
            again = base64.b64encode(renamed, marks).decode().rstrip("=")
            return bare[:start] + again + bare[start + length :] + word[len(bare) :]
    return word


def _percent_again(renamed: str, span: str) -> str:
    """Percent-encoded as before; of another length, nothing of it is left."""
    encoded = renamed.replace("+", "%2B").replace("/", "%2F").replace("=", "%3D" if "%3" in span else "=")
    return encoded if len(encoded) == len(span) else "x" * len(span)


_STANDARD = str.maketrans("-_", "+/")
