"""parse_imap_command, parse_imap_response: one line of IMAP (RFC 9051 section 9), and where a literal follows."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

MAX_ATOM: Final = 256

_COMMAND = re.compile(r"([^\s(){%*\"\\\]]{1,64}) ((?:UID )?[A-Za-z][A-Za-z0-9.-]{0,30})(?: (.*))?\Z", re.DOTALL)
_RESPONSE = re.compile(r"(\*|\+|[^\s(){%*\"\\\]]{1,64})(?: (.*))?\Z", re.DOTALL)
_RESULT = re.compile(r"(OK|NO|BAD|BYE|PREAUTH)\b ?(.*)\Z", re.IGNORECASE | re.DOTALL)
_LITERAL = re.compile(r"~?\{(\d{1,12})(\+?)\}\Z")  # also of RFC 7888 and RFC 3516
_ASTRING = re.compile(r"\"((?:[^\"\\]|\\.)*)\"|([^\s\"{]+)")


class Command(NamedTuple):
    """Tag, verb in upper case (`UID FETCH` is one), and what follows."""

    tag: str
    verb: str
    argument: str


class Response(NamedTuple):
    """Tag (`*` and `+` as well), `OK`, `NO` ... or "", and the text behind that."""

    tag: str
    result: str
    text: str


class Literal(NamedTuple):
    """Bytes that follow a line; `is_free`: the client does not wait for leave to send them."""

    length: int
    is_free: bool


def parse_imap_command(text: str) -> Command | None:
    """A command line; None for what is none."""
    match = _COMMAND.match(text)
    return Command(match[1], match[2].upper(), match[3] or "") if match else None


def parse_imap_response(text: str) -> Response | None:
    """A line of the server; None for what is none."""
    match = _RESPONSE.match(text)
    if match is None:
        return None
    result = _RESULT.match(match[2] or "")
    return Response(match[1], result[1].upper(), result[2]) if result else Response(match[1], "", match[2] or "")


def literal_at_end(text: str) -> Literal | None:
    """The literal that follows a line, None where none does."""
    match = _LITERAL.search(text)
    return Literal(int(match[1]), match[2] == "+") if match else None


def without_literal(text: str) -> str:
    """A line without the announcement of a literal at its end."""
    return _LITERAL.sub("", text)


def astrings(text: str) -> list[str]:
    """The words of a command, quotation marks undone (RFC 9051 section 4.3)."""
    return [
        quoted.replace('\\"', '"').replace("\\\\", "\\") if quoted or not atom else atom
        for quoted, atom in _ASTRING.findall(text[: 64 * MAX_ATOM])
    ]
