"""Several captures are one, in time order, and each frame keeps its number in its file."""

from __future__ import annotations

import gzip
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
from capture_samples import START_NS, Frame, frame, pcap, pcapng, rows, secrets
from hypothesis import given
from hypothesis import strategies as st

from tlsdecrypt.capture import series as series_module
from tlsdecrypt.capture.doubles import REACH_NS
from tlsdecrypt.capture.series import ROUND, Series

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

MILLISECOND = 1_000_000


def at(milliseconds: float, mark: int = 0, length: int = 60) -> Frame:
    """A frame at that time after the start, which its time and the mark tell from all others."""
    time_ns = START_NS + int(milliseconds * MILLISECOND)
    content = frame(1, 14).content + time_ns.to_bytes(8, "big") + bytes([mark]) * (length - 22)
    return Frame(content, length, time_ns)


def write(folder: Path, files: dict[str, Sequence[Frame]]) -> list[str]:
    for name, frames in files.items():
        (folder / name).write_bytes(pcap(frames, magic=0xA1B23C4D))
    return [str(folder / name) for name in files]


def read(paths: Sequence[str]) -> tuple[list[tuple[str, int, Frame]], Series]:
    """File, number in the file, and frame, in the order in which they come."""
    series = Series(paths)
    out = []
    for stretch in series:
        firsts = {capture.first_frame: capture for capture in series.captures}
        for number, each, _ in rows([stretch.batch]):
            first = max(first for first in firsts if first <= number)
            out.append((firsts[first].path.rpartition("/")[2], number - first + 1, each))
        origins = [capture.first_frame for capture, part in stretch.parts() for _ in range(len(part))]
        assert len(origins) == len(stretch.batch)
    return out, series


def test_files_that_follow_one_another_are_numbered_without_a_hole(tmp_path: Path) -> None:
    paths = write(tmp_path, {"b": [at(500), at(600)], "a": [at(0), at(1), at(2)], "c": [at(700)]})
    found, series = read(paths)
    assert [each.time_ns for _, _, each in found] == sorted(each.time_ns for _, _, each in found)
    assert [(name, number) for name, number, _ in found] == [
        ("a", 1), ("a", 2), ("a", 3), ("b", 1), ("b", 2), ("c", 1),
    ]  # fmt: skip
    assert [capture.first_frame for capture in series.captures] == [1, 4, 6]


def test_frames_of_files_that_overlap_come_by_time_with_their_own_numbers(tmp_path: Path) -> None:
    paths = write(tmp_path, {"a": [at(0), at(20), at(40)], "b": [at(10), at(30), at(50)]})
    found, _ = read(paths)
    assert [(name, number) for name, number, _ in found] == [
        ("a", 1), ("b", 1), ("a", 2), ("b", 2), ("a", 3), ("b", 3),
    ]  # fmt: skip


def test_a_clock_that_steps_back_changes_no_order_within_a_file(tmp_path: Path) -> None:
    first = [at(0), at(100), at(50), at(60), at(110)]
    found, _ = read(write(tmp_path, {"a": first, "b": [at(55), at(105)]}))
    assert [each for name, _, each in found if name == "a"] == first
    assert [name for name, _, _ in found] == ["a", "b", "a", "a", "a", "b", "a"]


def test_the_end_of_one_ring_file_that_the_next_one_repeats_is_dropped_and_counted(tmp_path: Path) -> None:
    frames = [at(each) for each in range(40)]
    found, series = read(write(tmp_path, {"a": frames[:25], "b": frames[20:]}))
    assert [each for _, _, each in found] == frames
    assert [(capture.frames, capture.doubled) for capture in series.captures] == [(25, 0), (20, 5)]
    assert [(name, number) for name, number, _ in found][24:26] == [("a", 25), ("b", 6)]


@pytest.mark.parametrize("late_ms", [0, 3, 9])
def test_two_taps_of_one_wire_are_read_once(tmp_path: Path, late_ms: int) -> None:
    frames = [at(each * 4) for each in range(30)]
    other = [each._replace(time_ns=each.time_ns + late_ms * MILLISECOND) for each in frames]
    found, series = read(write(tmp_path, {"a": frames, "b": other, "c": other}))
    assert [each for _, _, each in found] == frames
    assert [capture.doubled for capture in series.captures] == [0, 30, 30]


@pytest.mark.parametrize(
    "change",
    [
        lambda each: each._replace(time_ns=each.time_ns + REACH_NS + MILLISECOND),
        lambda each: each._replace(content=each.content[:-1] + b"x"),
        lambda each: each._replace(content=each.content[:30] + b"x" + each.content[31:]),
        lambda each: each._replace(content=each.content + b"\0", original_length=61),
    ],
    ids=["later", "another end", "another middle", "longer"],
)
def test_frames_that_differ_are_no_doubles(tmp_path: Path, change: object) -> None:
    frames = [at(each * 4) for each in range(10)]
    others = [change(each) for each in frames]  # type: ignore[operator]
    found, series = read(write(tmp_path, {"a": frames, "b": others}))
    assert len(found) == 20
    assert sum(capture.doubled for capture in series.captures) == 0


def test_a_frame_that_one_file_holds_twice_is_no_double(tmp_path: Path) -> None:
    twice = [at(0), at(0), at(1)]
    found, series = read(write(tmp_path, {"a": twice, "b": [at(0.5, 1)]}))
    assert len(found) == 4
    assert [capture.doubled for capture in series.captures] == [0, 0]


def test_frames_too_short_for_a_signature_are_kept(tmp_path: Path) -> None:
    short = [Frame(bytes([each]), 1, START_NS + each * MILLISECOND) for each in range(5)]
    found, _ = read(write(tmp_path, {"a": short, "b": [each._replace(content=b"\xff") for each in short]}))
    assert len(found) == 10


