"""analyze(): the only place where the layers are joined, from captures to conversations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tlsdecrypt.capture.source import open_capture
from tlsdecrypt.conversation import Analysis, CaptureFacts, KeyFacts
from tlsdecrypt.errors import CaptureError
from tlsdecrypt.net.connection import ConnectionTable
from tlsdecrypt.observer import Observer
from tlsdecrypt.tls.secrets import SecretStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tlsdecrypt.capture.frames import FrameBatch
    from tlsdecrypt.capture.source import Capture
    from tlsdecrypt.conversation import Conversation
    from tlsdecrypt.net.events import StreamEvent
    from tlsdecrypt.net.tcp import TcpConnection

MAX_WAITING_BYTES = 64 << 20  # records of finished connections that wait for another connection's secret


@dataclass(frozen=True, slots=True)
class Options:
    """What to look at, and what to keep.

    `hosts` (names or addresses) and `ports` choose connections, all where empty. `keep_content` keeps the content of
    every HTTP message in memory.
    """

    keep_content: bool = False
    hosts: tuple[str, ...] = ()
    ports: tuple[int, ...] = ()


class Pipeline:
    """One run over some captures: iterate over `conversations()` to its end, then ask for the `analysis`."""

    def __init__(
        self,
        captures: Sequence[str],
        keys: SecretStore,
        options: Options | None = None,
        *,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        """`progress(done, total)` is told the bytes read of all captures (total 0: not known, as for a pipe)."""
        self.frames = 0
        self.captures: list[CaptureFacts] = []
        self.errors: list[CaptureError] = []
        self._paths = captures
        self._keys = keys
        self._options = options or Options()
        self._progress = progress
        self._table = ConnectionTable()
        self._observers: dict[int, Observer] = {}
        self._waiting: list[Observer] = []
        self.is_interrupted = False
        self._is_waiting_for_input = False
        self._opened_by: dict[tuple[str, str | None], list[int]] = {}

    def conversations(self) -> Iterator[Conversation]:
        """Each connection as it ends; those that wait for another one's secret come last.

        Raises CaptureError if no capture could be read; of several, the unreadable ones are in `errors`.
        """
        for conversation in self._all_conversations():
            self._note_key(conversation)
            if self._is_chosen(conversation):
                yield conversation
        if self.errors and not self.captures:
            raise self.errors[0]

    def analysis(self, conversations: Sequence[Conversation]) -> Analysis:
        """Everything that was learned, around the conversations that `conversations()` gave."""
        return Analysis(
            captures=tuple(self.captures),
            keys=self._key_facts(),
            conversations=tuple(sorted(conversations, key=lambda conversation: conversation.id)),
            frames=self.frames,
            other_frames=dict(self._table.other_frames),
            errors=tuple(str(error) for error in self.errors),
        )

    def _all_conversations(self) -> Iterator[Conversation]:
        for path in in_time_order(self._paths):
            if self.is_interrupted:
                break
            try:
                with open_capture(path, first_number=self.frames + 1) as capture:
                    yield from self._read(capture)
            except CaptureError as error:
                self.errors.append(error)
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

    def _batches(self, capture: Capture) -> Iterator[FrameBatch]:
        batches = iter(capture)
        while not self.is_interrupted:
            try:
                self._is_waiting_for_input = True
                batch = next(batches, None)
            except KeyboardInterrupt:
                return
            finally:
                self._is_waiting_for_input = False
            if batch is None:
                return
            yield batch

    def _read(self, capture: Capture) -> Iterator[Conversation]:
        self._keys.is_growing = capture.has_late_secrets
        first_frame = self.frames + 1
        taken = 0
        times: list[int] = []
        for batch in self._batches(capture):
            for secrets in capture.secrets[taken:]:
                self._keys.add_keylog(secrets, f"{capture.path} (Decryption Secrets Block)")
            taken = len(capture.secrets)
            times += (int(batch.time_ns.min()), int(batch.time_ns.max())) if len(batch) else ()
            for tcp, events in self._table.feed(batch):
                yield from self._feed(tcp, events)
            if self._progress is not None:
                self._progress(capture.position, capture.size)
        self._keys.is_growing = False
        self.frames += capture.frames
        self.captures.append(_capture_facts(capture, first_frame, times))

    def _feed(self, tcp: TcpConnection, events: list[StreamEvent]) -> Iterator[Conversation]:
        observer = self._observers.get(tcp.id)
        if observer is None:
            observer = Observer(tcp, self._keys, keep_content=self._options.keep_content)
            self._observers[tcp.id] = observer
        observer.feed(events)
        if tcp.is_over:
            del self._observers[tcp.id]
            yield from self._close(observer)

    def _close(self, observer: Observer) -> Iterator[Conversation]:
        """A connection ended: its conversation, or a place among those that wait, oldest out first."""
        if not observer.is_waiting:
            yield observer.finish()
            return
        self._waiting.append(observer)
        while sum(each.held_bytes for each in self._waiting) > MAX_WAITING_BYTES:
            yield self._waiting.pop(0).finish()

    def _finish_waiting(self) -> Iterator[Conversation]:
        """Every secret was seen: those that wait are opened by what the others revealed, in turn, or stay closed."""
        generation = None
        while generation != self._keys.generation:
            generation = self._keys.generation
            for observer in self._waiting:
                observer.retry()
        for observer in self._waiting:
            yield observer.finish()

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


def _capture_facts(capture: Capture, first_frame: int, times: list[int]) -> CaptureFacts:
    return CaptureFacts(
        path=capture.path,
        format=capture.format,
        frames=capture.frames,
        first_frame=first_frame,
        size=capture.size,
        start_ns=min(times, default=None),
        end_ns=max(times, default=None),
        notes=tuple(capture.notes),
        secrets=len(capture.secrets),
    )


def in_time_order(paths: Sequence[str]) -> list[str]:
    """Captures by the time of their first frame; as they are where one of them is a pipe, or there is only one."""
    if len(paths) < 2 or "-" in paths:  # noqa: PLR2004 - nothing to compare
        return list(paths)
    return sorted(paths, key=_first_time_ns)


def _first_time_ns(path: str) -> int:
    """The time of the first frame; of what cannot be read 0, so that its fault is told first."""
    try:
        with open_capture(path) as capture:
            return next((int(batch.time_ns[0]) for batch in capture if len(batch)), 0)
    except CaptureError:
        return 0


def analyze(
    captures: Sequence[str],
    keys: SecretStore | None = None,
    options: Options | None = None,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> Analysis:
    """Everything that the captures hold and the keys open.

    Captures are paths (`-` is standard input), read in the order of their first frames. What sessions reveal on the way
    is kept in `keys`, so that a later run with the same store opens the sessions that resume them. Raises CaptureError
    if no capture could be read; of several, the unreadable ones are in `Analysis.errors`.
    """
    pipeline = Pipeline(captures, keys or SecretStore(), options, progress=progress)
    return pipeline.analysis(list(pipeline.conversations()))


def stream(
    captures: Sequence[str],
    keys: SecretStore | None = None,
    options: Options | None = None,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> Iterator[Conversation]:
    """The same, one conversation at a time as they end, in memory that does not grow with the capture."""
    yield from Pipeline(captures, keys or SecretStore(), options, progress=progress).conversations()
