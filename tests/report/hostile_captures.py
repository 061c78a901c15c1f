"""A capture of a stranger who knows HTML: markup in the name of TLS, in the request target, in fields, in contents."""

from __future__ import annotations

import struct

from recorded_captures import frames_of, pcap

from tlsdecrypt.flow import Direction

MARKUP = "<script>alert('pwned')</script><img src=x onerror=alert(1)>\"'><b>"
URL = MARKUP.replace(" ", "/")  # a target holds no blank


def client_hello(server_name: bytes) -> bytes:
    """A record with a ClientHello, RFC 5246 section 7.4.1.2, that asks for `server_name` (RFC 6066 section 3)."""
    name = struct.pack(">BH", 0, len(server_name)) + server_name
    extension = struct.pack(">HHH", 0, len(name) + 2, len(name)) + name
    body = b"\x03\x03" + bytes(32) + b"\x00" + b"\x00\x02\x00\x9c" + b"\x01\x00" + struct.pack(">H", len(extension))
    body += extension
    message = b"\x01" + struct.pack(">I", len(body))[1:] + body
    return b"\x16\x03\x01" + struct.pack(">H", len(message)) + message


def hostile_pcap() -> bytes:
    """Two connections: a TLS handshake that stops behind the hello, and an HTTP exchange in the clear."""
    up, down = Direction
    request = (
        f"GET /{URL}?q={URL} HTTP/1.1\r\nHost: {URL}\r\nUser-Agent: {MARKUP}\r\nX-{URL}: =cmd|'x'!A0\r\n\r\n"
    ).encode()
    content = f"<a>{MARKUP}</a>\u202e\x1b[31m".encode()
    answer = (
        f"HTTP/1.1 500 {MARKUP}\r\nContent-Type: text/html{MARKUP}\r\nLocation: javascript:{URL}\r\n"
        f"Content-Length: {len(content)}\r\n\r\n"
    ).encode() + content
    hello = client_hello(MARKUP.encode())
    return pcap(
        [
            *frames_of([(up, hello)], ports=(50_001, 443)),
            *frames_of([(up, request), (down, answer)], ports=(50_002, 80), start_ms=100),
        ]
    )
