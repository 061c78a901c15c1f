from __future__ import annotations

import pytest

from tlsdecrypt.conversation import CaptureFacts
from tlsdecrypt.flow import Span
from tlsdecrypt.report.frame_names import FrameNames
from tlsdecrypt.report.line_spool import LineSpool, PendingNames
from tlsdecrypt.report.lines import line


def facts(path: str, first_frame: int, frames: int = 50) -> CaptureFacts:
    return CaptureFacts(path, "pcap", frames, first_frame, 0, None, None)


def span(first: int, last: int) -> Span:
    return Span(first, last, 0, 0)


@pytest.mark.parametrize("captures", [[], [facts("a.pcap", 1)]])
def test_of_one_capture_the_number_says_it_all(captures: list[CaptureFacts]) -> None:
    names = FrameNames(captures)
    assert names.range(span(12, 17)) == "#12-#17"
    assert names.range(span(12, 12)) == "#12"


def test_of_several_the_file_is_named_and_the_number_in_it() -> None:
    names = FrameNames([facts("x/b.pcap", 51), facts("x/a.pcap", 1), facts("x/c.pcap", 1_000_001)])
    assert names.range(span(12, 17)) == "a.pcap:12-17"
    assert names.range(span(50, 50)) == "a.pcap:50"
    assert names.range(span(50, 51)) == "a.pcap:50-b.pcap:1"
    assert names.range(span(1_000_001, 60)) == "c.pcap:1-b.pcap:10"


def test_files_of_the_same_name_are_named_with_their_folders() -> None:
    names = FrameNames([facts("x/a.pcap", 1), facts("y/a.pcap", 51)])
    assert names.range(span(50, 51)) == "x/a.pcap:50-y/a.pcap:1"


def test_lines_name_frames_of_captures_that_are_known_only_at_the_end() -> None:
    lines = LineSpool()
    told = PendingNames().range(span(3, 52))
    lines.add(7, [line("GET /", (told, "faint"), level=1)])
    assert told == "#3-#52"
    for captures, name in (
        ([facts("a", 1)], "#3-#52"),
        ([facts("a.pcap", 1), facts("b.pcap", 51)], "a.pcap:3-b.pcap:2"),
    ):
        assert list(lines.lines(FrameNames(captures))) == [line("GET /", (name, "faint"), level=1)]


def test_captured_text_is_kept_as_it_is_until_the_captures_are_known() -> None:
    lines = LineSpool()
    odd = line(("\udc80 #3-#52 \x1b", "bad"), level=2)
    lines.add(1, [odd, line()])
    assert list(lines.lines(FrameNames([facts("a", 1), facts("b", 51)]))) == [odd, line()]
