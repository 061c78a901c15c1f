"""A decrypted capture is the same whichever process makes its bytes, and a fault there is a fault here."""

from __future__ import annotations

import io
import os
import signal
import sys
from pathlib import Path

import pytest
from cli_runs import KEYS, PASSWORD
from rewriting import rewritten
from sample_cases import ROOT

from tlsdecrypt import load_keys
from tlsdecrypt.errors import InputError
from tlsdecrypt.recapture import plan
from tlsdecrypt.recapture.container import Pcapng
from tlsdecrypt.recapture.plaintext_spool import PlaintextSpool
from tlsdecrypt.recapture.plan import InlinePress, Plan, ProcessPress, rendered

CAPTURES = [ROOT / "captures" / name for name in ("exchange.pcapng", "vlan.pcap", "openssl-bulk.pcap")]
ONLY_LINUX = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere one process does it all")
KEPT = Plan(b"<", [(3, b"a"), (7, b"b"), (9, b"c")], [], [])


def made() -> bytes:
    keys = load_keys(pfx=[str(KEYS / "mail-password.pfx")], passwords=[PASSWORD])
    return rewritten(CAPTURES, keys)


@ONLY_LINUX
def test_a_process_of_its_own_writes_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool, results = PlaintextSpool(is_masked=False), []
    for press in (InlinePress, ProcessPress):
        path = tmp_path / press.__name__
        with path.open("wb") as stream:
            stream.write(b"head ")
            with press(stream, spool, Pcapng("x")) as at_press:
                at_press.take([KEPT, KEPT])
            stream.write(b" foot")
        results.append(path.read_bytes())
    assert results == [b"head <abc<abc foot"] * 2
    monkeypatch.setattr(plan, "LEAST_FOR_PROCESS", 0)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    with (tmp_path / "file").open("wb") as stream:
        assert isinstance(plan.press(stream, spool, Pcapng("x")), ProcessPress)
    assert isinstance(plan.press(io.BytesIO(), spool, Pcapng("x")), InlinePress)


@ONLY_LINUX
def test_a_sample_is_the_same_from_both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = made()
    used: list[Path] = []

    class InFile(ProcessPress):
        """Writes beside the stream of the test, which is in memory."""

        def __init__(self, stream: object, *rest: object) -> None:
            self._target = stream
            used.append(tmp_path / str(len(used)))
            self._file = used[-1].open("w+b")
            super().__init__(self._file, *rest)  # type: ignore[arg-type]

        def __exit__(self, *given: object) -> None:
            super().__exit__(*given)  # type: ignore[arg-type]
            self._file.close()
            self._target.write(used[-1].read_bytes())  # type: ignore[attr-defined]

    monkeypatch.setattr("tlsdecrypt.recapture.decrypted_writer.press", InFile)
    assert made() == expected
    assert used


@ONLY_LINUX
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
def test_a_full_disk_is_told_by_whoever_waits() -> None:
    with Path("/dev/full").open("wb", buffering=0) as stream:
        press = ProcessPress(stream, PlaintextSpool(is_masked=False), Pcapng("x"))  # type: ignore[arg-type]
        with pytest.raises(OSError, match="No space left"), press as at_press:
            at_press.take([KEPT] * 50)


@ONLY_LINUX
def test_a_process_that_dies_is_one_sentence(tmp_path: Path) -> None:
    with (tmp_path / "a").open("wb") as stream:
        press = ProcessPress(stream, PlaintextSpool(is_masked=False), Pcapng("x"))
        press.__enter__()
        os.kill(press._process.pid or 0, signal.SIGKILL)
        press._process.join()
        with pytest.raises(InputError, match="ended early"):
            press.take([KEPT] * 10_000)
        press.__exit__(InputError, InputError("x"), None)


def test_kept_frames_stand_before_what_follows_their_row() -> None:
    spool = PlaintextSpool(is_masked=False)
    assert rendered(KEPT, spool, Pcapng("x")) == b"<abc"
    assert rendered(Plan(b"", [], [], []), spool, Pcapng("x")) == b""
