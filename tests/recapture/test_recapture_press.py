"""A decrypted capture is the same whichever process makes its bytes, and a fault there is a fault here."""

from __future__ import annotations

import io
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import pytest
from cli_runs import KEYS, PASSWORD
from rewriting import rewritten
from sample_cases import ROOT

from tlsdecrypt import load_keys
from tlsdecrypt.errors import InputError
from tlsdecrypt.recapture import press as presses
from tlsdecrypt.recapture.container import Pcapng
from tlsdecrypt.recapture.plaintext_spool import PlaintextSpool
from tlsdecrypt.recapture.plan import Plan
from tlsdecrypt.recapture.press import InlinePress, Press, ProcessPress, press_of

if TYPE_CHECKING:
    from tlsdecrypt.recapture.container import Container

CAPTURES = [ROOT / "captures" / name for name in ("exchange.pcapng", "vlan.pcap", "openssl-bulk.pcap")]
ONLY_LINUX = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere one process does it all")
HAS_FULL = pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
KEPT = Plan(b"<", [(3, b"a"), (7, b"b"), (9, b"c")], [], [])


def spool() -> PlaintextSpool:
    return PlaintextSpool(is_masked=False)


def made() -> bytes:
    keys = load_keys(pfx=[str(KEYS / "mail-password.pfx")], passwords=[PASSWORD])
    return rewritten(CAPTURES, keys)


@ONLY_LINUX
@pytest.mark.parametrize("kind", [InlinePress, ProcessPress])
def test_plans_are_written_between_head_and_foot(kind: type[InlinePress | ProcessPress], tmp_path: Path) -> None:
    with (tmp_path / "file").open("wb") as stream:
        stream.write(b"head ")
        with kind(stream, spool(), Pcapng("x")) as press:
            press.take([KEPT, KEPT])
            press.take([])
        stream.write(b" foot")
    assert (tmp_path / "file").read_bytes() == b"head <abc<abc foot"


@ONLY_LINUX
def test_a_process_is_made_where_there_is_much_to_write_to_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (tmp_path / "file").open("wb") as stream:
        assert isinstance(press_of(stream, spool(), Pcapng("x")), InlinePress)
        monkeypatch.setattr(presses, "LEAST_FOR_PROCESS", 0)
        monkeypatch.setattr(os, "cpu_count", lambda: 1)
        assert isinstance(press_of(stream, spool(), Pcapng("x")), InlinePress)
        monkeypatch.setattr(os, "cpu_count", lambda: 2)
        assert isinstance(press_of(stream, spool(), Pcapng("x")), ProcessPress)
    assert isinstance(press_of(io.BytesIO(), spool(), Pcapng("x")), InlinePress)


@ONLY_LINUX
def test_a_sample_is_the_same_from_both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = made()
    used: list[Path] = []

    class InFile(ProcessPress):
        """Writes beside the stream of the test, which is in memory."""

        def __init__(self, stream: BinaryIO, spool: PlaintextSpool, container: Container) -> None:
            self._target = stream
            used.append(tmp_path / str(len(used)))
            self._file = used[-1].open("w+b")
            super().__init__(self._file, spool, container)

        def __exit__(self, *given: object) -> None:
            super().__exit__(*given)  # type: ignore[arg-type]
            self._file.close()
            self._target.write(used[-1].read_bytes())

    monkeypatch.setattr("tlsdecrypt.recapture.decrypted_writer.press_of", InFile)
    assert made() == expected
    assert used


@ONLY_LINUX
@HAS_FULL
@pytest.mark.parametrize("kind", [InlinePress, ProcessPress])
def test_a_full_disk_is_told_by_whoever_waits(kind: type[InlinePress | ProcessPress]) -> None:
    with Path("/dev/full").open("wb", buffering=0) as stream:
        press: Press = kind(stream, spool(), Pcapng("x"))  # type: ignore[arg-type]
        with pytest.raises(OSError, match="No space left"), press:
            press.take([KEPT] * 50)


@ONLY_LINUX
def test_a_process_that_dies_is_one_sentence(tmp_path: Path) -> None:
    with (tmp_path / "a").open("wb") as stream:
        press = ProcessPress(stream, spool(), Pcapng("x"))
        press.__enter__()
        os.kill(press._process.pid or 0, signal.SIGKILL)
        press._process.join()
        with pytest.raises(InputError, match="ended early"):
            press.take([KEPT] * 10_000)
        press.__exit__(InputError, InputError("x"), None)


@ONLY_LINUX
def test_a_fault_of_the_planner_ends_the_process(tmp_path: Path) -> None:
    with (tmp_path / "a").open("wb") as stream:
        press = ProcessPress(stream, spool(), Pcapng("x"))
        with pytest.raises(KeyboardInterrupt), press:
            raise KeyboardInterrupt
        assert not press._process.is_alive()
