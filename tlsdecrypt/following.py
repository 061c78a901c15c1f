"""Following: the connections of a capture, or of a share of it, each through its observer to a conversation."""

from __future__ import annotations

from collections import deque
from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple

from tlsdecrypt.net.connection import ConnectionTable, Phase
from tlsdecrypt.observer import Observer
from tlsdecrypt.plaintext import NO_OUTLETS

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterator

    from tlsdecrypt.capture.frames import FrameBatch
    from tlsdecrypt.conversation import Conversation
    from tlsdecrypt.net.connection import Happenings
    from tlsdecrypt.net.events import StreamEvent
    from tlsdecrypt.net.share import Share
    from tlsdecrypt.net.surroundings import Surroundings
    from tlsdecrypt.net.tcp import TcpConnection
    from tlsdecrypt.plaintext import Outlets
    from tlsdecrypt.rsa_ahead import RsaAhead
    from tlsdecrypt.tls.secrets import SecretStore

MAX_WAITING_BYTES = 64 << 20  # records of finished connections that wait for another connection's secret


class Ended(NamedTuple):
    """A connection that is over, and where in its batch it ended: see ConnectionTable.place."""

    place: tuple[Phase, int]
    conversation: Conversation


class _Happening(NamedTuple):
    """What a connection says in a batch, where in it, and whether that is the last: the table is ahead of us."""

    place: tuple[Phase, int]
    tcp: TcpConnection
    events: list[StreamEvent]
    is_over: bool


class Following:
    """Takes batch after batch. After each `feed` comes `settle`: then what ended is told.

    Between the two is the time to take what others learned, where the store is shared. `touched` are the numbers of the
    connections that had something to say in the batch.
    """

    def __init__(
        self,
        keys: SecretStore,
        *,
        keep_content: bool = False,
        outlets: Outlets = NO_OUTLETS,
        share: Share | None = None,
        ahead: RsaAhead | None = None,
    ) -> None:
        """`keep_content` and `outlets` are those of Options; with `share`, only its connections are followed."""
        self.observers: dict[int, Observer] = {}
        self.touched: set[int] = set()
        self._keys = keys
        self._keep_content = keep_content
        self._outlets = outlets
        self._ahead = ahead
        self._table = ConnectionTable(share)
        self._ended: list[Ended] = []
        self._ended_waiting: list[tuple[tuple[Phase, int], int, Observer]] = []  # in this batch, with their numbers
        self._holding: dict[int, Observer] = {}  # connections that go on, with records that wait for keys
        self._waiting: deque[tuple[int, Observer]] = deque()  # those that are over
        self._waiting_bytes = 0  # a running total: the sum, for each that ends, would be quadratic
        self._generation = keys.generation

    @property
    def other_frames(self) -> Counter[str]:
        """Frames so far that hold no TCP, by a word: of all shares."""
        return self._table.other_frames

    @property
    def surroundings(self) -> Surroundings:
        """What was seen beside TCP connections."""
        return self._table.surroundings.facts()

    @property
    def is_in_need(self) -> bool:
        """Whether others should be asked now what they have learned up to this batch."""
        return bool(self._ended_waiting) or any(each.is_impatient for each in self._holding.values())

    def take_started(self) -> list[int]:
        """See ConnectionTable."""
        return self._table.take_started()

    def feed(self, batch: FrameBatch) -> None:
        """The next frames."""
        self.touched.clear()
        happenings = self._happenings(self._table.feed(batch))
        for happening in happenings if self._ahead is None else self._ahead.before(happenings):
            self._feed(happening)
            self.touched.add(happening.tcp.id)

    def settle(self) -> list[Ended]:
        """What ended in the batch, in order; what waits is tried again where something was learned since."""
        if self._holding:
            self._retry_holding()
        for place, number, observer in self._ended_waiting:
            observer.retry()
            self._end_waiting(place, number, observer)
        self._ended_waiting.clear()
        ended, self._ended = self._ended, []
        return sorted(ended, key=itemgetter(0))

    def finish(self) -> Iterator[Ended]:
        """The captures are over: each connection that was open, but for those that wait."""
        for happening in self._happenings(self._table.finish()):
            self._feed(happening)
            for place, number, observer in self._ended_waiting:
                self._end_waiting(place, number, observer)
            self._ended_waiting.clear()
            ended, self._ended = self._ended, []
            yield from ended
        self._holding.clear()

    def retry(self) -> None:
        """Those that wait are opened by what the others revealed, in turn."""
        generation = None
        while generation != self._keys.generation:
            generation = self._keys.generation
            for _, observer in self._waiting:
                observer.retry()

    def finish_waiting(self) -> Iterator[Ended]:
        """Every secret was seen: those that waited, in the order of their numbers."""
        for number, observer in sorted(self._waiting, key=itemgetter(0)):
            yield Ended((Phase.IDLE, number), observer.finish())
        self._waiting.clear()

    def _happenings(self, said: Happenings) -> Iterator[_Happening]:
        for tcp, events in said:
            yield _Happening(self._table.place, tcp, events, tcp.is_over)

    def _feed(self, happening: _Happening) -> None:
        place, tcp, events, is_over = happening
        observer = self.observers.get(tcp.id)
        if observer is None:
            observer = Observer(tcp, self._keys, keep_content=self._keep_content, outlets=self._outlets)
            self.observers[tcp.id] = observer
        observer.feed(events)
        if is_over:
            del self.observers[tcp.id]
            self._holding.pop(tcp.id, None)
            if observer.is_waiting:
                self._ended_waiting.append((place, tcp.id, observer))
            else:
                self._ended.append(Ended(place, observer.finish()))
        elif observer.is_waiting:
            self._holding[tcp.id] = observer

    def _retry_holding(self) -> None:
        is_news, self._generation = self._keys.generation != self._generation, self._keys.generation
        for number, observer in list(self._holding.items()):
            if observer.is_waiting and is_news:
                observer.retry()
            if observer.is_impatient:
                observer.lose_patience()
            if not observer.is_waiting:
                del self._holding[number]

    def _end_waiting(self, place: tuple[Phase, int], number: int, observer: Observer) -> None:
        """A connection ended: its conversation, or a place among those that wait, oldest out first."""
        if not observer.is_waiting:
            self._ended.append(Ended(place, observer.finish()))
            return
        self._waiting.append((number, observer))
        self._waiting_bytes += observer.held_bytes
        while self._waiting_bytes > MAX_WAITING_BYTES:
            _, oldest = self._waiting.popleft()
            self._waiting_bytes -= oldest.held_bytes
            self._ended.append(Ended(place, oldest.finish()))
