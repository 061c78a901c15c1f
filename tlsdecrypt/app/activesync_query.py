"""The query of an ActiveSync request, plain or in Base64 ([MS-ASHTTP] section 2.2.1.1.1)."""

from __future__ import annotations

import base64
import re
from binascii import Error as Base64Error
from typing import NamedTuple
from urllib.parse import parse_qsl, unquote

from tlsdecrypt.errors import ParseError
from tlsdecrypt.wire import Reader

MAX_QUERY = 4096  # characters that are looked at
MAX_PARAMETERS = 20

COMMANDS = {
    0: "Sync",
    1: "SendMail",
    2: "SmartForward",
    3: "SmartReply",
    4: "GetAttachment",
    5: "GetHierarchy",
    6: "CreateCollection",
    7: "DeleteCollection",
    8: "MoveCollection",
    9: "FolderSync",
    10: "FolderCreate",
    11: "FolderDelete",
    12: "FolderUpdate",
    13: "MoveItems",
    14: "GetItemEstimate",
    15: "MeetingResponse",
    16: "Search",
    17: "Settings",
    18: "Ping",
    19: "ItemOperations",
    20: "Provision",
    21: "ResolveRecipients",
    22: "ValidateCert",
    23: "Find",
}
_PARAMETERS = {
    0: "attachment_name",
    1: "collection_id",
    2: "collection_name",
    3: "item_id",
    4: "long_id",
    5: "parent_id",
    6: "occurrence",
    7: "options",
    8: "user",
}
_OPTIONS = {0x01: "SaveInSent", 0x02: "AcceptMultiPart"}
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{8,}={0,2}")
_POLICY_KEY_LENGTHS = (0, 4)
_VERSIONS = range(10, 256)  # ten times the version


class Query(NamedTuple):
    """What the query says; `parameters` are those that only some commands have."""

    command: str | None
    version: str | None = None
    user: str | None = None
    device_id: str | None = None
    device_type: str | None = None
    has_policy_key: bool = False
    locale: int | None = None
    parameters: tuple[tuple[str, str], ...] = ()
    is_base64: bool = False


def parse_query(query: str) -> Query:
    """The query behind the question mark. Raises `ParseError` for one in Base64 that is none of ActiveSync."""
    query = query[:MAX_QUERY]
    unquoted = unquote(query)
    if _BASE64.fullmatch(unquoted):
        return _parse_base64(unquoted)
    values: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=True)[:MAX_PARAMETERS]:
        values.setdefault(name.lower(), value)
    return Query(
        command=values.get("cmd"),
        user=values.get("user"),
        device_id=values.get("deviceid"),
        device_type=values.get("devicetype"),
        parameters=tuple((name, values[name]) for name in ("collectionid", "itemid", "saveinsent") if name in values),
    )


def _parse_base64(text: str) -> Query:
    """Section 2.2.1.1.1.1."""
    padded = text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4)
    try:
        data = base64.b64decode(padded.replace("-", "+").replace("_", "/"), validate=True)
    except (Base64Error, ValueError):
        raise ParseError("the query is no Base64") from None
    reader = Reader(data)
    version, command = reader.u8("protocol version"), reader.u8("command")
    if version not in _VERSIONS:
        raise ParseError(f"protocol version {version}")
    locale = int.from_bytes(reader.take(2, "locale"), "little")
    device_id = reader.vector(1, "device id")
    policy_key = reader.vector(1, "policy key")
    if len(policy_key) not in _POLICY_KEY_LENGTHS:
        raise ParseError(f"a policy key of {len(policy_key)} bytes", reader.offset)
    device_type = reader.vector(1, "device type")
    parameters = dict(_parameters(reader))
    return Query(
        command=COMMANDS.get(command, f"command {command}"),
        version=f"{version // 10}.{version % 10}",
        user=parameters.pop("user", None),
        device_id=_device_id(device_id),
        device_type=device_type.decode("utf-8", "replace"),
        has_policy_key=any(policy_key),
        locale=locale,
        parameters=tuple(parameters.items()),
        is_base64=True,
    )


def _parameters(reader: Reader) -> list[tuple[str, str]]:
    """Tag, length and value, as often as there are any; a cut one ends them."""
    found: list[tuple[str, str]] = []
    while reader.remaining and len(found) < MAX_PARAMETERS:
        tag = reader.u8("tag of a parameter")
        value = reader.vector(1, "parameter")
        name = _PARAMETERS.get(tag, f"parameter_{tag}")
        if name == "options":
            bits = int.from_bytes(value, "little")
            found.append((name, " ".join(word for bit, word in _OPTIONS.items() if bits & bit)))
        else:
            found.append((name, value.decode("utf-8", "replace")))
    return found


def _device_id(value: bytes) -> str:
    """Text as it was sent; some devices send their 16 bytes as they are."""
    return value.decode("ascii") if value.isascii() and value.decode("ascii").isprintable() else value.hex().upper()
