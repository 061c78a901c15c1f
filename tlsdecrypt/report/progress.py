"""Progress of a long run, for a person who waits at a terminal."""

from __future__ import annotations

import math
import sys
import time
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from tqdm import tqdm

PATIENCE = 1.0  # seconds before anything is shown: most runs are over by then


class Progress:
    """Call it with the bytes read and the bytes in all (0: unknown). Shows a bar on standard error, and removes it."""

    def __init__(self, *, is_shown: bool) -> None:
        """Nothing is shown unless a person is there to see it."""
        self._start = time.monotonic() if is_shown else math.inf
        self._bar: tqdm[NoReturn] | None = None

    def __call__(self, position: int, total: int) -> None:
        """So far `position` bytes of `total` were read."""
        if self._bar is None:
            if time.monotonic() - self._start < PATIENCE:
                return
            self._bar = self._open(total)
        self._bar.update(position - self._bar.n)

    @staticmethod
    def _open(total: int) -> tqdm[NoReturn]:
        from tqdm import tqdm  # noqa: PLC0415 - loaded only by runs that are long enough

        return tqdm(total=total or None, unit="B", unit_scale=True, desc="reading", leave=False, file=sys.stderr)

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.close()
