"""Captures that are made from recorded ones: damaged, cut, one-sided, reordered, and in other formats."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

from capture_lab.frames import (
    NANOSECONDS,
    connections,
    damage,
    read_pcap,
    segment_of,
    sent_from,
    surviving,
    tagged,
    write_pcap,
)
from capture_lab.network import run

if TYPE_CHECKING:
    from pathlib import Path

HTTPS = 443
LOSSES, SEED = 5, 2024
CUT_BYTES = 61_000  # of openssl-bulk: within a frame of the page
MIDDLE = slice(40, 110)


def convert(source: Path, target: Path, *options: str) -> None:
    """A pcap as pcapng, by editcap."""
    run(["editcap", "-F", "pcapng", *options, str(source), str(target)])


def make_formats(small: Path, captures: Path) -> None:
    """One small recording in other clothes."""
    recording = read_pcap(small)
    write_pcap(captures / "vlan.pcap", tagged(recording))
    write_pcap(captures / "nanosecond-big-endian.pcap", recording, ">", NANOSECONDS)
    (captures / "gzip.pcap.gz").write_bytes(gzip.compress(small.read_bytes(), mtime=0))
    write_pcap(captures / "one-way.pcap", sent_from(recording, HTTPS))


def make_resumptions(resumed: Path, captures: Path) -> None:
    """The resumed connection before its parent, and without it."""
    recording = read_pcap(resumed)
    parent, child = connections(recording, HTTPS)
    write_pcap(captures / "openssl-child-first.pcap", recording.with_frames([*child.frames, *parent.frames]))
    write_pcap(captures / "openssl-child-only.pcap", child)


def make_damaged(bulk: Path, captures: Path) -> dict[str, list[bool]]:
    """Captures that lack something; for each, which of the server's application data records are still whole."""
    recording = read_pcap(bulk)
    damaged = damage(recording, HTTPS, LOSSES, SEED)
    write_pcap(captures / "damaged.pcap", damaged)
    (captures / "cut.pcap").write_bytes(bulk.read_bytes()[:CUT_BYTES])
    cut = [frame for frame in read_pcap(captures / "cut.pcap").frames if frame in recording.frames]
    tcp = [frame for frame in recording.frames if segment_of(frame)]
    write_pcap(captures / "middle.pcap", recording.with_frames(tcp[MIDDLE]))
    return {
        "damaged.pcap": surviving(recording, HTTPS, damaged.frames),
        "cut.pcap": surviving(recording, HTTPS, cut),
    }
