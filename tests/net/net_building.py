"""Frames and batches for the tests of the net layer, built field by field."""

from __future__ import annotations

import socket
import struct
from typing import TYPE_CHECKING

import numpy as np

from tlsdecrypt.capture.frames import FrameBatch
from tlsdecrypt.flow import Direction
from tlsdecrypt.net.connection import ConnectionTable
from tlsdecrypt.net.events import StreamData, StreamGap

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tlsdecrypt.net.events import StreamEvent
    from tlsdecrypt.net.tcp import TcpConnection

FIN, SYN, RST, PSH, ACK = 0x01, 0x02, 0x04, 0x08, 0x10
CLIENT, SERVER = "192.0.2.1", "192.0.2.2"
CLIENT_PORT, SERVER_PORT = 49152, 443
MILLISECOND = 1_000_000
SECOND = 1_000_000_000


def tcp(
    seq: int, payload: bytes = b"", flags: int = ACK, ack: int = 0, *, back: bool = False, window: int = 0xFFFF
) -> bytes:
    """A TCP segment from the client, or `back` from the server."""
    ports = (SERVER_PORT, CLIENT_PORT) if back else (CLIENT_PORT, SERVER_PORT)
    return struct.pack(">HHIIBBHHH", *ports, seq % 2**32, ack % 2**32, 5 << 4, flags, window, 0, 0) + payload


def udp(source: int, destination: int, payload: bytes) -> bytes:
    return struct.pack(">HHHH", source, destination, 8 + len(payload), 0) + payload


def ipv4(
    payload: bytes,
    protocol: int = 6,
    *,
    back: bool = False,
    total: int | None = None,
    fragment: int = 0,
    options: bytes = b"",
    identification: int = 1,
) -> bytes:
    source, destination = (SERVER, CLIENT) if back else (CLIENT, SERVER)
    header = 20 + len(options)
    total = header + len(payload) if total is None else total
    return (
        struct.pack(">BBHHHBBH", 0x40 | header // 4, 0, total, identification, fragment, 64, protocol, 0)
        + socket.inet_aton(source)
        + socket.inet_aton(destination)
        + options
        + payload
    )


def ipv6(payload: bytes, protocol: int = 6, *, length: int | None = None) -> bytes:
    length = len(payload) if length is None else length
    addresses = socket.inet_pton(socket.AF_INET6, "2001:db8::1") + socket.inet_pton(socket.AF_INET6, "2001:db8::2")
    return struct.pack(">IHBB", 6 << 28, length, protocol, 64) + addresses + payload


def ethernet(payload: bytes, ethertype: int = 0x0800, tags: Sequence[int] = ()) -> bytes:
    stack = b"".join(struct.pack(">HH", tag, 7) for tag in tags)
    return b"\x02\x00\x00\x00\x00\x01" + b"\x02\x00\x00\x00\x00\x02" + stack + struct.pack(">H", ethertype) + payload


def segment(
    seq: int, payload: bytes = b"", flags: int = ACK, ack: int = 0, *, back: bool = False, **header: int
) -> bytes:
    """A segment in IPv4 in Ethernet."""
    return ethernet(ipv4(tcp(seq, payload, flags, ack, back=back), back=back, **header))


def batch_of(
    frames: Sequence[bytes],
    *,
    link_type: int = 1,
    times_ns: Sequence[int] | None = None,
    first_number: int = 1,
    original_lengths: Sequence[int] | None = None,
) -> FrameBatch:
    """A batch as a reader makes it: frames with something between them. Frames are a millisecond apart."""
    parts, offsets, position = [], [], 0
    for frame in frames:
        parts += [b"\xee" * 16, frame]
        offsets.append(position + 16)
        position += 16 + len(frame)
    lengths = np.array([len(frame) for frame in frames], np.int64)
    if times_ns is None:
        times_ns = [(first_number + index) * MILLISECOND for index in range(len(frames))]
    return FrameBatch(
        b"".join(parts),
        np.array(offsets, np.int64),
        lengths,
        lengths if original_lengths is None else np.array(original_lengths, np.int64),
        np.array(times_ns, np.int64),
        np.full(len(frames), link_type, np.int64),
        first_number,
    )


class Heard:
    """All events of a capture, by connection."""

    def __init__(self) -> None:
        self.table = ConnectionTable()
        self.connections: list[TcpConnection] = []
        self.events: dict[int, list[StreamEvent]] = {}

    def feed(self, batch: FrameBatch) -> Heard:
        self._take(self.table.feed(batch))
        return self

    def finish(self) -> Heard:
        self._take(self.table.finish())
        return self

    def _take(self, happenings: Iterable[tuple[TcpConnection, list[StreamEvent]]]) -> None:
        for connection, events in happenings:
            if connection.id not in self.events:
                self.connections.append(connection)
            self.events.setdefault(connection.id, []).extend(events)

    def stream(self, number: int = 1, direction: Direction = Direction.CLIENT_TO_SERVER) -> bytes:
        """The data of one direction, with a `?` for each byte of a gap."""
        parts = []
        for event in self.events.get(number, ()):
            if event.direction is direction and isinstance(event, StreamData):
                assert event.offset == sum(map(len, parts))
                parts.append(event.data)
            elif event.direction is direction and isinstance(event, StreamGap):
                assert event.offset == sum(map(len, parts))
                parts.append(b"?" * (event.length or 0))
        return b"".join(parts)

    def names(self, number: int = 1) -> list[str]:
        return [type(event).__name__ for event in self.events.get(number, ())]


def hear(frames: Sequence[bytes], *, per_batch: int | None = None, times_ns: Sequence[int] | None = None) -> Heard:
    """All that a capture of `frames` tells, fed in batches of `per_batch` frames."""
    heard = Heard()
    size = per_batch or max(len(frames), 1)
    for first in range(0, len(frames), size):
        times = None if times_ns is None else times_ns[first : first + size]
        heard.feed(batch_of(frames[first : first + size], first_number=first + 1, times_ns=times))
    return heard.finish()


def handshake(client_isn: int = 1000, server_isn: int = 5000) -> list[bytes]:
    return [
        segment(client_isn, flags=SYN),
        segment(server_isn, flags=SYN | ACK, ack=client_isn + 1, back=True),
        segment(client_isn + 1, ack=server_isn + 1),
    ]
