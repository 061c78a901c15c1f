"""analyze(): the only place where the layers are joined, from captures to conversations."""

from __future__ import annotations

import os
from collections import Counter
from typing import TYPE_CHECKING

from tlsdecrypt.conversation import Analysis, KeyFacts
from tlsdecrypt.following import Following
from tlsdecrypt.net.surroundings import Surroundings
from tlsdecrypt.plaintext import NO_OUTLETS, Outlets
from tlsdecrypt.reading import ReadFacts, Reading
from tlsdecrypt.rsa_ahead import RsaAhead
from tlsdecrypt.tls.secrets import SecretStore
from tlsdecrypt.value import Value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tlsdecrypt.capture.inputs import Named
    from tlsdecrypt.capture.series import Stretch
    from tlsdecrypt.conversation import CaptureFacts, Conversation
    from tlsdecrypt.errors import CaptureError
    from tlsdecrypt.findings.detective import Detective
    from tlsdecrypt.shards import Shards


class Options(Value, frozen=True):
    """What to look at, what to keep, and how many processes share the work.

    `hosts` (names or addresses) and `ports` choose connections, all where empty. `keep_content` keeps the content of
    every HTTP message in memory; `outlets` take contents, or all plaintext, elsewhere. `has_findings`: the rules of
    `findings` are applied. `jobs` None: as many processes as the machine has cores, where the captures are large. What
    cannot be read more than once, or has outlets, takes one in any case.
    """

    keep_content: bool = False
    hosts: tuple[str, ...] = ()
    ports: tuple[int, ...] = ()
    has_findings: bool = True
    outlets: Outlets = NO_OUTLETS
    jobs: int | None = 1

    def choose(self, conversation: Conversation) -> bool:
        """Whether this is one of the connections to look at."""
        if self.ports and not {conversation.client.port, conversation.server.port} & set(self.ports):
            return False
        if not self.hosts:
            return True
        names = {conversation.client.address, conversation.server.address}
        if conversation.tls is not None and conversation.tls.server_name:
            names.add(conversation.tls.server_name.lower())
        return not names.isdisjoint(host.lower() for host in self.hosts)


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
        self.captures: tuple[CaptureFacts, ...] = ()
        self.errors: tuple[CaptureError, ...] = ()
        self.notes: tuple[str, ...] = ()
        self.is_interrupted = False
        self._named = captures
        self._keys = keys
        self._options = options or Options()
        self._progress = progress
        self._news = news
        self._told: Counter[int] = Counter()  # exchanges that were news, by connection
        self._opened_by: dict[tuple[str, str | None], list[int]] = {}
        self._detective = _detective() if self._options.has_findings else None
        self._source: Reading | Shards | None = None
        self._surroundings = Surroundings()

    def conversations(self) -> Iterator[Conversation]:
        """Each connection as it ends; those that wait for another one's secret come last.

        Raises CaptureError if no capture could be read; of several, the unreadable ones are in `errors`.
        """
        jobs = self._jobs()
        for conversation in self._by_one_process() if jobs == 1 else self._by_several(jobs):
            self._note_key(conversation)
            if self._options.choose(conversation):
                if self._detective is not None:
                    self._detective.take(conversation)
                yield conversation
        if self.errors and not self.captures:
            raise self.errors[0]

    def analysis(self, conversations: Sequence[Conversation]) -> Analysis:
        """Everything that was learned, around the conversations that `conversations()` gave."""
        keys = self._key_facts()
        detective = self._detective
        findings = detective.finish(self.captures, self._surroundings, keys) if detective else ()
        stories = detective.stories() if detective else ()
        return Analysis(
            captures=self.captures,
            keys=keys,
            conversations=tuple(sorted(conversations, key=lambda conversation: conversation.id)),
            frames=sum(each.frames for each in self.captures),
            other_frames=dict(sum((Counter(each.other_frames) for each in self.captures), Counter())),
            findings=findings,
            notes=(*self._keys.notes, *self.notes, *(detective.notes if detective else ())),
            errors=tuple(str(error) for error in self.errors),
            tcp_frames=sum(each.tcp_frames for each in self.captures),
            doubled_frames=sum(each.doubled_frames for each in self.captures),
            surroundings=self._surroundings,
            stories=stories,
        )

    def interrupt(self) -> None:
        """Let the capture end here: what was read is finished and told. For signal handlers.

        Called again, or while a pipe is waited for, it raises KeyboardInterrupt; the latter is caught here.
        """
        was_interrupted, self.is_interrupted = self.is_interrupted, True
        if was_interrupted:
            raise KeyboardInterrupt
        if self._source is not None:
            self._source.end()

    def _jobs(self) -> int:
        if self._options.jobs == 1 or self._news is not None or self._options.outlets != NO_OUTLETS:
            return 1
        from tlsdecrypt.shards import jobs_for  # noqa: PLC0415 - a small run starts no process

        return jobs_for(self._named, self._options.jobs)

    def _by_one_process(self) -> Iterator[Conversation]:
        self._source = reading = Reading(self._named, self._keys)
        options = self._options
        ahead = RsaAhead(self._keys)
        following = Following(self._keys, keep_content=options.keep_content, outlets=options.outlets, ahead=ahead)
        try:
            for stretch in reading.stretches():
                others = Counter(following.other_frames)
                following.feed(stretch.batch)
                for ended in following.settle():
                    yield reading.with_process(ended.conversation)
                self._tell(stretch, following, reading)
                reading.account_for(stretch, following.other_frames - others)
                if self._progress is not None:
                    self._progress(*reading.progress)
        finally:
            ahead.close()
            self._take_facts(reading.facts())
        for ended in following.finish():
            yield reading.with_process(ended.conversation)
        self._surroundings = following.surroundings
        following.retry()
        for ended in following.finish_waiting():
            yield reading.with_process(ended.conversation)

    def _by_several(self, jobs: int) -> Iterator[Conversation]:
        from tlsdecrypt.shards import Shards  # noqa: PLC0415 - a small run starts no process

        names = [os.fspath(each) for each in self._named if isinstance(each, str | os.PathLike)]
        keep_content = self._options.keep_content
        self._source = shards = Shards(names, self._keys, jobs, keep_content=keep_content, progress=self._progress)
        yield from shards.conversations()
        self._take_facts(shards.facts)
        self._surroundings = shards.surroundings
        self.notes += tuple(shards.notes)

    def _take_facts(self, facts: ReadFacts) -> None:
        self.captures, self.errors, self.notes = facts.captures, facts.errors, facts.notes

    def _tell(self, stretch: Stretch, following: Following, reading: Reading) -> None:
        """Tell whoever waits for news which exchanges are complete, unless all ends here."""
        if self._news is None or all(capture.is_at_end for capture in stretch.captures):
            return
        for number in sorted(following.touched & following.observers.keys()):
            observer = following.observers[number]
            if observer.finished_exchanges > self._told[number]:
                self._told[number] = observer.finished_exchanges
                conversation = observer.so_far()
                if self._options.choose(conversation):
                    self._news(reading.with_process(conversation))

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
                names=each.names,
            )
            for each in self._keys.sources
        )


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
