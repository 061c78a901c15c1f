"""What happens to segments between two peers and a capture: some are lost, some come late."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bench_lab.recipes import Recipe
    from bench_lab.segments import Segment

SEED = 20_260_101
LATE_US = (20, 400)  # by how much a segment is late: a few others pass it


class Damage:
    """The same for every run of one recipe."""

    def __init__(self, recipe: Recipe) -> None:
        """The shares are those of the recipe; segments without data arrive as they were sent."""
        self._lost, self._reordered = recipe.lost, recipe.reordered
        self._random = random.Random(SEED)  # noqa: S311 - a capture that can be made again, no secret

    def suffered(self, segments: Sequence[Segment]) -> Sequence[Segment]:
        """What the capture shows of these."""
        return list(self._arrivals(segments)) if self._lost or self._reordered else segments

    def _arrivals(self, segments: Sequence[Segment]) -> Iterator[Segment]:
        for segment in segments:
            if segment.payload and self._random.random() < self._lost:
                continue
            is_late = segment.payload and self._random.random() < self._reordered
            yield segment._replace(time_us=segment.time_us + self._random.randint(*LATE_US)) if is_late else segment
