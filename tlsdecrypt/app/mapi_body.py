"""Bodies of MAPI over HTTP requests and answers ([MS-OXCMAPIHTTP] sections 2.2.4 and 2.2.5): keys of `mapi`.

All integers are little-endian. Of the address book only the codes are read, and the URLs that it gives.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tlsdecrypt.app.mapi_compression import payloads
from tlsdecrypt.app.mapi_errors import ERRORS, error_name, hexadecimal, is_failure
from tlsdecrypt.app.mapi_rop_buffer import find_sender, parse_requests, parse_results
from tlsdecrypt.app.mapi_rops import rop_name
from tlsdecrypt.app.xml import put
from tlsdecrypt.wire import Reader

if TYPE_CHECKING:
    from collections.abc import Callable

    from tlsdecrypt.app.mapi_compression import Payload

MAX_STRING = 1024  # characters of a name
MAX_ROPS = 100  # that are named
MAX_FAILURES = 20

_URL_TYPES = ("getmailboxurl", "getaddressbookurl")


def put_request_body(facts: dict[str, Any], data: bytes) -> None:
    """Set the keys of a request. Raises `ParseError` where it is damaged."""
    parse = _REQUESTS.get(facts.get("request_type", "").lower())
    if parse is not None and facts.get("endpoint") != "nspi":
        parse(facts, Reader(data))


def put_response_body(facts: dict[str, Any], data: bytes) -> None:
    """Set the keys of an answer. Raises `ParseError`.

    Every one begins with StatusCode and ErrorCode; a StatusCode other than 0 is a failure of the request as a whole,
    and what follows it is auxiliary (section 2.2.4.1.3).
    """
    reader = Reader(data)
    facts["status_code"] = _u32(reader, "StatusCode")
    error = facts["status_code"] or _u32(reader, "ErrorCode")
    if error:
        known = ERRORS.get(error)
        put(
            facts,
            error=hexadecimal(error),
            error_name=error_name(error),
            error_meaning=known.meaning if known else None,
        )
        return
    request_type = facts.get("request_type", "").lower()
    if request_type in _URL_TYPES:
        put(facts, url=_wide_string(reader)[:MAX_STRING])
    parse = _RESPONSES.get(request_type)
    if parse is not None and facts.get("endpoint") != "nspi":
        parse(facts, reader)


def _u32(reader: Reader, what: str) -> int:
    return int.from_bytes(reader.take(4, what), "little")


def _string(reader: Reader, what: str) -> str:
    characters = bytearray()
    while character := reader.u8(what):
        if len(characters) < MAX_STRING:
            characters.append(character)
    return characters.decode("latin-1")


def _wide_string(reader: Reader) -> str:
    characters = bytearray()
    while (character := reader.take(2, "string")) != b"\0\0":
        if len(characters) < 2 * MAX_STRING:
            characters += character
    return characters.decode("utf-16-le", "replace")


def _connect_request(facts: dict[str, Any], reader: Reader) -> None:
    facts["user_dn"] = _string(reader, "UserDn")
    _u32(reader, "Flags")
    facts["code_page"] = _u32(reader, "DefaultCodePage")


def _connect_response(facts: dict[str, Any], reader: Reader) -> None:
    reader.take(12, "PollsMax, RetryCount, RetryDelay")
    put(facts, dn_prefix=_string(reader, "DnPrefix") or None)


def _execute_request(facts: dict[str, Any], reader: Reader) -> None:
    _u32(reader, "Flags")
    buffer = reader.take(_u32(reader, "RopBufferSize"), "RopBuffer")
    is_complete = True
    names: list[str] = []
    for payload in payloads(buffer):
        _put_wrapping(facts, payload)
        found = parse_requests(payload.data)
        names += map(rop_name, found.rop_ids)
        is_complete &= found.is_complete
        put(facts, sender=find_sender(payload.data))
        put(facts, rops=names[:MAX_ROPS], has_all_rops=is_complete)


def _execute_response(facts: dict[str, Any], reader: Reader) -> None:
    _u32(reader, "Flags")
    buffer = reader.take(_u32(reader, "RopBufferSize"), "RopBuffer")
    failed: list[dict[str, str]] = []
    for payload in payloads(buffer):
        _put_wrapping(facts, payload)
        for result in parse_results(payload.data).results:
            if is_failure(result.return_value) and len(failed) < MAX_FAILURES:
                known = ERRORS.get(result.return_value)
                failed.append(
                    {
                        "rop": result.name,
                        "value": hexadecimal(result.return_value),
                        "name": error_name(result.return_value),
                        **({"meaning": known.meaning} if known else {}),
                    }
                )
        put(facts, failed_rops=failed)


def _put_wrapping(facts: dict[str, Any], payload: Payload) -> None:
    put(facts, is_compressed=payload.is_compressed or None, is_obfuscated=payload.is_obfuscated or None)


def _notification(facts: dict[str, Any], reader: Reader) -> None:
    facts["has_event"] = bool(_u32(reader, "EventPending"))


_REQUESTS: dict[str, Callable[[dict[str, Any], Reader], None]] = {
    "connect": _connect_request,
    "execute": _execute_request,
}
_RESPONSES: dict[str, Callable[[dict[str, Any], Reader], None]] = {
    "connect": _connect_response,
    "execute": _execute_response,
    "notificationwait": _notification,
}
