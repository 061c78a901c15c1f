"""Names of frames for people: `#12` where there is one capture, `file:12` where there are several."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from pathlib import PurePath
from typing import TYPE_CHECKING

from tlsdecrypt.report.quantities import frame_range

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tlsdecrypt.conversation import CaptureFacts
    from tlsdecrypt.flow import Span


class FrameNames:
    """Knows which frame numbers belong to which capture."""

    def __init__(self, captures: Iterable[CaptureFacts] = ()) -> None:
        """A capture is called by the name of its file; by its whole path where two files have the same name."""
        self._captures = sorted(captures, key=lambda facts: facts.first_frame)
        names = [PurePath(facts.path).name for facts in self._captures]
        is_unique = max(Counter(names).values(), default=0) <= 1
        self._names = names if is_unique else [facts.path for facts in self._captures]
        self._firsts = [facts.first_frame for facts in self._captures]

    def place(self, frame: int) -> tuple[str, int]:
        """The file of a frame, and its number there, as Wireshark shows it."""
        index = bisect_right(self._firsts, frame) - 1
        return self._names[index], frame - self._firsts[index] + 1

    def range(self, span: Span) -> str:
        """`#12-#17`; of several captures `a.pcap:12-17`, or `a.pcap:12-b.pcap:3`."""
        if len(self._captures) < 2:  # noqa: PLR2004 -- then the number says it all
            return frame_range(span)
        (file, first), (other, last) = self.place(span.first_frame), self.place(span.last_frame)
        if file != other:
            return f"{file}:{first}-{other}:{last}"
        return f"{file}:{first}" if first == last else f"{file}:{first}-{last}"
