"""Captures of recorded sessions: TCP over IPv4 in Ethernet frames, as pcap and pcapng files."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from tlsdecrypt.flow import Direction

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from observing import Flight

FIN, SYN, ACK = 0x01, 0x02, 0x10
START_NS = 1_795_487_450_000_000_000
MILLISECOND = 1_000_000
SEGMENT = 1_400

Timed = tuple[int, bytes]  # nanoseconds, frame

_ETHERNET = bytes.fromhex("020000000002 020000000001 0800")
_ADDRESSES = bytes([192, 0, 2, 10]), bytes([198, 51, 100, 20])


class _Wire:
    """Writes frames of one connection, one after the other."""

    def __init__(self, ports: tuple[int, int], start_ms: int) -> None:
        self._ports = ports
        self._next = [1_000, 5_000]
        self._time_ns = START_NS + start_ms * MILLISECOND
        self.frames: list[Timed] = []

    def send(self, direction: Direction, flags: int, payload: bytes = b"", *, is_captured: bool = True) -> None:
        ports = self._ports[direction], self._ports[direction.other]
        seq, ack = self._next[direction], self._next[direction.other]
        tcp = struct.pack(">HHIIBBHHH", *ports, seq, ack, 5 << 4, flags, 65535, 0, 0)
        ip = struct.pack(">BBHHHBBH", 0x45, 0, 40 + len(payload), 0, 0, 64, 6, 0)
        ip += _ADDRESSES[direction] + _ADDRESSES[direction.other]
        if is_captured:
            self.frames.append((self._time_ns, _ETHERNET + ip + tcp + payload))
        self._time_ns += MILLISECOND
        self._next[direction] += len(payload) + bool(flags & (SYN | FIN))


def frames_of(
    flights: Sequence[Flight],
    ports: tuple[int, int] = (50_001, 443),
    *,
    start_ms: int = 0,
    has_syn: bool = True,
    lost: frozenset[int] = frozenset(),
) -> list[Timed]:
    """All frames of one connection, from SYN to FIN; the flights numbered in `lost` were not captured."""
    wire = _Wire(ports, start_ms)
    up, down = Direction
    for direction, flags in ((up, SYN), (down, SYN | ACK), (up, ACK)):
        wire.send(direction, flags, is_captured=has_syn)
    for number, (direction, data) in enumerate(flights):
        for place in range(0, len(data or b""), SEGMENT):
            wire.send(direction, ACK, (data or b"")[place : place + SEGMENT], is_captured=number not in lost)
        wire.send(direction.other, ACK)
    for direction in (up, down):
        wire.send(direction, FIN | ACK)
    wire.send(up, ACK)
    return wire.frames


def pcap(frames: Iterable[Timed]) -> bytes:
    """A file of nanosecond pcap, in the order of time."""
    out = [struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 262_144, 1)]
    for time_ns, frame in sorted(frames):
        seconds, rest = divmod(time_ns, 1_000_000_000)
        out.append(struct.pack("<IIII", seconds, rest, len(frame), len(frame)) + frame)
    return b"".join(out)


def _block(kind: int, body: bytes) -> bytes:
    body += bytes(-len(body) % 4)
    length = struct.pack("<I", len(body) + 12)
    return struct.pack("<I", kind) + length + body + length


def pcapng(frames: Iterable[Timed], key_log: bytes = b"") -> bytes:
    """A pcapng file with its key log in a Decryption Secrets Block at the end."""
    out = [_block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1)), _block(1, struct.pack("<HHI", 1, 0, 0))]
    for time_ns, frame in sorted(frames):
        ticks = time_ns // 1_000
        out.append(_block(6, struct.pack("<IIIII", 0, ticks >> 32, ticks & 0xFFFFFFFF, len(frame), len(frame)) + frame))
    if key_log:
        out.append(_block(10, struct.pack("<II", 0x544C534B, len(key_log)) + key_log))
    return b"".join(out)
