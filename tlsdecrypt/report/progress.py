"""Progress of a long run, for a person who waits at a terminal: reading, and then writing."""

from __future__ import annotations

import math
import sys
import time
from typing import TYPE_CHECKING, NoReturn, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tqdm import tqdm

PATIENCE = 1.0  # seconds before anything is shown: most runs are over by then

_Ended = TypeVar("_Ended")


class Progress:
    """Call it with the bytes read and the bytes in all (0: unknown). Shows a bar on standard error, and removes it.

    The bar tells bytes, how fast they are read, how long that will take on, and how many connections have ended.
    """

    def __init__(self, *, is_shown: bool) -> None:
        """Nothing is shown unless a person is there to see it."""
        self._start = time.monotonic() if is_shown else math.inf
        self._bar: tqdm[NoReturn] | None = None
        self._ended = 0

    def __call__(self, position: int, total: int) -> None:
        """So far `position` bytes of `total` were read."""
        if self._bar is None:
            if time.monotonic() - self._start < PATIENCE:
                return
            self._bar = self._open(position, total)
        self._bar.set_postfix_str(f"{self._ended:,} connections", refresh=False)
        self._bar.update(position - self._bar.n)

    def counting(self, connections: Iterable[_Ended]) -> Iterator[_Ended]:
        """The same connections, counted as they end."""
        for each in connections:
            self._ended += 1
            yield each

    def writing(self, name: str | None) -> None:
        """The file that is written from now on; None when all are written."""
        self.close()
        if name is None or time.monotonic() - self._start < PATIENCE:
            return
        from tqdm import tqdm  # noqa: PLC0415 - loaded only by runs that are long enough

        self._bar = tqdm(desc=f"writing {name}", bar_format="{desc}", leave=False, file=sys.stderr, dynamic_ncols=True)

    @staticmethod
    def _open(position: int, total: int) -> tqdm[NoReturn]:
        from tqdm import tqdm  # noqa: PLC0415 - loaded only by runs that are long enough

        return tqdm(
            total=total or None,
            initial=position,
            unit="B",
            unit_scale=True,
            desc="reading",
            leave=False,
            file=sys.stderr,
            dynamic_ncols=True,
        )

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None