@given(
    st.lists(st.lists(st.integers(0, 60), max_size=12), min_size=2, max_size=4), st.sampled_from([200, 700, 8 << 20])
)
def test_a_series_is_a_merge_by_the_latest_time_so_far(
    tmp_path_factory: pytest.TempPathFactory, files: list[list[int]], batch_bytes: int
) -> None:
    folder = tmp_path_factory.mktemp("files")
    made = {f"f{index}": [at(each * 20, index) for each in times] for index, times in enumerate(files)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(series_module, "BATCH_BYTES", batch_bytes)
        patch.setattr(series_module, "LEAST_BATCH_BYTES", batch_bytes)
        found, _ = read(write(folder, made))
    for name, frames in made.items():
        assert [(number, each) for where, number, each in found if where == name] == list(enumerate(frames, 1))
    latest = {
        (name, number): int(key)
        for name, frames in made.items()
        for number, key in enumerate(np.maximum.accumulate([each.time_ns for each in frames] or [0]), 1)
    }
    keys = [latest[name, number] for name, number, _ in found]
    assert keys == sorted(keys)


def test_a_capture_that_begins_while_another_one_goes_on_counts_from_a_round_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(series_module, "BATCH_BYTES", 400)
    monkeypatch.setattr(series_module, "LEAST_BATCH_BYTES", 400)
    paths = write(tmp_path, {"a": [at(each * 20) for each in range(50)], "b": [at(15), at(35)], "c": [at(2000)]})
    found, series = read(paths)
    assert [capture.first_frame for capture in series.captures] == [1, ROUND + 1, ROUND + 3]
    assert [(name, number) for name, number, _ in found][:5] == [("a", 1), ("b", 1), ("a", 2), ("b", 2), ("a", 3)]


def test_files_of_a_ring_that_touch_or_overlap_are_numbered_without_a_hole_where_they_are_small(tmp_path: Path) -> None:
    paths = write(tmp_path, {"a": [at(0), at(10)], "b": [at(10.5), at(30)], "c": [at(20), at(31)]})
    _, series = read(paths)
    assert [capture.first_frame for capture in series.captures] == [1, 3, 5]


def test_a_double_that_comes_when_the_other_capture_is_over_is_dropped(tmp_path: Path) -> None:
    last = at(10)
    late = last._replace(time_ns=last.time_ns + 5 * MILLISECOND)
    found, series = read(write(tmp_path, {"a": [at(0), last], "b": [late, at(30)]}))
    assert [(name, number) for name, number, _ in found] == [("a", 1), ("a", 2), ("b", 2)]
    assert [capture.doubled for capture in series.captures] == [0, 1]


def test_captures_that_were_read_hold_no_bytes(tmp_path: Path) -> None:
    (tmp_path / "c.gz").write_bytes(gzip.compress(pcap([at(900)], magic=0xA1B23C4D)))
    write(tmp_path, {"a": [at(0)], "b": [at(500)]})
    _, series = read([str(tmp_path)])
    assert [len(capture._window.data) for capture in series.captures] == [0, 0, 0]


def test_compressed_files_and_captures_without_frames_take_part(tmp_path: Path) -> None:
    (tmp_path / "a.gz").write_bytes(gzip.compress(pcap([at(0), at(20)], magic=0xA1B23C4D)))
    (tmp_path / "b").write_bytes(pcap([]))
    (tmp_path / "c").write_bytes(pcap([at(10)], magic=0xA1B23C4D))
    found, series = read([str(tmp_path)])
    assert [name for name, _, _ in found] == ["a.gz", "c", "a.gz"]
    assert {capture.path.rpartition("/")[2]: capture.frames for capture in series.captures} == {
        "a.gz": 2,
        "b": 0,
        "c": 1,
    }


def test_secrets_may_be_in_a_file_that_comes_later(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(pcapng([at(0)]))
    (tmp_path / "b").write_bytes(pcapng([at(500)]) + secrets(b"CLIENT_RANDOM 00 11\n"))
    series = Series([str(tmp_path)])
    late = [series.has_late_secrets for _ in series]
    assert late == [True, False]


def test_what_cannot_be_read_is_told_and_the_rest_is_read(tmp_path: Path) -> None:
    paths = write(tmp_path, {"a": [at(0)], "b": [at(10)]})
    found, series = read([paths[0], str(tmp_path / "missing"), paths[1]])
    assert len(found) == 2
    assert [str(error).rpartition("/")[2] for error in series.errors] == ["missing: there is no such file."]


def test_many_files_that_overlap_are_open_only_up_to_a_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(series_module, "MAX_OPEN", 3)
    paths = write(tmp_path, {f"f{each}": [at(each, each), at(100 + each, each)] for each in range(9)})
    series = Series(paths)
    most = 0
    for _ in series:
        most = max(most, len(series._lanes))
    assert most <= 3
    assert sum(capture.frames for capture in series.captures) == 18


def test_standard_input_takes_part_as_it_comes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "in").write_bytes(pcap([at(5)], magic=0xA1B23C4D))
    (path,) = write(tmp_path, {"a": [at(0), at(10)]})
    with (tmp_path / "in").open() as stream:
        monkeypatch.setattr(sys, "stdin", stream)
        found, series = read([path, "-"])
    assert [number for _, number, _ in found] == [1, 1, 2]
    assert {capture.path.rpartition("/")[2] for capture in series.captures} == {"a", "standard input"}


def test_bytes_read_are_told_of_all_captures(tmp_path: Path) -> None:
    paths = write(tmp_path, {"a": [at(0)], "b": [at(500)]})
    _, series = read(paths)
    assert series.position == series.size == 2 * len(pcap([at(0)]))
