"""One TCP connection as a capture shows it: handshake, flights cut into segments, acknowledgments, end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench_lab.segments import ACK, FIN, PSH, SYN, Address, Segment

if TYPE_CHECKING:
    from collections.abc import Iterator

SEGMENT_BYTES = 1_460  # of 1,500-byte datagrams
FRAME_US = 12  # one full frame on a link of 1 Gbit/s
BURST_SEGMENTS = 10  # what a sender puts on the wire at once: the initial window of RFC 6928


class TcpConnection:
    """A client and a server that send flights in turn; segments come out as they would be captured between them."""

    def __init__(self, client: Address, server: Address) -> None:
        """Both sequence numbers start near the end of their range, so that long streams wrap."""
        self._ends = (client, server)
        self._next = [0xFFF00000 + client.port, 0xFFE00000 + client.port]

    def way(self, sender: int) -> tuple[Address, Address]:
        """From whom to whom the segments of `sender` go."""
        return self._ends[sender], self._ends[1 - sender]

    def _segment(self, time_us: int, sender: int, flags: int, payload: bytes = b"") -> Segment:
        start = self._next[sender]
        self._next[sender] += len(payload) + bool(flags & (SYN | FIN))
        acknowledged = self._next[1 - sender] if flags & ACK else 0
        return Segment(time_us, self._ends[sender], self._ends[1 - sender], start, acknowledged, flags, payload)

    def open(self, time_us: int) -> list[Segment]:
        """SYN, SYN and ACK, ACK."""
        flags = ((0, SYN), (1, SYN | ACK), (0, ACK))
        return [self._segment(time_us + i * FRAME_US, who, what) for i, (who, what) in enumerate(flags)]

    def close(self, time_us: int, farewell: bytes) -> list[Segment]:
        """FIN of the client (with its last bytes), FIN of the server, ACK."""
        last = self._segment(time_us, 0, FIN | PSH | ACK, farewell)
        return [
            last,
            self._segment(time_us + FRAME_US, 1, FIN | ACK),
            self._segment(time_us + 2 * FRAME_US, 0, ACK),
        ]

    def send(self, time_us: int, sender: int, data: bytes, share: int = 1) -> Iterator[Segment]:
        """`data` in segments, the receiver acknowledges every second one.

        The link is shared by `share` connections that take turns of BURST_SEGMENTS, one connection a turn.
        """
        for index, at in enumerate(range(0, len(data), SEGMENT_BYTES)):
            burst, place = divmod(index, BURST_SEGMENTS)
            now = time_us + (burst * share * BURST_SEGMENTS + place) * FRAME_US
            last = at + SEGMENT_BYTES >= len(data)
            yield self._segment(now, sender, PSH | ACK if last else ACK, data[at : at + SEGMENT_BYTES])
            if index & 1:
                yield self._segment(now + FRAME_US // 2, 1 - sender, ACK)


def flight_us(length: int, share: int = 1) -> int:
    """How long `length` bytes take to send on a link that `share` connections use."""
    bursts = -(-length // (SEGMENT_BYTES * BURST_SEGMENTS))
    return bursts * BURST_SEGMENTS * share * FRAME_US
