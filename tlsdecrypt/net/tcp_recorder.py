"""TcpRecorder: gathers the facts of one connection, endpoint by endpoint, while its segments pass."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tlsdecrypt.flow import Direction
from tlsdecrypt.net.protocols import TcpFlag
from tlsdecrypt.net.repeats import REORDERED_NS
from tlsdecrypt.net.tcp_facts import Reset, SideFacts, Sighting, TcpFacts, ZeroWindow

if TYPE_CHECKING:
    from tlsdecrypt.net.headers import Headers, SegmentHeader
    from tlsdecrypt.net.reassembly import HalfStream
    from tlsdecrypt.net.runs import Group, Runs

SYNS_MAX = 8  # of which frame and time are kept

_SYN, _RST, _ACK = int(TcpFlag.SYN), int(TcpFlag.RST), int(TcpFlag.ACK)


class TcpRecorder:
    """Endpoints are 0 and 1, in the order of the connection's key."""

    __slots__ = ("_first", "_full", "_longest", "_reset", "_syn_ack", "_syn_counts", "_syns", "_times_full")

    def __init__(self) -> None:
        """Nothing was seen yet."""
        self._first: list[SegmentHeader | None] = [None, None]
        self._syns: list[tuple[int, int, int]] = []  # sender, frame, time
        self._syn_counts = [0, 0]
        self._syn_ack: tuple[int, Sighting] | None = None
        self._reset: tuple[int, SegmentHeader] | None = None
        self._full: list[Sighting | None] = [None, None]
        self._times_full = [0, 0]
        self._longest: list[ZeroWindow | None] = [None, None]

    def touch(self, group: Group, headers: Headers) -> None:
        """The segments of `group`, whatever they carry."""
        for side, row in enumerate(group.firsts):
            if row >= 0 and self._first[side] is None:
                self._first[side] = headers.of(row)
            if row >= 0 and self._full[side] is not None and not group.windows:
                self._opened(side, headers.of(row).time_ns)
        for row, side, is_full in group.windows:
            header = headers.of(row)
            if not is_full:
                self._opened(side, header.time_ns)
            elif self._full[side] is None:
                self._full[side] = Sighting(header.frame, header.time_ns)
                self._times_full[side] += 1

    def _opened(self, side: int, time_ns: int) -> None:
        self._longest[side] = self._longest_until(side, time_ns)
        self._full[side] = None

    def _longest_until(self, side: int, time_ns: int) -> ZeroWindow | None:
        full, longest = self._full[side], self._longest[side]
        if full is None or (longest is not None and time_ns - full.time_ns <= longest.duration_ns):
            return longest
        return ZeroWindow(*full, time_ns - full.time_ns)

    def take(self, runs: Runs, run: int) -> None:
        """A segment with SYN or RST."""
        if run in runs.doubled:
            return
        sender, flags = runs.sender[run], runs.flags[run]
        frame, time_ns = runs.frames[runs.bounds[run]], runs.time_ns(run)
        if flags & _RST:
            self._reset = self._reset or (sender, runs.headers.of(runs.row(run)))
        elif flags & _ACK:
            self._syn_ack = self._syn_ack or (sender, Sighting(frame, time_ns))
        else:
            self._syn_counts[sender] += 1
            if len(self._syns) < SYNS_MAX:
                self._syns.append((sender, frame, time_ns))

    def facts(self, client: int, halves: tuple[HalfStream, HalfStream], acks: list[int], end_ns: int) -> TcpFacts:
        """All of it, where endpoint `client` is the client; `acks` are the highest of each endpoint."""
        syns = tuple(Sighting(frame, time_ns) for sender, frame, time_ns in self._syns if sender == client)
        syn_ack = self._syn_ack[1] if self._syn_ack is not None and self._syn_ack[0] != client else None
        sides = [self._side(side, halves[side], acks[1 - side], end_ns) for side in (client, 1 - client)]
        return TcpFacts(
            syns=syns,
            syn_count=self._syn_counts[client],
            syn_ack=syn_ack,
            bare_ack=self._bare_ack(1 - client, syn_ack) if syns else None,
            reset=self._reset_of(client),
            sides=(sides[0], sides[1]),
        )

    def _reset_of(self, client: int) -> Reset | None:
        if self._reset is None:
            return None
        sender, header = self._reset
        direction = Direction.CLIENT_TO_SERVER if sender == client else Direction.SERVER_TO_CLIENT
        return Reset(direction, header.frame, header.time_ns, header.ttl, header.ip_id)

    def _bare_ack(self, server: int, syn_ack: Sighting | None) -> Sighting | None:
        first = self._first[server]
        if first is None or first.flags & (_SYN | _RST | _ACK) != _ACK or first.time_ns < self._syns[0][2]:
            return None
        if syn_ack is not None and syn_ack.time_ns - first.time_ns <= REORDERED_NS:
            return None
        return Sighting(first.frame, first.time_ns)

    def _side(self, side: int, half: HalfStream, peer_ack: int, end_ns: int) -> SideFacts:
        first, repeats, fin = self._first[side], half.repeats, half.fin_span
        return SideFacts(
            ttl=first.ttl if first else None,
            ip_id=first.ip_id if first else None,
            mac=first.source_mac.hex(":") if first and first.source_mac else None,
            fin=None if fin is None else Sighting(fin.first_frame, fin.first_time_ns),
            first_payload=None if half.first_payload is None else Sighting(*half.first_payload),
            last_payload=None if half.last_payload is None else Sighting(*half.last_payload),
            repeats=repeats.count if repeats else 0,
            most_repeats=repeats.most if repeats else 0,
            largest_repeat=repeats.largest if repeats else 0,
            repeated=Sighting(repeats.frame, repeats.time_ns) if repeats and repeats.most else None,
            repeated_length=repeats.length if repeats else 0,
            filled=repeats.filled if repeats else 0,
            zero_windows=self._times_full[side],
            zero_window=self._longest_until(side, end_ns),
            is_lost=half.is_lost(peer_ack),
            unacknowledged=half.unacknowledged(peer_ack),
        )
