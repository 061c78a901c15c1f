from __future__ import annotations

import pytest

from tlsdecrypt.conversation import CaptureFacts
from tlsdecrypt.flow import Span
from tlsdecrypt.report.frame_names import FrameNames


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
