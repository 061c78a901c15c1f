"""ClearCapture: a capture of made-up frames with what was said on some connections, for a program to read.

Each connection has addresses of its own, begins with a handshake and is without loss but for what is really missing,
so that a dissector meets nothing that it would have to guess. Frames count from 1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO, NamedTuple

import dpkt

from tlsdecrypt.flow import Direction, Span

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_PAYLOAD = 16 << 10  # bytes of one frame
CLIENT_PORT = 50_000  # of no registered protocol

_RAW_IP = 101  # LINKTYPE_RAW
_NETWORKS = (10 << 24, 11 << 24)  # of the clients, of the servers
_ROOM = 1 << 24  # addresses in a network
_FIRST_SEQUENCE = 1000
_SYN, _PSH, _ACK = dpkt.tcp.TH_SYN, dpkt.tcp.TH_PUSH, dpkt.tcp.TH_ACK
_SEQUENCE_MASK = 0xFFFFFFFF


class Said(NamedTuple):
    """Some bytes of one side with the frames that carried them, or a hole: no bytes, but as many are `missing`."""

    direction: Direction
    data: bytes
    first_frame: int
    last_frame: int
    missing: int = 0


class Origin(NamedTuple):
    """Where a made-up frame came from: whose connection it is, and the frames that carried its bytes."""

    connection: int
    span: Span


class ClearCapture:
    """Writes frames to a stream as pcap, and remembers where they came from."""

    def __init__(self, stream: BinaryIO) -> None:
        self._writer = dpkt.pcap.Writer(stream, linktype=_RAW_IP, nano=True)
        self._origins: list[Origin | None] = []
        self._connections = 0

    def origin(self, frame: int) -> Origin | None:
        """Of a made-up frame by its number; None of a handshake, and of what is no frame of this."""
        return self._origins[frame - 1] if 0 < frame <= len(self._origins) else None

    def add(self, connection: int, port: int, said: Iterable[Said]) -> None:
        """One connection with a server at `port`."""
        self._connections = (self._connections + 1) % _ROOM
        sides = _Sides(self._connections, port)
        for direction, flags in (
            (Direction.CLIENT_TO_SERVER, _SYN),
            (Direction.SERVER_TO_CLIENT, _SYN | _ACK),
            (Direction.CLIENT_TO_SERVER, _ACK),
        ):
            self._write(sides.segment(direction, flags), None)
        for each in said:
            sides.skip(each.direction, each.missing)
            origin = Origin(connection, Span(each.first_frame, each.last_frame, 0, 0))
            for start in range(0, len(each.data), MAX_PAYLOAD):
                payload = each.data[start : start + MAX_PAYLOAD]
                self._write(sides.segment(each.direction, _PSH | _ACK, payload), origin)

    def _write(self, frame: bytes, origin: Origin | None) -> None:
        self._origins.append(origin)
        self._writer.writepkt_time(frame, len(self._origins) / 1000)


class _Sides:
    """What both sides of a connection have sent."""

    def __init__(self, number: int, port: int) -> None:
        self._addresses = [(network + number).to_bytes(4, "big") for network in _NETWORKS]
        self._ports = (CLIENT_PORT, port)
        self._next = [_FIRST_SEQUENCE, _FIRST_SEQUENCE]

    def skip(self, direction: Direction, length: int) -> None:
        """Bytes that are missing."""
        self._next[direction] = (self._next[direction] + length) & _SEQUENCE_MASK

    def segment(self, direction: Direction, flags: int, payload: bytes = b"") -> bytes:
        """The next datagram of one side."""
        source, destination = int(direction), 1 - int(direction)
        tcp = dpkt.tcp.TCP(
            sport=self._ports[source],
            dport=self._ports[destination],
            seq=self._next[source],
            ack=self._next[destination] if flags & _ACK else 0,
            flags=flags,
            data=payload,
        )
        self.skip(direction, len(payload) + bool(flags & _SYN))
        datagram = dpkt.ip.IP(
            src=self._addresses[source], dst=self._addresses[destination], p=dpkt.ip.IP_PROTO_TCP, data=tcp
        )
        datagram.len = len(datagram)
        return bytes(datagram)
