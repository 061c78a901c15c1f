"""What all tests share: second programs, and how hard Hypothesis tries."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest
import tiny_capture
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

settings.register_profile("fast", deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("deep", deadline=None, max_examples=5_000, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fast"))


def find_program(name: str) -> str:
    """Where `name` is installed. Without it the test is skipped; where CI=true it fails: nothing is left out there."""
    path = shutil.which(name)
    if path is None:
        reason = f"{name} is not installed"
        if os.environ.get("CI") == "true":
            pytest.fail(f"{reason}, and in continuous integration it has to be", pytrace=False)
        pytest.skip(reason)
    return path


@pytest.fixture(scope="session")
def program() -> Callable[[str], str]:
    """`program("editcap")`: its path, or the test is skipped (in continuous integration: fails)."""
    return find_program


@pytest.fixture(scope="session")
def tshark(program: Callable[[str], str]) -> str:
    """The path of tshark, the second opinion."""
    return program("tshark")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a capture of one clear HTTP exchange and things that are none; the environment gives nothing."""
    for name in ("TLSDECRYPT_PASSWORD", "TLSDECRYPT_DEBUG"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "clear.pcap").write_bytes(tiny_capture.pcap())
    (tmp_path / "empty").touch()
    (tmp_path / "text").write_text("This is no capture, and no key.\n")
    (tmp_path / "out").mkdir()
    return tmp_path


@pytest.fixture
def capture(folder: Path) -> str:
    """The path of the capture in `folder`."""
    return str(folder / "clear.pcap")
