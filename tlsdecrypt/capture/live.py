"""Live traffic: a program that Wireshark or the system brings captures it, and its output is read as it comes."""

from __future__ import annotations

import io
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, NamedTuple

from tlsdecrypt.capture.copying import CopyingFile
from tlsdecrypt.capture.source import Opened
from tlsdecrypt.errors import CaptureError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PATIENCE_S = 5  # how long the program may take to end once it was asked to
MAX_WORDS = 64 << 10  # bytes of what it says that are looked at
PIECE_BYTES = 256 << 10
LIST = "list"

# Where Wireshark installs dumpcap without adding it to the PATH.
_FOLDERS = (
    "/usr/bin",
    "/usr/sbin",
    "/usr/local/bin",
    "/opt/homebrew/bin",
    "/Applications/Wireshark.app/Contents/MacOS",
    r"%ProgramFiles%\Wireshark",
    r"%ProgramFiles(x86)%\Wireshark",
)
_ROUTINE = re.compile(
    r"Capturing on|File:|Running as user|Packets |\(dumpcap\)|listening on|\d+ packets? |dropped privs", re.IGNORECASE
)
_DROPPED = re.compile(r"([1-9]\d*) packets? dropped by kernel")
_INTERFACE = re.compile(r"\d+\.\s*(\S+)\s*(?:\((.*)\))?(?:\s*\[(.*)\])?")
_MISSING = (
    "no program that captures was found: install Wireshark, whose dumpcap is used, or tcpdump; "
    "or pipe a capture in: tcpdump -U -w - | tlsdecrypt -"
)


class Program(NamedTuple):
    """A program that captures, and how it is told to write to standard output, frame by frame."""

    name: str
    path: str

    def command(self, interfaces: tuple[str, ...]) -> list[str]:
        """What to run. dumpcap takes several interfaces; tcpdump the first one."""
        if self.name == "dumpcap":
            named = [word for interface in interfaces for word in ("-i", interface)]
            return [self.path, "-q", *named, "-w", "-"]
        return [self.path, "-U", "-n", "-s", "0", "-i", interfaces[0], "-w", "-"]


def find_program() -> Program:
    """dumpcap, else tcpdump. Raises CaptureError with the way to get one."""
    folders = os.pathsep.join((os.environ.get("PATH", ""), *map(os.path.expandvars, _FOLDERS)))
    for name in ("dumpcap", "tcpdump"):
        path = shutil.which(name, path=folders)
        if path is not None:
            return Program(name, path)
    raise CaptureError(_MISSING)


@dataclass(slots=True)
class LiveInput:
    """Interfaces to capture on: a CaptureInput that ends when it is stopped."""

    interfaces: tuple[str, ...]
    copy_to: Path | None = None
    can_reopen: bool = False
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def name(self) -> str:
        """The interfaces."""
        return " and ".join(self.interfaces)

    def open(self) -> Opened:
        """Begin to capture. Raises CaptureError where that is not possible, with what the program says of it."""
        for interface in self.interfaces:
            if interface.startswith("-") or not interface:
                raise CaptureError(f"{interface!r} is no interface: --interface {LIST} tells their names.")
        program = find_program()
        if program.name != "dumpcap" and len(self.interfaces) > 1:
            raise CaptureError(f"{program.name} captures on one interface at a time: install Wireshark for several.")
        file = LiveFile(program.command(self.interfaces))
        self._process = file.process
        try:
            self._wait(file, program)
            copying = file if self.copy_to is None else CopyingFile(file, self.copy_to, file.remarks)
        except BaseException:
            file.close()
            raise
        return Opened(self.name, copying, is_pipe=True, remarks=file.remarks)

    def _wait(self, file: LiveFile, program: Program) -> None:
        if complaint := file.wait():
            raise CaptureError(f"{self.name}: {program.name} cannot capture: {complaint}.")

    def stop(self) -> bool:
        """Let the program end: what it captured still comes. False where it was asked before, or never ran."""
        process, self._process = self._process, None
        if process is not None:
            _ask_to_end(process)
        return process is not None


