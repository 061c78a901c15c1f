"""The head of an HTTP/1 message: start line and fields, as an observer reads them (RFC 9112 sections 2 to 5).

Nothing is refused that can still be understood; what is wrong is named. Faults never quote a field: it may be secret.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from tlsdecrypt.errors import ParseError

if TYPE_CHECKING:
    from tlsdecrypt.app.http import Fields

# Messages of one connection repeat most lines: one that is known takes neither time nor memory again.
MAX_LINES_REMEMBERED = 4_096
MAX_LINE_REMEMBERED = 256  # characters

METHODS = (
    "GET",
    "POST",
    "PUT",
    "HEAD",
    "DELETE",
    "OPTIONS",
    "PATCH",
    "CONNECT",
    "TRACE",
    "RPC_IN_DATA",
    "RPC_OUT_DATA",
    "RPC_ECHO_DATA",
    "SSTP_DUPLEX_POST",
    "PROPFIND",
    "PROPPATCH",
    "MKCOL",
    "COPY",
    "MOVE",
    "LOCK",
    "UNLOCK",
    "SEARCH",
    "REPORT",
    "SUBSCRIBE",
    "UNSUBSCRIBE",
    "POLL",
    "NOTIFY",
    "BPROPPATCH",
    "BDELETE",
    "BMOVE",
    "BCOPY",
    "BPROPFIND",
    "X-MS-ENUMATTS",
    "RDG_IN_DATA",
    "RDG_OUT_DATA",
    "PROXYFIND",
    "PURGE",
)

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,32}"  # noqa: S105  RFC 9110 section 5.6.2, not a secret
_REQUEST_LINE = re.compile(rf"({_TOKEN})[ \t]+(\S(?:.*\S)?)[ \t]+HTTP/(\d(?:\.\d)?)")
_SIMPLE_REQUEST = re.compile(rf"({'|'.join(METHODS)})[ \t]+((?:/|https?://)\S*)")
_STATUS_LINE = re.compile(r"HTTP/(\d(?:\.\d)?)[ \t]+(\d{3})(?:[ \t]+(.*))?")


class RequestLine(NamedTuple):
    """RFC 9112 section 3; `version` is empty for HTTP/0.9."""

    method: str
    target: str
    version: str


class StatusLine(NamedTuple):
    """RFC 9112 section 4."""

    version: str
    status: int
    reason: str


def parse_request_line(line: str, faults: list[str]) -> RequestLine:
    """Method, target and version; raises `ParseError` for what cannot be a request line."""
    parse = _request_line if len(line) <= MAX_LINE_REMEMBERED else _request_line.__wrapped__
    parsed, new_faults = parse(line)
    faults += new_faults
    return parsed


def parse_status_line(line: str, faults: list[str]) -> StatusLine:
    """Version, status code and reason (may be absent); raises `ParseError` for what cannot be a status line."""
    parse = _status_line if len(line) <= MAX_LINE_REMEMBERED else _status_line.__wrapped__
    parsed, new_faults = parse(line)
    faults += new_faults
    return parsed


@lru_cache(maxsize=MAX_LINES_REMEMBERED)
def _request_line(line: str) -> tuple[RequestLine, tuple[str, ...]]:
    faults: list[str] = []
    line = line.rstrip(" \t")
    match = _REQUEST_LINE.fullmatch(line)
    if match is None:
        match = _SIMPLE_REQUEST.fullmatch(line)
        if match is None:
            raise ParseError("not a request line")
        return RequestLine(match[1], match[2], ""), ("the request line has no HTTP version",)
    method, target, version = match.groups()
    if " " in target or "\t" in target:
        faults.append("the request target holds spaces")
    _check_version(version, faults)
    return RequestLine(method, target, f"HTTP/{version}"), tuple(faults)


@lru_cache(maxsize=MAX_LINES_REMEMBERED)
def _status_line(line: str) -> tuple[StatusLine, tuple[str, ...]]:
    faults: list[str] = []
    match = _STATUS_LINE.fullmatch(line.rstrip(" \t"))
    if match is None:
        raise ParseError("not a status line")
    version, status, reason = match.groups()
    _check_version(version, faults)
    return StatusLine(f"HTTP/{version}", int(status), reason or ""), tuple(faults)


def _check_version(version: str, faults: list[str]) -> None:
    if not version.startswith("1."):
        faults.append(f"HTTP version {version} in an HTTP/1 message")


def split_lines(head: bytes | bytearray, faults: list[str]) -> list[str]:
    """The lines of a head as text, without their ends; empty lines at its end are dropped."""
    text = head.decode("latin-1").rstrip("\r\n")
    lines = text.split("\r\n")
    if text.count("\n") >= len(lines):
        faults.append("lines end with a bare LF")
        lines = [line.rstrip("\r") for line in text.split("\n")]
    return lines


def parse_fields(lines: list[str], faults: list[str]) -> Fields:
    """Field lines as (name, value), with folded lines joined by a space (RFC 9112 section 5)."""
    fields: list[tuple[str, str]] = []
    for line in lines:
        field = _field(line) if len(line) <= MAX_LINE_REMEMBERED else _field.__wrapped__(line)
        if field is not None:
            fields.append(field)
        elif line:
            _append_odd_line(fields, line, faults)
    return tuple(fields)


@lru_cache(maxsize=MAX_LINES_REMEMBERED)
def _field(line: str) -> tuple[str, str] | None:
    """Name and value, None where the line is odd."""
    name, colon, value = line.partition(":")
    return (name, value.strip(" \t")) if colon and name and name == name.strip() else None


def _append_odd_line(fields: list[tuple[str, str]], line: str, faults: list[str]) -> None:
    if line[0] in " \t" and fields:
        name, value = fields[-1]
        fields[-1] = (name, f"{value} {line.strip()}".strip())
        fault = "a field is folded over several lines"
    elif ":" in line and line.partition(":")[0].strip():
        name, _, value = line.partition(":")
        fields.append((name.strip(), value.strip(" \t")))
        fault = "white space around a field name"
    else:
        fields.append(("", line.strip()))
        fault = "a field line without a name"
    if fault not in faults:
        faults.append(fault)
