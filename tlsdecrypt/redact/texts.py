"""What looks like a secret in free text: tokens, credentials, and `password=...`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tlsdecrypt.redact import names

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_JWT = re.compile(r"(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{8,}+\.[A-Za-z0-9_-]{4,}(?:\.[A-Za-z0-9_-]*){0,3}")
_CREDENTIALS = re.compile(
    r"\b(Basic|Bearer|NTLM|Negotiate)(\s+)(?![A-Za-z]?[a-z.-]+(?:\s|\Z))([A-Za-z0-9+/_.~-]{12,}=*)"
)
_NAME = re.compile(r"(?<![\w.-])([\w.-]++)[\\\"']*+[ \t]*+([=:])[ \t]*+(?![\\\"']*+<masked:)")
_VALUE = re.compile(r"\\*[\"']((?:[^\"'\\]|\\+(?![\"'\\]))++)|([^\s\"'<>,]++)")
_ARGUMENT = re.compile(
    r"\b(?:\w*passw(?:or)?d|identified[ ]by)[ ]+(\\*[\"'])(?!<masked:)((?:(?!\1).){1,512})", re.IGNORECASE
)
_USER_INFO = re.compile(r"(://[^/?#:@\s]{1,128}:)([^/?#@\s]{1,128})(@)")
_LETTERS = re.compile(r"[A-Za-z]+[.!]?")
_NEEDS_NO_LOOK = re.compile(r"[^=:\s]*")


def mask_text(text: str, mask: Callable[[str, str], str]) -> str:
    """`text` with `mask(kind, secret)` in place of what looks like a secret."""
    if "eyJ" in text:
        text = _JWT.sub(lambda match: mask(names.TOKEN, match[0]), text)
    if " " in text and ("'" in text or '"' in text):  # `-Password 'x'`, `PASSWORD 'x'` of SQL
        text = _ARGUMENT.sub(lambda match: _without(match, 2, mask(names.PASSWORD, match[2])), text)
    if _NEEDS_NO_LOOK.fullmatch(text):
        return text
    text = _CREDENTIALS.sub(lambda match: f"{match[1]}{match[2]}{mask(names.TOKEN, match[3])}", text)
    if "=" in text or ":" in text:
        text = _USER_INFO.sub(lambda match: f"{match[1]}{mask(names.PASSWORD, match[2])}{match[3]}", text)
        text = "".join(_mask_named(text, mask))
    return text


def _without(match: re.Match[str], group: int, shown: str) -> str:
    """What was matched, with `shown` in place of one group."""
    return match[0][: match.start(group) - match.start()] + shown + match[0][match.end(group) - match.start() :]


def _mask_named(text: str, mask: Callable[[str, str], str]) -> Iterator[str]:
    """`name=value` and `name: value`; after a colon, words are taken for a sentence that goes on.

    The value of a harmless name is read on: it may be `reason="token=..."` or a URL.
    """
    written = at = 0
    while name := _NAME.search(text, at):
        at = name.end()
        kind = names.secret_kind(name[1])
        value = _VALUE.match(text, at) if kind else None
        if kind is None or value is None:
            continue
        at = value.end()
        quoted, bare = value.groups()
        if name[2] == ":" and bare is not None and _LETTERS.fullmatch(bare):
            continue
        yield text[written : value.start(1 if bare is None else 2)] + mask(kind, quoted or bare)
        written = at
    yield text[written:]
