"""Captures in zip archives: each is read from the archive as it is needed, and never unpacked as a whole."""

from __future__ import annotations

import io
import os
import struct
import zipfile
import zlib
from dataclasses import dataclass, field
from typing import IO

from tlsdecrypt.capture.source import Opened, is_capture
from tlsdecrypt.capture.window import RawSource
from tlsdecrypt.errors import CaptureError
from tlsdecrypt.value import Hidden, Value

MAX_MEMBERS = 10_000  # that are looked at
MAX_DIRECTORY_BYTES = 4 << 20  # of the directory at the end, which becomes objects at once
PIECE_BYTES = 4_096  # unpacked at once: where it is damaged, no more is lost
MAX_READ_BYTES = 256 << 10  # read at once: a few bytes can stand for very many

_IS_ENCRYPTED = 0x1
_END = struct.Struct("<4s8xI6x")  # the record at the end, before a comment of at most 64 kB: bytes of the directory
_END_64 = struct.Struct("<4s36xQ8x")  # the same of archives over 4 GB, some bytes before
_MAX_COMMENT = 0xFFFF
# RuntimeError: a password is needed, or the method of compression is unknown to this Python.
_FAULTS = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError, OSError)


class MemberInput(Value, frozen=True):
    """A capture in an archive, which has to be open when its members are opened."""

    path: str
    member: zipfile.ZipInfo
    archive: Hidden[zipfile.ZipFile]
    can_reopen: bool = True

    @property
    def name(self) -> str:
        """The archive, and the name in it."""
        return f"{self.path}/{self.member.filename}"

    def open(self) -> Opened:
        """See CaptureInput."""
        try:
            return Opened(self.name, MemberFile(self.archive.open(self.member)), self.member.file_size)
        except _FAULTS as fault:
            raise CaptureError(f"{self.name}: it cannot be unpacked: {_reason(fault)}.") from None


class MemberFile(io.RawIOBase):
    """The bytes of a member. Whatever is wrong with them is an OSError, as it is with any other file."""

    def __init__(self, stream: IO[bytes]) -> None:
        super().__init__()
        self._stream = stream
        self._fault: BaseException | None = None

    def read(self, size: int = -1) -> bytes:
        """At most `size` bytes, and never more than MAX_READ_BYTES; what stands before a fault comes first."""
        wanted = MAX_READ_BYTES if size < 0 else min(size, MAX_READ_BYTES)
        data = bytearray()
        while self._fault is None and len(data) < wanted and (piece := self._piece(wanted - len(data))):
            data += piece
        if self._fault is not None and not data:
            raise OSError(0, f"it cannot be unpacked ({_reason(self._fault)})")
        return bytes(data)

    def _piece(self, most: int) -> bytes:
        try:
            return self._stream.read(min(most, PIECE_BYTES))
        except _FAULTS as fault:
            self._fault = fault
            return b""

    def close(self) -> None:
        """Close the member; the archive stays open."""
        self._stream.close()
        super().close()


@dataclass(slots=True)
class Members:
    """What is in an archive: captures, other members by their names, and sentences on those that cannot be read."""

    archive: zipfile.ZipFile
    captures: list[MemberInput] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


def members(path: str) -> Members:
    """The captures in an archive, sorted by name; it is open then. Raises CaptureError where it cannot be read."""
    archive = _open(path)
    found = Members(archive)
    files = sorted((each for each in archive.infolist() if not each.is_dir()), key=lambda each: each.filename)
    for member in files[:MAX_MEMBERS]:
        _sort_in(MemberInput(path, member, archive), found)
    if len(files) > MAX_MEMBERS:
        found.faults.append(f"only the first {MAX_MEMBERS:,} of its {len(files):,} files were looked at.")
    return found


def _sort_in(candidate: MemberInput, found: Members) -> None:
    name = candidate.member.filename
    if candidate.member.flag_bits & _IS_ENCRYPTED:
        found.faults.append(f"{name} is encrypted: unpack it with its password, and give the files.")
        return
    try:
        with candidate.open().file as file:
            is_one = is_capture(RawSource(file, lambda _: None, is_pipe=False))
    except CaptureError as fault:
        found.faults.append(str(fault).removeprefix(f"{candidate.path}/"))
        return
    if is_one:
        found.captures.append(candidate)
    else:
        found.others.append(name)


def _open(path: str) -> zipfile.ZipFile:
    try:
        with open(path, "rb") as file:  # noqa: PTH123 -- a path may be no Path
            if _directory_bytes(file) > MAX_DIRECTORY_BYTES:
                raise CaptureError(f"{path}: the archive has too many files: unpack it first.")
        return zipfile.ZipFile(path)
    except _FAULTS as fault:
        raise CaptureError(f"{path}: the zip archive cannot be read: {_reason(fault)}.") from None


def _directory_bytes(file: IO[bytes]) -> int:
    """How long the directory of an archive says it is (APPNOTE sections 4.3.14 and 4.3.16); 0 where there is none."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - _MAX_COMMENT - _END.size - 2 * _END_64.size))
    tail = file.read()
    lengths = [0]
    for magic, record in ((b"PK\x05\x06", _END), (b"PK\x06\x06", _END_64)):
        at = tail.rfind(magic)
        if 0 <= at <= len(tail) - record.size:
            lengths.append(record.unpack_from(tail, at)[1])
    is_large = len(lengths) > 2 and lengths[1] == 0xFFFFFFFF  # noqa: PLR2004 -- both records: the second one counts
    return max(lengths[2:] if is_large else lengths)


def _reason(fault: BaseException) -> str:
    """The fault in words, without a full stop."""
    if isinstance(fault, OSError) and fault.strerror:
        return fault.strerror
    return str(fault).rstrip(".") or "it ends too early"
