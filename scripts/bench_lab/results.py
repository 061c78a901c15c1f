"""The figures as JSON, with the machine that they are of."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from bench_lab.table import Figures

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

VERSIONS = {"tshark": ["tshark", "--version"], "ssldump": ["ssldump", "-v"]}


def write(path: Path, rows: Sequence[Figures]) -> None:
    """One object: `machine`, and `figures` in the order in which they were measured."""
    found = {"machine": machine(), "figures": [each._asdict() for each in rows]}
    path.write_text(json.dumps(found, indent=1) + "\n")


def read(path: Path) -> list[Figures]:
    """The figures of an earlier run. Raises ValueError where it is no such file."""
    found: Any = json.loads(path.read_text())
    try:
        return [Figures(**each) for each in found["figures"]]
    except (KeyError, TypeError) as error:
        raise ValueError(f"{path} was not written by scripts/bench") from error


def machine() -> dict[str, Any]:
    """What the figures depend on."""
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "cores": len(os.sched_getaffinity(0)),
        "processor": _processor(),
        "system": platform.platform(),
        "python": platform.python_version(),
        **{name: _first_line(command) for name, command in VERSIONS.items()},
    }


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:  # noqa: PTH123 - of Linux, where there are no others
            return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    except OSError:
        return platform.processor()


def _first_line(command: list[str]) -> str | None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    except OSError:
        return None
    return next((line.strip() for line in (done.stdout + done.stderr).splitlines() if line.strip()), None)
