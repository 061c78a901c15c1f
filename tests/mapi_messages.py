"""MAPI over HTTP messages, written by hand after [MS-OXCMAPIHTTP], [MS-OXCRPC] and [MS-OXCROPS]."""

from __future__ import annotations

import struct
from typing import Any

from tlsdecrypt.app.annotate import annotate_http
from tlsdecrypt.app.http import HttpRequest, HttpResponse
from tlsdecrypt.flow import Span

SPAN = Span(1, 1, 0, 0)
TYPE = ("Content-Type", "application/mapi-http")
TARGET = "/mapi/emsmdb/?MailboxId=7d1a6f2e-0b7c-4c1e-9a52-3f2a1f5b8d10@contoso.com"
USER_DN = "/o=First Organization/ou=Exchange Administrative Group (FYDIBOHF23SPDLT)/cn=Recipients/cn=4f1d-avery"

LAST = 0x04
HANDLES = b"\xff\xff\xff\xff"

CONNECT_REQUEST = USER_DN.encode() + b"\0" + struct.pack("<IIIII", 0, 1252, 0x409, 0x409, 0)
CONNECT_RESPONSE = (
    struct.pack("<IIIII", 0, 0, 60_000, 6, 10_000)
    + b"/o=First Organization/cn=Recipients/cn=\0"
    + "Avery Howard\0".encode("utf-16-le")
    + bytes(4)
)


def rop_buffer(rops: bytes, flags: int = LAST) -> bytes:
    """RPC_HEADER_EXT and one payload: the size of the ROPs, the ROPs, the handles."""
    payload = struct.pack("<H", len(rops) + 2) + rops + HANDLES
    if flags & 0x02:
        payload = bytes(byte ^ 0xA5 for byte in payload)
    return struct.pack("<HHHH", 0, flags, len(payload), len(payload)) + payload


def execute_request(buffer: bytes) -> bytes:
    return struct.pack("<II", 0, len(buffer)) + buffer + struct.pack("<II", 0x10008, 0)


def execute_response(buffer: bytes) -> bytes:
    return struct.pack("<IIII", 0, 0, 0, len(buffer)) + buffer + struct.pack("<I", 0)


def done(data: bytes, *headers: str, pending: int = 0) -> bytes:
    """A body with its meta tags and additional headers."""
    lines = ["PROCESSING", *["PENDING"] * pending, "DONE", "X-ElapsedTime: 31", *headers, "", ""]
    return "\r\n".join(lines).encode() + data


def annotate(
    request_type: str, asked: bytes | None, answered: bytes | None, code: str | None = "0", **options: Any
) -> dict[str, Any]:
    """The annotation `mapi` of one call."""
    fields = (
        TYPE,
        ("X-RequestType", request_type),
        ("X-RequestId", "{C715155F-2BE8-44E0-BD34-2960067874C8}:1"),
        ("X-ClientApplication", "Outlook/15.0.4420.1017"),
        *options.get("fields", ()),
    )
    answer_fields = (
        (options.get("content_type", TYPE)),
        *((("X-ResponseCode", code),) if code is not None else ()),
        ("X-ServerApplication", "Exchange/15.00.0847.4040"),
        *options.get("answer_fields", ()),
    )
    request = HttpRequest("POST", options.get("target", TARGET), "HTTP/1.1", fields, SPAN, content=asked)
    response = HttpResponse(options.get("status", 200), "", "HTTP/1.1", answer_fields, SPAN, content=answered)
    found: dict[str, Any] = annotate_http(request, response)["mapi"]
    return found