class LiveFile(io.RawIOBase):
    """The output of a program that captures. Reading waits for it."""

    def __init__(self, command: list[str]) -> None:
        """Run it. Raises CaptureError where that is not possible."""
        super().__init__()
        self.remarks: list[str] = []
        self._words = tempfile.TemporaryFile()  # noqa: SIM115 -- the program's standard error, as long as it runs
        self._first = b""
        try:
            self.process = _start(command, self._words)
        except OSError as fault:
            self._words.close()
            raise CaptureError(f"{command[0]} cannot be run: {fault.strerror or fault}.") from None
        assert self.process.stdout is not None
        self._output = self.process.stdout

    def wait(self) -> str:
        """Wait for the first bytes; where the program ends without any, why, without a full stop."""
        self._first = self._output.read(PIECE_BYTES)
        if self._first:
            return ""
        self.process.wait()
        said = [line for line in self._said() if not _ROUTINE.search(line)]
        sentence = said[0].partition(": ")[2] or said[0] if said else f"it ended with status {self.process.returncode}"
        return sentence.strip().rstrip(".")

    def _said(self) -> list[str]:
        self._words.seek(0)
        text = self._words.read(MAX_WORDS).decode("utf-8", "replace")
        return [line.strip() for line in text.splitlines() if line.strip()]

    def fileno(self) -> int:
        """For those who wait for bytes; what was read already is given at once."""
        return self._output.fileno()

    def read(self, size: int = -1) -> bytes:
        """What is there, as soon as there is something; nothing at the end."""
        piece, self._first = self._first, b""
        piece = piece or self._output.read(size if size > 0 else PIECE_BYTES)
        if not piece:
            self._remark_losses()
        return piece

    def _remark_losses(self) -> None:
        """What was lost stands in the capture that dumpcap writes; tcpdump only says it."""
        self.process.wait()
        for line in self._said():
            if found := _DROPPED.search(line):
                self.remarks.append(f"The machine that captured lost {int(found[1]):,} frames: streams may have holes.")

    def close(self) -> None:
        """End the program, if it runs yet."""
        if not self.closed:
            _end(self.process)
            self._output.close()
            self._words.close()
        super().close()


def _start(command: list[str], words: IO[bytes]) -> subprocess.Popen[bytes]:
    """In a process group of its own: Ctrl-C is for tlsdecrypt, which then asks the other program to end."""
    flags = 0
    if sys.platform == "win32":
        flags = subprocess.CREATE_NEW_PROCESS_GROUP
    return subprocess.Popen(  # noqa: S603 -- the program was found above, and no shell runs it
        command,
        bufsize=0,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=words,
        start_new_session=True,
        creationflags=flags,
    )


def _ask_to_end(process: subprocess.Popen[bytes]) -> None:
    """As Ctrl-C would: the program then writes what it still holds."""
    with suppress(OSError, ValueError):
        if sys.platform == "win32":
            process.send_signal(signal.CTRL_BREAK_EVENT)
        else:
            process.send_signal(signal.SIGINT)


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is not None:
        return
    _ask_to_end(process)
    try:
        process.wait(PATIENCE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def interfaces() -> Iterator[tuple[str, str]]:
    """Name and description of each interface that can be captured on. Raises CaptureError."""
    program = find_program()
    result = subprocess.run([program.path, "-D"], capture_output=True, check=False, stdin=subprocess.DEVNULL)  # noqa: S603 -- as above
    lines = result.stdout.decode("utf-8", "replace").splitlines()
    found = [match for each in lines if (match := _INTERFACE.match(each.strip()))]
    if not found:
        said = result.stderr.decode("utf-8", "replace").strip().splitlines()
        raise CaptureError(f"{program.name} finds no interface to capture on{': ' + said[-1] if said else ''}.")
    for match in found:
        yield match[1], ", ".join(part for part in match.groups()[1:] if part)
