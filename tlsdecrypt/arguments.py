"""Arguments: the command line as given, and what it names on disk."""

from __future__ import annotations

import glob
import os
import stat
import sys
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING

from tlsdecrypt.errors import InputError
from tlsdecrypt.value import Value

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tlsdecrypt.capture.inputs import Named

MAX_PASSWORD_FILE = 1 << 20  # bytes

_STANDARD_INPUT = "-"
_LIST = "list"
PASSWORD_VARIABLE = "TLSDECRYPT_PASSWORD"  # noqa: S105 - the name of a variable


class Arguments(Value, frozen=True):
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
    explain: bool = False
    connection: tuple[int, ...] = ()
    finding: tuple[str, ...] = ()
    with_original: bool = False
    anonymise: bool = False
    schema: bool = False
    rules: bool = False
    explain_rule: str | None = None
    fail_on: str | None = None
    objects: str | None = None
    follow: int | None = None
    side: str | None = None
    interface: tuple[str, ...] = ()
    write: str | None = None
    jobs: int | None = None
    dissect: bool = False

    @property
    def is_question(self) -> bool:
        """Whether something is asked of the program itself, and no capture is to be read."""
        is_about_rules = self.rules or self.explain_rule is not None
        return self.schema or is_about_rules or self.interface == (_LIST,)

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


def named_captures(arguments: Arguments) -> Sequence[Named]:
    """What is to be read: files and folders, standard input, or interfaces. Raises InputError where it cannot be."""
    from tlsdecrypt.capture.inputs import StandardInput  # noqa: PLC0415 - start-up time of `--help`

    copy_to = _copy_to(arguments)
    if arguments.interface:
        from tlsdecrypt.capture.live import LiveInput  # noqa: PLC0415 - the same

        if arguments.captures:
            raise InputError("name captures, or interfaces to capture on, but not both")
        return [LiveInput(arguments.interface, copy_to)]
    if not arguments.captures:
        raise InputError("name a capture, or an interface to capture on (--interface); see tlsdecrypt --help")
    if copy_to is not None:
        if arguments.captures != (_STANDARD_INPUT,):
            raise InputError("--write keeps what is captured or comes through standard input: a file is kept already")
        return [StandardInput(copy_to=copy_to)]
    return expanded(arguments.captures)


def _copy_to(arguments: Arguments) -> Path | None:
    if arguments.write is None:
        return None
    path = Path(arguments.write)
    if path.is_dir() or not path.parent.is_dir():
        raise InputError(f"{path} cannot be written: name a file in a folder that exists")
    if path.exists() and not arguments.force:
        raise InputError(f"{path} exists: choose another name, or give --force to overwrite it")
    return path


def is_live(arguments: Arguments) -> bool:
    """Whether somebody waits for things to happen: an interface, or a pipe that may go on for long."""
    if arguments.interface:
        return True
    try:
        is_regular = stat.S_ISREG(os.fstat(sys.stdin.fileno()).st_mode)
    except (OSError, ValueError, AttributeError):  # replaced, or closed
        return False
    return arguments.captures == (_STANDARD_INPUT,) and not is_regular


def expanded(names: Sequence[str]) -> list[str]:
    """The captures that are meant: patterns that the shell left alone (Windows, quotes) become the files they fit.

    Raises InputError where a pattern fits no file, or standard input is named twice.
    """
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
    """What to try on encrypted key files: each line of the password file, else the environment's password.

    Raises InputError where that file cannot be read.
    """
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
