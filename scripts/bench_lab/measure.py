"""Run a program and see what it took: seconds, and resident memory at its highest."""

from __future__ import annotations

import os
import subprocess
import time
from typing import TYPE_CHECKING, NamedTuple

from bench_lab.programs import ENVIRONMENT, PROGRAMS

if TYPE_CHECKING:
    from pathlib import Path

    from bench_lab.programs import Job, Program


class Run(NamedTuple):
    """One run of one program."""

    seconds: float
    peak_megabytes: float


class WrongAnswerError(Exception):
    """A program that did not find what the capture holds: its time says nothing."""


def check(program: str, job: Job, messages: int, scratch: Path) -> None:
    """Run once, untimed; WrongAnswerError unless `messages` HTTP messages were found. The page cache is warm then."""
    chosen = PROGRAMS[program]
    with scratch.open("wb") as output:
        done = subprocess.run(
            chosen.command(job),
            stdout=output,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            env=os.environ | ENVIRONMENT,
            check=False,
        )
    complaint = done.stderr.decode(errors="replace").strip()[-200:]
    try:
        found = chosen.count(scratch.read_bytes())
    except (ValueError, KeyError) as error:
        raise WrongAnswerError(f"exit status {done.returncode}, no usable output ({error}): {complaint}") from error
    finally:
        scratch.unlink()
    if found != messages:
        raise WrongAnswerError(f"{found} of {messages} HTTP messages, exit status {done.returncode}: {complaint}")


def run(program: Program, job: Job) -> Run:
    """Wall time and memory of one run, its output thrown away.

    Linux counts the memory that the parent held at the fork into the child's maximum, so this process must stay small:
    captures are made, and outputs are counted, in others.
    """
    start = time.perf_counter()
    child = subprocess.Popen(
        program.command(job),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        stdin=subprocess.DEVNULL,
        env=os.environ | ENVIRONMENT,
    )
    _, status, usage = os.wait4(child.pid, 0)
    seconds = time.perf_counter() - start
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise WrongAnswerError(f"exit status {child.returncode}")
    return Run(seconds, usage.ru_maxrss / 1024)
