"""The programs that are compared: how each is started on a capture, and how many HTTP messages its output shows."""

from __future__ import annotations

import json
import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from bench_lab.credentials import PASSWORD

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench_lab.credentials import Credentials

MESSAGE_STARTS = re.compile(rb"^ *(?:GET /|HTTP/1\.1 200)", re.MULTILINE)
OURS = "tlsdecrypt"
ALONE = "tlsdecrypt --jobs 1"


class Job(NamedTuple):
    """One capture, with what opens it: the key log, the folder of keys, else the server's key."""

    capture: Path
    server: Credentials
    key_log: Path | None
    keys: Path | None = None
    is_pipe: bool = False

    @property
    def name(self) -> str:
        """What programs are told to read."""
        return "-" if self.is_pipe else str(self.capture)


@dataclass(frozen=True, slots=True)
class Program:
    """`command` builds the argument vector; `count` finds the HTTP messages in standard output."""

    name: str
    command: Callable[[Job], list[str]]
    count: Callable[[bytes], int]

    def is_installed(self, job: Job) -> bool:
        """Whether there is something to start."""
        return shutil.which(self.command(job)[0]) is not None


def _tlsdecrypt(job: Job, *options: str) -> list[str]:
    secret = ["--pfx", str(job.server.pfx)]
    if job.keys:
        secret = ["--keys", str(job.keys)]
    elif job.key_log:
        secret = ["--keylog", str(job.key_log)]
    executable = Path(sys.executable).with_name("tlsdecrypt")
    return [str(executable), job.name, *secret, "--format", "json", "--quiet", *options]


def _tlsdecrypt_alone(job: Job) -> list[str]:
    return _tlsdecrypt(job, "--jobs", "1")


def _tshark(job: Job) -> list[str]:
    secret = f"tls.keylog_file:{job.key_log}" if job.key_log else f'uat:rsa_keys:"{job.server.key}",""'
    fields = ["-T", "fields", "-e", "frame.number", "-e", "http.request.method", "-e", "http.response.code"]
    return ["tshark", "-r", job.name, "-o", secret, "-Y", "http", *fields]


def _ssldump(job: Job) -> list[str]:
    secret = ["-l", str(job.key_log)] if job.key_log else ["-k", str(job.server.key)]
    return ["ssldump", "-r", job.name, *secret, "-n", "-d"]


def _count_exchanges(output: bytes) -> int:
    sides = [
        exchange[side]
        for connection in json.loads(output)["connections"]
        for exchange in connection["exchanges"]
        for side in ("request", "response")
    ]
    return sum(side is not None for side in sides)


def _count_lines(output: bytes) -> int:
    """A frame may hold more than one message: its values then stand behind one another, with commas between."""
    rows = (line.split(b"\t")[1:] for line in output.splitlines())
    return sum(len([value for value in field.split(b",") if value]) for row in rows for field in row)


def _count_starts(output: bytes) -> int:
    return sum(1 for _ in MESSAGE_STARTS.finditer(output))


PROGRAMS = {
    each.name: each
    for each in (
        Program(OURS, _tlsdecrypt, _count_exchanges),
        Program(ALONE, _tlsdecrypt_alone, _count_exchanges),
        Program("tshark", _tshark, _count_lines),
        Program("ssldump", _ssldump, _count_starts),
    )
}
ENVIRONMENT = {"TLSDECRYPT_PASSWORD": PASSWORD}
