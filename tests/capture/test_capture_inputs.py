from __future__ import annotations

import gzip
import io
import os
import sys
import zipfile
from typing import TYPE_CHECKING

import pytest
from capture_samples import FRAMES, netmon, pcap, pcapng, rows
from etl_samples import traced

from tlsdecrypt.capture import archive
from tlsdecrypt.capture.inputs import FileInput, StandardInput, glance_at, open_capture, opened
from tlsdecrypt.capture.inputs import gather as gathered_from
from tlsdecrypt.errors import CaptureError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from tlsdecrypt.capture.inputs import Gathered, Named

    Gather = Callable[[Sequence[Named]], Gathered]


@pytest.fixture
def gather() -> Iterator[Gather]:
    """`gather`, whose archives are closed after the test."""
    found: list[Gathered] = []

    def gather_and_remember(named: Sequence[Named]) -> Gathered:
        found.append(gathered_from(named))
        return found[-1]

    yield gather_and_remember
    for each in found:
        each.close()


def told(gathered: Gathered, root: Path) -> tuple[list[str], list[str], list[str]]:
    """Names, errors and notes, without the folder of the test."""
    names = [each.name for each in gathered.inputs]
    errors = [str(each) for each in gathered.errors]
    inputs, faults, notes = (
        [text.replace(str(root), "") for text in texts] for texts in (names, errors, gathered.notes)
    )
    return inputs, faults, notes


def zipped(path: Path, members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> None:
    with zipfile.ZipFile(path, "w", method) as file:
        for name, content in members.items():
            file.writestr(name, content)


def test_a_folder_stands_for_the_captures_in_it_and_below_sorted(tmp_path: Path, gather: Gather) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "2.cap").write_bytes(netmon())
    (tmp_path / "b" / "1.pcap.gz").write_bytes(gzip.compress(pcap()))
    (tmp_path / "c.etl").write_bytes(traced([(each.content, each.time_ns) for each in FRAMES]))
    (tmp_path / "a.pcapng").write_bytes(pcapng())
    (tmp_path / "notes.txt").write_text("no capture")
    (tmp_path / "b" / "log.gz").write_bytes(gzip.compress(b"no capture either"))
    (tmp_path / "b" / "empty").touch()
    assert told(gather([tmp_path]), tmp_path) == (
        ["/a.pcapng", "/c.etl", "/b/1.pcap.gz", "/b/2.cap"],
        [],
        [": 3 files that are no captures were passed over: notes.txt, b/empty, b/log.gz."],
    )


def test_folders_are_read_by_name(tmp_path: Path, gather: Gather) -> None:
    names = [f"{each}" for each in "qwertzuiopasdfghjkl"]
    for name in names:
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.pcap").write_bytes(pcap())
    inputs, _, _ = told(gather([tmp_path]), tmp_path)
    assert inputs == [f"/{name}/x.pcap" for name in sorted(names)]


def test_only_some_of_many_other_files_are_named(tmp_path: Path, gather: Gather) -> None:
    (tmp_path / "a.pcap").write_bytes(pcap())
    for number in range(9):
        (tmp_path / f"{number}.txt").write_text("text")
    _, _, notes = told(gather([tmp_path]), tmp_path)
    assert notes == [": 9 files that are no captures were passed over: 0.txt, 1.txt, 2.txt, 3.txt, 4.txt and 4 more."]


def test_a_folder_without_captures_is_an_error(tmp_path: Path, gather: Gather) -> None:
    (tmp_path / "text").write_text("text")
    inputs, errors, _ = told(gather([tmp_path]), tmp_path)
    assert (inputs, errors) == ([], [": there is no capture in this folder."])


def test_links_that_lead_in_circles_are_not_followed(tmp_path: Path, gather: Gather) -> None:
    (tmp_path / "a.pcap").write_bytes(pcap())
    (tmp_path / "circle").symlink_to(tmp_path)
    (tmp_path / "pipe").parent.mkdir(exist_ok=True)
    os.mkfifo(tmp_path / "pipe")
    assert told(gather([tmp_path]), tmp_path) == (["/a.pcap"], [], [])


def test_an_archive_stands_for_the_captures_in_it(tmp_path: Path, gather: Gather) -> None:
    path = tmp_path / "all.zip"
    zipped(path, {"z/b.pcap": pcap(), "a.cap": netmon(), "readme.txt": b"text", "c.pcap.gz": gzip.compress(pcapng())})
    gathered = gather([path])
    assert told(gathered, tmp_path) == (
        ["/all.zip/a.cap", "/all.zip/c.pcap.gz", "/all.zip/z/b.pcap"],
        [],
        ["/all.zip: a file that is no capture was passed over: readme.txt."],
    )
    for each in gathered.inputs:
        with opened(each) as capture:
            assert [frame for _, frame, _ in rows(capture)] == FRAMES


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_every_method_of_compression_is_read(tmp_path: Path, method: int, gather: Gather) -> None:
    zipped(tmp_path / "a.zip", {"a.pcap": pcap()}, method)
    with opened(gather([tmp_path / "a.zip"]).inputs[0]) as capture:
        assert len(rows(capture)) == len(FRAMES)
        assert capture.size == len(pcap())


def test_encrypted_members_are_named(tmp_path: Path, gather: Gather) -> None:
    path = tmp_path / "a.zip"
    zipped(path, {"open.pcap": pcap(), "secret.pcap": pcap()})
    data = bytearray(path.read_bytes())
    for magic, flags_at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.rindex(magic) + flags_at] |= 1
    path.write_bytes(data)
    inputs, errors, _ = told(gather([path]), tmp_path)
    assert inputs == ["/a.zip/open.pcap"]
    assert errors == ["/a.zip: secret.pcap is encrypted: unpack it with its password, and give the files."]


