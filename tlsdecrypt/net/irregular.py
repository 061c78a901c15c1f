"""The irregular lane: frame by frame, through tunnels, extension headers and fragments.

The packet classes of dpkt are not used: they decode eagerly down the whole stack (a frame with a thousand nested
headers ends in a RecursionError), copy the rest of the frame at each layer, and lose where in the frame a payload
lies. Here a cursor moves over the batch's own buffer, and the depth is bounded.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from tlsdecrypt.errors import ParseError
from tlsdecrypt.net.cursor import Cursor, Fragment, Namespace, NextLayer, Other, TcpSegment
from tlsdecrypt.net.datagrams import ETHERTYPE_DATAGRAMS, IP_PAYLOADS
from tlsdecrypt.net.fragments import FragmentStore
from tlsdecrypt.net.links import ETHERTYPE_LAYERS, LINK_LAYERS
from tlsdecrypt.net.protocols import FRAGMENT, MALFORMED, describe_ethertype, describe_protocol
from tlsdecrypt.net.segments import SegmentRow
from tlsdecrypt.net.tunnels import IP_TUNNELS, UDP_TUNNELS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tlsdecrypt.capture.frames import FrameBatch
    from tlsdecrypt.net.cursor import LayerTable, Outcome
    from tlsdecrypt.net.surroundings_reader import SurroundingsReader

LAYERS_MAX = 32  # headers in one frame; more is no traffic but an attempt

_LAYERS: Mapping[Namespace, LayerTable] = {
    Namespace.LINK_TYPE: LINK_LAYERS,
    Namespace.ETHERTYPE: {**ETHERTYPE_LAYERS, **ETHERTYPE_DATAGRAMS},
    Namespace.IP_PROTOCOL: {**IP_PAYLOADS, **IP_TUNNELS},
    Namespace.UDP_PORT: UDP_TUNNELS,
}


class IrregularLane:
    """Frames that the fast lane left, one by one.

    After `feed`, `side_buffer` holds the payloads of that batch's segments that came in fragments.
    """

    def __init__(self, surroundings: SurroundingsReader | None = None) -> None:
        """`surroundings` is given the frames without TCP."""
        self._surroundings = surroundings
        self.other_frames: Counter[str] = Counter()
        self.side_buffer = bytearray()
        self._fragments = FragmentStore()

    def feed(self, batch: FrameBatch, frames: Iterable[int]) -> list[SegmentRow]:
        """The TCP segments in `frames` (indices into the batch). All other frames are counted by a word."""
        self.side_buffer = bytearray()
        rows = []
        for frame in frames:
            result = self._read(batch, frame)
            if isinstance(result, SegmentRow):
                rows.append(result)
            else:
                self.other_frames[result] += 1
        return rows

    def look(self, batch: FrameBatch, frames: Iterable[int]) -> None:
        """Frames without TCP that were counted before: only the surroundings are told."""
        for frame in frames:
            self._read(batch, frame)

    def _read(self, batch: FrameBatch, frame: int) -> SegmentRow | str:
        offset, captured = int(batch.offset[frame]), int(batch.captured_length[frame])
        wire_end = offset + max(captured, int(batch.original_length[frame]))
        cursor = Cursor(batch.data, offset, offset + captured, wire_end)
        outcome: Outcome = NextLayer(Namespace.LINK_TYPE, int(batch.link_type[frame]))
        for _ in range(LAYERS_MAX):
            if isinstance(outcome, Fragment):
                payload = self._fragments.feed(outcome, int(batch.time_ns[frame]))
                if payload is None:
                    return FRAGMENT
                cursor, outcome = _reassembled(cursor, outcome, payload)
            try:
                outcome = _read_layer(cursor, outcome)
            except ParseError:
                return MALFORMED
            if isinstance(outcome, Other):
                if self._surroundings is not None:
                    self._surroundings.take(outcome, cursor, batch, frame)
                return outcome.word
            if isinstance(outcome, TcpSegment):
                return self._row(batch, frame, cursor, outcome)
        return "too many headers"

    def _row(self, batch: FrameBatch, frame: int, cursor: Cursor, segment: TcpSegment) -> SegmentRow:
        start, length = cursor.start, max(cursor.remaining, 0)
        missing = cursor.wire_end - start - length
        network = cursor.network
        if cursor.data is not batch.data:
            network = -1
            payload = cursor.data[start : start + length]
            start = len(batch.data) + len(self.side_buffer)
            self.side_buffer += payload
        return SegmentRow(frame, cursor.source, cursor.destination, *segment, start, length, missing, network)


def _read_layer(cursor: Cursor, layer: Outcome) -> Outcome:
    if not isinstance(layer, NextLayer):
        return layer
    namespace, number = layer
    read = _LAYERS[namespace].get(number)
    return Other(_describe(namespace, number)) if read is None else read(cursor)


def _reassembled(cursor: Cursor, fragment: Fragment, payload: bytes) -> tuple[Cursor, NextLayer]:
    """A cursor over the whole payload of a datagram that came in fragments."""
    whole = Cursor(payload, 0, len(payload), len(payload))
    whole.source, whole.destination = cursor.source, cursor.destination
    return whole, NextLayer(Namespace.IP_PROTOCOL, fragment.protocol)


def _describe(namespace: Namespace, number: int) -> str:
    if namespace is Namespace.ETHERTYPE:
        return describe_ethertype(number)
    return describe_protocol(number) if namespace is Namespace.IP_PROTOCOL else f"unknown {namespace.value} {number}"
