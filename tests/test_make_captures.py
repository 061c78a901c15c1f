"""The sample captures can be made again: the program starts, and what it makes of recordings is what is committed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from capture_lab.cases import SMALL
from capture_lab.variants import make_formats, make_resumptions

ROOT = Path(__file__).parents[1]
CAPTURES = ROOT / "captures"


def test_a_story_that_does_not_exist_is_refused_in_one_sentence() -> None:
    command = [sys.executable, str(ROOT / "scripts" / "make_captures"), "no-such-story"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith(("make_captures: no such story: no-such-story", "make_captures: must be root"))


def test_what_is_made_of_recordings_is_what_is_committed(tmp_path: Path) -> None:
    make_formats(CAPTURES / SMALL, tmp_path)
    make_resumptions(CAPTURES / "openssl-resumed-by-id.pcap", tmp_path)
    made = sorted(tmp_path.iterdir())
    assert len(made) == 6
    for each in made:
        assert each.read_bytes() == (CAPTURES / each.name).read_bytes(), each.name
