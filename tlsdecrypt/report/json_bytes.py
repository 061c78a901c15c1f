"""Values -> JSON bytes, whatever a capture put into them."""

from __future__ import annotations

from typing import Any

import orjson

from tlsdecrypt.report.visible import escape_controls, well_formed

_INTEGER_LIMIT = 1 << 63  # orjson refuses integers that do not fit 64 bits


def json_bytes(value: Any) -> bytes:
    """One JSON value on one line, UTF-8, without a line end. Never raises for what a peer sent."""
    try:
        document = orjson.dumps(value)
    except orjson.JSONEncodeError:
        document = orjson.dumps(_plain(value))
    return escape_controls(document)


def _plain(value: Any) -> Any:
    """The same value as what JSON can hold: no lone surrogates, no integers beyond 64 bits, text as keys."""
    plain: Any
    match value:
        case bool() | float() | None:
            plain = value
        case int() if -_INTEGER_LIMIT <= value < _INTEGER_LIMIT:
            plain = value
        case dict():
            plain = {well_formed(str(key)): _plain(each) for key, each in value.items()}
        case list() | tuple() | set() | frozenset():
            plain = [_plain(each) for each in value]
        case _:
            plain = well_formed(str(value))
    return plain
