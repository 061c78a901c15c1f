"""PDUs of RPC over HTTP, written by hand after [MS-RPCH], C706 and [MS-RPCE]."""

from __future__ import annotations

import struct
from uuid import UUID

VIRTUAL, OTHER, INWARD = bytes(range(16)), bytes(range(16, 32)), bytes(range(32, 48))
EMSMDB = UUID("a4f1db00-ca47-1067-b31f-00dd010662da")
NDR = UUID("8a885d04-1ceb-11c9-9fe8-08002b104860")

PING_FLAG, OTHER_CMD = 0x0001, 0x0002


def pdu(kind: int, body: bytes, *, flags: int = 0x03, auth: bytes = b"", call: int = 1) -> bytes:
    """A little-endian PDU; `auth` is a token behind a sec_trailer of NTLM at level privacy."""
    padding = -len(body) % 4 if auth else 0
    trailer = bytes(padding) + struct.pack("<BBBBI", 10, 6, padding, 0, 0) + auth if auth else b""
    length = 16 + len(body) + len(trailer)
    return struct.pack("<BBBBIHHI", 5, 0, kind, flags, 0x10, length, len(auth), call) + body + trailer


def rts(flags: int, *commands: bytes) -> bytes:
    return pdu(20, struct.pack("<HH", flags, len(commands)) + b"".join(commands), call=0)


def number(kind: int, value: int) -> bytes:
    return struct.pack("<II", kind, value)


def cookie(kind: int, value: bytes) -> bytes:
    return struct.pack("<I", kind) + value


CONN_A1 = rts(0, number(6, 1), cookie(3, VIRTUAL), cookie(3, OTHER), number(0, 65_536))
CONN_B1 = rts(
    0,
    number(6, 1),
    cookie(3, VIRTUAL),
    cookie(3, INWARD),
    number(4, 0x40000000),
    number(5, 300_000),
    cookie(0xC, bytes(16)),
)
CONN_A3 = rts(0, number(2, 120_000))
CONN_C2 = rts(0, number(6, 1), number(0, 65_536), number(2, 120_000))
PING = rts(PING_FLAG)
FLOW_CONTROL = rts(OTHER_CMD, number(0xD, 3), number(1, 100) + struct.pack("<I", 65_536) + OTHER)

BIND = pdu(
    11,
    struct.pack("<HHIBBH", 5840, 5840, 0, 1, 0, 0)
    + struct.pack("<HBB", 0, 1, 0)
    + EMSMDB.bytes_le
    + struct.pack("<HH", 0, 81)
    + NDR.bytes_le
    + struct.pack("<HH", 2, 0),
    auth=b"Tr0ub4dor-marker",
)
BIND_NAK = pdu(13, struct.pack("<HBBB", 8, 1, 5, 0))


def request(opnum: int, stub: bytes = b"arguments", *, flags: int = 0x03) -> bytes:
    return pdu(0, struct.pack("<IHH", len(stub), 0, opnum) + stub, flags=flags)


def response(stub: bytes = b"results") -> bytes:
    return pdu(2, struct.pack("<IHBB", len(stub), 0, 0, 0) + stub)


def fault(status: int) -> bytes:
    return pdu(3, struct.pack("<IHBBII", 0, 0, 0, 0, status, 0))


def in_head(target: str = "EXMBX01.contoso.local:6001") -> bytes:
    return _head("RPC_IN_DATA", target, 1_073_741_824)


def out_head(target: str = "EXMBX01.contoso.local:6001", length: int = 76) -> bytes:
    return _head("RPC_OUT_DATA", target, length)


def _head(method: str, target: str, length: int) -> bytes:
    return (
        f"{method} /rpc/rpcproxy.dll?{target} HTTP/1.1\r\nAccept: application/rpc\r\nHost: mail.contoso.com\r\n"
        "User-Agent: MSRPC\r\nPragma: no-cache, MinConnTimeout=240, SessionId=6e8a0b7c-1111-2222-3333-444455556666\r\n"
        f"Authorization: NTLM TlRMTVNTUAABAAAAB4IIogAAAAAAAAAAAAAAAAAAAAA=\r\nContent-Length: {length}\r\n\r\n"
    ).encode()


OPENED = b"HTTP/1.1 200 Success\r\nContent-Type: application/rpc\r\nContent-Length: 1073741824\r\n\r\n"
REFUSED = b"HTTP/1.0 503 RPC Error: 6ba\r\nContent-Type: text/html\r\nContent-Length: 0\r\n\r\n"
