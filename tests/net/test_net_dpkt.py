"""dpkt, which decodes frame by frame, is the second opinion on the columns of the fast lane."""

from __future__ import annotations

from pathlib import Path

import dpkt
import pytest

from tlsdecrypt.capture.inputs import open_capture
from tlsdecrypt.net.columns import read_fast_lane

CAPTURES = Path(__file__).parents[2] / "captures"
PLAIN = sorted(path for path in CAPTURES.glob("*.pcap") if path.name not in ("cut.pcap", "linux-cooked.pcap"))


def by_dpkt(path: Path) -> list[tuple[int, int, int, int, int, int, bytes]]:
    """Frame number, ports, seq, ack, flags and payload of each TCP segment."""
    found = []
    with path.open("rb") as file:
        for number, (_, frame) in enumerate(dpkt.pcap.UniversalReader(file), 1):
            datagram = dpkt.ethernet.Ethernet(frame).data
            if isinstance(datagram, dpkt.ip.IP | dpkt.ip6.IP6) and isinstance(datagram.data, dpkt.tcp.TCP):
                tcp = datagram.data
                found.append((number, tcp.sport, tcp.dport, tcp.seq, tcp.ack, tcp.flags & 0x17, bytes(tcp.data)))
    return found


def by_columns(path: Path) -> list[tuple[int, int, int, int, int, int, bytes]]:
    found = []
    with open_capture(str(path)) as capture:
        for batch in capture:
            rows = read_fast_lane(batch).segments
            for i, frame in enumerate(rows.frame.tolist()):
                payload = batch.data[rows.start[i] : rows.start[i] + rows.length[i]]
                ports = (int(rows.source_port[i]), int(rows.destination_port[i]))
                numbers = (int(rows.seq[i]), int(rows.ack[i]), int(rows.flags[i]) & 0x17)
                found.append((batch.first_number + frame, *ports, *numbers, bytes(payload)))
    return found


@pytest.mark.parametrize("path", PLAIN, ids=lambda path: path.name)
def test_every_segment_of_a_sample_capture_is_as_dpkt_reads_it(path: Path) -> None:
    assert by_columns(path) == by_dpkt(path)
