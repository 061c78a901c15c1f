"""parse_challenges: the schemes and parameters that WWW-Authenticate offers (RFC 9110 section 11.6.1)."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

MAX_FIELD = 16 * 1024  # characters of one field that are read
MAX_CHALLENGES = 20
MAX_PARAMETERS = 20  # of one challenge
MAX_VALUE = 500  # characters of one parameter
LONGEST_CACHED = 1024  # characters of a field that is read once: a server offers the same again and again
CACHED = 256

_SCHEME = re.compile(r"\s*,?\s*([A-Za-z][A-Za-z0-9!#$%&'*+.^_`|~-]*)(?:\s+|(?=,)|\Z)")
_TOKEN68 = re.compile(r"([A-Za-z0-9._~+/-]+=*)\s*(?:,|\Z)")
_PARAMETER = re.compile(r"\s*,?\s*([A-Za-z][A-Za-z0-9_.-]*)\s*=\s*(?:\"((?:[^\"\\]|\\.)*+)\"?|([^\s,\"]*))")


class Challenge(NamedTuple):
    """One scheme that is offered: its parameters in lower case, or the token of a leg that goes on ("" for none)."""

    scheme: str
    parameters: dict[str, str]
    token: str = ""


def parse_challenges(fields: list[str]) -> list[Challenge]:
    """All challenges of one answer, in their order; what cannot be read ends a field."""
    challenges: list[Challenge] = []
    for value in fields:
        challenges += _cached(value) if len(value) <= LONGEST_CACHED else _parse(value)
    return challenges[:MAX_CHALLENGES]


def _parse(value: str) -> tuple[Challenge, ...]:
    challenges: list[Challenge] = []
    text, at = value[:MAX_FIELD], 0
    while len(challenges) < MAX_CHALLENGES and (match := _SCHEME.match(text, at)):
        challenge, at = _parse_one(text, match)
        challenges.append(challenge)
    return tuple(challenges)


_cached = lru_cache(maxsize=CACHED)(_parse)


def _parse_one(text: str, scheme: re.Match[str]) -> tuple[Challenge, int]:
    at = scheme.end()
    parameters: dict[str, str] = {}
    while parameter := _PARAMETER.match(text, at):
        if not parameters and (token := _TOKEN68.match(text, at)):
            break
        at = parameter.end()
        if len(parameters) < MAX_PARAMETERS:
            value = parameter[2] if parameter[2] is not None else parameter[3]
            parameters.setdefault(parameter[1].lower(), re.sub(r"\\(.)", r"\1", value)[:MAX_VALUE])
    if not parameters and (token := _TOKEN68.match(text, at)) and text[scheme.end() - 1].isspace():
        return Challenge(scheme[1], {}, token[1]), token.end()
    return Challenge(scheme[1], parameters), at
