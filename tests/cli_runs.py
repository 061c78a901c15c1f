"""How the tests of the command line run it: in this process, and as a program of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from click.testing import CliRunner

from tlsdecrypt import cli

if TYPE_CHECKING:
    from click.testing import Result

KEYS = Path(__file__).resolve().parents[1] / "keys"
PASSWORD = (KEYS / "mail.password").read_text().strip()


def run(*arguments: str | Path, **extra: Any) -> Result:
    """The command in this process."""
    return CliRunner().invoke(cli.main, [str(each) for each in arguments], prog_name="tlsdecrypt", **extra)


def spawn(*arguments: str | Path, **extra: Any) -> subprocess.CompletedProcess[bytes]:
    """The command as a program of its own, which buffers its output as it does for everybody."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    command = [sys.executable, "-m", "tlsdecrypt", *map(str, arguments)]
    return subprocess.run(
        command, capture_output="stdout" not in extra, timeout=60, check=False, env=environment, **extra
    )


def assert_refused(result: Result, *words: str | Path) -> None:
    """Status 2, one sentence on standard error that has these words, and nothing else."""
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    assert result.stderr.startswith("tlsdecrypt: ")
    assert result.stderr.count("\n") == 1
    assert [word for word in map(str, words) if word not in result.stderr] == []
