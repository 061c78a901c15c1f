"""A capture that is written here: one clear HTTP exchange over TCP in Ethernet frames, as a pcap file."""

from __future__ import annotations

import struct
from typing import TypeAlias

REQUEST = b"GET /owa/?token=Tr0ub4dor3-marker HTTP/1.1\r\nHost: mail.contoso.com\r\n\r\n"
RESPONSE = b"HTTP/1.1 302 Found\r\nLocation: https://mail.contoso.com/owa/\r\nContent-Length: 0\r\n\r\n"

FIN, SYN, ACK = 0x01, 0x02, 0x10

Endpoint: TypeAlias = tuple[bytes, int]

_CLIENT, _SERVER = (bytes([192, 0, 2, 10]), 50001), (bytes([198, 51, 100, 20]), 80)
_ETHERNET = bytes.fromhex(
    "020000000002"  # destination
    "020000000001"  # source
    "0800"  # IPv4
)


def _frame(source: Endpoint, target: Endpoint, seq: int, ack: int, flags: int, payload: bytes = b"") -> bytes:
    """One segment; checksums are left 0, as offload leaves them."""
    tcp = struct.pack(">HHIIBBHHH", source[1], target[1], seq, ack, 5 << 4, flags, 65535, 0, 0)
    ip = struct.pack(">BBHHHBBH", 0x45, 0, 40 + len(payload), 0, 0, 64, 6, 0) + source[0] + target[0]
    return _ETHERNET + ip + tcp + payload


def frames() -> list[bytes]:
    """Handshake, request, answer, and the end from both sides."""
    asked, answered = 1001 + len(REQUEST), 5001 + len(RESPONSE)
    return [
        _frame(_CLIENT, _SERVER, 1000, 0, SYN),
        _frame(_SERVER, _CLIENT, 5000, 1001, SYN | ACK),
        _frame(_CLIENT, _SERVER, 1001, 5001, ACK),
        _frame(_CLIENT, _SERVER, 1001, 5001, ACK, REQUEST),
        _frame(_SERVER, _CLIENT, 5001, asked, ACK, RESPONSE),
        _frame(_SERVER, _CLIENT, answered, asked, FIN | ACK),
        _frame(_CLIENT, _SERVER, asked, answered + 1, FIN | ACK),
        _frame(_SERVER, _CLIENT, answered + 1, asked + 1, ACK),
    ]


def pcap() -> bytes:
    """A pcap file, little-endian, microseconds, Ethernet; a millisecond between the frames."""
    header = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 1)
    records = [
        struct.pack("<IIII", 1_795_487_450, 1000 * number, len(frame), len(frame)) + frame
        for number, frame in enumerate(frames())
    ]
    return header + b"".join(records)
