"""Plans become bytes in their order."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from tlsdecrypt.recapture.container import Pcapng
from tlsdecrypt.recapture.plaintext_spool import PlaintextSpool
from tlsdecrypt.recapture.plan import Plan, Press, rendered

KEPT = Plan(b"<", [(3, b"a"), (7, b"b"), (9, b"c")], [], [])


def test_plans_are_written_one_after_the_other() -> None:
    stream = io.BytesIO()
    press = Press(stream, PlaintextSpool(is_masked=False), Pcapng("x"))
    press.take([KEPT, KEPT])
    press.take([])
    assert stream.getvalue() == b"<abc<abc"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
def test_a_full_disk_is_told() -> None:
    with Path("/dev/full").open("wb", buffering=0) as stream:
        press = Press(stream, PlaintextSpool(is_masked=False), Pcapng("x"))  # type: ignore[arg-type]
        with pytest.raises(OSError, match="No space left"):
            press.take([KEPT])


def test_kept_frames_stand_before_what_follows_their_row() -> None:
    spool = PlaintextSpool(is_masked=False)
    assert rendered(KEPT, spool, Pcapng("x")) == b"<abc"
    assert rendered(Plan(b"", [], [], []), spool, Pcapng("x")) == b""
