"""Run a program and see what it took: seconds, and resident memory at its highest."""

from __future__ import annotations

import os
import subprocess
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from bench_lab.programs import ENVIRONMENT, PROGRAMS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench_lab.programs import Job, Program
    from bench_lab.recipes import Recipe

SAMPLE_S = 0.2  # how often the memory of a program and its processes is looked at
_KILOBYTE = 1024


class Run(NamedTuple):
    """One run of one program."""

    seconds: float
    peak_megabytes: float


class WrongAnswerError(Exception):
    """A program that did not find what the capture holds: its time says nothing."""


def check(program: str, job: Job, recipe: Recipe, scratch: Path) -> float:
    """Run once, untimed; the memory in MB that the program and the processes it starts took together, at most.

    WrongAnswerError unless as many HTTP messages were found as the recipe promises. The page cache is warm then.
    """
    chosen = PROGRAMS[program]
    complaints = scratch.with_suffix(".stderr")
    with scratch.open("wb") as output, complaints.open("wb") as errors, _started(chosen, job, output, errors) as child:
        peak = 0
        while child.poll() is None:
            peak = max(peak, _proportional_kilobytes(child.pid))
            time.sleep(SAMPLE_S)
    complaint = complaints.read_text(errors="replace").strip()[-200:]
    try:
        found = chosen.count(scratch.read_bytes())
    except (ValueError, KeyError) as error:
        raise WrongAnswerError(f"exit status {child.returncode}, no usable output ({error}): {complaint}") from error
    finally:
        scratch.unlink()
        complaints.unlink()
    if not recipe.least_messages <= found <= recipe.messages:
        raise WrongAnswerError(
            f"{found} of {recipe.messages} HTTP messages, exit status {child.returncode}: {complaint}"
        )
    return peak / _KILOBYTE


def run(program: Program, job: Job) -> Run:
    """Wall time and memory of one run, its output thrown away.

    Linux counts the memory that the parent held at the fork into the child's maximum, so this process must stay small:
    captures are made, and outputs are counted, in others.
    """
    start = time.perf_counter()
    with Path(os.devnull).open("wb") as nowhere, _started(program, job, nowhere, nowhere) as child:
        _, status, usage = os.wait4(child.pid, 0)
        seconds = time.perf_counter() - start
        child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise WrongAnswerError(f"exit status {child.returncode}")
    return Run(seconds, usage.ru_maxrss / _KILOBYTE)


@contextmanager
def _started(program: Program, job: Job, output: BinaryIO, errors: BinaryIO) -> Iterator[subprocess.Popen[bytes]]:
    """The program on its way; what it reads from a pipe is written there by `cat`."""
    feeder = subprocess.Popen(["cat", str(job.capture)], stdout=subprocess.PIPE) if job.is_pipe else None
    source = feeder.stdout if feeder else subprocess.DEVNULL
    environment = os.environ | ENVIRONMENT
    child = subprocess.Popen(program.command(job), stdout=output, stderr=errors, stdin=source, env=environment)
    if feeder and feeder.stdout:
        feeder.stdout.close()  # the program alone holds it now
    try:
        yield child
    finally:
        if feeder:
            feeder.wait()


def _proportional_kilobytes(pid: int) -> int:
    """The memory of a process and all below it; a page that several share counts once in all."""
    total = 0
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1])
        for task in Path(f"/proc/{pid}/task").iterdir():
            total += sum(map(_proportional_kilobytes, map(int, (task / "children").read_text().split())))
    return total
