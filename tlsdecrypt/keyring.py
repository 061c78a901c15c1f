"""Keys, key logs and pre-shared keys from files: the only place where secrets are read from disk."""

from __future__ import annotations

import codecs
import gzip
import os
import zlib
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tlsdecrypt.errors import KeyFileError, PasswordError
from tlsdecrypt.growing_keylog import GrowingKeyLog
from tlsdecrypt.tls.keyfiles import PrivateKey, parse_key_file
from tlsdecrypt.tls.keylog import LONGEST_LINE, is_keylog
from tlsdecrypt.tls.secrets import SecretStore
from tlsdecrypt.tls.session_ticket import is_ticket_key_file, parse_ticket_keys

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from io import BufferedReader
    from os import PathLike

LARGEST_KEY_FILE: Final = 16 << 20  # bytes: a thousand keys in one PEM file are 2 MB
LARGEST_KEYLOG: Final = 4 << 30  # bytes, after decompression
MOST_FILES: Final = 20_000  # of one folder

_PIECE: Final = 1 << 20
_GZIP_MAGIC: Final = b"\x1f\x8b"


def load_keys(  # noqa: PLR0913 - one keyword for each option of the command line
    *,
    pfx: Iterable[str | PathLike[str]] = (),
    keys: Iterable[str | PathLike[str]] = (),
    keylogs: Iterable[str | PathLike[str]] = (),
    psks: Iterable[str] = (),
    ticket_keys: Iterable[str | PathLike[str]] = (),
    folders: Iterable[str | PathLike[str]] = (),
    password: Callable[[str], str | None] | None = None,
    passwords: Sequence[str] = (),
) -> SecretStore:
    """All secrets that are in these files. What a file holds counts, not whether it stands in `pfx` or `keys`.

    `psks` are texts `[IDENTITY:]HEX`; `ticket_keys` the session-ticket keys of a server (48 or 80 bytes, or lines of
    base64). Of `folders` all files are read, and those without a key are named in the
    `notes` of the result. Encrypted files are tried with `passwords`, then `password(file name)` is asked. Raises
    KeyFileError, PasswordError: one sentence with the file's name and the remedy, and never a secret.
    """
    loader = _Loader(password, passwords)
    for path in [*pfx, *keys]:
        loader.load_key_file(Path(path))
    for path in keylogs:
        loader.load_keylog(Path(path))
    for path in ticket_keys:
        loader.load_ticket_keys(Path(path))
    for folder in folders:
        loader.load_folder(Path(folder))
    loader.load_psks(psks)
    return loader.store


