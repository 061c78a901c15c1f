"""Base64 of JSON, XML or `password=...` inside other texts: where such a piece stands that holds a secret."""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_CODED = 256 << 10  # characters of one piece

# How Base64 begins of {, [{ and < with what may follow them, and of pass, Pass, pwd, Pwd. A JWT is no such piece: each
# of its parts stands beside a dot. The first character comes first, so that the search is quick.
_PIECE = re.compile(
    r"[eWPcU](?<![A-Za-z0-9+/_.-].)"
    r"(?:(?<=e)(?:y[JA]|w[o0kA])|(?<=W)(?:3s|w[o0])|(?<=P)[ADEFGH]|(?<=c)(?:GFzc|Hdk)|(?<=U)(?:GFzc|Hdk))"
    r"[A-Za-z0-9+/_-]{12,}+(?:\r?\n[A-Za-z0-9+/_-]{4,}+)*+={0,2}(?!\.[A-Za-z0-9_-])"
)
_URL_SAFE = str.maketrans("-_", "+/")
_TEXT = re.compile(r"[^\x00-\x08\x0e-\x1f\x7f]*")


def mask_coded(text: str, holds_secret: Callable[[str], bool], mask: Callable[[str], str]) -> str:
    """`text` with `mask(piece)` in place of each piece of Base64 whose meaning `holds_secret`."""
    return _PIECE.sub(lambda match: mask(match[0]) if _is_secret(match[0], holds_secret) else match[0], text)


def _is_secret(piece: str, holds_secret: Callable[[str], bool]) -> bool:
    meaning = _meaning(piece) if len(piece) <= MAX_CODED else None
    return meaning is not None and holds_secret(meaning)


def _meaning(piece: str) -> str | None:
    """The text that it is Base64 of, None where it is of none. What is cut gives what is there."""
    letters = "".join(piece.split()).rstrip("=").translate(_URL_SAFE)
    if len(letters) % 4 == 1:  # no Base64 has this length
        letters = letters[:-1]
    data = base64.b64decode(letters + "=" * (-len(letters) % 4))
    for encoding in ("utf-16-le", "utf-8") if data[1:2] == b"\0" else ("utf-8",):
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        if _TEXT.fullmatch(text):
            return text
    return None
