"""TCP segments of many connections, and the pcap records that hold them (Ethernet, IPv4, TCP, right checksums)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

PCAP_FILE_HEADER = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262_144, 1)  # microseconds, Ethernet
EPOCH_S = 1_767_225_600  # 2026-01-01T00:00:00Z, the time of the first frame

FIN, SYN, PSH, ACK = 0x01, 0x02, 0x08, 0x10

RECORD = np.dtype(
    [
        ("time_s", "<u4"),
        ("time_us", "<u4"),
        ("captured_length", "<u4"),
        ("original_length", "<u4"),
        ("mac", "u1", 12),
        ("ethertype", ">u2"),
        ("version_ihl", "u1"),
        ("tos", "u1"),
        ("total_length", ">u2"),
        ("identification", ">u2"),
        ("fragment", ">u2"),
        ("ttl", "u1"),
        ("protocol", "u1"),
        ("ip_checksum", ">u2"),
        ("source", ">u4"),
        ("destination", ">u4"),
        ("source_port", ">u2"),
        ("destination_port", ">u2"),
        ("sequence", ">u4"),
        ("acknowledgment", ">u4"),
        ("data_offset", "u1"),
        ("flags", "u1"),
        ("window", ">u2"),
        ("tcp_checksum", ">u2"),
        ("urgent", ">u2"),
    ]
)
RECORD_HEADER, ETHERNET_HEADER, IP_HEADER, TCP_HEADER = 16, 14, 20, 20
IP_START = RECORD_HEADER + ETHERNET_HEADER
TCP_START = IP_START + IP_HEADER


class Address(NamedTuple):
    """An IPv4 address as an integer, and a port."""

    ip: int
    port: int


class Segment(NamedTuple):
    """One TCP segment; `time_us` counts from the first frame."""

    time_us: int
    source: Address
    destination: Address
    sequence: int
    acknowledgment: int
    flags: int
    payload: bytes


def _fold(total: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The Internet checksum of sums of 16-bit words, RFC 1071."""
    total = (total & 0xFFFF) + (total >> 16)
    total = (total & 0xFFFF) + (total >> 16)
    return 0xFFFF - ((total & 0xFFFF) + (total >> 16))


def _payload_sums(payloads: Sequence[bytes], lengths: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Per segment the sum of the 16-bit words of its payload; an odd one is padded with a zero byte."""
    sums = np.zeros(len(payloads), np.uint64)
    even = lengths + (lengths & 1)
    words = np.frombuffer(b"".join(each + b"\0" if len(each) & 1 else each for each in payloads), ">u2")
    filled = np.flatnonzero(lengths)
    if len(filled):
        starts = (np.cumsum(even) - even)[filled] // 2
        sums[filled] = np.add.reduceat(words, starts.astype(np.intp), dtype=np.uint64)
    return sums


def _headers(segments: Sequence[Segment], lengths: NDArray[np.uint64]) -> NDArray[np.void]:
    """All headers but the checksums."""
    times, sources, destinations, sequences, acknowledgments, flags, _ = zip(*segments, strict=True)
    records = np.zeros(len(segments), RECORD)
    microseconds = np.array(times, np.int64)
    records["time_s"] = EPOCH_S + microseconds // 1_000_000
    records["time_us"] = microseconds % 1_000_000
    records["captured_length"] = records["original_length"] = lengths + ETHERNET_HEADER + IP_HEADER + TCP_HEADER
    records["mac"] = np.frombuffer(bytes.fromhex("020000000001020000000002"), np.uint8)
    records["ethertype"] = 0x0800
    records["version_ihl"] = 0x45
    records["total_length"] = lengths + IP_HEADER + TCP_HEADER
    records["identification"] = np.arange(len(segments)) & 0xFFFF
    records["fragment"] = 0x4000  # don't fragment
    records["ttl"] = 64
    records["protocol"] = 6
    for name, ends in (("source", sources), ("destination", destinations)):
        pairs = np.array(ends, np.int64)
        records[name], records[f"{name}_port"] = pairs[:, 0], pairs[:, 1]
    records["sequence"] = np.array(sequences, np.int64) & 0xFFFFFFFF
    records["acknowledgment"] = np.array(acknowledgments, np.int64) & 0xFFFFFFFF
    records["data_offset"] = 5 << 4
    records["flags"] = flags
    records["window"] = 0xFFFF
    return records


def _header_sum(records: NDArray[np.void], start: int, end: int) -> NDArray[np.uint64]:
    """Per record the sum of the 16-bit words of its bytes `start` to `end`."""
    rows = records.view(np.uint8).reshape(len(records), RECORD.itemsize)
    words: NDArray[np.uint64] = np.ascontiguousarray(rows[:, start:end]).view(">u2").sum(axis=1, dtype=np.uint64)
    return words


def pcap_records(segments: Sequence[Segment]) -> bytes:
    """The records of `segments`, in the order of their times."""
    ordered = sorted(segments, key=lambda each: each.time_us)
    payloads = [each.payload for each in ordered]
    lengths = np.array([len(each) for each in payloads], np.uint64)
    records = _headers(ordered, lengths)
    records["ip_checksum"] = _fold(_header_sum(records, IP_START, TCP_START))
    pseudo_header = _header_sum(records, TCP_START - 8, TCP_START) + 6 + TCP_HEADER + lengths
    records["tcp_checksum"] = _fold(
        pseudo_header + _header_sum(records, TCP_START, RECORD.itemsize) + _payload_sums(payloads, lengths)
    )
    heads = records.tobytes()
    size = RECORD.itemsize
    pieces: list[bytes] = [b""] * (2 * len(ordered))
    pieces[::2] = [heads[at : at + size] for at in range(0, len(heads), size)]
    pieces[1::2] = payloads
    return b"".join(pieces)
