"""Points in time as protocols write them, in whole seconds since 1970-01-01 (UTC)."""

from __future__ import annotations

import re
from datetime import UTC, datetime

MAX_LENGTH = 64  # characters that are looked at

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_HTTP_DATE = re.compile(r"\w{3}, (\d\d) (\w{3}) (\d{4}) (\d\d):(\d\d):(\d\d) GMT", re.ASCII)
_LONG_FRACTION = re.compile(r"(\.\d{6})\d+")


def parse_http_date(text: str | None) -> int | None:
    """An IMF-fixdate (RFC 9110 section 5.6.7), None for anything else."""
    match = _HTTP_DATE.fullmatch((text or "")[:MAX_LENGTH].strip())
    if match is None or match[2] not in _MONTHS:
        return None
    day, year, hour, minute, second = (int(match[index]) for index in (1, 3, 4, 5, 6))
    try:
        return int(datetime(year, _MONTHS.index(match[2]) + 1, day, hour, minute, second, tzinfo=UTC).timestamp())
    except ValueError:
        return None


def parse_date_time(text: str | None) -> int | None:
    """An xsd:dateTime (ISO 8601); where it names no zone it is UTC. None for anything else."""
    shortened = _LONG_FRACTION.sub(r"\1", (text or "")[:MAX_LENGTH].strip())
    try:
        found = datetime.fromisoformat(shortened)
        return int((found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp())
    except (ValueError, OverflowError):
        return None
