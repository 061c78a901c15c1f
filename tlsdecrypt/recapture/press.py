"""Press: makes the bytes of plans and writes them: in this process, or in one beside it where there is much to write.

The other process is a fork: it shares the spool and the file, and is told no more than what comes next.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, BinaryIO, Protocol, Self

from tlsdecrypt.errors import InputError
from tlsdecrypt.recapture.plan import rendered
from tlsdecrypt.recapture.write_behind import WriteBehind

if TYPE_CHECKING:
    from collections.abc import Iterable
    from multiprocessing.connection import Connection
    from types import TracebackType

    from tlsdecrypt.recapture.container import Container
    from tlsdecrypt.recapture.plaintext_spool import PlaintextSpool
    from tlsdecrypt.recapture.plan import Plan

LEAST_FOR_PROCESS = 64 << 20  # bytes that are said: of less, a process of its own takes longer than it saves


class Press(Protocol):
    """A context; what goes wrong while bytes are written is raised by `take`, or at the end."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def take(self, plans: Iterable[Plan]) -> None:
        """The next plans."""


def press_of(stream: BinaryIO, spool: PlaintextSpool, container: Container) -> Press:
    """A process of its own where there is much to write and a core for it."""
    is_worth_it = spool.length >= LEAST_FOR_PROCESS and (os.cpu_count() or 1) > 1 and sys.platform == "linux"
    if is_worth_it and _is_file(stream):
        return ProcessPress(stream, spool, container)
    return InlinePress(stream, spool, container)


def _is_file(stream: BinaryIO) -> bool:
    """Whether another process can write to it."""
    try:
        return stream.fileno() >= 0
    except OSError:
        return False


class InlinePress:
    """In this process."""

    def __init__(self, stream: BinaryIO, spool: PlaintextSpool, container: Container) -> None:
        self._stream, self._spool, self._container = stream, spool, container

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        """See Press: all was written by `take`."""

    def take(self, plans: Iterable[Plan]) -> None:
        """See Press."""
        for plan in plans:
            self._stream.write(rendered(plan, self._spool, self._container))


class ProcessPress:
    """In a process of its own, and there in two threads: one makes bytes, one writes them."""

    def __init__(self, stream: BinaryIO, spool: PlaintextSpool, container: Container) -> None:
        self._stream = stream
        context = multiprocessing.get_context("fork")
        self._plans, theirs = context.Pipe()
        self._process = context.Process(target=self._run, args=(theirs, spool, container), daemon=True)
        self._theirs = theirs

    def __enter__(self) -> Self:
        self._stream.flush()
        self._process.start()
        self._theirs.close()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if fault is None:
                self._send(None)
                self._receive()
        finally:
            self._plans.close()
            if fault is not None:
                self._process.terminate()
            self._process.join()

    def take(self, plans: Iterable[Plan]) -> None:
        """See Press."""
        for plan in plans:
            self._send(plan)

    def _send(self, plan: Plan | None) -> None:
        try:
            self._plans.send(plan)
        except (BrokenPipeError, ConnectionResetError):
            self._receive()

    def _receive(self) -> None:
        """How it ended there; raised here where it did not end well."""
        answer = None
        with suppress(EOFError, OSError):
            answer = self._plans.recv()
        if isinstance(answer, (OSError, InputError)):
            raise answer
        if answer is not True:
            raise InputError("the process that writes the capture ended early")

    def _run(self, plans: Connection, spool: PlaintextSpool, container: Container) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for whoever sends the plans
        gc.disable()  # nothing made here refers to itself, and there are many views of bytes
        self._plans.close()
        answer: bool | Exception = True
        try:
            with WriteBehind(self._stream) as behind:
                while (plan := plans.recv()) is not None:
                    behind.write(rendered(plan, spool, container))
            self._stream.flush()
        except EOFError:
            return
        except (OSError, InputError) as fault:
            answer = fault
        plans.send(answer)
