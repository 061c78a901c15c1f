"""The same frames in another container are the same document, but for names and for what the container cannot say."""

from __future__ import annotations

import bz2
import gzip
import lzma
import struct
import subprocess
import sys
import zipfile
from collections import Counter
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import lz4.frame
import pytest
import zstandard

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


def without_frames(facts: dict[str, Any]) -> dict[str, Any]:
    """Frames have other numbers where the files overlap."""
    return {name: each for name, each in facts.items() if not isinstance(each, (dict, list)) and "frame" not in name}


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
        for sender in ("client", "server"):
            assert without_frames(one["tcp"][sender]) == without_frames(other["tcp"][sender])
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


COMPRESSORS = {"gzip": gzip.compress, "bzip2": bz2.compress, "xz": lzma.compress, "lz4": lz4.frame.compress}


@pytest.mark.parametrize("name", [*COMPRESSORS, "zstd"])
def test_what_is_compressed_is_told_alike_whatever_its_name(name: str, tmp_path: Path) -> None:
    path = tmp_path / "capture.bin"
    compress = COMPRESSORS.get(name, zstandard.ZstdCompressor().compress)
    path.write_bytes(compress(SAMPLE.read_bytes()))
    assert_same(told(path))


def test_pieces_that_mergecap_joins_are_told_alike(tmp_path: Path, program: Callable[[str], str]) -> None:
    pieces = []
    for number, frames in enumerate(("1-77", "78-140", "141-9999")):
        pieces.append(str(tmp_path / f"{number}.pcap"))
        command = [program("editcap"), "-F", "nsecpcap", "-r", str(SAMPLE), pieces[-1], frames]
        subprocess.run(command, check=True, capture_output=True)
    joined = tmp_path / "joined"
    merge = [program("mergecap"), "-F", "nsecpcap", "-w", str(joined), *reversed(pieces)]
    subprocess.run(merge, check=True, capture_output=True)
    assert_same(told(joined))


def test_what_text2pcap_makes_of_a_hex_dump_is_told_alike(tmp_path: Path, program: Callable[[str], str]) -> None:
    lines = []
    for content, time_ns in frames_of_the_sample():
        seconds, rest = divmod(time_ns, 1_000_000_000)
        lines.append(f"{seconds}.{rest:09}\n000000 {content.hex(' ')}\n")
    dump, path = tmp_path / "dump.txt", tmp_path / "made.pcapng"
    dump.write_text("".join(lines))
    subprocess.run([program("text2pcap"), "-t", "%s.%f", str(dump), str(path)], check=True, capture_output=True)
    assert_same(told(path))


@pytest.mark.parametrize("form", FORMATS)
def test_tshark_finds_the_same_streams_and_payload_in_each_form(
    form: str, tmp_path: Path, program: Callable[[str], str], tshark: str
) -> None:
    path = tmp_path / "variant"
    subprocess.run([program("editcap"), "-F", form, str(SAMPLE), str(path)], check=True, capture_output=True)
    fields = [each for name in ("tcp.stream", "tcp.srcport", "tcp.len") for each in ("-e", name)]
    command = [tshark, "-n", "-r", str(path), "-Y", "tcp", "-T", "fields", *fields]
    rows = [
        line.split("\t")
        for line in subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    ]
    payload: Counter[tuple[int, int]] = Counter()
    for stream, port, length in rows:
        payload[int(stream) + 1, int(port)] += int(length)
    found = told(path)
    assert found["summary"]["tcp_frames"] == len(rows)
    ours = {
        (each["id"], each[sender]["port"]): each["tcp"][sender]["length"] + each["tcp"][sender]["repeated"]
        for each in found["connections"]
        for sender in ("client", "server")
    }
    assert ours == payload
