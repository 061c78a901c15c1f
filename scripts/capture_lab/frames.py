"""Recorded frames as values: read from the pcap that tcpdump wrote, rewritten, and written in other formats."""

from __future__ import annotations

import random
import struct
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

ETHERNET = 1
MICROSECONDS, NANOSECONDS = 0xA1B2C3D4, 0xA1B23C4D
SNAP_LENGTH = 262_144
APPLICATION_DATA = 23
HANDSHAKE_FRAMES = 16  # of a recording of one connection: never lost by `damage`
VLAN_TAG = bytes.fromhex("8100 2064")  # 802.1Q, priority 1, VLAN 100


class Frame(NamedTuple):
    """One frame: nanoseconds since 1970, and the bytes from the link-layer header on."""

    time_ns: int
    data: bytes


class Segment(NamedTuple):
    """The TCP part of an Ethernet and IPv4 frame."""

    source_port: int
    sequence: int
    is_syn: bool
    payload: bytes


@dataclass(frozen=True)
class Recording:
    """Frames of one link type in the order of a capture file."""

    frames: tuple[Frame, ...] = field(repr=False)
    link_type: int = ETHERNET

    def with_frames(self, frames: Iterable[Frame]) -> Recording:
        """The same link, other frames; the times stay in the order of the file."""
        chosen = list(frames)
        times = sorted(frame.time_ns for frame in chosen)
        return replace(
            self, frames=tuple(Frame(time_ns, frame.data) for time_ns, frame in zip(times, chosen, strict=True))
        )


def read_pcap(path: Path) -> Recording:
    """A pcap in this machine's usual form: little-endian, microseconds."""
    data = path.read_bytes()
    frames, offset = [], 24
    while offset < len(data):
        seconds, microseconds, length, _ = struct.unpack_from("<4I", data, offset)
        offset += 16
        frames.append(Frame(seconds * 10**9 + microseconds * 1000, data[offset : offset + length]))
        offset += length
    return Recording(tuple(frames), struct.unpack_from("<I", data, 20)[0])


def write_pcap(path: Path, recording: Recording, order: str = "<", magic: int = MICROSECONDS) -> None:
    """A pcap in either byte order (`<`, `>`), with micro- or nanoseconds."""
    unit = 1000 if magic == MICROSECONDS else 1
    parts = [struct.pack(f"{order}IHHiIII", magic, 2, 4, 0, 0, SNAP_LENGTH, recording.link_type)]
    for time_ns, data in recording.frames:
        seconds, rest = divmod(time_ns, 10**9)
        parts.append(struct.pack(f"{order}4I", seconds, rest // unit, len(data), len(data)) + data)
    path.write_bytes(b"".join(parts))


def segment_of(frame: Frame) -> Segment | None:
    """The TCP segment in an Ethernet and IPv4 frame, None for anything else."""
    data = frame.data
    if data[12:14] != b"\x08\x00" or data[23] != 6:  # noqa: PLR2004 - IPv4, TCP
        return None
    start = 14 + 4 * (data[14] & 15)
    source_port, _, sequence, _, header, flags = struct.unpack_from(">HHIIBB", data, start)
    end = 14 + struct.unpack_from(">H", data, 16)[0]
    return Segment(source_port, sequence, bool(flags & 2), data[start + 4 * (header >> 4) : end])


def tagged(recording: Recording) -> Recording:
    """Each frame with an 802.1Q tag behind its addresses."""
    frames = (Frame(time_ns, data[:12] + VLAN_TAG + data[12:]) for time_ns, data in recording.frames)
    return replace(recording, frames=tuple(frames))


def sent_from(recording: Recording, port: int) -> Recording:
    """Only the TCP frames that were sent from `port`."""
    kept = (frame for frame in recording.frames if (segment := segment_of(frame)) and segment.source_port == port)
    return recording.with_frames(kept)


def connections(recording: Recording, server_port: int) -> list[Recording]:
    """One recording for each client port, in the order of the first frames."""
    by_port: dict[int, list[Frame]] = {}
    for frame in recording.frames:
        if segment := segment_of(frame):
            port = segment.source_port
            if port == server_port:
                port = int.from_bytes(
                    frame.data[36:38], "big"
                )  # the client's, in a TCP header behind a bare IPv4 header
            by_port.setdefault(port, []).append(frame)
    return [recording.with_frames(frames) for frames in by_port.values()]


def damage(recording: Recording, server_port: int, losses: int, seed: int) -> Recording:
    """Loss, duplicates and reordering, as a bad mirror port makes them.

    Lost are `losses` full segments of the server, none of them part of the handshake; every tenth frame comes twice,
    and frames change places within groups of four.
    """
    chance = random.Random(seed)  # noqa: S311 - the same damage each time
    body = list(recording.frames[HANDSHAKE_FRAMES:])
    full = [frame for frame in body if (part := segment_of(frame)) and part.source_port == server_port and part.payload]
    lost = chance.sample(full[1:-1], losses)
    kept = [frame for frame in body if frame not in lost]
    doubled = [frame for number, frame in enumerate(kept) for frame in [frame] * (2 if number % 10 == 0 else 1)]
    groups = [doubled[start : start + 4] for start in range(0, len(doubled), 4)]
    shuffled = [frame for group in groups for frame in chance.sample(group, len(group))]
    return recording.with_frames([*recording.frames[:HANDSHAKE_FRAMES], *shuffled])


def surviving(recording: Recording, server_port: int, kept: Sequence[Frame]) -> list[bool]:
    """Which of the server's application data records in `recording` (one connection, whole) lie wholly in `kept`."""
    stream: dict[int, bytes] = {}
    first = 0
    for segment in filter(None, map(segment_of, recording.frames)):
        if segment.source_port == server_port:
            first = segment.sequence + 1 if segment.is_syn else first
            stream[segment.sequence - first] = segment.payload
    there = {
        segment.sequence - first + index
        for segment in filter(None, map(segment_of, kept))
        if segment.source_port == server_port
        for index in range(len(segment.payload))
    }
    data = b"".join(stream[offset] for offset in sorted(stream) if offset >= 0)
    return [there.issuperset(range(start, end)) for start, end in _application_records(data)]


def _application_records(data: bytes) -> Iterable[tuple[int, int]]:
    """Start and end of each application data record in one direction's stream."""
    offset = 0
    while offset + 5 <= len(data):
        end = offset + 5 + int.from_bytes(data[offset + 3 : offset + 5], "big")
        if data[offset] == APPLICATION_DATA:
            yield offset, end
        offset = end