class _Loader:
    """Fills one SecretStore. A password that was typed is tried for the next files too."""

    def __init__(self, ask: Callable[[str], str | None] | None, passwords: Sequence[str]) -> None:
        self.store = SecretStore()
        self._ask_user = ask
        self._passwords = list(passwords)

    def load_key_file(self, path: Path) -> None:
        """The private keys of one file."""
        with _opened(path) as file:
            data = _read_all(file, path)
        self.store.add_private_keys(self._open(data, str(path)))

    def load_keylog(self, path: Path) -> None:
        """One key log, plain or gzip."""
        with _opened(path) as file:
            facts = self.store.add_keylog(self._pieces(file, path), str(path))
        if not facts.secrets and facts.junk:
            raise KeyFileError(f"{path}: no line of this file is a key log; private keys are given with --pfx or --key")
        self._follow(path)
        if not facts.secrets:
            self.store.notes.append(f"{path}: the key log is empty: was SSLKEYLOGFILE set when the program began?")

    def _follow(self, path: Path) -> None:
        """Look later what was appended, where that can be told: not of a pipe, nor of what is compressed or UTF-16."""
        if not path.is_file():
            return
        with _opened(path) as file:
            if file.peek(2)[:2] in (_GZIP_MAGIC, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
                return
            size = file.seek(0, os.SEEK_END)
            file.seek(max(size - LONGEST_LINE, 0))
            last = file.read(LONGEST_LINE)
        whole = size - len(last) + last.rfind(b"\n") + 1
        self.store.follow(str(path), GrowingKeyLog(path, whole))

    def load_ticket_keys(self, path: Path) -> None:
        """The session-ticket keys of one file."""
        with _opened(path) as file:
            data = _read_all(file, path)
        self.store.add_ticket_keys(parse_ticket_keys(data, str(path)))

    def load_psks(self, texts: Iterable[str]) -> None:
        """Pre-shared keys; each has a name in the report, which is its identity, and its number where it has none."""
        nameless = 0
        for text in texts:
            identity, key = _parse_psk(text)
            nameless += identity is None
            number = f" (number {nameless})" if identity is None and nameless > 1 else ""
            name = f" {identity.decode()}" if identity is not None else number
            self.store.add_psk(identity, key, f"--psk{name}")

    def load_folder(self, folder: Path) -> None:
        """Every file under a folder that holds a key or is a key log."""
        if not folder.is_dir():
            raise KeyFileError(f"{folder}: no such folder" if not folder.exists() else f"{folder}: not a folder")
        files = sorted(each for each in folder.rglob("*") if each.is_file())
        if len(files) > MOST_FILES:
            self.store.notes.append(f"{folder}: only the first {MOST_FILES} of {len(files)} files were read")
        for path in files[:MOST_FILES]:
            try:
                self._load_any(path)
            except KeyFileError as error:
                self.store.notes.append(f"skipped: {error}")

    def _load_any(self, path: Path) -> None:
        with _opened(path) as file:
            head = file.peek()  # some kilobytes, enough to tell a key log and the whole of ticket keys
        if head.startswith(_GZIP_MAGIC) or is_keylog(head):
            self.load_keylog(path)
        elif is_ticket_key_file(head):
            self.load_ticket_keys(path)
        else:
            self.load_key_file(path)

    def _open(self, data: bytes, name: str) -> list[PrivateKey]:
        refused: PasswordError | None = None
        for password in self._passwords:
            try:
                return parse_key_file(data, name, partial(str, password))
            except PasswordError as error:
                refused = error
        if refused and self._ask_user is None:
            raise refused
        return parse_key_file(data, name, lambda: self._ask(name))

    def _ask(self, name: str) -> str | None:
        answer = self._ask_user(name) if self._ask_user else None
        if answer is not None:
            self._passwords.append(answer)
        return answer

    def _pieces(self, file: BufferedReader, path: Path) -> Iterator[bytes]:
        """The text of a key log, decompressed; a gzip stream that is cut gives what stands before the cut."""
        is_gzip = file.peek(2)[:2] == _GZIP_MAGIC
        text = gzip.GzipFile(fileobj=file) if is_gzip else file
        length = 0
        try:
            while piece := text.read1(_PIECE):  # `read` would lose what stands before damage
                length += len(piece)
                if length > LARGEST_KEYLOG:
                    raise KeyFileError(f"{path}: larger than {LARGEST_KEYLOG >> 30} GB, which no key log is")
                yield piece
        except (EOFError, zlib.error, gzip.BadGzipFile):
            self.store.notes.append(f"{path}: the gzip stream is cut off or damaged; what stands before that was read")
        except OSError as error:
            raise _unreadable(path, error) from error


def _opened(path: Path) -> BufferedReader:
    try:
        if path.is_dir():
            raise KeyFileError(f"{path}: is a folder: give the file, or the folder with --keys")
        return path.open("rb")
    except OSError as error:
        raise _unreadable(path, error) from error
    except ValueError as error:
        raise KeyFileError(f"{str(path)!r}: no file can have this name") from error


def _unreadable(path: Path, error: OSError) -> KeyFileError:
    if isinstance(error, FileNotFoundError):
        return KeyFileError(f"{path}: no such file")
    return KeyFileError(f"{path}: cannot be read: {error.strerror or type(error).__name__}")


def _read_all(file: BufferedReader, path: Path) -> bytes:
    try:
        data = file.read(LARGEST_KEY_FILE + 1)
    except OSError as error:
        raise _unreadable(path, error) from error
    if len(data) > LARGEST_KEY_FILE:
        raise KeyFileError(f"{path}: larger than {LARGEST_KEY_FILE >> 20} MB, which no key file is")
    return data


def _parse_psk(text: str) -> tuple[bytes | None, bytes]:
    """Identity (None: for any) and key of `[IDENTITY:]HEX`. The message must not show the key."""
    identity, colon, digits = text.rpartition(":")
    try:
        key = bytes.fromhex(digits.removeprefix("0x"))
    except ValueError:
        key = b""
    if not key:
        raise KeyFileError("--psk: [IDENTITY:]HEX is wanted, and what follows the last colon is not hexadecimal")
    return (identity.encode() if colon else None), key
