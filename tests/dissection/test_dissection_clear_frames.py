"""The capture that tshark is given: tshark follows it without complaint, and every frame knows where it came from."""

from __future__ import annotations

import io
import subprocess
from typing import TYPE_CHECKING

import dpkt

from tlsdecrypt.dissection.clear_frames import MAX_PAYLOAD, ClearCapture, Said
from tlsdecrypt.flow import Direction

if TYPE_CHECKING:
    from pathlib import Path

UP, DOWN = Direction.CLIENT_TO_SERVER, Direction.SERVER_TO_CLIENT
LONG = bytes(range(256)) * (MAX_PAYLOAD // 256) + b"the end"


def captured(*talks: list[Said]) -> tuple[bytes, ClearCapture]:
    stream = io.BytesIO()
    capture = ClearCapture(stream)
    for number, talk in enumerate(talks, 7):
        capture.add(number, 389, talk)
    return stream.getvalue(), capture


def test_every_byte_stands_in_a_frame_that_knows_its_connection_and_frames() -> None:
    data, capture = captured([Said(UP, LONG, 10, 12), Said(DOWN, b"answer", 13, 13)], [Said(UP, b"other", 5, 5)])
    told: dict[tuple[int, int, int], bytes] = {}
    for number, (_, frame) in enumerate(dpkt.pcap.Reader(io.BytesIO(data)), 1):
        payload = bytes(dpkt.ip.IP(frame).data.data)
        origin = capture.origin(number)
        assert (origin is None) == (payload == b"")
        if origin is not None:
            key = (origin.connection, origin.span.first_frame, origin.span.last_frame)
            told[key] = told.get(key, b"") + payload
    assert told == {(7, 10, 12): LONG, (7, 13, 13): b"answer", (8, 5, 5): b"other"}


def test_frames_that_are_not_there_have_no_origin() -> None:
    _, capture = captured([Said(UP, b"x", 1, 1)])
    assert capture.origin(4) is not None
    assert [capture.origin(number) for number in (-1, 0, 1, 3, 5)] == [None] * 5


def test_tshark_finds_nothing_odd_but_a_hole_that_is_there(tmp_path: Path, tshark: str) -> None:
    def flags(name: str, talk: list[Said]) -> list[str]:
        (tmp_path / name).write_bytes(captured(talk)[0])
        command = [tshark, "-n", "-r", str(tmp_path / name), "-o", "tcp.check_checksum:TRUE", "-T", "fields"]
        command += ["-e", "tcp.len", "-e", "tcp.analysis.flags", "-e", "tcp.checksum.status"]
        shown = subprocess.run(command, capture_output=True, check=True, text=True).stdout
        return [line.split("\t")[1] for line in shown.splitlines() if line.split("\t")[2] == "1"]

    whole = [Said(UP, LONG, 1, 1), Said(DOWN, b"b", 2, 2)]
    assert flags("whole.pcap", whole) == [""] * 6
    assert flags("hole.pcap", [whole[0], Said(UP, b"", 3, 3, missing=100), Said(UP, b"c", 4, 4)])[-1] != ""
