"""Arguments: the command line as given, and what it names on disk."""

from __future__ import annotations

import glob
import os
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING

from tlsdecrypt.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_PASSWORD_FILE = 1 << 20  # bytes

_STANDARD_INPUT = "-"
PASSWORD_VARIABLE = "TLSDECRYPT_PASSWORD"  # noqa: S105 - the name of a variable


@dataclass(frozen=True, slots=True)
class Arguments:
    """The names are those of the options, but for `form`, which is `--format`."""

    captures: tuple[str, ...]
    pfx: tuple[str, ...]
    key: tuple[str, ...]
    keylog: tuple[str, ...]
    psk: tuple[str, ...]
    ticket_key: tuple[str, ...]
    keys: tuple[str, ...]
    password_file: str | None
    output: tuple[str, ...]
    form: str
    host: tuple[str, ...]
    port: tuple[int, ...]
    force: bool
    show_secrets: bool
    strict: bool
    quiet: bool
    verbose: bool

    @property
    def hosts(self) -> tuple[str, ...]:
        """Whom `--host` names, addresses as reports spell them (`2001:DB8:0::1` is `2001:db8::1`)."""
        return tuple(map(_as_reported, self.host))

    @property
    def inputs(self) -> tuple[str, ...]:
        """Every file that is read, and every folder: what is in it is read too."""
        passwords = (self.password_file,) if self.password_file else ()
        files = (*self.pfx, *self.key, *self.keylog, *self.ticket_key, *passwords)
        return (*expanded(self.captures), *files, *self.keys)


def _as_reported(host: str) -> str:
    try:
        return str(ip_address(host.strip("[]")))
    except ValueError:
        return host


def expanded(names: Sequence[str]) -> list[str]:
    """The captures that are meant: patterns that the shell left alone (Windows, quotes) become the files they fit."""
    if names.count(_STANDARD_INPUT) > 1:
        raise InputError("standard input (-) can be read only once")
    found: list[str] = []
    for name in names:
        if not glob.has_magic(name) or Path(name).exists():
            found.append(name)
            continue
        files = sorted(glob.glob(name))  # noqa: PTH207 - a pattern may be absolute
        if not files:
            raise InputError(f"{name} fits no file")
        found += files
    return found


def passwords_of(arguments: Arguments) -> list[str]:
    """What to try on encrypted key files: each line of the password file, else the environment's password."""
    if arguments.password_file is None:
        password = os.environ.get(PASSWORD_VARIABLE)
        return [] if password is None else [password]
    path = Path(arguments.password_file)
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_PASSWORD_FILE)
        text = data.decode("utf-8-sig")
    except OSError as fault:
        raise InputError(f"the password file {path} cannot be read: {fault.strerror or fault}") from fault
    except UnicodeDecodeError as fault:
        raise InputError(f"the password file {path} is not UTF-8 text") from fault
    return [line for line in text.splitlines() if line]
