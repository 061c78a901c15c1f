"""Every format and variant gives the same frames, however it is cut, and none is led astray by bytes that lie."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

import pytest
from capture_samples import FORMATS, FRAMES, frames_of, rows, windows
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tlsdecrypt.capture.inputs import open_capture
from tlsdecrypt.capture.netmon import NetmonReader
from tlsdecrypt.capture.pcap import PcapReader
from tlsdecrypt.capture.pcapng import PcapngReader
from tlsdecrypt.capture.snoop import SnoopReader
from tlsdecrypt.errors import CaptureError

if TYPE_CHECKING:
    from pathlib import Path

each_format = pytest.mark.parametrize("name", FORMATS)


def coarse(name: str, time_ns: int) -> int:
    """The time as precisely as the format has it."""
    return time_ns // 1_000_000 * 1_000_000 if name == "netmon-1.1" else time_ns


@each_format
def test_each_format_gives_the_same_columns(name: str, tmp_path: Path) -> None:
    path = tmp_path / "capture"
    path.write_bytes(FORMATS[name]())
    with open_capture(path, first_number=101) as capture:
        found = rows(capture)
    expected = [each._replace(time_ns=coarse(name, each.time_ns)) for each in FRAMES]
    assert [each for _, each, _ in found] == expected
    assert [number for number, _, _ in found] == list(range(101, 107))
    assert {link_type for _, _, link_type in found} == {1}
    assert capture.frames == len(FRAMES)
    assert capture.position == capture.size == path.stat().st_size
    assert not [each for each in capture.notes if "local time" not in each]


@each_format
def test_a_file_cut_at_any_length_gives_the_frames_before_the_cut_and_a_note(name: str, tmp_path: Path) -> None:
    data = FORMATS[name]()
    path = tmp_path / "capture"
    path.write_bytes(data)
    whole, _ = frames_of(path)
    lengths = set()
    for cut in reversed(range(len(data))):
        os.truncate(path, cut)
        try:
            found, notes = frames_of(path)
        except CaptureError:
            assert cut < 16, "a format is known by its first 16 bytes"
            continue
        assert found == whole[: len(found)]
        lengths.add(len(found))
        if not re.search("cut off|missing", " ".join(notes)):
            assert is_between_records(name, data, cut), f"cut at {cut}"
    assert lengths >= set(range(len(whole)))


def is_between_records(name: str, data: bytes, cut: int) -> bool:
    """Whether nothing tells that a file was cut there: it is as long as one with fewer frames."""
    if name.startswith("netmon"):
        return False  # the frame table stands at the end
    header = {"pcap": 24, "snoop": 16}.get(name.split("-", maxsplit=1)[0], 28)
    around = {"pcap": 16, "pcap-modified": 24, "pcapng": 32, "snoop": 24}
    extra = around.get(name.removesuffix("-be"), around[name.split("-", maxsplit=1)[0]])
    ends = [header, header + 20] if name.startswith("pcapng") else [header]
    for each in FRAMES:
        padding = 0 if name.startswith("pcap") and not name.startswith("pcapng") else -len(each.content) % 4
        ends.append(ends[-1] + extra + len(each.content) + padding)
    assert ends[-1] == len(data)
    return cut in ends


@pytest.mark.parametrize("name", [name for name in FORMATS if not name.startswith("netmon")])
def test_results_do_not_depend_on_where_windows_end(name: str) -> None:
    reader = {"pcap": PcapReader, "snoop": SnoopReader}.get(name.split("-", maxsplit=1)[0])
    for window, ledger in windows(FORMATS[name]()):
        window.advance(0, 16)
        made = reader(window, ledger) if reader else PcapngReader(window, ledger, with_secrets=True)
        assert [each for _, each, _ in rows(made.batches())] == FRAMES
        assert not ledger.notes


def fresh(folder: Path) -> Path:
    """A path without a file: some file systems wait for the disk where one is overwritten."""
    path = folder / "capture"
    path.unlink(missing_ok=True)
    return path


@each_format
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_random_bytes_behind_a_magic_never_raise(name: str, data: st.DataObject, tmp_path: Path) -> None:
    sample = FORMATS[name]()
    keep = data.draw(st.integers(16, len(sample)))
    path = fresh(tmp_path)
    content = sample[:keep] + data.draw(st.binary(max_size=400))
    path.write_bytes(content)
    frames, _ = frames_of(path)
    assert all(len(frame.content) <= len(content) for frame in frames)


@each_format
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_bytes_that_flipped_never_raise_nor_reach_beyond_the_file(
    name: str, data: st.DataObject, tmp_path: Path
) -> None:
    sample = bytearray(FORMATS[name]())
    for _ in range(data.draw(st.integers(1, 4))):
        position = data.draw(st.integers(8, len(sample) - 1))
        sample[position] = data.draw(st.sampled_from((0, 1, 0x7F, 0x80, 0xFF, 0x0A)))
    path = fresh(tmp_path)
    path.write_bytes(sample)
    found, _ = frames_of(path)
    assert len(found) <= len(sample) // 8


def test_a_frame_table_out_of_order_is_followed() -> None:
    data = bytearray(FORMATS["netmon-2.3"]())
    first, second = data[-24:-20], data[-20:-16]
    data[-24:-16] = second + first
    for window, ledger in windows(bytes(data)):
        if not hasattr(window, "position"):
            continue
        window.advance(0, 16)
        found = [each for _, each, _ in rows(NetmonReader(window, ledger).batches())]
        assert found == [FRAMES[1], FRAMES[0], *FRAMES[2:]]
        assert not ledger.notes
