"""Standard output: whoever reads it may go away, and what takes it may be full."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from tlsdecrypt.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def standard_output() -> Iterator[None]:
    """Flushed at the end; a full disk is one sentence, a reader that went away is `BrokenPipeError`."""
    if sys.__stdout__ is None:  # so Python starts where it was closed
        raise InputError("standard output is closed: name a file with -o, and send standard output to /dev/null")
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as fault:
        raise unwritable(fault) from fault


def open_standard_error() -> None:
    """Python starts with None where it was closed; then what is said there goes nowhere."""
    if sys.stderr is None:
        sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - as long as the program lives


def unwritable(fault: OSError) -> InputError:
    """What to raise where standard output cannot be written."""
    forget_standard_output()
    return InputError(f"standard output cannot be written: {fault.strerror or fault}")


def forget_standard_output() -> None:
    """Python writes what is buffered once more when it ends, and would complain that nobody reads it."""
    with suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
