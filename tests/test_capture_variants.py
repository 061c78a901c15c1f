"""The same frames in another container are the same document, but for names and for what the container cannot say."""

from __future__ import annotations

import struct
import subprocess
import sys
import zipfile
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import tlsdecrypt
from tlsdecrypt.capture.inputs import open_capture
from tlsdecrypt.redact import Redactor
from tlsdecrypt.report.document import document

sys.path.append(str(Path(__file__).with_name("capture")))
from etl_samples import BUFFER_BYTES, traced

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parents[1]
SAMPLE = ROOT / "captures" / "exchange.pcapng"
TIMED = ("start", "end", "duration_ms", "think_time_ms", "transfer_time_ms")  # Network Monitor 1 counts milliseconds


def told(*paths: Path) -> dict[str, Any]:
    password = (ROOT / "keys" / "mail.password").read_text().strip()
    keys = tlsdecrypt.load_keys(pfx=[str(ROOT / "keys" / "mail.pfx")], passwords=[password])
    return document(tlsdecrypt.analyze([str(path) for path in paths], keys), Redactor(salt=b"test"))


@lru_cache
def expected() -> dict[str, Any]:
    return told(SAMPLE)


def without_times(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: without_times(each) for name, each in value.items() if name not in TIMED}
    return [without_times(each) for each in value] if isinstance(value, list) else value


def assert_same(found: dict[str, Any]) -> None:
    assert without_times(found["connections"]) == without_times(expected()["connections"])
    assert found["summary"] == expected()["summary"]


FORMATS = ["pcap", "nsecpcap", "modpcap", "pcapng", "snoop", "netmon1", "netmon2"]


@pytest.mark.parametrize("form", FORMATS)
def test_what_editcap_makes_of_it_is_told_alike(form: str, tmp_path: Path, program: Callable[[str], str]) -> None:
    path = tmp_path / "variant"
    subprocess.run([program("editcap"), "-F", form, str(SAMPLE), str(path)], check=True, capture_output=True)
    assert_same(told(path))


def swapped(path: Path) -> bytes:
    """A pcap file in the other byte order."""
    data = path.read_bytes()
    out = [struct.pack(">IHHiIII", *struct.unpack_from("<IHHiIII", data))]
    position = 24
    while position < len(data):
        record = struct.unpack_from("<IIII", data, position)
        out.append(struct.pack(">IIII", *record) + data[position + 16 : position + 16 + record[2]])
        position += 16 + record[2]
    return b"".join(out)


def test_the_other_byte_order_is_told_alike(tmp_path: Path, program: Callable[[str], str]) -> None:
    path = tmp_path / "little"
    subprocess.run([program("editcap"), "-F", "pcap", str(SAMPLE), str(path)], check=True, capture_output=True)
    (tmp_path / "big").write_bytes(swapped(path))
    assert_same(told(tmp_path / "big"))


def frames_of_the_sample() -> list[tuple[bytes, int]]:
    with open_capture(SAMPLE) as capture:
        return [
            (batch.data[offset : offset + length], time_ns)
            for batch in capture
            for offset, length, time_ns in zip(
                batch.offset.tolist(), batch.captured_length.tolist(), batch.time_ns.tolist(), strict=True
            )
        ]


def test_an_event_trace_is_told_alike(tmp_path: Path) -> None:
    frames = frames_of_the_sample()
    assert max(len(content) for content, _ in frames) < BUFFER_BYTES - 200
    path = tmp_path / "trace.etl"
    path.write_bytes(traced(frames))
    assert_same(told(path))


def ring(folder: Path, editcap: str, *how: str) -> Path:
    folder.mkdir()
    subprocess.run([editcap, *how, str(SAMPLE), str(folder / "ring.pcapng")], check=True, capture_output=True)
    return folder


@pytest.mark.parametrize("count", [7, 100])
def test_a_ring_of_files_is_told_as_one_capture(count: int, tmp_path: Path, program: Callable[[str], str]) -> None:
    folder = ring(tmp_path / "ring", program("editcap"), "-c", str(count))
    found = told(folder)
    assert len(found["captures"]) == -(-expected()["summary"]["frames"] // count)
    assert_same(found)


def test_an_archive_of_a_ring_is_told_as_one_capture(tmp_path: Path, program: Callable[[str], str]) -> None:
    folder = ring(tmp_path / "ring", program("editcap"), "-c", "50")
    with zipfile.ZipFile(tmp_path / "ring.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in folder.iterdir():
            archive.write(path, path.name)
    assert_same(told(tmp_path / "ring.zip"))


def test_a_ring_whose_files_overlap_is_told_once(tmp_path: Path, program: Callable[[str], str]) -> None:
    paths = []
    for number, frames in enumerate(("1-130", "100-260", "250-999")):
        paths.append(tmp_path / f"{number}.pcapng")
        command = [program("editcap"), "-r", str(SAMPLE), str(paths[-1]), frames]
        subprocess.run(command, check=True, capture_output=True)
    found = told(*paths)
    doubled = [each["doubled_frames"] for each in found["captures"]]
    assert doubled == [0, 31, 11]
    assert found["summary"]["frames"] == expected()["summary"]["frames"] + sum(doubled)
    for one, other in zip(found["connections"], expected()["connections"], strict=True):
        for name in ("verdict", "application_data", "client", "server"):
            assert one[name] == other[name]
        for sender in ("client", "server"):  # the rest names frames
            assert one["tcp"][sender] == other["tcp"][sender]
        assert len(one["exchanges"]) == len(other["exchanges"])


def place(found: dict[str, Any], frame: int) -> tuple[str, int]:
    """As a reader of the document maps a frame back."""
    capture = max(
        (each for each in found["captures"] if each["first_frame"] <= frame), key=lambda each: each["first_frame"]
    )
    return Path(capture["path"]).name, frame - capture["first_frame"] + 1


def test_frames_of_interleaved_captures_are_mapped_back_to_file_and_number(tmp_path: Path, tshark: str) -> None:
    """One file holds what the clients sent, the other one what the servers sent, as taps write them."""
    servers = "ip.src == 198.51.100.0/24"
    filters = {"clients": f"not {servers}", "servers": servers}
    for name, chosen in filters.items():
        command = [tshark, "-r", str(SAMPLE), "-Y", chosen, "-w", str(tmp_path / name)]
        subprocess.run(command, check=True, capture_output=True)
    found = told(tmp_path / "clients", tmp_path / "servers")
    assert [each["application_data"] for each in found["connections"]] == [
        each["application_data"] for each in expected()["connections"]
    ]
    fields = ["-e", "frame.number", "-e", "tcp.flags.syn", "-e", "tcp.flags.ack", "-T", "fields"]
    for connection in found["connections"]:
        name, number = place(found, connection["first_frame"])
        assert name == "clients"
        command = [tshark, "-r", str(tmp_path / name), "-Y", f"frame.number == {number}", *fields]
        shown = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
        assert shown == [str(number), "1", "0"]
