"""SecondReading: the frames of a run once more, for outputs that are made of them when the analysis is there.

What comes only once (a pipe, a live capture) is copied to a temporary file while it is read, unless a copy is wanted
anyhow.
"""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from tlsdecrypt.capture.inputs import StandardInput
from tlsdecrypt.capture.live import LiveInput
from tlsdecrypt.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tlsdecrypt.capture.inputs import Named
    from tlsdecrypt.capture.series import Stretch

_STANDARD_INPUT = "-"


class SecondReading:
    """Call it to read again. `inputs` are what is to be read the first time."""

    def __init__(self, named: Sequence[Named]) -> None:
        """Raises InputError where something that comes only once is read together with other captures."""
        self.inputs: Sequence[Named] = named
        self._again: Sequence[Named] = named
        self._folder: TemporaryDirectory[str] | None = None
        if len(named) > 1 and _STANDARD_INPUT in named:
            raise InputError("standard input is read together with other captures: such an output needs it in a file")
        if (len(named) == 1 and not isinstance(named[0], str)) or _STANDARD_INPUT in named:
            self._keep(named[0])

    def _keep(self, once: Named) -> None:
        if isinstance(once, LiveInput):
            copy = once.copy_to or self._spare()
            self.inputs = [LiveInput(once.interfaces, copy)]
        elif once == _STANDARD_INPUT or isinstance(once, StandardInput):
            copy = (once.copy_to if isinstance(once, StandardInput) else None) or self._spare()
            self.inputs = [StandardInput(copy_to=copy)]
        else:
            return
        self._again = [str(copy)]

    def _spare(self) -> Path:
        self._folder = TemporaryDirectory(prefix="tlsdecrypt-")
        return Path(self._folder.name) / "captured"

    def __call__(self) -> Iterator[Stretch]:
        """The same frames, in the same order."""
        from tlsdecrypt.capture.series import Series  # noqa: PLC0415 - start-up time of runs that are refused

        with closing(Series(self._again)) as series:
            yield from series
