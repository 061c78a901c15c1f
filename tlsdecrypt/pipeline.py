"""analyze(): the only place where the layers are joined, from captures to conversations."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tlsdecrypt.accounts import Accounts
from tlsdecrypt.capture.series import Series
from tlsdecrypt.conversation import Analysis, KeyFacts
from tlsdecrypt.net.connection import ConnectionTable
from tlsdecrypt.observer import Observer
from tlsdecrypt.plaintext import NO_OUTLETS, Outlets
from tlsdecrypt.tls.secrets import SecretStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tlsdecrypt.capture.inputs import Named
    from tlsdecrypt.capture.series import Stretch
    from tlsdecrypt.capture.source import Capture
    from tlsdecrypt.conversation import CaptureFacts, Conversation
    from tlsdecrypt.errors import CaptureError
    from tlsdecrypt.findings.detective import Detective
    from tlsdecrypt.flow import Endpoint
    from tlsdecrypt.net.events import StreamEvent
    from tlsdecrypt.net.tcp import TcpConnection

MAX_WAITING_BYTES = 64 << 20  # records of finished connections that wait for another connection's secret


@dataclass(frozen=True, slots=True)
class Options:
    """What to look at, and what to keep.

    `hosts` (names or addresses) and `ports` choose connections, all where empty. `keep_content` keeps the content of
    every HTTP message in memory; `outlets` take contents, or all plaintext, elsewhere. `has_findings`: the rules of
    `findings` are applied.
    """

    keep_content: bool = False
    hosts: tuple[str, ...] = ()
    ports: tuple[int, ...] = ()
    has_findings: bool = True
    outlets: Outlets = NO_OUTLETS


class Pipeline:
    """One run over some captures: iterate over `conversations()` to its end, then ask for the `analysis`."""

    def __init__(
        self,
        captures: Sequence[Named],
        keys: SecretStore,
        options: Options | None = None,
        *,
        progress: Callable[[int, int], None] | None = None,
        news: Callable[[Conversation], None] | None = None,
    ) -> None:
        """`progress(done, total)` is told the bytes read of all captures (total 0: not known, as for a pipe).

        `news` is told what was learned so far of each connection that goes on, when an exchange of it is complete.
        """
        self.captures: list[CaptureFacts] = []
        self.errors: list[CaptureError] = []
        self.notes: list[str] = []
        self._named = captures
        self._accounts = Accounts()
        self._taken: Counter[int] = Counter()  # secrets that were taken, by the first frame of their capture
        self._processes: dict[frozenset[Endpoint], str] = {}
        self._keys = keys
        self._options = options or Options()
        self._progress = progress
        self._news = news
        self._told: Counter[int] = Counter()  # exchanges that were news, by connection
        self._table = ConnectionTable()
        self._observers: dict[int, Observer] = {}
        self._waiting: deque[Observer] = deque()
        self._waiting_bytes = 0  # a running total: the sum, for each that ends, would be quadratic
        self.is_interrupted = False
        self._is_waiting_for_input = False
        self._opened_by: dict[tuple[str, str | None], list[int]] = {}
        self._detective = _detective() if self._options.has_findings else None

    def conversations(self) -> Iterator[Conversation]:
        """Each connection as it ends; those that wait for another one's secret come last.

        Raises CaptureError if no capture could be read; of several, the unreadable ones are in `errors`.
        """
        for conversation in self._all_conversations():
            self._note_key(conversation)
            if self._is_chosen(conversation):
                if self._detective is not None:
                    self._detective.take(conversation)
                yield self._with_process(conversation)
        if self.errors and not self.captures:
            raise self.errors[0]

    def analysis(self, conversations: Sequence[Conversation]) -> Analysis:
        """Everything that was learned, around the conversations that `conversations()` gave."""
        keys = self._key_facts()
        surroundings = self._table.surroundings.facts()
        findings = self._detective.finish(self.captures, surroundings, keys) if self._detective is not None else ()
        return Analysis(
            captures=tuple(self.captures),
            keys=keys,
            conversations=tuple(sorted(conversations, key=lambda conversation: conversation.id)),
            frames=sum(each.frames for each in self.captures),
            other_frames=dict(sum((Counter(each.other_frames) for each in self.captures), Counter())),
            findings=findings,
            notes=(*self._keys.notes, *self.notes, *(self._detective.notes if self._detective else ())),
            errors=tuple(str(error) for error in self.errors),
            tcp_frames=sum(each.tcp_frames for each in self.captures),
            doubled_frames=sum(each.doubled_frames for each in self.captures),
            surroundings=surroundings,
        )

    def _all_conversations(self) -> Iterator[Conversation]:
        series = Series(self._named)
        self.errors, self.notes = series.errors, series.notes
        try:
            for stretch in self._stretches(series):
                yield from self._read(stretch)
                if self._progress is not None:
                    self._progress(series.position, series.size)
        finally:
            series.close()
        self._keys.is_growing = False
        self.captures = self._accounts.facts(series.captures)
        for tcp, events in self._table.finish():
            yield from self._feed(tcp, events)
        yield from self._finish_waiting()

    def interrupt(self) -> None:
        """Let the capture end here: what was read is finished and told. For signal handlers.

        Called again, or while a pipe is waited for, it raises KeyboardInterrupt; the latter is caught here.
        """
        was_interrupted, self.is_interrupted = self.is_interrupted, True
        if was_interrupted or self._is_waiting_for_input:
            raise KeyboardInterrupt

    def _stretches(self, series: Series) -> Iterator[Stretch]:
        stretches = iter(series)
        while not self.is_interrupted:
            try:
                self._is_waiting_for_input = True
                stretch = next(stretches, None)
            except KeyboardInterrupt:
                return
            finally:
                self._is_waiting_for_input = False
            if stretch is None:
                return
            self._keys.is_growing = series.has_late_secrets
            yield stretch

    def _read(self, stretch: Stretch) -> Iterator[Conversation]:
        for capture in stretch.captures:
            self._take_extras(capture)
        others = Counter(self._table.other_frames)
        touched = set()
        for tcp, events in self._table.feed(stretch.batch):
            yield from self._feed(tcp, events)
            touched.add(tcp.id)
        if self._news is not None and not all(capture.is_at_end for capture in stretch.captures):
            self._tell(self._news, touched)
        self._accounts.take(stretch, self._table.other_frames - others)

    def _tell(self, news: Callable[[Conversation], None], touched: set[int]) -> None:
        for number in sorted(touched & self._observers.keys()):
            observer = self._observers[number]
            if observer.finished_exchanges > self._told[number]:
                self._told[number] = observer.finished_exchanges
                conversation = observer.so_far()
                if self._is_chosen(conversation):
                    news(self._with_process(conversation))

    def _take_extras(self, capture: Capture) -> None:
        """What a capture holds besides its frames, as far as it was read."""
        number = capture.first_frame
        for process in capture.processes if number not in self._taken else ():
            self._processes[process.ends] = str(process)
        for secrets in capture.secrets[self._taken[number] :]:
            self._keys.add_keylog(secrets, f"{capture.path} (Decryption Secrets Block)")
        self._taken[number] = len(capture.secrets)

    def _feed(self, tcp: TcpConnection, events: list[StreamEvent]) -> Iterator[Conversation]:
        observer = self._observers.get(tcp.id)
        if observer is None:
            observer = self._observe(tcp)
            self._observers[tcp.id] = observer
        observer.feed(events)
        if tcp.is_over:
            del self._observers[tcp.id]
            self._told.pop(tcp.id, None)
            yield from self._close(observer)

    def _observe(self, tcp: TcpConnection) -> Observer:
        options = self._options
        return Observer(tcp, self._keys, keep_content=options.keep_content, outlets=options.outlets)

    def _close(self, observer: Observer) -> Iterator[Conversation]:
        """A connection ended: its conversation, or a place among those that wait, oldest out first."""
        if not observer.is_waiting:
            yield observer.finish()
            return
        self._waiting.append(observer)
        self._waiting_bytes += observer.held_bytes
        while self._waiting_bytes > MAX_WAITING_BYTES:
            oldest = self._waiting.popleft()
            self._waiting_bytes -= oldest.held_bytes
            yield oldest.finish()

    def _finish_waiting(self) -> Iterator[Conversation]:
        """Every secret was seen: those that wait are opened by what the others revealed, in turn, or stay closed."""
        generation = None
        while generation != self._keys.generation:
            generation = self._keys.generation
            for observer in self._waiting:
                observer.retry()
        for observer in self._waiting:
            yield observer.finish()

    def _with_process(self, conversation: Conversation) -> Conversation:
        """The conversation, and which program of the machine that captured it was one end of it."""
        process = self._processes.get(frozenset((conversation.client, conversation.server)))
        return replace(conversation, process=process) if process else conversation

    def _note_key(self, conversation: Conversation) -> None:
        if conversation.tls is not None and conversation.tls.key is not None:
            key = conversation.tls.key
            self._opened_by.setdefault((key.source, key.spki_sha256), []).append(conversation.id)

    def _key_facts(self) -> tuple[KeyFacts, ...]:
        return tuple(
            KeyFacts(
                source=each.source,
                kind=each.kind,
                subject=each.subject,
                spki_sha256=each.spki_sha256,
                connections=tuple(sorted(self._opened_by.get((each.source, each.spki_sha256), ()))),
                notes=each.notes,
            )
            for each in self._keys.sources
        )

    def _is_chosen(self, conversation: Conversation) -> bool:
        hosts, ports = self._options.hosts, self._options.ports
        if ports and not {conversation.client.port, conversation.server.port} & set(ports):
            return False
        names = {conversation.client.address, conversation.server.address}
        if conversation.tls is not None and conversation.tls.server_name:
            names.add(conversation.tls.server_name.lower())
        return not hosts or not names.isdisjoint(host.lower() for host in hosts)


def _detective() -> Detective:
    from tlsdecrypt.findings.detective import Detective  # noqa: PLC0415 - its rules are many modules

    return Detective()


def analyze(
    captures: Sequence[Named],
    keys: SecretStore | None = None,
    options: Options | None = None,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> Analysis:
    """Everything that the captures hold and the keys open.

    Captures are paths of files, folders or zip archives (`-` is standard input); together they are one capture, in the
    order of time. What sessions reveal on the way is kept in `keys`, so that a later run with the same store opens the
    sessions that resume them. Raises CaptureError if no capture could be read; of several, the unreadable ones are in
    `Analysis.errors`.
    """
    pipeline = Pipeline(captures, keys or SecretStore(), options, progress=progress)
    return pipeline.analysis(list(pipeline.conversations()))


def stream(
    captures: Sequence[Named],
    keys: SecretStore | None = None,
    options: Options | None = None,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> Iterator[Conversation]:
    """The same, one conversation at a time as they end, in memory that does not grow with the capture."""
    yield from Pipeline(captures, keys or SecretStore(), options, progress=progress).conversations()
