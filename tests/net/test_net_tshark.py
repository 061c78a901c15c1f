"""tshark as a second opinion on captures that are made here."""

from __future__ import annotations

import random
import shutil
import struct
import subprocess
from typing import TYPE_CHECKING

import pytest
from net_building import ACK, FIN, RST, SYN, ethernet, handshake, hear, ipv4, ipv6, segment, tcp, udp

from tlsdecrypt.flow import Direction

if TYPE_CHECKING:
    from pathlib import Path

TSHARK = shutil.which("tshark")
pytestmark = pytest.mark.skipif(TSHARK is None, reason="tshark is not installed")

STREAM = bytes(range(256)) * 20
VXLAN = b"\x08\x00\x00\x00\x00\x00\x07\x00"


def write_pcap(path: Path, frames: list[bytes]) -> None:
    records = [
        struct.pack("<IIII", 1, index * 1000, len(frame), len(frame)) + frame for index, frame in enumerate(frames)
    ]
    path.write_bytes(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 0xFFFF, 1) + b"".join(records))


def tshark(path: Path, *options: str) -> list[str]:
    preferences = ["-o", "tcp.reassemble_out_of_order:TRUE", "-o", "ip.defragment:TRUE"]
    command = [str(TSHARK), "-n", "-r", str(path), *preferences, *options]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()


def followed(path: Path, stream: int) -> tuple[bytes, bytes]:
    """What tshark shows of one stream: from its node 0, and from its node 1."""
    lines = tshark(path, "-q", "-z", f"follow,tcp,raw,{stream}")
    body = lines[next(index for index, line in enumerate(lines) if line.startswith("Node 1:")) + 1 : -1]
    mine = b"".join(bytes.fromhex(line) for line in body if not line.startswith("\t"))
    return mine, b"".join(bytes.fromhex(line) for line in body if line.startswith("\t"))


def shuffled(frames: list[bytes], seed: int) -> list[bytes]:
    """Frames that moved by a few places, and some of them twice."""
    chance = random.Random(seed)
    keyed = [(index + chance.uniform(0, 4), frame) for index, frame in enumerate(frames)]
    keyed += [(index + 6, frame) for index, frame in enumerate(frames) if chance.random() < 0.2]
    return [frame for _, frame in sorted(keyed)]


def talk(isn: int) -> list[bytes]:
    return [segment(isn + 1 + at, STREAM[at : at + 300], ack=5001) for at in range(0, len(STREAM), 300)]


CAPTURES = {
    "in order": [*handshake(), *talk(1000)],
    "shuffled and repeated": [*handshake(), *shuffled(talk(1000), 1)],
    "shuffled across the wrap": [*handshake(2**32 - 700), *shuffled(talk(2**32 - 700), 2)],
    "tagged, IPv6 and tunnelled": [
        ethernet(ipv4(tcp(1000, flags=SYN)), tags=[0x88A8, 0x8100]),
        ethernet(ipv4(tcp(1001, b"tagged")), tags=[0x8100]),
        ethernet(ipv6(tcp(1, b"sixth version")), 0x86DD),
        ethernet(ipv4(udp(5000, 4789, VXLAN + ethernet(ipv4(tcp(1007, b" and inside")))), 17)),
    ],
    "reused": [*handshake(), *talk(1000)[:2], *handshake(77_000, 99_000), segment(77_001, b"second", ack=99_001)],
    "ended": [*handshake(), *talk(1000), segment(1001 + len(STREAM), flags=FIN | ACK, ack=5001)],
    "reset": [*handshake(), *talk(1000), segment(1001 + len(STREAM), flags=RST | ACK, ack=5001)],
    "fragmented": [
        *handshake(),
        *(
            ethernet(ipv4(tcp(1001, STREAM)[at : at + 800], fragment=at // 8 | (0x2000 if at + 800 < 5140 else 0)))
            for at in range(0, 5140, 800)
        ),
    ],
}


@pytest.mark.parametrize("frames", CAPTURES.values(), ids=CAPTURES.keys())
def test_streams_and_bytes_are_those_that_tshark_finds(frames: list[bytes], tmp_path: Path) -> None:
    path = tmp_path / "made.pcap"
    write_pcap(path, frames)
    streams = {
        number for line in tshark(path, "-T", "fields", "-e", "tcp.stream") for number in line.split(",") if line
    }
    heard = hear(frames)
    assert len(heard.connections) == len(streams)
    for number, connection in enumerate(heard.connections):
        directions = Direction.CLIENT_TO_SERVER, Direction.SERVER_TO_CLIENT
        assert followed(path, number) == tuple(heard.stream(connection.id, direction) for direction in directions)