def test_an_archive_without_captures_or_with_a_damaged_directory_is_an_error(tmp_path: Path, gather: Gather) -> None:
    zipped(tmp_path / "text.zip", {"a.txt": b"text"})
    zipped(tmp_path / "empty.zip", {})
    (tmp_path / "cut.zip").write_bytes((tmp_path / "text.zip").read_bytes()[:-30])
    _, errors, _ = told(gather([tmp_path / f"{name}.zip" for name in ("text", "empty", "cut")]), tmp_path)
    assert errors == [
        "/text.zip: there is no capture in this archive.",
        "/empty.zip: there is no capture in this archive.",
        "/cut.zip: the zip archive cannot be read: File is not a zip file.",
    ]


def test_a_directory_that_would_fill_the_memory_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gather: Gather
) -> None:
    zipped(tmp_path / "a.zip", {f"{number}.pcap": pcap() for number in range(30)})
    monkeypatch.setattr(archive, "MAX_DIRECTORY_BYTES", 1_000)
    _, errors, _ = told(gather([tmp_path / "a.zip"]), tmp_path)
    assert errors == ["/a.zip: the archive has too many files: unpack it first."]


def test_the_directory_of_an_archive_over_4_gb_is_measured_by_its_own_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gather: Gather
) -> None:
    path = tmp_path / "a.zip"
    monkeypatch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 0)
    zipped(path, {"a.pcap": pcap()})
    data = bytearray(path.read_bytes())
    assert b"PK\x06\x06" in data
    data[-10:-6] = b"\xff" * 4  # bytes of the directory, in the older record
    path.write_bytes(data)
    inputs, errors, _ = told(gather([path]), tmp_path)
    assert (inputs, errors) == (["/a.zip/a.pcap"], [])


def test_a_damaged_member_gives_what_stands_before_the_damage(tmp_path: Path, gather: Gather) -> None:
    path = tmp_path / "a.zip"
    zipped(path, {"a.pcap": pcap(FRAMES * 300)}, zipfile.ZIP_STORED)
    data = bytearray(path.read_bytes())
    data[-200] ^= 0xFF
    path.write_bytes(data)
    with opened(gather([path]).inputs[0]) as capture:
        found = [each for _, each, _ in rows(capture)]
        assert found == (FRAMES * 300)[: len(found)]
        assert len(found) > 1_600
        assert any("Bad CRC-32" in note for note in capture.notes)


@pytest.mark.parametrize("step", [1, 3])
def test_an_archive_cut_or_damaged_anywhere_is_one_sentence(tmp_path: Path, step: int, gather: Gather) -> None:
    path = tmp_path / "a.zip"
    zipped(path, {"a.pcap": pcap()})
    sound = path.read_bytes()
    for at in range(0, len(sound), 7):
        path.write_bytes(sound[:at] if step == 1 else sound[:at] + bytes([sound[at] ^ 0x55]) + sound[at + 1 :])
        gathered = gather([path])
        for each in gathered.inputs:
            try:
                with opened(each) as capture:
                    assert len(rows(capture)) <= len(FRAMES)
            except CaptureError as error:
                gathered.errors.append(error)
        assert all("\n" not in str(error) for error in gathered.errors)


def test_a_bomb_stays_within_the_bound(tmp_path: Path, gather: Gather) -> None:
    path = tmp_path / "bomb.zip"
    zipped(path, {"a.pcap": pcap() + bytes(64 << 20)})
    assert path.stat().st_size < 1 << 20
    with opened(gather([path]).inputs[0]) as capture:
        largest = max(len(batch.data) for batch in capture)
        assert largest <= 17 << 20
        assert capture.frames == len(FRAMES)
        assert "zeros follow" in capture.notes[0]


def test_a_glance_tells_when_a_capture_begins_without_reading_it(tmp_path: Path) -> None:
    path = tmp_path / "a.pcapng"
    path.write_bytes(pcapng())
    glance = glance_at(FileInput(str(path)))
    assert (glance.first_time_ns, glance.size, glance.may_hold_secrets) == (FRAMES[0].time_ns, len(pcapng()), True)
    path.write_bytes(pcap([]))
    assert glance_at(FileInput(str(path))).first_time_ns == 0


def test_a_pipe_with_a_name_is_not_asked_beforehand(tmp_path: Path, gather: Gather) -> None:
    os.mkfifo(tmp_path / "pipe")
    (only,) = gather([tmp_path / "pipe"]).inputs
    assert not only.can_reopen


def test_what_comes_through_standard_input_can_be_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(pcap())))
    copy = tmp_path / "copy.pcap"
    with opened(StandardInput(copy_to=copy)) as capture:
        assert [each for _, each, _ in rows(capture)] == FRAMES
    assert copy.read_bytes() == pcap()


def test_a_copy_that_cannot_be_written_on_is_told_and_the_capture_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(pcap())))
    from pathlib import Path  # noqa: PLC0415 - only here at run time

    with opened(StandardInput(copy_to=Path("/dev/full"))) as capture:
        assert [each for _, each, _ in rows(capture)] == FRAMES
        assert capture.notes == ["The copy in /dev/full ends early: No space left on device."]


def test_a_single_capture_is_opened_by_its_path(tmp_path: Path) -> None:
    (tmp_path / "a.pcap").write_bytes(pcap())
    with open_capture(tmp_path / "a.pcap", first_number=7) as capture:
        assert [number for number, _, _ in rows(capture)] == list(range(7, 13))
