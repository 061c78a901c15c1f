"""Headers: what the IP and Ethernet headers of single segments say, read only where it is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tlsdecrypt.net.protocols import VLAN_TAGS_MAX, LinkType

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from tlsdecrypt.capture.frames import FrameBatch
    from tlsdecrypt.net.segments import Segments

    Int64Column = NDArray[np.int64]

_ETHERNET = int(LinkType.ETHERNET)  # compared twice a connection: an int is faster than a member
_ETHERNET_HEADER, _VLAN_TAG, _IPV4, _IPV6 = 14, 4, 4, 6


class SegmentHeader(NamedTuple):
    """One segment. `ttl` is the hop limit in IPv6, which has no `ip_id`. `source_mac` is empty where there is none.

    None stands for what cannot be read (a datagram in fragments).
    """

    frame: int
    time_ns: int
    flags: int
    ttl: int | None
    ip_id: int | None
    source_mac: bytes


class Headers:
    """The segments of a batch in group order."""

    def __init__(self, batch: FrameBatch, segments: Segments, order: Int64Column) -> None:
        """Row `i` is segment `order[i]`."""
        self.data = batch.data
        self._batch = batch
        self._segments = segments
        self._order = order

    def wire_length(self, row: int) -> int:
        """The length of the frame that holds a segment."""
        return int(self._batch.original_length[int(self._segments.frame[int(self._order[row])])])

    def of(self, row: int) -> SegmentHeader:
        """The headers of one segment."""
        batch, segments, segment = self._batch, self._segments, self._order.item(row)
        in_batch = segments.frame.item(segment)
        frame = in_batch + batch.first_number if batch.number is None else batch.number.item(in_batch)
        network, flags = segments.network.item(segment), segments.flags.item(segment)
        ttl, ip_id = _network_fields(batch.data, network)
        is_ethernet = batch.link_type.item(in_batch) == _ETHERNET
        source_mac = _source_mac(batch.data, batch.offset.item(in_batch), network) if is_ethernet else b""
        return SegmentHeader(frame, batch.time_ns.item(in_batch), flags, ttl, ip_id, source_mac)


def _network_fields(data: bytes, network: int) -> tuple[int | None, int | None]:
    version = data[network] >> 4 if network >= 0 else 0
    if version == _IPV4:
        return data[network + 8], data[network + 4] << 8 | data[network + 5]
    return (data[network + 7], None) if version == _IPV6 else (None, None)


def _source_mac(data: bytes, frame: int, network: int) -> bytes:
    """The sender on the link; of a tunnelled datagram it would be the tunnel's."""
    if 0 <= network - frame - _ETHERNET_HEADER <= VLAN_TAGS_MAX * _VLAN_TAG:
        return data[frame + 6 : frame + 12]
    return b""
