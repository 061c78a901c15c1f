"""FragmentStore: IP fragments become whole payloads again (RFC 815, RFC 8200 section 4.5)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tlsdecrypt.net.cursor import Fragment

DATAGRAMS_MAX = 1024  # incomplete datagrams that are kept at a time; the oldest goes first
FRAGMENTS_MAX = 2048  # fragments of one datagram: 65,535 bytes need 1,366 over links of 68 bytes (RFC 791)
PENDING_BYTES_MAX = 8 << 20  # of all incomplete datagrams
TIMEOUT_NS = 30_000_000_000  # RFC 791 section 3.2 and RFC 8200 section 4.5 give 15 and 60 seconds
_FRAGMENT_COST = 128  # bytes that a fragment occupies besides its data


@dataclass(slots=True)
class _Datagram:
    time_ns: int
    parts: list[tuple[int, bytes]] = field(default_factory=list, repr=False)
    total: int | None = None
    held: int = 0
    cost: int = 0

    def add(self, fragment: Fragment) -> int:
        """Keep a fragment; how much memory more that takes."""
        if fragment.is_last and self.total is None:
            self.total = fragment.offset + len(fragment.data)
        self.parts.append((fragment.offset, fragment.data))
        self.held += len(fragment.data)
        cost = len(fragment.data) + _FRAGMENT_COST
        self.cost += cost
        return cost

    def payload(self) -> bytes | None:
        """The whole payload, or None while something is missing. Where fragments overlap, the first seen wins."""
        if self.total is None or self.held < self.total or not self._has_no_hole(self.total):
            return None
        payload = bytearray(self.total)
        for offset, data in reversed(self.parts):
            part = data[: max(self.total - offset, 0)]
            payload[offset : offset + len(part)] = part
        return bytes(payload)

    def _has_no_hole(self, total: int) -> bool:
        reached = 0
        for offset, length in sorted((offset, len(data)) for offset, data in self.parts):
            if offset > reached:
                return False
            reached = max(reached, offset + length)
        return reached >= total


class FragmentStore:
    """Fragments of datagrams that are not complete yet, within fixed bounds."""

    def __init__(self) -> None:
        self._datagrams: dict[tuple[int, int, int, int], _Datagram] = {}
        self._cost = 0

    def feed(self, fragment: Fragment, time_ns: int) -> bytes | None:
        """The payload that `fragment` completes, or None."""
        datagram = self._datagrams.get(fragment.key)
        if datagram is not None and time_ns - datagram.time_ns > TIMEOUT_NS:
            self._drop(fragment.key)
            datagram = None
        if datagram is None:
            datagram = self._datagrams[fragment.key] = _Datagram(time_ns)
        self._cost += datagram.add(fragment)
        payload = datagram.payload()
        if payload is not None or len(datagram.parts) >= FRAGMENTS_MAX:
            self._drop(fragment.key)
        while len(self._datagrams) > DATAGRAMS_MAX or self._cost > PENDING_BYTES_MAX:
            self._drop(next(iter(self._datagrams)))
        return payload

    def _drop(self, key: tuple[int, int, int, int]) -> None:
        self._cost -= self._datagrams.pop(key).cost
